"""Learning together: alone, together, pooled, over seeds; what protection and harm cost; what a server can read out."""

from common import report  # noqa: I001 sets the environment before NumPy starts

import numpy as np
from scipy import stats

from actinic.jobs import Learning
from actinic.jobs.federate import federated_task
from actinic.learn.federated import Plan, Trial, simulate, together

SEEDS = 5


def interval(values) -> list[float]:
    """Mean and half of its 95 % interval by Student."""
    values = np.asarray(values, float)
    half = stats.t.isf(0.025, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return [round(float(values.mean()), 4), round(float(half), 4)]


def main() -> None:
    for name in ("calibration", "hotspot"):
        task, rounds = federated_task(Learning(name))

        def plan(how="mean", rounds=rounds):
            return Plan("benchmark", rounds, how)

        plain = [simulate(task, plan(), Trial(3, seed)) for seed in range(SEEDS)]
        for site in range(3):
            less = [f.local[site] - f.federated[site] for f in plain]
            ways = {way: interval([getattr(f, way)[site] for f in plain]) for way in ("local", "federated", "pooled")}
            report(f"{name}, together against alone", site=site + 1, seeds=SEEDS, less=interval(less), **ways)
        mean = {
            way: interval([getattr(f, way).mean() for f in plain]) for way in ("start", "local", "federated", "pooled")
        }
        ratio = mean["federated"][0] / mean["pooled"][0]
        sent = plain[0].course.sent[0]
        report(f"{name}, mean over sites", unit=task.unit, **mean, to_pooled=ratio, rounds=rounds, bytes=sent)

        def errors(sites=3, how="mean", left_out=(), task=task, plan=plan, **trial):
            """Mean error of each seed, of the sites that are not left out."""
            return [
                np.delete(together(task, plan(how), Trial(sites, seed, **trial))[0], left_out).mean()
                for seed in range(SEEDS)
            ]

        for epsilon in (1.0, 3.0, 8.0):
            report(f"{name}, protected", epsilon=epsilon, error=interval(errors(epsilon=epsilon)))
        for case, trial in {"one site away for a third": {"absent": 1}, "masked sums": {"how": "secure"}}.items():
            found = errors(**trial)
            report(f"{name}, {case}", error=interval(found), to_clean=np.mean(found) / mean["federated"][0])
        for how in ("median", "trimmed"):
            clean = errors(5, how, (1,))
            report(f"{name}, five sites", aggregate=how, error=interval(clean))
            for harm in ("scaled", "flipped", "nan"):
                found = errors(5, how, (1,), harm=harm, harmed=1)
                to_clean = np.mean(found) / np.mean(clean)
                report(
                    f"{name}, one of five means harm",
                    aggregate=how,
                    harm=harm,
                    error=interval(found),
                    to_clean=to_clean,
                )


if __name__ == "__main__":
    main()
