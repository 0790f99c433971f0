"""The numbers of a loop's report, each computed from entries of its ledger and from nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..operate.inspection.match import Share
from ..operate.ledger import Entry

ARMS = ("none", "control", "recalibrate", "all")
TOLD = {
    "none": "nothing corrected",
    "control": "set-points only",
    "recalibrate": "model and mask only",
    "all": "all together",
}
# What each step adds: to which arm, what it adds to.
GAINS = (("control", "none"), ("recalibrate", "none"), ("all", "none"), ("all", "control"))
INPUTS, MASK, LOTS, CALIBRATION, INSPECTION, COST = "inputs", "mask", "lots", "calibration", "inspection", "cost"
_DRAWS, _SEED = 2000, 0


@dataclass(frozen=True)
class Number:
    """A number of the report: its interval (95 %) if it has one, the ledger's entries it comes from, and how."""

    name: str
    value: float
    unit: str
    entries: tuple[int, ...]
    how: str
    low: float | None = None
    high: float | None = None


def numbers(entries: Sequence[Entry]) -> list[Number]:
    """Every number of the report, in its order."""
    return [*_yields(entries), *_masks(entries), *_calibrations(entries), *_inspections(entries), *_costs(entries)]


def shares(entries: Sequence[Entry], arm: str, count: str = "in_spec") -> tuple[np.ndarray, np.ndarray, list[int]]:
    """In spec, and all gauges, of each lot (lot,) of the product in an arm, and the entries they stand in."""
    of = [e for e in entries if e.kind == LOTS and e.body["arm"] == arm]
    lots = [one for e in of for one in e.body["lots"] if "gauges" in one]
    hits, total = (np.array([one[name] for one in lots], np.float64) for name in (count, "gauges"))
    return hits, total, [e.n for e in of]


def _yields(entries: Sequence[Entry]) -> list[Number]:
    found = []
    for arm in ARMS:
        for count, what in (("in_spec", ""), ("width_in", ", by width"), ("overlay_in", ", by overlay")):
            hits, total, where = shares(entries, arm, count)
            how = f"sum of {count} over sum of gauges, {len(hits)} lots of the product"
            name = f"gauges in spec, {TOLD[arm]}{what}"
            found.append(Number(name, 100 * hits.sum() / total.sum(), "%", tuple(where), how))
    for arm, base in GAINS:
        (a, n, first), (b, m, second) = (shares(entries, one) for one in (arm, base))
        draws = np.random.default_rng(_SEED).integers(0, len(a), (_DRAWS, len(a)))
        gain = 100 * (a[draws].sum(1) / n[draws].sum(1) - b[draws].sum(1) / m[draws].sum(1))
        low, high = np.quantile(gain, (0.025, 0.975)).tolist()
        value = 100 * (a.sum() / n.sum() - b.sum() / m.sum())
        how = "difference of the two shares; the interval by drawing the same lots of both again"
        name = f"gain, {TOLD[arm]} over {TOLD[base]}"
        found.append(Number(name, value, "points", (*first, *second), how, low, high))
    return found


def _masks(entries: Sequence[Entry]) -> list[Number]:
    found = []
    for e in entries:
        if e.kind != MASK:
            continue
        name = f"mask {e.body['mask']}"
        here = (e.n,)
        found.append(Number(f"{name}, mean |EPE| by its model", e.body["mean_abs_epe_nm"], "nm", here, "verified"))
        if "condemned" in e.body:
            how = f"of {e.body['blocks']} blocks, by the new model and by what inspection found"
            found.append(Number(f"{name}, blocks corrected anew", e.body["condemned"], "", here, how))
            old = e.body["old_mean_abs_epe_nm"]
            found.append(Number(f"{name}, mean |EPE| of the mask before it", old, "nm", here, "by the new model"))
    return found


def _calibrations(entries: Sequence[Entry]) -> list[Number]:
    found = []
    for e in (e for e in entries if e.kind == CALIBRATION):
        for one in e.body["settings"]:
            half = 1.96 * one["standard_error"]
            name = f"calibration before lot {e.body['n']}, {one['name'].rpartition('.')[2]}"
            how = f"fitted to {e.body['gauges']} widths; truth {one['truth']:.5g}"
            value = one["value"]
            found.append(Number(name, value, "", (e.n,), how, value - half, value + half))
    return found


def _inspections(entries: Sequence[Entry]) -> list[Number]:
    looked = [e for e in entries if e.kind == INSPECTION]
    if not looked:
        return []
    where = tuple(e.n for e in looked)
    hits, sites, bad, of = (sum(e.body[name] for e in looked) for name in ("found", "sites", "failing", "of"))
    share = Share(hits, sites)
    low, high = (100 * v for v in share.interval)
    expected = sum(e.body["expected"] for e in looked)
    return [
        Number("inspected sites out of spec", 100 * (share.value or 0.0), "%", where, f"{hits} of {sites}", low, high),
        Number("sites out of spec, foretold", 100 * expected / sites, "%", where, "mean of the plans' chances"),
        Number("sites out of spec, had they been drawn", 100 * bad / of, "%", where, f"{bad} of all {of}"),
    ]


def _costs(entries: Sequence[Entry]) -> list[Number]:
    found = []
    for e in (e for e in entries if e.kind == COST):
        for step in e.body["steps"]:
            name = f"{e.body['what']}, {step['step']}"
            found.append(Number(name, step["wall_s"], "s", (e.n,), f"on the wall; {step['cpu_s']:.1f} CPU-s"))
    return found
