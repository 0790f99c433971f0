"""Task: the settings of scanner and resist that all sites share, from each site's own line widths.

Shared are settings of the process, the head is what every machine has of its own, such as its focus offset. Both are
told in units in which descent is easy and the noise of privacy falls where it hurts least. With H the information
matrix J'J / n of a plan (conditions and sigmas, no measurement), blocks s of shared settings and o of own ones:

    shared = s0 + A z,  A A' = (mean over reference plans of H_ss - H_so H_oo^-1 H_os)^-1,
    own = o0 + B y - H_oo^-1 H_os A z,  B B' = H_oo^-1 of the site's own plan,

so that at every site the head is told apart from the shared part, and all sites mean the same by z.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ....errors import ConfigError
from ....forward import Process, anchored
from ....operate.calibration import Free, Lines, Machine, Measurement, Problem, scenes
from ....types import double
from ..task import Arrays, Recipe, flat

SHARED = (Free("process.scanner.source.sigma_out", 0.7, 0.95), Free("process.resist.diffusion_nm", 5.0, 60.0))
OWN = (Free("focus_offset_nm", -150.0, 150.0), Free("dose_scale", 0.85, 1.15))
# How far the truth of made sites lies from the setup (one standard deviation), and how far it differs between sites.
SPREAD = {
    "sigma_out": (0.01, 0.001),
    "diffusion_nm": (3.0, 0.25),
    "focus_offset_nm": (0.0, 30.0),
    "dose_scale": (0.0, 0.015),
}
NOISE_NM = 1.0
PITCHES = ((340.0, 380.0), (440.0, 480.0), (520.0, 560.0))  # a product each
NEXT_PITCHES = (400.0, 600.0, 700.0, 850.0)  # of a product to come
DIES = 8
WIDTHS = (170.0, 195.0)
FOCUS_NM = (-150.0, 0.0, 150.0)
DOSES = (0.95, 1.0, 1.05)
# A gauge that should print and does not is off by a whole line.
LOST_NM = 170.0


@dataclass(frozen=True)
class Gauges:
    """Measured gauges (n,) of one site, ready to be predicted for any state of its machine.

    Those measured on several dies share a structure and condition of `problem`: `of` (n,) says which.
    """

    problem: Problem
    of: np.ndarray
    value_nm: np.ndarray
    sigma_nm: np.ndarray
    turn: np.ndarray  # (p, p), from the numbers trained to settings

    def __len__(self) -> int:
        return len(self.of)


class Calibration:
    """Settings of a process from widths; `shared` travel, `own` stay."""

    name, unit = "calibration", "nm"
    recipe = Recipe(rounds=10, steps=2, rate=0.4, momentum=0.3, batch=1.0, clip=2.0)

    def __init__(self, process: Process, shared: Sequence[Free] = SHARED, own: Sequence[Free] = OWN):
        if not shared:
            raise ConfigError("nothing is shared: name the settings that sites learn together")
        self.machine = Machine(anchored(double(process)))
        self.free, self.size = (*shared, *own), len(shared)

    def start(self) -> tuple[Arrays, Arrays]:
        return {"settings": np.zeros(self.size)}, {"settings": np.zeros(len(self.free) - self.size)}

    def settings(self, shared: Arrays, head: Arrays, examples: Gauges) -> np.ndarray:
        """The values (p,) of shared settings and own ones, within their bounds."""
        low, high = ([getattr(f, end) for f in self.free] for end in ("low", "high"))
        return np.clip(examples.problem.start + examples.turn @ flat(shared, head), low, high)

    def gradients(self, shared: Arrays, head: Arrays, examples: Gauges, rows: np.ndarray) -> np.ndarray:
        """Of half the squared residual, in standard deviations; 0 where a gauge does not print."""
        p, of = self.settings(shared, head, examples), examples.of[rows]
        slope = examples.problem.derivative(p) @ examples.turn
        miss = examples.problem.predict(p)[of] - examples.value_nm[rows]
        return (np.nan_to_num(miss) / examples.sigma_nm[rows] ** 2)[:, None] * slope[of]

    def error(self, shared: Arrays, head: Arrays, examples: Gauges) -> float:
        """Root mean square of predicted less measured, nm."""
        miss = examples.problem.predict(self.settings(shared, head, examples))[examples.of] - examples.value_nm
        return float(np.sqrt(np.mean(np.where(np.isnan(miss), LOST_NM, miss) ** 2)))

    def gauges(self, measurements: Sequence[Measurement], like: Gauges | None = None) -> Gauges:
        """Gauges on lines, each with its sigma, as examples; a site's later ones are `like` its first."""
        bad = [m.name for m in measurements if not isinstance(m.site, Lines) or m.sigma_nm is None]
        if bad:
            raise ConfigError(f"gauge {bad[0]}: gauges of endless lines with a sigma are wanted")
        alike: dict[Measurement, int] = {}
        of = [
            alike.setdefault(replace(m, name="", value_nm=0.0, sigma_nm=1.0, row=0), len(alike)) for m in measurements
        ]
        value, sigma = (np.array([getattr(m, key) for m in measurements]) for key in ("value_nm", "sigma_nm"))
        problem = self._problem(list(alike))
        # Of conditions, not of gauges: one gauge more or less changes no unit, and privacy counts gauges.
        weight = np.full(len(alike), np.median(sigma) ** -2 / len(alike))
        turn = self._turn(problem, weight) if like is None else like.turn
        return Gauges(problem, np.array(of), value, sigma, turn)

    def site(self, number: int, seed: int) -> tuple[Gauges, Gauges]:
        """Gauges of a machine near the setup: two pitches, one tone and one dose series of a site's own, on some dies.

        Held back are other widths at the pitches of all sites and of others between them, as a next product has them:
        the site's tone, doses and machine, without noise.
        """
        common, own = np.random.default_rng([seed]), np.random.default_rng([seed, 1 + number])
        deviate = {key: far * common.standard_normal() for key, (far, _) in SPREAD.items()}
        deviate = {key: deviate[key] + SPREAD[key][1] * own.standard_normal() for key in deviate}
        truth = self._problem([]).start + [deviate.get(f.name.rsplit(".", 1)[-1], 0.0) for f in self.free]
        kind, axis = ("line", "space")[number % 2], ("y", "x")[number % 2]
        doses = (0.97 + 0.03 * (number % 3)) * np.array(DOSES)

        def plan(pitches, widths):
            return [
                Measurement(f"p{p:g}w{w:g}", kind, Lines(w, p, axis), w, NOISE_NM, focus_nm=z, dose=float(d))
                for p in pitches for w in widths for z in FOCUS_NM for d in doses
            ]  # fmt: skip

        seen, new = plan(PITCHES[number % 3], WIDTHS), plan((*sum(PITCHES, ()), *NEXT_PITCHES), (174.0, 188.0))
        dies = [
            replace(m, value_nm=m.value_nm + NOISE_NM * own.standard_normal())
            for m in self._printed(seen, truth) for _ in range(DIES)
        ]  # fmt: skip
        measured = self.gauges(dies)
        return measured, self.gauges(self._printed(new, truth), measured)

    def _printed(self, wanted: list[Measurement], truth: np.ndarray) -> list[Measurement]:
        """What prints of a plan, as the truth has it."""
        value = self._problem(wanted).predict(truth)
        return [replace(m, value_nm=float(v)) for m, v in zip(wanted, value, strict=True) if v == v]

    def _problem(self, measurements: Sequence[Measurement]) -> Problem:
        return Problem(measurements, scenes(measurements, self.machine.process), self.machine, self.free)

    def _blocks(self, problem: Problem, weight: np.ndarray):
        """Blocks ss, so, oo of the information of a plan of gauges at the start, of weights (condition,)."""
        slope = problem.derivative(problem.start)
        whole, n = (slope.T * weight) @ slope, self.size
        return whole[:n, :n], whole[:n, n:], whole[n:, n:]

    def _turn(self, problem: Problem, weight: np.ndarray) -> np.ndarray:
        """The matrix (p, p) from the numbers trained to settings, of a site's plan."""
        _, across, own = self._blocks(problem, weight)
        inverse = _inverse(own, "a site's own settings cannot be told apart by its gauges: own fewer")
        below = -inverse @ across.T @ self._scale
        return np.block([[self._scale, np.zeros(across.shape)], [below, np.linalg.cholesky(inverse)]])

    @cached_property
    def _scale(self) -> np.ndarray:
        """The matrix A of shared settings (see above), the same at all sites."""
        total = np.zeros((self.size, self.size))
        for pitches in PITCHES:
            plan = [
                Measurement("", "line", Lines(w, p), w, NOISE_NM, focus_nm=z, dose=d)
                for p in pitches for w in WIDTHS for z in FOCUS_NM for d in DOSES
            ]  # fmt: skip
            weight = np.full(len(plan), NOISE_NM**-2.0 / len(plan))
            shared, across, own = self._blocks(self._problem(plan), weight)
            total += (shared - across @ np.linalg.solve(own, across.T)) / len(PITCHES)
        return np.linalg.cholesky(_inverse(total, "the shared settings cannot be told apart: share fewer, own fewer"))


def _inverse(information: np.ndarray, problem: str) -> np.ndarray:
    """Of a positive definite matrix; ConfigError where it is not."""
    size = np.sqrt(np.diag(information))
    if not (size > 0).all() or not np.linalg.cond(information / np.outer(size, size)) < 1e9:
        raise ConfigError(problem)
    return np.linalg.inv(information)
