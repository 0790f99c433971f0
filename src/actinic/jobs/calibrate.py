"""Calibrate a scanner and resist to gauges and leave a run folder: the calibrated setup, tables, a report."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from ..config import placed, to_toml
from ..design import Setup
from ..errors import ConfigError
from ..forward import anchored
from ..interfaces import residuals
from ..interfaces.report import Report, write_report
from ..layout import parse_layer, read_layout
from ..operate import calibration
from ..operate.calibration import Calibration, Cut, Drawn, Free, Machine, Measurement, Rejected
from ..timing import Clock
from .folder import provenance, refuse_existing, run_folder, write_records
from .work import Progress, load_setup, quiet

# Of a calibrated value: far beyond its certainty, and as many as the setup's float32 keep.
_DIGITS = 8
_PIXEL_NM = 5.0
_WORST = 30


@dataclass(frozen=True)
class GaugeFile:
    """A gauge file, the setup that is to explain it, and the layout that its cuts refer to.

    `coordinate_nm` is the unit of layout coordinates that state none; `layer` is like "67/20".
    """

    file: Path
    optics: str = "krf-dry"
    settings: tuple[str, ...] = ()
    layout: Path | None = None
    layer: str = ""
    cell: str | None = None
    coordinate_nm: float = 1.0

    def drawn(self, cuts: Sequence[Cut], setup: Setup) -> Drawn | None:
        """The layout around the cuts, None where no layout is named or needed."""
        if self.layout is None or not cuts:
            return None
        if not self.layer:
            raise ConfigError(f"{self.layout}: say which layer, for example --layer 67/20")
        halo = setup.tiles.halo_nm
        places = np.array([cut.middle_nm for cut in cuts])
        around = 3 * halo + max(cut.length_nm for cut in cuts)
        window = (*(places.min(axis=0) - around).tolist(), *(places.max(axis=0) + around).tolist())
        return Drawn(read_layout(self.layout, parse_layer(self.layer), window, self.cell), halo, _PIXEL_NM)


@dataclass(frozen=True)
class Wanted:
    """What to find and how: keys as `--set` names them, or focus_offset_nm and dose_scale.

    `priors` are "key=mean:sigma" and `bounds` "key=low:high"; `hold_out` is the share of structures left out in turn.
    """

    free: tuple[str, ...]
    priors: tuple[str, ...] = ()
    bounds: tuple[str, ...] = ()
    robust: bool = False
    hold_out: float = 0.2

    def settings(self) -> list[Free]:
        names = [name for given in self.free for name in given.split(",") if name]
        if not names:
            raise ConfigError("name what is free, for example --free process.resist.threshold,focus_offset_nm")
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ConfigError(f"--free names {', '.join(repeated)} twice")
        priors, bounds = _pairs(self.priors, "prior", "mean:sigma"), _pairs(self.bounds, "bound", "low:high")
        for name in (*priors, *bounds):
            if name not in names:
                raise ConfigError(f"{name} has a prior or bounds but is not free: add --free {name}")
        return [Free(n, *bounds.get(n, (-np.inf, np.inf)), priors.get(n)) for n in names]


def calibrate(
    gauges: GaugeFile, wanted: Wanted, out: Path, *, force: bool = False, command: str = "", progress: Progress = quiet
) -> dict:
    """Fit settings of a setup to measured widths and edges, write the run folder and return its summary.

    In spec means that every free setting is determined, and that the residuals are no larger than the stated
    standard deviations explain.
    """
    clock = Clock()
    refuse_existing(Path(out), force)
    setup, free = load_setup(gauges.optics, gauges.settings), wanted.settings()
    setup = replace(setup, process=anchored(setup.process))
    measurements, rejected = calibration.read_gauges(gauges.file, gauges.coordinate_nm)
    cuts = [m.site for m in measurements if isinstance(m.site, Cut)]
    found = calibration.calibrate(
        measurements,
        Machine(setup.process),
        free,
        drawn=gauges.drawn(cuts, setup),
        robust=wanted.robust,
        hold_out=wanted.hold_out,
        progress=progress,
    )
    cost = clock.cost()
    result = {
        "verdict": _verdict(found),
        "in_spec": found.determined and found.likelihood >= calibration.UNLIKELY,
        **figures(found),
        "rejected": [{"line": r.row, "gauge": r.name, "reason": r.reason} for r in rejected],
        "cpu_s": cost.cpu_s,
        "wall_s": cost.wall_s,
        "calibrated": str(Path(out) / "calibrated.toml"),
        "run": str(Path(out)),
    }
    with run_folder(Path(out), force) as folder:
        _write_run(folder, gauges, setup, found, rejected, result, command)
    return result


def figures(c: Calibration) -> dict:
    """A calibration as plain data."""
    reach = c.reach * c.sigma
    held = c.held_out
    before, after = c.rms_nm
    return {
        "settings": [
            {
                "name": f.name,
                "start": float(c.start[k]),
                "value": float(c.value[k]),
                "standard_error": float(c.sigma[k]),
                "low_95": float(c.value[k] - reach[k]),
                "high_95": float(c.value[k] + reach[k]),
                "at_bound": bool(c.at_bound[k]),
                "prior": list(f.prior) if f.prior else None,
            }
            for k, f in enumerate(c.free)
        ],
        "correlation": c.correlation.tolist(),
        "inseparable": [asdict(s) for s in c.sets],
        "twin": c.twin.tolist() if c.twin is not None else None,
        "warnings": warnings(c),
        "gauges": len(c.measurements),
        "outliers": _named(c, c.outlier),
        "not_printed": _named(c, c.lost),
        "rms_before_nm": before,
        "rms_after_nm": after,
        "noise": c.noise,
        "noise_given": c.noise_known,
        "chi_square": c.chi_square,
        "degrees_of_freedom": c.freedom,
        "chance": c.likelihood,
        "held_out_rms_nm": held.rms_nm if held else None,
        "held_out_rms": held.rms if held else None,
        "held_out_expected": held.expected if held else None,
        "held_out_folds": held.folds if held else 0,
        "held_out_by_structure": held.by_structure if held else None,
    }


def warnings(c: Calibration) -> list[str]:
    """What a reader of the calibrated values must know, one sentence each."""
    said = [
        f"{' and '.join(s.names)} cannot be told apart by these gauges ({_unseen(s)}): free fewer, give a prior, or "
        "measure what separates them"
        for s in c.sets
    ]
    together = {name for s in c.sets for name in s.names}
    alone = [f.name for f, s in zip(c.free, c.sigma, strict=True) if not np.isfinite(s) and f.name not in together]
    said += [f"{name} is not determined: no gauge depends on it" for name in alone]
    said += [f"{f.name} ended at its bound {v:g}" for f, v, b in zip(c.free, c.value, c.at_bound, strict=True) if b]
    said += [f"{name} is what its prior says: the gauges hardly narrow it" for name in c.decided_by_prior]
    if c.twin is not None:
        state = ", ".join(f"{f.name} = {v:.5g}" for f, v in zip(c.free, c.twin, strict=True))
        said.append(f"another state explains the gauges about as well: {state}; measure at more focus settings")
    if c.likelihood < calibration.UNLIKELY:
        size = np.sqrt(c.chi_square / c.freedom)
        said.append(
            f"residuals are {size:.2f} times what the stated sigmas explain (chi-square {c.chi_square:.1f} with "
            f"{c.freedom} degrees of freedom): sigmas or model are wrong, and standard errors are too small"
        )
    if c.outlier.any():
        said.append(f"outliers ({int(c.outlier.sum())}): {_first(_named(c, c.outlier))}")
    if c.lost.any():
        said.append(f"gauges that do not print ({int(c.lost.sum())}): {_first(_named(c, c.lost))}")
    held = c.held_out
    if held and held.rms > 1.5 * held.expected:
        said.append(f"gauges left out are predicted {held.rms / held.expected:.1f} times worse than noise explains")
    return said


def _unseen(s: calibration.Inseparable) -> str:
    """What of a set goes unseen."""
    if len(s.names) == 2 and abs(s.correlation) >= 0.98:
        return f"correlation {s.correlation:+.4f}"
    moves = (", ".join(f"{name} {m:+.3g}" for name, m in zip(s.names, move, strict=True)) for move in s.moves)
    return f"unseen: {' or '.join(moves)}"


def calibrated(setup: Setup, c: Calibration) -> Setup:
    """The setup with the values found. Focus offset and dose scale go into every corner, so that a corner is still
    what the machine is set to."""
    values = {f.name: np.float64(f"{v:.{_DIGITS}g}") for f, v in zip(c.free, c.value, strict=True)}
    offset, scale = values.pop("focus_offset_nm", 0.0), values.pop("dose_scale", 1.0)
    for name, value in values.items():
        setup = placed(setup, name, value)
    for n, corner in enumerate(c.machine.process.corners):
        focus, dose = float(corner.focus_nm + offset), float(corner.dose * scale)
        setup = placed(setup, f"process.corners.{n}.focus_nm", np.float64(f"{focus:.{_DIGITS}g}"))
        setup = placed(setup, f"process.corners.{n}.dose", np.float64(f"{dose:.{_DIGITS}g}"))
    return setup


def _pairs(given: Sequence[str], what: str, form: str) -> dict[str, tuple[float, float]]:
    pairs = {}
    for text in given:
        name, _, values = text.partition("=")
        low, _, high = values.partition(":")
        try:
            pairs[name.strip()] = float(low), float(high)
        except ValueError:
            raise ConfigError(f"--{what} {text}: write KEY={form}") from None
    return pairs


def _named(c: Calibration, mask: np.ndarray) -> list[dict]:
    """Gauges under a mask, the worst first."""
    size = np.abs(np.nan_to_num(c.residual, nan=np.inf))
    order = [n for n in np.argsort(-size, kind="stable") if mask[n]]
    return [
        {
            "gauge": c.measurements[n].name,
            "line": c.measurements[n].row,
            "measured_nm": c.measurements[n].value_nm,
            "predicted_nm": None if c.lost[n] else float(c.predicted_nm[n]),
            "residual_sigmas": None if c.lost[n] else float(c.residual[n]),
        }
        for n in order
    ]


def _first(gauges: list[dict], most: int = 5) -> str:
    named = [f"{g['gauge']} (line {g['line']})" for g in gauges[:most]]
    return ", ".join(named + ["..."] * (len(gauges) > most))


def _verdict(c: Calibration) -> str:
    before, after = c.rms_nm
    size = f"{len(c.measurements)} gauges, rms {before:.2f} nm before, {after:.2f} nm after"
    if not c.determined:
        return f"Not all settings are determined: {size}."
    if c.likelihood < calibration.UNLIKELY:
        return f"Calibrated, but residuals exceed the stated sigmas: {size}."
    return f"Calibrated: {size}."


def _state(c: Calibration, n: int) -> str:
    return "lost" if c.lost[n] else "outlier" if c.outlier[n] else ""


def _write_run(folder: Path, gauges: GaugeFile, setup: Setup, c: Calibration, rejected, result, command) -> None:
    inputs = {"gauges": gauges.file} | ({"layout": gauges.layout} if gauges.layout else {})
    origin = provenance(inputs, optics=gauges.optics, layer=gauges.layer, cell=gauges.cell, command=command)
    origin["precision"] = "float64"
    configuration = _commented(c) + to_toml(calibrated(setup, c))
    (folder / "run.toml").write_text(to_toml(setup))
    (folder / "calibrated.toml").write_text(configuration)
    write_records(folder, result, origin)
    table = calibration.to_csv(
        c.measurements,
        predicted_nm=c.predicted_nm.tolist(),
        before_nm=c.before_nm.tolist(),
        residual_sigmas=c.residual.tolist(),
        state=[_state(c, n) for n in range(len(c.measurements))],
        line=[m.row for m in c.measurements],
    )
    (folder / "gauges.csv").write_text(table)
    if all(isinstance(m.site, Cut) and m.kind != "edge" for m in c.measurements):
        (folder / "gauges.gg").write_text(calibration.to_gg(c.measurements, c.predicted_nm))
    write_report(folder / "report.html", _report(gauges, c, rejected, result, configuration, origin, command))


def _commented(c: Calibration) -> str:
    lines = [f"# {f.name} = {v:.{_DIGITS}g} +- {s:.2g}" for f, v, s in zip(c.free, c.value, c.sigma, strict=True)]
    return "\n".join(["# Calibrated; values with standard errors:", *lines]) + "\n\n"


def _report(gauges: GaugeFile, c: Calibration, rejected, result, configuration, origin, command) -> Report:
    held = c.held_out
    numbers = [
        (
            "rms, predicted - measured",
            f"{result['rms_after_nm']:.2f}",
            "nm",
            f"before {result['rms_before_nm']:.2f} nm",
        ),
        ("Left out and predicted", f"{held.rms_nm:.2f}" if held else "-", "nm", f"{held.folds} parts" if held else ""),
        ("Reduced chi-square", f"{c.chi_square / c.freedom:.2f}", "", f"{c.freedom} degrees of freedom"),
        ("Gauges", str(len(c.measurements)), "", f"{len(rejected)} rows of the file rejected"),
        ("Outliers", str(int(c.outlier.sum())), "", f"{int(c.lost.sum())} do not print"),
    ]
    pictures = [("Predicted over measured.", residuals.predicted_measured(c))]
    if any(m.plot_nm is not None for m in c.measurements):
        pictures.append(("What is left, by pitch.", residuals.by_pitch(c)))
    pictures.append(("What is left, by focus.", residuals.by_focus(c)))
    notes = [
        *(f"{text[0].upper()}{text[1:]}." for text in warnings(c)),
        "Standard errors hold for the model as it is: a thin mask, and light, films and resist as in the setup. What "
        "the model leaves out is taken up by the free settings.",
        "All gauges are in gauges.csv.",
    ]
    return Report(
        title=f"Calibration to {Path(gauges.file).name}",
        verdict=result["verdict"],
        good=result["in_spec"],
        numbers=numbers,
        figures=[(caption, axes.figure) for caption, axes in pictures],
        notes=notes,
        configuration=configuration,
        provenance=origin,
        reproduce=command,
        tables=[table for table in _tables(c, rejected) if len(table[1]) > 1],
    )


def _tables(c: Calibration, rejected: Sequence[Rejected]) -> list[tuple[str, list[list[str]]]]:
    found = [["setting", "start", "value", "standard error", "95 % interval"]]
    for f, start, value, sigma in zip(c.free, c.start, c.value, c.sigma, strict=True):
        low, high = value - c.reach * sigma, value + c.reach * sigma
        found.append([f.name, f"{start:.6g}", f"{value:.6g}", f"{sigma:.2g}", f"{low:.6g} to {high:.6g}"])
    together = [["", *(_short(f.name) for f in c.free)]]
    for f, row in zip(c.free, c.correlation, strict=True):
        together.append([_short(f.name), *(f"{value:+.3f}" for value in row)])
    size = np.abs(np.nan_to_num(c.residual, nan=np.inf))
    worst = [["gauge", "line", "kind", "focus nm", "dose", "measured nm", "predicted nm", "left / sigma", ""]]
    for n in np.argsort(-size, kind="stable")[:_WORST]:
        worst.append(_gauge(c.measurements[n], c, int(n)))
    refused = [["line", "gauge", "reason"], *([str(r.row), r.name, r.reason] for r in rejected)]
    return [
        ("Settings found", found),
        ("Correlation of the estimates", together),
        (f"Gauges with the largest residuals (at most {_WORST})", worst),
        ("Rows of the gauge file that were not used", refused),
    ]


def _short(name: str) -> str:
    """The last part of a dotted key."""
    return name.rsplit(".", 1)[-1]


def _gauge(m: Measurement, c: Calibration, n: int) -> list[str]:
    seen = ["-", "-"] if c.lost[n] else [f"{c.predicted_nm[n]:.2f}", f"{c.residual[n]:+.2f}"]
    conditions = [f"{m.focus_nm:g}", f"{m.dose:g}", f"{m.value_nm:.2f}"]
    return [m.name, str(m.row), m.kind, *conditions, *seen, _state(c, n)]
