"""Uniformity of line width: how much of it is lot, wafer, place on the wafer, field, slit, scan, and metrology.

A crossed and nested model of random effects, by restricted maximum likelihood with profile intervals
(`metrology.variance`). Fingerprints (slit, scan, wafer map) are what all fields, or all wafers, have in common.
What is left at single sites is shared between metrology and local variation by measurements repeated at a site, or by
the sigma that the file states.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ..errors import InputError
from ..metrology.variance import Component, Study
from .widths import Widths

SAME_MM = 0.25  # positions in the field closer than this are one
METROLOGY, LOCAL, BOTH = "metrology", "local", "local and metrology"
# Shown name: term of the study. "place" is the field's column and row on any wafer.
TERMS = {
    "lot": "lot",
    "wafer": "lot:wafer",
    "wafer map": "place",
    "field": "lot:wafer:place",
    "slit": "slit",
    "scan": "scan",
    "field map": "slit:scan",
}


@dataclass(frozen=True)
class Part:
    """One source of variation in nm: standard deviation, its 95 % interval (None: stated, not measured), share."""

    name: str
    sigma_nm: float
    low_nm: float | None
    high_nm: float | None
    share: float


@dataclass(frozen=True)
class Uniformity:
    """The split of one feature's widths. `slit`, `scan` are profiles: position in mm, mean deviation in nm."""

    feature: str
    mean_nm: float
    total_nm: float
    parts: tuple[Part, ...]
    notes: tuple[str, ...]
    slit: tuple[np.ndarray, np.ndarray]
    scan: tuple[np.ndarray, np.ndarray]
    measurements: int

    def part(self, name: str) -> Part | None:
        return next((one for one in self.parts if one.name == name), None)


def uniformity(measured: Widths, feature: str) -> Uniformity:
    """Split the widths of one feature. InputError where there are too few to tell anything."""
    some = measured[measured.feature == feature]
    if len(some) < 6:
        raise InputError(f"feature {feature}: {len(some)} widths are too few to split")
    codes = _codes(some)
    _, first, site, counts = np.unique(
        np.stack(list(codes.values()), axis=1), axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    site = site.ravel()
    width = np.bincount(site, some.cd_nm) / counts
    factors = {name: code[first] for name, code in codes.items()}
    terms, notes = _told_apart(factors)
    if not terms:
        raise InputError(f"feature {feature}: all widths are of one lot, wafer, field and place: nothing to split")
    found = Study(width, factors, [TERMS[name] for name in terms]).reml()
    free = len(some) - len(width)
    inside = float(np.sum((some.cd_nm - width[site]) ** 2))
    rest, more = _rest(found[-1], some, free, inside, counts)
    parts = [(name, one.variance, one.low, one.high) for name, one in zip(terms, found[:-1], strict=True)] + rest
    total = sum(variance for _, variance, *_ in parts) or 1.0
    listed = tuple(
        Part(name, _root(v), None if low is None else _root(low), None if high is None else _root(high), v / total)
        for name, v, low, high in parts
    )
    return Uniformity(
        feature, float(width.mean()), float(np.sqrt(total)), listed, tuple(notes + more),
        _profile(some.x_mm, some), _profile(some.y_mm, some), len(some),
    )  # fmt: skip


def _codes(some: Widths) -> dict[str, np.ndarray]:
    """Labels (n,) by factor."""
    place = np.unique(np.stack([some.field_column, some.field_row], axis=1), axis=0, return_inverse=True)[1].ravel()
    slit, scan = (np.round(at / SAME_MM).astype(np.int64) for at in (some.x_mm, some.y_mm))
    labels = {"lot": some.lot, "wafer": some.wafer, "place": place, "slit": slit, "scan": scan}
    return {name: np.unique(values, return_inverse=True)[1].ravel() for name, values in labels.items()}


def _told_apart(factors: dict[str, np.ndarray]) -> tuple[list[str], list[str]]:
    """Terms whose groups differ from those of all others and from single sites, and what had to be left out."""
    kept: list[str] = []
    notes: list[str] = []
    groups: dict[str, np.ndarray] = {}
    for name, term in TERMS.items():
        codes = np.stack([factors[part] for part in term.split(":")], axis=1)
        group = np.unique(codes, axis=0, return_inverse=True)[1].ravel()
        levels, n = int(group.max()) + 1, len(group)
        same = next((other for other in kept if _equal(groups[other], group)), None)
        if levels == 1:
            notes.append(f"{name}: there is only one")
        elif levels == n:
            notes.append(f"{name}: one width each, part of what is local")
        elif same is not None:
            notes.append(f"{name}: the same groups as {same}, told as that")
        else:
            kept.append(name)
            groups[name] = group
    return kept, notes


def _equal(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two labellings make the same groups."""
    pairs = len(np.unique(np.stack([one, other], axis=1), axis=0))
    return pairs == len(np.unique(one)) == len(np.unique(other))


def _rest(left: Component, some: Widths, free: int, inside: float, counts: np.ndarray) -> tuple[list, list[str]]:
    """What is left at single sites, shared between metrology and local variation."""
    share = float(np.mean(1 / counts))  # of metrology's variance in a site's mean
    if free > 0:
        metrology = inside / free
        ends: tuple = tuple(inside / stats.chi2.ppf([0.975, 0.025], free))
        note = []
    elif np.isfinite(some.sigma_nm).all():
        metrology, ends = float(np.mean(some.sigma_nm**2)), (None, None)
        note = ["metrology is the sigma_nm of the file: no site was measured twice"]
    else:
        note = ["no site was measured twice and no sigma_nm is given: metrology is not told from local variation"]
        return [(BOTH, left.variance, left.low, left.high)], note
    local = left.variance - share * metrology
    if local < 0 and left.high is not None and share * metrology > left.high:
        note.append("widths at single sites differ less than metrology says: look at sigma_nm or at the repeats")
    low, high = _difference(left, share * metrology, [None if e is None else share * e for e in ends])
    return [(LOCAL, max(local, 0.0), low, high), (METROLOGY, metrology, *ends)], note


def _difference(left: Component, less: float, ends: Sequence[float | None]) -> tuple[float, float]:
    """95 % interval of a difference of variances, from their intervals (Zou and Donner, Stat. Med. 27, 1693, 2008)."""
    low, high = left.low or 0.0, left.high if left.high is not None else left.variance
    below = less if ends[0] is None else ends[0]
    above = less if ends[1] is None else ends[1]
    value = left.variance - less
    down = np.hypot(left.variance - low, above - less)
    up = np.hypot(high - left.variance, less - below)
    return max(float(value - down), 0.0), max(float(value + up), 0.0)


def _profile(at_mm: np.ndarray, some: Widths) -> tuple[np.ndarray, np.ndarray]:
    """Mean width at each position less the mean of all."""
    place, group = np.unique(np.round(at_mm / SAME_MM), return_inverse=True)
    mean = np.bincount(group.ravel(), some.cd_nm) / np.bincount(group.ravel())
    return place * SAME_MM, mean - some.cd_nm.mean()


def _root(variance: float) -> float:
    return float(np.sqrt(max(variance, 0.0)))
