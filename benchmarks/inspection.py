"""Inspection: what a plan by fields' focus and dose captures of the defects of simulated wafers, beside a plan by the
hotspots' ranks alone and one in no order. What fails is decided by the imaging model, not by the plan's formula."""

from common import report  # noqa: I001 sets the environment before JAX starts

from dataclasses import replace
from itertools import pairwise

import focus_fields as ff
import numpy as np

from actinic.operate.calibration import Machine
from actinic.operate.inspection import Hotspot, Likelihood, States, compare, plan
from actinic.operate.inspection.files import plan_klarf
from actinic.operate.formats import Defect
from actinic.wafer import ExposureMap

SEEDS, BUDGET, SIGMA_NM = 20, 200, 2.0
# Weak structures: bright lines that may close and dark spaces that may bridge.
WEAK = (
    ("line", 60, 160), ("line", 66, 210), ("line", 72, 250), ("line", 72, 300), ("line", 78, 400), ("line", 78, 600),
    ("space", 66, 125), ("space", 72, 135), ("space", 84, 145), ("space", 102, 160), ("space", 138, 210),
    ("space", 174, 250),
)  # fmt: skip
KNOWN_FOCUS_NM, KNOWN_DOSE = 2.0, 0.2  # how well fields' focus and dose are known to the plan


def main() -> None:
    machine: Machine = ff.machine()
    corners = machine.process.corners
    nominal = float(corners[0].focus_nm)
    at = [(float(c.focus_nm) - nominal, 100 * (float(c.dose) - 1)) for c in corners]
    made = ff.table(WEAK)
    print_at = np.array([_widths(made, f, d) for f, d in at])  # (corner, feature)
    # A structure fails below 0.85 of its nominal width; it is a hotspot at the corner where it is narrowest.
    limit, worst = 0.85 * print_at[0], np.nanargmin(print_at, axis=0)
    spots = [
        Hotspot(n + 1, WEAK[n][0], 1e6 * (2 + 1.7 * n), 1e6 * (3 + 1.1 * n), float(limit[n] - print_at[worst[n], n]),
                at[worst[n]], float(limit[n] - print_at[0, n]))
        for n in range(len(WEAK))
    ]  # fmt: skip
    ways: dict[str, list] = {"by focus and dose": [], "by rank": [], "in no order": []}
    precision, recall, unpredicted, bands = [], [], [], []
    for seed in range(SEEDS):
        random = np.random.default_rng((seed, 3))
        exposure = ExposureMap()
        fields = exposure.fields()
        bowl = 15 * (2 * (fields.X_mm**2 + fields.Y_mm**2) / 150**2 - 1)
        focus = random.normal(0, 12) + bowl + random.normal(0, 8, len(fields))
        dose = random.normal(0, 0.7) + random.normal(0, 0.6, len(fields))
        width = np.array([_widths(made, f, d) for f, d in zip(focus, dose, strict=True)])
        width = width + SIGMA_NM * random.standard_normal(width.shape)
        failed = np.isnan(width) | (width < limit)  # (field, hotspot)
        keys = list(zip(fields.column.tolist(), fields.row.tolist(), strict=True))
        seen = [
            dict(zip(keys, (v + random.normal(0, s, len(keys))).tolist(), strict=True))
            for v, s in ((focus, KNOWN_FOCUS_NM), (dose, KNOWN_DOSE))
        ]
        everywhere = len(fields) * len(spots)
        full = plan(spots, exposure, everywhere, states=States(*seen), likelihood=Likelihood(SIGMA_NM))
        place = {key: n for n, key in enumerate(keys)}
        where = [place[int(c), int(r)] for c, r in zip(full.field_column, full.field_row, strict=True)]
        hit = failed[where, full.hotspot - 1]
        orders = {
            "by focus and dose": np.arange(everywhere),
            "by rank": np.lexsort((random.random(everywhere), [-(s.beyond_nm or 0) for s in _of(full, spots)])),
            "in no order": random.permutation(everywhere),
        }
        for name, order in orders.items():
            ways[name].append(hit[order][:BUDGET].sum() / max(hit.sum(), 1))
        # The verb's own way: a plan within the budget, a KLARF of what was found, the hidden places among it.
        taken = plan(spots, exposure, BUDGET, states=States(*seen), likelihood=Likelihood(SIGMA_NM))
        base = plan_klarf(full, "L", "1", "D", exposure)
        found = [d for d, h in zip(base.wafers[0].defects, hit, strict=True) if h]
        found = [replace(d, x_rel_nm=d.x_rel_nm + random.normal(0, 150)) for d in found]
        dies = random.permutation(len(fields))[:12]
        found += [
            Defect(9000 + n, 2.2e7, 2.9e7, int(fields.column[k]), int(fields.row[k]), class_number=1, test=1)
            for n, k in enumerate(dies)
        ]
        inspection = replace(base, wafers=(replace(base.wafers[0], defects=tuple(found)),))
        got = compare(taken, inspection, 1.0)
        precision.append(got.precision.value)
        recall.append(got.recall.value)
        unpredicted.append(got.unpredicted[0].dies == 12 if got.unpredicted else False)
        bands += [(chance, share.hits, share.of) for chance, share in got.calibration]
    for name, values in ways.items():
        report("inspection, capture", plan=name, sites=BUDGET, of=len(ExposureMap().fields()) * len(WEAK), seeds=SEEDS,
               captured_percent=_mean(100 * np.array(values)))  # fmt: skip
    gain = 100 * (np.array(ways["by focus and dose"]) - np.array(ways["by rank"]))
    table = np.array(bands)
    edges = np.array([0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.01])
    report(
        "inspection, verb", seeds=SEEDS, over_rank_percent=_mean(gain),
        precision_percent=_mean(100 * np.array(precision)),
        recall_percent=_mean(100 * np.array(recall)), hidden_place_found=int(np.sum(unpredicted)),
        calibration=[
            [float(np.average(t[:, 0], weights=t[:, 2])), float(t[:, 1].sum() / t[:, 2].sum()), int(t[:, 2].sum())]
            for low, high in pairwise(edges)
            if len(t := table[(table[:, 0] >= low) & (table[:, 0] < high)])
        ],
    )  # fmt: skip


def _widths(made, focus: float, dose_percent: float) -> np.ndarray:
    n = len(made.names)
    return made.widths(np.arange(n), np.full(n, focus), np.full(n, np.log1p(dose_percent / 100)))[0]


def _of(full, spots: list[Hotspot]) -> list[Hotspot]:
    return [spots[rank - 1] for rank in full.hotspot]


def _mean(values: np.ndarray) -> list[float]:
    """Mean and the half width of its 95 % interval (Student's t)."""
    return [float(values.mean()), float(2.093 * values.std(ddof=1) / np.sqrt(len(values)))]


if __name__ == "__main__":
    main()
