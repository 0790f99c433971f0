"""Source-mask optimisation: the source and the mask's edges that leave the largest common process window.

Each round images every source pixel through the mask as it is (Abbe), solves one linear programme for the source and
small moves of the edges together (`programme`), and keeps the result if the exact image agrees that it is better; else
the moves are allowed less. For a fixed mask the pixelated source is the best there is. All in float64; the same input
and seed give the same result.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...errors import ConfigError
from ...forward import Process, anchored, distinct_focus
from ...layout import Layout
from ...optics import Conventional, sample
from ...optics.pixels import Pupil
from ...types import double
from ..images import scanner_of
from ..limits import MaskLimits
from ..objective import Demands, latitude, probabilities
from .clips import Clip
from .families import Family, Given, Light, Parametric, Pixelated, SourceRules
from .pixel_images import Bench, bench, clear_field

# Of the moves' reach: how far a round may go at first, and when it is over.
_FIRST, _WIDER, _NARROWER, _LAST = 0.5, 1.5, 0.35, 0.01


@dataclass(frozen=True)
class Effort:
    """How much is spent: rounds, each with one set of images, of each start; where the moves end, in nm.

    The first start is the mask as given; others move its edges, and a parametric source, at random from the seed.
    `tail` says which corners count (see `objective`). `max_dose` bounds the dose, relative to dose 1 of the process
    with its own source.
    """

    rounds: int = 12
    starts: int = 1
    reach_nm: float = 30.0
    tail: float = 0.0
    seed: int = 0
    max_dose: float = 1.5

    def __post_init__(self):
        if self.rounds < 1 or self.starts < 1:
            raise ConfigError("source-mask optimisation needs at least one round and one start")
        if not 0 <= self.tail <= 1:
            raise ConfigError(f"tail {self.tail:g} must lie between 0, the worst corner, and 1, the mean of all")
        if not self.max_dose > 0:
            raise ConfigError(f"a largest dose of {self.max_dose:g} times the setup's must be positive")
        if not self.reach_nm >= 0:
            raise ConfigError(f"mask edges cannot move by {self.reach_nm:g} nm")


@dataclass(frozen=True)
class Found:
    """What was found: weights (pixel,) on `pupil`'s pixels or a parametric `source`, and a mask for every clip.

    `latitude` is the remaining exposure latitude as a fraction, by the optimiser's own arrays, and `dose` the one for
    it, relative to dose 1 of the process with its own source; `history` is the latitude after every round, `image_sets`
    how often all source pixels were imaged through the clips.
    """

    pupil: Pupil | None
    weight: np.ndarray
    source: object | None
    masks: list[Layout]
    latitude: float
    dose: float
    history: list[float]
    image_sets: int


def source_mask(
    clips: Sequence[Clip],
    process: Process,
    limits: MaskLimits,
    rules: SourceRules | None = None,
    effort: Effort | None = None,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Found:
    """Optimise the source for all clips together, with the mask edges of each, over the process's corners.

    Corners count with their dose, focus, mask bias and weight. ConfigError for a process this cannot image.
    """
    rules, effort = rules or SourceRules(), effort or Effort()
    family, symmetric = _family(rules, process)
    table = _Table(clips, process, limits, effort, family, symmetric)
    best = None
    for start in range(effort.starts):
        found = _descent(table, family, effort, start, lambda n, s=start: progress(
            "rounds", s * effort.rounds + n, effort.starts * effort.rounds))  # fmt: skip
        if best is None or found.latitude > best.latitude:
            best = replace(found, image_sets=0)
    return replace(best, image_sets=table.image_sets)


def _family(rules: SourceRules, process: Process) -> tuple[Family, bool]:
    """What the source may be, and whether it is the same in mirrors along x and y."""
    if rules.kind == "pixelated":
        return Pixelated(rules), rules.symmetry in ("xy", "diagonal")
    if rules.kind != "given":
        return Parametric(rules), True
    source = scanner_of(process).source
    points, weight = sample(double(source), rules.pitch)
    here = {tuple(p): w for p, w in zip(np.round(points, 9) + 0.0, weight, strict=True)}
    mirrored = all(
        abs(here.get(tuple(np.round(np.array(p) * m, 9) + 0.0), 0) - w) < 1e-9
        for p, w in here.items()
        for m in ((1, -1), (-1, 1))
    )
    return Given(points, weight, source), mirrored


class _Table:
    """All clips with one source: where each demand finds its intensity, and the images of all source pixels."""

    def __init__(self, clips, process: Process, limits: MaskLimits, effort: Effort, family: Family, mirrored: bool):
        corners = [double(corner) for corner in process.corners]
        even = mirrored or (isinstance(family, Pixelated) and family.rules.symmetry != "none")
        like = Conventional(np.float64(0.5)) if even else scanner_of(process).source
        # Whether +z and -z are one is up to the symmetry that the source will have.
        focus_of, distinct = distinct_focus(replace(process, scanner=replace(scanner_of(process), source=like)))
        if not even:
            focus_of, distinct = tuple(range(len(corners))), [float(c.focus_nm) for c in corners]
        wanted = [(distinct[f], float(c.mask_bias_nm)) for f, c in zip(focus_of, corners, strict=True)]
        conditions = list(dict.fromkeys(wanted))
        lens = scanner_of(process).projector
        clear = lens.jones is None and not any(float(v) for v in lens.zernikes_nm.values())
        settings = {"reach_nm": effort.reach_nm, "mirrored": mirrored and clear}
        self.benches: list[Bench] = [
            bench(clip, process, limits, family.sigma, conditions, **settings) for clip in clips
        ]
        self.sizes = [b.moves.low_nm.size for b in self.benches]
        self.bounds = np.concatenate([np.stack([b.moves.low_nm, b.moves.high_nm], 1) for b in self.benches])
        corner, place, sign = [], [], []
        begin = 0
        for b in self.benches:
            count = len(b.sites.sign)
            for c, condition in enumerate(wanted):
                place.append(begin + conditions.index(condition) * count + np.arange(count))
                corner.append(np.full(count, c))
                sign.append(b.sites.sign)
            begin += len(conditions) * count
        self.place = np.concatenate(place)
        number = np.concatenate(corner)
        dose = np.array([float(c.dose) for c in corners])[number]
        share = probabilities([float(c.weight) for c in corners])
        most = effort.max_dose / float(double(anchored(process).resist).threshold)
        clear = clear_field(process, family.sigma)
        self.demands = Demands(number, np.concatenate(sign), dose, share, effort.tail, clear, most)
        self.grid_nm = limits.grid_nm
        self.image_sets = 0

    def rounded(self, moves: np.ndarray) -> np.ndarray:
        """Moves on the mask's grid, within their bounds."""
        low, high = self.bounds.T
        grid = self.grid_nm
        return np.clip(np.rint(moves / grid), np.ceil(low / grid - 1e-9), np.floor(high / grid + 1e-9)) * grid

    def images(self, moves: np.ndarray) -> np.ndarray:
        """(place, pixel)."""
        self.image_sets += 1
        parts = zip(self.benches, self._split(moves), strict=True)
        return np.concatenate([b.images(m).reshape(-1, len(b.sigma)) for b, m in parts])

    def slopes(self, weight: np.ndarray, moves: np.ndarray) -> np.ndarray:
        """(place, group), each clip's own places and groups."""
        blocks = [b.edge_slopes(weight, m) for b, m in zip(self.benches, self._split(moves), strict=True)]
        rows = sum(block.shape[0] * block.shape[1] for block in blocks)
        found, row, column = np.zeros((rows, len(self.bounds))), 0, 0
        for block in blocks:
            n, g = block.shape[0] * block.shape[1], block.shape[2]
            found[row : row + n, column : column + g] = block.reshape(n, g)
            row, column = row + n, column + g
        return found

    def value(self, seen: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
        """Tail mean of margins and its dose, for the light of a source through images (place, pixel)."""
        return latitude((seen @ weight)[self.place], self.demands, self.demands.most_scale(weight))[:2]

    def masks(self, moves: np.ndarray) -> list[Layout]:
        return [b.shaped(m) for b, m in zip(self.benches, self._split(moves), strict=True)]

    def _split(self, moves: np.ndarray) -> list[np.ndarray]:
        return np.split(moves, np.cumsum(self.sizes)[:-1])


def _descent(table: _Table, family: Family, effort: Effort, start: int, told: Callable[[int], None]) -> Found:
    rng = np.random.default_rng((effort.seed, start))
    low, high = table.bounds.T
    moves = 0.5 * rng.uniform(low, high) if start else np.zeros(len(low))
    seen = table.images(moves)
    wide = not start
    light = family.searched(seen, table.place, table.demands, family.begin(rng) if start else None, rng, wide)
    value, scale = table.value(seen, light.weight)
    history, radius = [2 * value], _FIRST
    slopes = None
    for number in range(effort.rounds):
        told(number)
        if slopes is None:
            slopes = table.slopes(light.weight, moves)
        room = radius * effort.reach_nm
        bounds = np.stack([np.maximum(low - moves, -room), np.minimum(high - moves, room)], 1)
        tried, step = family.step(seen, scale * slopes, table.place, table.demands, light, bounds, radius)
        there = moves + step.moves
        images = table.images(there)
        # The source that suits the moved mask costs no image.
        tried = family.searched(images, table.place, table.demands, tried, rng, wide)
        found, dose = table.value(images, tried.weight)
        if found > value:
            moves, seen, light, value, scale, slopes = there, images, tried, found, dose, None
            radius = min(1.0, radius * _WIDER)
        else:
            radius *= _NARROWER
        history.append(2 * value)
        if radius < _LAST:
            break
    return _written(table, family, effort, moves, light, rng, history)


def _written(table: _Table, family: Family, effort: Effort, moves, light: Light, rng, history: list[float]) -> Found:
    """The result on the mask's grid, with the best source for just that mask."""
    moves = table.rounded(moves)
    seen = table.images(moves)
    light = family.searched(seen, table.place, table.demands, light, rng, False)
    value, scale = table.value(seen, light.weight)
    dose = effort.max_dose * scale / table.demands.most_scale(light.weight)
    on = family.pupil if isinstance(family, Pixelated) else None
    return Found(on, light.weight, family.source(light), table.masks(moves), 2 * value, dose, history, 0)
