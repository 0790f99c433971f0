"""The real side of the loop: what the fab's lots are like in every field, and what metrology says of them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..operate.widths import Widths
from ..wafer import ExposureMap
from ..wafer.exposure import Fields
from ..wafer.terms import Places, evaluate
from ..wafer.twin import Fab
from ..wafer.twin.fab import history
from ..wafer.widths import WidthTable
from ..wafer.zernike import fringe
from .scenario import DOSE, FOCUS, Scenario

# Where in a field the product's gauges are looked at, in parts of its size from the middle.
PLACES = ((0.0, 0.0), (-0.4, -0.4), (0.4, -0.4), (-0.4, 0.4), (0.4, 0.4))
_RADIUS_MM = 150.0


@dataclass(frozen=True)
class Exposure:
    """A lot as it was exposed: focus (nm) and dose error (percent), (field, place), the resist's blur less nominal."""

    fields: Fields
    places: Places
    focus_nm: np.ndarray
    dose_percent: np.ndarray
    blur_nm: float
    overlay_nm: np.ndarray  # (field, place), the larger of |dx| and |dy|


class Plant:
    """One history of the fab. Everything but what set-points do is fixed by the seed.

    `monitor` is what the real process prints of the monitor's lines. `blur_nm` (lot,) is how far
    the resist's diffusion lies from the true process's nominal one.
    """

    def __init__(self, scenario: Scenario, seed: int, monitor: WidthTable):
        self.scenario, self.seed, self.monitor = scenario, seed, monitor
        self.fab = Fab(scenario.twin, seed)
        self.map = ExposureMap()
        every = self.map.fields()
        self.fields = every[every.whole]
        random = np.random.default_rng((seed, 21))
        tilts = [size * history(self.fab, random) for size in (scenario.twin.tilt_x, scenario.twin.tilt_y)]
        self._tilt = np.stack(tilts, axis=1)
        batches = np.cumsum(scenario.batch_nm * np.random.default_rng((seed, 22)).standard_normal(
            -(-scenario.twin.lots // scenario.batch_lots)))  # fmt: skip
        self.blur_nm = np.repeat(batches, scenario.batch_lots)[: scenario.twin.lots]

    def expose(self, n: int, setpoints: Mapping[str, float]) -> Exposure:
        """Expose lot n, the next one."""
        self.fab.expose(n, setpoints)
        return self.exposure(n)

    def exposure(self, n: int) -> Exposure:
        """What lot n, which was exposed, was like."""
        terms = dict(zip(self.fab.terms, self.fab.developed()[n].tolist(), strict=True))
        random, count = np.random.default_rng((self.seed, 23, n)), len(self.fields)
        x, y = (np.array(side) for side in zip(*PLACES, strict=True))
        x, y = x * self.map.field_width_mm, y * self.map.field_height_mm
        twin = self.scenario.twin
        bowl = twin.bow_nm * fringe(4, self.fields.X_mm / _RADIUS_MM, self.fields.Y_mm / _RADIUS_MM)
        level = terms.pop(FOCUS) + twin.focus_offset_nm + bowl + twin.field_focus_nm * random.standard_normal(count)
        dose = terms.pop(DOSE) + twin.field_dose_percent * random.standard_normal(count)
        focus = level[:, None] + self._tilt[n, 0] * x + self._tilt[n, 1] * y
        X, Y = (self.fields.X_mm[:, None] + x).ravel(), (self.fields.Y_mm[:, None] + y).ravel()
        at = Places(X, Y, np.tile(x, count), np.tile(y, count))
        shift = np.max(np.abs(evaluate(terms, at)), axis=0).reshape(focus.shape)
        return Exposure(self.fields, at, focus, np.repeat(dose[:, None], len(x), axis=1), float(self.blur_nm[n]), shift)

    def widths(self, table: WidthTable, seen: Exposure) -> np.ndarray:
        """True widths (field, place, gauge) of a table with blur; NaN where nothing prints or off the table."""
        shape = (*seen.focus_nm.shape, len(table.names))
        focus = np.broadcast_to(seen.focus_nm[..., None], shape).ravel()
        dose = np.broadcast_to(np.log1p(seen.dose_percent / 100)[..., None], shape).ravel()
        gauge = np.broadcast_to(np.arange(shape[-1]), shape).ravel()
        path = np.full((focus.size, 1), seen.blur_nm)
        return table.widths(gauge, focus, dose, path)[0].reshape(shape)

    def monitored(self, n: int) -> Widths:
        """Measured widths of the monitor on lot n, with noise, in some fields."""
        return self._monitored(self.exposure(n), n, self.fab.lots[n].lot)

    def qualified(self) -> Widths:
        """The same of the wafer that the machine was qualified with: no error of focus and dose, nominal resist."""
        shape = len(self.fields), len(PLACES)
        at = Places(*np.zeros((4, 1)))
        seen = Exposure(self.fields, at, np.zeros(shape), np.zeros(shape), 0.0, np.zeros(shape))
        return self._monitored(seen, self.scenario.twin.lots, "qualification")

    def _monitored(self, seen: Exposure, n: int, lot: str) -> Widths:
        monitor, table = self.scenario.monitor, self.monitor
        random = np.random.default_rng((self.seed, 24, n))
        chosen = np.sort(random.choice(len(seen.fields), min(monitor.fields, len(seen.fields)), replace=False))
        field, place, gauge = (
            part.ravel()
            for part in np.meshgrid(chosen, np.arange(len(PLACES)), np.arange(len(table.names)), indexing="ij")
        )
        focus, dose = seen.focus_nm[field, place] + monitor.focus_nm, np.log1p(seen.dose_percent[field, place] / 100)
        width, _ = table.widths(gauge, focus, dose, np.full((len(gauge), 1), seen.blur_nm))
        width = width + monitor.sigma_nm * random.standard_normal(width.size)
        good = np.isfinite(width)
        columns, rows = seen.fields.column[field], seen.fields.row[field]
        x, y = np.array(PLACES).T
        x, y = x[place] * self.map.field_width_mm, y[place] * self.map.field_height_mm
        lots, wafers = (np.full(len(gauge), name, object) for name in (lot, "1"))
        parts = (lots, wafers, columns, rows, np.array(table.names, object)[gauge], x, y, width,
                 np.full(len(gauge), monitor.sigma_nm), np.arange(len(gauge)))  # fmt: skip
        return Widths(*(part[good] for part in parts))

    def matrix(self, n: int) -> list[tuple[str, float, float, float]]:
        """A focus-exposure matrix printed beside lot n at the process of record: feature, focus, dose, width measured.

        Its focus and dose are what the machine was set to; what it really had is off as the lot's would have been.
        """
        wanted, sigma, table = self.scenario.calibration, self.scenario.monitor.sigma_nm, self.monitor
        terms = dict(zip(self.fab.terms, self.fab.disturbance[n].tolist(), strict=True))
        random, rows = np.random.default_rng((self.seed, 25, n)), []
        for name in table.names:
            for focus in wanted.focus_nm:
                for dose in wanted.dose:
                    log = np.log(dose * (1 + terms[DOSE] / 100))
                    at = table.index([name]), np.array([focus + terms[FOCUS]]), np.array([log])
                    [width], _ = table.widths(*at, np.array([[self.blur_nm[n]]]))
                    value = float(width + sigma * random.standard_normal())
                    if np.isfinite(value):
                        rows.append((name, focus, dose, value))
        return rows
