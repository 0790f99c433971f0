"""Process windows in focus and dose: exposure latitude against depth of focus, of one feature or of many.

A window is bounded at each focus by a lowest and a highest dose; the one common to many features is their
intersection. What fits inside is measured by axis-parallel shapes (Mack 2007, chapter 8): a rectangle, whose whole area
is allowed, for systematic errors of focus and dose, and an ellipse, a surface of equal probability, for independent
normal ones. Its width is the depth of focus (DOF), its height as a share of its centre's dose the exposure
latitude (EL). The curve of the largest EL at each DOF is the field's figure of merit.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from .bossung import runs

Shape = Literal["ellipse", "rectangle"]
SHAPES: tuple[Shape, ...] = ("ellipse", "rectangle")

_NODES = 97  # across a shape
_CENTRES, _ZOOMS = 25, 4  # of a search that narrows
_STEPS = 10
_WIDTHS = 61  # of a curve


@dataclass(frozen=True)
class Window:
    """Lowest and highest dose (n,) over increasing focus (n,); closed where not low < high, NaN included.

    `low_by` and `high_by` int (n,) say which of the overlapped windows bounds it.
    """

    focus_nm: np.ndarray
    low: np.ndarray
    high: np.ndarray
    low_by: np.ndarray
    high_by: np.ndarray

    @property
    def open(self) -> np.ndarray:
        """bool (n,): where some dose is in the window."""
        return self.low < self.high


@dataclass(frozen=True)
class Inscribed:
    """A shape inside a window: its centre, full width and full height (percent of the centre's dose).

    `cut_off`: it reaches an end of the focus series, so that a longer series may hold a wider one.
    """

    focus_nm: float
    dose: float
    dof_nm: float
    el_percent: float
    cut_off: bool


def overlap(focus_nm: np.ndarray, low: np.ndarray, high: np.ndarray) -> Window:
    """The window common to many: `low` and `high` doses are (feature, focus), NaN where a feature has no window."""
    # Of a NaN, argmax and argmin tell the place.
    low_by, high_by = np.argmax(low, 0), np.argmin(high, 0)
    at = np.arange(len(focus_nm))
    return Window(focus_nm, low[low_by, at], high[high_by, at], low_by, high_by)


def tallest(window: Window, shape: Shape, dof_nm) -> list[Inscribed | None]:
    """For each DOF the shape of the largest EL; None where not even a flat one fits."""
    half = 0.5 * np.atleast_1d(np.asarray(dof_nm, np.float64))
    centre, latitude, dose = _tallest(window, shape, half)
    start, end = window.focus_nm[[0, -1]]
    hair = 1e-6 * (end - start)
    return [
        Inscribed(float(f), float(d), 2 * float(a), 100 * float(e), bool(f - a < start + hair or f + a > end - hair))
        if e > 0
        else None
        for f, e, d, a in zip(centre, latitude, dose, half, strict=True)
    ]


def widest(window: Window, shape: Shape, el_percent: float) -> Inscribed | None:
    """The shape of the largest DOF at an EL; None where there is none, not even at one focus."""
    span = float(np.ptp(window.focus_nm))
    low, high = 1e-6 * span, span

    def fits(dof):
        return float(_tallest(window, shape, np.array([0.5 * dof]))[1][0]) >= 0.01 * el_percent

    if fits(high):
        low = high
    elif not fits(low):
        return None
    # The largest EL falls with the DOF: a shape holds every narrower one of its height.
    while high - low > 1e-5 * span:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if fits(middle) else (low, middle)
    return tallest(window, shape, low)[0]


def largest(window: Window, shape: Shape) -> Inscribed | None:
    """The shape of the largest area, DOF x EL; None in a closed window."""
    span = float(np.ptp(window.focus_nm))
    low, high, best = 0.0, span, 0.0
    for _ in range(_ZOOMS):
        dof = np.linspace(low, high, _CENTRES)[1:]
        area = dof * _tallest(window, shape, 0.5 * dof)[1]
        if area.max() <= 0:
            high = dof[0]
            continue
        best, step = float(dof[np.argmax(area)]), dof[1] - dof[0]
        low, high = max(best - step, 0.0), min(best + step, span)
    return tallest(window, shape, best)[0] if best else None


def latitude_curve(window: Window, shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    """DOF in nm and the largest EL in percent at each, both (n,), up to where nothing fits or the focus series ends."""
    dof = np.linspace(0.0, float(np.ptp(window.focus_nm)), _WIDTHS)
    el = 100 * _tallest(window, shape, 0.5 * dof)[1]
    fits = el > 0
    return dof[fits], el[fits]


def touches(window: Window, inside: Inscribed, shape: Shape) -> tuple[int, int]:
    """Which of the overlapped windows a tallest shape touches from below and from above."""
    u = window.focus_nm - inside.focus_nm
    within = np.abs(u) <= 0.5 * inside.dof_nm * (1 + 1e-9)
    height = np.sqrt(np.clip(1 - (2 * u / inside.dof_nm) ** 2, 0, 1)) if shape == "ellipse" else 1.0
    reach = 0.005 * inside.el_percent * inside.dose * height
    above = np.where(within, window.high - inside.dose - reach, np.inf)
    below = np.where(within, inside.dose - reach - window.low, np.inf)
    return int(window.low_by[np.argmin(below)]), int(window.high_by[np.argmin(above)])


def outline(window: Window) -> np.ndarray:
    """Corners (n, 2) of the widest unbroken piece of a window: focus in nm, dose; counter-clockwise, not repeated."""
    pieces = runs(window.open)
    if not pieces:
        return np.zeros((0, 2))
    begin, end = max(pieces, key=lambda piece: piece[1] - piece[0])
    f, low, high = (values[begin:end] for values in (window.focus_nm, window.low, window.high))
    return np.concatenate([np.stack([f, low], 1), np.stack([f, high], 1)[::-1]])


def _tallest(window: Window, shape: Shape, half: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centre focus, EL as a fraction and centre dose (m,) of the tallest shape of each half width (m,)."""
    start, end = window.focus_nm[[0, -1]]
    low, high = start + half, np.maximum(end - half, start + half)
    rows = np.arange(half.size)
    for _ in range(_ZOOMS):
        centre = np.linspace(low, high, _CENTRES, axis=1)
        latitude, dose = _latitude(window, shape, centre, half[:, None])
        best = np.argmax(latitude, axis=1)
        found = centre[rows, best], latitude[rows, best], dose[rows, best]
        step = (high - low) / (_CENTRES - 1)
        low, high = np.maximum(found[0] - step, low), np.minimum(found[0] + step, high)
    return found


def _latitude(window: Window, shape: Shape, centre: np.ndarray, half: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Largest EL as a fraction, and its centre's dose, of shapes of given centre and half width; arrays (m, n).

    EL is negative where nothing fits. With x = 1 / dose and y = EL / 2, a point of the shape at relative height s
    is inside when s y <= high x - 1 and s y <= 1 - low x. Over x the least of the first grows and that of the
    second falls, so the best x is where they meet.
    """
    angle = np.linspace(0.0, np.pi, _NODES)
    at = centre[..., None] - half[..., None] * np.cos(angle)
    at = np.clip(at, *window.focus_nm[[0, -1]])
    low, high = (np.interp(at, window.focus_nm, values) for values in (window.low, window.high))
    closed = ~np.all(np.isfinite(low) & np.isfinite(high), axis=-1)
    low, high = (np.where(closed[..., None], 1.0, values) for values in (low, high))
    if shape == "rectangle":
        top, bottom = high.min(-1), low.max(-1)
        y, x = (top - bottom) / (top + bottom), 2 / (top + bottom)
    else:
        y, x = _ellipse(low, high, np.maximum(np.sin(angle), 1e-9))
    return np.where(closed, -1.0, 2 * y), 1 / x


def _ellipse(low: np.ndarray, high: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The largest y and its x (...) of the ellipse, for the bounds (..., node) and relative heights s (node,)."""
    s = np.broadcast_to(s, low.shape)
    a, b = 1 / high.max(-1), 1 / low.min(-1)
    x = best_x = 2 / (high.min(-1) + low.max(-1))
    best = np.full(x.shape, -np.inf)
    for _ in range(_STEPS):
        i, j = ((v / s).argmin(-1)[..., None] for v in (high * x[..., None] - 1, 1 - low * x[..., None]))
        hi, si, lj, sj = (np.take_along_axis(v, k, -1)[..., 0] for v, k in ((high, i), (s, i), (low, j), (s, j)))
        rising, falling = (hi * x - 1) / si, (1 - lj * x) / sj
        best_x = np.where(np.minimum(rising, falling) > best, x, best_x)
        best = np.maximum(best, np.minimum(rising, falling))
        a, b = np.where(rising < falling, x, a), np.where(rising < falling, b, x)
        # Where the two straight pieces that count here meet, if they can be the last ones, else halfway.
        x = (si + sj) / (hi * sj + lj * si)
        x = np.where((x > a) & (x < b), x, 0.5 * (a + b))
    return best, best_x
