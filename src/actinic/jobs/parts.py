"""Verification of a large window part by part, so that memory does not grow with the window and parts can be spread.

A part is a piece of the window with its surroundings. What is kept of it is what figures and hotspots need: the error
at every gauge, areas and counts; not its images.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise

import numpy as np

from ..config import build
from ..design import MARGIN_NM, Setup, scanner_of, verify
from ..design.hotspots import Spot, rank, ranked
from ..layout import Layout, clipped, packed, unpacked
from ..mask import reach_nm
from ..metrology import EpeSummary, Gauges, counted, mask_shots, summary
from ..scale import Tiling
from .checked import limits_of, print_figures, violations

# Parts are at most this wide, in lambda / NA, but for blocks that are wider: two tiles of the reference path each way.
PART = 66.0
SLIVER = 0.1
# Parts in which the drawn layout is measured too, for comparison.
SAMPLE = 12


@dataclass(frozen=True)
class Part:
    """A piece of a window: drawn and mask around it, packed, counted from its lower left corner, as `size_nm` is.

    `at_nm`, where that corner stands, does not matter to what is measured.
    """

    size_nm: tuple[float, float]
    target: dict
    mask: dict
    at_nm: tuple[float, float]


def parts(layout: Layout, mask: Layout, setup: Setup, window_nm, blocks: Tiling) -> Iterator[Part]:
    """The window cut into parts of whole blocks, row by row: where blocks repeat, parts do.

    Layouts must reach `surroundings_nm` beyond it.
    """
    far = surroundings_nm(setup)
    for x0, y0, x1, y1 in _cut(setup, window_nm, blocks):
        around = (x0 - far, y0 - far, x1 + far, y1 + far)
        target, made = (packed(_moved(clipped(one, around), x0, y0)) for one in (layout, mask))
        yield Part((x1 - x0, y1 - y0), target, made, (x0, y0))


def sample(cut: Sequence[Part]) -> list[Part]:
    """Some of the parts, with what is drawn as their mask."""
    return [replace(part, mask=part.target) for part in cut[_sampled(len(cut))]]


def parts_in(setup: Setup, window_nm, blocks: Tiling) -> int:
    """How many parts `blocks.verified_parts` will verify."""
    count = len(_cut(setup, window_nm, blocks))
    return count + len(range(count)[_sampled(count)])


def _sampled(count: int) -> slice:
    step = -(-count // SAMPLE)
    return slice(step // 2, None, step)


def _cut(setup: Setup, window_nm, blocks: Tiling) -> list[tuple[float, float, float, float]]:
    most, sides = PART / scanner_of(setup.process).na_over_lambda, []
    for axis in (0, 1):
        low, high = window_nm[axis], window_nm[axis + 2]
        core, count = blocks.core_px[1 - axis] * blocks.pixel_nm, blocks.count[1 - axis]
        each = max(1, int(most / core))
        borders = blocks.window_nm[axis] + core * np.arange(each, count, each)
        # Nothing is gained by a sliver of its own at the rim.
        inner = borders[(borders > low + SLIVER * most) & (borders < high - SLIVER * most)].tolist()
        sides.append(list(pairwise([low, *inner, high])))
    return [(x0, y0, x1, y1) for y0, y1 in sides[1] for x0, x1 in sides[0]]


def surroundings_nm(setup: Setup) -> float:
    return setup.tiles.halo_nm + MARGIN_NM + reach_nm(setup.process.mask)


def _moved(layout: Layout, x: float, y: float) -> Layout:
    return layout.moved(-round(x / layout.dbu_nm), -round(y / layout.dbu_nm))


def verify_part(setup: dict, part: Part) -> dict:
    """What a mask prints in a part, as `together` takes it, and its raster rules and shots."""
    made = build(Setup, dict(setup), "setup")
    target, mask = unpacked(part.target), unpacked(part.mask)
    window = (0.0, 0.0, *part.size_nm)
    (v,) = verify(target, [mask], made.process, window, pitch_nm=made.check_nm, halo_nm=made.tiles.halo_nm)
    inside = clipped(mask, window)
    shots = mask_shots(inside)
    edges = clipped(target, window).edges_nm
    perimeter = float(np.hypot(edges[:, 2] - edges[:, 0], edges[:, 3] - edges[:, 1]).sum())
    return {
        "raster": violations(inside, made, window),
        "shots": shots.shots,
        "vertices": shots.vertices,
        "epe_nm": v.epe_nm,
        "failed": v.failed,
        "gauges": np.stack([v.gauges.x_nm, v.gauges.y_nm, v.gauges.nx, v.gauges.ny, v.gauges.kind]),
        "band_nm2": v.pv_band_nm * perimeter,
        "perimeter_nm": perimeter,
        "band_max_nm": float(v.local_band_nm.max(initial=0.0)),
        "defects": counted(v.defects),
        "spots": [asdict(spot) for spot in ranked(v, limits_of(made))],
    }


@dataclass(frozen=True)
class Figures:
    """What one mask prints in all parts together, named as in `Verification`; `defects` are counts of each kind."""

    summary: EpeSummary
    gauges: Gauges
    epe_nm: np.ndarray
    failed: np.ndarray
    pv_band_nm: float
    band_max_nm: float
    defects: dict[str, int]
    spots: list[Spot]
    parts: int

    @property
    def json(self) -> dict:
        return print_figures(self.summary, self.pv_band_nm, self.defects)


def together(found: Sequence[dict], at_nm: Sequence[tuple[float, float]]) -> Figures:
    """The figures of one mask from those of its parts and where they lie."""
    epe, failed = (np.concatenate([part[name] for part in found]) for name in ("epe_nm", "failed"))
    # Parts that are the same share one result, so it stays as it is.
    places = [part["gauges"] + [[x], [y], [0], [0], [0]] for part, (x, y) in zip(found, at_nm, strict=True)]
    *where, kind = np.concatenate(places, axis=1)
    sites = Gauges(*where, kind.astype(np.int8))
    perimeter = sum(part["perimeter_nm"] for part in found)
    spots = [_spot(data, at) for part, at in zip(found, at_nm, strict=True) for data in part["spots"]]
    return Figures(
        summary(epe, failed, sites.kind),
        sites,
        epe,
        failed,
        sum(part["band_nm2"] for part in found) / perimeter if perimeter else 0.0,
        max(part["band_max_nm"] for part in found),
        {name: sum(part["defects"][name] for part in found) for name in found[0]["defects"]},
        sorted(spots, key=rank),
        len(found),
    )


def _spot(data: dict, at) -> Spot:
    x, y = at
    x0, y0, x1, y1 = data["box_nm"]
    u, v = data["at_nm"]
    return Spot(**data | {"at_nm": (u + x, v + y), "box_nm": (x0 + x, y0 + y, x1 + x, y1 + y)})
