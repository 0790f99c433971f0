"""Where edges print, and how they move when the machine changes: derivatives by the implicit function.

An edge stands at t along a ray where H(t, p) = dose L(t, p) - threshold is zero, so dt/dp = -(dH/dp) / (dH/dt). A
width is the sum of two such distances from the middle of its cut. No root is searched for a derivative.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...optics import band
from ...types import Grid
from .measured import Cut, Lines, Measurement

STEP_NM = 4.0
NEWTON_STEPS = 3
REACH_NM = 100.0


@dataclass(frozen=True)
class Rays:
    """Half-lines on which edges are sought, arrays (ray,): start, unit direction, where to look, which measurement.

    `inside` is 1 where the run that is measured lies above the level, -1 where below. An edge is a change from
    inside to outside along the ray; a width (`width`) begins inside at t = 0 and takes the first, an edge the
    nearest to t = 0.
    """

    x_nm: np.ndarray
    y_nm: np.ndarray
    ux: np.ndarray
    uy: np.ndarray
    low_nm: np.ndarray
    high_nm: np.ndarray
    inside: np.ndarray
    width: np.ndarray
    of: np.ndarray

    def at(self, t) -> tuple[np.ndarray, np.ndarray]:
        """Points at distances t (ray,) or (ray, n)."""
        t = np.asarray(t)
        parts = (a if t.ndim == 1 else a[:, None] for a in (self.x_nm, self.ux, self.y_nm, self.uy))
        x, ux, y, uy = parts
        return x + t * ux, y + t * uy


def rays(measurements: Sequence[Measurement], members: np.ndarray, printed_above: bool, latent, grid: Grid) -> Rays:
    """The rays of the measurements that see one image, two for a width and one for an edge.

    `latent` is the image as samples; only contour points, which have no direction of their own, need it.
    """
    drawn = 1 if printed_above else -1
    rows = []
    for place in members:
        m = measurements[place]
        site, sign = m.site, -drawn if m.kind == "space" else drawn
        if isinstance(site, Lines):
            middle = 0.0 if m.kind == "line" else site.pitch_nm / 2
            start, unit = ((middle, 0.0), (1.0, 0.0)) if site.axis == "y" else ((0.0, middle), (0.0, 1.0))
            reach = site.pitch_nm / 2
        else:
            unit = _direction(site, latent, grid, drawn)
            # OPC tools draw the cut of a width from edge to edge; the print may be wider.
            start = (site.x0_nm, site.y0_nm) if m.kind == "edge" else site.middle_nm
            reach = REACH_NM if m.kind == "edge" else site.length_nm / 2 + REACH_NM
        if m.kind == "edge":
            rows.append((*start, *unit, -reach, reach, sign, False, place))
        else:
            rows += [(*start, side * unit[0], side * unit[1], 0.0, reach, sign, True, place) for side in (1.0, -1.0)]
    x, y, ux, uy, low, high, inside, width, of = map(np.array, zip(*rows, strict=True))
    return Rays(x, y, ux, uy, low, high, inside, width, of)


def _direction(site: Cut, latent, grid: Grid, drawn: int) -> tuple[float, float]:
    """Along the cut, or for a point along the outward normal of the printed edge next to it."""
    if site.x1_nm is not None and site.y1_nm is not None:
        return (site.x1_nm - site.x0_nm) / site.length_nm, (site.y1_nm - site.y0_nm) / site.length_nm
    h = 0.5
    x = site.x0_nm + np.array([h, -h, 0, 0])
    y = site.y0_nm + np.array([0, 0, h, -h])
    right, left, up, down = band.to_points(latent, grid, x, y)
    gx, gy = -drawn * float(right - left), -drawn * float(up - down)
    steep = max(math.hypot(gx, gy), 1e-300)
    return gx / steep, gy / steep


def find(latent: np.ndarray, grid: Grid, level: np.ndarray, along: Rays) -> tuple[np.ndarray, np.ndarray]:
    """Distance t (ray,) in nm of the edge on each ray, NaN where there is none, and the image's slope there per nm.

    `level` (ray,) is the threshold over the dose. Images are evaluated as the band-limited sums they are, so the
    distance is exact to 1e-7 nm.
    """
    n = int(np.ceil((along.high_nm - along.low_nm).max() / STEP_NM)) + 1
    share = np.linspace(0, 1, 2 * (n // 2) + 1)
    t = along.low_nm[:, None] + (along.high_nm - along.low_nm)[:, None] * share
    x, y = along.at(t)
    height = band.to_points(latent, grid, x.ravel(), y.ravel()).reshape(t.shape) - level[:, None]
    printed = height * along.inside[:, None] > 0
    leaves = printed[:, :-1] & ~printed[:, 1:]
    # A width's run begins at its middle; of edges the nearest counts.
    order = np.where(along.width[:, None], t[:, :-1], np.abs(t[:, :-1] + t[:, 1:]))
    ray = np.arange(len(level))
    first = np.argmin(np.where(leaves, order, np.inf), axis=1)
    lost = ~leaves.any(axis=1) | (along.width & ~printed[:, 0])
    low, high, a, b = t[ray, first], t[ray, first + 1], height[ray, first], height[ray, first + 1]
    at = low + (high - low) * a / np.where(lost, 1.0, a - b)
    for _ in range(NEWTON_STEPS):
        value, steep = _value_and_slope(latent, grid, along, at)
        at = np.clip(at - (value - level) / np.where(lost, 1.0, steep), low, high)
    return np.where(lost, np.nan, at), _value_and_slope(latent, grid, along, at)[1]


def _value_and_slope(latent: np.ndarray, grid: Grid, along: Rays, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The image (ray,) at t on each ray, and its derivative per nm by a five-point difference of the exact sum."""
    h = 0.5
    x, y = along.at(t[:, None] + h * np.array([-2, -1, 0, 1, 2]))
    at = band.to_points(latent, grid, x.ravel(), y.ravel()).reshape(-1, 5).T
    return at[2], (at[0] - 8 * at[1] + 8 * at[3] - at[4]) / (12 * h)
