"""Plans and states of fields as files: CSV both ways, KLARF of a plan."""

from dataclasses import fields
from pathlib import Path

import numpy as np

from ...plain import csv_text
from ...wafer import ExposureMap
from ..formats import Defect, InspectedWafer, Inspection, Test
from ..rows import Row, read_table
from .plan import Plan, States

COLUMNS = ("rank", *(one.name for one in fields(Plan) if one.name not in ("pitch_nm", "centre_nm")))
_PITCH = ("die_width_mm", "die_height_mm", "corner_x_mm", "corner_y_mm")
_WHOLE = ("hotspot", "die_column", "die_row", "field_column", "field_row")


def plan_csv(plan: Plan) -> str:
    """A plan as CSV; the last four columns are the die's size and where die (0, 0) begins on the wafer."""
    last = [*(v / 1e6 for v in plan.pitch_nm), *(-v / 1e6 for v in plan.centre_nm)]
    rows = [[n + 1, *(getattr(plan, name)[n] for name in COLUMNS[1:]), *map(float, last)] for n in range(len(plan))]
    return csv_text([*COLUMNS, *_PITCH], rows, digits=9)


def read_plan(path: Path) -> Plan:
    """A plan from CSV; InputError, with the line, where it is none."""

    def site(row: Row) -> list:
        kinds = {"kind": row.text, **dict.fromkeys(_WHOLE, row.whole)}
        values = [kinds[n](n) if n in kinds else row.number(n, -1e9, 1e9) for n in COLUMNS[1:]]
        return [*values, *(row.number(name, -1e4, 1e4) for name in _PITCH)]

    parts = zip(*read_table(path, (*COLUMNS, *_PITCH)).each(site), strict=True)
    columns = dict(zip((*COLUMNS[1:], *_PITCH), map(np.array, parts), strict=True))
    last = np.array([columns.pop(name)[-1] for name in _PITCH])
    pitch, corner = last[:2] * 1e6, -last[2:] * 1e6
    return Plan(
        **columns, pitch_nm=(float(pitch[0]), float(pitch[1])),
        centre_nm=(float(corner[0]), float(corner[1])),
    )  # fmt: skip


def plan_klarf(plan: Plan, lot: str, wafer: str, device: str, exposure: ExposureMap) -> Inspection:
    """A plan as KLARF for a review tool: a defect for each site, the kinds as classes, the dies as the test."""
    kinds = list(dict.fromkeys(plan.kind.tolist()))
    sites = zip(plan.x_nm, plan.y_nm, plan.die_column, plan.die_row, plan.kind, strict=True)
    defects = tuple(
        Defect(n, float(x), float(y), int(i), int(j), class_number=kinds.index(kind) + 1, test=1)
        for n, (x, y, i, j, kind) in enumerate(sites, 1)
    )
    dies = tuple(dict.fromkeys((int(i), int(j)) for i, j in zip(plan.die_column, plan.die_row, strict=True)))
    # The area that the test looks at is the dies'.
    area = float(len(dies) * plan.pitch_nm[0] * plan.pitch_nm[1])
    looked = InspectedWafer(wafer, 1, plan.centre_nm, (0.0, 0.0), (Test(1, area, dies),), (), defects)
    return Inspection(
        lot, (looked,), plan.pitch_nm, device=device, step="INSPECTION PLAN", diameter_mm=2 * exposure.radius_mm,
        classes=tuple((n, kind) for n, kind in enumerate(kinds, 1)),
    )  # fmt: skip


def read_states(path: Path) -> tuple[States, list[str]]:
    """Focus and dose of fields, as `wafer focus` writes them, and notes; fields not determined are left out.

    The mean is taken over wafers.
    """
    sums: dict[tuple[int, int], list[tuple[float, float]]] = {}

    def determined(row: Row) -> bool:
        if row.cells.get("determined", "True").lower() in ("false", "0"):
            return False
        key = row.whole("field_column"), row.whole("field_row")
        sums.setdefault(key, []).append((row.number("focus_nm", -1e4, 1e4), row.number("dose_percent", -99, 1e3)))
        return True

    needed = ("field_column", "field_row", "focus_nm", "dose_percent")
    left = read_table(path, needed).each(determined).count(False)
    means = {key: np.mean(values, axis=0) for key, values in sums.items()}
    notes = [f"{left} fields are not determined and count as nominal"] if left else []
    return States(*({k: float(v[n]) for k, v in means.items()} for n in (0, 1))), notes
