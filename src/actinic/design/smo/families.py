"""What a source may be while it is optimised: pixels, or one of the parametric shapes, under the same constraints."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from scipy import sparse

from ...errors import ConfigError, NumericalError
from ...optics import Annular, Conventional, Dipole, Quasar
from ...optics.pixels import SYMMETRIES, Pupil, Symmetry, pixels_of_pupil, pole_offsets, poles, pupil
from ..objective import Demands, latitude
from .programme import Columns, Step, best_step

Kind = Literal["pixelated", "conventional", "annular", "dipole", "quasar", "given"]
KINDS: tuple[Kind, ...] = ("pixelated", "conventional", "annular", "dipole", "quasar", "given")

# A pole fainter than this share of the brightest is left out.
_FAINT = 2e-3
_PRUNINGS = 8
_SHAPES = {"conventional": Conventional, "annular": Annular, "dipole": Dipole, "quasar": Quasar}
# Rotations of the poles that mirrors in x and y leave alone.
_ROTATIONS = {"dipole": (0.0, 90.0), "quasar": (0.0, 45.0)}
_WIDEST = {"dipole": 150.0, "quasar": 90.0}


@dataclass(frozen=True)
class SourceRules:
    """What a source may be, whatever is printed.

    `pitch` of the pixels and `sigma_max` in sigma. `pole`: diameter in sigma of the smallest pole; every lit pixel lies
    in a wholly lit one. `fill` (least, most) of the pupil: the mean over the largest brightness is at least the first,
    so no pixel is too hot, and the share that is lit at most the second. ConfigError where they cannot hold.
    """

    kind: Kind = "pixelated"
    symmetry: Symmetry = "xy"
    pitch: float = 0.05
    sigma_max: float = 0.95
    pole: float = 0.1
    fill: tuple[float, float] = (0.05, 0.6)

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ConfigError(f"source kind {self.kind!r} is none of {', '.join(KINDS)}")
        if self.symmetry not in SYMMETRIES:
            raise ConfigError(f"source symmetry {self.symmetry!r} is none of {', '.join(SYMMETRIES)}")
        if not 0.01 <= self.pitch <= 0.2:
            raise ConfigError(f"a source pitch of {self.pitch:g} sigma must lie between 0.01 and 0.2")
        if not 2 * self.pitch <= self.sigma_max <= 1:
            raise ConfigError(f"sigma_max {self.sigma_max:g} must lie between two pitches and 1")
        if not 0 <= self.pole < self.sigma_max:
            raise ConfigError(f"a smallest pole of {self.pole:g} sigma must lie between 0 and sigma_max")
        least, most = self.fill
        if not 0 <= least < most <= 1:
            raise ConfigError(f"a pupil fill of {least:g} to {most:g} needs 0 <= least < most <= 1")
        smallest = len(pole_offsets(self.pole, self.pitch)) * 4 / pixels_of_pupil(self.pitch)
        if most < max(smallest, least + smallest):
            raise ConfigError(
                f"a pupil fill of {least:g} to {most:g} leaves no room for four poles of {self.pole:g} sigma "
                f"({smallest:.3f}): raise the most or make the pole smaller"
            )
        room = len(pupil(self.pitch, self.sigma_max)) / pixels_of_pupil(self.pitch)
        if least > 0.9 * room:
            raise ConfigError(f"a pupil fill of at least {least:g} does not go into sigma {self.sigma_max:g}")


@dataclass(frozen=True)
class Light:
    """A source in the course of its optimisation: weights (pixel,) that sum to 1, and what they come from."""

    weight: np.ndarray
    parameters: np.ndarray
    rotation: float = 0.0


class Pixelated:
    """Sums of smallest poles."""

    def __init__(self, rules: SourceRules):
        self.rules = rules
        self.pupil: Pupil = pupil(rules.pitch, rules.sigma_max)
        self.sigma = self.pupil.sigma
        self.basis = sparse.csc_matrix(poles(self.pupil, rules.pole, rules.symmetry))
        self.count = pixels_of_pupil(rules.pitch)

    def step(self, seen: np.ndarray, slopes, place, demands: Demands, light: Light | None, bounds, radius: float):
        """The best source and moves for intensities `seen` (place, pixel); poles that are too many are left out."""
        least, most = self.rules.fill
        cap = min(1.0, 1 / (least * self.count)) if least > 0 else 1.0
        kept = np.arange(len(self.basis.indptr) - 1)
        columns_of = seen @ self.basis
        for _ in range(_PRUNINGS):
            basis = self.basis[:, kept]
            columns = Columns(basis, kept.size, np.zeros((0, 2)), cap)
            found = best_step(columns_of[:, kept], slopes, place, demands, columns, bounds)
            u = found.brightness
            if not u.max() > 0:  # these few poles keep the rules only in the dark
                if light is None:
                    raise NumericalError("no source keeps all rules: widen the fill or shrink the smallest pole")
                return light, Step(u, 0 * found.moves, -np.inf)
            order = np.argsort(-u, kind="stable")
            order = order[u[order] > _FAINT * u.max()]
            lit, chosen = np.zeros(len(self.sigma), bool), []
            for k in order:
                more = lit.copy()
                more[basis.indices[basis.indptr[k] : basis.indptr[k + 1]]] = True
                if more.sum() <= most * self.count:
                    lit, chosen = more, [*chosen, k]
            if len(chosen) == int((u > 0).sum()):
                break
            kept = kept[np.sort(chosen)]
        weight = np.asarray(basis @ np.maximum(u, 0)).ravel()
        return Light(weight / weight.sum(), np.zeros(0)), found

    def begin(self, rng) -> None:
        """The first programme knows better."""

    def searched(self, seen, place, demands, light, rng, wide: bool) -> Light:
        """The best source for a fixed mask."""
        none = np.zeros((seen.shape[0], 0))
        return self.step(seen, none, place, demands, light, np.zeros((0, 2)), 0.0)[0]

    def source(self, light: Light):
        """None: it goes to a file."""


class Parametric:
    """A conventional, annular, dipole or quasar source, by its parameters on the lattice."""

    tries, local = 300, 120

    def __init__(self, rules: SourceRules):
        self.rules = rules
        self.pupil = pupil(rules.pitch, 1.0)
        self.sigma = self.pupil.sigma
        self.count = pixels_of_pupil(rules.pitch)
        self.rotations = _ROTATIONS.get(rules.kind, (0.0,))

    @cached_property
    def bounds(self) -> np.ndarray:
        """(parameter, 2): sigma, or inner and outer sigma and the opening."""
        top = self.rules.sigma_max
        ring = [(0.0, top), (self.rules.pitch, top)]
        return np.array({"conventional": [(2 * self.rules.pitch, top)], "annular": ring}.get(
            self.rules.kind, [*ring, (10.0, _WIDEST.get(self.rules.kind, 90.0))]))  # fmt: skip

    def source_of(self, parameters: np.ndarray, rotation: float):
        """The source module, float64."""
        shape, values = _SHAPES[self.rules.kind], [np.float64(v) for v in parameters]
        return shape(*values, np.float64(rotation)) if len(values) == 3 else shape(*values)

    def weight(self, parameters: np.ndarray, rotation: float) -> np.ndarray | None:
        """Weights (pixel,); None where the parameters break a rule."""
        rules = self.rules
        if len(parameters) > 1:
            inner, outer = parameters[:2]
            if outer - inner < max(rules.pole, 1e-3):
                return None
            if len(parameters) > 2 and (inner + outer) * np.sin(np.deg2rad(parameters[2]) / 2) < rules.pole:
                return None
        bright = self.source_of(parameters, rotation).brightness(*self.sigma.T, rules.pitch)
        total = bright.sum()
        if not total > 0 or total / bright.max() < rules.fill[0] * self.count:
            return None
        if (bright > 1e-9).sum() > rules.fill[1] * self.count:
            return None
        return bright / total

    def begin(self, rng: np.random.Generator) -> Light:
        """Any source within the rules."""
        low, high = self.bounds.T
        for _ in range(100 * self.tries):
            q = low + (high - low) * rng.random(low.size)
            turned = self.rotations[int(rng.integers(len(self.rotations)))]
            weight = self.weight(q, turned)
            if weight is not None:
                return Light(weight, q, turned)
        raise ConfigError(f"no {self.rules.kind} source found within the rules: widen the fill or shrink the pole")

    def searched(self, seen, place, demands, light: Light | None, rng: np.random.Generator, wide: bool) -> Light:
        """The best of many parameters for a fixed mask: if `wide` some anywhere, then nearer and nearer to the best."""
        best = self.begin(rng) if light is None else light
        value = latitude((seen @ best.weight)[place], demands, demands.most_scale(best.weight))[0]
        low, high = self.bounds.T
        for k in range(0 if wide else self.tries, self.tries + self.local):
            turned = self.rotations[int(rng.integers(len(self.rotations)))]
            q = low + (high - low) * rng.random(low.size)
            if k >= self.tries:
                spread = 0.1 * 0.05 ** ((k - self.tries) / self.local)
                q = best.parameters + spread * (high - low) * rng.standard_normal(low.size)
                turned = best.rotation
            q = np.clip(q, low, high)
            weight = self.weight(q, turned)
            if weight is None:
                continue
            found = latitude((seen @ weight)[place], demands, demands.most_scale(weight))[0]
            if found > value:
                best, value = Light(weight, q, turned), found
        return best

    def step(self, seen, slopes, place, demands: Demands, light: Light, bounds, radius: float):
        """The best change of the parameters, by their slopes, together with moves; `radius` 1 is a tenth of a range."""
        low, high = self.bounds.T
        small = 0.01 * (high - low)
        base = light.weight
        slope = []
        for k in range(low.size):
            q = light.parameters.copy()
            q[k] += small[k] if q[k] + small[k] <= high[k] else -small[k]
            moved = self.source_of(np.clip(q, low, high), light.rotation).brightness(*self.sigma.T, self.rules.pitch)
            total = moved.sum()
            slope.append((moved / total - base) / (q[k] - light.parameters[k]) if total > 0 else 0 * base)
        basis = np.stack([base, *slope], 1)
        far = 0.1 * radius * (high - low)
        reach = np.stack([np.minimum(far, high - light.parameters), np.minimum(far, light.parameters - low)], 1)
        columns = Columns(basis, 1, reach)
        found = best_step(seen @ basis, slopes, place, demands, columns, bounds)
        q = np.clip(light.parameters + found.brightness[1:] / max(found.brightness[0], 1e-12), low, high)
        weight = self.weight(q, light.rotation)
        return (Light(weight, q, light.rotation) if weight is not None else light), found

    def source(self, light: Light):
        """The source as a file holds it."""
        digits = (4, 4, 2) if light.parameters.size > 1 else (4,)
        rounded = [round(float(v), d) for v, d in zip(light.parameters, digits, strict=False)]
        return self.source_of(np.array(rounded), light.rotation)


class Given:
    """A source that stays as it is; only the mask changes."""

    def __init__(self, points: np.ndarray, weight: np.ndarray, source):
        self.sigma, self.weight, self._source = points, weight / weight.sum(), source

    def begin(self, rng) -> None:
        """It is there."""

    def searched(self, seen, place, demands, light, rng, wide: bool) -> Light:
        return Light(self.weight, np.zeros(0))

    def step(self, seen, slopes, place, demands: Demands, light, bounds, radius: float):
        columns = Columns(self.weight[:, None], 1, np.zeros((0, 2)))
        return light, best_step((seen @ self.weight)[:, None], slopes, place, demands, columns, bounds)

    def source(self, light: Light):
        return self._source


Family = Pixelated | Parametric | Given
