"""Benchmarks of mask synthesis on the ICCAD 2013 contest's optics: score given masks, or make masks and score them."""

import dataclasses
import functools
import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image as Picture

from .. import design
from ..design import Setup
from ..errors import ConfigError, InputError
from ..forward import Imaging, distinct_focus, prepare
from ..layout import Layout, coverage, layers, outlines, placed, read_glp, read_layout, target, write_layout
from ..metrology import epe_neuralilt, epe_openilt, gauges, l2, mask_rules, pvb
from ..optics import band
from ..timing import Clock
from ..types import Grid, double
from ..writing import write_file
from .folder import run_folder
from .work import Progress, data_folder, load_setup, quiet

SIZE = 2048
# Folders of clips in the data sets, all printed with the contest's optics.
BENCHMARKS = {
    "iccad13": "iccad13/glp",
    "lithobench-metal": "lithobench/StdMetal",
    "lithobench-contact": "lithobench/StdContact",
}
DIALECTS = ("O", "N", "D")
# What each setting changes of the preset: the fast one looks less closely at prints, and at edges far off.
SETTINGS = {
    "fine": (),
    "fast": (
        *("recipe.band=1.29", "recipe.limit=6", "recipe.print_pixel_nm=8", "recipe.refresh=10"),
        "recipe.stages.3.ruled=false",
        *(
            f"recipe.stages.{stage}.{key}={value}"
            for key, values in {
                "steps": (30, 20, 20, 20, 20),
                "step": (0.15, 0.08, 0.04, 0.03, 0.02),
                "print_steepness": (50, 80, 150, 150, 150),
            }.items()
            for stage, value in enumerate(values)
        ),
    ),
}
# Rows and columns the mask may use, by dialect.
REGION = {"O": (384, 1664), "N": (384, 1664), "D": (512, 1792)}
MASK_LAYER = (1, 0)
TOLERANCES = (15, 5, 3)
Clip = int | str
# The optimiser's edge sites keep this far from corners, where no mask can follow the target.
CORNER_NM = 30.0


def score(benchmark: str, masks: Path, *, dialect: str = "O", progress: Progress = quiet) -> dict:
    """Score masks of clips: PNG (2048 x 2048, a pixel a nm, white = open), OASIS, GDSII, or .glp targets.

    `masks` is a folder or one file; an iccad13 clip's number is the last one in the file's name, others are named
    like their clip, with or without mask_ before it. Of several files for one clip the PNG counts.
    """
    _check(benchmark, dialect)
    files = _mask_files(Path(masks), benchmark)
    judge = Judge(dialect, benchmark)
    clips = []
    for done, (clip, path) in enumerate(files.items()):
        progress("score", done, len(files))
        clock = Clock()
        row = {"clip": clip, **judge.score(clip, _read_mask(path, dialect))}
        cost = clock.cost()
        clips.append(row | {"cpu_s": cost.cpu_s, "wall_s": cost.wall_s})
    progress("score", len(files), len(files))
    return _table(dialect, "given", clips, 0.0)


def bench(
    benchmark: str,
    *,
    dialect: str = "O",
    setting: str = "fast",
    out: Path,
    clips: Sequence[str] = (),
    settings: Sequence[str] = (),
    force: bool = False,
    progress: Progress = quiet,
) -> dict:
    """Make a mask for every clip, or for those named, write it as PNG and OASIS, and score the written PNG.

    `settings` change the recipe, such as "recipe.limit=0".
    `cpu_s` is the CPU time from the target to the mask's bitmap, compilation apart.
    """
    _check(benchmark, dialect)
    if setting not in SETTINGS:
        raise ConfigError(f"there is no setting {setting!r}; there is {', '.join(SETTINGS)}")
    setup = load_setup("iccad13", (*SETTINGS[setting], *settings))
    judge = Judge(dialect, benchmark)
    known = {str(clip): clip for clip in judge.clips}
    numbers = [known[name] for name in clips if name in known] if clips else sorted(judge.clips)
    if missing := [name for name in clips if name not in known]:
        raise ConfigError(f"{benchmark} has no clip {missing[0]!r}; it has {', '.join(list(known)[:12])} ...")
    make = MaskMaker(setup, judge)
    costs = {}
    with run_folder(Path(out), force) as folder:
        for done, clip in enumerate(numbers):
            progress("correct", done, len(numbers))
            clock = Clock()
            opened = make(clip)
            cost = clock.cost()
            costs[clip] = {"cpu_s": cost.cpu_s, "wall_s": cost.wall_s}
            Picture.fromarray(np.where(opened, 255, 0).astype(np.uint8)).save(folder / f"mask_{clip}.png")
            write_layout(folder / f"mask_{clip}.oas", {MASK_LAYER: outlines(opened)}, cell=f"MASK_{clip}")
        rows = []
        for done, clip in enumerate(numbers):
            progress("score", done, len(numbers))
            written = _read_mask(folder / f"mask_{clip}.png", dialect)
            rows.append({"clip": clip, **judge.score(clip, written), **costs[clip]})
        progress("score", len(numbers), len(numbers))
        result = _table(dialect, setting, rows, make.compile_s)
        write_file(folder / "scores.json", (json.dumps(result, indent=2) + "\n").encode(), parents=True)
    return result


class Judge:
    """The contest's optics and targets in one dialect, and the scores of a mask.

    Prints are computed in float64, since a pixel at the threshold counts.
    """

    def __init__(self, dialect: str, benchmark: str = "iccad13"):
        folder = data_folder()
        self.dialect = dialect
        self.process = load_setup("iccad13").process
        self.imaging: Imaging = prepare(self.process, Grid((SIZE, SIZE), 1.0), folder)
        there = folder / BENCHMARKS[benchmark]
        self.clips = {_name(path, benchmark): path for path in there.glob("*.glp")}
        if not self.clips:
            raise InputError(f"{there}: no clips (.glp) there")
        _, focuses = distinct_focus(self.process)
        self._systems = [self.process.scanner.load(folder / self.process.scanner.file, focus) for focus in focuses]

    def target(self, clip: Clip) -> np.ndarray:
        """What clip should print, bool (2048, 2048) [y, x]."""
        if clip not in self.clips:
            some = ", ".join(map(str, sorted(self.clips)[:12]))
            raise InputError(f"the benchmark has no clip {clip}; it has {some}{' ...' * (len(self.clips) > 12)}")
        return target(read_glp(self.clips[clip]), self.dialect)

    def drawn(self, clip: Clip) -> Layout:
        return placed(read_glp(self.clips[clip]), self.dialect)

    def prints(self, mask: np.ndarray) -> list[np.ndarray]:
        """What a mask prints at the corners nominal, outer and inner, bool (2048, 2048) each."""
        process, imaging = double(self.process), self.imaging
        orders = tuple((n - 1) // 2 for n in self._systems[0].shape[1:])
        spectrum = band.mask_spectrum(mask.astype(np.float64), orders, process.dots)
        images = [
            band.to_pixels(band.intensity(systems, spectrum, imaging.shape), imaging.grid, process.dots)
            for systems in self._systems
        ]
        return [
            image * corner.dose**process.dose_power >= process.resist.threshold
            for corner, image in zip(process.corners, (images[f] for f in imaging.focus_of), strict=True)
        ]

    def score(self, clip: Clip, mask: np.ndarray) -> dict:
        """Scores and mask rules of a mask, bool (2048, 2048)."""
        wanted = self.target(clip)
        nominal, outer, inner = self.prints(mask)
        rules = mask_rules(mask)
        return {
            "l2": l2(nominal, wanted),
            "pvb": pvb(outer, inner),
            **{f"epe{t}": epe_openilt(wanted, nominal, t) for t in TOLERANCES},
            **{f"epe{t}_b": epe_neuralilt(wanted, nominal, t) for t in TOLERANCES},
            "min_width_nm": rules.min_width_nm,
            "min_space_nm": rules.min_space_nm,
            "min_area_nm2": rules.min_area_nm2,
            "components": rules.components,
            "shots": rules.shots,
        }


class MaskMaker:
    """ILT for the contest's tile. The first call of a process compiles; that time is kept apart."""

    def __init__(self, setup: Setup, judge: Judge):
        self.setup, self.judge = setup, judge
        low, high = REGION[judge.dialect]
        self.free = np.zeros((SIZE, SIZE), bool)
        self.free[low:high, low:high] = True
        pixel = setup.recipe.finest_nm
        self.grid = Grid((round(SIZE / pixel),) * 2, pixel)
        self.imaging = dataclasses.replace(judge.imaging, grid=self.grid)
        # The same work twice: what the first run costs beyond the second is compilation.
        cold, warm = (self._cost(min(judge.clips)) for _ in range(2))
        self.compile_s = max(cold - warm, 0.0)

    def _cost(self, clip: Clip) -> float:
        clock = Clock()
        self(clip)
        cost = clock.cost()
        return cost.cpu_s + cost.compile_s

    def __call__(self, clip: Clip) -> np.ndarray:
        """The mask of a clip, bool (2048, 2048)."""
        recipe, limits = self.setup.recipe, self.setup.limits
        found = gauges(self.judge.drawn(clip), (0, 0, SIZE, SIZE), recipe.edge_step_nm, corner_nm=CORNER_NM)
        wanted, free = (design.block_mean(part, self.grid) for part in (self.judge.target(clip), self.free))
        sites = np.stack([found.x_nm, found.y_nm, found.nx, found.ny], 1)
        repair = functools.partial(design.held, limits=limits)
        field, grid = design.solve(self.imaging, wanted, sites, recipe, free == 1, repair)
        pixel = round(limits.grid_nm)
        fine, on = design.sampled(field, grid, round(grid.pitch_nm / pixel))
        x, y = (round(at / pixel) for at in on.origin_nm)
        mask = np.zeros((SIZE // pixel,) * 2, bool)
        mask[y : y + fine.shape[0], x : x + fine.shape[1]] = fine > 0
        low, high = (end // pixel for end in REGION[self.judge.dialect])
        mask[low:high, low:high] = design.repaired(mask[low:high, low:high], pixel, limits)
        return np.kron(mask & (self.free[::pixel, ::pixel]), np.ones((pixel, pixel), bool))


def _check(benchmark: str, dialect: str) -> None:
    if benchmark not in BENCHMARKS:
        raise ConfigError(f"there is no benchmark {benchmark!r}; there is {', '.join(BENCHMARKS)}")
    if dialect not in DIALECTS:
        raise ConfigError(f"there is no dialect {dialect!r}; there is {', '.join(DIALECTS)} (see docs/benchmarks.md)")


def _name(path: Path, benchmark: str) -> Clip:
    """What a file's clip is called: the contest's have numbers."""
    if benchmark != "iccad13":
        return path.stem.removeprefix("mask_")
    numbers = re.findall(r"\d+", path.stem)
    if not numbers:
        raise InputError(f"{path}: its name has no clip number, such as mask_3.png")
    return int(numbers[-1])


def _mask_files(masks: Path, benchmark: str) -> dict[Clip, Path]:
    """The file of each clip, clips in order."""
    order = (".png", ".oas", ".gds", ".glp")
    if masks.is_file():
        found = [masks]
    elif masks.is_dir():
        found = sorted((p for p in masks.iterdir() if p.suffix in order), key=lambda p: (order.index(p.suffix), p.name))
    else:
        raise InputError(f"{masks}: no such file or folder")
    files: dict[Clip, Path] = {}
    for path in found:
        files.setdefault(_name(path, benchmark), path)
    if not files:
        raise InputError(f"{masks}: no masks there; expected mask_<clip>.png, .oas, .gds or .glp")
    return dict(sorted(files.items()))


def _read_mask(path: Path, dialect: str) -> np.ndarray:
    """A mask as bool (2048, 2048) [y, x]."""
    if path.suffix == ".glp":
        return target(read_glp(path), dialect)
    if path.suffix in (".oas", ".gds"):
        there = list(layers(path))
        if len(there) != 1 and MASK_LAYER not in there:
            raise InputError(f"{path}: has {len(there)} layers; expected one, or 1/0")
        number = MASK_LAYER if MASK_LAYER in there else there[0]
        return coverage(read_layout(path, number), Grid((SIZE, SIZE), 1.0)) >= 0.5
    try:
        with Picture.open(path) as picture:
            values = np.asarray(picture.convert("L"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a picture ({error})") from None
    if values.shape != (SIZE, SIZE):
        raise InputError(f"{path}: is {values.shape[1]} x {values.shape[0]} pixels, expected {SIZE} x {SIZE}")
    return values >= 128


def _table(dialect: str, setting: str, clips: list[dict], compile_s: float) -> dict:
    keys = [key for key in clips[0] if key != "clip"]
    mean = {}
    for key in keys:
        values = [row[key] for row in clips if row[key] is not None]
        mean[key] = float(np.mean(values)) if values else None
    return {"dialect": dialect, "setting": setting, "clips": clips, "mean": mean, "compile_s": compile_s}
