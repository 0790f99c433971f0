"""Wafers of known overlay: 63 fields of 7 x 7 marks, noise and a local error that no model reaches."""

import csv
from collections.abc import Mapping

import numpy as np

from actinic.wafer import COLUMNS, ExposureMap, Marks, Model, Places, evaluate

MARK_NM, LOCAL_NM = 0.35, 0.5
# 63 fields: whole ones but one.
EXPOSURE = ExposureMap(offset_x_mm=13.0, offset_y_mm=16.5)


def full_map() -> tuple[Places, np.ndarray, np.ndarray]:
    """All 63 x 49 places of a wafer with chuck 1, and the column and row of their fields."""
    fields = EXPOSURE.fields()[:63]
    which, X, Y, x, y = EXPOSURE.points(fields)
    places = Places(X, Y, x, y, np.full(len(X), "1"), fields.scan[which])
    return places, fields.column[which], fields.row[which]


def drawn_terms(random: np.random.Generator) -> dict[str, float]:
    """A wafer's fingerprint, nm an axis about as operations.md has it: raw |mean| + 3 sigma 8.7 and 24.3."""
    values: dict[str, float] = {}
    sizes = {0: 2.0, 1: 0.02, 2: 8e-5, 3: 8e-7, 4: 1.5e-9, 5: 1.2e-11}
    for one in Model.named("howa5").terms:
        if not one.in_field:
            values[one.name] = sizes[one.order] * random.standard_normal()
    values["k4"] += 0.09 * random.choice([-1, 1])
    for one in Model.named("third-order").terms:
        if one.in_field:
            size = {1: 0.06, 2: 1.2e-3, 3: 1e-4}[one.order]
            values[one.name] = size * random.standard_normal()
    return values


def measured(
    values: Mapping[str, float], seed: int, mark_nm: float = MARK_NM, local_nm: float = LOCAL_NM
) -> tuple[Marks, np.ndarray, np.ndarray]:
    """Marks of a whole map, and what a perfect measurement would say at each (dx, dy), the local error in it."""
    random = np.random.default_rng(seed)
    places, column, row = full_map()
    dx, dy = (v + local_nm * random.standard_normal(len(v)) for v in evaluate(values, places))
    noisy = (v + mark_nm * random.standard_normal(len(v)) for v in (dx, dy))
    return marks_at(places, *noisy, column, row), dx, dy


def marks_at(places: Places, dx, dy, column=None, row=None, **columns) -> Marks:
    n = len(places)
    label = {"lot": "L1", "wafer": "1", "chuck": "1"} | {k: v for k, v in columns.items() if isinstance(v, str)}
    arrays = {k: v for k, v in columns.items() if not isinstance(v, str)}
    zero = np.zeros(n, np.int64)
    return Marks(
        **{name: np.full(n, text) for name, text in label.items() if name not in arrays},
        field_column=zero if column is None else column,
        field_row=zero if row is None else row,
        X_mm=places.X_mm, Y_mm=places.Y_mm, x_mm=places.x_mm, y_mm=places.y_mm,
        dx_nm=np.asarray(dx, np.float64), dy_nm=np.asarray(dy, np.float64),
        quality=arrays.pop("quality", np.ones(n)),
        **({"scan": places.scan} if places.scan is not None and "scan" not in arrays else {}),
        **arrays,
    )  # fmt: skip


def write_csv(path, marks: Marks, names: tuple[str, ...] = COLUMNS, **settings) -> None:
    """A file of the stated schema."""
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, **settings)
        writer.writerow(names)
        columns = [getattr(marks, name) for name in names]
        text = [[f"{v:.6f}" for v in c] if c.dtype.kind == "f" else c.tolist() for c in columns]
        writer.writerows(zip(*text, strict=True))
