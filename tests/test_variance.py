"""Variance components against the textbook's mean squares and a dense likelihood that shares no code."""

import numpy as np
import pytest
from scipy import optimize, stats

from actinic.errors import ConfigError, InputError, NumericalError
from actinic.metrology.variance import Study, _Restricted

LOTS, WAFERS, SITES = 12, 3, 5


def nested(seed=0, sigmas=(2.0, 1.0, 0.5), keep=1.0):
    random = np.random.default_rng(seed)
    lot, wafer, site = (a.ravel() for a in np.indices((LOTS, WAFERS, SITES)))
    value = 50 + sigmas[0] * random.standard_normal(LOTS)[lot]
    value = value + sigmas[1] * random.standard_normal((LOTS, WAFERS))[lot, wafer]
    value = value + sigmas[2] * random.standard_normal(lot.size)
    some = random.random(lot.size) < keep
    return value[some], {"lot": lot[some], "wafer": wafer[some], "site": site[some]}


def crossed(seed=0, sigmas=(2.0, 0.8, 0.6, 0.4), parts=10, operators=3, repeats=2):
    random = np.random.default_rng(seed)
    part, operator, _ = (a.ravel() for a in np.indices((parts, operators, repeats)))
    value = sigmas[0] * random.standard_normal(parts)[part] + sigmas[1] * random.standard_normal(operators)[operator]
    value = value + sigmas[2] * random.standard_normal((parts, operators))[part, operator]
    return value + sigmas[3] * random.standard_normal(part.size), {"part": part, "operator": operator}


def nested_mean_squares(cube):
    """The three mean squares of values (lot, wafer, site) and their components, as in any textbook."""
    a, b, n = cube.shape
    wafer, lot = cube.mean(axis=2), cube.mean(axis=(1, 2))
    site_ms = np.sum((cube - wafer[..., None]) ** 2) / (a * b * (n - 1))
    wafer_ms = n * np.sum((wafer - lot[:, None]) ** 2) / (a * (b - 1))
    lot_ms = n * b * np.sum((lot - lot.mean()) ** 2) / (a - 1)
    return np.array([(lot_ms - wafer_ms) / (n * b), (wafer_ms - site_ms) / n, site_ms]), (lot_ms, wafer_ms, site_ms)


def dense_deviance(sigmas, values, groups):
    """-2 log restricted likelihood from the full covariance matrix."""
    n = len(values)
    v = sigmas[-1] ** 2 * np.eye(n) + sum(s**2 * (g[:, None] == g) for s, g in zip(sigmas, groups, strict=False))
    one = np.ones(n)
    inverse = np.linalg.inv(v)
    mean = one @ inverse @ values / (one @ inverse @ one)
    return np.linalg.slogdet(v)[1] + np.log(one @ inverse @ one) + (values - mean) @ inverse @ (values - mean)


def variances(components):
    return np.array([c.variance for c in components])


def test_balanced_nested_mean_squares_and_intervals():
    values, factors = nested()
    study = Study(values, factors, ("lot", "lot:wafer"))
    truth, (lot_ms, wafer_ms, site_ms) = nested_mean_squares(values.reshape(LOTS, WAFERS, SITES))
    found = study.anova()
    assert [c.name for c in found] == ["lot", "lot:wafer", "repeat"]
    assert variances(found) == pytest.approx(truth, rel=1e-9)
    assert sum(c.share for c in found) == pytest.approx(1)
    # The repeat's interval is exact, the lot's Satterthwaite's with his degrees of freedom.
    n = LOTS * WAFERS * (SITES - 1)
    assert (found[2].low, found[2].high) == pytest.approx(tuple(n * site_ms / stats.chi2.ppf([0.975, 0.025], n)))
    free = (lot_ms - wafer_ms) ** 2 / (lot_ms**2 / (LOTS - 1) + wafer_ms**2 / (LOTS * (WAFERS - 1)))
    assert found[0].low == pytest.approx(free * truth[0] / stats.chi2.ppf(0.975, free))
    assert variances(study.reml()) == pytest.approx(truth, rel=1e-4)


def test_balanced_crossed_mean_squares():
    values, factors = crossed(2)
    cube = values.reshape(10, 3, 2)
    cell, part, operator = cube.mean(axis=2), cube.mean(axis=(1, 2)), cube.mean(axis=(0, 2))
    mean = cube.mean()
    ms = {
        "part": 6 * np.sum((part - mean) ** 2) / 9,
        "operator": 20 * np.sum((operator - mean) ** 2) / 2,
        "both": 2 * np.sum((cell - part[:, None] - operator + mean) ** 2) / 18,
        "repeat": np.sum((cube - cell[..., None]) ** 2) / 30,
    }
    truth = [(ms["part"] - ms["both"]) / 6, (ms["operator"] - ms["both"]) / 20, (ms["both"] - ms["repeat"]) / 2]
    study = Study(values, factors, ("part", "operator", "part:operator"))
    assert variances(study.anova()) == pytest.approx([*truth, ms["repeat"]], rel=1e-9)
    assert variances(study.reml()) == pytest.approx([*truth, ms["repeat"]], rel=1e-4)


def test_unbalanced_components_by_the_dense_likelihood():
    values, factors = nested(3, keep=0.7)
    groups = [factors["lot"], factors["lot"] * WAFERS + factors["wafer"]]
    best = optimize.minimize(
        lambda s: dense_deviance(s, values, groups), [1.5, 1.0, 0.7], method="Nelder-Mead",
        options={"xatol": 1e-5, "fatol": 1e-9},
    )  # fmt: skip
    found = Study(values, factors, ("lot", "lot:wafer")).reml()
    assert variances(found) == pytest.approx(best.x**2, rel=1e-3)

    # The ends of the interval of the lots: where the best of the others rises by 3.84.
    for end in (found[0].low, found[0].high):
        held = optimize.minimize(
            lambda s, end=end: dense_deviance([np.sqrt(end), *s], values, groups), best.x[1:], method="Nelder-Mead"
        )
        assert held.fun - best.fun == pytest.approx(3.841, abs=0.01)


def test_slopes_of_the_likelihood():
    values, factors = crossed(4)
    study = Study(values, factors, ("part", "operator", "part:operator"))
    likelihood = _Restricted(values, study._fixed, study._design)
    at = np.array([1.5, 0.5, 0.4, 0.6])
    step = 1e-5 * np.eye(4)
    found = [(likelihood.deviance(at + s)[0] - likelihood.deviance(at - s)[0]) / 2e-5 for s in step]
    assert likelihood.deviance(at)[1] == pytest.approx(found, rel=1e-5)


def test_unbalanced_mean_squares_are_unbiased():
    sigmas = (1.0, 0.7, 0.5)
    found = []
    for seed in range(300):
        values, factors = nested(seed, sigmas, keep=1.0)
        some = np.random.default_rng(1).random(values.size) < 0.6  # the same holes in all
        part = {name: labels[some] for name, labels in factors.items()}
        found.append(variances(Study(values[some], part, ("lot", "lot:wafer")).anova()))
    found = np.array(found)
    assert np.abs(found.mean(axis=0) - np.square(sigmas)).max() < 4 * (found.std(axis=0) / np.sqrt(300)).max()
    assert (np.abs(found.mean(axis=0) - np.square(sigmas)) < 4 * found.std(axis=0) / np.sqrt(300)).all()


def test_fixed_factors_leave_the_components_alone():
    values, factors = nested(5)
    plain = Study(values, factors, ("lot", "lot:wafer"))
    moved = Study(values + 3.0 * factors["site"], factors, ("lot", "lot:wafer"), fixed=("site",))
    assert variances(moved.anova())[:2] == pytest.approx(variances(plain.anova())[:2], rel=0.05)
    assert variances(moved.reml()) == pytest.approx(variances(moved.anova()), rel=1e-4)


def test_a_component_that_is_not_there():
    seeds = [s for s in range(20) if variances(Study(*nested(s, (2.0, 0.0, 1.0)), ("lot", "lot:wafer")).anova())[1] < 0]
    assert 3 <= len(seeds) <= 17
    values, factors = nested(seeds[0], (2.0, 0.0, 1.0))
    study = Study(values, factors, ("lot", "lot:wafer"))
    least, likely = study.anova()[1], study.reml()[1]
    assert least.variance < 0 and least.low is None and least.high is None and least.sigma == 0 and least.share == 0
    assert likely.variance == pytest.approx(0, abs=1e-4) and likely.low == 0 and likely.high > 0


def test_a_component_that_hardly_is_there_has_no_upper_bound():
    part, repeat = (index.ravel() for index in np.indices((3, 2)))
    spread = np.sqrt(0.5) * (1 + 1e-6) * np.array([-1.0, 0.0, 1.0])[part]
    found = Study(spread + 0.5 * (2 * repeat - 1), {"part": part}, ("part",)).anova()[0]
    assert found.variance > 0 and found.high is not None and found.high > 1e6 * found.variance


def test_gauge_study():
    values, factors = crossed(6)
    study = Study(values, factors, ("part", "operator", "part:operator"))
    v = variances(study.reml())
    g = study.gauge(["part"], tolerance=30.0)
    assert g.repeatability == pytest.approx(np.sqrt(v[3]), rel=1e-4)
    assert g.reproducibility == pytest.approx(np.sqrt(v[1] + v[2]), rel=1e-4)
    assert g.precision == pytest.approx(6 * np.sqrt(v[1:].sum()), rel=1e-4)
    assert g.to_tolerance == pytest.approx(g.precision / 30.0)
    assert g.distinct == pytest.approx(np.sqrt(2 * v[0] / v[1:].sum()), rel=1e-4)
    assert g.precision_low < g.precision < g.precision_high
    # Where the repeat is the gauge's only part its interval is the component's.
    alone = Study(values, factors, ("part",))
    repeat = alone.reml()[1]
    assert alone.gauge(["part"]).precision_high == pytest.approx(6 * np.sqrt(repeat.high), rel=1e-3)
    assert alone.gauge(["part"]).to_tolerance is None


@pytest.mark.slow
def test_intervals_cover():
    inside, trials, sigmas = np.zeros((2, 3)), 300, (1.0, 0.7, 0.5)
    for seed in range(trials):
        study = Study(*nested(seed, sigmas), ("lot", "lot:wafer"))
        for k, found in enumerate((study.anova(), study.reml())):
            inside[k] += [c.low is not None and c.low <= s**2 <= c.high for c, s in zip(found, sigmas, strict=True)]
    assert (inside / trials > 0.90).all()


@pytest.mark.published
def test_line_widths_of_thirty_cassettes(data):
    """The 450 line widths of NIST's LITHOGRA.DAT: wafers in cassettes, five sites whose means differ."""
    table = np.loadtxt(data / "nist_lithography" / "LITHOGRA.DAT", skiprows=25)
    factors = {"cassette": table[:, 0], "wafer": table[:, 1], "site": table[:, 2]}
    cube = table[:, 3].reshape(30, 3, 5)
    plain = Study(table[:, 3], factors, ("cassette", "cassette:wafer"))
    assert variances(plain.anova()) == pytest.approx(nested_mean_squares(cube)[0], rel=1e-9)
    assert variances(plain.reml()) == pytest.approx(variances(plain.anova()), rel=1e-4)
    sites = Study(table[:, 3], factors, ("cassette", "cassette:wafer"), fixed=("site",)).anova()
    assert sites[2].variance < plain.anova()[2].variance


def test_what_cannot_be_told_apart_is_said():
    values, factors = nested()
    with pytest.raises(ConfigError, match="no factor 'tool'"):
        Study(values, factors, ("tool",))
    with pytest.raises(ConfigError, match="once"):
        Study(values, factors, ())
    with pytest.raises(InputError, match="3 labels"):
        Study(values, {"lot": [1, 2, 3]}, ("lot",))
    with pytest.raises(InputError, match="three or more"):
        Study([1.0, np.nan, 2.0], {"lot": [1, 2, 3]}, ("lot",))
    with pytest.raises(ConfigError, match="fixed factors"):
        Study(values, factors | {"same": factors["lot"]}, ("wafer",), fixed=("lot", "same"))
    with pytest.raises(ConfigError, match="'lot' cannot be told"):
        Study(values, factors, ("lot:wafer", "lot")).anova()
    with pytest.raises(ConfigError, match="nothing is repeated"):
        Study(values, factors, ("lot", "lot:wafer:site")).anova()
    with pytest.raises(NumericalError, match="equal"):
        Study(np.ones(values.size), factors, ("lot",)).reml()
    with pytest.raises(ConfigError, match="tolerance"):
        Study(values, factors, ("lot",)).gauge(["lot"], tolerance=0.0)
    with pytest.raises(ConfigError, match="'wafer' is not one of the terms"):
        Study(values, factors, ("lot",)).gauge(["wafer"])
