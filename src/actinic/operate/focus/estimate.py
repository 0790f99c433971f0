"""Focus, dose and shape of each field from its widths, with all states that explain them about as well.

A width is nearly even in focus about its best one, so that a field's widths may fit at two of them. The likelihood is
therefore followed over the whole range of focus, everything else fitted at each (profile). Every state whose loss is
less than 10.8 above the best counts as possible: a wrong one is then the only one left once in 2000 fields. The set of
focus is the 95 % interval about each, in one piece or two. A field is determined where there is one piece, inside the
range, no second state of tilt and curvature, and a standard error that is no larger than asked and describes the set.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import stats

from ...errors import InputError
from .problem import DOSE, SHAPES, Fields
from .solve import descend, information, loss

# Loss above a state where its interval ends (95 % of one number), and above the best where states stop being possible.
AS_GOOD = float(stats.chi2.ppf(0.95, 1))
POSSIBLE = float(stats.chi2.ppf(0.999, 1))
IRREGULAR = float(stats.chi2.ppf(0.99, 1))
UNLIKELY = 1e-3  # of a chi-square: the stated sigmas, or the model, are wrong
WITHIN_NM = 10.0
_GRID_NM, _START_DOSES = 6.0, (0.0, -4.0, 4.0, -8.0, 8.0)
_TOUCH_NM = 1.0  # pieces of a set no further apart are one
_SAME = 1.0  # in standard errors: closer states are one
_UNEVEN = 1.5  # an arm of the set so many times what the standard error says, or its inverse
_MARGIN_NM = 10.0
_NOWHERE = 1e5  # the root of an excess without end
_BLOCK = 24  # fields at a time

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class State:
    """Parameters (p,) of a field, their covariance (p, p), the loss, and how much more than the best's it is."""

    value: np.ndarray
    covariance: np.ndarray
    loss: float
    above: float

    @property
    def sigma(self) -> np.ndarray:
        """Standard errors (p,); infinite where the widths do not tell."""
        return np.sqrt(np.diag(self.covariance))


@dataclass(frozen=True)
class Estimate:
    """What the widths of one field say. `states` begin with the best; `focus_set` are pieces of the set of focus, nm.

    `why` is empty where the field is determined. `residual` (n,) is predicted less measured over sigma.
    """

    states: tuple[State, ...]
    focus_set: tuple[tuple[float, float], ...]
    why: str
    residual: np.ndarray
    chi_square: float
    freedom: int

    @property
    def determined(self) -> bool:
        return not self.why

    @property
    def best(self) -> State:
        return self.states[0]

    @property
    def chance(self) -> float:
        """Of a chi-square as large as this if the stated sigmas and the model are right."""
        return float(stats.chi2.sf(self.chi_square, self.freedom)) if self.freedom > 0 else 1.0


def estimate(
    fields: Fields, *, robust: bool = True, within_nm: float = WITHIN_NM,
    progress: Progress = lambda what, done, total: None,
) -> list[Estimate | None]:  # fmt: skip
    """An estimate of every field; None where fewer widths than parameters, or none at all, can be explained."""
    total, p = len(fields.cd_nm), len(fields.names)
    enough = np.flatnonzero(fields.used() >= p)
    if not enough.size:
        raise InputError(f"no field has {p} widths or more, which {', '.join(fields.names)} need")
    found: list[Estimate | None] = [None] * total
    for first in range(0, len(enough), _BLOCK):
        which = enough[first : first + _BLOCK]
        for n, one in zip(which, _block(fields, which, robust, within_nm), strict=True):
            found[n] = one
        progress("fields", min(first + _BLOCK, len(enough)), len(enough))
    return found


def _block(fields: Fields, which: np.ndarray, robust: bool, within_nm: float) -> list[Estimate | None]:
    places = _places(fields)
    profile, values = _profile(fields, which, places, robust)
    of, start = _minima(profile, values, which)
    mirrored = _mirrored(fields, of, start)
    of = np.concatenate([of] + [part for part, _ in mirrored])
    start = np.concatenate([start] + [v for _, v in mirrored])
    value, cost = descend(_rows(fields, of), start, np.ones(len(fields.names), bool), robust, fields.sizes)
    states = {int(f): _states(fields, f, value[of == f], cost[of == f], robust) for f in which if (of == f).any()}
    beside = _beside(fields, states, robust)
    results: list[Estimate | None] = []
    for n, field in enumerate(which):
        own = states.get(int(field), ())
        if not own:
            results.append(None)
            continue
        pieces = _pieces([_interval(places, profile[n], one, beside[id(one)]) for one in own])
        residual = fields.rows(np.array([field]), own[0].value[None])[0][0]
        residual = residual[: fields.cd_nm.shape[1]][np.isfinite(fields.sigma_nm[field])]
        kept = np.abs(residual) <= 4 if robust else np.ones(len(residual), bool)
        results.append(
            Estimate(
                own, pieces, _doubt(fields, own, pieces, places, within_nm), residual,
                float((residual[kept] ** 2).sum()), int(kept.sum()) - len(fields.names),
            )
        )  # fmt: skip
    return results


def _rows(fields: Fields, of: np.ndarray):
    return lambda live, p: fields.rows(of[live], p)


def _places(fields: Fields) -> np.ndarray:
    """Values of focus that the profile is followed over."""
    low, high = fields.table.focus_nm[[0, -1]]
    return np.linspace(low + _MARGIN_NM, high - _MARGIN_NM, int((high - low - 2 * _MARGIN_NM) / _GRID_NM) + 1)


def _profile(fields: Fields, which: np.ndarray, places: np.ndarray, robust: bool) -> tuple[np.ndarray, np.ndarray]:
    """Least loss (field, place) with the focus held at each place, and the parameters there (field, place, p)."""
    p, k = len(fields.names), 0
    free = np.arange(p) != k
    of = np.repeat(which, len(places))
    rows = _rows(fields, of)
    best, cost = np.zeros((len(of), p)), np.full(len(of), np.inf)
    best[:, k] = np.tile(places, len(which))
    for dose in _START_DOSES:
        start = np.zeros((len(of), p))
        start[:, k], start[:, fields.names.index(DOSE)] = np.tile(places, len(which)), dose
        here = loss(rows(np.arange(len(of)), start)[0], robust)
        best[here < cost], cost = start[here < cost], np.minimum(here, cost)
    best, cost = descend(rows, best, free, robust, fields.sizes)
    if any(name in SHAPES[1:] for name in fields.names):
        best, cost = _spread(rows, best, cost, len(places), fields.sizes)
    return cost.reshape(len(which), -1), best.reshape(len(which), len(places), p)


def _spread(rows, best: np.ndarray, cost: np.ndarray, count: int, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A profile whose places have each been tried from their neighbours' tilt and curvature, either sign."""
    place, free = np.arange(len(best)) % count, np.arange(best.shape[1]) != 0
    for shift, sign in ((1, 1.0), (-1, 1.0), (0, -1.0), (1, 1.0), (-1, 1.0)):
        from_there = np.clip(place - shift, 0, count - 1) - place + np.arange(len(best))
        start = best[from_there].copy()
        start[:, 2:] *= sign
        start[:, 0] = best[:, 0]
        other, less = descend(rows, start, free, True, sizes)
        best[less < cost], cost = other[less < cost], np.minimum(less, cost)
    return best, cost


def _minima(profile: np.ndarray, values: np.ndarray, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fields and parameters of the lowest places of each profile."""
    padded = np.pad(profile, ((0, 0), (1, 1)), constant_values=np.inf)
    low = (profile <= padded[:, :-2]) & (profile <= padded[:, 2:]) & np.isfinite(profile)
    field, place = np.nonzero(low)
    return which[field], values[field, place]


def _mirrored(fields: Fields, of: np.ndarray, start: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Starts with focus, tilts and curvatures turned round, each alone and together."""
    turned = np.array([name in SHAPES[1:] for name in fields.names])
    if not turned.any() or not len(of):
        return []
    flips = [np.where(np.isin(np.arange(len(turned)), some), -1.0, 1.0)
             for n in range(1, turned.sum() + 2) for some in combinations([0, *np.flatnonzero(turned)], n)]  # fmt: skip
    return [(of, start * flip) for flip in flips]


def _states(fields: Fields, field: int, value: np.ndarray, cost: np.ndarray, robust: bool) -> tuple[State, ...]:
    """The states that explain a field about as well, each once, the best first."""
    found: list[State] = []
    for n in np.argsort(cost, kind="stable"):
        if not np.isfinite(cost[n]):
            break
        above = float(cost[n] - cost.min())
        if found and above > POSSIBLE:
            break
        if any((np.abs(value[n] - one.value) <= _SAME * one.sigma).all() for one in found):
            continue
        residual, slope = fields.rows(np.array([field]), value[n][None])
        found.append(State(value[n], _covariance(information(residual, slope, robust)[0]), float(cost[n]), above))
    return tuple(found)


def _covariance(matrix: np.ndarray) -> np.ndarray:
    """The inverse of an information matrix; infinite variances where it tells nothing."""
    size = np.sqrt(np.maximum(np.diag(matrix), 1e-100))
    value, direction = np.linalg.eigh(matrix / np.outer(size, size))
    inverse = (direction / np.maximum(value, 1e-14)) @ direction.T / np.outer(size, size)
    loose = (direction[:, value < 1e-10] ** 2).sum(axis=1) > 1e-6
    inverse[loose, loose] = np.inf
    return inverse


def _beside(fields: Fields, states: dict[int, tuple[State, ...]], robust: bool) -> dict[int, np.ndarray]:
    """Points (place, loss) of the profile about each state, by its identity, where its interval will end."""
    listed = [(f, one) for f, own in states.items() for one in own]
    near = [(f, one) for f, one in listed if one.sigma[0] < _GRID_NM]
    found = {id(one): np.zeros((0, 2)) for _, one in listed}
    if near:
        steps = np.array([-2.6, -1.9, -1.0, 1.0, 1.9, 2.6])
        start = np.repeat([one.value for _, one in near], len(steps), axis=0)
        start[:, 0] += np.outer([one.sigma[0] for _, one in near], steps).ravel()
        of = np.repeat([f for f, _ in near], len(steps))
        free = np.arange(len(fields.names)) != 0
        value, cost = descend(_rows(fields, of), start, free, robust, fields.sizes)
        points = np.stack([value[:, 0], cost], axis=1).reshape(len(near), len(steps), 2)
        found |= {id(one): part for (_, one), part in zip(near, points, strict=True)}
    return found


def _interval(places: np.ndarray, profile: np.ndarray, state: State, beside: np.ndarray) -> tuple[float, float]:
    """Ends of a state's 95 % interval along the profile.

    Near best focus, where the loss is no parabola, chi-square's limit for 95 % holds the truth too seldom (86 % at
    worst, tried): there it is that for 99 %.
    """
    ends = _ends(places, profile, state, beside, AS_GOOD)
    return ends if _regular(state, ends) else _ends(places, profile, state, beside, IRREGULAR)


def _regular(state: State, ends: tuple[float, float]) -> bool:
    """Whether the standard error of focus describes an interval."""
    arms = np.abs(np.array(ends) - state.value[0]) / (np.sqrt(AS_GOOD) * state.sigma[0])
    return bool((arms < _UNEVEN).all() and (arms > 1 / _UNEVEN).all())


def _ends(places, profile, state: State, beside: np.ndarray, limit: float) -> tuple[float, float]:
    """Where the profile has risen by the limit, on either side of a state."""
    place = np.r_[places, state.value[0], beside[:, 0]]
    cost = np.r_[profile, state.loss, beside[:, 1]]
    order = np.lexsort((cost, place))
    place, cost = place[order], np.where(np.isfinite(cost[order]), cost[order], 1e12)
    root = np.sqrt(np.maximum(cost - state.loss, 0))
    first = last = int(np.flatnonzero(order == len(places))[0])
    inside = root <= np.sqrt(limit)
    while first > 0 and inside[first - 1]:
        first -= 1
    while last < len(place) - 1 and inside[last + 1]:
        last += 1
    low = place[0] if first == 0 else _crossing(place, root, first, first - 1, limit)
    high = place[-1] if last == len(place) - 1 else _crossing(place, root, last, last + 1, limit)
    return float(low), float(high)


def _pieces(ends: list[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """Intervals joined where they touch."""
    pieces: list[tuple[float, float]] = []
    for low, high in sorted(ends):
        if pieces and low <= pieces[-1][1] + _TOUCH_NM:
            pieces[-1] = pieces[-1][0], max(pieces[-1][1], high)
        else:
            pieces.append((low, high))
    return tuple(pieces)


def _crossing(place: np.ndarray, root: np.ndarray, inner: int, outer: int, limit: float) -> float:
    """Where the root of the excess, a straight line for a parabola, passes the limit.

    A point where a measured feature does not print at all is taken for the end.
    """
    if root[outer] > _NOWHERE:
        return place[outer]
    share = (np.sqrt(limit) - root[inner]) / max(root[outer] - root[inner], 1e-300)
    return place[inner] + np.clip(share, 0, 1) * (place[outer] - place[inner])


def _doubt(fields: Fields, states: tuple[State, ...], pieces, places: np.ndarray, within_nm: float) -> str:
    """Why a field is not determined; empty where it is."""
    k = 0  # parameters begin with the focus
    sigma = states[0].sigma
    if len(pieces) > 1:
        told = " or ".join(f"{low:.0f} to {high:.0f}" for low, high in pieces)
        return f"focus lies at {told} nm: the widths do not tell which"
    if pieces[0][0] <= places[0] + 1e-9 or pieces[0][1] >= places[-1] - 1e-9:
        return f"focus may lie beyond the table's {places[0]:.0f} to {places[-1]:.0f} nm"
    if not np.isfinite(sigma).all():
        lost = ", ".join(name for name, s in zip(fields.names, sigma, strict=True) if not np.isfinite(s))
        return f"no width depends on {lost}"
    if not sigma[k] <= within_nm:
        return f"the standard error of focus is {sigma[k]:.0f} nm"
    if not _regular(states[0], pieces[0]):
        return f"near best focus: it lies from {pieces[0][0]:.1f} to {pieces[0][1]:.1f} nm"
    if len(states) > 1:
        return "another tilt or curvature of the field explains the widths as well"
    return ""
