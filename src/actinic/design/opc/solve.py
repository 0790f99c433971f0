"""One block of a layout corrected edge by edge: a function of the polygons in and around it, and of nothing else.

All edges of the block and of `context_nm` around it move together until the print's edges lie on the target's. Every
step images the mask (`image`), adds up what all sites say about all edges in one set of normal equations,
and solves it under the mask rules (`bounds`, `step`): Gauss-Newton on the placement errors. Between rounds of steps
edges get jogs where they pay (`jogs`). What a point prints depends on the mask within the ambit only (`model`),
lattices stand on coordinates or on edges that are known whole, and every choice is made from what lies near: so what
a block's neighbours find for the same edges is the same.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse

from ...config import build
from ...errors import NumericalError
from ...forward import Process
from ...layout import Layout, boolean, clipped, coverage, merged, packed, refined, sized
from ...mask import FINE_NM
from ...types import Grid, double
from ..images import scanner_of
from .bounds import distances
from .edges import Edges, boxes, edges_of, healed
from .image import Answers, Vertices, answers, printed, vertices, view
from .jogs import Pays, spliced, wanted
from .model import Model
from .near import within
from .recipe import Opc
from .sites import edge_under, sites_of
from .step import MARGIN_NM, constrained, mended

# Levenberg's damping: relative, and towards where an edge was drawn, as nm of edge with an error of 1 nm per nm.
DAMPING, HOME = 0.02, 0.05
# Below this part of the usual slope of the image an error in nm says nothing.
FLAT = 0.25
# How far the print of a piece of edge reaches along it (standard deviation, lambda / NA), and how much it moves for
# each nm: fitted to the derivatives for 80 nm pieces at krf-dry.
SPREAD, FACTOR = 0.223, 1.11
# Samples that tell how the image answers (see `model.SAMPLES`): a percent of the answer does not matter.
ANSWER_SAMPLES = 1.2
# Edges longer than this part of the ambit may be cut where the polygons given end: their lattices stand on coordinates.
LONG = 0.9


@dataclass(frozen=True)
class Shared:
    """What the blocks of a run have in common: an anchored process and a recipe as plain data, and their model."""

    process: dict
    opc: dict
    model: Model


@dataclass(frozen=True)
class Block:
    """What a block's mask depends on, and where it lies: plain data, to travel to other processes and to be hashed.

    Rings are integers in units of `dbu_nm`, counted from the lower left corner of the core, as `size_nm` (width and
    height) is; `at_nm` is where that corner stands, and does not matter to the mask.
    """

    size_nm: tuple[float, float]
    dbu_nm: float
    rings: list[np.ndarray]
    at_nm: tuple[float, float]

    @property
    def content(self) -> tuple:
        """All that the mask depends on."""
        return self.size_nm, self.dbu_nm, self.rings


@dataclass(frozen=True)
class Step:
    """One step of the solver: root mean square of the errors in nm before it, edges, and the longest move in nm."""

    rms_nm: float
    edges: int
    moved_nm: float


def solve_block(shared: Shared, block: Block) -> dict:
    """The mask in a block's core: its rings (`layout.packed`), counted as the block's, and the steps that led there."""
    process, opc = build(Process, dict(shared.process), "process"), build(Opc, dict(shared.opc), "opc")
    target = merged(block.rings, block.dbu_nm)
    manhattan, slanted = _parted(target)
    solver = _Solver(target, slanted, process, opc, shared.model, block.size_nm)
    edges = edges_of([healed(ring * block.dbu_nm, opc.jog_nm) for ring in manhattan])
    home = edges.position_nm
    edges = solver.settled(edges, home)
    for _ in range(opc.rounds):
        edges, home = solver.with_jogs(edges, home)
        edges = solver.settled(edges, home)
    dbu_nm = min(block.dbu_nm, opc.limits.grid_nm)
    mask = edges.layout(opc.limits.grid_nm, dbu_nm)
    if slanted.contours:
        mask = boolean(mask, refined(slanted, dbu_nm), "or")
    steps = np.array([(s.rms_nm, s.edges, s.moved_nm) for s in solver.history])
    return packed(clipped(mask, (0.0, 0.0, *block.size_nm))) | {"steps": steps}


def _parted(layout: Layout) -> tuple[list[np.ndarray], Layout]:
    """The Manhattan rings of a layout, and the polygons with a slanted edge."""
    slants = [bool(((np.roll(ring, -1, axis=0) - ring) != 0).all(axis=1).any()) for ring in layout.contours]
    manhattan = [ring for ring, slant in zip(layout.contours, slants, strict=True) if not slant]
    slanted = [ring for ring, slant in zip(layout.contours, slants, strict=True) if slant]
    return manhattan, merged(slanted, layout.dbu_nm)


class _Solver:
    """What stays the same while the edges of a block move, and what one step hands to the next."""

    def __init__(self, target: Layout, slanted: Layout, process: Process, opc: Opc, model: Model, size_nm):
        self.opc, self.model, far = opc, model, opc.context_nm
        self.region = (-far, -far, size_nm[0] + far, size_nm[1] + far)
        self.grid = _around(self.region, opc.ambit_nm, opc.site_nm)
        pupil_nm = 1 / scanner_of(process).na_over_lambda
        self.long_nm = LONG * opc.ambit_nm
        self.sites = sites_of(target, self.region, opc.site_nm, 0.35 * pupil_nm, self.long_nm)
        apart = max(opc.limits.width_nm, opc.limits.space_nm)
        self.pays = Pays(opc.jog_nm, apart, SPREAD * pupil_nm, FACTOR, opc.gain_nm3)
        exact = double(process)
        self.threshold, self.sign = float(exact.resist.threshold), 1 if process.printed_above else -1
        self.bias_nm = float(exact.mask.bias_nm)
        x, y = self.grid.origin_nm
        tile = Grid(self.grid.shape, self.grid.pitch_nm)
        imaging, few = model.imaging(process, tile), model.imaging(process, tile, opc.answering, ANSWER_SAMPLES)
        places = self.sites.x_nm - x, self.sites.y_nm - y, self.sites.nx, self.sites.ny
        self.view = view(imaging, few, model.offset, places, self._covered(slanted))
        self.answers = sparse.csr_matrix((0, 0))
        self.history: list[Step] = []

    def _covered(self, slanted: Layout) -> np.ndarray | None:
        grid = self.grid
        near = clipped(slanted, grid.window_nm)
        if not near.contours:
            return None
        if self.bias_nm:
            near = clipped(sized(refined(slanted, FINE_NM), self.bias_nm), grid.window_nm)
        return coverage(near, grid.with_pitch(grid.pitch_nm / 2))

    def settled(self, edges: Edges, home: np.ndarray) -> Edges:
        """The edges after a round of steps: the first tells how the image answers, the others go by it."""
        for number in range(self.opc.steps):
            edges = self._stepped(edges, home, self._errors(edges, fresh=number == 0))
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
                first = -edges.forward[k] * start[k] if length[k] > self.long_nm else None
                pieces += wanted(k, length[k], at, errors[self.sites.place[points]], weight[part], self.pays, first)
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
        limits = self.opc.limits
        return distances(edges, limits.width_nm, limits.space_nm, self.opc.jog_nm, reach_nm)

    def _movable(self, edges: Edges) -> np.ndarray:
        """Edges any part of which lies in the region that is corrected."""
        x0, y0, x1, y1 = boxes(edges).T
        left, bottom, right, top = self.region
        return (x1 > left) & (x0 < right) & (y1 > bottom) & (y0 < top)

    def _errors(self, edges: Edges, fresh: bool = False) -> np.ndarray:
        """Placement error (place,) in nm, positive outside. A `fresh` one also tells how the image answers to edges."""
        mask = vertices(edges, self.bias_nm, self.grid, self.view.imaging.filters is not None)
        value, slope = printed(self.view, mask, len(self.sites))
        if not np.isfinite(value).all():
            raise NumericalError("the image stopped being finite; look at process and limits")
        # Per nm outwards, of the image in the direction that prints.
        fall = np.maximum(-self.sign * slope, FLAT * self.model.slope_per_nm)
        mean = self.sites.mean
        if fresh:
            found = self._answers(edges, mask)
            entry = self.sign * found.derivative / fall[found.site]
            shape = (len(self.sites), len(edges))
            self.answers = (mean @ sparse.csr_matrix((entry, (found.site, found.edge)), shape=shape)).tocsr()
        # Where the image is flat or far off, its straight line leads nowhere.
        most = self.opc.most_nm
        return np.clip(mean @ (self.sign * (value - self.threshold) / fall), -most, most)

    def _answers(self, edges: Edges, mask: Vertices) -> Answers:
        x0, y0, x1, y1 = self.region
        reach, box = self.opc.answer_nm, boxes(edges)
        cut = np.array([x0 - reach, y0 - reach, x1 + reach, y1 + reach])
        low, high = np.maximum(box[:, :2], cut[:2]), np.minimum(box[:, 2:], cut[2:])
        near = np.flatnonzero((low <= high).all(axis=1))
        box = np.hstack([low[near], high[near]])
        sites = np.stack([self.sites.x_nm, self.sites.y_nm] * 2, axis=1)
        pairs = within(box, sites, reach)
        return answers(self.view, mask, near, box, pairs, reach)

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


def _around(region_nm: tuple[float, float, float, float], halo_nm: float, pitch_nm: float) -> Grid:
    """The tile of a region with a halo."""
    x0, y0, x1, y1 = region_nm
    shape = tuple(int(np.ceil((extent + 2 * halo_nm) / pitch_nm)) for extent in (y1 - y0, x1 - x0))
    return Grid(shape, pitch_nm, (x0 - halo_nm, y0 - halo_nm))
