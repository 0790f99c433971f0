"""How large the terms of each order are on this wafer, from its own marks: an empirical Bayes prior.

A cubic term fitted to forty marks is mostly noise; one fitted to three thousand is not. Terms of one order, over both
axes, are taken as drawn from a normal distribution about 0 whose variance has the highest likelihood (EM; Dempster,
Laird and Rubin, JRSS B 39, 1, 1977), and are then fitted with it as their prior. Translation and linear terms of the
wafer are left as they are, so that with many marks the fit is the plain one.
"""

import numpy as np

from ...wafer import Marks, Term, design
from .fit import Fingerprint, Prior
from .squares import triangle

_ROUNDS = 100
_LEAST = 1e-10  # of a variance relative to the noise's


def prior_by_order(marks: Marks, found: Fingerprint) -> Prior:
    """Mean 0 and standard deviation of each term above the wafer's linear ones; marks count as they did in the fit."""
    parts = []
    for axis, one in found.along.items():
        if not one.terms or not np.isfinite(one.solved.noise) or one.solved.noise <= 0:
            continue
        columns = design(one.terms, marks.places[one.used])
        weight = marks.quality[one.used] * one.solved.weight
        size = np.sqrt(np.average(columns**2, axis=0, weights=weight))
        size[size == 0] = 1.0
        # In units of the noise, and of a term's rms over the marks.
        error = found.error_nm[axis][one.used] / one.solved.noise
        root = triangle(columns / size, error, scale=np.sqrt(weight))
        parts.append((one.terms, size / one.solved.noise, root[: len(size), : len(size)], root[: len(size), -1]))
    groups = sorted({_group(t) for terms, *_ in parts for t in terms} - {None})
    variance = dict.fromkeys(groups, 1.0)
    for _ in range(_ROUNDS):
        total, count = dict.fromkeys(groups, 0.0), dict.fromkeys(groups, 0)
        for terms, _, root, right in parts:
            known = np.array([0.0 if (g := _group(t)) is None else 1.0 / variance[g] for t in terms])
            covariance = np.linalg.inv(root.T @ root + np.diag(known))
            value = covariance @ (root.T @ right)
            for g, square in zip(map(_group, terms), value**2 + np.diag(covariance), strict=True):
                if g is not None:
                    total[g] += float(square)
                    count[g] += 1
        new = {g: max(total[g] / count[g], _LEAST) for g in groups}
        done = all(abs(new[g] - variance[g]) <= 1e-3 * variance[g] for g in groups)
        variance = new
        if done:
            break
    return {
        t.name: (0.0, float(np.sqrt(variance[g]) / s))
        for terms, size, *_ in parts
        for t, s in zip(terms, size, strict=True)
        if (g := _group(t)) is not None
    }


def _group(one: Term) -> tuple[bool, int] | None:
    return (one.in_field, one.order) if one.in_field or one.order > 1 else None
