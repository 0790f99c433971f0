"""Choose the marks to measure and write them as a table."""

import csv
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ..errors import ConfigError, InputError
from ..operate import overlay
from ..operate.overlay.grid import PER_AXIS
from ..operate.sample import Criterion, Limits, plan
from ..plain import csv_text
from ..wafer import ExposureMap, Model, Places
from ..writing import write_file
from .folder import refuse_existing

COLUMNS = ("field_column", "field_row", "X_mm", "Y_mm", "x_mm", "y_mm", "scan", "existing")
_SAME_MM = 1e-3  # marks nearer than this are one


@dataclass(frozen=True)
class MarkChoice:
    """Where marks are: those of a measured file, or a grid in the fields of a profile's exposure map, or the usual one.

    `existing` is a file of marks that stay in the plan: an earlier plan or measurement.
    """

    file: Path | None = None
    profile: str | None = None
    existing: Path | None = None


def wafer_plan(
    marks: MarkChoice,
    model: str,
    points: int,
    *,
    criterion: Criterion = "I",
    limits: Limits = Limits(),  # noqa: B008 frozen
    noise_nm: tuple[float, float] = (0.6, 0.0),
    out: Path | None = None,
    force: bool = False,
) -> dict:
    """Choose marks for a model, say what they will tell, and write the table if `out` names one.

    `noise_nm` are the standard deviations of a mark (its measurement and what is local to it) and of what no model
    reaches, for the predicted residual.
    """
    if out is not None:
        refuse_existing(Path(out), force)
    if min(noise_nm) < 0 or not noise_nm[0] > 0:
        raise ConfigError(
            f"noise of {noise_nm[0]:g} and {noise_nm[1]:g} nm: a mark's must be above 0, local 0 or above"
        )
    places, field = _places(marks)
    existing = _existing(marks.existing, places) if marks.existing else np.zeros(0, np.int64)
    named = Model.named(model)
    found = plan(named, places, field, points, criterion=criterion, limits=limits, existing=existing)
    chosen = found.chosen
    order = np.lexsort((places.x_mm[chosen], places.y_mm[chosen], field[chosen, 0], field[chosen, 1]))
    rows = [
        [int(field[n, 0]), int(field[n, 1]), *(round(float(v[n]), 6) for v in (places.X_mm, places.Y_mm, places.x_mm,
         places.y_mm)), _scan(places, n), int(place < found.existing)]
        for place, n in ((int(k), int(chosen[k])) for k in order)
    ]  # fmt: skip
    result = {
        "verdict": f"{len(chosen)} marks in {len({(r[0], r[1]) for r in rows})} fields: "
        f"{found.residual_nm(*noise_nm):.3f} nm rms left, {found.time_s:.0f} s.",
        "model": model,
        "criterion": criterion,
        "limits": asdict(limits),
        "predicted": {
            "rms_nm": noise_nm[0] * found.rms,
            "max_nm": noise_nm[0] * found.worst,
            "residual_rms_nm": found.residual_nm(*noise_nm),
            "time_s": found.time_s,
            "information": found.information,
        },
        "points": len(chosen),
        "wanted": points,
        "fields": len({(r[0], r[1]) for r in rows}),
        "marks": [dict(zip(COLUMNS, row, strict=True)) for row in rows],
        "plan": str(out) if out is not None else None,
    }
    if out is not None:
        write_file(out, csv_text(COLUMNS, rows, digits=None).encode(), parents=True)
    return result


def _scan(places: Places, n: int) -> str:
    return "" if places.scan is None or not places.scan[n] else "up" if places.scan[n] > 0 else "down"


def _places(marks: MarkChoice) -> tuple[Places, np.ndarray]:
    """Marks that can be measured, each once, and their fields (n, 2)."""
    if marks.file is None:
        exposure = overlay.read_profile(marks.profile).exposure if marks.profile else None
        exposure = exposure or ExposureMap()
        fields = exposure.fields()
        which, X, Y, x, y = exposure.points(fields, PER_AXIS)
        return Places(X, Y, x, y, None, fields.scan[which]), np.stack([fields.column, fields.row], axis=1)[which]
    if marks.profile:
        raise ConfigError("marks come from a file or from a profile's exposure map: give one of them")
    found, *_ = overlay.read_marks(marks.file)
    place = np.round(np.stack([found.X_mm, found.Y_mm, found.x_mm, found.y_mm], axis=1) / _SAME_MM)
    key = np.column_stack([found.field_column, found.field_row, place])
    first = np.sort(np.unique(key, axis=0, return_index=True)[1])
    field = np.stack([found.field_column, found.field_row], axis=1)
    return found.places[first], field[first]


def _existing(file: Path, places: Places) -> np.ndarray:
    """The marks of a table with X_mm, Y_mm, x_mm, y_mm among those that can be measured."""
    try:
        with open(file, encoding="utf-8-sig", newline="") as opened:
            rows = list(csv.DictReader(opened))
        wanted = np.array([[float(row[name]) for name in ("X_mm", "Y_mm", "x_mm", "y_mm")] for row in rows])
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror or error}") from None
    except (KeyError, TypeError, ValueError, csv.Error):
        raise InputError(f"{file}: is no table with numbers in X_mm, Y_mm, x_mm and y_mm") from None
    if not len(rows):
        raise InputError(f"{file}: has no marks")
    table = np.stack([places.X_mm, places.Y_mm, places.x_mm, places.y_mm], axis=1)
    found = []
    for line, mark in enumerate(wanted, 2):
        far = np.abs(table - mark).max(axis=1)
        if far.min() > 10 * _SAME_MM:
            raise InputError(f"{file}, line {line}: there is no such mark among those that can be measured")
        found.append(int(far.argmin()))
    return np.array(sorted(set(found)), np.int64)
