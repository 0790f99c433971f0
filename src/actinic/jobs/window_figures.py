"""The figures of a process window as a report, a program and a table want them."""

import numpy as np

from ..design import AtPoint, FocusDose
from ..metrology import window as shapes
from ..metrology.window import SHAPES

LATITUDES = (5.0, 10.0)


def figures(matrix: FocusDose, point: AtPoint, need: tuple[float, float]) -> dict:
    """The figures of one mask, as JSON has them."""
    common, names = matrix.common, matrix.cuts.names
    wide = {shape: {el: shapes.widest(common, shape, el) for el in LATITUDES} for shape in SHAPES}
    tall = {shape: shapes.tallest(common, shape, need[0])[0] for shape in SHAPES}
    centre = matrix.largest["ellipse"]
    box = tall["rectangle"]
    lost = [names[k] for k in np.flatnonzero(matrix.lost)]
    good = box is not None and box.el_percent >= need[1] and not lost
    touched = shapes.touches(common, centre, "ellipse") if centre else _conflict(matrix)
    found = {
        "gauges": len(names),
        "tolerance_percent": sorted(set(np.round(100 * matrix.cuts.tolerance, 6).tolist())),
        "best_focus_nm": round(centre.focus_nm, 6) if centre else None,
        "best_dose": centre.dose if centre else None,
        "dof_nm": {s: {f"{el:g}": w.dof_nm if w else 0.0 for el, w in wide[s].items()} for s in SHAPES},
        "required": {"dof_nm": need[0], "el_percent": need[1]},
        "el_percent": {s: t.el_percent if t else 0.0 for s, t in tall.items()},
        "largest": {s: vars(b) if b else None for s, b in matrix.largest.items()},
        "focus_series_too_short": any(w.cut_off for of in wide.values() for w in of.values() if w),
        "focus_error_percent": 100 * matrix.focus_error,
        "window": shapes.outline(common).tolist(),
        "limiting": {"low_dose": names[touched[0]], "high_dose": names[touched[1]]},
        "bounding": _bounding(matrix),
        "lost": lost,
        "at": {"focus_nm": point.focus_nm, "dose": point.dose},
        "per_gauge": _per_gauge(matrix, point, need),
    }
    return {"verdict": _verdict(matrix, found, good, need), "in_spec": good, **found}


def _conflict(matrix: FocusDose) -> tuple[int, int]:
    """Of a closed window the two gauges that exclude each other where they do so least."""
    common = matrix.common
    ratio = np.where(np.isfinite(common.low) & np.isfinite(common.high), common.high / common.low, -np.inf)
    at = int(np.argmax(ratio))
    return int(common.low_by[at]), int(common.high_by[at])


def _bounding(matrix: FocusDose) -> list[dict]:
    """The gauges that bound the common window, with the share of its focus range, the largest first."""
    common, rows = matrix.common, []
    for side, by in (("low_dose", common.low_by), ("high_dose", common.high_by)):
        gauges, count = np.unique(by[common.open], return_counts=True)
        for gauge, n in zip(gauges, count, strict=True):
            share = 100 * float(n) / int(common.open.sum())
            rows.append({"gauge": matrix.cuts.names[gauge], "side": side, "share_percent": share})
    return sorted(rows, key=lambda row: -row["share_percent"])


def _per_gauge(matrix: FocusDose, point: AtPoint, need: tuple[float, float]) -> list[dict]:
    cuts, sizes = matrix.cuts, matrix.dose_to_size()
    rows = []
    for k, name in enumerate(cuts.names):
        alone = matrix.of(k)
        wide = shapes.widest(alone, "rectangle", LATITUDES[-1])
        tall = shapes.tallest(alone, "rectangle", need[0])[0]
        x, y = cuts.middle_nm[k] / 1000
        rows.append(
            {
                "name": name,
                "kind": "line" if cuts.line[k] else "space",
                "x_um": float(x),
                "y_um": float(y),
                "target_nm": float(cuts.target_nm[k]),
                "tolerance_percent": 100 * float(cuts.tolerance[k]),
                "cd_nm": _known(point.cd_nm[k]),
                "nils": _known(point.nils[k]),
                "meef": _known(point.meef[k]),
                "dose_to_size": _known(sizes[k]),
                "best_focus_nm": _known(matrix.best_focus_nm[k]),
                "dof_nm": wide.dof_nm if wide else 0.0,
                "dof_cut_off": wide.cut_off if wide else False,
                "el_percent": tall.el_percent if tall else 0.0,
                "isofocal_dose": _known(matrix.isofocal_dose[k]),
                "isofocal_cd_nm": _known(matrix.isofocal_nm[k]),
            }
        )
    return rows


def _known(value) -> float | None:
    return float(value) if np.isfinite(value) else None


def _verdict(matrix: FocusDose, found: dict, good: bool, need: tuple[float, float]) -> str:
    limiting, lost = found["limiting"], found["lost"]
    shown = ", ".join(lost[:3]) + (f" and {len(lost) - 3} more" if len(lost) > 3 else "")
    without = f" {len(lost)} of {found['gauges']} gauges print in tolerance nowhere: {shown}." if lost else ""
    if matrix.lost.all():
        return f"No process window: none of the {found['gauges']} gauges prints in tolerance anywhere."
    if found["best_dose"] is None:
        return (
            f"No common window: {limiting['low_dose']} needs more dose than {limiting['high_dose']} allows at every "
            f"focus.{without}"
        )
    el = found["el_percent"]["rectangle"]
    return (
        f"{'In spec' if good else 'Out of spec'}: {el:.1f} % exposure latitude over {need[0]:g} nm of focus "
        f"({need[1]:.1f} % needed).{without}"
    )
