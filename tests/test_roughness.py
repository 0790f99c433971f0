"""Roughness: the model against quadrature and dense matrices, estimates on edges of known truth, what is flagged."""

import numpy as np
import pytest
from scipy import integrate, linalg

import rough_lines
from actinic.errors import ConfigError, InputError
from actinic.metrology.roughness import (
    blurred_correlation,
    correlation,
    length_factor,
    line_roughness,
    rough_edges,
    roughness,
    spectrum,
)
from actinic.metrology.roughness.spectrum import Record

XI, NOISE, STEP, SAMPLES, EDGES = 20.0, 0.5, 1.0, 2000, 26


@pytest.fixture(scope="module")
def lines():
    return rough_lines.Lines(SAMPLES, STEP, 1.0, XI)


def edges(lines, seed=0, number=EDGES):
    random = np.random.default_rng(seed)
    return rough_lines.noisy(lines(number, random), NOISE, random)


@pytest.mark.parametrize(("xi", "left"), [(5, 0.99501), (10, 0.99005), (40, 0.96080)])
def test_row_41_variance_of_a_finite_line(xi, left):
    assert length_factor(2000.0, xi) == pytest.approx(left, abs=1e-5)
    # The general rule joins the closed form of a Hurst exponent of 1/2.
    assert length_factor(2000.0, xi, 0.5 + 1e-9) == pytest.approx(length_factor(2000.0, xi), abs=1e-8)


@pytest.mark.parametrize("hurst", [0.2, 0.8, 1.0, 1.5])
def test_length_factor_of_other_exponents(hurst):
    tau = np.linspace(0, 300.0, 300_001)
    rho = rough_lines.covariance(np.linspace(0, 300.0, 101), 1.0, 15.0, hurst)
    assert correlation(tau[::3000], 15.0, hurst) == pytest.approx(rho, abs=1e-8)
    area = integrate.trapezoid((1 - tau / 300) * correlation(tau, 15.0, hurst), tau)
    assert length_factor(300.0, 15.0, hurst) == pytest.approx(1 - 2 * area / 300, abs=1e-5)


def test_the_mean_square_about_the_mean_of_a_line_is_the_factor():
    found = rough_edges((4000, 400), 1.0, 1.0, 20.0, 0.5, seed=1).var(axis=1)
    assert found.mean() == pytest.approx(length_factor(400.0, 20.0), abs=4 * found.std() / np.sqrt(found.size) + 1e-3)


@pytest.mark.parametrize("hurst", [0.3, 0.5, 1.0])
def test_spectrum_is_the_transform_of_the_correlation(hurst):
    f = 0.013
    found = 2 * 1.5**2 * integrate.quad(lambda t: correlation(np.array([t]), XI, hurst)[0], 0, np.inf, weight="cos",
                                        wvar=2 * np.pi * f)[0]  # fmt: skip
    assert spectrum(f, 1.5, XI, hurst) == pytest.approx(found, rel=1e-4)
    area = integrate.quad(lambda u: spectrum(np.exp(u), 1.5, XI, hurst) * np.exp(u), -20, 30)[0]
    assert 2 * area == pytest.approx(1.5**2, rel=1e-3)


@pytest.mark.parametrize(("hurst", "blur"), [(0.3, 0.5), (0.5, 1.5), (0.9, 3.0)])
def test_blurred_correlation_is_the_transform_of_the_filtered_spectrum(hurst, blur):
    lag = np.array([0.0, 1.0, 4.0, 11.0, 40.0])
    found = blurred_correlation(lag, 8.0, hurst, blur)
    for t, value in zip(lag, found, strict=True):
        truth = 2 * integrate.quad(
            lambda f, t=t: spectrum(f, 1.0, 8.0, hurst) * np.exp(-((2 * np.pi * f * blur) ** 2))
            * np.cos(2 * np.pi * f * t), 0, 3 / blur, limit=500,
        )[0]  # fmt: skip
        assert value == pytest.approx(truth, abs=2e-5)


def test_a_known_blur_is_undone(lines):
    fine = rough_lines.Lines(4 * SAMPLES, STEP / 4, 1.0, 10.0)
    random = np.random.default_rng(15)
    seen = rough_lines.blurred(fine(EDGES, random), 4 * 1.5)[:, ::4]
    e = rough_lines.noisy(seen, 0.3, random)
    r = roughness(e, STEP, blur_nm=1.5)
    assert r.flags == () and r.sigma_nm.low < 1 < r.sigma_nm.high and r.xi_nm.low < 10 < r.xi_nm.high
    assert {flag.name for flag in roughness(e, STEP).flags} & {"noise", "spectrum"}


@pytest.mark.parametrize("samples", [96, 97])
@pytest.mark.parametrize("detrend", [0, 1])
def test_expected_periodogram_against_dense_matrices(samples, detrend):
    record = Record(samples, 2.0, detrend)
    covariance = record.covariance(30.0, 0.7)
    trend = np.vander(np.arange(samples), detrend + 1)
    keep = np.eye(samples) - trend @ np.linalg.pinv(trend)
    wave = np.exp(-2j * np.pi * np.outer(record.frequency * 2.0, np.arange(samples))) @ keep
    dense = np.einsum("ki,ij,kj->k", wave, linalg.toeplitz(covariance), wave.conj()).real * 2.0 / samples
    assert record.expected(covariance) == pytest.approx(dense, rel=1e-9)
    random = np.random.default_rng(3).standard_normal((1, samples))
    direct = np.abs(wave @ random[0]) ** 2 * 2.0 / samples
    assert record.periodogram(record.detrended(random))[0] == pytest.approx(direct, rel=1e-9)


@pytest.mark.parametrize("hurst", [0.3, 0.5, 0.9])
def test_made_edges_have_the_covariance(hurst):
    made = rough_edges((6001, 120), 2.0, 1.3, 25.0, hurst, seed=4)
    for lag in (0, 1, 5, 40):
        products = np.mean(made[:, : 120 - lag] * made[:, lag:], axis=1)
        truth = rough_lines.covariance(np.array([0, 2.0 * lag]), 1.3, 25.0, hurst)[min(lag, 1)]
        assert products.mean() == pytest.approx(truth, abs=4 * products.std() / np.sqrt(6000))
    assert np.array_equal(made, rough_edges((6001, 120), 2.0, 1.3, 25.0, hurst, seed=4))
    assert abs(np.mean(made[:3000] * made[3001:])) < 0.02


@pytest.mark.parametrize(("xi", "noise", "hurst"), [(5.0, 1.5, 0.5), (40.0, 0.3, 0.5), (20.0, 0.8, 0.8)])
def test_sigma_is_unbiased_and_covered(xi, noise, hurst):
    made = rough_lines.Lines(1000, 1.0, 1.0, xi, hurst)
    found = []
    for seed in range(12):
        random = np.random.default_rng((seed, 5))
        found.append(roughness(rough_lines.noisy(made(50, random), noise, random), 1.0))
    good = [r for r in found if r.sigma_nm]
    assert len(good) >= 11
    for name, truth in (("sigma_nm", 1.0), ("xi_nm", xi), ("hurst", hurst), ("noise_nm", noise)):
        numbers = [getattr(r, name) for r in good]
        logs = np.log([n.value for n in numbers])
        assert abs(logs.mean() - np.log(truth)) < 4 * logs.std() / np.sqrt(len(good)) + 1e-3
        # 95 % of 12, give or take.
        assert sum(n.low <= truth <= n.high for n in numbers) >= 8
        # The intervals are as wide as the estimates scatter.
        width = np.mean([np.log(n.high / n.low) for n in numbers]) / (2 * 1.96)
        assert 0.5 < width / logs.std() < 2.0
    assert good[0].line_sigma_nm == pytest.approx(
        good[0].sigma_nm.value * length_factor(1000.0, good[0].xi_nm.value, good[0].hurst.value) ** 0.5
    )


def test_even_and_odd_records_detrended_either_way(lines):
    for samples, detrend in ((2000, "mean"), (1999, "line")):
        r = roughness(edges(lines, 8)[:, :samples], STEP, detrend=detrend)
        assert r.sigma_nm.low < 1 < r.sigma_nm.high and r.noise_nm.low < NOISE < r.noise_nm.high
    tilted = edges(lines, 8) + 0.01 * np.arange(SAMPLES)
    assert roughness(tilted, STEP).sigma_nm.value == pytest.approx(roughness(edges(lines, 8), STEP).sigma_nm.value)
    assert "drift" in {flag.name for flag in roughness(tilted, STEP, detrend="mean").flags}


def spoil(how, e, clean, random):
    return {
        "parabola": lambda: rough_lines.drifted(e, 0.3),
        "charging": lambda: rough_lines.settling(e, 2.0, 0.1),
        "blur": lambda: rough_lines.blurred(e, 1.0),
        "colour": lambda: rough_lines.coloured(clean, NOISE, 0.4, random),
        "shake": lambda: rough_lines.shaken(e, 0.1, random),
        "wave": lambda: rough_lines.waved(e, 0.2, 50.0),
        "misread": lambda: rough_lines.misread(e, 1e-4, 10.0, random),
        "pixels": lambda: np.round(e),
        "short": lambda: e[:, :150],
        "coarse": lambda: e[:, ::64],
        "noise": lambda: rough_lines.noisy(0.02 * clean, 1.0, random),
        "straight": lambda: 0 * e + 5.0,
        "silent": lambda: rough_lines.blurred(clean, 1.5),
    }[how]()


@pytest.mark.parametrize(
    ("how", "named"),
    [
        ("parabola", {"drift"}), ("charging", {"drift"}), ("blur", {"noise", "spectrum", "floor"}),
        ("colour", {"noise", "spectrum", "floor"}), ("shake", {"vibration"}), ("wave", {"vibration", "tone"}),
        ("misread", {"outliers"}), ("pixels", {"saturated"}), ("short", {"short"}), ("coarse", {"coarse", "weak"}),
        ("noise", {"weak"}), ("straight", {"weak"}), ("silent", {"floor"}),
    ],
)  # fmt: skip
def test_spoilt_edges_are_flagged_and_give_no_number(lines, how, named):
    random = np.random.default_rng(11)
    clean = rough_lines.Lines(150, STEP, 1.0, 40.0)(EDGES, random) if how == "short" else lines(EDGES, random)
    clean = rough_lines.Lines(8192, STEP, 1.0, XI)(EDGES, random) if how == "coarse" else clean
    r = roughness(
        spoil(how, rough_lines.noisy(clean, NOISE, random), clean, random), STEP * (64 if how == "coarse" else 1)
    )
    assert named & {flag.name for flag in r.flags} and all(flag.why for flag in r.flags)
    assert r.sigma_nm is r.xi_nm is r.hurst is r.noise_nm is r.line_sigma_nm is None
    assert r.psd.shape == r.model.shape == r.frequency.shape


def test_good_edges_are_rarely_flagged(lines):
    assert sum(bool(roughness(edges(lines, seed), STEP).flags) for seed in range(100, 112)) <= 1


@pytest.mark.parametrize("together", [-0.6, 0.0, 0.7])
def test_edges_of_a_line_that_move_together(lines, together):
    covered, shares, flagged = 0, [], 0
    for seed in range(5):
        random = np.random.default_rng((seed, 12))
        a, b = lines(EDGES, random), lines(EDGES, random)
        b = together * a + np.sqrt(1 - together**2) * b
        found = line_roughness(rough_lines.noisy(a, NOISE, random), 30 + rough_lines.noisy(b, NOISE, random), STEP)
        if found.correlation is None:
            flagged += 1
            continue
        shares.append(found.correlation)
        covered += found.edge.sigma_nm.low < 1 < found.edge.sigma_nm.high
        assert found.width.sigma_nm.value == pytest.approx(np.sqrt(2 * (1 - together)), rel=0.1)
        assert found.width.noise_nm.value == pytest.approx(np.sqrt(2) * NOISE, rel=0.1)
    assert flagged <= 1 and covered >= 3
    assert np.mean(shares) == pytest.approx(together, abs=0.08)


def test_intervals_widen_for_edges_that_move_together(lines):
    random = np.random.default_rng(13)
    a, b = lines(EDGES, random), lines(EDGES, random)
    left, right = (rough_lines.noisy(e, 0.3, random) for e in (a, 0.8 * a + 0.6 * b))
    found = line_roughness(left, right, STEP)
    widths = [np.log(r.sigma_nm.high / r.sigma_nm.low) for r in (found.edge, roughness(left, STEP))]
    assert widths[0] / widths[1] == pytest.approx(np.sqrt((1 + found.correlation**2) / 2), rel=0.1)


def test_a_width_that_does_not_vary_is_flagged(lines):
    random = np.random.default_rng(14)
    a = lines(EDGES, random)
    found = line_roughness(rough_lines.noisy(a, 0.3, random), 30 + rough_lines.noisy(a, 0.3, random), STEP)
    assert found.correlation is None and "weak" in {flag.name for flag in found.width.flags}


def test_what_cannot_be_measured_is_said():
    good = np.zeros((2, 100))
    with pytest.raises(InputError, match=r"edge 1 has samples that are not numbers"):
        roughness(np.vstack([good[0], np.full(100, np.nan)]), 1.0)
    with pytest.raises(InputError, match=r"64 samples or more"):
        roughness(good[:, :10], 1.0)
    with pytest.raises(InputError, match=r"\(edge, sample\)"):
        roughness(good[0], 1.0)
    with pytest.raises(InputError, match="differ in shape"):
        line_roughness(good, good[:1], 1.0)
    with pytest.raises(ConfigError, match="step"):
        roughness(good, 0.0)
    with pytest.raises(ConfigError, match="mean or line"):
        roughness(good, 1.0, detrend="cubic")
    with pytest.raises(ConfigError, match="positive"):
        length_factor(100.0, 0.0)
    with pytest.raises(ConfigError, match="positive"):
        rough_edges((2, 10), 0.0, 1.0, 5.0, seed=0)
