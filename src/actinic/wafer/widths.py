"""Line widths of features over focus, dose and aberrations, tabulated: what an imaging model says, without the model.

The table is made above (`operate.focus.tabulate`) and handed to whatever needs widths by the million: the estimate of
focus and dose, the choice of features, the drifting twin.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..errors import ConfigError, InputError


@dataclass(frozen=True)
class WidthTable:
    """Widths in nm of features (f) on even grids of focus error (nm) and of the logarithm of the relative dose.

    `width_nm` (f, focus, dose) is NaN where nothing prints. `slope`, `bend` (f, zernike, focus, dose) are its first and
    second derivatives by Fringe Zernikes, per nm and per nm2 of path; `shift` is how far the feature is moved along
    its normal, per nm of path. What two Zernikes do together beyond their sum is left out.
    """

    names: tuple[str, ...]
    focus_nm: np.ndarray
    log_dose: np.ndarray
    width_nm: np.ndarray
    zernikes: tuple[str, ...]
    slope: np.ndarray
    bend: np.ndarray
    shift: np.ndarray

    def __post_init__(self):
        if min(len(self.focus_nm), len(self.log_dose)) < 4:
            raise ConfigError("a table of widths needs four or more values of focus and of dose")

    def index(self, features: Sequence[str]) -> np.ndarray:
        """Numbers (n,) of features by name; InputError where the table has none such."""
        place = {name: n for n, name in enumerate(self.names)}
        unknown = sorted(set(features) - place.keys())
        if unknown:
            raise InputError(f"no feature {', '.join(unknown)}; the list has {', '.join(self.names)}")
        return np.array([place[name] for name in features], np.int64)

    def columns(self, zernikes: Sequence[str]) -> list[int]:
        """Places of Zernikes by name."""
        unknown = sorted(set(zernikes) - set(self.zernikes))
        if unknown:
            raise ConfigError(f"the table of widths has no {', '.join(unknown)}")
        return [self.zernikes.index(name) for name in zernikes]

    @cached_property
    def _all(self) -> np.ndarray:
        """(f, focus, dose, quantity): width, then slopes, then halves of the bends."""
        parts = [self.width_nm[:, None], self.slope, self.bend / 2]
        return np.ascontiguousarray(np.moveaxis(np.concatenate(parts, axis=1), 1, -1))

    def widths(
        self, feature: np.ndarray, focus_nm: np.ndarray, log_dose: np.ndarray, path_nm: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Widths (n,) and their derivatives (n, 2 + zernike) by focus, logarithm of the dose, and Zernikes.

        `path_nm` (n, zernike) are amounts of all Zernikes of the table, None for none. NaN off the grid, and where a
        feature does not print. Cubic in both directions through the four nearest values of each.
        """
        z = len(self.zernikes)
        by_focus, slope_focus, i = _weights(self.focus_nm, focus_nm)
        by_dose, slope_dose, j = _weights(self.log_dose, log_dose)
        used = self._all if path_nm is not None else self._all[..., :1]
        rows, shape = np.arange(4), used.shape
        place = (feature[:, None] * shape[1] + i[:, None] + rows)[:, :, None] * shape[2] + j[:, None, None] + rows
        near = used.reshape(-1, shape[-1])[place]  # (n, focus, dose, quantity)
        along_dose = np.einsum("nfdq,nd->nfq", near, by_dose)
        value = np.einsum("nfq,nf->nq", along_dose, by_focus)
        focused = np.einsum("nfq,nf->nq", along_dose, slope_focus)
        dosed = np.einsum("nfdq,nf,nd->nq", near, by_focus, slope_dose)
        if path_nm is None:
            width, derivative = value[:, 0], np.zeros((len(feature), 2 + z))
            derivative[:, 0], derivative[:, 1] = focused[:, 0], dosed[:, 0]
            return width, derivative
        terms = np.concatenate([np.ones((len(feature), 1)), path_nm, path_nm**2], axis=1)
        by_path = value[:, 1 : 1 + z] + 2 * value[:, 1 + z :] * path_nm
        parts = [(focused * terms).sum(axis=1)[:, None], (dosed * terms).sum(axis=1)[:, None], by_path]
        return (value * terms).sum(axis=1), np.concatenate(parts, axis=1)

    def shifts(self, feature: np.ndarray, focus_nm: np.ndarray, log_dose: np.ndarray, path_nm: np.ndarray):
        """How far features (n,) are displaced, nm towards +x (lines along y) or +y (lines along x), by the Zernikes."""
        by_focus, _, i = _weights(self.focus_nm, focus_nm)
        by_dose, _, j = _weights(self.log_dose, log_dose)
        rows = np.arange(4)
        near = self.shift[feature[:, None, None], :, (i[:, None] + rows)[:, :, None], (j[:, None] + rows)[:, None, :]]
        return np.einsum("nfdz,nf,nd,nz->n", near, by_focus, by_dose, path_nm)


def _weights(grid: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of Lagrange's cubic through four values: weights (n, 4), their derivatives, and where the four begin."""
    step = float(grid[1] - grid[0])
    place = (np.asarray(at, np.float64) - grid[0]) / step
    with np.errstate(invalid="ignore"):
        first = np.clip(np.nan_to_num(np.floor(place)) - 1, 0, len(grid) - 4).astype(np.int64)
    t = place - first
    t = np.where((t < -1e-9) | (t > 3 + 1e-9), np.nan, t)
    a, b, c = t - 1, t - 2, t - 3
    weights = np.stack([-a * b * c / 6, t * b * c / 2, -t * a * c / 2, t * a * b / 6], axis=1)
    slopes = np.stack(
        [-(b * c + a * c + a * b) / 6, (b * c + t * c + t * b) / 2, -(a * c + t * c + t * a) / 2,
         (a * b + t * b + t * a) / 6], axis=1,
    )  # fmt: skip
    return weights, slopes / step, first
