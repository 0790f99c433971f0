"""Uniformity of line width: how often the 95 % intervals of each source hold the truth, on full and unbalanced sets."""

from common import report  # noqa: I001 sets the environment before JAX starts

import numpy as np

from actinic.operate.uniformity import LOCAL, METROLOGY, uniformity
from test_uniformity import SIZES, widths

TRIALS = 100


def main() -> None:
    truth = SIZES | {LOCAL: 0.2, METROLOGY: 0.3}
    for name, options in (
        ("6 lots, 2 wafers, 9 fields, 4 x 4 places, twice", dict(keep=1.0)),
        ("the same, 30 % missing", dict(keep=0.7)),
    ):
        inside = {part: [] for part in truth}
        sigma = {part: [] for part in truth}
        for trial in range(TRIALS):
            found = uniformity(widths(seed=500 + trial, side=3, **options), "F")
            for part in found.parts:
                inside[part.name].append(part.low_nm <= truth[part.name] <= part.high_nm)
                sigma[part.name].append(part.sigma_nm**2)
        report(
            "uniformity", data=name, trials=TRIALS, truth_nm=truth,
            covered_percent={part: 100 * float(np.mean(v)) for part, v in inside.items()},
            all_covered_percent=100 * float(np.mean([v for one in inside.values() for v in one])),
            rms_of_mean_variance_nm={part: float(np.sqrt(np.mean(v))) for part, v in sigma.items()},
        )  # fmt: skip


if __name__ == "__main__":
    main()
