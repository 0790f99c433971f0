"""What a resist costs on a tile of 2 um, and how near the compact and threshold models come to the chemistry.

The chemistry of each wavelength prints generated patterns through focus and dose; a threshold with its blur, and the
compact model, are fitted to its edges on some of them and held against its line widths on the others.
"""

from common import cpu_seconds, many, report  # noqa: I001 sets the environment before JAX starts

import tracemalloc
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from actinic import layout
from actinic.config import build, dump
from actinic.forward import anchored
from actinic.inverse import fit
from actinic.jobs import load_setup
from actinic.mask import transmitted
from actinic.optics import Annular, Projector, Scanner, abbe, band
from actinic.presets import resist as typical
from actinic.resist import CompactResist, DenseLine, ThresholdResist
from actinic.types import Grid, double

ROWS, STEP_NM = 12, 1.0
# Edges flatter than this share of the threshold in a nm belong to features that hardly print.
FLATTEST = 0.004


def processes() -> dict:
    """For each wavelength the process with its chemistry, drawn widths, and the (focus in nm, dose) to print at."""
    krf = load_setup("krf-dry").process
    arf = replace(
        krf,
        scanner=Scanner(Projector(193.368, 0.93, 1.0), Annular(0.6, 0.9)),
        resist=ThresholdResist(12.0, anchor=DenseLine(80.0, 160.0)),
    )
    hard = chemistry(krf)
    hard = replace(hard, quencher=0.4, bake=replace(hard.bake, neutralisation_per_s=10.0))
    return {
        name: (anchored(replace(process, resist=resist)), widths, conditions)
        for name, process, resist, widths, conditions in (
            ("krf", krf, chemistry(krf), (160, 220), ((0, 1.0), (0, 1.06), (150, 0.94))),
            ("krf, twice the quencher", krf, hard, (160, 220), ((0, 1.0), (0, 1.06), (150, 0.94))),
            ("arf", arf, chemistry(arf), (76, 110), ((0, 1.0), (0, 1.06), (60, 0.94))),
        )
    }


def chemistry(process):
    """The typical chemistry of a process's wavelength, on the process's anchor."""
    data = dump(process)
    return build(type(process), data | {"resist": typical("chemistry", data)}).resist


def patterns(widths, window) -> tuple[list, list]:
    """Layouts to fit to and to hold back."""
    size = int(window[2])
    fitted, held = [], []
    for width in widths:
        for ratio in (2, 3, 5):
            pitch = size // (size // (ratio * width))
            (held if ratio == 3 else fitted).append(layout.lines(width, pitch, window))
        fitted.append(layout.isolated_line(width, window))
        fitted.append(layout.line_end_gap(width, width, window, "x"))
        held.append(layout.elbow(width, window))
        for seed in range(4):
            (fitted if seed % 2 else held).append(layout.manhattan(100 * width + seed, window, width, width))
    return fitted, held


class Rows:
    """Cuts along x through a tile, on which edges are looked for."""

    def __init__(self, grid: Grid):
        (height, width), self.y = grid.period_nm, (np.arange(ROWS) + 0.5) / ROWS
        self.height, self.width = height, width
        self.x = np.arange(0, width, STEP_NM)

    def edges(self, latent, threshold) -> list[np.ndarray]:
        """Where each row crosses the threshold steeply enough, nm; rising and falling alike."""
        uy, ux = (band.interpolation(n, at) for n, at in zip(latent.shape, (self.y, self.x / self.width), strict=True))
        found = []
        for row in uy @ latent @ ux.T - threshold:
            place = np.flatnonzero((row[:-1] > 0) != (row[1:] > 0))
            slope = (row[place + 1] - row[place]) / STEP_NM
            steep = np.abs(slope) > FLATTEST * threshold
            found.append((self.x[place] - row[place] / slope)[steep])
        return found


def compare(process, layouts, conditions, grid: Grid):
    """Intensity samples, dose included, of every layout and condition, with the chemistry's edges on the rows."""
    exact, rows = double(process), Rows(grid)
    scanner, fine = process.scanner, grid.with_pitch(grid.pitch_nm / 2)
    orders = scanner.orders(grid.period_nm, scanner.source_points(grid.period_nm)[0])
    spectra = np.stack(
        [
            transmitted(exact.mask, band.mask_spectrum(layout.coverage(drawn, fine).astype(float), orders))
            for drawn in layouts
        ]
    )
    made = []
    for focus, dose in conditions:
        for image in abbe.aerial(scanner, spectra, grid, float(focus)):
            latent = exact.resist.latent(dose * image, grid.period_nm)
            made.append((dose * image, rows.edges(latent, exact.resist.threshold)))
    return rows, made


def fitted(start, names: tuple[str, ...], rows: Rows, made, grid: Grid):
    """A resist whose leaves of these names make its threshold pass through the edges, and their standard errors."""
    shape = start.shape(made[0][0].shape, grid.period_nm)
    at = [np.concatenate(edges) / rows.width for _, edges in made]
    on = [np.repeat(rows.y, [len(e) for e in edges]) for _, edges in made]
    across = [band.interpolation(shape[0], y) for y in on]
    along = [[band.interpolation(shape[1], x + s / rows.width) for s in (-0.5, 0.0, 0.5)] for x in at]

    def made_of(values):
        return replace(start, **{name: np.float64(v) for name, v in zip(names, values, strict=True)})

    def residuals(values):
        resist, off = made_of(values), []
        for (image, _), uy, ux in zip(made, across, along, strict=True):
            low, here, high = (((uy @ resist.latent(image, grid.period_nm)) * u).sum(1) for u in ux)
            off.append((here - resist.threshold) / np.abs(high - low))
        return np.concatenate(off)

    found = fit(residuals, np.array([float(getattr(start, name)) for name in names]))
    return made_of(found.value), dict(zip(names, found.sigma, strict=True)), len(found.residuals)


def width_errors(resist, rows: Rows, made, grid: Grid) -> np.ndarray:
    """Differences in nm between a resist's and the chemistry's distances of neighbouring edges."""
    off = []
    for image, wanted in made:
        for theirs, ours in zip(
            wanted, rows.edges(resist.latent(image, grid.period_nm), resist.threshold), strict=True
        ):
            if len(theirs) == len(ours) and len(ours) > 1:
                off.append(np.diff(ours) - np.diff(theirs))
    return np.concatenate(off)


def accuracy(name, process, widths, conditions) -> None:
    """Fit and hold out, one line for each model."""
    size = 960.0 if name == "arf" else 1360.0
    grid = Grid((round(size / 10),) * 2, 10.0)
    to_fit, held = patterns(widths, (0.0, 0.0, size, size))
    rows, made = compare(process, to_fit, conditions, grid)
    _, back = compare(process, held, conditions, grid)
    blur = float(double(process.resist).bake.acid_nm2_s * process.resist.bake.time_s) ** 0.5
    threshold = float(double(process.resist).threshold)
    starts = {
        "threshold": (ThresholdResist(blur, threshold), ("diffusion_nm", "threshold")),
        "compact": (
            CompactResist(blur, 5 * blur, threshold=threshold),
            ("diffusion_nm", "threshold", "slope", "density"),
        ),
    }
    for kind, (start, names) in starts.items():
        resist, sigma, points = fitted(double(start), names, rows, made, grid)
        off = width_errors(resist, rows, back, grid)
        report(
            f"{name} {kind} against its chemistry",
            edges_fitted=points,
            widths_held_out=len(off),
            rms_nm=float(np.sqrt((off**2).mean())),
            p95_nm=float(np.percentile(np.abs(off), 95)),
            max_nm=float(np.abs(off).max()),
            mean_nm=float(off.mean()),
            leaves={leaf: [float(getattr(resist, leaf)), float(s)] for leaf, s in sigma.items()},
            dose_mj_cm2=float(process.resist.dose_mj_cm2),
        )


def cost(process) -> None:
    """CPU time and memory of each model's latent image on a tile of 2 um, float32; the 3-D front in float64."""
    grid = Grid((200, 200), 10.0)
    shape = band.image_shape(grid.period_nm, process.scanner.na_over_lambda)
    rng = np.random.default_rng(0)
    wide = np.abs(np.fft.ifft2(np.pad(rng.normal(size=(9, 9)), ((0, shape[0] - 9), (0, shape[1] - 9)))))
    image = jnp.asarray(0.02 + 0.6 * wide / wide.max(), jnp.float32)
    # Layers on samples of 10 nm: the bake spreads acid by more, and the film's own step is 20 nm.
    coarse = replace(process.resist, pitch_nm=10.0)
    layers = jnp.stack([image * f for f in np.linspace(1.1, 0.9, 20).tolist()])
    models = {
        "threshold": (ThresholdResist(25.0, 0.3), image),
        "compact": (CompactResist(20.0, 100.0, -0.2, threshold=0.3), image),
        "chemistry, 2-D": (process.resist, image),
        "chemistry, 20 layers straight down": (coarse, layers),
    }
    for name, (resist, samples) in models.items():
        compiled = jax.jit(lambda r, s: r.latent(s, grid.period_nm)).lower(resist, samples).compile()
        times = 1 if name.startswith("chemistry") else 100
        work = many(lambda c=compiled, r=resist, s=samples: jax.block_until_ready(c(r, s)), times)
        cpu, wall = (seconds / times for seconds in cpu_seconds(work, 3))
        memory = compiled.memory_analysis().temp_size_in_bytes / 2**20
        report(name, cpu_s=cpu, wall_s=wall, memory_mib=memory, latent=list(resist.shape(shape, grid.period_nm)))
    exact, deep = double(coarse), np.asarray(layers, float)
    cpu, wall = cpu_seconds(lambda: exact.front(deep, grid.period_nm), 1)
    tracemalloc.start()
    exact.front(deep, grid.period_nm)
    report(
        "chemistry, 20 layers, fastest path",
        cpu_s=cpu,
        wall_s=wall,
        memory_mib=tracemalloc.get_traced_memory()[1] / 2**20,
    )
    tracemalloc.stop()


def main() -> None:
    made = processes()
    cost(made["krf"][0])
    for name, of in made.items():
        accuracy(name, *of)


if __name__ == "__main__":
    main()
