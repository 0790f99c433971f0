"""Edge-based correction of a window: all edges move together until the print's edges lie on the target's.

Every step images the mask tile by tile (`image`), adds up what all sites say about all edges in one set of normal
equations, and solves it under the mask rules (`bounds`, `step`): Gauss-Newton on the placement errors, over the whole
window. A site is seen by one tile only, whose halo holds all that reaches it, so tiles leave no seams to be blended.
Between rounds of steps edges get jogs where they pay (`jogs`).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse

from ...config import dump
from ...errors import ConfigError, NumericalError
from ...forward import Process, anchored
from ...layout import Layout, boolean, clipped, coverage, merged, refined, sized
from ...mask import FINE_NM, AlternatingPSM
from ...scale import Tiling, split
from ...timing import Cost
from ...types import Grid, double
from ..images import scanner_of
from ..limits import MaskLimits
from .bounds import distances
from .edges import Edges, boxes, edges_of, healed
from .image import Near, TileTask, bucket, evaluate, vertices
from .jogs import Pays, spliced, wanted
from .recipe import Opc
from .sites import Sites, edge_under, sites_of
from .step import constrained, mended

# Levenberg's damping: relative, and towards where an edge was drawn, as nm of edge with an error of 1 nm per nm.
DAMPING, HOME = 0.02, 0.05
# Below this part of the usual slope of the image an error in nm says nothing.
FLAT = 0.25
# Distances are kept by so much more than asked, so that rounding to the grid cannot lose a line.
MARGIN_NM = 1e-3
# How far the print of a piece of edge reaches along it (standard deviation, lambda / NA), and how much it moves for
# each nm: fitted to the derivatives for 80 nm pieces at krf-dry.
SPREAD, FACTOR = 0.223, 1.11


@dataclass(frozen=True)
class Step:
    """One step of the solver: root mean square of the errors in nm before it, edges, and the longest move in nm."""

    rms_nm: float
    edges: int
    moved_nm: float


@dataclass(frozen=True)
class EdgeCorrected:
    """Mask polygons of a window and its surroundings, the tiles' cost, and the steps that led there."""

    mask: Layout
    cost: Cost
    tiling: Tiling
    steps: tuple[Step, ...]


def edge_tiling(setup, window_nm: tuple[float, float, float, float]) -> Tiling:
    """The tiles that edge-based correction cuts a window into, with the surroundings that are corrected with it."""
    opc = opc_of(setup)
    context = 2 * opc.answer_nm
    x0, y0, x1, y1 = window_nm
    around = (x0 - context, y0 - context, x1 + context, y1 + context)
    return split(around, setup.recipe.stages[-1].pixel_nm, opc.tiles.core_nm, opc.tiles.halo_nm)


def opc_of(setup) -> Opc:
    """The setup's edge-based recipe; ConfigError if it has none."""
    if setup.opc is None:
        raise ConfigError("this setup has no [opc] table; take a preset that has one, such as krf-dry, or method ilt")
    return setup.opc


def correct_edges(
    layout: Layout,
    window_nm: tuple[float, float, float, float],
    setup,
    spread: Callable[[Callable, Iterable[TileTask]], Iterator] = map,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> EdgeCorrected:
    """Correct a window of a layout, which must reach the tiles' halo and twice `answer_nm` beyond the window.

    Edges within twice `answer_nm` of the window move with it. Polygons with slanted edges stay as they are drawn.
    `spread(function, tasks)` maps over the tiles in order (`map`, or one of `scale`).
    """
    if isinstance(setup.process.mask, AlternatingPSM):
        raise ConfigError("correct finds one layer of polygons: take a binary or an attenuated mask, not altpsm")
    opc, process = opc_of(setup), anchored(setup.process)
    manhattan, slanted = _parted(layout)
    solver = _Solver(layout, slanted, process, opc, edge_tiling(setup, window_nm), spread)
    edges = edges_of([healed(ring * layout.dbu_nm, opc.jog_nm) for ring in manhattan])
    total = ((opc.rounds + 1) * (opc.steps + 1) - 1) * len(solver.tiles)
    solver.report = lambda done: progress("tiles", done, total)
    home = edges.position_nm
    edges = solver.settled(edges, home, last=not opc.rounds)
    for number in range(opc.rounds):
        edges, home = solver.with_jogs(edges, home)
        edges = solver.settled(edges, home, last=number == opc.rounds - 1)
    limits = opc.limits
    dbu_nm = min(layout.dbu_nm, limits.grid_nm)
    mask = edges.layout(limits.grid_nm, dbu_nm)
    if slanted.contours:
        mask = boolean(mask, refined(slanted, dbu_nm), "or")
    return EdgeCorrected(mask, solver.cost, solver.tiling, tuple(solver.history))


def _parted(layout: Layout) -> tuple[list[np.ndarray], Layout]:
    """The Manhattan rings of a layout, and the polygons with a slanted edge."""
    slants = [bool(((np.roll(ring, -1, axis=0) - ring) != 0).all(axis=1).any()) for ring in layout.contours]
    manhattan = [ring for ring, slant in zip(layout.contours, slants, strict=True) if not slant]
    slanted = [ring for ring, slant in zip(layout.contours, slants, strict=True) if slant]
    return manhattan, merged(slanted, layout.dbu_nm)


class _Solver:
    """What stays the same while the edges of a window move, and what one step hands to the next."""

    def __init__(self, target: Layout, slanted: Layout, process: Process, opc: Opc, tiling: Tiling, spread):
        self.opc, self.tiling, self.tiles, self.spread = opc, tiling, tiling.tiles, spread
        self.process, self.data = process, dump(process)
        (x0, y0, *_), (*_, x1, y1) = self.tiles[0].core_nm, self.tiles[-1].core_nm
        self.region = (x0, y0, x1, y1)
        pupil_nm = 1 / scanner_of(process).na_over_lambda
        self.sites = sites_of(target, self.region, opc.site_nm, 0.35 * pupil_nm)
        self.own = [_inside(self.sites, tile.core_nm) for tile in self.tiles]
        apart = max(opc.limits.width_nm, opc.limits.space_nm)
        self.pays = Pays(opc.jog_nm, apart, SPREAD * pupil_nm, FACTOR, opc.gain_nm3)
        exact = double(process)
        self.threshold, self.sign = float(exact.resist.threshold), 1 if process.printed_above else -1
        self.bias_nm = float(process.mask.bias_nm)
        self.fixed = [self._covered(slanted, tile.grid) for tile in self.tiles]
        self.rest: list[np.ndarray | None] = [None] * len(self.tiles)
        self.answers = sparse.csr_matrix((0, 0))
        self.history: list[Step] = []
        self.cost, self.done, self.report = Cost(0.0, 0.0, 0.0), 0, lambda done: None

    def _covered(self, slanted: Layout, grid: Grid) -> np.ndarray | None:
        near = clipped(slanted, grid.window_nm)
        if not near.contours:
            return None
        if self.bias_nm:
            near = clipped(sized(refined(slanted, FINE_NM), self.bias_nm), grid.window_nm)
        return coverage(near, grid.with_pitch(grid.pitch_nm / 2))

    def settled(self, edges: Edges, home: np.ndarray, last: bool) -> Edges:
        """The edges after a round of steps: the first tells how the image answers, the others go by it.

        What the systems that are not leading add is imaged at the very first step and before the last ones.
        """
        for number in range(self.opc.steps):
            errors = self._errors(edges, fresh=number == 0, refresh=last and number == 1)
            edges = self._stepped(edges, home, errors)
        return edges

    def with_jogs(self, edges: Edges, home: np.ndarray) -> tuple[Edges, np.ndarray]:
        """The edges with the jogs that pay, and where each edge is at home: a new one where it was put."""
        errors = self._errors(edges)
        under, along = edge_under(self.sites, edges, self.opc.most_nm)
        order = np.argsort(under, kind="stable")
        weight = (self.sites.mean.T @ self.sites.weight_nm)[order]
        bounds = np.searchsorted(under[order], np.arange(len(edges) + 1))
        movable = self._movable(edges)
        length, start = edges.length_nm, edges.start_nm
        pieces = []
        for k in range(len(edges)):
            part = slice(bounds[k], bounds[k + 1])
            points = order[part]
            if movable[k] and len(points) > 1 and length[k] >= 2 * self.opc.jog_nm:
                at = edges.forward[k] * (along[points] - start[k])
                pieces += wanted(k, length[k], at, errors[self.sites.place[points]], weight[part], self.pays)
        made, source, piece = self._feasible(edges, pieces)
        return made, np.where(piece >= 0, made.position_nm, home[source])

    def _feasible(self, edges: Edges, pieces: list):
        """Edges with as many of the pieces as break no rule."""
        while True:
            made, source, piece = spliced(edges, pieces)
            i, j, least = self._rules(made, 0.0)
            bad = made.position_nm[j] - made.position_nm[i] < least - 1e-6
            # A jog at the end of an edge shortens the edge that it meets.
            ends = np.concatenate([i[bad], j[bad]])
            hit = set(piece[ends]) - {-1}
            if not hit:
                return made, source, piece
            pieces = [p for number, p in enumerate(pieces) if number not in hit]

    def _rules(self, edges: Edges, reach_nm: float):
        limits: MaskLimits = self.opc.limits
        i, j, least = distances(edges, limits.width_nm, limits.space_nm, self.opc.jog_nm, reach_nm)
        return i, j, least

    def _movable(self, edges: Edges) -> np.ndarray:
        """Edges any part of which lies in the region that is corrected."""
        x0, y0, x1, y1 = boxes(edges).T
        left, bottom, right, top = self.region
        return (x1 > left) & (x0 < right) & (y1 > bottom) & (y0 < top)

    def _errors(self, edges: Edges, fresh: bool = False, refresh: bool = False) -> np.ndarray:
        """Placement error (place,) in nm, positive outside.

        A `fresh` one also tells how the image answers to every edge, `refresh` images all systems anew.
        """
        if refresh:
            self.rest = [None] * len(self.tiles)
        shapes = [vertices(edges, self.bias_nm, tile.grid) for tile in self.tiles]
        room = bucket(max(len(shape[0]) for shape in shapes)), bucket(max(map(len, self.own)))
        box = boxes(edges)
        tasks = (
            TileTask(
                self.data,
                Grid(tile.grid.shape, tile.grid.pitch_nm),
                self.opc.leading,
                self.opc.answering,
                shapes[k],
                self.fixed[k],
                self._seen(k),
                room,
                self.rest[k],
                self._near(box, k) if fresh else None,
            )
            for k, tile in enumerate(self.tiles)
        )
        value, slope = np.zeros(len(self.sites)), np.zeros(len(self.sites))
        pairs: list[tuple[np.ndarray, ...]] = []
        for k, found in enumerate(self.spread(evaluate, tasks)):
            self._count(found.cost)
            own, self.rest[k] = self.own[k], found.rest
            value[own], slope[own] = found.value, found.slope
            pairs.append((own[found.site], found.edge, found.derivative))
        if not np.isfinite(value).all():
            raise NumericalError("the image stopped being finite; look at process and limits")
        fall = -self.sign * slope  # per nm outwards, of the image in the direction that prints
        fall = np.maximum(fall, FLAT * np.median(fall)) if len(fall) else fall
        mean = self.sites.mean
        if fresh:
            row, edge, derivative = (np.concatenate(part) for part in zip(*pairs, strict=True))
            shape = (len(self.sites), len(edges))
            answer = sparse.csr_matrix((self.sign * derivative / fall[row], (row, edge)), shape=shape)
            self.answers = (mean @ answer).tocsr()
        # Where the image is flat or far off, its straight line leads nowhere.
        most = self.opc.most_nm
        return np.clip(mean @ (self.sign * (value - self.threshold) / fall), -most, most)

    def _near(self, box: np.ndarray, number: int) -> Near:
        """Edges that reach the core of a tile, cut to what does."""
        x0, y0, x1, y1 = self.tiles[number].core_nm
        reach = self.opc.answer_nm
        cut = np.array([x0 - reach, y0 - reach, x1 + reach, y1 + reach])
        low, high = np.maximum(box[:, :2], cut[:2]), np.minimum(box[:, 2:], cut[2:])
        near = np.flatnonzero((low <= high).all(axis=1))
        origin = self.tiles[number].grid.origin_nm
        return Near(near, np.hstack([low[near] - origin, high[near] - origin]), reach)

    def _seen(self, number: int) -> tuple[np.ndarray, ...]:
        own, (x0, y0) = self.own[number], self.tiles[number].grid.origin_nm
        sites = self.sites
        return sites.x_nm[own] - x0, sites.y_nm[own] - y0, sites.nx[own], sites.ny[own]

    def _count(self, cost: Cost) -> None:
        self.cost = Cost(*(getattr(self.cost, n) + getattr(cost, n) for n in ("cpu_s", "wall_s", "compile_s")))
        self.done += 1
        self.report(self.done)

    def _stepped(self, edges: Edges, home: np.ndarray, errors: np.ndarray) -> Edges:
        """The edges after one step of Gauss and Newton under the rules."""
        opc, answers, weight = self.opc, self.answers, self.sites.weight_nm
        normal = (answers.T @ sparse.diags(weight) @ answers).tocsc()
        away = edges.position_nm - home
        pull = -(answers.T @ (weight * errors)) - HOME * away
        normal = (normal + sparse.diags(DAMPING * normal.diagonal() + HOME)).tocsc()
        free = self._movable(edges)
        reach = np.where(free, opc.step_nm, 0.0)
        low, high = np.maximum(-reach, -opc.most_nm - away), np.minimum(reach, opc.most_nm - away)
        low, high = np.minimum(low, 0.0), np.maximum(high, 0.0)
        i, j, least = self._rules(edges, opc.step_nm)
        apart = edges.position_nm[j] - edges.position_nm[i]
        # What is broken from the start and cannot move stays; all else keeps its distance or gains what it lacks.
        touched = free[i] | free[j]
        pairs = i[touched], j[touched], (least + MARGIN_NM - apart)[touched]
        move = mended(constrained(normal, pull, pairs, low, high), pairs, low, high)
        rms = float(np.sqrt(np.average(errors**2, weights=weight))) if len(errors) else 0.0
        self.history.append(Step(rms, len(edges), float(abs(move).max(initial=0.0))))
        return edges.at(edges.position_nm + move)


def _inside(sites: Sites, core_nm: tuple[float, float, float, float]) -> np.ndarray:
    x0, y0, x1, y1 = core_nm
    return np.flatnonzero((sites.x_nm >= x0) & (sites.x_nm < x1) & (sites.y_nm >= y0) & (sites.y_nm < y1))
