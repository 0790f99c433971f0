"""Fit an overlay model to a wafer's marks, say what the machine can correct, and leave a run folder if asked."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ..config.toml import text
from ..errors import ConfigError
from ..operate import overlay
from ..operate.overlay import Correction, Fingerprint, Profile, Spread
from ..operate.overlay.correct import correction_csv
from ..operate.overlay.grid import centred
from ..operate.rows import Rejected
from ..timing import Clock
from ..wafer import Marks, Model, Places, term
from .folder import refuse_existing, run_folder
from .wafer_fit_report import Fitted, write_run

AUTO = "auto"
_UNEVEN = 5.0  # standard errors between chucks that are worth a word


@dataclass(frozen=True)
class OverlayFile:
    """A file of overlay marks and how to read it.

    `notch_deg` is how far the wafer was turned counter-clockwise from notch down when it was measured.
    """

    file: Path
    notch_deg: float = 0.0

    def read(self) -> tuple[Marks, list[Rejected], list[str]]:
        marks, rejected, notes = overlay.read_marks(self.file)
        return marks.turned(self.notch_deg), rejected, notes


@dataclass(frozen=True)
class OverlayModel:
    """What to fit: a model's name or auto, a machine's profile, earlier results as a prior, and how."""

    name: str = AUTO
    profile: str | None = None
    prior: tuple[Path, ...] = ()
    robust: bool = True
    per_field: bool = False

    def __post_init__(self):
        if self.name != AUTO:
            Model.named(self.name, ("1", "2"))
        elif self.prior:
            raise ConfigError("--prior needs a model by name: auto makes its own prior from the marks")


def wafer_fit(
    file: OverlayFile, model: OverlayModel, out: Path | None = None, *, force: bool = False, command: str = ""
) -> dict:
    """Fit a model, split it into what can be corrected and what not, and write the run folder if there is one.

    In spec means that the marks give every term, none is clipped, and no correction had to be refused.
    """
    clock = Clock()
    if out is not None:
        refuse_existing(Path(out), force)
    profile = overlay.read_profile(model.profile) if model.profile is not None else None
    marks, rejected, notes = file.read()
    chosen = None
    if model.name == AUTO:
        chosen = overlay.choose(marks, robust=model.robust)
        found = chosen.found
    else:
        prior = overlay.read_prior(model.prior) if model.prior else None
        found = overlay.fit(marks, Model.named(model.name, marks.chuck), robust=model.robust, prior=prior)
    at, column, row = overlay.dense_grid(marks, profile.exposure if profile else None)
    correction = overlay.correct(found, at, profile)
    notes += found.notes + _notes(marks, found, profile)
    cost = clock.cost()
    result = {
        "verdict": _verdict(found, correction),
        "in_spec": not (found.lost or correction.clipped or correction.refused),
        **summary(marks, found, correction, at),
        "left_out_nm": chosen.left_out_nm if chosen else None,
        "rejected": [one._asdict() for one in rejected],
        "notes": notes,
        "cpu_s": cost.cpu_s,
        "wall_s": cost.wall_s,
        "run": str(Path(out)) if out is not None else None,
    }
    if out is not None:
        tables = {
            "correction.csv": correction_csv(found, correction),
            "corrected.csv": _grid_csv(at, column, row, correction),
        }
        if model.per_field:
            tables["fields.csv"] = overlay.per_field(marks, found).to_csv()
        configuration = text({"file": str(file.file), "notch_deg": file.notch_deg, "model": model.name} | _given(model))
        with run_folder(Path(out), force) as folder:
            for name, table in tables.items():
                (folder / name).write_text(table)
            (folder / "run.toml").write_text(configuration)
            write_run(folder, file.file, Fitted(marks, found, correction, at), result, command)
    return result


def summary(marks: Marks, found: Fingerprint, correction: Correction, at: Places) -> dict:
    """A fit and its correction as plain data; terms in nm/mm^order of X, Y or x, y."""

    def told(name: str, value: float | None) -> dict:
        return {"value": value, "sigma": found.sigmas[name], "unit": term(name).unit}

    before, after, left = found.spreads(after=False), found.spreads(), correction.spreads()
    outliers = np.flatnonzero(found.outliers())
    return {
        "model": found.model.name,
        "terms": {name: told(name, value) for name, value in found.values.items()},
        "residual": {axis: asdict(spread) for axis, spread in after.items()},
        "measured": {axis: asdict(spread) for axis, spread in before.items()},
        "corrected": {
            "points": len(at),
            "beyond_percent": 100 * float(np.mean(correction.beyond)),
            **{axis: asdict(spread) | _worst(correction.sigma[axis]) for axis, spread in left.items()},
        },
        "correctable": {name: told(name, correction.values[name]) for name in correction.correctable},
        "clipped": {
            name: told(name, correction.values[name])
            | {"wanted": correction.wanted[name], "minimum": limit.minimum, "maximum": limit.maximum}
            for name, limit in correction.clipped.items()
        },
        "not_correctable": {
            name: told(name, None) | {"wanted": correction.wanted[name]} for name in correction.impossible
        },
        "correction": correction.values,
        "refused": correction.refused,
        "lost": found.lost,
        "noise_nm": {axis: one.solved.noise for axis, one in found.along.items()},
        "outliers": [
            {
                "line": int(marks.line[n]) if marks.line is not None else int(n),
                "residual_x_nm": float(found.residual_nm["x"][n]),
                "residual_y_nm": float(found.residual_nm["y"][n]),
            }
            for n in outliers
        ],
        "marks": len(marks),
        "fields": int(marks.field.max()) + 1,
        "wafers": len({*zip(marks.lot.tolist(), marks.wafer.tolist(), strict=True)}),
    }


def _worst(sigma: np.ndarray) -> dict:
    known = sigma[np.isfinite(sigma)]
    return {"uncertainty_max_nm": float(known.max(initial=0.0)) if known.size else None}


def _notes(marks: Marks, found: Fingerprint, profile: Profile | None) -> list[str]:
    notes = []
    for why in dict.fromkeys(found.lost.values()):
        names = [one.name for one in found.model.terms if found.lost.get(one.name) == why]
        notes.append(f"left out {', '.join(names)}: {why}")
    if profile is None:
        notes.append("no machine profile: every fitted term counts as correctable, without limits or steps")
    if centred(marks):
        notes.append("X_mm, Y_mm are the same for all marks of a field: taken as they are, as the fields' centres")
    chucks = Counter(marks.chuck.tolist())
    if len(chucks) > 1 and not any(one.chuck for one in found.model.terms):
        apart = _apart(marks, found, sorted(chucks))
        if apart > _UNEVEN:
            notes.append(f"what is left differs between chucks by {apart:.0f} standard errors: add +chuck to the model")
    partly = int(np.sum(np.isnan(marks.dx_nm) ^ np.isnan(marks.dy_nm)))
    if partly:
        notes.append(f"{partly} marks are measured along one axis only")
    return notes


def _apart(marks: Marks, found: Fingerprint, chucks: Sequence[str]) -> float:
    """Largest difference of the chucks' mean residuals, in standard errors."""
    worst = 0.0
    for axis, one in found.along.items():
        parts = [found.residual_nm[axis][one.used & (marks.chuck == chuck)] for chuck in chucks]
        parts = [part for part in parts if part.size > 1]
        for part in parts[1:]:
            error = np.hypot(one.solved.noise / np.sqrt(part.size), one.solved.noise / np.sqrt(parts[0].size))
            if np.isfinite(error) and error > 0:
                worst = max(worst, abs(float(np.median(part) - np.median(parts[0]))) / error)
    return worst


def _verdict(found: Fingerprint, correction: Correction) -> str:
    before, after = found.spreads(after=False), found.spreads()

    def both(spreads: dict[str, Spread]) -> str:
        return " / ".join(f"{spreads[axis].mean_3sigma_nm:.2f}" for axis in "xy")

    size = f"|mean| + 3 sigma x / y {both(before)} nm measured, {both(after)} nm left by {found.model.name}"
    if correction.refused:
        return f"No correction: {correction.refused}. {size}."
    if found.lost:
        return f"The marks do not give all terms ({', '.join(found.lost)} left out): {size}."
    if correction.clipped:
        return f"The machine cannot correct all of it ({', '.join(correction.clipped)} clipped): {size}."
    return f"Fitted: {size}."


def _given(model: OverlayModel) -> dict:
    given: dict = {"robust": model.robust, "per_field": model.per_field, "prior": [str(path) for path in model.prior]}
    return given | ({"profile": model.profile} if model.profile else {})


def _grid_csv(at: Places, column: np.ndarray, row: np.ndarray, correction: Correction) -> str:
    """What is left at each point of the dense grid, with its standard error; `beyond` where the marks do not reach."""
    lines = ["field_column,field_row,X_mm,Y_mm,x_mm,y_mm,dx_nm,dy_nm,sigma_x_nm,sigma_y_nm,beyond"]
    left, sigma = correction.left, correction.sigma
    table = zip(column, row, at.X_mm, at.Y_mm, at.x_mm, at.y_mm, left["x"], left["y"], sigma["x"], sigma["y"],
                correction.beyond, strict=True)  # fmt: skip
    for c, r, X, Y, x, y, dx, dy, sx, sy, beyond in table:
        lines.append(f"{c},{r},{X:.4f},{Y:.4f},{x:.4f},{y:.4f},{dx:.4f},{dy:.4f},{sx:.4f},{sy:.4f},{int(beyond)}")
    return "\n".join(lines) + "\n"
