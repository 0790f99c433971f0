"""Verification of a mask by the reference path: Abbe in float64, never by the optimiser's arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from ..forward import Process, anchored, distinct_focus, without_bias
from ..layout import Layout, clipped, coverage, merged
from ..mask import made
from ..metrology import (
    Defect,
    EpeSummary,
    Gauges,
    Print,
    Widths,
    area_fraction,
    edge_placement,
    gauges,
    print_defects,
    printed_widths,
    spline,
    summary,
)
from ..optics import band
from ..scale import split
from ..types import Grid, Image, double
from .images import aerial_images, scanner_of

# Image kept around the window so that a gauge on its rim still sees 100 nm to both sides.
MARGIN_NM = 200.0
# Cores are this wide at most, in lambda / NA. The source points of a tile lie on a lattice that its period decides, and
# with coarse lattices the image differs by 0.3 nm from tile to tile; larger ones cost more (docs/verify.md).
CORE = 34.0
# Lines and spaces wider than this, in lambda / NA, are not looked at for pinches and bridges.
NARROW = 2.0
# Prints and targets smaller than a square of this side, in lambda / NA, are no defects.
SLIVER = 0.05


@dataclass(frozen=True)
class Verification:
    """What a mask prints in a window, against the target."""

    target: Layout
    mask: Layout
    window_nm: tuple[float, float, float, float]
    gauges: Gauges
    epe_nm: np.ndarray  # (n,) signed, failed ones count 100
    failed: np.ndarray  # bool (n,)
    summary: EpeSummary
    latent: Image  # nominal, over the window
    threshold: float
    printed_above: bool
    outer: np.ndarray  # bool [y, x]: printed at some corner
    inner: np.ndarray  # bool [y, x]: printed at every corner
    pv_band_nm: float
    defects: Sequence[Defect] = ()  # over all corners
    sliver_nm2: float = 0.0  # prints smaller than this are none
    prints: Sequence[Print] = ()  # of every corner, the window and its margin
    at_corners_nm: np.ndarray | None = None  # (corner, n) EPE of the gauges
    across: np.ndarray | None = None  # (n,) cosine between a gauge and the normal of the printed edge on it
    widths: Widths | None = None  # narrowest over all corners

    @property
    def local_band_nm(self) -> np.ndarray:
        """How far the printed edge moves at each gauge over the corners, square to itself, (n,).

        A gauge on a jog can lie along the print, where it moves by much for next to nothing.
        """
        if self.at_corners_nm is None:
            return np.zeros(len(self.gauges))
        return np.ptp(self.at_corners_nm, axis=0) * (1.0 if self.across is None else self.across)


def corner_distance_nm(process: Process) -> float:
    """How far from a corner a gauge must stay: 0.35 lambda / NA."""
    return 0.35 / scanner_of(process).na_over_lambda


def verify(
    target: Layout,
    masks: Sequence[Layout | tuple[Layout, ...]],
    process: Process,
    window_nm: tuple[float, float, float, float],
    *,
    pitch_nm: float = 10.0,
    core_nm: float | None = None,
    halo_nm: float = 1200.0,
    sites: Gauges | None = None,
) -> list[Verification]:
    """Print masks by Abbe in tiles and measure them at the gauges of the target, one result for each mask.

    Tiles have cores of at most `core_nm`, 34 lambda / NA by default.

    A mask is its polygons as drawn, one layout for each layer; bias and corner rounding are applied here. Layouts
    must reach `halo_nm` and the margin beyond the window. `pitch_nm` samples the images, half of it the masks.
    `sites` are the gauges to measure at, where they are not those of the target's edges.
    """
    process = anchored(without_bias(process))
    focus_of, focuses = distinct_focus(process)
    x0, y0, x1, y1 = window_nm
    around = (x0 - MARGIN_NM, y0 - MARGIN_NM, x1 + MARGIN_NM, y1 + MARGIN_NM)
    tiling = split(around, pitch_nm, core_nm or CORE / scanner_of(process).na_over_lambda, halo_nm)
    halo = tiling.halo_px
    shape = tiling.cores_shape
    drawn = [mask if isinstance(mask, tuple) else (mask,) for mask in masks]
    shapes = [made(process.mask, layers) for layers in drawn]
    exact = double(process)
    exposures, seen_by = _exposures(exact, focus_of)
    latent = np.empty((len(masks), len(exposures), *shape), np.float32)
    tiles = tiling.tiles
    for number, images in enumerate(aerial_images(shapes, process, tiles, focuses)):
        on, place = tiles[number].grid, tiling.place(number)
        for m, (e, (focus, dose)) in product(range(len(masks)), enumerate(exposures)):
            seen = exact.resist.latent(dose * images[m, focus], on.period_nm)
            latent[m, e][place] = band.to_pixels(seen, on)[halo:-halo, halo:-halo]
    grid = Grid(shape, pitch_nm, around[:2])
    found = gauges(target, window_nm, corner_nm=corner_distance_nm(process)) if sites is None else sites
    together = [
        first if not more else merged([ring for layer in (first, *more) for ring in layer.contours], first.dbu_nm)
        for first, *more in drawn
    ]
    return [
        _measured(target, mask, process, window_nm, found, grid, latent[m], seen_by) for m, mask in enumerate(together)
    ]


def _exposures(process: Process, focus_of: tuple[int, ...]) -> tuple[list, list]:
    """The (focus, dose) of every latent image to compute, and for each corner which of them, times what."""
    doses = [float(corner.dose) ** process.dose_power for corner in process.corners]
    if process.resist.linear:
        return [(focus, 1.0) for focus in sorted(set(focus_of))], list(zip(focus_of, doses, strict=True))
    corners = list(zip(focus_of, doses, strict=True))
    different = list(dict.fromkeys(corners))
    return different, [(different.index(corner), 1.0) for corner in corners]


def _measured(target, mask, process, window_nm, found, grid, latent, corners) -> Verification:
    threshold, above = float(double(process.resist).threshold), process.printed_above
    nominal = latent[corners[0][0]] * corners[0][1]
    # A dose on a linear resist is the threshold of another level.
    images = list(latent)
    shown = [
        Print(corner.name, images[e], grid, threshold / factor, above)
        for corner, (e, factor) in zip(process.corners, corners, strict=True)
    ]
    placed = [edge_placement(p.values, grid, p.level, found, above) for p in shown]
    epe, failed = placed[0]
    columns = np.flatnonzero((grid.x_nm > window_nm[0]) & (grid.x_nm < window_nm[2]))
    rows = np.flatnonzero((grid.y_nm > window_nm[1]) & (grid.y_nm < window_nm[3]))
    inside = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    # Height of the image above the threshold, in the direction that prints.
    sign = 1 if above else -1
    heights = [sign * (factor * latent[e] - threshold) for e, factor in corners]
    outer, inner = np.max(heights, 0), np.min(heights, 0)
    band_area = (area_fraction(outer) - area_fraction(inner))[inside].sum() * grid.pitch_nm**2
    edges = clipped(target, window_nm).edges_nm
    perimeter = np.hypot(edges[:, 2] - edges[:, 0], edges[:, 3] - edges[:, 1]).sum()
    sliver = (SLIVER / scanner_of(process).na_over_lambda) ** 2
    where = [coverage(clipped(layout, grid.window_nm), grid) >= 0.5 for layout in (target, mask)]
    prints = ((corner.name, height > 0) for corner, height in zip(process.corners, heights, strict=True))
    defects = print_defects(prints, *where, grid, window_nm, sliver)
    corner = tuple(o + int(n[0]) * grid.pitch_nm for o, n in zip(grid.origin_nm, (columns, rows), strict=True))
    window_grid = Grid((len(rows), len(columns)), grid.pitch_nm, corner)
    return Verification(
        target=target,
        mask=mask,
        window_nm=window_nm,
        gauges=found,
        epe_nm=epe,
        failed=failed,
        summary=summary(epe, failed, found.kind),
        latent=Image(nominal[inside], window_grid, "latent"),
        threshold=threshold,
        printed_above=above,
        outer=outer[inside] > 0,
        inner=inner[inside] > 0,
        pv_band_nm=float(band_area / perimeter) if perimeter else 0.0,
        defects=defects,
        sliver_nm2=sliver,
        prints=shown,
        at_corners_nm=np.stack([at for at, _ in placed]),
        across=_across(nominal, grid, found, epe),
        widths=printed_widths(
            target,
            shown,
            window_nm,
            corner_nm=corner_distance_nm(process),
            reach_nm=NARROW / scanner_of(process).na_over_lambda,
        ),
    )


def _across(nominal: np.ndarray, grid: Grid, sites: Gauges, epe_nm: np.ndarray) -> np.ndarray:
    """Cosine (n,) between each gauge's normal and that of the contour through the printed edge on it."""
    image = spline(nominal, grid)
    x, y = sites.x_nm + epe_nm * sites.nx, sites.y_nm + epe_nm * sites.ny
    steep = np.hypot(image.slope(x, y, 1.0, 0.0), image.slope(x, y, 0.0, 1.0))
    return np.abs(image.slope(x, y, sites.nx, sites.ny)) / np.maximum(steep, 1e-300)
