"""Results of lots from a file of them, or from measured marks by fitting each lot's overlay."""

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..errors import ConfigError, InputError, NumericalError
from ..operate import overlay
from ..operate.control.files import hours, read_results
from ..operate.control.history import Result
from ..operate.rows import Rejected
from ..wafer import Marks, Model
from ..wafer.model import MODELS


def lot_results(path: Path, terms: Iterable[str]) -> tuple[list[Result], list[Rejected]]:
    """Results in order of time. A file with a column dx_nm holds marks; they need a time and are fitted lot by lot.

    Of marks, the smallest model with all of `terms` is fitted, robustly, to all wafers of a lot measured at one time.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            names = next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        names = []  # told by who reads it
    if "dx_nm" not in [name.strip() for name in names]:
        return read_results(path)
    marks, bad, _ = overlay.read_marks(path)
    if marks.time is None:
        raise InputError(f"{path}: marks need a column time to be results of lots")
    model, results = _model(terms), []
    for lot, time in sorted({(str(lot), str(time)) for lot, time in zip(marks.lot, marks.time, strict=True)}):
        rows = np.flatnonzero((marks.lot == lot) & (marks.time.astype(str) == time))
        try:
            results.append(_fitted(lot, hours(time), marks[rows], model, terms))
        except (InputError, NumericalError, ValueError) as error:
            bad.append(Rejected(int(marks.line[rows[0]]) if marks.line is not None else 0, f"lot {lot}: {error}"))
    return sorted(results, key=lambda one: (one.time, one.lot)), bad


def _model(terms: Iterable[str]) -> Model:
    wanted = set(terms)
    for name in MODELS:
        model = Model.named(name)
        if wanted <= {one.name for one in model.terms}:
            return model
    raise ConfigError(f"no model has all of the terms {', '.join(sorted(wanted))}: {', '.join(MODELS)}")


def _fitted(lot: str, time: float, marks: Marks, model: Model, terms: Iterable[str]) -> Result:
    found = overlay.fit(marks, model, robust=True)
    known = [name for name in terms if name in found.values and name not in found.lost]
    if not known:
        raise InputError("its marks cannot give the terms")
    return Result(lot, time, {n: found.values[n] for n in known}, {n: found.sigmas[n] for n in known})
