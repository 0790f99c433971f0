"""Two masks of one layout, measured at the same gauges, side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ..design.hotspots import apart
from ..design.images import scanner_of
from ..design.setup import Setup
from ..design.verify import Verification
from ..layout import Layout, boolean, clipped, refined
from ..metrology import EDGE, equivalence
from .checked import Checked, figures

# Blocks of the bootstrap, in lambda / NA: farther apart than this two gauges hardly share any light.
BLOCK = 2.0
MOST_PLACES = 10

SHOWN = {
    "mean_abs_epe_nm": ("mean |EPE|", "nm"),
    "mean_epe_nm": ("mean EPE", "nm"),
    "epe_3sigma_nm": ("EPE 3 sigma", "nm"),
    "max_epe_nm": ("largest |EPE|", "nm"),
    "line_end_mean_abs_nm": ("line ends, mean |EPE|", "nm"),
    "pv_band_nm": ("PV band, mean", "nm"),
    "pv_band_max_nm": ("PV band, largest at a gauge", "nm"),
    "least_line_share": ("least printed share of a line", ""),
    "least_space_share": ("least printed share of a space", ""),
    "defects": ("defects of the print", ""),
    "hotspots": ("hotspots", ""),
    "rule_violations": ("rule violations, raster", ""),
    "rules_klayout": ("rule violations, KLayout", ""),
    "shots": ("shots", ""),
    "vertices": ("vertices", ""),
}


def compared(
    found: Sequence[Verification], checks: Sequence[Checked], other: Path, setup: Setup, margin_nm: float
) -> dict:
    """The first of two masks against the second: figures and their differences, equivalence, where they differ most."""
    both = [_figures(v, check) for v, check in zip(found, checks, strict=True)]
    this, that = found
    edge = this.gauges.kind == EDGE
    difference = np.abs(this.epe_nm) - np.abs(that.epe_nm)
    block = BLOCK / scanner_of(setup.process).na_over_lambda
    same = None
    if edge.any():
        same = asdict(equivalence(difference[edge], this.gauges.x_nm[edge], this.gauges.y_nm[edge], block, margin_nm))
    at = np.stack([this.gauges.x_nm, this.gauges.y_nm], 1)
    differ = np.abs(this.epe_nm - that.epe_nm)
    places = [g for g, _ in apart(at, differ, np.flatnonzero(differ > 0))][:MOST_PLACES]
    return {
        "mask": str(other),
        "figures": both[1],
        "difference": {key: _less(both[0][key], both[1][key]) for key in SHOWN},
        "equivalence": same,
        "xor_nm2": _xor_nm2(this.mask, that.mask, this.window_nm),
        "differ_most": [
            {"at_nm": at[g].tolist(), "epe_nm": float(this.epe_nm[g]), "other_epe_nm": float(that.epe_nm[g])}
            for g in places
        ],
    }


def comparison_tables(result: Mapping) -> list[tuple[str, list[list[str]]]]:
    """The tables of a report: the figures side by side, and where the masks differ most."""
    against = result["against"]
    rows = [["", "this mask", Path(against["mask"]).name, "difference", ""]]
    this = result | {
        "defects": len(result["defects"]),
        "rules_klayout": sum(result["rule_violations_klayout"].values()),
    }
    for key, (name, unit) in SHOWN.items():
        rows.append([name, *map(_said, (this[key], against["figures"][key], against["difference"][key])), unit])
    places = [["x (um)", "y (um)", "EPE (nm)", "of the other (nm)"]]
    for place in against["differ_most"]:
        x, y = place["at_nm"]
        places.append(
            [f"{x / 1000:.3f}", f"{y / 1000:.3f}", f"{place['epe_nm']:+.2f}", f"{place['other_epe_nm']:+.2f}"]
        )
    tables = [(f"Against another mask, at the same gauges. {equivalence_said(against)}", rows)]
    return [*tables, ("Where the two masks print most differently.", places)] if len(places) > 1 else tables


def equivalence_said(against: Mapping) -> str:
    """What the equivalence test found, in a sentence."""
    xor = f" The masks differ in {against['xor_nm2']:.0f} nm2."
    same = against["equivalence"]
    if same is None or same["equivalent"] is None:
        return f"The window is too small to test for equivalence.{xor}"
    verdict = "equivalent" if same["equivalent"] else "not shown to be equivalent"
    return (
        f"Mean |EPE| differs by {same['difference_nm']:+.3f} nm, 90 % interval {same['low_nm']:+.3f} to "
        f"{same['high_nm']:+.3f} nm from {same['blocks']} blocks: {verdict} to {same['margin_nm']:g} nm.{xor}"
    )


def _figures(v: Verification, check: Checked) -> dict:
    rules = sum(check.figures["rule_violations_klayout"].values())
    told = {**figures(v), **check.figures, "defects": len(v.defects), "rules_klayout": rules}
    return {key: told[key] for key in SHOWN}


def _less(a, b):
    return None if a is None or b is None else a - b


def _said(value) -> str:
    return "-" if value is None else f"{value:.2f}" if isinstance(value, float) else str(value)


def _xor_nm2(a: Layout, b: Layout, window) -> float:
    """Area in a window that one mask has and the other has not."""
    unit = min(a.dbu_nm, b.dbu_nm)
    return boolean(*(clipped(refined(mask, unit), window) for mask in (a, b)), "xor").area_nm2
