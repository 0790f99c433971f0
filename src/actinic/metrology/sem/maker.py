"""Pictures as a scanning electron microscope takes them, of edges that are known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage, spatial

from ...errors import ConfigError, InputError
from ...types import Grid

_SPACING = 0.5  # of the pitch: how densely outlines are dotted to find the nearest side
_NEAREST = 4


@dataclass(frozen=True)
class Sem:
    """A microscope and how it sees an edge. Grey levels are relative: 1 is the height of an edge's bright band.

    The signal is `line` or `space` and a bright band at the edge, which falls off exponentially over `inner_nm` into
    the line and `outer_nm` into the space (in the spirit of Mack and Bunday, Proc. SPIE 9424, 94240F, 2015); then the
    beam blurs it by a Gaussian of standard deviation `beam_nm`. `electrons` are detected in a pixel of level 1 on
    average (0: no shot noise), `read` is Gaussian noise of the amplifier in grey levels.

    Rows are scanned one after another and move along x: by `drift_nm` from the first to the last, evenly or settling
    exponentially in `settling`, a share of the picture (charging); by a wave of `wave_nm` rms and period
    `wave_period_nm` along y (vibration); and each by a Gaussian of its own, `jitter_nm` rms (scan errors).
    """

    pixel_nm: float = 1.0
    beam_nm: float = 1.0
    electrons: float = 40.0
    line: float = 0.45
    space: float = 0.25
    inner_nm: float = 5.0
    outer_nm: float = 1.0
    read: float = 0.0
    drift_nm: float = 0.0
    settling: float = np.inf
    wave_nm: float = 0.0
    wave_period_nm: float = 50.0
    jitter_nm: float = 0.0

    def __post_init__(self):
        positive = ("pixel_nm", "inner_nm", "outer_nm", "settling", "wave_period_nm")
        for name in (*positive, "beam_nm", "electrons", "line", "space", "read", "jitter_nm"):
            value = getattr(self, name)
            if not value >= 0 or (name in positive and value == 0):
                raise ConfigError(f"sem: {name} = {value} must be {'positive' if name in positive else 'at least 0'}")

    def signal(self, distance_nm: np.ndarray, width_nm: float) -> np.ndarray:
        """Grey level, averaged over `width_nm` across the edge, at signed distances, positive inside the line."""
        ends = np.asarray(distance_nm)[..., None] + 0.5 * width_nm * np.array([-1.0, 1.0])
        inside, outside = np.maximum(ends, 0.0), np.minimum(ends, 0.0)
        area = self.line * inside + self.space * outside
        # A band of height 1 over the level of its side.
        area += (1 - self.line) * self.inner_nm * -np.expm1(-inside / self.inner_nm)
        area += (1 - self.space) * self.outer_nm * np.expm1(outside / self.outer_nm)
        return (area[..., 1] - area[..., 0]) / width_nm

    def scan_nm(self, y_nm: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """How far each row (y,) is moved towards +x."""
        time = (y_nm - y_nm[0]) / max(y_nm[-1] - y_nm[0], 1e-300)
        moved = self.drift_nm * time
        if np.isfinite(self.settling):
            moved = self.drift_nm * np.expm1(-time / self.settling) / np.expm1(-1 / self.settling)
        moved = moved + np.sqrt(2) * self.wave_nm * np.sin(2 * np.pi * (y_nm / self.wave_period_nm + random.random()))
        return moved + self.jitter_nm * random.standard_normal(y_nm.size)


def line_distance(left_nm: np.ndarray, right_nm: np.ndarray, grid: Grid) -> np.ndarray:
    """Signed distance [y, x] in nm along x to the edges (line, y) of lines along y, positive inside a line.

    Row y of the edges belongs to row y of the grid; lines are in the order of x and do not touch.
    """
    left, right = np.asarray(left_nm, np.float64), np.asarray(right_nm, np.float64)
    if left.shape != right.shape or left.ndim != 2 or left.shape[1] != grid.shape[0]:
        raise InputError(f"edges need the shape (line, {grid.shape[0]}), not {left.shape} and {right.shape}")
    edges = np.stack([left, right], axis=1).reshape(-1, grid.shape[0])
    if not (np.diff(edges, axis=0) > 0).all():
        raise InputError("the edges cross: each must lie to the right of the one before")
    x = grid.x_nm
    found = np.full(grid.shape, np.inf)
    for k, edge in enumerate(edges):
        towards = (x - edge[:, None]) * (1.0 if k % 2 == 0 else -1.0)
        np.copyto(found, towards, where=np.abs(towards) < np.abs(found))
    return found


def ring_distance(rings: Sequence[np.ndarray], grid: Grid) -> np.ndarray:
    """Signed distance [y, x] in nm to closed rings (n, 2) [x, y] as `contours` gives them, positive inside.

    Hulls run counter-clockwise and holes clockwise: the inside lies to the left.
    """
    if not rings or any(np.ndim(ring) != 2 or len(ring) < 3 for ring in rings):
        raise InputError("a picture needs rings of three points or more, (n, 2) [x, y] in nm")
    start = np.concatenate([np.asarray(ring, np.float64) for ring in rings])
    along = np.concatenate([np.roll(ring, -1, axis=0) - ring for ring in rings])
    length = np.hypot(*along.T)
    start, along, length = start[length > 0], along[length > 0], length[length > 0]
    dots = np.maximum(np.ceil(length / (_SPACING * grid.pitch_nm)), 1).astype(int)
    side = np.repeat(np.arange(len(dots)), dots)
    share = (np.arange(side.size) - np.repeat(np.cumsum(dots) - dots, dots) + 0.5) / dots[side]
    tree = spatial.cKDTree(start[side] + share[:, None] * along[side])
    x, y = np.meshgrid(grid.x_nm, grid.y_nm)
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    near = side[tree.query(points, k=min(_NEAREST, side.size))[1]].reshape(len(points), -1)
    from_start = points[:, None] - start[near]
    unit = along[near] / length[near][..., None]
    reach = np.clip((from_start * unit).sum(axis=2), 0.0, length[near])
    offset = from_start - reach[..., None] * unit
    apart = np.hypot(offset[..., 0], offset[..., 1])
    cross = unit[..., 0] * from_start[..., 1] - unit[..., 1] * from_start[..., 0]
    # At a corner two sides are equally near; the one that the point stands more squarely on tells the side.
    best = np.argmin(apart - 1e-6 * np.abs(cross), axis=1)
    pick = np.arange(len(points)), best
    return np.copysign(apart[pick], cross[pick]).reshape(grid.shape)


def sem_image(distance_nm: np.ndarray, grid: Grid, sem: Sem, *, seed: int) -> np.ndarray:
    """Grey levels [y, x] float64 of a signed distance given on a grid at least twice as fine as the pixels.

    The pixels are those of `grid.with_pitch(sem.pixel_nm)`; a pixel shows the mean over its area.
    """
    fine = round(sem.pixel_nm / grid.pitch_nm)
    if fine < 2 or abs(fine * grid.pitch_nm - sem.pixel_nm) > 1e-6 * sem.pixel_nm or any(n % fine for n in grid.shape):
        raise ConfigError(
            f"a picture with pixels of {sem.pixel_nm} nm needs a grid of a half, a third ... of that, in whole pixels, "
            f"not {grid.shape} at {grid.pitch_nm} nm"
        )
    if distance_nm.shape != grid.shape:
        raise InputError(f"the distance has shape {distance_nm.shape}, its grid {grid.shape}")
    random = np.random.default_rng(seed)
    signal = sem.signal(distance_nm, grid.pitch_nm)
    moved = np.repeat(sem.scan_nm(grid.with_pitch(sem.pixel_nm).y_nm, random), fine)
    if moved.any():
        x = grid.x_nm
        signal = np.stack([np.interp(x - shift, x, row) for shift, row in zip(moved, signal, strict=True)])
    signal = ndimage.gaussian_filter(signal, sem.beam_nm / grid.pitch_nm, mode="nearest")
    ny, nx = (n // fine for n in grid.shape)
    grey = signal.reshape(ny, fine, nx, fine).mean(axis=(1, 3))
    if sem.electrons:
        grey = random.poisson(sem.electrons * grey) / sem.electrons
    return grey + sem.read * random.standard_normal(grey.shape)
