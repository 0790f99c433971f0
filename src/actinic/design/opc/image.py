"""What a mask made of edges prints at sites on the target, and how that answers to each edge."""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ...forward import Imaging
from ...mask import drawn_spectra
from ...optics import band
from ...types import Grid
from .edges import Edges
from .near import grouped
from .spectrum import lined_spectra, polygon_spectrum

# Groups of edges whose answers are computed in one compiled call.
GROUPS = 16
# Samples along each axis that a place is interpolated from, and the shape of the window over them (Kaiser's beta).
TAPS, BETA = 12, 9.5


@dataclass(frozen=True)
class Vertices:
    """Corners of a mask on a tile: x, y in nm from its corner, sign, numbers of the upright and the level edge.

    `lower` and `left` are the signs of edges' ends for `lined_spectra`.
    """

    x: np.ndarray
    y: np.ndarray
    sign: np.ndarray
    upright: np.ndarray
    level: np.ndarray
    lower: np.ndarray
    left: np.ndarray


@dataclass(frozen=True)
class Answers:
    """Derivative of the latent image at sites per nm of position of edges: an entry for each pair that answers."""

    site: np.ndarray
    edge: np.ndarray
    derivative: np.ndarray


class Places(eqx.Module):
    """Where to interpolate between periodic samples: the first of TAPS samples along each axis, and their weights.

    The weights `dy`, `dx` are those of the derivative in periods.
    """

    row: jax.Array  # int32 (site, TAPS)
    column: jax.Array
    y: jax.Array  # float32 (site, TAPS)
    x: jax.Array
    dy: jax.Array
    dx: jax.Array

    def part(self, index) -> "Places":
        return jax.tree.map(lambda a: a[index], self)

    def value(self, samples):
        """Samples [y, x] at the places (site,)."""
        return self._sum(samples, self.y, self.x)

    def slope(self, samples, nx, ny):
        """Derivative along (nx, ny), periods for each nm."""
        return nx * self._sum(samples, self.y, self.dx) + ny * self._sum(samples, self.dy, self.x)

    def _sum(self, samples, y, x):
        near = samples[self.row[:, :, None], self.column[:, None, :]]
        return jnp.einsum("sij,si,sj->s", near, y, x)


def places(shape: tuple[int, int], x: np.ndarray, y: np.ndarray, room: int) -> Places:
    """Places (n,) in periods of a tile with samples of this shape, padded to `room`.

    The sinc function under a Kaiser window, for samples well above the least number.
    """
    parts = []
    for n, at in zip(shape, (y, x), strict=True):
        at = np.pad(np.asarray(at, float), (0, room - len(at))) * n
        first = np.floor(at).astype(int) - (TAPS // 2 - 1)
        taps = first[:, None] + np.arange(TAPS)
        away = at[:, None] - taps
        slope = (_tap(away + 1e-4) - _tap(away - 1e-4)) / 2e-4 * n
        parts.append((jnp.asarray(taps % n, jnp.int32), *(jnp.asarray(v, jnp.float32) for v in (_tap(away), slope))))
    (row, wy, dy), (column, wx, dx) = parts
    return Places(row, column, wy, wx, dy, dx)


def _tap(away: np.ndarray) -> np.ndarray:
    window = np.i0(BETA * np.sqrt(np.maximum(1 - (2 * away / TAPS) ** 2, 0))) / np.i0(BETA)
    return np.sinc(away) * window


class View(eqx.Module):
    """A tile, the image on it and the sites looked at: all that stays while a mask moves."""

    imaging: Imaging
    offset: jax.Array
    few: Imaging  # the leading systems that tell how the image answers
    sites: Places  # on samples twice as fine as the image's
    coarse: Places  # on the samples of `few`
    nx: jax.Array
    ny: jax.Array
    fixed: jax.Array  # spectrum of polygons that do not move


def view(imaging: Imaging, few: Imaging, offset: float, sites, fixed: np.ndarray | None) -> View:
    """`sites` are x, y in nm from the tile's corner and outward normals, `fixed` a coverage [y, x].

    `few` images by the leading systems only and, if that is enough, on fewer samples.
    """
    (height, width), (x, y, nx, ny) = imaging.grid.period_nm, sites
    room = bucket(len(x))
    fine = tuple(2 * n for n in imaging.shape)
    normals = (jnp.asarray(np.pad(v / p, (0, room - len(x))), jnp.float32) for v, p in ((nx, width), (ny, height)))
    lined = () if imaging.filters is None else (3,)
    spectrum = jnp.zeros([*lined, *(2 * k + 1 for k in imaging.orders)], jnp.complex64)
    if fixed is not None and not lined:
        spectrum = band.mask_spectrum(jnp.asarray(fixed, jnp.float32), imaging.orders)
    elif fixed is not None:
        spectra = drawn_spectra(fixed.astype(float), imaging.grid.period_nm, imaging.orders)
        spectrum = jnp.asarray(spectra, jnp.complex64)
    at = x / width, y / height
    return View(
        imaging,
        jnp.float32(offset),
        few,
        places(fine, *at, room),
        places(few.shape, *at, room),
        *normals,
        spectrum,
    )


def vertices(edges: Edges, bias_nm: float, grid: Grid, lined: bool = False) -> Vertices:
    """Vertices on a tile.

    Of what lies beyond the border only what its cut-off leaves counts; vertices that fall together there cancel. Where
    edges count as such (`lined`) those beyond the border are kept.
    """
    (x0, y0), (height, width) = grid.origin_nm, grid.period_nm
    place = edges.position_nm + bias_nm * edges.outward
    number, before = np.arange(len(edges)), edges.before
    up, level = np.where(edges.upright, number, before), np.where(edges.upright, before, number)
    x, y = place[up] - x0, place[level] - y0
    sign = np.where(edges.upright[before], 1.0, -1.0)
    # With the inside of a polygon on the left of its edges: up on its right side, to the left on its top.
    lower, left = -sign * edges.outward[up], -sign * edges.outward[level]
    if lined:
        return Vertices(x, y, sign, up, level, lower, left)
    beyond_x, beyond_y = (x <= 0) | (x >= width), (y <= 0) | (y >= height)
    inside, out = np.flatnonzero(~beyond_x & ~beyond_y), np.flatnonzero(beyond_x | beyond_y)
    # Each clipped coordinate by its side of the tile, or by the edge that gives it.
    key_x = np.where(beyond_x, np.where(x <= 0, -1, -2), up)[out]
    key_y = np.where(beyond_y, np.where(y <= 0, -1, -2), level)[out]
    _, first, group = np.unique(key_x * (len(edges) + 3) + key_y, return_index=True, return_inverse=True)
    total = np.bincount(group, sign[out], len(first))
    keep = np.concatenate([inside, out[first[total != 0]]])
    return Vertices(
        x[keep],
        y[keep],
        np.concatenate([sign[inside], total[total != 0]]),
        up[keep],
        level[keep],
        lower[keep],
        left[keep],
    )


def printed(view: View, mask: Vertices, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Latent image (count,) at the sites and its slope per nm along their normals."""
    value, slope = _at_sites(view, _place(view, mask))
    return np.asarray(value, float)[:count], np.asarray(slope, float)[:count]


def answers(view: View, mask: Vertices, edge: np.ndarray, box_nm: np.ndarray, pairs, reach_nm: float) -> Answers:
    """How the latent image at sites answers to the positions of edges.

    `edge` numbers the edges of the boxes (x0, y0, x1, y1) in nm, `pairs` are (box, site), those within reach of each
    other. Edges too far apart to reach a common site move together, so there are as many images as groups of them.
    """
    group = grouped(box_nm, 2 * reach_nm)
    of_edge = np.full(max(int(e.max(initial=-1)) for e in (mask.upright, mask.level, edge)) + 1, -1)
    of_edge[edge] = group
    member = of_edge[mask.upright], of_edge[mask.level]
    box, site = pairs
    order = np.argsort(group[box], kind="stable")
    box, site = box[order], site[order]
    bounds = np.searchsorted(group[box], np.arange(int(group.max(initial=-1)) + 2))
    place, derivative = _place(view, mask), np.zeros(len(box))
    for first in range(0, len(bounds) - 1, GROUPS):
        moves = _moves(member, first, view.imaging.grid.period_nm)
        parts = [slice(*bounds[g : g + 2]) for g in range(first, min(first + GROUPS, len(bounds) - 1))]
        room = bucket(max(part.stop - part.start for part in parts))
        seen = [np.pad(site[part], (0, room - (part.stop - part.start))) for part in parts]
        seen = jnp.asarray(np.stack(seen + [np.zeros(room, int)] * (GROUPS - len(seen))), jnp.int32)
        found = np.asarray(_linear(view, place, moves, seen), float)
        for part, row in zip(parts, found, strict=False):
            derivative[part] = row[: part.stop - part.start]
    return Answers(site, edge[box], derivative)


def _place(view: View, mask: Vertices):
    """Vertices in periods of the tile, padded."""
    height, width = view.imaging.grid.period_nm
    pad = (0, bucket(len(mask.x)) - len(mask.x))
    signs = (mask.sign,) if view.imaging.filters is None else (mask.sign, mask.lower, mask.left)
    return tuple(jnp.asarray(np.pad(v, pad), jnp.float32) for v in (mask.x / width, mask.y / height, *signs))


def _moves(member, first: int, period_nm: tuple[float, float]):
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
    power = 1 << int(np.ceil(np.log2(max(count, 1))))
    return max(least, 3 * power // 4 if count <= 3 * power // 4 else power)


def _latent(imaging: Imaging, spectrum, offset):
    return imaging.seen(imaging.images(imaging.systems, spectrum) + offset)[0]


def _finer(samples):
    """Band-limited periodic samples on a grid twice as fine."""
    ny, nx = samples.shape
    spectrum = jnp.fft.fftshift(jnp.fft.fft2(samples))
    padded = jnp.pad(spectrum, ((ny - ny // 2, ny // 2), (nx - nx // 2, nx // 2)))
    return 4 * jnp.fft.ifft2(jnp.fft.ifftshift(padded)).real


def _spectrum(imaging: Imaging, x, y, *signs):
    if len(signs) == 1:
        return polygon_spectrum(x, y, *signs, imaging.orders)
    return lined_spectra(x, y, signs, imaging.orders, imaging.grid.period_nm)


@eqx.filter_jit
def _at_sites(view: View, place):
    """Latent image at the sites and its derivative per nm along their normals."""
    samples = _finer(_latent(view.imaging, _spectrum(view.imaging, *place) + view.fixed, view.offset))
    return view.sites.value(samples), view.sites.slope(samples, view.nx, view.ny)


@eqx.filter_jit
def _linear(view: View, place, moves, seen):
    """Derivative (group, site) of the latent image at each group's own sites when its vertices move; see `_moves`."""
    x, y, *signs = place

    def latent(spectrum):
        return _latent(view.few, spectrum, view.offset)

    _, answer = jax.linearize(latent, _spectrum(view.imaging, *place) + view.fixed)

    def moved(group):
        (member, dx, dy), sites = group
        part = x[member], y[member]
        # The spectrum is a sum over vertices: those that stand still have no part in its change.
        own = [sign[member] for sign in signs]
        change = jax.jvp(lambda x, y: _spectrum(view.imaging, x, y, *own), part, (dx, dy))[1]
        return view.coarse.part(sites).value(answer(change))

    return jax.lax.map(moved, (moves, seen))
