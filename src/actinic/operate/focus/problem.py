"""What widths measured in a field say of it: parameters of a field, and residuals of many fields at once."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...errors import ConfigError, InputError
from ...wafer import FocusMap, Places
from ...wafer.widths import WidthTable
from ..widths import Widths

FOCUS, DOSE = "focus_nm", "dose_percent"
# Of the field, in the order of `FocusMap.shapes`: nm, nm/mm along x and y, nm/mm2.
SHAPES = (FOCUS, "tilt_x", "tilt_y", "curvature_x", "curvature_y")
WORDS = {"focus": (FOCUS,), "dose": (DOSE,), "tilt": SHAPES[1:3], "curvature": SHAPES[3:]}
UNITS = {FOCUS: "nm", DOSE: "%", "tilt_x": "nm/mm", "tilt_y": "nm/mm", "curvature_x": "nm/mm2", "curvature_y": "nm/mm2"}
# Of a Zernike before any width, nm of path about 0: lenses are set up to less, and the table knows no more.
ZERNIKE_NM = 2.0
# About how large each is: where damping of steps begins.
_SIZES = {FOCUS: 10.0, DOSE: 1.0, "tilt_x": 1.0, "tilt_y": 1.0, "curvature_x": 0.1, "curvature_y": 0.1}


def unit(name: str) -> str:
    """The unit of a parameter; Zernikes are nm of path."""
    return UNITS.get(name, "nm")


def parameters(words: Sequence[str]) -> tuple[str, ...]:
    """Names of parameters of words such as tilt, tilt_x, curvature, Z9; focus and dose are always there."""
    found = [FOCUS, DOSE]
    for word in words:
        if word in WORDS:
            found += WORDS[word]
        elif word in UNITS or re.fullmatch(r"Z([1-9]|[12]\d|3[0-7])", word):
            found.append(word)
        else:
            raise ConfigError(f"there is no parameter {word!r} of a field: {', '.join(WORDS)}, tilt_x, Z9 and the like")
    for name, why in (("Z1", "moves no edge"), ("Z4", "is focus")):
        if name in found:
            raise ConfigError(f"{name} {why}; leave it out")
    return tuple(dict.fromkeys(found))


@dataclass(frozen=True)
class Fields:
    """Measured fields (b) padded to n widths each; a sigma of infinity is padding.

    `feature` numbers those of `table`; `names` are the parameters (p,). `prior_nm` is what is known of the focus before
    any width, mean and standard deviation: it tells on which side of best focus fields lie that were exposed off it.
    """

    table: WidthTable
    names: tuple[str, ...]
    feature: np.ndarray
    x_mm: np.ndarray
    y_mm: np.ndarray
    cd_nm: np.ndarray
    sigma_nm: np.ndarray
    prior_nm: tuple[float, float] | None = None

    @classmethod
    def of(
        cls, table: WidthTable, names: Sequence[str], measured: Widths, groups: Sequence[np.ndarray],
        sigma_nm: dict[str, float], prior_nm: tuple[float, float] | None = None,
    ) -> "Fields":  # fmt: skip
        """Fields from rows of measured widths; a row's own sigma comes before that of its feature."""
        table.columns([name for name in names if name not in UNITS])
        feature = table.index(measured.feature.tolist())
        known = np.array([sigma_nm.get(name, np.nan) for name in measured.feature.tolist()])
        sigma = np.where(np.isfinite(measured.sigma_nm), measured.sigma_nm, known)
        if np.isnan(sigma).any():
            line = int(measured.line[np.isnan(sigma)][0])
            raise InputError(f"line {line}: no sigma_nm, neither in the row nor of its feature")
        shape = len(groups), max(map(len, groups))
        parts = [np.zeros(shape, np.int64), *(np.zeros(shape) for _ in range(3)), np.full(shape, np.inf)]
        columns = (feature, measured.x_mm, measured.y_mm, measured.cd_nm, sigma)
        for n, rows in enumerate(groups):
            for part, column in zip(parts, columns, strict=True):
                part[n, : len(rows)] = column[rows]
        return cls(table, tuple(names), *parts, prior_nm)

    @cached_property
    def shapes(self) -> np.ndarray:
        """How the focus at each place (b, n, p) grows with each parameter; 0 for those that are not focus."""
        zero = np.zeros(self.x_mm.size)
        of = FocusMap.shapes([1], Places(zero, zero, self.x_mm.ravel(), self.y_mm.ravel()))
        found = np.zeros((self.x_mm.size, len(self.names)))
        for k, name in enumerate(self.names):
            if name in SHAPES:
                found[:, k] = of[:, SHAPES.index(name)]
        return found.reshape(*self.x_mm.shape, -1)

    @cached_property
    def sizes(self) -> np.ndarray:
        """Sizes of first steps (p,)."""
        return np.array([_SIZES.get(name, 1.0) for name in self.names])

    def used(self) -> np.ndarray:
        """Widths a field (b,)."""
        return np.isfinite(self.sigma_nm).sum(axis=1)

    def rows(self, which: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Residuals (k, n), predicted less measured over sigma, and derivatives (k, n, p) of some fields.

        Priors, of the focus and of each Zernike, are one more row each, the last ones.
        """
        width, slope = self.predicted(which, p)
        real = np.isfinite(self.sigma_nm[which])
        scale = np.where(real, 1 / self.sigma_nm[which], 0.0)
        residual = np.where(real, (width - self.cd_nm[which]) * scale, 0.0)
        slope = np.where(real[..., None], slope * scale[..., None], 0.0)
        known = [(k, 0.0, ZERNIKE_NM) for k, name in enumerate(self.names) if name not in UNITS]
        if self.prior_nm is not None:
            known.append((self.names.index(FOCUS), *self.prior_nm))
        for k, mean, spread in known:
            own = np.zeros((len(which), 1, len(self.names)))
            own[..., k] = 1 / spread
            residual = np.concatenate([residual, (p[:, [k]] - mean) / spread], axis=1)
            slope = np.concatenate([slope, own], axis=1)
        return residual, slope

    def predicted(self, which: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Widths (k, n) in nm at parameters (k, p) of some fields, and their derivatives (k, n, p)."""
        feature, shapes = self.feature[which], self.shapes[which]
        focus = np.einsum("knp,kp->kn", shapes, p)
        dose = 1 + p[:, self.names.index(DOSE)] / 100
        with np.errstate(invalid="ignore"):
            log_dose = np.broadcast_to(np.log(np.where(dose > 0, dose, np.nan))[:, None], focus.shape)
        zernikes = [name for name in self.names if name not in UNITS]
        path = None
        if zernikes:
            path = np.zeros((focus.size, len(self.table.zernikes)))
            for name, column in zip(zernikes, self.table.columns(zernikes), strict=True):
                path[:, column] = np.broadcast_to(p[:, self.names.index(name), None], focus.shape).ravel()
        width, by = self.table.widths(feature.ravel(), focus.ravel(), log_dose.ravel(), path)
        by = by.reshape(*focus.shape, 2 + len(self.table.zernikes))
        slope = shapes * by[..., :1]
        slope[..., self.names.index(DOSE)] = by[..., 1] / (100 * dose[:, None])
        for name, column in zip(zernikes, self.table.columns(zernikes), strict=True):
            slope[..., self.names.index(name)] = by[..., 2 + column]
        return width.reshape(focus.shape), slope
