"""Print a window of a layout at one condition and hand out every stage."""

import io
from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from ..design import Setup
from ..design.images import aerial_images
from ..errors import ConfigError
from ..forward import Corner, Process, anchored, fast, prepare, rigorous, thick_aerial
from ..layout import Layout, clipped, coverage
from ..mask import made, reach_nm
from ..metrology import area_fraction, contours
from ..optics import KernelFile, band
from ..scale import Tile, split
from ..types import Grid, double
from ..writing import write_file
from .folder import refuse_existing
from .work import Window, Work, area_um2, data_folder, mask_figures, with_phases

# Samples of a rigorous cell for each pixel: its walls stand between pixels.
CELL_SAMPLES = 4

STAGES = {"coverage": "area fraction", "aerial": "clear field = 1", "latent": "clear field = 1", "printed": "0 or 1"}


def expose(
    work: Work,
    *,
    corner: str | None = None,
    dose: float | None = None,
    focus_nm: float | None = None,
    save: Path | None = None,
    force: bool = False,
) -> dict:
    """Print the drawn polygons as a mask, at a corner of the setup or at a dose and focus of one's own.

    `save` writes an .npz with every stage [y, x], the sample positions `x_nm` and `y_nm`, the printed contours
    (`contour_xy_nm`, split at `contour_starts`), and the units.
    """
    if save is not None:
        refuse_existing(save, force)
    setup = work.setup()
    at = condition(setup.process, corner, dose, focus_nm)
    process = replace(anchored(setup.process), corners=(at,))
    window = work.window_nm()
    images, grid, polygons, conflicts = (_cell if rigorous(process) else _tiled)(work, setup, process, window)
    threshold = float(double(process.resist).threshold)
    images["printed"] = ((images["latent"] >= threshold) == process.printed_above).astype(np.float32)
    loops = contours(images["latent"], grid, threshold)
    if save is not None:
        _save(save, images, grid, loops, threshold)
    pixel = grid.pitch_nm**2 * 1e-6
    height = (images["latent"] - threshold) * (1 if process.printed_above else -1)
    printed = float(area_fraction(height).sum()) * pixel
    return {
        "corner": at.name,
        "dose": float(double(at.dose)),
        "focus_nm": float(double(at.focus_nm)),
        **mask_figures(process, conflicts),
        "area_um2": area_um2(window),
        "drawn_area_um2": sum(clipped(layer, window).area_nm2 for layer in polygons) * 1e-6,
        "printed_area_um2": printed,
        "intensity_max": float(images["aerial"].max()),
        "intensity_min": float(images["aerial"].min()),
        "threshold": threshold,
        "contours": len(loops),
        "pitch_nm": grid.pitch_nm,
        "shape": list(grid.shape),
        "saved": str(save) if save is not None else None,
    }


def _tiled(work: Work, setup: Setup, process: Process, window: Window):
    """Images of a window in tiles, their grid, the drawn polygons and the phase conflicts."""
    if isinstance(process.scanner, KernelFile):
        tiling, folder = split(window, 1.0, process.scanner.period_nm, 0.0), data_folder()
    else:
        pitch = setup.check_nm
        tiling, folder = split(window, pitch, setup.tiles.core_nm, setup.tiles.halo_nm), None
    halo, shape = tiling.halo_px, tiling.cores_shape
    around = halo * tiling.pixel_nm + reach_nm(process.mask)
    layout, shifted = work.read(around), work.read_shifted(work.layout, around)
    drawn, conflicts = with_phases(process, layout, shifted)
    layers = made(process.mask, drawn)
    images = {name: np.empty(shape, np.float32) for name in ("coverage", "aerial", "latent")}
    imaged = _by_source if fast(process) else _by_systems
    image_of = imaged(process, layers, Grid(tiling.tiles[0].grid.shape, tiling.pixel_nm), folder)
    for number, tile in enumerate(tiling.tiles):
        (cy, cx), place = tiling.core_px, tiling.place(number)
        for image, values in zip(images.values(), image_of(tile), strict=True):
            image[place] = np.asarray(values)[halo : halo + cy, halo : halo + cx]
    grid = Grid(shape, tiling.pixel_nm, window[:2])
    # The last tiles may reach beyond the window.
    rows, columns = int(np.sum(grid.y_nm < window[3])), int(np.sum(grid.x_nm < window[2]))
    images = {name: image[:rows, :columns] for name, image in images.items()}
    if not rows or not columns:
        raise ConfigError(f"window {work.window!r} holds no pixel of {grid.pitch_nm:g} nm: make it larger")
    # Shifted glass beside chrome is part of the surroundings.
    polygons = drawn if process.printed_above else drawn[:1]
    return images, Grid((rows, columns), grid.pitch_nm, grid.origin_nm), polygons, conflicts


def _by_systems(process: Process, layers: tuple[Layout, ...], grid: Grid, folder: Path | None):
    """Coverage, aerial and latent image on the pixels of a tile, by coherent systems."""
    imaging = prepare(process, grid, folder)

    def image_of(tile: Tile):
        each = [coverage(clipped(layer, tile.grid.window_nm), tile.grid) for layer in layers]
        covered = jnp.asarray(each[0] if len(each) == 1 else np.stack(each))
        aerial = imaging.aerial(covered)
        return sum(each), *(imaging.pixels(samples)[0] for samples in (aerial, imaging.seen(aerial)))

    return image_of


def _by_source(process: Process, layers: tuple[Layout, ...], grid: Grid, folder: Path | None):
    """The same by Abbe, of a mask that is not the same for all of the source."""
    exact, corner = double(process), process.corners[0]
    focus, dose = (float(double(value)) for value in (corner.focus_nm, corner.dose))

    def image_of(tile: Tile):
        ((aerial,),) = next(aerial_images([layers], process, [tile], [focus]))
        latent = exact.resist.latent(dose * aerial, tile.grid.period_nm)
        covered = coverage(clipped(layers[0], tile.grid.window_nm), tile.grid)
        return covered, *(band.to_pixels(samples, tile.grid) for samples in (aerial, latent))

    return image_of


def _cell(work: Work, setup: Setup, process: Process, window: Window):
    """The same of a window that is one period of a mask whose topography is solved for."""
    pitch = setup.check_nm
    shape = tuple(round((window[i + 2] - window[i]) / pitch) for i in (1, 0))
    grid = Grid(shape, pitch, window[:2]) if min(shape) > 0 else None
    if grid is None or any(abs(a - b) > 1e-6 for a, b in zip(grid.window_nm, window, strict=True)):
        raise ConfigError(
            f"a rigorous mask is one period, the window, of whole pixels of {pitch:g} nm: give such a --window"
        )
    drawn = clipped(work.read(reach_nm(process.mask)), window)
    (layer,) = made(process.mask, (drawn,), window)
    covered = coverage(clipped(layer, window), grid)
    fine = grid.with_pitch(pitch / CELL_SAMPLES)
    inside = coverage(clipped(layer, window), fine).astype(float)
    openings = inside if process.printed_above else 1 - inside
    for axis in (0, 1):
        if np.ptp(openings, axis=axis).max() < 1e-6:
            openings = openings.mean(axis, keepdims=True)
    exact, corner = double(process), process.corners[0]
    aerial = thick_aerial(process, openings, grid, float(double(corner.focus_nm)))
    latent = exact.resist.latent(float(double(corner.dose)) * aerial, grid.period_nm)
    images = {"coverage": covered, "aerial": band.to_pixels(aerial, grid), "latent": band.to_pixels(latent, grid)}
    return {name: np.asarray(image, np.float32) for name, image in images.items()}, grid, (drawn,), ()


def condition(process: Process, name: str | None, dose: float | None, focus_nm: float | None) -> Corner:
    """A corner of a process by name (the first if none is named), or one with a dose and focus of its own."""
    named = {corner.name: corner for corner in process.corners}
    if name is not None and name not in named:
        raise ConfigError(f"there is no corner {name!r}; this setup has {', '.join(map(repr, named))}")
    base = named[name] if name is not None else process.corners[0]
    if dose is None and focus_nm is None:
        return base
    if dose is not None and not 0 < dose < 10:
        raise ConfigError(f"dose {dose:g} must lie between 0 and 10; 1 is nominal")
    if focus_nm is not None and not abs(focus_nm) <= 5000:
        raise ConfigError(f"focus {focus_nm:g} nm must lie within 5000 nm")
    return Corner(
        "own",
        dose=float(double(base.dose)) if dose is None else dose,
        focus_nm=float(double(base.focus_nm)) if focus_nm is None else focus_nm,
        mask_bias_nm=base.mask_bias_nm,
    )


def _save(path: Path, images: dict, grid: Grid, loops: list[np.ndarray], threshold: float) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        **images,
        x_nm=grid.x_nm,
        y_nm=grid.y_nm,
        threshold=threshold,
        contour_xy_nm=np.concatenate(loops) if loops else np.zeros((0, 2)),
        contour_starts=np.cumsum([0, *map(len, loops)])[:-1],
        units=np.array([f"{name}: {unit}" for name, unit in STAGES.items()] + ["x_nm, y_nm, contour_xy_nm: nm"]),
    )
    write_file(Path(path), buffer.getvalue(), parents=True)
