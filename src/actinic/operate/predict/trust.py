"""What predictions were worth: errors, coverage by lot, and what is risked by how many are relied on."""

from dataclasses import dataclass

import numpy as np

from .model import Prediction

IN, OUT, MEASURE, RELY = "in spec", "out of spec", "measure", "rely on it"


@dataclass(frozen=True)
class Coverage:
    """Of one lot, or of all: wafers, how many lie in their interval, root mean square error."""

    lot: str
    wafers: int
    covered: int
    rmse: float


def decide(found: Prediction, spec: tuple[float, float] | None) -> list[str]:
    """Of each wafer: in spec or out of it where its whole interval is, else measure; so too where nothing like it was.

    Without a spec the known ones are to be relied on.
    """
    if spec is None:
        return [RELY if known else MEASURE for known in found.known]
    low, high = spec
    inside = (found.low >= low) & (found.high <= high)
    outside = (found.high < low) | (found.low > high)
    return [
        MEASURE if not known else IN if i else OUT if o else MEASURE
        for known, i, o in zip(found.known, inside, outside, strict=True)
    ]


def coverage(found: Prediction, measured: np.ndarray, lots: np.ndarray) -> list[Coverage]:
    """Lot by lot, and of all together at the end."""
    error = measured - found.value
    inside = np.abs(error) <= found.half
    parts = [(str(lot), lots == lot) for lot in dict.fromkeys(lots.tolist())] + [("all", np.ones(len(lots), bool))]
    return [Coverage(n, int(i.sum()), int(inside[i].sum()), float(np.sqrt(np.mean(error[i] ** 2)))) for n, i in parts]


def r2(value: np.ndarray, measured: np.ndarray) -> float:
    """Share of the variance about the measured mean that the values explain."""
    return float(1 - np.sum((measured - value) ** 2) / np.sum((measured - measured.mean()) ** 2))


def risk(found: Prediction, measured: np.ndarray, otherwise: np.ndarray) -> list[dict[str, float]]:
    """Relying on the narrowest intervals only, from few to all of the wafers.

    `score` is R2 with `otherwise`, the mean of the wafers learnt from, wherever the prediction is not relied on:
    abstaining on everything scores zero or less.
    """
    order, error = np.argsort(found.half, kind="stable"), np.abs(measured - found.value)
    rows = []
    for share in (0.0, 0.25, 0.5, 0.75, 0.9, 1.0):
        kept = order[: round(share * len(order))]
        mixed = otherwise.astype(float).copy()
        mixed[kept] = found.value[kept]
        inside = error[kept]
        rows.append({
            "relied_on": len(kept),
            "rmse": float(np.sqrt(np.mean(inside**2))) if len(kept) else None,
            "worst": float(inside.max()) if len(kept) else None,
            "misses": int((inside > found.half[kept]).sum()),
            "score": r2(mixed, measured),
        })  # fmt: skip
    return rows
