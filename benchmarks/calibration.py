"""Calibration against machines whose true state is known: coverage, held-out error, inseparable pairs, cost."""

from common import cpu_seconds, report  # noqa: I001 sets the environment before JAX starts

import calibration_draws as made
import numpy as np
import printed_gauges

from actinic.operate.calibration import Free, Problem, calibrate, scenes

DRAWS = 100
PAIRS = (
    (made.RESIST + "threshold", "dose_scale"),
    ("focus_offset_nm", made.LENS + "zernikes_nm.Z4"),
    (made.SOURCE + "sigma_out", made.LENS + "na"),
    (made.RESIST + "diffusion_nm", made.RESIST + "threshold"),
    (made.LENS + "zernikes_nm.Z9", "focus_offset_nm"),
)


def main() -> None:
    draws = [made.draw(seed) for seed in range(DRAWS)]
    inside = np.array([d.inside for d in draws])
    pulls = np.array([d.pull for d in draws])
    p, n = len(made.FREE), len(made.measurements())
    rms = {name: float(np.sqrt(np.mean([getattr(d, name) ** 2 for d in draws]))) for name in ("repeated", "between")}
    report(
        f"coverage of 95 % intervals over {DRAWS} draws",
        settings=[f.name for f in made.FREE],
        gauges=n,
        coverage=inside.mean(0).tolist(),
        coverage_all=float(inside.mean()),
        pull_mean=pulls.mean(0).tolist(),
        pull_spread=pulls.std(0, ddof=1).tolist(),
        undetermined=sum(d.doubts for d in draws),
        reduced_chi_square=float(np.mean([d.chi_square / d.freedom for d in draws])),
    )
    report(
        "new gauges, error in units of the noise",
        limit=float(1.05 * np.sqrt(1 + p / n)),
        same_structures=rms["repeated"],
        structures_between=rms["between"],
    )

    wanted, machine = made.measurements(), made.machine(Z9=2.0)
    other = printed_gauges.widths(machine, wanted)
    free = [Free(f.name) for f in made.FREE]
    problem = Problem(wanted, scenes(wanted, machine.process), machine, free)
    apart = problem.predict(problem.start) - other
    report(
        "two ways to the same width", largest_nm=float(np.abs(apart).max()), rms_nm=float(np.sqrt((apart**2).mean()))
    )

    noisy = made.noisy(wanted, other, 0)
    for pair in PAIRS:
        found = calibrate(noisy, machine, [Free(name) for name in pair])
        report("pair", names=pair, correlation=float(found.correlation[0, 1]), told_apart=not found.sets)
    cpu, wall = cpu_seconds(lambda: calibrate(noisy, made.machine(), made.FREE), 3)
    report("one calibration", gauges=len(noisy), settings=p, cpu_s=cpu, wall_s=wall)


if __name__ == "__main__":
    main()
