"""Least squares by QR: robust (Huber), with a prior, with the covariance of what is found.

Huber, Robust Statistics (1981), chapter 7: weights by iteration, scale by the median of the residuals, covariance by
his H1. Rows come in blocks, so that a million of them need the memory of one design.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg

from ...errors import NumericalError

HUBER = 1.345  # 95 % efficiency at the normal distribution
_MAD = 1.4826
_ROUNDS = 60
_BLOCK = 65536


@dataclass(frozen=True)
class Solved:
    """Coefficients (p,), their covariance (p, p), residuals (n,) and Huber weights (n,).

    `noise` is the standard deviation of a measurement of weight 1; NaN, with the covariance, where as many coefficients
    as measurements leave none to tell it. `root` is the upper factor R of the weighted design, `spread`
    the prior's standard deviations (p,).
    """

    value: np.ndarray
    covariance: np.ndarray
    residual: np.ndarray
    weight: np.ndarray
    noise: float
    root: np.ndarray
    spread: np.ndarray | None = None


def triangle(design: np.ndarray, *columns: np.ndarray, scale: np.ndarray | None = None) -> np.ndarray:
    """The factor R of [design, columns], its rows scaled, a block of rows at a time."""
    parts = []
    for start in range(0, len(design), _BLOCK):
        rows = slice(start, start + _BLOCK)
        block = np.column_stack([design[rows], *(c[rows] for c in columns)])
        if scale is not None:
            block *= scale[rows, None]
        parts.append(np.asarray(np.linalg.qr(block, mode="r")))
    return parts[0] if len(parts) == 1 else np.asarray(np.linalg.qr(np.vstack(parts), mode="r"))


def solve(
    design: np.ndarray,
    measured: np.ndarray,
    weight: np.ndarray,
    robust: bool = True,
    prior: tuple[np.ndarray, np.ndarray] | None = None,
) -> Solved:
    """Fit measured (n,) by design (n, p), rows of the weights given.

    `prior` holds mean and standard deviation (p,) of the coefficients, infinite where nothing is known. The design
    must have full rank, alone or with the prior: see `ownership`.
    """
    n, p = design.shape
    if not n:
        return Solved(np.zeros(p), np.full((p, p), np.nan), np.zeros(0), np.zeros(0), np.nan, np.zeros((p, p)))
    size = np.linalg.norm(design, axis=0)
    size[size == 0] = 1.0
    mean, spread = prior if prior is not None else (np.zeros(p), np.full(p, np.inf))
    rest = measured - design @ mean if prior is not None else measured
    ridge = np.diag(1.0 / spread)[np.isfinite(spread)] / size
    root_weight = np.sqrt(weight)
    smallest = 1e-12 * max(float(np.abs(measured).max(initial=0.0)), 1e-3)  # exact data have no noise
    scaled = design / size
    huber = np.ones(n)
    # From the side of little noise: a prior that starts too strong leaves residuals that confirm it.
    noise = smallest if n > p else max(_scale(rest * root_weight, n, 0.0), smallest)
    value, freedom = np.zeros(p), float(n - p)
    for _ in range(_ROUNDS):
        root = triangle(scaled, rest, scale=root_weight * np.sqrt(huber))
        if len(ridge):
            root = np.linalg.qr(np.vstack([root, np.column_stack([noise * ridge, np.zeros(len(ridge))])]), mode="r")
        new = _back(root[:p, :p], root[:p, p])
        change = float(np.abs(new - value).max(initial=0.0) / np.sqrt(n))
        value = new
        residual = rest - scaled @ value
        if len(ridge):  # what the prior holds costs no freedom
            held = np.linalg.norm(linalg.solve_triangular(root[:p, :p].T, (noise * ridge).T, lower=True)) ** 2
            freedom = n - p + float(held)
        unit = residual * root_weight
        new_noise = _scale(unit, n, freedom) if robust else float(np.sqrt(np.sum(unit**2) / max(freedom, 1e-6)))
        before, noise = noise, max(new_noise, smallest)
        if not robust and abs(noise - before) <= 1e-6 * noise:
            break
        if robust:
            huber = HUBER * noise / np.maximum(np.abs(unit), HUBER * noise)
            if change < 1e-7 * noise and abs(noise - before) <= 1e-5 * noise:
                break
    if freedom <= 1e-6:
        noise = np.nan
    elif robust:
        inner = max(float(np.mean(np.abs(unit) <= HUBER * noise)), 1e-3)
        psi = np.clip(unit, -HUBER * noise, HUBER * noise)
        noise = (1 + p / n * (1 - inner) / inner) * float(np.sqrt(np.sum(psi**2) / freedom)) / inner
    else:
        noise = float(np.sqrt(np.sum(unit**2) / freedom))
    root = triangle(scaled, scale=root_weight)
    if n < p:  # only with a prior
        root = np.vstack([root, np.zeros((p - n, p))])
    whole = np.vstack([root / max(noise, smallest), ridge]) if len(ridge) else root / max(noise, smallest)
    factor = np.linalg.qr(whole, mode="r")
    inverse = (
        linalg.solve_triangular(factor, np.eye(p)) / size[:, None] if np.isfinite(noise) else np.full((p, p), np.nan)
    )
    held = None if prior is None else spread
    return Solved(mean + value / size, inverse @ inverse.T, residual, huber, float(noise), root * size, held)


def _scale(residual: np.ndarray, n: int, freedom: float) -> float:
    """Robust standard deviation of residuals of so many degrees of freedom."""
    return _MAD * float(np.median(np.abs(residual))) * np.sqrt(n / freedom if freedom >= 1 else 1.0)


def _back(root: np.ndarray, right: np.ndarray) -> np.ndarray:
    diagonal = np.abs(np.diag(root))
    if not len(diagonal):
        return np.zeros(0)
    if diagonal.min() <= 1e-13 * diagonal.max():
        raise NumericalError("the terms cannot be told apart by these marks")
    return linalg.solve_triangular(root, right)


@dataclass(frozen=True)
class Ownership:
    """Which columns can be told apart: `kept`, `lost` to others of lower rank, and `tied` groups of the same rank."""

    kept: list[int]
    lost: list[int]
    tied: list[list[int]]


def ownership(root: np.ndarray, ranks: Sequence[tuple[int, ...]], tolerance: float = 1e-4) -> Ownership:
    """Sort out columns that depend on each other, from the factor R (p, p) of the design.

    A column belongs to those of lower rank where they explain all of it but the share `tolerance`; columns of one
    rank that explain each other are tied: nothing says which of them it is.
    """
    size = np.linalg.norm(root, axis=0)
    kept, lost, tied = [], [int(j) for j in np.flatnonzero(size <= 1e-12 * size.max(initial=0.0))], []
    basis = np.zeros((root.shape[0], 0))
    for rank in sorted(set(ranks)):
        here = [j for j, r in enumerate(ranks) if r == rank and j not in lost]
        if not here:
            continue
        rest = root[:, here] / size[here]
        for _ in range(2):
            rest = rest - basis @ (basis.T @ rest)
        owned = np.linalg.norm(rest, axis=0) <= tolerance
        lost += [j for j, gone in zip(here, owned, strict=True) if gone]
        here, rest = [j for j, gone in zip(here, owned, strict=True) if not gone], rest[:, ~owned]
        if not here:
            continue
        unit = rest / np.linalg.norm(rest, axis=0)
        q, r, order = linalg.qr(unit, mode="economic", pivoting=True)  # type: ignore[misc]
        good = int(np.sum(np.abs(np.diag(r)) > tolerance))
        if good < len(here):
            shares = linalg.solve_triangular(r[:good, :good], r[:good, good:])
            tied += [[here[order[good + j]], *(here[order[i]] for i in np.flatnonzero(np.abs(column) > 1e-2))]
                     for j, column in enumerate(shares.T)]  # fmt: skip
        kept += [here[j] for j in sorted(order[:good])]
        basis = np.column_stack([basis, q[:, :good]])
    return Ownership(sorted(kept), sorted(lost), [sorted(group) for group in tied])
