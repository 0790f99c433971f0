"""Found defects against planned sites: what was right, what was missed, and what nobody predicted."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.spatial import cKDTree

from ...errors import ConfigError, InputError
from ...wafer.exposure import notch_down
from ..formats import Inspection, positions_mm
from .plan import Plan

_TURNED = {"DOWN": 0.0, "RIGHT": 90.0, "UP": 180.0, "LEFT": 270.0}
_Z = 1.959964


@dataclass(frozen=True)
class Share:
    """So many of so many, with the 95 % interval of the share (Wilson)."""

    hits: int
    of: int

    @property
    def value(self) -> float | None:
        return self.hits / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float]:
        if not self.of:
            return 0.0, 1.0
        n, p = self.of, self.hits / self.of
        middle, arm = p + _Z**2 / (2 * n), _Z * np.sqrt(p * (1 - p) / n + _Z**2 / (4 * n * n))
        return max(float((middle - arm) / (1 + _Z**2 / n)), 0.0), min(float((middle + arm) / (1 + _Z**2 / n)), 1.0)


@dataclass(frozen=True)
class Unpredicted:
    """Defects at no planned site that lie at one place of the die: where (nm), how many, in how many dies."""

    x_nm: float
    y_nm: float
    count: int
    dies: int


@dataclass(frozen=True)
class Compared:
    """Sites and defects matched, on all wafers together.

    `found` (wafer, site) tells where a defect was; `precision` are sites with a defect of all sites, `recall` defects
    at a site of all defects; `captured` (site,) is the share of defects at the sites up to a rank. `offset_um` is the
    mean of found less planned, a stage error if it is large against the radius.
    """

    found: np.ndarray
    defects: int
    precision: Share
    recall: Share
    captured: np.ndarray
    unpredicted: tuple[Unpredicted, ...]
    offset_um: tuple[float, float]
    calibration: tuple[tuple[float, Share], ...]


def compare(plan: Plan, inspection: Inspection, radius_um: float) -> Compared:
    """Match the defects of an inspection to a plan's sites, each defect to the nearest site within a radius.

    Every wafer of the file counts as inspected by the whole plan. InputError where the dies of the file are not those
    of the plan.
    """
    if not 0 < radius_um < 1e4:
        raise ConfigError(f"a radius of {radius_um:g} um: it must be above 0 and below 10000")
    if not inspection.wafers:
        raise InputError("the file has no wafer")
    if not np.allclose(inspection.die_pitch_nm, plan.pitch_nm, rtol=1e-4):
        (x, y), (px, py) = (np.array(pitch) / 1e6 for pitch in (inspection.die_pitch_nm, plan.pitch_nm))
        raise InputError(f"the file's dies are {x:g} x {y:g} mm, the plan's {px:g} x {py:g}: not one map")
    sites = cKDTree(np.stack([plan.X_mm, plan.Y_mm], axis=1))
    found, first, offsets, stray, total = [], [], [], [], 0
    for wafer in inspection.wafers:
        at = _upright(positions_mm(inspection, wafer), inspection.mark_location)
        total += len(at)
        distance, nearest = sites.query(at, distance_upper_bound=radius_um / 1e3) if len(at) else (np.zeros(0),) * 2
        hit = np.isfinite(distance)
        here = np.zeros(len(plan), bool)
        here[nearest[hit].astype(int)] = True
        found.append(here)
        first.append(nearest[hit].astype(int))
        offsets.append(at[hit] - sites.data[nearest[hit].astype(int)])
        stray.append(at[~hit])
    at_site = np.bincount(np.concatenate(first), minlength=len(plan))
    offset = np.concatenate(offsets)
    mean = 1e3 * offset.mean(axis=0) if len(offset) else np.zeros(2)
    table = np.array(found)
    return Compared(
        table, total, Share(int(table.sum()), table.size), Share(int(at_site.sum()), total),
        np.cumsum(at_site) / max(total, 1), _gathered(plan, np.concatenate(stray), radius_um),
        (float(mean[0]), float(mean[1])), _calibration(plan, table),
    )  # fmt: skip


def _upright(at_mm: np.ndarray, mark: str) -> np.ndarray:
    """Places as they are with the notch down."""
    try:
        turn = _TURNED[mark.upper()] if mark.upper() in _TURNED else float(mark)
    except ValueError:
        raise InputError(f"the notch lies at {mark!r}, which is none of {', '.join(_TURNED)} and no angle") from None
    return np.stack(notch_down(at_mm[:, 0], at_mm[:, 1], turn), axis=1)


def _gathered(plan: Plan, stray_mm: np.ndarray, radius_um: float) -> tuple[Unpredicted, ...]:
    """Defects at no site by their place in the die, the most frequent first."""
    if not len(stray_mm):
        return ()
    pitch = np.array(plan.pitch_nm)
    from_corner = stray_mm * 1e6 + plan.centre_nm
    die = np.floor(from_corner / pitch)
    inside = from_corner - die * pitch
    left, gathered, tree = np.ones(len(inside), bool), [], cKDTree(inside)
    near = tree.query_ball_point(inside, radius_um * 1e3)
    for n in sorted(range(len(inside)), key=lambda n: -len(near[n])):
        group = [k for k in near[n] if left[k]]
        if not left[n]:
            continue
        left[group] = False
        x, y = inside[group].mean(axis=0)
        gathered.append(Unpredicted(float(x), float(y), len(group), len({tuple(die[k]) for k in group})))
    return tuple(sorted(gathered, key=lambda one: (-one.dies, -one.count)))


def _calibration(plan: Plan, found: np.ndarray, edges: Sequence[float] = (0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0001)):
    """Mean predicted chance, and share found, of the sites in each band of chance."""
    bands = []
    for low, high in pairwise(edges):
        some = (plan.chance >= low) & (plan.chance < high)
        if some.any():
            bands.append((float(plan.chance[some].mean()), Share(int(found[:, some].sum()), found[:, some].size)))
    return tuple(bands)
