"""A fab with the truth known: lots are exposed one after the other and measured later, if at all."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .settings import Twin

VALID, INVALID = "valid", "invalid"


@dataclass(frozen=True)
class FabLot:
    """A lot as it comes to the scanner: number, name, hour, context (an entry is "" where nobody wrote it down)."""

    n: int
    lot: str
    hour: float
    context: dict[str, str]
    maintained: bool


@dataclass(frozen=True)
class FabResult:
    """What metrology says of a lot, known from just before lot number `arrives` is exposed."""

    lot: str
    hour: float
    arrives: int
    values: dict[str, float]  # term: nm
    status: str


class Fab:
    """One history of a twin. The seed fixes everything but what the set-points do.

        fab = Fab(Twin(), seed=1)
        for lot in fab.lots:
            results = fab.arrived(lot.n)          # since the last lot
            fab.expose(lot.n, {"k1": -1.2})       # set-points
        fab.truth()                               # (lot, term) nm, as exposed, without metrology

    `disturbance` (lot, term) is the truth at set-point zero.
    """

    def __init__(self, twin: Twin, seed: int):
        self.twin = twin
        # One stream each, so that variants share what they have in common.
        streams = np.random.SeedSequence(seed).spawn(4)
        mix, self._moved, self._measured, blank = (np.random.default_rng(s) for s in streams)
        self.terms = tuple(twin.terms)
        self.numbers = true = _mix(twin, mix)
        self._maintained = _maintenance(twin, true["tool"], mix)
        self.disturbance = np.stack(
            [scale * _history(twin, true, self._maintained, self._moved) for scale in twin.terms.values()], axis=1
        )
        names = _named(true, blank.random((len(true), twin.lots)) < twin.missing)
        hours = twin.hours * np.arange(twin.lots)
        self.lots = [
            FabLot(n, f"L{n:05d}", float(hours[n]), {k: v[n] for k, v in names.items()}, bool(self._maintained[n]))
            for n in range(twin.lots)
        ]
        self.applied = np.zeros_like(self.disturbance)
        self._etch = _per(true["product"], twin.etch_nm, self._measured)
        self._error = self._metrology()
        self._exposed = 0
        self._coming: dict[int, list[FabResult]] = {}

    def expose(self, n: int, setpoints: Mapping[str, float] | None = None) -> None:
        """Expose lot n, the next one, at set-points in nm (0 where not given); results come later."""
        if n != self._exposed:
            raise ValueError(f"lot {self._exposed} is the next to be exposed, not {n}")
        self._exposed += 1
        setpoints = setpoints or {}
        self.applied[n] = [setpoints.get(term, 0.0) for term in self.terms]
        for arrives, error, status in self._error[n]:
            values = dict(zip(self.terms, (self.developed()[n] + error).tolist(), strict=True))
            hour = float(self.twin.hours * arrives)
            result = FabResult(self.lots[n].lot, hour, arrives, values, status)
            self._coming.setdefault(arrives, []).append(result)

    def arrived(self, n: int) -> list[FabResult]:
        """The results that came between lots n - 1 and n."""
        return self._coming.get(n, [])

    def developed(self) -> np.ndarray:
        """True overlay terms after develop (lot, term), nm, of the lots exposed so far (0 set-point for the others)."""
        return self.disturbance + self.twin.gain * self.applied

    def truth(self) -> np.ndarray:
        """True overlay terms after etch (lot, term), nm."""
        return self.developed() + self._etch[:, None]

    def _metrology(self) -> list[list[tuple[int, np.ndarray, str]]]:
        """For each lot its results: when they arrive, the error of metrology, and whether they stand."""
        twin, random, events = self.twin, self._measured, []
        low, high = twin.delay
        scale = np.array(list(twin.terms.values()))
        for n in range(twin.lots):
            sampled, again, wrong = random.random(3) < (twin.sampled, twin.remeasured, twin.invalid)
            late, later = random.integers(low, high + 1, 2)
            noise = scale * _tailed(random, (2, scale.size), twin.tails) * twin.noise_nm
            flyer = scale * twin.flyer_nm * random.standard_normal(scale.size) * (random.random() < twin.flyers)
            arrives = n + int(late) + 1
            lot = [(arrives, noise[0] + flyer, VALID)]
            if wrong:
                lot = [(arrives, noise[0] + 5 * scale * twin.flyer_nm, VALID), (arrives + 2, noise[0], INVALID)]
            elif again:
                lot += [(arrives + int(later) + 1, noise[1], VALID)]
            events.append(lot if sampled else [])
        return events


def history(fab: Fab, random) -> np.ndarray:
    """Another quantity of the same fab (lot,), which drifts and steps as an overlay term of scale 1 does."""
    return _history(fab.twin, fab.numbers, fab._maintained, random)


def _mix(twin: Twin, random) -> dict[str, np.ndarray]:
    """Numbers (lot,) of tool, chuck, product, layer and reticle."""
    n, half = twin.lots, twin.lots // 2
    late = round(twin.cold * twin.products)
    product = random.integers(0, twin.products, n)
    early = random.integers(0, max(twin.products - late, 1), n)
    product = np.where((np.arange(n) < half) & (late > 0), early, product)
    layer = random.integers(0, twin.layers, n)
    reticle = (product * twin.layers + layer) * twin.reticles + random.integers(0, twin.reticles, n)
    return {
        "tool": random.integers(0, twin.tools, n),
        "chuck": random.integers(0, twin.chucks, n),
        "product": product,
        "reticle": reticle,
        "layer": layer,
    }


def _named(true: dict[str, np.ndarray], blank: np.ndarray) -> dict[str, list[str]]:
    """The context as written down; what has one value only is left out."""
    letters = {"tool": "T", "chuck": "C", "product": "P", "reticle": "R", "layer": "Y"}
    shown = {k: v for k, v in true.items() if np.unique(v).size > 1 or k in ("tool", "product")}
    if "reticle" in shown and np.unique(true["reticle"]).size <= np.unique(true["product"]).size:
        del shown["reticle"]
    return {
        key: ["" if blank[row, n] else f"{letters[key]}{v}" for n, v in enumerate(values)]
        for row, (key, values) in enumerate(shown.items())
    }


def _maintenance(twin: Twin, tool: np.ndarray, random) -> np.ndarray:
    """Which lots (lot,) are the first after maintenance of their tool."""
    marked = np.zeros(twin.lots, bool)
    when = (np.arange(twin.maintenance) + random.uniform(0.35, 0.65, twin.maintenance)) / max(twin.maintenance, 1)
    for i, at in enumerate(when):
        after = np.flatnonzero((tool == i % twin.tools) & (np.arange(twin.lots) >= int(at * twin.lots)))
        marked[after[:1]] = True
    return marked


def _history(twin: Twin, true: dict[str, np.ndarray], maintained: np.ndarray, random) -> np.ndarray:
    """One term's disturbance (lot,), nm, for unit scale."""
    n, tool, product = twin.lots, true["tool"], true["product"]
    walk = np.cumsum(random.standard_normal((twin.tools, n)), axis=1) * twin.tool_drift_nm
    level = twin.tool_nm * random.standard_normal((twin.tools, 1)) + walk
    steps = np.zeros((twin.tools, n))
    worn = np.zeros((twin.tools, n))
    for at in np.flatnonzero(maintained):
        steps[tool[at], at:] += twin.step_nm * (1 if random.random() < 0.5 else -1)
    for t in range(twin.tools):
        last = np.maximum.accumulate(np.where(maintained & (tool == t), np.arange(n), 0))
        worn[t] = twin.ramp_nm * (np.arange(n) - last)
    value = (level + (worn if twin.ramp_nm else steps))[tool, np.arange(n)]
    products = np.cumsum(random.standard_normal((twin.products, n)), axis=1) * twin.product_drift_nm
    value += products[product, np.arange(n)] + _per(product, twin.product_nm, random)
    value += _per(tool * twin.products + product, twin.interaction_nm, random)
    value += _per(tool * twin.chucks + true["chuck"], twin.chuck_nm, random)
    value += _per(true["reticle"], twin.reticle_nm, random) + _per(true["layer"], twin.layer_nm, random)
    value += _heat(twin, tool, true["reticle"])
    return value + twin.lot_nm * _tailed(random, n, twin.tails)


def _per(numbers: np.ndarray, sigma: float, random) -> np.ndarray:
    """An offset for each number, laid out over the lots."""
    return sigma * random.standard_normal(int(numbers.max()) + 1)[numbers]


def _heat(twin: Twin, tool: np.ndarray, reticle: np.ndarray) -> np.ndarray:
    """Lens and reticle heating: each lot warms its tool's lens and its mask, both cool with their time constants.

    The load of a product is how open its mask is, a tenth to all of the light; a mask is cool when it comes.
    """
    load = 0.1 + 0.9 * ((reticle * 0.618034) % 1.0)
    lens, mask, on = np.zeros(twin.tools), np.zeros(twin.tools), np.full(twin.tools, -1)
    cool, mask_cool = np.exp(-twin.hours / np.array([twin.heating_h, twin.reticle_heating_h]))
    value = np.zeros(twin.lots)
    for n, (t, r) in enumerate(zip(tool, reticle, strict=True)):
        mask[t] = mask[t] if on[t] == r else 0.0
        value[n] = twin.heating_nm * lens[t] + twin.reticle_heating_nm * mask[t]
        lens *= cool
        mask *= mask_cool
        lens[t] += (1 - cool) * load[n]
        mask[t] += (1 - mask_cool) * load[n]
        on[t] = r
    return value


def _tailed(random, shape, freedom: float | None) -> np.ndarray:
    """Draws of variance 1: Gaussian, or Student's t."""
    if freedom is None:
        return random.standard_normal(shape)
    return random.standard_t(freedom, shape) * np.sqrt((freedom - 2) / freedom)
