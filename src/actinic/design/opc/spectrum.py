"""Fourier coefficients of Manhattan polygons in closed form, from their vertices.

The mixed derivative d2/dxdy of a Manhattan polygon is a sum of points, +1 and -1 at its vertices in turn (+1 where an
upright edge ends). With b(f, x) = exp(-2 pi i f x) / (2 pi i f), or -x at f = 0, whose derivative in x is minus a wave
(or -1), the coefficients are

    F(fx, fy) = sum over vertices of sign b(fx, x) b(fy, y) / (width height),

one product of two matrices. It is exact, and differentiable in every coordinate.
"""

import numpy as np

from ...types import rectangular


def vertex_waves(place, orders: int):
    """b(k, place) for k = -orders..orders, real and imaginary parts (2 orders + 1, n), place in periods."""
    k = np.arange(1, orders + 1)
    xp = place.__array_namespace__()
    phase = (2 * np.pi) * (k.astype(place.dtype)[:, None] * place[None])
    scale = (1 / (2 * np.pi * k)).astype(place.dtype)[:, None]
    # exp(-i a) / i = -sin a - i cos a
    real, imaginary = -xp.sin(phase) * scale, -xp.cos(phase) * scale
    # b(-k) is the conjugate of b(k).
    middle = -place[None]
    return (
        xp.concatenate([real[::-1], middle, real], 0),
        xp.concatenate([-imaginary[::-1], 0 * middle, imaginary], 0),
    )


def polygon_spectrum(x, y, sign, orders: tuple[int, int]):
    """Complex coefficients (2ky+1, 2kx+1) of polygons on a tile, from vertices (n,) in periods of the tile.

    Polygons are cut at the tile's border: a Manhattan polygon whose coordinates are clipped is the polygon cut.
    `sign` is 0 for padding.
    """
    xp = x.__array_namespace__()
    (xr, xi), (yr, yi) = vertex_waves(xp.clip(x, 0, 1), orders[1]), vertex_waves(xp.clip(y, 0, 1), orders[0])
    yr, yi = yr * sign[None], yi * sign[None]
    real, imaginary = yr @ xr.T - yi @ xi.T, yr @ xi.T + yi @ xr.T
    return rectangular(real, imaginary)


def lined_spectra(x, y, signs, orders: tuple[int, int], period_nm: tuple[float, float]):
    """Spectra (3, 2ky+1, 2kx+1) of polygons and of their upright and level edges as lines of light (1/nm).

    `signs` are those of `polygon_spectrum`, +1 at the lower and -1 at the upper end of an upright edge, and +1 at the
    left and -1 at the right end of a level one. Edges on or beyond the tile's border are none.
    """
    sign, lower, left = signs
    xp = x.__array_namespace__()
    (height, width), found = period_nm, [polygon_spectrum(x, y, sign, orders)]
    cx, cy = xp.clip(x, 0, 1), xp.clip(y, 0, 1)
    for weight, place, along, k, j, extent in (
        (lower * ((x > 0) & (x < 1)).astype(x.dtype), cx, cy, orders[1], orders[0], width),
        (left * ((y > 0) & (y < 1)).astype(y.dtype), cy, cx, orders[0], orders[1], height),
    ):
        phase = (2 * np.pi) * (np.arange(-k, k + 1).astype(x.dtype)[:, None] * place[None])
        wr, wi = xp.cos(phase) * weight[None] / extent, -xp.sin(phase) * weight[None] / extent
        br, bi = vertex_waves(along, j)
        spectrum = rectangular(br @ wr.T - bi @ wi.T, br @ wi.T + bi @ wr.T)
        found.append(spectrum if place is cx else spectrum.T)
    return xp.stack(found)
