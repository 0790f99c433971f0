"""Widths, slopes and mask errors of a layout as drawn, at one focus and dose; and what moves the width at one place."""

from functools import cache
from pathlib import Path

import numpy as np

from .. import design
from ..errors import ConfigError, InputError
from ..layout import Layout, clipped
from ..metrology import Cuts, read_cuts
from ..types import double
from .expose import condition
from .window import Sweep, found_cuts
from .work import Work, mask_figures, with_phases

# How far dose is moved for the slopes that are told.
DOSE_STEP = 0.01


def measure(
    work: Work, *, gauges: Path | None = None, corner: str | None = None, dose: float | None = None,
    focus_nm: float | None = None, most: int = 100,
) -> dict:  # fmt: skip
    """Measure a layout as drawn at cut-lines, given (see `metrology.read_cuts`) or found, at a corner or a condition.

    Each gauge has its width `cd_nm` (None where it does not print), its error `error_nm` against the drawn width, the
    normalised image log-slope and the mask error enhancement factor.
    """
    setup, window = work.setup(), work.window_nm()
    at = condition(setup.process, corner, dose, focus_nm)
    layout, layers, conflicts = _layers(work, setup)
    cuts = found_cuts(Sweep(most=most), setup, layout, window) if gauges is None else read_cuts(gauges, layout, 0.1)
    focus, relative = (float(double(value)) for value in (at.focus_nm, at.dose))
    found = design.at_point(layers, setup, window, cuts, focus, relative)
    rows = [_row(cuts, found, k) for k in range(len(cuts))]
    errors = np.array([row["error_nm"] for row in rows if row["error_nm"] is not None])
    return {
        "corner": at.name,
        "focus_nm": focus,
        "dose": relative,
        **mask_figures(setup.process, conflicts),
        "gauges": len(rows),
        "not_printed": len(rows) - len(errors),
        "mean_error_nm": float(errors.mean()) if errors.size else None,
        "max_abs_error_nm": float(np.abs(errors).max()) if errors.size else None,
        "worst_gauge": worst_first(rows)[0]["name"],
        "per_gauge": rows,
    }


def worst_first(rows: list[dict]) -> list[dict]:
    """Gauges of `measure`, those that do not print first, then by the size of their error."""
    return sorted(rows, key=lambda row: -np.inf if row["error_nm"] is None else -abs(row["error_nm"]))


def explain(work: Work, x_um: float, y_um: float, *, reach_um: float = 0.5) -> dict:
    """Why a place of a layout fails: the width nearest to it at every corner, and how much each knob moves it.

    The slopes are of the nominal corner: d CD / d dose by a step of 1 %, d CD / d mask (MEEF), and of focus the change
    from best focus to the corners' defocus. `dominant` names what takes the width furthest off: the mask as drawn at
    nominal conditions, focus, or dose. InputError where there is no gauge within `reach_um`.
    """
    setup, window = work.setup(), work.window_nm()
    layout, layers, _ = _layers(work, setup)
    cuts = found_cuts(Sweep(most=2000), setup, layout, window)
    away = np.hypot(*(cuts.middle_nm - 1000 * np.array([x_um, y_um])).T)
    if not len(cuts) or away.min() > 1000 * reach_um:
        raise InputError(f"{work.layout}: no line or space to measure within {reach_um:g} um of {x_um:g}, {y_um:g} um")
    cut = cuts.chosen(np.array([int(away.argmin())]))

    @cache  # corners share conditions with each other and with the steps about the nominal one
    def width(focus: float, dose: float) -> tuple[float | None, dict]:
        row = _row(cut, design.at_point(layers, setup, window, cut, focus, dose), 0)
        return row["cd_nm"], row

    corners = [(c.name, *(float(double(v)) for v in (c.focus_nm, c.dose))) for c in setup.process.corners]
    _, best_focus, best_dose = corners[0]
    nominal, row = width(best_focus, best_dose)
    at = [{"corner": n, "focus_nm": f, "dose": d, "cd_nm": width(f, d)[0]} for n, f, d in corners]
    more, less = (width(best_focus, best_dose * (1 + s * DOSE_STEP))[0] for s in (1, -1))
    target = row["target_nm"]
    far = max(abs(f - best_focus) for _, f, _ in corners)
    defocused = [width(best_focus + s * far, best_dose)[0] for s in (1, -1)] if far else []
    span = max(abs(d / best_dose - 1) for _, _, d in corners)
    parts = {
        "mask": None if nominal is None else abs(nominal - target),
        "focus": _most([None if nominal is None or w is None else abs(w - nominal) for w in defocused]),
        "dose": None if more is None or less is None else abs(more - less) / (2 * DOSE_STEP) * span,
    }
    known = {name: value for name, value in parts.items() if value is not None}
    return {
        "gauge": row["name"], "kind": row["kind"], "x_um": row["x_um"], "y_um": row["y_um"], "target_nm": target,
        "cd_nm": nominal, "nils": row["nils"], "meef": row["meef"],
        "cd_per_dose_percent_nm": None if more is None or less is None else (more - less) / (200 * DOSE_STEP),
        "defocus_nm": far, "corners": at,
        "error_from_mask_nm": parts["mask"], "error_from_focus_nm": parts["focus"], "error_from_dose_nm": parts["dose"],
        "dominant": max(known, key=lambda name: known[name]) if known else "does not print",
    }  # fmt: skip


def _layers(work: Work, setup: design.Setup):
    """The drawn layout around the window, the mask's layers, and phase conflicts."""
    around = setup.tiles.halo_nm + 100
    layout: Layout = work.read(around)
    if not clipped(layout, work.window_nm()).contours:
        raise ConfigError(f"{work.layout}: layer {work.layer} has nothing in the window {work.window}")
    layers, conflicts = with_phases(setup.process, layout, work.read_shifted(work.layout, around))
    return layout, layers, conflicts


def _row(cuts: Cuts, found: design.AtPoint, k: int) -> dict:
    target, known = float(cuts.target_nm[k]), lambda value: float(value) if np.isfinite(value) else None
    cd, (x, y) = known(found.cd_nm[k]), cuts.middle_nm[k] / 1000
    return {
        "name": cuts.names[k], "kind": "line" if cuts.line[k] else "space", "x_um": float(x), "y_um": float(y),
        "target_nm": target, "cd_nm": cd, "error_nm": None if cd is None else cd - target,
        "nils": known(found.nils[k]), "meef": known(found.meef[k]),
    }  # fmt: skip


def _most(values: list[float | None]) -> float | None:
    """The largest; None where one is not known, for then nothing prints there."""
    known = [value for value in values if value is not None]
    return max(known) if known and len(known) == len(values) else None
