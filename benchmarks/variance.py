"""Variance components: how often the 95 % intervals hold the truth, by mean squares and by likelihood."""

from common import report  # noqa: I001 sets the environment before JAX starts

import numpy as np

from actinic.metrology.variance import Study

TRIALS = 200


def main() -> None:
    for name, shape, terms, sigmas in (
        ("12 lots, 3 wafers, 5 sites", (12, 3, 5), ("lot", "lot:wafer"), (1.0, 0.7, 0.5)),
        ("12 lots, 3 wafers, 5 sites, 30 % missing", (12, 3, 5), ("lot", "lot:wafer"), (1.0, 0.7, 0.5)),
        ("10 parts, 3 operators, 2 repeats", (10, 3, 2), ("lot", "wafer", "lot:wafer"), (2.0, 0.8, 0.6, 0.4)),
    ):
        labels = [index.ravel() for index in np.indices(shape)]
        inside, values = np.zeros((2, len(sigmas))), []
        for trial in range(TRIALS):
            random = np.random.default_rng((trial, *shape))
            y = sigmas[-1] * random.standard_normal(labels[0].size)
            for term, sigma in zip(terms, sigmas, strict=False):
                size = tuple(n for n, axis in zip(shape, ("lot", "wafer"), strict=False) if axis in term.split(":"))
                at = tuple(i for i, axis in zip(labels, ("lot", "wafer"), strict=False) if axis in term.split(":"))
                y = y + sigma * random.standard_normal(size)[at]
            keep = random.random(y.size) < (0.7 if "missing" in name else 1.0)
            study = Study(y[keep], {"lot": labels[0][keep], "wafer": labels[1][keep]}, terms)
            found = study.anova(), study.reml()
            values.append([[c.variance for c in part] for part in found])
            for k, part in enumerate(found):
                inside[k] += [c.low is not None and c.low <= s**2 <= c.high for c, s in zip(part, sigmas, strict=True)]
        mean = np.mean(values, axis=0)
        for k, way in enumerate(("mean squares", "likelihood")):
            report(
                "variance components", study=name, way=way, trials=TRIALS, terms=[*terms, "repeat"],
                truth=np.square(sigmas).tolist(), mean=mean[k].tolist(),
                covered_percent=(100 * inside[k] / TRIALS).tolist(),
            )  # fmt: skip


if __name__ == "__main__":
    main()
