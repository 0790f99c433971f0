"""Cut-lines on which widths are asked for: read from a table, or found in a layout."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import ConfigError, InputError
from ..layout.polygons import Layout
from .gauges import EDGE, gauges

_CHUNK = 256
_STEP_NM = 30.0
_COLUMNS = "name, x0, y0, x1, y1 (um), cd (nm), tolerance (%)"


@dataclass(frozen=True)
class Cuts:
    """Cut-lines with what they should measure, arrays of one length n.

    `start_nm`, `end_nm` (n, 2) points [x, y]; the feature measured holds the middle. `target_nm` (n,); `tolerance`
    (n,) as a fraction of it; `line` bool (n,), whether the feature is drawn, else a space between drawn ones.
    """

    names: tuple[str, ...]
    start_nm: np.ndarray
    end_nm: np.ndarray
    target_nm: np.ndarray
    tolerance: np.ndarray
    line: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    @property
    def middle_nm(self) -> np.ndarray:
        return 0.5 * (self.start_nm + self.end_nm)

    @property
    def length_nm(self) -> np.ndarray:
        return np.hypot(*(self.end_nm - self.start_nm).T)

    def points_nm(self, fraction: np.ndarray) -> np.ndarray:
        """Points (n, m, 2) at fractions (m,) of the way from start to end."""
        return self.start_nm[:, None] + (self.end_nm - self.start_nm)[:, None] * fraction[:, None]

    def chosen(self, which: np.ndarray) -> "Cuts":
        """Some of them, by index or mask."""
        names = tuple(np.array(self.names, object)[which])
        return Cuts(names, *(getattr(self, n)[which] for n in ("start_nm", "end_nm", "target_nm", "tolerance", "line")))


def read_cuts(
    path: Path, layout: Layout, tolerance: float, window_nm: tuple[float, float, float, float] | None = None
) -> Cuts:
    """Cuts from a CSV file of rows `name, x0, y0, x1, y1, cd, tolerance`: um, nm, percent.

    The last two may be left empty: the drawn width at the cut, and `tolerance` (a fraction). A header line and lines
    that begin with # are skipped. With a window only cuts with their middle in it are taken. InputError names the line.
    """
    rows = [row for row in _rows(path) if window_nm is None or _in(row, window_nm)]
    if not rows:
        return Cuts((), *np.zeros((2, 0, 2)), *np.zeros((2, 0)), np.zeros(0, bool))
    names = [name for name, *_ in rows]
    if len(set(names)) < len(names):
        raise InputError(f"{path}: two cut-lines are named {next(n for n in names if names.count(n) > 1)!r}")
    values = np.array([numbers for _, *numbers in rows])
    start, end = 1000 * values[:, :2], 1000 * values[:, 2:4]
    middle, along = 0.5 * (start + end), end - start
    unit = along / np.hypot(*along.T)[:, None]
    (ahead, out, _), (behind, _, _) = (seen(layout, middle, sign * unit, 1e6) for sign in (1, -1))
    drawn = ahead + behind
    for name, width in zip(names, drawn, strict=True):
        if not np.isfinite(width):
            raise InputError(f"{path}: cut-line {name} has no drawn edge on both sides of its middle; see layer and um")
    target = np.where(np.isnan(values[:, 4]), drawn, values[:, 4])
    share = np.where(np.isnan(values[:, 5]), tolerance, 0.01 * values[:, 5])
    return Cuts(tuple(names), start, end, target, share, out > 0)


def _in(row: tuple, window_nm) -> bool:
    _, x0, y0, x1, y1, *_ = row
    x, y = 500 * (x0 + x1), 500 * (y0 + y1)
    return window_nm[0] <= x < window_nm[2] and window_nm[1] <= y < window_nm[3]


def _rows(path: Path) -> list[tuple]:
    try:
        lines = Path(path).read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    rows = []
    for number, line in enumerate(lines, 1):
        cells = [cell.strip() for cell in line.split("#")[0].split(",")]
        if not any(cells) or (not rows and cells[0].lower() == "name"):
            continue
        try:
            name, *numbers = cells
            x0, y0, x1, y1, cd, share = (float(c) if c else np.nan for c in (*numbers, *[""] * (6 - len(numbers))))
        except ValueError:
            raise InputError(f"{path}, line {number}: expected {_COLUMNS}") from None
        if not (name and np.isfinite([x0, y0, x1, y1]).all() and (x0, y0) != (x1, y1)):
            raise InputError(f"{path}, line {number}: a cut-line needs a name and two different points in um")
        if cd <= 0 or np.isinf(cd) or not (np.isnan(share) or 0 < share < 100):
            raise InputError(f"{path}, line {number}: cd must be positive and tolerance between 0 and 100 %")
        rows.append((name, x0, y0, x1, y1, cd, share))
    if not rows:
        raise InputError(f"{path}: no cut-line in it; expected rows of {_COLUMNS}")
    return rows


def find_cuts(
    layout: Layout,
    window_nm: tuple[float, float, float, float],
    tolerance: float,
    *,
    corner_nm: float,
    reach_nm: float,
    most: int = 100,
) -> Cuts:
    """Widths up to `reach_nm` of lines and spaces with their middle in a window, across pairs of facing parallel edges.

    One cut for each pair, at the gauge (every 30 nm, `corner_nm` from all corners) nearest to the middle of their
    common length; twice as long as the width is wide. Of more than `most` the tighter half of that number is kept,
    and others at even ranks of width, so that all sizes are there.
    """
    x0, y0, x1, y1 = window_nm
    room = 0.5 * reach_nm  # a width whose middle is in the window may have both edges outside
    found = gauges(layout, (x0 - room, y0 - room, x1 + room, y1 + room), _STEP_NM, corner_nm=corner_nm)
    kept = found.kind == EDGE
    at = np.stack([found.x_nm, found.y_nm], 1)[kept]
    normal = np.stack([found.nx, found.ny], 1)[kept]
    edges = layout.edges_nm
    tables = []
    for line in (True, False):
        ray = -normal if line else normal
        width, facing, edge = seen(layout, at, ray, reach_nm)
        # From inside of a line one looks at the other side's outward normal, from a space against it.
        good = np.isfinite(width) & (np.abs(facing) > 1 - 1e-6)
        a, b = edges[edge, :2], edges[edge, 2:]
        hit = at + np.where(good, width, 0.0)[:, None] * ray
        good &= np.minimum(np.hypot(*(hit - a).T), np.hypot(*(hit - b).T)) >= corner_nm
        middle, half = hit - 0.5 * np.where(good, width, 0.0)[:, None] * ray, 0.5 * ray
        good &= np.all((middle >= (x0, y0)) & (middle < (x1, y1)), axis=1)
        tables.append([(*middle[g], *half[g], width[g], line, edge[g]) for g in np.flatnonzero(good)])
    return _thinned(np.array([row for table in tables for row in table]).reshape(-1, 7), tolerance, most)


def _thinned(rows: np.ndarray, tolerance: float, most: int) -> Cuts:
    """Rows (x, y, half a unit vector, width, line, edge) as cuts: one a pair of edges, then at most so many."""
    if not len(rows):
        raise ConfigError("no width to measure in this window: no two parallel edges face each other near enough")
    # Both edges of a pair see it from their own side, and a gauge's own edge is known by its middle line.
    turn = np.where(rows[:, 2] + 1e-3 * rows[:, 3] < 0, -1.0, 1.0)
    across = np.round(turn[:, None] * rows[:, 2:4], 6)
    offset = np.round(2 * (rows[:, :2] * across).sum(1), 3)
    along = 2 * (rows[:, 0] * -across[:, 1] + rows[:, 1] * across[:, 0])
    keys = np.column_stack([across, offset, np.round(rows[:, 4], 3), rows[:, 5]])
    order = np.lexsort((along, *keys.T[::-1]))
    # A gap in the row of gauges, or another key, begins another pair.
    fresh = np.r_[True, (np.diff(keys[order], axis=0) != 0).any(1) | (np.diff(along[order]) > 1.5 * _STEP_NM)]
    groups = np.split(order, np.flatnonzero(fresh)[1:])
    rows = rows[[group[len(group) // 2] for group in groups]]
    rows = rows[np.lexsort((rows[:, 0], rows[:, 1], rows[:, 4]))]
    if len(rows) > most:
        tight = most - most // 2
        rest = np.unique(np.linspace(tight, len(rows) - 1, most // 2).astype(int))
        rows = rows[np.r_[np.arange(tight), rest]]
    x, y, width = rows[:, 0], rows[:, 1], rows[:, 4]
    reach = 2 * rows[:, 2:4] * width[:, None]
    names = tuple(
        f"{'line' if line else 'space'} {w:g} at {a / 1000:.3f} {b / 1000:.3f}"
        for a, b, w, line in zip(x, y, width, rows[:, 5], strict=True)
    )
    middle = rows[:, :2]
    return Cuts(names, middle - reach, middle + reach, width, np.full(len(rows), tolerance), rows[:, 5] > 0)


def seen(
    layout: Layout, at: np.ndarray, unit: np.ndarray, reach_nm: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What rays from points (n, 2) along unit vectors (n, 2) meet first, farther than 1e-3 nm away.

    Distance (n,), infinite where nothing is within reach; cosine (n,) between ray and the edge's outward normal,
    positive when the ray comes from inside; the edge's index (n,) in `layout.edges_nm`.
    """
    edges = layout.edges_nm
    least, greatest = np.minimum(edges[:, :2], edges[:, 2:]), np.maximum(edges[:, :2], edges[:, 2:])
    distance, cosine = np.full(len(at), np.inf), np.zeros(len(at))
    edge = np.zeros(len(at), np.int64)
    for begin in range(0, len(at), _CHUNK):
        part = slice(begin, begin + _CHUNK)
        p, u = at[part, None], unit[part, None]
        low, high = p.min((0, 1)) - reach_nm, p.max((0, 1)) + reach_nm
        near = np.flatnonzero(((greatest >= low) & (least <= high)).all(1))
        if not near.size:
            continue
        a, side = edges[near, :2] - p, edges[near, 2:] - edges[near, :2]
        cross = u[..., 0] * side[:, 1] - u[..., 1] * side[:, 0]
        safe = np.where(np.abs(cross) > 1e-9, cross, np.nan)
        t = (a[..., 0] * side[:, 1] - a[..., 1] * side[:, 0]) / safe
        share = (a[..., 0] * u[..., 1] - a[..., 1] * u[..., 0]) / safe
        with np.errstate(invalid="ignore"):
            t = np.where((share >= 0) & (share <= 1) & (t > 1e-3) & (t <= reach_nm), t, np.inf)
        k = t.argmin(1)
        rows = np.arange(len(k))
        distance[part], edge[part] = t[rows, k], near[k]
        cosine[part] = cross[rows, k] / np.hypot(*side[k].T)
    return distance, cosine, edge
