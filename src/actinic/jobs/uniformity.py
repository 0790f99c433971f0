"""Uniformity of measured line widths, split by source, with a run folder if asked."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ..config.toml import text
from ..errors import ConfigError, InputError
from ..interfaces import uniformity_plots as plots
from ..interfaces.report import Report, write_report
from ..operate.rows import Rejected
from ..operate.uniformity import Uniformity, uniformity
from ..operate.widths import read_widths
from ..plain import csv_text
from ..timing import Clock
from .folder import provenance, refuse_existing, run_folder, write_records
from .work import Progress, quiet


def wafer_uniformity(
    cds: Path, features: Sequence[str] = (), spec_nm: float | None = None, out: Path | None = None, *,
    force: bool = False, command: str = "", progress: Progress = quiet,
) -> dict:  # fmt: skip
    """Split the widths of each feature (all in the file if none is named) by source.

    In spec means that three times the standard deviation of every feature, all sources together, is within `spec_nm`.
    """
    clock = Clock()
    if out is not None:
        refuse_existing(Path(out), force)
    if spec_nm is not None and not spec_nm > 0:
        raise ConfigError(f"a specification of {spec_nm:g} nm: it must be above 0")
    measured, rejected = read_widths(cds)
    there = list(dict.fromkeys(measured.feature.tolist()))
    unknown = sorted(set(features) - set(there))
    if unknown:
        raise InputError(f"{cds}: no feature {', '.join(unknown)}; there are {', '.join(there)}")
    wanted, found = list(features) or there, []
    for n, name in enumerate(wanted):
        progress("features", n, len(wanted))
        found.append(uniformity(measured, name))
    progress("features", len(wanted), len(wanted))
    result = figures(found, rejected, spec_nm)
    cost = clock.cost()
    result |= {"cpu_s": cost.cpu_s, "wall_s": cost.wall_s, "run": None if out is None else str(Path(out))}
    if out is not None:
        configuration = text({"cds": str(cds), "features": wanted} | ({"spec_nm": spec_nm} if spec_nm else {}))
        origin = provenance({"cds": Path(cds)}, command=command, precision="float64")
        with run_folder(Path(out), force) as folder:
            (folder / "run.toml").write_text(configuration)
            (folder / "parts.csv").write_text(_parts_csv(found))
            write_records(folder, result, origin)
            write_report(folder / "report.html", _report(found, result, configuration, origin))
    return result


def figures(found: Sequence[Uniformity], rejected: Sequence[Rejected], spec_nm: float | None) -> dict:
    """The splits as plain data."""
    worst = max(found, key=lambda one: one.total_nm)
    good = spec_nm is None or 3 * worst.total_nm <= spec_nm
    largest = max(worst.parts, key=lambda part: part.sigma_nm)
    head = f"3 sigma {3 * worst.total_nm:.2f} nm of {worst.feature}"
    asked = "" if spec_nm is None else f" ({spec_nm:g} asked)"
    return {
        "verdict": f"{head}{asked}, {100 * largest.share:.0f} % of the variance from {largest.name}.",
        "in_spec": good,
        "features": [
            {
                "feature": one.feature, "measurements": one.measurements, "mean_nm": one.mean_nm,
                "three_sigma_nm": 3 * one.total_nm, "parts": [asdict(part) for part in one.parts],
                "slit_profile": _profile(one.slit), "scan_profile": _profile(one.scan), "notes": list(one.notes),
            }
            for one in found
        ],
        "rejected": [one._asdict() for one in rejected],
    }  # fmt: skip


def _profile(profile: tuple[np.ndarray, np.ndarray]) -> dict:
    return {"position_mm": profile[0].tolist(), "deviation_nm": profile[1].tolist()}


def _parts_csv(found: Sequence[Uniformity]) -> str:
    return csv_text(
        ["feature", "part", "sigma_nm", "low_nm", "high_nm", "share"],
        [
            [one.feature, part.name, part.sigma_nm, part.low_nm, part.high_nm, part.share]
            for one in found
            for part in one.parts
        ],
    )


def _report(found: Sequence[Uniformity], result: dict, configuration: str, origin: dict) -> Report:
    numbers, pictures, tables, notes = [], [], [], []
    for one in found:
        largest = max(one.parts, key=lambda part: part.sigma_nm)
        beside = f"mean {one.mean_nm:.2f} nm; most from {largest.name}"
        numbers.append((f"{one.feature}, 3 sigma", f"{3 * one.total_nm:.2f}", "nm", beside))
        pictures.append((f"{one.feature}: sources of variation with 95 % intervals.", plots.parts(one).figure))
        pictures.append((f"{one.feature}: what all fields have in common.", plots.profiles(one).figure))
        rows = [["source", "sigma (nm)", "95 % from", "to", "share of the variance"]]
        for part in one.parts:
            ends = ["stated" if end is None else f"{end:.3f}" for end in (part.low_nm, part.high_nm)]
            rows.append([part.name, f"{part.sigma_nm:.3f}", *ends, f"{100 * part.share:.1f} %"])
        tables.append((f"{one.feature}, {one.measurements} widths", rows))
        notes += [f"{one.feature}, {note}." for note in one.notes]
    notes += [f"Line {one['line']}: {one['reason']}." for one in result["rejected"][:10]]
    notes.append("A fingerprint seen at few positions has a wide interval: what other slits would show is not known.")
    return Report(
        "Uniformity of line width", result["verdict"], result["in_spec"], numbers, pictures, notes, configuration,
        origin, origin["command"], tables,
    )  # fmt: skip
