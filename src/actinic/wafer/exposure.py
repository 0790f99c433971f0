"""The exposure map: which fields and dies a wafer gets, in which order and scan direction."""

from dataclasses import dataclass

import numpy as np

from ..errors import ConfigError


@dataclass(frozen=True)
class Fields:
    """Exposed fields in the order of exposure: arrays (n,).

    `X_mm`, `Y_mm` are centres; `scan` is +1 towards +y, -1 towards -y; `whole` where all of the field is usable.
    """

    column: np.ndarray
    row: np.ndarray
    X_mm: np.ndarray
    Y_mm: np.ndarray
    scan: np.ndarray
    whole: np.ndarray

    def __len__(self) -> int:
        return len(self.column)

    def __getitem__(self, rows) -> "Fields":
        return Fields(*(part[rows] for part in (self.column, self.row, self.X_mm, self.Y_mm, self.scan, self.whole)))


@dataclass(frozen=True)
class ExposureMap:
    """A grid of fields on a wafer, notch down; field (0, 0) has its centre at the offset.

    `dies` is how many dies a field has along x and y. Usable is what lies `edge_exclusion_mm` or more inside the
    wafer's edge; a field is exposed when one of its dies is usable as a whole, or with `partial` when any corner of
    a die is. Fields are exposed row by row from the bottom, back and forth, scanning up and down in turn.
    """

    field_width_mm: float = 26.0
    field_height_mm: float = 33.0
    radius_mm: float = 150.0
    edge_exclusion_mm: float = 3.0
    offset_x_mm: float = 0.0
    offset_y_mm: float = 0.0
    dies: tuple[int, int] = (1, 1)
    first_scan: int = 1

    def __post_init__(self):
        for name in ("field_width_mm", "field_height_mm", "radius_mm"):
            if not 0 < getattr(self, name) < 1000:
                raise ConfigError(f"exposure map: {name} = {getattr(self, name):g} must be above 0 and below 1000 mm")
        if not 0 <= self.edge_exclusion_mm < self.radius_mm:
            raise ConfigError(f"exposure map: edge_exclusion_mm = {self.edge_exclusion_mm:g} leaves no wafer")
        if min(self.dies) < 1 or self.first_scan not in (1, -1):
            raise ConfigError("exposure map: dies must be 1 or more along x and y, first_scan 1 (up) or -1 (down)")

    def fields(self, partial: bool = False) -> Fields:
        """The fields that are exposed."""
        w, h, r = self.field_width_mm, self.field_height_mm, self.radius_mm
        columns = np.arange(np.floor((-r - self.offset_x_mm) / w), np.ceil((r - self.offset_x_mm) / w) + 1)
        rows = np.arange(np.floor((-r - self.offset_y_mm) / h), np.ceil((r - self.offset_y_mm) / h) + 1)
        row, column = (a.ravel().astype(np.int64) for a in np.meshgrid(rows, columns, indexing="ij"))
        corners = self._corners_inside(column, row)  # (field, die, corner)
        taken = corners.any(axis=(1, 2)) if partial else corners.all(axis=2).any(axis=1)
        column, row, whole = column[taken], row[taken], np.all(corners[taken], axis=(1, 2))
        # Back and forth: every second row from right to left.
        turn = np.unique(row, return_inverse=True)[1].ravel() % 2
        order = np.lexsort((np.where(turn, -column, column), row))
        column, row, whole = column[order], row[order], whole[order]
        scan = self.first_scan * (1 - 2 * (np.arange(column.size) % 2))
        return Fields(column, row, *self.centre_mm(column, row), scan, whole)

    def centre_mm(self, column: np.ndarray, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Centres of fields on the wafer."""
        return self.offset_x_mm + column * self.field_width_mm, self.offset_y_mm + row * self.field_height_mm

    def die_centres_mm(self) -> tuple[np.ndarray, np.ndarray]:
        """Centres (die,) of a field's dies in the field, row by row."""
        nx, ny = self.dies
        x = ((np.arange(nx) + 0.5) / nx - 0.5) * self.field_width_mm
        y = ((np.arange(ny) + 0.5) / ny - 0.5) * self.field_height_mm
        return np.tile(x, ny), np.repeat(y, nx)

    def dies_on(self, fields: Fields) -> np.ndarray:
        """Which dies (field, die) are usable as a whole."""
        return np.all(self._corners_inside(fields.column, fields.row), axis=2)

    def usable(self, X_mm: np.ndarray, Y_mm: np.ndarray) -> np.ndarray:
        """Whether points on the wafer lie inside the edge exclusion."""
        return np.square(X_mm) + np.square(Y_mm) <= (self.radius_mm - self.edge_exclusion_mm) ** 2

    def points(self, fields: Fields, per_axis: int = 7, reach: float = 0.92):
        """A grid of usable points in fields: index of the field (n,), X, Y on the wafer and x, y in the field (mm).

        `per_axis` points a side reach out to that share of half a field.
        """
        side = np.linspace(-reach / 2, reach / 2, per_axis)
        x = np.tile(side * self.field_width_mm, per_axis)
        y = np.repeat(side * self.field_height_mm, per_axis)
        X, Y = fields.X_mm[:, None] + x, fields.Y_mm[:, None] + y
        which, point = np.nonzero(self.usable(X, Y))
        return which, X[which, point], Y[which, point], x[point], y[point]

    def _corners_inside(self, column: np.ndarray, row: np.ndarray) -> np.ndarray:
        nx, ny = self.dies
        x, y = self.die_centres_mm()
        X, Y = self.centre_mm(column, row)
        sign = np.array([(-1, -1), (1, -1), (-1, 1), (1, 1)]) / 2
        cx = X[:, None, None] + x[:, None] + sign[:, 0] * self.field_width_mm / nx
        cy = Y[:, None, None] + y[:, None] + sign[:, 1] * self.field_height_mm / ny
        return self.usable(cx, cy)


def notch_down(x: np.ndarray, y: np.ndarray, notch_deg: float) -> tuple[np.ndarray, np.ndarray]:
    """Positions or displacements on a wafer that lay with its notch turned, as they are with the notch down.

    `notch_deg` is how far the wafer was turned counter-clockwise from notch down: 90 has the notch right, 180 up,
    270 left. Other angles than these are allowed.
    """
    quarter, rest = divmod(notch_deg, 90.0)
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if not rest:  # a quarter turn is exact, and what is missing along one axis stays with it
        return ((x, y), (y, -x), (-x, -y), (-y, x))[int(quarter) % 4]
    c, s = float(np.cos(np.deg2rad(notch_deg))), float(np.sin(np.deg2rad(notch_deg)))
    return c * x + s * y, c * y - s * x
