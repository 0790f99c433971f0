"""Stochastics: how the spread of contacts follows the dose, rare failures against plain draws, and what they cost.

Contacts of 24 nm at a pitch of 40 nm, NA 0.33, thin mask, printed at 20 nm. `python benchmarks/stochastics.py` prints
all; names of functions choose. It takes some ten CPU-minutes.
"""

from common import report  # noqa: I001 sets the environment before JAX starts

import sys
from functools import cache

import numpy as np
from scipy.optimize import brentq

from actinic import stochastics as chance
from actinic.design.images import aerial_images
from actinic.jobs import load_setup
from actinic.layout import patterns
from actinic.mask import made
from actinic.optics import band
from actinic.scale import split
from actinic.timing import Clock
from actinic.types import Grid

SIZE, PITCH, PRINTED, PIXEL = 24.0, 40.0, 20.0, 2.0
DOSES = np.geomspace(10.0, 100.0, 6)
# Contacts an exposure, along one side, and exposures a dose.
ACROSS, DRAWS = 21, 6
# Repetitions of the estimate of a rare failure.
SEEDS = 8


@cache
def process(kind: str):
    return load_setup("euv-033", (), None, None if kind == "threshold" else kind).process


@cache
def image() -> np.ndarray:
    """One contact of an endless array [y, x]."""
    one = chance.film(process("threshold"), PIXEL).process
    side = 4 * PITCH
    cell = patterns.contacts(SIZE, (PITCH, PITCH), (0, 0, side, side))
    tile = split((0, 0, side, side), PIXEL, side, 0.0).tiles[0]
    ((found,),) = next(aerial_images([made(one.mask, (cell,))], one, [tile], [0.0]))
    return band.to_pixels(found, tile.grid)[: round(PITCH / PIXEL), : round(PITCH / PIXEL)]


def array(film: chance.Film, dose: float, across: int) -> tuple[chance.Chance, chance.Contacts]:
    """Contacts that stand whole on a periodic map of an odd number of pitches."""
    whole = np.tile(dose * image(), (across, across))
    side, half = across * PITCH, 0.5 * PITCH
    layout = patterns.contacts(SIZE, (PITCH, PITCH), (0, 0, side + PITCH, side + PITCH))
    return film.on(whole), chance.find_contacts(
        layout, (half, half, side - half, side - half), Grid(whole.shape, PIXEL), 60
    )


@cache
def to_size(kind: str) -> float:
    """Relative dose that prints the contact on size without noise."""
    film = chance.film(process(kind), PIXEL)

    def miss(dose: float) -> float:
        here, contacts = array(film, dose, 3)
        return float(np.nan_to_num(chance.measured(contacts, [here.mean]).cd_nm.mean())) - PRINTED

    return float(brentq(miss, 0.8, 1.8, xtol=1e-3))  # type: ignore[arg-type]


def spread(kind: str, dose_mj: float, sources=chance.SOURCES) -> tuple[np.ndarray, int]:
    """Sizes at one dose of the clear field that prints on size, and how many contacts failed."""
    relative = to_size(kind)
    here, contacts = array(chance.film(process(kind), PIXEL, dose_mj / relative, sources), relative, ACROSS)
    sizes = chance.measured(contacts, (h for d in here.draws(DRAWS, np.random.default_rng(1)) for h in d.surplus))
    return sizes.cd_nm[sizes.good], int((~sizes.good).sum())


def dose() -> None:
    """sigma(CD) over a decade of dose: its exponent, and a and b of sigma^2 = a / dose + b."""
    for kind, sources in (("threshold", ("photons",)), ("chemistry", ("photons",)), ("chemistry", chance.SOURCES)):
        rows = [spread(kind, float(d), sources) for d in DOSES]
        sigma = np.array([cd.std(ddof=1) for cd, _ in rows])
        relative = np.array([1 / np.sqrt(2 * (cd.size - 1)) for cd, _ in rows])
        least = np.polyfit(np.log(DOSES), np.log(sigma), 1, w=1 / relative, cov="unscaled")
        slope, error = least[0][0], np.sqrt(least[1][0, 0])
        (a, b), cov = np.polyfit(1 / DOSES, sigma**2, 1, w=1 / (2 * relative * sigma**2), cov="unscaled")
        report(
            "stochastics dose", resist=kind, sources=list(sources), relative_dose=to_size(kind),
            dose_mj_cm2=DOSES.round(2).tolist(), contacts=[cd.size for cd, _ in rows], failed=[f for _, f in rows],
            cd_nm=[round(float(cd.mean()), 3) for cd, _ in rows], lcdu_3sigma_nm=(3 * sigma).round(3).tolist(),
            exponent=slope, exponent_se=error,
            a_nm2_mj_cm2=a, a_se=np.sqrt(cov[0, 0]), b_nm2=b, b_se=np.sqrt(cov[1, 1]),
        )  # fmt: skip


def event(kind: str, relative: float, dose_mj: float) -> chance.Failure:
    """That the middle contact of an array is missing, at a relative dose of a resist of some speed."""
    here, contacts = array(chance.film(process(kind), PIXEL, dose_mj), relative * to_size(kind), 5)
    (middle,) = np.flatnonzero((contacts.middle_nm == 2 * PITCH).all(1))
    return chance.missing(here.film, here.image, contacts, int(middle))


def plain() -> None:
    """Plain draws, a million of the quick resist, beside the estimate; underdosed, so that a few are missing."""
    for kind, relative, dose_mj, number in (
        ("threshold", 0.76, 35.0, 10**6), ("threshold", 0.79, 35.0, 10**6), ("chemistry", 0.77, 35.0, 2 * 10**5)
    ):  # fmt: skip
        failure, random = event(kind, relative, dose_mj), np.random.default_rng(2)
        clock = Clock()
        p = chance.probability(failure, random, relative_sigma=0.05)
        cost, clock = clock.cost().cpu_s, Clock()
        rate = chance.counted(failure, number, random)
        report(
            "stochastics plain draws", resist=kind, under_size_dose=relative, dose_mj_cm2=dose_mj, draws=rate.draws,
            failed=rate.failed, rate=rate.value, rate_95=rate.interval, plain_cpu_s=clock.cost().cpu_s,
            probability=p.value, relative_sigma=p.relative_sigma, probability_95=p.interval, its_draws=p.draws,
            cpu_s=cost,
        )  # fmt: skip


def rare() -> None:
    """About one in a billion: time to a relative sigma of 20 %, and the spread of such estimates."""
    for kind, relative, dose_mj in (("threshold", 0.91, 35.0), ("chemistry", 0.95, 35.0)):
        failure = event(kind, relative, dose_mj)
        found, costs = [], []
        for seed in range(SEEDS):
            clock = Clock()
            found.append(chance.probability(failure, np.random.default_rng(seed), relative_sigma=0.2))
            costs.append(clock.cost().cpu_s)
        values = np.array([p.value for p in found])
        report(
            "stochastics rare", resist=kind, under_size_dose=relative, dose_mj_cm2=dose_mj, mean=values.mean(),
            seeds=SEEDS, spread_percent=100 * values.std(ddof=1) / values.mean(), trusted=sum(p.trusted for p in found),
            claimed_percent=100 * float(np.mean([p.relative_sigma for p in found])), draws=[p.draws for p in found],
            cpu_s_median=float(np.median(costs)), cpu_s_most=max(costs),
        )  # fmt: skip


def sources() -> None:
    """What each source brings at 40 mJ/cm2 on the clear field, and what the voxel's width changes."""
    for names in (("photons",), ("acid",), ("quencher",), chance.SOURCES):
        cd, failed = spread("chemistry", 40.0, names)
        report("stochastics sources", sources=list(names), contacts=cd.size, failed=failed, lcdu_3sigma_nm=3 * cd.std())


if __name__ == "__main__":
    for name in sys.argv[1:] or ("dose", "sources", "rare", "plain"):
        globals()[name]()
