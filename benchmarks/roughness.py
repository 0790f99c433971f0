"""Unbiased roughness on lines with known truth: bias, coverage of the intervals, what is flagged. Up to an hour."""

from common import report  # noqa: I001 sets the environment before JAX starts

import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import rough_lines
from scipy import ndimage

from actinic.metrology.roughness import line_roughness, roughness
from actinic.metrology.sem import Sem, line_distance, line_edges, sem_image
from actinic.types import Grid

SAMPLES, STEP_NM, EDGES, SIGMA_NM = 2000, 1.0, 26, 1.0
XI_NM, NOISE_NM = (5.0, 10.0, 20.0, 40.0), (0.3, 0.8, 1.5)
CELLS = [(xi, noise, 0.5) for xi in XI_NM for noise in NOISE_NM]
CELLS += [(xi, noise, hurst) for hurst in (0.3, 0.8) for xi in (5.0, 40.0) for noise in (0.3, 1.5)]
TRIALS, FEWER = 2000, 400
FLOOR_BAND = 0.1  # the share of the highest frequencies whose mean is called the floor


def main(what: set[str]) -> None:
    for part in (coverage, independent, sampling, detection, pictures):
        if not what or part.__name__ in what:
            part()


def coverage() -> None:
    """Every cell of the grid: L = 2000 nm, 26 edges, 1 nm apart; 2000 trials at a Hurst exponent of 1/2, else 400."""
    for xi, noise, hurst in CELLS:
        trials = TRIALS if hurst == 0.5 else FEWER
        report("roughness coverage", **_cell(SAMPLES, STEP_NM, EDGES, (xi, noise, hurst), trials))


def independent() -> None:
    """Sets of edges that together hold 5000 correlation lengths 2 xi: the bias of one such measurement."""
    for xi in XI_NM:
        edges = round(5000 * 2 * xi / (SAMPLES * STEP_NM))
        for noise in (NOISE_NM[0], NOISE_NM[-1]):
            report("roughness of 5000 independent samples", **_cell(SAMPLES, STEP_NM, edges, (xi, noise, 0.5), FEWER))


def sampling() -> None:
    """Other lengths, steps and numbers of edges."""
    for length, step, edges, xi in (
        (500, 1.0, 26, 10.0), (1000, 1.0, 26, 10.0), (2000, 1.0, 50, 10.0), (2000, 1.0, 6, 10.0),
        (2000, 2.0, 26, 10.0), (2001, 3.0, 26, 10.0), (2000, 5.0, 26, 10.0), (400, 1.0, 26, 40.0),
    ):  # fmt: skip
        report("roughness sampling", **_cell(round(length / step), step, edges, (xi, 0.5, 0.5), FEWER))


def _cell(samples: int, step: float, edges: int, truth: tuple[float, float, float], trials: int) -> dict:
    xi, noise, hurst = truth
    lines = rough_lines.Lines(samples, step, SIGMA_NM, xi, hurst)
    found, inside, raw, floor, flags = [], [], [], [], Counter()
    for trial in range(trials):
        random = np.random.default_rng((trial, int(10 * xi), int(10 * noise), int(10 * hurst)))
        r = roughness(rough_lines.noisy(lines(edges, random), noise, random), step)
        flags.update({flag.name for flag in r.flags})
        flags["any"] += bool(r.flags)
        # The classical way: variance about the mean less the floor at the highest frequencies.
        variance = 2 * (r.psd.sum() - 0.5 * r.psd[-1] * (samples % 2 == 0)) / (samples * step)
        white = r.psd[-int(FLOOR_BAND * r.psd.size) :].mean() / step
        raw.append(np.sqrt(variance))
        floor.append(np.sqrt(max(variance - white, 0)))
        if r.flags:
            continue
        numbers = r.sigma_nm, r.xi_nm, r.hurst, r.noise_nm
        found.append([n.value for n in numbers])
        inside.append([n.low <= t <= n.high for n, t in zip(numbers, (SIGMA_NM, xi, hurst, noise), strict=True)])
    values, kept = np.array(found).reshape(-1, 4), len(found)
    hits = np.array(inside).reshape(-1, 4).sum(axis=0)
    return {
        "xi_nm": xi, "noise_nm": noise, "hurst": hurst, "edges": edges, "samples": samples, "step_nm": step,
        "trials": trials, "given": kept,
        "bias_percent": _percent(values[:, 0]),
        "spread_percent": 100 * float(values[:, 0].std()) if kept else None,
        "covered_percent": {n: 100 * h / kept for n, h in zip(("sigma", "xi", "hurst", "noise"), hits, strict=True)}
        if kept else None,
        "raw_bias_percent": _percent(np.array(raw)), "floor_bias_percent": _percent(np.array(floor)),
        "flags": dict(flags),
    }  # fmt: skip


def _percent(sigma: np.ndarray) -> list[float] | None:
    """Mean error of sigma and its standard error."""
    if not sigma.size:
        return None
    return [100 * (sigma.mean() / SIGMA_NM - 1), 100 * sigma.std() / SIGMA_NM / np.sqrt(sigma.size)]


def spoilt(random):
    """Named ways to spoil edges of xi 20 nm with 0.5 nm of noise, each with what it does to a good set."""
    clean = rough_lines.Lines(SAMPLES, STEP_NM, SIGMA_NM, 20.0)(EDGES, random)
    noise = rough_lines.noisy(clean, 0.5, random)
    return {
        "nothing": noise,
        **{f"parabola {a} nm rms": rough_lines.drifted(noise, a) for a in (0.1, 0.2, 0.3, 0.5)},
        **{f"settling {a} nm in 10 %": rough_lines.settling(noise, a, 0.1) for a in (1.0, 2.0, 4.0)},
        **{f"smoothed {a} samples": rough_lines.blurred(noise, a) for a in (0.4, 0.5, 0.7, 1.0, 2.0)},
        **{f"noise correlated {a}": rough_lines.coloured(clean, 0.5, a, random) for a in (0.2, 0.4, 0.6)},
        **{f"rows shaken {a} nm": rough_lines.shaken(noise, a, random) for a in (0.05, 0.1, 0.2)},
        **{f"wave {a} nm rms, 50 nm": rough_lines.waved(noise, a, 50.0) for a in (0.05, 0.1, 0.2)},
        **{f"1e-4 misread by {a} nm": rough_lines.misread(noise, 1e-4, a, random) for a in (5.0, 10.0)},
        **{f"rounded to {a} nm": np.round(noise / a) * a for a in (0.1, 0.5, 1.0)},
    }


def detection() -> None:
    """Share of spoilt sets that are flagged, and how far sigma is off where they are not."""
    flagged, flags, off, trials = Counter(), {}, {}, 200
    for trial in range(trials):
        for name, edges in spoilt(np.random.default_rng((trial, 77))).items():
            r = roughness(edges, STEP_NM)
            flagged[name] += bool(r.flags)
            flags.setdefault(name, Counter()).update({flag.name for flag in r.flags})
            if r.sigma_nm:
                off.setdefault(name, []).append(r.sigma_nm.value)
    for name in flags:
        missed = _percent(np.array(off.get(name, [])))
        report(
            "roughness of spoilt edges", what=name, trials=trials, flagged_percent=100 * flagged[name] / trials,
            flags=dict(flags[name]), bias_of_missed_percent=missed,
        )  # fmt: skip


def pictures() -> None:
    """The whole way: edges, picture, edges found, roughness; 8 lines of 22 nm at a pitch of 44, 1000 rows of 1 nm."""
    clean = {f"{e} electrons, xi {xi} nm": (Sem(electrons=e), xi, 0.0) for e in (30.0, 120.0) for xi in (8.0, 20.0)}
    sem = Sem(electrons=60.0)
    bad = {
        "charging, 4 nm settling in 20 %": (replace(sem, drift_nm=4.0, settling=0.2), 15.0, 0.0),
        "vibration, 0.2 nm rms, 50 nm": (replace(sem, wave_nm=0.2), 15.0, 0.0),
        "rows shaken, 0.3 nm rms": (replace(sem, jitter_nm=0.3), 15.0, 0.0),
        "picture smoothed, 1 pixel": (sem, 15.0, 1.0),
    }
    for name, (sem, xi, smooth) in (clean | bad).items():
        trials = 40 if name in clean else 10
        found = [_picture(sem, xi, smooth, seed) for seed in range(trials)]
        roughs = [r for _, _, _, r in found]
        sigmas = [r.edge.sigma_nm for r in roughs if r.edge.sigma_nm]
        flags = Counter(flag for r in roughs for flag in {flag.name for flag in r.edge.flags})
        off, scatter, predicted = (np.array([f[k] for f in found]) for k in range(3))
        report(
            "roughness from pictures", what=name, trials=trials, flagged=trials - len(sigmas), flags=dict(flags),
            edge_outside_nm=float(off.mean()), edge_outside_spread_nm=float(off.std()),
            noise_nm=float(scatter.mean()), noise_predicted_nm=float(predicted.mean()),
            noise_fitted_nm=float(np.mean([r.edge.noise_nm.value for r in roughs if r.edge.noise_nm] or [np.nan])),
            bias_percent=_percent(np.array([s.value for s in sigmas])),
            covered=sum(s.low <= SIGMA_NM <= s.high for s in sigmas),
        )  # fmt: skip


def _picture(sem: Sem, xi: float, smooth: float, seed: int):
    """Mean distance of the found edges outside the true ones, noise as measured and as predicted, roughness."""
    lines, rows, pitch, half = 8, 1000, 44.0, 11.0
    grid = Grid((2 * rows, round(2 * lines * pitch)), 0.5)
    random = np.random.default_rng((seed, int(xi)))
    rough = rough_lines.Lines(2 * rows, 0.5, SIGMA_NM, xi)(2 * lines, random)
    middle = (np.arange(lines)[:, None] + 0.5) * pitch
    left, right = middle - half + rough[:lines], middle + half + rough[lines:]
    grey = sem_image(line_distance(left, right, grid), grid, sem, seed=seed)
    grey = ndimage.gaussian_filter(grey, smooth) if smooth else grey
    found = line_edges(grey, sem.pixel_nm)
    off = []
    for edge, seen, sign in ((left, found.left_nm, -1), (right, found.right_nm, 1)):
        shown = rough_lines.blurred(edge, 2 * sem.beam_nm).reshape(lines, rows, 2).mean(axis=2) - 0.5
        off.append(sign * (seen - shown))
    scatter = np.std([o - o.mean(axis=1, keepdims=True) for o in off])
    blur = np.hypot(sem.beam_nm, sem.pixel_nm / np.sqrt(12))
    rough = line_roughness(found.left_nm, found.right_nm, sem.pixel_nm, blur)
    return np.mean(off), scatter, np.sqrt(np.mean(found.noise_nm**2)), rough


if __name__ == "__main__":
    main(set(sys.argv[1:]))
