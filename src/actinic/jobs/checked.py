"""What `correct` and `verify` say of a written mask: figures of its print, its hotspots, mask rules and shots."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ..design.hotspots import BAND, NEAR_BRIDGE, PINCH, Covered, Limits, Spot, ranked
from ..design.retarget import Retargeted
from ..design.setup import Setup
from ..design.verify import Verification, corner_distance_nm
from ..layout import Layout, Marker, boolean, clipped, coverage, layers, read_layout, rule_markers
from ..metrology import ENCLOSURE, END_CAP, EpeSummary, Gauges, counted, gauges, mask_shots, rule_violations
from ..types import Grid

# The corrected surroundings of the window are written beside the mask so that the edge of the window can be
# verified with what would stand there.
CONTEXT_DATATYPE = 100
RULES = ("width", "space", "area", "hole", "jog")


@dataclass(frozen=True)
class Checked:
    """The hotspots of one mask, the worst first, and the places that break a mask rule by KLayout."""

    spots: Sequence[Spot]
    rules: Sequence[Marker]
    figures: dict  # as JSON shows them

    @property
    def markers(self) -> list[Marker]:
        return [Marker(s.kind, s.box_nm, s.text, s.value) for s in self.spots] + list(self.rules)


def checked(found: Verification, setup: Setup, written: Layout, covered: Sequence[Covered] = ()) -> Checked:
    """Hotspots of a print, and rules and shots of the mask as it was written, with its surroundings.

    Rules are looked for by two codes: on a raster of a quarter of the recipe's pixels, where what the window cuts off
    does not count, and by KLayout on the polygons, where the surroundings do.
    """
    window, spots = found.window_nm, ranked(found, limits_of(setup), covered)
    rules = rules_of(written, setup, window)
    raster = violations(clipped(written, window), setup, window)
    shots = mask_shots(clipped(written, window))
    result = {
        **_widths(found),
        **told_spots(spots, limits_of(setup)),
        **told_rules(raster, rules),
        "shots": shots.shots,
        "vertices": shots.vertices,
    }
    return Checked(spots, rules, result)


def told_spots(spots: Sequence[Spot], limits: Limits) -> dict:
    """Hotspots as JSON shows them."""
    listed = [{"rank": n + 1} | asdict(spot) for n, spot in enumerate(spots)]
    return {"hotspots": len(spots), "hotspot_limit_nm": limits.epe_nm, "hotspot_list": listed}


def told_rules(raster: dict[str, int], rules: Sequence[Marker]) -> dict:
    """Broken mask rules by both codes as JSON shows them."""
    return {
        "rule_violations": sum(raster.values()),
        "rule_violations_by": raster,
        "rule_violations_klayout": {rule: sum(m.kind == f"mask {rule}" for m in rules) for rule in RULES},
        "rule_list": [m._asdict() for m in rules],
    }


def limits_of(setup: Setup) -> Limits:
    """Where the setup's hotspots begin."""
    spec = setup.spec
    if spec is None:
        return Limits()
    return Limits(spec.max_abs_epe_nm, spec.max_pv_band_nm, spec.min_print_cd_nm, spec.min_print_space_nm)


def _widths(v: Verification) -> dict:
    """The widest local band, and the least printed share of a drawn line and space at any corner."""
    result: dict = {"pv_band_max_nm": float(v.local_band_nm.max(initial=0.0))}
    for name, line in (("line", True), ("space", False)):
        w = v.widths
        shares = np.zeros(0) if w is None else (w.printed_nm / w.drawn_nm)[w.line == line]
        result[f"least_{name}_share"] = float(shares.min()) if shares.size else None
    return result


def in_spec(v: Verification, setup: Setup, spots: Sequence[Spot] = ()) -> bool:
    """Whether a print meets the setup: no open gauge, no defect, mean and largest |EPE| within limits.

    Of the hotspots those decide that are a failure on the wafer: a pinch, a near bridge, a layer not covered as asked;
    a PV band only where the setup states how wide it may be. Broken mask rules are told and do not decide.
    """
    return meets(v.summary, len(v.defects), spots, setup)


def meets(s: EpeSummary, defects: int, spots: Sequence[Spot], setup: Setup) -> bool:
    """The same, from the figures."""
    spec = setup.spec
    if s.failures or s.line_end_failures or defects:
        return False
    deciding = {PINCH, NEAR_BRIDGE, ENCLOSURE, END_CAP}
    if spec is not None and spec.max_pv_band_nm is not None:
        deciding.add(BAND)
    if any(spot.kind in deciding for spot in spots):
        return False
    if spec is None or s.mean_abs_nm is None or s.max_abs_nm is None:
        return True
    return s.mean_abs_nm <= spec.mean_abs_epe_nm and s.max_abs_nm <= spec.max_abs_epe_nm


def violations(mask: Layout, setup: Setup, window) -> dict[str, int]:
    """Places that break the mask rules, on a raster of a quarter of the recipe's pixels."""
    pitch, limits = setup.recipe.stages[-1].pixel_nm / 4, setup.limits
    x0, y0, x1, y1 = window
    grid = Grid((round((y1 - y0) / pitch), round((x1 - x0) / pitch)), pitch, (x0, y0))
    opened = coverage(mask, grid) >= 0.5
    if setup.process.mask.drawn == "dark":
        opened = ~opened
    return rule_violations(opened, pitch, limits.width_nm, limits.space_nm, limits.area_nm2)


def rules_of(written: Layout, setup: Setup, window) -> list[Marker]:
    """Places in the window where the polygons break the setup's mask rules, by KLayout.

    Width is that of the openings, so on a mask drawn dark it is the space of the polygons.
    """
    limits, dark = setup.limits, setup.process.mask.drawn == "dark"
    width, space = (limits.space_nm, limits.width_nm) if dark else (limits.width_nm, limits.space_nm)
    found = rule_markers(written, width, space, limits.area_nm2, jog_nm=limits.jog_nm, window_nm=window)
    if not dark:
        return found
    other = {"mask width": "mask space", "mask space": "mask width", "mask area": "mask hole", "mask hole": "mask area"}
    return [m._replace(kind=other.get(m.kind, m.kind)) for m in found]


def read_mask(path: Path, number: tuple[int, int], cell: str | None = None) -> Layout:
    """A mask with the context that `correct` writes beside it, if the file has one."""
    mask = read_layout(path, number, cell=cell)
    if context(number) not in layers(path):
        return mask
    return boolean(mask, read_layout(path, context(number), cell=cell), "or")


def context(number: tuple[int, int]) -> tuple[int, int]:
    """The layer of a mask's corrected surroundings."""
    return number[0], number[1] + CONTEXT_DATATYPE


def sites_of(layout: Layout, setup: Setup, window, aim: Retargeted | None) -> Gauges | None:
    """The drawn layout's gauges moved to an aim's target; None without one."""
    if aim is None:
        return None
    return aim.gauges(gauges(layout, window, corner_nm=corner_distance_nm(setup.process)))


def etch_figures(table: Path | None, aim: Retargeted | None) -> dict:
    """Which etch table a target was made with and how far it moved edges, length by length; nothing without one."""
    if table is None or aim is None:
        return {}
    mean = float(np.average(aim.bias_nm, weights=aim.pieces.length_nm))
    low, high = float(aim.bias_nm.min()), float(aim.bias_nm.max())
    return {"etch_table": str(table), "etch_bias_nm": {"mean": mean, "min": low, "max": high}}


def figures(v: Verification) -> dict:
    """The figures of a verification, as every verb prints them."""
    return print_figures(v.summary, v.pv_band_nm, counted(v.defects))


def print_figures(s: EpeSummary, pv_band_nm: float, defects: dict[str, int]) -> dict:
    """The same, from what they come from; `defects` is how many there are of each kind."""
    return {
        "mean_abs_epe_nm": s.mean_abs_nm,
        "mean_epe_nm": s.mean_nm,
        "epe_3sigma_nm": s.three_sigma_nm,
        "max_epe_nm": s.max_abs_nm,
        "gauges": s.n,
        "open_gauges": s.failures,
        "line_ends": s.line_end_n,
        "line_end_mean_abs_nm": s.line_end_mean_abs_nm,
        "open_line_ends": s.line_end_failures,
        "pv_band_nm": pv_band_nm,
        **defects,
    }
