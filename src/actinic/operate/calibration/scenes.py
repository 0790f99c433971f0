"""The structures that gauges stand on, and their images for any state of the machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import equinox as eqx
import numpy as np
from pydantic import Field

from ...errors import ConfigError
from ...forward import Process, thinned
from ...layout import Layout, clipped, coverage
from ...mask import AlternatingPSM, made, transmitted
from ...optics import Scanner, abbe, band
from ...types import Grid, Scalar, double, leaf
from .lines import coherence, lines_grid, lines_samples
from .measured import Cut, Lines, Measurement

# Cuts with middles no further apart share an image.
SHARED_NM = 500.0
# How far the aperture and the source may grow before a mask's spectrum is too short.
GROWTH = 1.15


class Machine(eqx.Module):
    """A process, and what its settings of focus and dose really mean.

    A gauge exposed at `focus_nm` and `dose` sees focus_nm + focus_offset_nm and dose x dose_scale.
    """

    process: Process
    focus_offset_nm: Annotated[Scalar, Field(ge=-5000, le=5000, json_schema_extra={"unit": "nm"})] = leaf(default=0.0)
    dose_scale: Annotated[Scalar, Field(gt=0, lt=10)] = leaf(default=1.0)

    def __check_init__(self):
        if not isinstance(self.process.scanner, Scanner):
            raise ConfigError("these optics are kernels of one tile; only a scanner, such as krf-dry, has settings")
        if getattr(self.process.scanner, "flare", None) is not None:
            raise ConfigError("gauges are calibrated without flare: take process.scanner.flare out")
        if isinstance(self.process.mask, AlternatingPSM):
            raise ConfigError("gauges on alternating masks cannot be calibrated: their lines differ in phase")


@dataclass(frozen=True)
class Drawn:
    """The layout that cuts refer to; tiles around them reach `halo_nm` further, rasterised at `pixel_nm`."""

    layout: Layout
    halo_nm: float = 1200.0
    pixel_nm: float = 5.0


@dataclass(frozen=True)
class View:
    """One structure at one focus setting and exposure, and which measurements see it.

    `dose` is 1 for a resist whose latent image grows in proportion to it: then one view serves every dose.
    """

    structure: int
    focus_nm: float
    dose: float
    members: np.ndarray


@dataclass(frozen=True)
class Scenes:
    """All structures of a set of measurements: first the lines, then tiles of the layout."""

    lines: tuple[Lines, ...]
    tiles: tuple[Grid, ...]
    grids: tuple[Grid, ...]  # of lines, then tiles
    spectra: np.ndarray  # complex (tile, fy, fx) of the drawn coverage
    structure: np.ndarray  # (measurement,)
    views: tuple[View, ...]

    def aerials(self, machine: Machine) -> list[np.ndarray]:
        """Intensity samples [y, x] of every view at dose 1; give the machine in float64."""
        scanner, mask = machine.process.scanner, double(thinned(machine.process)).mask
        images: dict[tuple[int, float], np.ndarray] = {}
        for lines, focuses in self._alike().items():
            pairs = coherence(scanner, lines, np.array(focuses) + machine.focus_offset_nm, machine.process.film)
            for structure, drawn in enumerate(self.lines):
                if (drawn.pitch_nm, drawn.axis) == (lines.pitch_nm, lines.axis):
                    series = [lines_samples(pair, mask, drawn) for pair in pairs]
                    images |= {(structure, focus): image for focus, image in zip(focuses, series, strict=True)}
        amplitudes = [transmitted(mask, spectrum) for spectrum in self.spectra]
        for focus in {view.focus_nm for view in self.views if view.structure >= len(self.lines)}:
            place = self.tiles[0], focus + machine.focus_offset_nm
            tiled = abbe.aerial(scanner, np.stack(amplitudes), *place, machine.process.film)
            images |= {(len(self.lines) + n, focus): image for n, image in enumerate(tiled)}
        return [images[view.structure, view.focus_nm] for view in self.views]

    def _alike(self) -> dict[Lines, list[float]]:
        """One structure of each pitch and axis, and the focus settings at which lines of that pitch are seen."""
        first: dict[tuple, Lines] = {}
        focuses: dict[Lines, set[float]] = {}
        for view in self.views:
            if view.structure < len(self.lines):
                lines = self.lines[view.structure]
                one = first.setdefault((lines.pitch_nm, lines.axis), lines)
                focuses.setdefault(one, set()).add(view.focus_nm)
        return {lines: sorted(found) for lines, found in focuses.items()}

    def latents(self, machine: Machine, aerials: Sequence[np.ndarray]) -> list[np.ndarray]:
        """What the resist sees of the given aerial images, at dose 1 or at the dose of a resist that is not linear."""
        resist = machine.process.resist
        seen = []
        for view, aerial in zip(self.views, aerials, strict=True):
            exposed = aerial if resist.linear else aerial * (view.dose * machine.dose_scale)
            seen.append(resist.latent(exposed, self.grids[view.structure].period_nm))
        return seen


def scenes(measurements: Sequence[Measurement], process: Process, drawn: Drawn | None = None) -> Scenes:
    """The structures of some measurements. Cuts need the layout they refer to."""
    lines = tuple(dict.fromkeys(m.site for m in measurements if isinstance(m.site, Lines)))
    cuts = [m for m in measurements if isinstance(m.site, Cut)]
    if cuts and drawn is None:
        raise ConfigError(f"gauge {cuts[0].name} is a cut in a layout: say which, for example --layout chip.oas")
    tiles, tile_of, spectra = (), {}, np.zeros((0, 1, 1), complex)
    if cuts and drawn is not None:
        tiles, tile_of = _tiles(cuts, drawn)
        spectra = _spectra(tiles, process, drawn)
    structure = np.array(
        [lines.index(m.site) if isinstance(m.site, Lines) else len(lines) + tile_of[m.site] for m in measurements]
    )
    seen: dict[tuple[int, float, float], list[int]] = {}
    for place, (s, m) in enumerate(zip(structure, measurements, strict=True)):
        seen.setdefault((int(s), m.focus_nm, 1.0 if process.resist.linear else m.dose), []).append(place)
    views = tuple(View(*condition, np.array(members)) for condition, members in seen.items())
    grids = (*map(lines_grid, lines), *tiles)
    return Scenes(lines, tiles, grids, spectra, structure, views)


def _tiles(cuts: list[Measurement], drawn: Drawn) -> tuple[tuple[Grid, ...], dict]:
    """Tiles of one shape, and for each cut which of them it lies in the middle of."""
    sites = list(dict.fromkeys(m.site for m in cuts))
    middles = np.array([site.middle_nm for site in sites])
    length = max(site.length_nm for site in sites)
    free, tile_of, centres, spread = np.ones(len(sites), bool), {}, [], 0.0
    for place in range(len(sites)):
        if not free[place]:
            continue
        near = free & (np.abs(middles - middles[place]).max(axis=1) <= SHARED_NM)
        low, high = middles[near].min(axis=0), middles[near].max(axis=0)
        spread = max(spread, float((high - low).max()))
        tile_of |= {sites[n]: len(centres) for n in np.flatnonzero(near)}
        centres.append((low + high) / 2)
        free &= ~near
    n = band.fast_length(int(np.ceil((2 * drawn.halo_nm + length + spread) / drawn.pixel_nm)))
    corners = [np.round((c - n * drawn.pixel_nm / 2) / drawn.pixel_nm) * drawn.pixel_nm for c in centres]
    return tuple(Grid((n, n), drawn.pixel_nm, (float(x), float(y))) for x, y in corners), tile_of


def _spectra(tiles: tuple[Grid, ...], process: Process, drawn: Drawn) -> np.ndarray:
    scanner = process.scanner
    period = tiles[0].period_nm
    ky, kx = scanner.orders(period, scanner.source_points(period)[0])
    orders = int(np.ceil(GROWTH * ky)), int(np.ceil(GROWTH * kx))
    [shapes] = made(process.mask, (drawn.layout,))
    covered = (coverage(clipped(shapes, grid.window_nm), grid).astype(float) for grid in tiles)
    return np.stack([band.mask_spectrum(c, orders) for c in covered])
