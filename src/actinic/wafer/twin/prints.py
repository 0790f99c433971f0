"""What the drifting twin prints: focus, dose, tilt and aberrations of every lot and field, and the widths they make.

The widths and pattern placement come from an imaging model, as a table made above: nothing here knows optics.
"""

from dataclasses import dataclass

import numpy as np

from ...errors import ConfigError
from ..exposure import ExposureMap, Fields
from ..widths import WidthTable
from ..zernike import fringe
from .fab import Fab, history

FOCUS, DOSE, TILTS = "focus_nm", "dose_percent", ("tilt_x", "tilt_y")
FIELDS, PER_AXIS, REACH = 12, 5, 0.92
_RADIUS_MM = 150.0


@dataclass(frozen=True)
class Printed:
    """One measured lot: its fields, the true state of each, and the places in a field where features are measured.

    `focus_nm`, `dose_percent`, `tilt_x`, `tilt_y` (field,); `path_nm` by Zernike; `shift_nm` is the pattern placement
    along x and y of the feature that overlay marks are made of.
    """

    fields: Fields
    focus_nm: np.ndarray
    dose_percent: np.ndarray
    tilt_x: np.ndarray
    tilt_y: np.ndarray
    path_nm: dict[str, float]
    x_mm: np.ndarray
    y_mm: np.ndarray
    shift_nm: tuple[float, float]


class Prints:
    """The printed side of one history of a fab. `vertical` and `horizontal` are the features of the overlay marks."""

    def __init__(
        self, fab: Fab, seed: int, table: WidthTable, vertical: int | None = None, horizontal: int | None = None
    ):
        self.table, self.twin, self._seed = table, fab.twin, seed
        self._marks = vertical, horizontal
        random = np.random.default_rng((seed, 7))
        unknown = sorted(set(self.twin.zernikes_nm) - set(table.zernikes))
        if unknown:
            raise ConfigError(f"zernikes_nm: the table of widths has no {', '.join(unknown)}")
        scales = {name: getattr(self.twin, name) for name in (FOCUS, DOSE, *TILTS)} | self.twin.zernikes_nm
        self.state = {name: scale * history(fab, random) for name, scale in scales.items()}

    def lot(self, n: int) -> Printed:
        """The state of the measured fields of lot n."""
        random, twin = np.random.default_rng((self._seed, 8, n)), self.twin
        fields = ExposureMap().fields()
        fields = fields[np.sort(random.choice(len(fields), min(FIELDS, len(fields)), replace=False))]
        level = {name: float(values[n]) for name, values in self.state.items()}
        bowl = twin.bow_nm * fringe(4, fields.X_mm / _RADIUS_MM, fields.Y_mm / _RADIUS_MM)
        count = len(fields)
        side = np.linspace(-REACH / 2, REACH / 2, PER_AXIS)
        place = ExposureMap()
        path = {name: level.get(name, 0.0) for name in self.table.zernikes}
        found = Printed(
            fields,
            level[FOCUS] + twin.focus_offset_nm + bowl + twin.field_focus_nm * random.standard_normal(count),
            level[DOSE] + twin.field_dose_percent * random.standard_normal(count),
            *(np.full(count, level[name]) for name in TILTS), path,
            np.tile(side * place.field_width_mm, PER_AXIS), np.repeat(side * place.field_height_mm, PER_AXIS),
            (0.0, 0.0),
        )  # fmt: skip
        return Printed(**{**found.__dict__, "shift_nm": (self._shift(found, 0), self._shift(found, 1))})

    def widths(self, printed: Printed, sigma_nm: np.ndarray, n: int) -> np.ndarray:
        """Measured widths (field, place, feature) in nm with noise of so much a feature; NaN where nothing prints."""
        fields, places, count = len(printed.fields), len(printed.x_mm), len(self.table.names)
        tilt = np.outer(printed.tilt_x, printed.x_mm) + np.outer(printed.tilt_y, printed.y_mm)
        focus = np.repeat((printed.focus_nm[:, None] + tilt)[..., None], count, axis=2)
        dose = np.broadcast_to(np.log1p(printed.dose_percent / 100)[:, None, None], focus.shape)
        feature = np.broadcast_to(np.arange(count), focus.shape)
        path = np.tile([printed.path_nm[name] for name in self.table.zernikes], (focus.size, 1))
        width, _ = self.table.widths(feature.ravel(), focus.ravel(), dose.ravel(), path if path.size else None)
        noise = np.random.default_rng((self._seed, 9, n)).standard_normal((fields, places, count))
        return width.reshape(focus.shape) + sigma_nm * noise

    def _shift(self, printed: Printed, axis: int) -> float:
        """Pattern placement of the marks' feature at the mean focus and dose of a lot; lines along y move in x."""
        feature = self._marks[axis]
        if feature is None or not self.table.zernikes:
            return 0.0
        at = np.array([printed.focus_nm.mean()]), np.array([np.log1p(printed.dose_percent.mean() / 100)])
        path = np.array([[printed.path_nm[name] for name in self.table.zernikes]])
        return float(np.nan_to_num(self.table.shifts(np.array([feature]), *at, path)[0]))
