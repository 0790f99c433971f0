"""Which known fault a wafer resembles: the direction of its scores against those of labelled faults of other regimes.

A fault pushes the features in a direction of its own, one way or the other, more or less; what broke shows in the
direction even where the sensor of what broke shows nothing.
"""

import re
from collections.abc import Sequence

import numpy as np

from .features import Features
from .watch import NORMAL, Settings, watch

SIMILAR = 0.25  # of a hundred features, a direction by chance is off by 0.1
_LARGEST = 6.0  # standard deviations: one feature alone is not the direction

Library = list[tuple[str, np.ndarray]]


def kind(label: str) -> str:
    """What a fault's label names, without how much: "TCP +50" is TCP."""
    return re.sub(r"\s*[+-]?\d+(\.\d+)?\s*%?$", "", label).strip()


def library(features: Features, others: Sequence[str], settings: Settings) -> Library:
    """Scores of the labelled faults of other regimes, each regime re-centred on its own first normal wafers."""
    found: Library = []
    for regime in others:
        labels = [features.labels[n] for n in features.rows([regime])]
        if any(label not in ("", NORMAL) for label in labels) and labels.count(NORMAL) > settings.recentre:
            findings, _, plotted = watch(features, [regime], [regime], settings)
            found += [
                (kind(f.label), row) for f, row in zip(findings, plotted, strict=True) if f.label not in ("", NORMAL)
            ]
    return found


def resembling(scores: np.ndarray, known: Library) -> list[tuple[str, float]]:
    """Kinds of known faults by |cosine| of their direction with the scores (variables,), most alike first."""
    best: dict[str, float] = {}
    for name, other in known:
        both = np.isfinite(scores) & np.isfinite(other)
        one, two = (np.clip(v[both], -_LARGEST, _LARGEST) for v in (scores, other))
        size = np.linalg.norm(one) * np.linalg.norm(two)
        if size > 0:
            best[name] = max(best.get(name, 0.0), float(abs(one @ two) / size))
    return sorted(best.items(), key=lambda item: -item[1])


def suspects(
    resembles: Sequence[tuple[str, float]], sensors: Sequence[tuple[str, float, str]], most: int = 3
) -> list[str]:
    """What to look at first: the known fault that is alike, if one is, then the sensors that deviate most."""
    first = [resembles[0][0]] if resembles and resembles[0][1] >= SIMILAR else []
    return (first + [name for name, *_ in sensors if name not in first])[:most]
