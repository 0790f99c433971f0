"""Illumination: how bright each point of the source is, in sigma as seen by the wafer.

Poles on the x axis print lines along y. A source is sampled on a square lattice of cells centred on the
axis; a cell cut by the source's edge counts with the part that lies inside, so the sampled source moves
smoothly with its parameters.
"""

from pathlib import Path
from typing import Annotated, Literal

import equinox as eqx
import numpy as np
from pydantic import Field

from ..errors import InputError
from ..types import Scalar, leaf

Sigma = Annotated[Scalar, Field(ge=0, le=1)]
Degrees = Annotated[Scalar, Field(ge=-180, le=180, json_schema_extra={"unit": "deg"})]
Opening = Annotated[Scalar, Field(gt=0, le=180, json_schema_extra={"unit": "deg"})]


def _xp(*arrays):
    """The array namespace in charge: JAX when any argument is traced or on a device, else NumPy."""
    return next((a.__array_namespace__() for a in arrays if not isinstance(a, np.ndarray | np.generic)), np)


def _ring(r, inner, outer, cell):
    """Part of a cell of the given width at radius r that lies between two radii."""
    xp = _xp(r, inner, outer)
    return xp.clip((outer - r) / cell + 0.5, 0, 1) - xp.clip((inner - r) / cell + 0.5, 0, 1)


def _poles(sx, sy, rotation_deg, opening_deg, fold, cell):
    """Part of a cell inside `fold` wedges of a full opening angle, the first centred on `rotation_deg`."""
    xp = _xp(sx, rotation_deg, opening_deg)
    period = 2 * np.pi / fold
    angle = xp.arctan2(sy, sx) - rotation_deg * (np.pi / 180)
    away = xp.abs(angle - period * xp.round(angle / period)) - opening_deg * (np.pi / 360)
    return xp.clip(0.5 - xp.hypot(sx, sy) * xp.sin(xp.clip(away, -np.pi / 2, np.pi / 2)) / cell, 0, 1)


class Conventional(eqx.Module):
    """A uniform disc."""

    sigma: Annotated[Scalar, Field(gt=0, le=1)] = leaf()
    kind: Literal["conventional"] = eqx.field(static=True, default="conventional")

    def brightness(self, sx, sy, cell):
        xp = _xp(sx, self.sigma)
        return xp.clip((self.sigma - xp.hypot(sx, sy)) / cell + 0.5, 0, 1)


class Annular(eqx.Module):
    """A uniform ring."""

    sigma_in: Sigma = leaf()
    sigma_out: Annotated[Scalar, Field(gt=0, le=1)] = leaf()
    kind: Literal["annular"] = eqx.field(static=True, default="annular")

    def __check_init__(self):
        _ordered(self)

    def brightness(self, sx, sy, cell):
        return _ring(_xp(sx, self.sigma_in).hypot(sx, sy), self.sigma_in, self.sigma_out, cell)


class Dipole(eqx.Module):
    """Two ring segments on one axis; rotation 0 puts them on x."""

    sigma_in: Sigma = leaf()
    sigma_out: Annotated[Scalar, Field(gt=0, le=1)] = leaf()
    opening_deg: Opening = leaf(default=60.0)
    rotation_deg: Degrees = leaf(default=0.0)
    kind: Literal["dipole"] = eqx.field(static=True, default="dipole")

    def __check_init__(self):
        _ordered(self)

    def brightness(self, sx, sy, cell):
        ring = _ring(_xp(sx, self.sigma_in).hypot(sx, sy), self.sigma_in, self.sigma_out, cell)
        return ring * _poles(sx, sy, self.rotation_deg, self.opening_deg, 2, cell)


class Quasar(eqx.Module):
    """Four ring segments; rotation 45 puts them on the diagonals."""

    sigma_in: Sigma = leaf()
    sigma_out: Annotated[Scalar, Field(gt=0, le=1)] = leaf()
    opening_deg: Annotated[Scalar, Field(gt=0, le=90, json_schema_extra={"unit": "deg"})] = leaf(default=30.0)
    rotation_deg: Degrees = leaf(default=45.0)
    kind: Literal["quasar"] = eqx.field(static=True, default="quasar")

    def __check_init__(self):
        _ordered(self)

    def brightness(self, sx, sy, cell):
        ring = _ring(_xp(sx, self.sigma_in).hypot(sx, sy), self.sigma_in, self.sigma_out, cell)
        return ring * _poles(sx, sy, self.rotation_deg, self.opening_deg, 4, cell)


class Freeform(eqx.Module):
    """A pixelated source from a CSV file of rows `sigma_x, sigma_y, intensity` on a square lattice.

    Lines that start with # and one header line are skipped. Each row is a uniformly bright pixel.
    """

    file: str = eqx.field(static=True)
    kind: Literal["freeform"] = eqx.field(static=True, default="freeform")

    def rows(self) -> tuple[np.ndarray, np.ndarray, float]:
        """Pixel centres (n, 2), intensities (n,) and the lattice pitch, all in float64."""
        try:
            lines = Path(self.file).read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"source file {self.file}: cannot be read ({error})") from None
        table = []
        for number, line in enumerate(lines, 1):
            cells = line.split("#")[0].replace(",", " ").split()
            if not cells or (not table and cells[0][:1].isalpha()):
                continue
            try:
                sx, sy, intensity = map(float, cells)
            except ValueError:
                raise InputError(
                    f"source file {self.file}, line {number}: expected sigma_x, sigma_y, intensity"
                ) from None
            if not (np.hypot(sx, sy) <= 1 and 0 <= intensity < np.inf):
                raise InputError(
                    f"source file {self.file}, line {number}: a point needs |sigma| <= 1 and intensity >= 0"
                )
            table.append((sx, sy, intensity))
        rows = np.array(table).reshape(-1, 3)
        if rows[:, 2].sum() <= 0:
            raise InputError(f"source file {self.file}: no bright point")
        steps = np.diff(np.sort(rows[:, :2], axis=0), axis=0)
        steps = steps[steps > 1e-6]
        return rows[:, :2], rows[:, 2], float(steps.min()) if steps.size else 0.0


class Points(eqx.Module):
    """Separate point sources, each coherent: (n, 2) sigmas and (n,) weights. Built in Python only."""

    sigma: np.ndarray
    weight: np.ndarray


Source = Annotated[Conventional | Annular | Dipole | Quasar | Freeform, Field(discriminator="kind")]


def _ordered(source):
    if not isinstance(source.sigma_in, eqx.Module) and not source.sigma_in < source.sigma_out:
        raise ValueError(
            f"sigma_in must be smaller than sigma_out, not {float(source.sigma_in):g} >= {float(source.sigma_out):g}"
        )


def sample(source, spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """Sample a source at most `spacing` apart in sigma.

    Returns float64 points (n, 2) and weights (n,) that sum to 1. A freeform pixel wider than the spacing
    is divided into equal parts.
    """
    if isinstance(source, Points):
        points, weights = np.asarray(source.sigma, np.float64), np.asarray(source.weight, np.float64)
    elif isinstance(source, Freeform):
        centres, intensity, pitch = source.rows()
        # Dark rows tell the lattice and cost nothing.
        centres, intensity = centres[intensity > 0], intensity[intensity > 0]
        parts = max(1, int(np.ceil(pitch / spacing - 1e-9)))
        inner = (np.arange(parts) + 0.5 - parts / 2) * pitch / parts
        offsets = np.stack(np.meshgrid(inner, inner), -1).reshape(-1, 2)
        points = (centres[:, None] + offsets).reshape(-1, 2)
        weights = np.repeat(intensity, parts**2)
    else:
        half = int(np.ceil(1 / spacing)) + 1
        axis = np.arange(-half, half + 1) * spacing
        sx, sy = (a.ravel() for a in np.meshgrid(axis, axis))
        weights = np.asarray(source.brightness(sx, sy, spacing), np.float64)
        bright = (weights > 1e-9) & (np.hypot(sx, sy) <= 1 + 1e-9)
        points, weights = np.stack([sx, sy], -1)[bright], weights[bright]
    total = weights.sum()
    if not total > 0:
        raise InputError(f"the source {source} has no light at a spacing of {spacing:.4g} sigma: lower the spacing")
    return points, weights / total
