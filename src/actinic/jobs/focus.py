"""Focus and dose of measured fields from their line widths, the correction, and the features that tell them best."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ..config import build, load_toml
from ..config.toml import text
from ..errors import ConfigError, InputError, NumericalError
from ..forward import anchored
from ..operate.calibration import Machine
from ..operate.focus.choose import Candidates, Choice
from ..operate.focus.correct import Limits, correct
from ..operate.focus.estimate import UNLIKELY, WITHIN_NM, estimate
from ..operate.focus.features import COLUMNS, Feature, read_features
from ..operate.focus.problem import UNITS, Fields, parameters, unit
from ..operate.focus.tabulate import tabulate
from ..operate.rows import Rejected
from ..operate.widths import Widths, read_widths
from ..plain import csv_text
from ..timing import Clock
from ..wafer.widths import WidthTable
from ..writing import write_file
from .focus_report import Found, write_run
from .folder import refuse_existing, run_folder
from .work import Progress, load_setup, quiet


@dataclass(frozen=True)
class FeatureFile:
    """Features, the process that prints them, and how far the table of their widths reaches in nm of focus."""

    file: Path
    optics: str = "arf-immersion"
    settings: tuple[str, ...] = ()
    range_nm: float = 80.0

    def table(self, zernikes: Sequence[str] = ()) -> tuple[tuple[Feature, ...], WidthTable]:
        features = read_features(self.file)
        process = anchored(load_setup(self.optics, self.settings).process)
        return features, tabulate(Machine(process), features, focus_nm=self.range_nm, zernikes=zernikes)


@dataclass(frozen=True)
class FieldFit:
    """What to find of each field beside focus and dose (tilt, curvature, Z9, ...), and how.

    `prior` "mean:sigma" is what is known of the focus beforehand, nm; `limits` a TOML file of what can be set.
    """

    terms: tuple[str, ...] = ()
    prior: str | None = None
    limits: Path | None = None
    robust: bool = True
    within_nm: float = WITHIN_NM

    def known(self) -> tuple[float, float] | None:
        if self.prior is None:
            return None
        mean, _, sigma = self.prior.partition(":")
        try:
            both = float(mean), float(sigma)
        except ValueError:
            raise ConfigError(f"--prior {self.prior}: write MEAN:SIGMA in nm, such as 40:10") from None
        if not (np.isfinite(both).all() and both[1] > 0):
            raise ConfigError(f"--prior {self.prior}: sigma must be above 0")
        return both

    def machine(self) -> Limits:
        return Limits() if self.limits is None else build(Limits, load_toml(self.limits), str(self.limits))


def wafer_focus(
    cds: Path, features: FeatureFile, fit: FieldFit = FieldFit(), out: Path | None = None, *, force: bool = False,
    command: str = "", progress: Progress = quiet,
) -> dict:  # fmt: skip
    """Estimate every field of a file of widths, propose set-points, and write the run folder if there is one.

    In spec means that every field is determined and explained by the model, and no set-point clipped.
    """
    clock = Clock()
    if out is not None:
        refuse_existing(Path(out), force)
    if not 0.1 <= fit.within_nm <= 1000:
        raise ConfigError(f"a standard error of focus within {fit.within_nm:g} nm: from 0.1 to 1000")
    names, prior, limits = parameters(fit.terms), fit.known(), fit.machine()
    measured, rejected = read_widths(cds)
    listed, table = features.table([name for name in names if name not in UNITS])
    measured, unknown = _listed(measured, table, cds)
    rejected = sorted([*rejected, *unknown], key=lambda one: one.line)
    lost = [name for name, width in zip(table.names, table.width_nm, strict=True) if np.isnan(width).all()]
    if lost:
        raise NumericalError(f"feature {', '.join(lost)} prints at no focus and dose: look at cd_nm, pitch_nm and kind")
    groups = measured.by_field()
    fields = Fields.of(table, names, measured, groups, {f.name: f.sigma_nm for f in listed}, prior)
    estimates = estimate(fields, robust=fit.robust, within_nm=fit.within_nm, progress=progress)
    setpoints = [correct(names, one, limits) for one in estimates]
    found = Found(measured, groups, fields, estimates, setpoints)
    result = figures(found, rejected)
    cost = clock.cost()
    result |= {"cpu_s": cost.cpu_s, "wall_s": cost.wall_s, "run": None if out is None else str(Path(out))}
    if out is not None:
        with run_folder(Path(out), force) as folder:
            (folder / "run.toml").write_text(
                text({"cds": str(cds), "features": str(features.file), "optics": features.optics,
                         "set": list(features.settings), "range_nm": features.range_nm, "parameters": list(names),
                         "prior": fit.prior or "", "robust": fit.robust, "within_nm": fit.within_nm,
                         "limits": asdict(limits)})
            )  # fmt: skip
            (folder / "fields.csv").write_text(_fields_csv(found))
            (folder / "setpoints.csv").write_text(_setpoints_csv(found))
            write_run(folder, {"cds": Path(cds), "features": Path(features.file)}, found, result, command)
    return result


def _listed(measured: Widths, table: WidthTable, cds: Path) -> tuple[Widths, list[Rejected]]:
    """The rows whose feature is in the list, and the others."""
    known = np.isin(measured.feature, table.names)
    rows = zip(measured.line[~known], measured.feature[~known], strict=True)
    unknown = [Rejected(int(line), f"feature {name} is not in the list of features") for line, name in rows]
    if not known.any():
        raise InputError(f"{cds}, line {unknown[0].line}: {unknown[0].reason}, nor is that of any row")
    return measured[known], unknown


def figures(found: Found, rejected: Sequence[Rejected]) -> dict:
    """What was found as plain data."""
    listed = [_field(found, n) for n in range(len(found.groups))]
    known = [one for one in listed if one["determined"]]
    doubted = [one for one in listed if one["chance"] is not None and one["chance"] < UNLIKELY]
    clipped = sum(bool(s.clipped) for s in found.setpoints)
    good = len(known) == len(listed) and not doubted and not clipped
    focus = np.array([one["focus_nm"]["value"] for one in known])
    dose = np.array([one["dose_percent"]["value"] for one in known])
    return {
        "verdict": _verdict(listed, focus, dose, len(doubted), clipped),
        "in_spec": good,
        "fields": len(listed),
        "determined": len(known),
        "doubted": len(doubted),
        "clipped": clipped,
        "focus_mean_nm": float(focus.mean()) if len(known) else None,
        "focus_3sigma_nm": float(3 * focus.std()) if len(known) else None,
        "dose_mean_percent": float(dose.mean()) if len(known) else None,
        "dose_3sigma_percent": float(3 * dose.std()) if len(known) else None,
        "parameters": list(found.names),
        "field_list": listed,
        "rejected": [one._asdict() for one in rejected],
    }


def _verdict(listed: list[dict], focus: np.ndarray, dose: np.ndarray, doubted: int, clipped: int) -> str:
    head = f"{len(focus)} of {len(listed)} fields determined"
    if len(focus):
        head += f": focus {focus.mean():+.1f} nm, 3 sigma {3 * focus.std():.1f} nm; dose {dose.mean():+.2f} %, "
        head += f"3 sigma {3 * dose.std():.2f} %"
    if doubted:
        head += f"; the model does not explain {doubted} fields"
    if clipped:
        head += f"; set-points of {clipped} fields clipped"
    return head + "."


def _field(found: Found, n: int) -> dict:
    rows, one, points = found.groups[n], found.estimates[n], found.setpoints[n]
    m, first = found.measured, rows[0]
    told: dict = {
        "lot": str(m.lot[first]), "wafer": str(m.wafer[first]), "field_column": int(m.field_column[first]),
        "field_row": int(m.field_row[first]), "widths": len(rows), "determined": bool(one and one.determined),
        "why": one.why if one else f"fewer widths than the {len(found.names)} parameters, or none explained",
        "chance": one.chance if one else None, "focus_set_nm": [list(piece) for piece in one.focus_set] if one else [],
        "states": [], "setpoints": points.values, "clipped": list(points.clipped), "not_corrected": points.why,
    }  # fmt: skip
    for k, name in enumerate(found.names):
        value, sigma = (one.best.value[k], one.best.sigma[k]) if one else (np.nan, np.nan)
        told[name] = {"value": float(value), "sigma": float(sigma), "unit": unit(name)}
    if one:
        told["states"] = [
            {"loss_above": s.above} | dict(zip(found.names, s.value.tolist(), strict=True)) for s in one.states
        ]
        far = np.flatnonzero(np.abs(one.residual) > 4)
        told["outlier_lines"] = m.line[rows[far]].tolist()
    return told


def _fields_csv(found: Found) -> str:
    header = ["lot", "wafer", "field_column", "field_row", "widths", "determined"]
    header += [part for name in found.names for part in (name, f"{name}_sigma")]
    header += ["focus_low_nm", "focus_high_nm", "second_focus_nm", "chance", "why"]
    rows = []
    for n in range(len(found.groups)):
        one, told = found.estimates[n], _field(found, n)
        values = [told[name][key] for name in found.names for key in ("value", "sigma")]
        pieces = told["focus_set_nm"]
        ends = [pieces[0][0], pieces[-1][1]] if pieces else ["", ""]
        other = one.states[1].value[0] if one and len(one.states) > 1 else ""
        rows.append([*(told[key] for key in header[:6]), *values, *ends, other, told["chance"], told["why"]])
    return csv_text(header, rows)


def _setpoints_csv(found: Found) -> str:
    settable = [name for name in found.names if hasattr(Limits(), name)]
    rows = []
    for n, points in enumerate(found.setpoints):
        told = _field(found, n)
        place = [told[key] for key in ("lot", "wafer", "field_column", "field_row")]
        rows.append([*place, *(points.values.get(name, "") for name in settable), " ".join(points.clipped), points.why])
    return csv_text(["lot", "wafer", "field_column", "field_row", *settable, "clipped", "not_corrected"], rows)


def focus_features(
    features: FeatureFile, size: int, *, points: int = 25, focus_nm: float = 40.0, out: Path | None = None,
    force: bool = False,
) -> dict:  # fmt: skip
    """Choose the features from whose widths the focus of a field with so many points will be known best.

    In spec means that less than a tenth of the range of focus stays undetermined, sign included.
    """
    if out is not None:
        refuse_existing(Path(out), force)
    listed, table = features.table()
    sigma = np.array([f.sigma_nm for f in listed])
    candidates = Candidates(table, sigma, points, focus_nm)
    found = candidates.choose(size)
    if out is not None:
        chosen = [next(f for f in listed if f.name == name) for name in found.names]
        rows = [[f.name, f.kind, f.lines.cd_nm, f.lines.pitch_nm, f.lines.axis, f.sigma_nm] for f in chosen]
        write_file(out, csv_text(COLUMNS, rows).encode(), parents=True)
    return {
        "verdict": _chosen(found),
        "in_spec": found.determined > 0.9,
        "features": list(found.names),
        "rms_nm": found.rms_nm,
        "determined_share": found.determined,
        "focus_nm": found.focus_nm.tolist(),
        "bound_nm": found.bound_nm.tolist(),
        "apart": found.apart.tolist(),
        "candidates": len(listed),
        "left_out": [f.name for f in listed if f.name not in candidates.names],
        "file": None if out is None else str(out),
    }


def _chosen(found: Choice) -> str:
    share = 100 * found.determined
    return (
        f"{', '.join(found.names)}: focus error {found.rms_nm:.1f} nm rms to be expected, wrong sides of best focus "
        f"included; its sign is told over {share:.0f} % of the range."
    )
