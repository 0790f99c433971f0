"""What chance does to a layout's print: spread of contacts' sizes, roughness of edges, probabilities of failure."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from .. import stochastics as chance
from ..design.images import aerial_images, scanner_of
from ..design.verify import CORE
from ..errors import ConfigError, InputError
from ..forward import Process, without_bias
from ..layout import Layout
from ..mask import made, reach_nm
from ..metrology.roughness import roughness as unbiased
from ..optics import band
from ..scale import split
from ..timing import Clock
from ..types import Grid, double
from ..writing import write_file
from .expose import condition
from .folder import refuse_existing
from .work import Progress, Work, area_um2, mask_figures, quiet, with_phases

# Drawn polygons up to this size, in lambda / NA, are contacts; those nearer than this may merge.
CONTACT, APART = 1.5, 1.5


@dataclass(frozen=True)
class Draws:
    """How an exposure is left to chance: at which condition (as for `expose`), how often, with which seed.

    `dose_mj_cm2` is what dose 1 stands for, in place of the setup's: the resist's sensitivity is scaled so that the
    mean print stays. `sources` are what is left to chance. `failures` contacts and pairs of neighbours, the nearest to
    failing, have their probabilities estimated to `relative_sigma`; more than `limit` of one is out of spec.
    """

    corner: str | None = None
    dose: float | None = None
    focus_nm: float | None = None
    dose_mj_cm2: float | None = None
    draws: int = 10
    seed: int = 0
    sources: tuple[chance.Source, ...] = chance.SOURCES
    pixel_nm: float | None = None
    failures: int = 1
    relative_sigma: float = 0.2
    limit: float | None = None


def stochastics(
    work: Work,
    draws: Draws | None = None,
    *,
    save: Path | None = None,
    force: bool = False,
    progress: Progress = quiet,
) -> dict:
    """Print a window again and again, each time with other photons, acid and quencher, and measure what differs.

    `save` writes an .npz: every contact's place and its size at every draw, edges, mean image and one drawn exposure.
    """
    draws = draws or Draws()
    if draws.draws < 2:
        raise ConfigError(f"a spread needs 2 draws or more, not {draws.draws}")
    if draws.failures < 0 or not 0 < draws.relative_sigma < 1:
        raise ConfigError("failures must not be negative, and their relative sigma must lie between 0 and 1")
    if save is not None:
        refuse_existing(save, force)
    clock = Clock()
    setup, window = work.setup(), work.window_nm()
    process = without_bias(setup.process)
    scanner = scanner_of(process)
    at = condition(process, draws.corner, draws.dose, draws.focus_nm)
    film = chance.film(process, draws.pixel_nm, draws.dose_mj_cm2, draws.sources)
    ring = CONTACT / scanner.na_over_lambda + film.reach_nm
    around = setup.tiles.halo_nm + ring + reach_nm(process.mask)
    layout, shifted = work.read(around), work.read_shifted(work.layout, around)
    drawn, conflicts = with_phases(process, layout, shifted)
    dose, focus = (float(double(value)) for value in (at.dose, at.focus_nm))
    image, grid = _mean_image(film.process, made(process.mask, drawn), (window, ring, film.pixel_nm), focus,
                              setup.tiles.halo_nm)  # fmt: skip
    here = film.on(dose * image)
    contacts = chance.find_contacts(layout, window, grid, CONTACT / scanner.na_over_lambda)
    edges = chance.find_edges(layout, window, film.pixel_nm, 0.35 / scanner.na_over_lambda)
    if not contacts.inside.any() and not len(edges):
        raise InputError(
            f"{work.layout}: no contact (up to {CONTACT / scanner.na_over_lambda:.3g} nm) and no straight edge of "
            f"{chance.FEWEST_SAMPLES * film.pixel_nm:.3g} nm in the window {work.window or 'of the cell'}"
        )
    random = np.random.default_rng(draws.seed)
    exposures = []
    for draw in here.draws(draws.draws, random):
        exposures += list(draw.surplus)
        progress("draws", len(exposures), draws.draws)
    found = {
        "corner": at.name,
        "dose": dose,
        "focus_nm": focus,
        **mask_figures(process, conflicts),
        "area_um2": area_um2(window),
        "resist": process.resist.kind,
        "dose_mj_cm2": film.dose_mj_cm2,
        "absorbed": film.absorbed,
        "photons_nm2": film.photons / film.pixel_nm**2,
        "acids_a_photon": film.acids_a_photon,
        "sources": list(film.sources),
        "pixel_nm": film.pixel_nm,
        "draws": draws.draws,
        "seed": draws.seed,
    }
    saved = {}
    found["contacts"] = found["edges"] = None
    if contacts.inside.any():
        sizes = chance.measured(contacts, exposures)
        found["contacts"] = _spread(sizes, chance.measured(contacts, [here.mean]))
        saved |= {"contact_xy_nm": contacts.middle_nm[contacts.inside], "cd_nm": sizes.cd_nm,
                  "missing": sizes.missing, "merged": sizes.merged}  # fmt: skip
    if len(edges):
        places, gaps = chance.traced(edges, exposures, here.mean, grid)
        found["edges"] = _rough(places, gaps, edges)
        saved |= {"edge_nm": places, "edge_step_nm": edges.step_nm}
    found["failures"] = _failures(here, contacts, draws, random, progress)
    worst = max((f["probability"] for f in found["failures"]), default=None)
    found["in_spec"] = draws.limit is None or (worst is not None and worst <= draws.limit)
    found["limit"] = draws.limit
    if save is not None:
        saved |= {"image": image, "surplus": exposures[0], "x_nm": grid.x_nm, "y_nm": grid.y_nm}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **saved)
        write_file(Path(save), buffer.getvalue(), parents=True)
    cost = clock.cost()
    return found | {"saved": str(save) if save is not None else None, "cpu_s": cost.cpu_s, "wall_s": cost.wall_s}


def _mean_image(process: Process, layers: Sequence[Layout], place, focus_nm: float, halo_nm: float):
    """Intensity at dose 1 [y, x] in a window and a ring around it, by Abbe in tiles, and its grid."""
    (x0, y0, x1, y1), ring, pixel = place
    around = (x0 - ring, y0 - ring, x1 + ring, y1 + ring)
    tiling = split(around, pixel, CORE / scanner_of(process).na_over_lambda, halo_nm)
    halo = tiling.halo_px
    image = np.empty(tiling.cores_shape)
    for number, found in enumerate(aerial_images([tuple(layers)], process, tiling.tiles, [focus_nm])):
        pixels = band.to_pixels(found[0, 0], tiling.tiles[number].grid)
        image[tiling.place(number)] = pixels[halo:-halo, halo:-halo]
    return image, Grid(tiling.cores_shape, pixel, around[:2])


def _spread(sizes: chance.Sizes, mean: chance.Sizes) -> dict:
    """Figures of contacts; sigma is that of one contact about its own mean over the draws, pooled."""
    draws, number = sizes.cd_nm.shape
    good = np.where(sizes.good, sizes.cd_nm, np.nan)
    count = sizes.good.sum(0)
    used = count > 1
    freedom = int((count[used] - 1).sum())
    centre = np.array([np.nanmean(column) if n else np.nan for column, n in zip(good.T, count, strict=True)])
    sigma = float(np.sqrt(np.nansum((good - centre)[:, used] ** 2) / freedom)) if freedom else None
    reach = None
    if sigma is not None:
        low, high = stats.chi2.ppf([0.025, 0.975], freedom)
        reach = [3 * sigma * float(np.sqrt(freedom / q)) for q in (high, low)]
    failed = {name: chance.Rate(int(getattr(sizes, name).sum()), draws * number) for name in ("missing", "merged")}
    return {
        "number": number,
        "without_noise_cd_nm": float(mean.cd_nm[mean.good].mean()) if mean.good.any() else None,
        "cd_nm": float(np.nanmean(good)) if freedom else None,
        "cd_sigma_nm": sigma,
        "lcdu_3sigma_nm": None if sigma is None else 3 * sigma,
        "lcdu_3sigma_95_nm": reach,
        **{name: rate.failed for name, rate in failed.items()},
        **{f"{name}_95": list(rate.interval) for name, rate in failed.items()},
    }


def _rough(places: np.ndarray, gaps: int, edges: chance.Edges) -> dict:
    """Figures of edges about their places without noise: no microscope, so nothing to take out."""
    found = dict.fromkeys(("sigma_nm", "sigma_95_nm", "ler_3sigma_nm", "xi_nm", "psd0_nm3"))
    if len(places):
        variance, samples = float((places**2).mean()), edges.samples
        spread = np.abs(np.fft.rfft(places, 2 * samples, axis=1)) ** 2
        lags = np.fft.irfft(spread.mean(0))[: samples // 4] / (samples - np.arange(samples // 4)) / variance
        below = np.flatnonzero(lags < np.exp(-1.0))
        last = int(below[0]) if below.size else None
        # Where the correlation has fallen to 1 / e, and how many independent samples the variance has.
        xi = None if last is None else last - (np.exp(-1.0) - lags[last]) / (lags[last - 1] - lags[last])
        near = lags[: int(np.argmax(lags < 0)) or None]
        freedom = places.size / (2 * (near**2).sum() - 1)
        low, high = stats.chi2.ppf([0.025, 0.975], freedom)
        found |= {
            "sigma_nm": np.sqrt(variance),
            "sigma_95_nm": [np.sqrt(variance * freedom / q) for q in (high, low)],
            "ler_3sigma_nm": 3 * np.sqrt(variance),
            "xi_nm": None if xi is None else xi * edges.step_nm,
            "psd0_nm3": float(unbiased(places, edges.step_nm, detrend="mean").psd[:3].mean()),
        }
    return {
        "number": len(edges),
        "traced": len(places),
        "with_gaps": gaps,
        "length_nm": edges.samples * edges.step_nm,
        **found,
    }


def _failures(here: chance.Chance, contacts: chance.Contacts, draws: Draws, random, progress: Progress) -> list[dict]:
    """Probabilities for the contacts that are nearest to missing without noise, and the pairs nearest to merging."""
    if not draws.failures or not contacts.inside.any():
        return []
    film, image = here.film, here.image
    pairs = contacts.neighbours(APART / scanner_of(film.process).na_over_lambda)
    lonely, close = chance.nearest(contacts, pairs, here.mean)
    chosen = [chance.missing(film, image, contacts, int(n)) for n in lonely[: draws.failures]]
    chosen += [chance.merged(film, image, contacts, tuple(pair)) for pair in close[: draws.failures].tolist()]
    found = []
    for event in chosen:
        clock = Clock()
        p = chance.probability(event, random, relative_sigma=draws.relative_sigma)
        progress("failures", len(found) + 1, len(chosen))
        found.append(
            {
                "kind": event.kind,
                "at_nm": list(event.at_nm),
                "probability": p.value,
                "relative_sigma": p.relative_sigma,
                "probability_95": list(p.interval),
                "trusted": p.trusted,
                "largest_share": p.largest_share,
                "draws": p.draws,
                "failed": p.failed,
                "cpu_s": clock.cost().cpu_s,
            }
        )
    return found
