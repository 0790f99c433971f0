"""An inspection plan: hotspots of a die repeated over the wafer, the most likely failures first, within a budget.

How likely a hotspot fails in a field goes by the field's focus and dose. At the corner of the process window that made
it one it is `beyond_nm` past its limit, at nominal `nominal_nm` (below 0: inside). Between them the excess grows with
the dose and with the square of the focus error, as widths do, half of the way by each where the corner has both; the
chance is Phi(excess / sigma), with sigma what edges vary from place to place.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import stats

from ...errors import ConfigError
from ...wafer import ExposureMap

# What is missing or joined has no distance beyond a limit: at its corner and at nominal it counts as so many sigmas.
_FATAL_SIGMAS, _NOMINAL_SIGMAS = 3.0, -2.0
_FURTHEST = 4.0  # times the way from nominal to the corner


@dataclass(frozen=True)
class Hotspot:
    """A place in the die (nm from its lower left corner), by its rank in the list of `verify`.

    `corner` is focus error (nm) and dose error (percent) of the corner that it was found at, (0, 0) for the nominal.
    `nominal_nm` is None where it is not known; `beyond_nm` where there is no distance, only a failure.
    """

    rank: int
    kind: str
    x_nm: float
    y_nm: float
    beyond_nm: float | None = None
    corner: tuple[float, float] = (0.0, 0.0)
    nominal_nm: float | None = None


@dataclass(frozen=True)
class States:
    """Focus error in nm and dose error in percent by field (column, row); what is not known is taken as nominal."""

    focus_nm: dict[tuple[int, int], float] = field(default_factory=dict)
    dose_percent: dict[tuple[int, int], float] = field(default_factory=dict)

    def of(self, column: int, row: int) -> tuple[float, float]:
        key = int(column), int(row)
        return self.focus_nm.get(key, 0.0), self.dose_percent.get(key, 0.0)


@dataclass(frozen=True)
class Likelihood:
    """How chances are made: sigma of edges from place to place, nm."""

    sigma_nm: float = 2.0

    def __post_init__(self):
        if not self.sigma_nm > 0:
            raise ConfigError("the sigma of a likelihood must be above 0 nm")

    def chance(self, spot: Hotspot, focus_nm: float, dose_percent: float) -> float:
        """Chance that a hotspot fails in a field at such a focus and dose error."""
        corner = _FATAL_SIGMAS * self.sigma_nm if spot.beyond_nm is None else spot.beyond_nm
        nominal = spot.nominal_nm
        if nominal is None:
            nominal = min(corner, 0.0) + _NOMINAL_SIGMAS * self.sigma_nm
        focus, dose = spot.corner
        ways = ([(focus_nm / focus) ** 2] if focus else []) + ([dose_percent / dose] if dose else [])
        way = float(np.clip(np.mean(ways), -_FURTHEST, _FURTHEST)) if ways else 1.0
        return float(stats.norm.cdf((nominal + way * (corner - nominal)) / self.sigma_nm))


@dataclass(frozen=True)
class Plan:
    """Sites in the order of their rank, arrays (n,): the hotspot, die and field, places in the die and on the wafer.

    Dies are counted from that at the lower left of field (0, 0); `pitch_nm` is theirs and `centre_nm` the wafer's
    centre from the lower left corner of die (0, 0).
    """

    hotspot: np.ndarray
    kind: np.ndarray
    die_column: np.ndarray
    die_row: np.ndarray
    field_column: np.ndarray
    field_row: np.ndarray
    x_nm: np.ndarray
    y_nm: np.ndarray
    X_mm: np.ndarray
    Y_mm: np.ndarray
    chance: np.ndarray
    pitch_nm: tuple[float, float]
    centre_nm: tuple[float, float]

    def __len__(self) -> int:
        return len(self.hotspot)


def plan(
    spots: Sequence[Hotspot], exposure: ExposureMap, budget: int, *, states: States = States(),
    likelihood: Likelihood = Likelihood(), each: int = 1,
) -> Plan:  # fmt: skip
    """The sites to look at: each hotspot in the dies where it is likeliest to fail `each` times, then the likeliest.

    Only dies that are whole on the wafer count. ConfigError where there is no hotspot in the die, or no such die.
    """
    if budget < 1 or each < 0:
        raise ConfigError("a budget is one site or more, and a hotspot's least number of sites not below 0")
    fields = exposure.fields()
    nx, ny = exposure.dies
    width, height = exposure.field_width_mm * 1e6 / nx, exposure.field_height_mm * 1e6 / ny
    inside = [one for one in spots if 0 <= one.x_nm <= width and 0 <= one.y_nm <= height]
    if not inside:
        raise ConfigError(f"no hotspot lies in a die of {width / 1e6:g} x {height / 1e6:g} mm: give the die's origin")
    which, die = np.nonzero(exposure.dies_on(fields))
    if not which.size:
        raise ConfigError("the exposure map has no whole die")
    column, row = fields.column[which] * nx + die % nx, fields.row[which] * ny + die // nx
    state = [states.of(c, r) for c, r in zip(fields.column, fields.row, strict=True)]
    chance = np.array([[likelihood.chance(one, *at) for at in state] for one in inside])[:, which]  # (spot, die)
    order = _order(chance, [one.rank for one in inside], budget, each)
    spot, place = np.array(order).T
    low_x = exposure.offset_x_mm * 1e6 - exposure.field_width_mm * 5e5
    low_y = exposure.offset_y_mm * 1e6 - exposure.field_height_mm * 5e5
    x, y = (np.array([getattr(one, name) for one in inside])[spot] for name in ("x_nm", "y_nm"))
    column, row = column[place], row[place]
    return Plan(
        np.array([one.rank for one in inside])[spot], np.array([one.kind for one in inside])[spot], column, row,
        fields.column[which][place], fields.row[which][place], x, y,
        (column * width + low_x + x) / 1e6, (row * height + low_y + y) / 1e6, chance[spot, place],
        (width, height), (-low_x, -low_y),
    )  # fmt: skip


def _order(chance: np.ndarray, ranks: Sequence[int], budget: int, each: int) -> list[tuple[int, int]]:
    """Pairs of hotspot and die by chance, the first `each` of every hotspot kept in the budget."""
    spots, dies = chance.shape
    pairs = [(s, d) for s in range(spots) for d in range(dies)]
    # Of equal chances those are taken that lie apart: multiples of the golden section scatter the dies.
    pairs.sort(key=lambda p: (-chance[p], ranks[p[0]], p[1] * 0.6180339887 % 1.0))
    seen, first = dict.fromkeys(range(spots), 0), []
    for s, d in pairs:
        if seen[s] < each:
            seen[s] += 1
            first.append((s, d))
    chosen = set(first[:budget])
    for pair in pairs:
        if len(chosen) >= budget:
            break
        chosen.add(pair)
    return [pair for pair in pairs if pair in chosen]
