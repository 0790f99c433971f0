"""Focus and dose from widths at arf-immersion: errors against the Cramer-Rao bound through focus, how often the
sets hold the truth, where the side of best focus is told, and the choice of features against random ones."""

from common import report  # noqa: I001 sets the environment before JAX starts

from dataclasses import replace

import focus_fields as ff
import numpy as np

from actinic.config import placed
from actinic.operate.focus.choose import Candidates
from actinic.operate.focus.estimate import UNLIKELY, WITHIN_NM, estimate
from actinic.operate.focus.problem import parameters
from actinic.operate.focus.tabulate import tabulate
from actinic.types import double

FOCUS_NM = (-40, -32, -24, -16, -12, -8, -4, 0, 4, 8, 12, 16, 24, 32, 40)
TRIALS, TRIALS_SHAPED, RANDOM = 400, 96, 400
PITCHES = (110, 125, 145, 160, 180, 210, 250, 300, 400, 600)


def interval(inside: np.ndarray) -> list[float]:
    """95 % interval of a share in percent (Wilson)."""
    n, p, z = len(inside), float(np.mean(inside)), 1.96
    middle, arm = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return [100 * (middle + s * arm) / (1 + z * z / n) for s in (-1, 1)]


def through_focus(words: tuple[str, ...], trials: int) -> None:
    names = parameters(words)
    made = ff.table()
    for focus in FOCUS_NM:
        truth = np.array([focus, 0.7, 0.4, -0.3, 0.01, -0.01][: len(names)])
        fields = ff.measured(made, names, truth, seed=1000 + focus, count=trials)
        least = ff.bound(fields, truth)
        found = [one for one in estimate(fields) if one is not None]
        off = np.array([one.best.value - truth for one in found])
        told = np.array([one.determined for one in found])
        inside = np.array([any(low <= focus <= high for low, high in one.focus_set) for one in found])
        sigma = np.array([one.best.sigma[0] for one in found])
        error = off[told, 0]
        spread = float(np.sqrt(np.mean(error**2)) / least[0]) if told.sum() > 9 else None
        # 95 % interval of a standard deviation, by chi-square's normal limit.
        arm = 1.96 / np.sqrt(2 * max(told.sum(), 1))
        report(
            "focus", parameters=list(names), focus_nm=focus, fields=len(found), features=list(made.names), places=25,
            sigma_cd_nm=ff.SIGMA_NM, bound_nm=float(least[0]), bound_within_10_nm=bool(least[0] <= WITHIN_NM),
            determined_percent=100 * float(told.mean()), error_over_bound=spread,
            error_over_bound_95=None if spread is None else [spread * (1 - arm), spread * (1 + arm)],
            stated_over_bound=float(np.median(sigma[told]) / least[0]) if told.any() else None,
            wrong_side_of_determined=int(np.sum(np.abs(error) > 10 * least[0] + 3)),
            set_holds_truth_percent=100 * float(inside.mean()), set_holds_truth_95=interval(inside),
            two_sided_percent=100 * float(np.mean([len(one.focus_set) > 1 for one in found])),
            dose_error_over_bound=float(np.sqrt(np.mean(off[told, 1] ** 2)) / least[1]) if told.sum() > 9 else None,
        )  # fmt: skip


def choice() -> None:
    pool = [("line", c, p) for p in PITCHES for c in (54, 60, 66, 72, 78, 84) if c < 0.62 * p]
    pool += [("space", p - c, p) for p in PITCHES for c in (58, 72, 92, 126) if 0.35 * p < p - c]
    listed = ff.features(tuple(pool))
    made = tabulate(ff.machine(), listed, focus_nm=64.0)
    candidates = Candidates(made, np.full(len(pool), ff.SIGMA_NM), 25, 40.0)
    for size in (3, 4, 6):
        best = candidates.choose(size)
        random = np.random.default_rng(size)
        sets = [random.choice(len(candidates.names), size, replace=False) for _ in range(RANDOM)]
        others = [candidates.judge(one) for one in sets]
        rms, bound = (np.array(v) for v in ([o.rms_nm for o in others],
                                             [np.sqrt(np.mean(o.bound_nm**2)) for o in others]))  # fmt: skip
        draws = np.random.default_rng(0).choice(rms, (2000, RANDOM))
        middle = np.median(draws, axis=1)
        report(
            "focus, choice of features", candidates=len(candidates.names), size=size, chosen=list(best.names),
            error_nm=best.rms_nm, random_median_nm=float(np.median(rms)),
            gain_percent=100 * (1 - best.rms_nm / float(np.median(rms))),
            gain_95=[100 * (1 - best.rms_nm / float(q)) for q in np.quantile(middle, (0.025, 0.975))],
            bound_alone_gain_percent=100 * (1 - np.sqrt(np.mean(best.bound_nm**2)) / float(np.median(bound))),
            random_better_percent=100 * float(np.mean(rms < best.rms_nm)), told_percent=100 * best.determined,
        )  # fmt: skip
        if size == 4:
            middling = others[int(np.argsort(rms)[RANDOM // 2])]
            for name, chosen in (("chosen", best.names), ("the median random set", middling.names)):
                square, sides = measured_error(tuple(pool[made.names.index(n)] for n in chosen))
                report("focus, choice tried", features=name, error_nm=square, wrong_side_percent=sides)


def wrong_models() -> None:
    """What a model that is wrong about the machine does: printed by the one, found by the other, 30 nm either side."""
    machine = double(ff.machine())
    lens, resist = "process.scanner.projector.", "process.resist."
    threshold = 1.01 * float(machine.process.resist.threshold)
    for name, key, value in (
        ("none", lens + "na", 1.35), ("Z9 0.5 nm", lens + "zernikes_nm.Z9", 0.5),
        ("Z12 0.5 nm", lens + "zernikes_nm.Z12", 0.5), ("diffusion 7.5 for 7 nm", resist + "diffusion_nm", 7.5),
        ("threshold 1 % high", resist + "threshold", threshold),
        ("NA 1.352 for 1.35", lens + "na", 1.352),
    ):  # fmt: skip
        printed = tabulate(placed(machine, key, np.float64(value)), ff.features(), focus_nm=60)
        for focus in (-30.0, 30.0):
            fields = ff.measured(printed, ("focus_nm", "dose_percent"), (focus, 0.0), seed=1, count=40)
            found = [one for one in estimate(replace(fields, table=ff.table())) if one is not None]
            value_of = np.array([one.best.value for one in found])
            report(
                "focus, wrong model", wrong=name, focus_nm=focus, focus_off_nm=float(np.median(value_of[:, 0]) - focus),
                dose_off_percent=float(np.median(value_of[:, 1])), wrong_side=int(np.sum(value_of[:, 0] * focus < 0)),
                doubted=int(sum(one.chance < UNLIKELY for one in found)), fields=len(found),
            )  # fmt: skip


def measured_error(chosen: tuple) -> tuple[float, float]:
    """Rms error of estimated focus over the range, and how many lie on the wrong side, for features measured."""
    off = []
    for focus in np.arange(-40, 41, 8.0):
        fields = ff.measured(
            ff.table(chosen), ("focus_nm", "dose_percent"), (focus, 0.5), seed=100 + int(focus), count=48
        )
        off += [one.best.value[0] - focus for one in estimate(fields) if one is not None]
    error = np.array(off)
    return float(np.sqrt(np.mean(error**2))), 100 * float(np.mean(np.abs(error) > 10))


def main() -> None:
    through_focus((), TRIALS)
    through_focus(("tilt", "curvature"), TRIALS_SHAPED)
    choice()
    wrong_models()


if __name__ == "__main__":
    main()
