"""What a tile of a mask made of edges prints at sites on the target, and how that answers to each edge."""

from dataclasses import dataclass, replace
from functools import lru_cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ...config import build
from ...forward import Imaging, Process, prepare
from ...optics import band
from ...timing import Clock, Cost
from ...types import Grid
from .edges import Edges
from .spectrum import polygon_spectrum

# Groups of edges whose answers are computed in one compiled call.
GROUPS = 16


@dataclass(frozen=True)
class Near:
    """Edges whose answer is wanted: their numbers, and the boxes (x0, y0, x1, y1) in nm that they reach on the tile."""

    number: np.ndarray
    box_nm: np.ndarray
    reach_nm: float


@dataclass(frozen=True)
class TileTask:
    """One tile: plain data, so that it can travel to another process. Lengths in nm from the tile's corner."""

    process: dict
    grid: Grid
    leading: int
    answering: int
    vertices: tuple[np.ndarray, ...]  # x, y, sign, numbers of the upright and the level edge
    fixed: np.ndarray | None  # coverage [y, x] by polygons that do not move
    sites: tuple[np.ndarray, ...]  # x, y, nx, ny
    room: tuple[int, int]  # vertices and sites, padding included
    rest: np.ndarray | None  # image of the systems that are not leading, from an earlier step
    near: Near | None


@dataclass(frozen=True)
class TileAnswer:
    """Latent image and its outward slope per nm at the sites; the former's derivative per nm of position of edges."""

    value: np.ndarray
    slope: np.ndarray
    rest: np.ndarray
    site: np.ndarray  # with edge and derivative: one entry for each pair that answers
    edge: np.ndarray
    derivative: np.ndarray
    cost: Cost


def vertices(edges: Edges, bias_nm: float, grid: Grid) -> tuple[np.ndarray, ...]:
    """Vertices on a tile: x, y in nm from its corner, sign, upright and level edge (numbers in `edges`).

    Of what lies beyond the border only what its cut-off leaves counts; vertices that fall together there cancel.
    """
    (x0, y0), (height, width) = grid.origin_nm, grid.period_nm
    place = edges.position_nm + bias_nm * edges.outward
    number, before = np.arange(len(edges)), edges.before
    up, level = np.where(edges.upright, number, before), np.where(edges.upright, before, number)
    x, y = place[up] - x0, place[level] - y0
    sign = np.where(edges.upright[before], 1.0, -1.0)
    beyond_x, beyond_y = (x <= 0) | (x >= width), (y <= 0) | (y >= height)
    inside, out = np.flatnonzero(~beyond_x & ~beyond_y), np.flatnonzero(beyond_x | beyond_y)
    # Each clipped coordinate by its side of the tile, or by the edge that gives it.
    key_x = np.where(beyond_x, np.where(x <= 0, -1, -2), up)[out]
    key_y = np.where(beyond_y, np.where(y <= 0, -1, -2), level)[out]
    _, first, group = np.unique(key_x * (len(edges) + 3) + key_y, return_index=True, return_inverse=True)
    total = np.bincount(group, sign[out], len(first))
    keep = np.concatenate([inside, out[first[total != 0]]])
    return x[keep], y[keep], np.concatenate([sign[inside], total[total != 0]]), up[keep], level[keep]


def evaluate(task: TileTask) -> TileAnswer:
    """Image a tile, and if `near` is given tell how its sites answer to each edge's position."""
    clock = Clock()
    imaging = _prepared(_Hashed(task.process), task.grid.shape, task.grid.pitch_nm, task.leading)
    (height, width), count = task.grid.period_nm, len(task.sites[0])
    x, y, sign, *_ = task.vertices
    pad = (0, task.room[0] - len(x))
    place = tuple(jnp.asarray(np.pad(v, pad), jnp.float32) for v in (x / width, y / height, sign))
    fixed = jnp.zeros([2 * k + 1 for k in imaging.orders], jnp.complex64)
    if task.fixed is not None:
        fixed = band.mask_spectrum(jnp.asarray(task.fixed, jnp.float32), imaging.orders)
    rest = _tail(imaging, place, fixed) if task.rest is None else jnp.asarray(task.rest)
    sites = _seen(task)
    value, slope = (np.asarray(v, float)[:count] for v in _at_sites(imaging, place, fixed, rest, sites))
    pairs = (np.zeros(0, int), np.zeros(0, int), np.zeros(0))
    if task.near is not None:
        few = eqx.tree_at(lambda i: i.systems, imaging, imaging.systems[:, : task.answering])
        pairs = _answers(few, place, fixed, rest, sites, task, task.near)
    return TileAnswer(value, slope, np.asarray(rest), *pairs, clock.cost())


def grouped(box_nm: np.ndarray, apart_nm: float) -> np.ndarray:
    """A group (n,) for every box so that two of one group are at least so far apart; the crowded ones come first."""
    x0, y0, x1, y1 = box_nm.T
    gap = [np.maximum(a[:, None], a[None]) - np.minimum(b[:, None], b[None]) for a, b in ((x0, x1), (y0, y1))]
    close = np.hypot(*(np.maximum(g, 0) for g in gap)) < apart_nm
    group = np.full(len(box_nm), -1)
    for k in np.argsort(-close.sum(1), kind="stable"):
        taken = np.zeros(len(box_nm) + 1, bool)
        taken[group[close[k]]] = True  # -1, not grouped yet, marks the spare last one
        group[k] = int(np.argmin(taken[:-1]))
    return group


def _answers(imaging: Imaging, place, fixed, rest, sites, task: TileTask, near: Near):
    """Sites, edges and the derivative of the latent image at the one in the position of the other.

    Edges too far apart to reach a common site move together, so there are as many images as groups of them.
    """
    group = grouped(near.box_nm, 2 * near.reach_nm)
    *_, up, level = task.vertices
    of_edge = dict(zip(near.number.tolist(), group.tolist(), strict=True))
    member = [np.array([of_edge.get(e, -1) for e in number.tolist()], int) for number in (up, level)]
    sx, sy = task.sites[:2]
    x0, y0, x1, y1 = near.box_nm.T[..., None]
    away = np.hypot(np.maximum(np.maximum(x0 - sx, sx - x1), 0), np.maximum(np.maximum(y0 - sy, sy - y1), 0))
    edge, site = np.nonzero(away < near.reach_nm)
    derivative = np.zeros(len(edge))
    for first in range(0, int(group.max(initial=-1)) + 1, GROUPS):
        moves = _moves(member, first, task.grid.period_nm)
        found = np.asarray(_linear(imaging, place, fixed, rest, sites, moves), float)
        here = (group[edge] >= first) & (group[edge] < first + GROUPS)
        derivative[here] = found[group[edge[here]] - first, site[here]]
    return site, near.number[edge], derivative


def _moves(member: list[np.ndarray], first: int, period_nm: tuple[float, float]):
    """For each of GROUPS groups the vertices that move with it and how far in x and y, in periods for each nm.

    `member` is the group of each vertex's upright and of its level edge, -1 for none.
    """
    found = []
    for group in range(first, first + GROUPS):
        dx, dy = (m == group for m in member)
        number = np.flatnonzero(dx | dy)
        found.append((number, dx[number] / period_nm[1], dy[number] / period_nm[0]))
    room = bucket(max(len(number) for number, *_ in found), 32)
    return tuple(
        jnp.asarray(np.stack([np.pad(move[k], (0, room - len(move[k]))) for move in found]), kind)
        for k, kind in enumerate((jnp.int32, jnp.float32, jnp.float32))
    )


def bucket(count: int, least: int = 256) -> int:
    """Room for so many, one of few sizes, so that little is compiled anew."""
    return max(least, 1 << int(np.ceil(np.log2(max(count, 1)))))


def _seen(task: TileTask):
    """Sites x and y in periods of the tile, and their normals in periods per nm, padded."""
    (height, width), extra = task.grid.period_nm, (0, task.room[1] - len(task.sites[0]))
    scales = width, height, width, height
    return tuple(jnp.asarray(np.pad(a / p, extra), jnp.float32) for a, p in zip(task.sites, scales, strict=True))


def _rows(n: int, at):
    """Trigonometric interpolation from n samples a period to places (site,), and its derivative per period."""
    order = np.arange(1, (n - 1) // 2 + 1)
    turns = order.astype(np.float32)[None] * at[:, None]
    angle = (2 * np.pi) * (turns - jnp.round(turns))
    cosine, sine, fast = jnp.cos(angle), jnp.sin(angle), (2 * np.pi * order[None]).astype(np.float32)
    there = 2 * np.pi * np.outer(order, np.arange(n)) / n
    here = tuple((2 / n * f(there)).astype(np.float32) for f in (np.cos, np.sin))
    return 1 / n + cosine @ here[0] + sine @ here[1], (cosine * fast) @ here[1] - (sine * fast) @ here[0]


def _latent(imaging: Imaging, spectrum, rest):
    return imaging.seen(imaging.images(imaging.systems, spectrum) + rest)[0]


@eqx.filter_jit
def _tail(imaging: Imaging, place, fixed):
    return imaging.images(imaging.tail, polygon_spectrum(*place, imaging.orders) + fixed)


@eqx.filter_jit
def _at_sites(imaging: Imaging, place, fixed, rest, sites):
    """Latent image at the sites and its derivative per nm along their normals."""
    x, y, nx, ny = sites
    samples = _latent(imaging, polygon_spectrum(*place, imaging.orders) + fixed, rest)
    (uy, dy), (ux, dx) = (_rows(n, at) for n, at in zip(samples.shape, (y, x), strict=True))
    along = uy @ samples
    return (along * ux).sum(1), nx * (along * dx).sum(1) + ny * ((dy @ samples) * ux).sum(1)


@eqx.filter_jit
def _linear(imaging: Imaging, place, fixed, rest, sites, moves):
    """Derivative (group, site) of the latent image when the vertices of each group move; `moves` see `_moves`."""
    x, y, sign = place
    (uy, _), (ux, _) = (_rows(n, at) for n, at in zip(imaging.shape, (sites[1], sites[0]), strict=True))

    def value(spectrum):
        return ((uy @ _latent(imaging, spectrum, rest)) * ux).sum(1)

    _, answer = jax.linearize(value, polygon_spectrum(*place, imaging.orders) + fixed)

    def moved(move):
        member, dx, dy = move
        part = x[member], y[member]
        # The spectrum is a sum over vertices: those that stand still have no part in its change.
        change = jax.jvp(lambda x, y: polygon_spectrum(x, y, sign[member], imaging.orders), part, (dx, dy))[1]
        return answer(change)

    return jax.lax.map(moved, moves)


class _Hashed(dict):
    """Plain process data as a cache key."""

    def __hash__(self):  # type: ignore[override]
        return hash(repr(self))


@lru_cache(2)
def _prepared(data: _Hashed, shape: tuple[int, int], pitch_nm: float, leading: int) -> Imaging:
    process = build(Process, dict(data), "tile")
    return prepare(replace(process, corners=process.corners[:1]), Grid(shape, pitch_nm), leading=leading)
