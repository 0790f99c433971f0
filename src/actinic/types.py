"""Grid, Image, differentiable numbers and the named array shapes that every other file speaks."""

from typing import TYPE_CHECKING, Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

# One differentiable number: a float in a file, a 0-d float array in a module.
if TYPE_CHECKING:
    Scalar = Any
else:
    Scalar = jax.Array | np.ndarray | np.generic | float

# Axis names, declared once: arrays are [y, x], a sample stands at its pixel's centre.
Samples = Float[Array | np.ndarray, "y x"]

Stage = Literal["coverage", "aerial", "latent", "printed"]


class Grid(eqx.Module):
    """Samples of one periodic tile. Owns pitch and origin; nothing else does.

    `shape` is (ny, nx); `origin_nm` is the (x, y) of the lower-left corner of pixel [0, 0], so the
    first sample stands half a pitch further.
    """

    shape: tuple[int, int] = eqx.field(static=True)
    pitch_nm: float = eqx.field(static=True)
    origin_nm: tuple[float, float] = eqx.field(static=True, default=(0.0, 0.0))

    def __check_init__(self):
        if min(self.shape) < 1 or not self.pitch_nm > 0:
            raise ValueError(f"Grid needs a positive shape and pitch, not {self.shape} at {self.pitch_nm} nm")

    @property
    def period_nm(self) -> tuple[float, float]:
        """(height, width) of the tile in nm."""
        return self.shape[0] * self.pitch_nm, self.shape[1] * self.pitch_nm

    @property
    def window_nm(self) -> tuple[float, float, float, float]:
        """(x0, y0, x1, y1) of the tile in nm."""
        x0, y0 = self.origin_nm
        height, width = self.period_nm
        return x0, y0, x0 + width, y0 + height

    @property
    def x_nm(self) -> np.ndarray:
        """float64 (nx,): x of the sample centres."""
        return self.origin_nm[0] + (np.arange(self.shape[1]) + 0.5) * self.pitch_nm

    @property
    def y_nm(self) -> np.ndarray:
        """float64 (ny,): y of the sample centres."""
        return self.origin_nm[1] + (np.arange(self.shape[0]) + 0.5) * self.pitch_nm

    def with_pitch(self, pitch_nm: float) -> "Grid":
        """The same tile sampled at another pitch, which must divide it."""
        shape = tuple(round(extent / pitch_nm) for extent in self.period_nm)
        if any(abs(n * pitch_nm - extent) > 1e-6 * extent for n, extent in zip(shape, self.period_nm, strict=True)):
            raise ValueError(f"a pitch of {pitch_nm} nm does not divide the tile {self.period_nm} nm")
        return Grid(shape, float(pitch_nm), self.origin_nm)


class Image(eqx.Module):
    """Samples on a grid, and which stage of the process they are."""

    values: Samples
    grid: Grid = eqx.field(static=True)
    stage: Stage = eqx.field(static=True)


def leaf(**options) -> Any:
    """A module field that holds a differentiable number (or a dict of them), converted to 0-d float arrays.

    A Python float would be static under `eqx.filter_jit` (a compilation for each value) and have no gradient.
    """
    return eqx.field(converter=_as_array, **options)


def _as_array(value):
    if isinstance(value, dict):
        return {key: _as_array(part) for key, part in value.items()}
    if value is None or isinstance(value, jax.Array | np.ndarray | np.generic):
        return value
    return jnp.asarray(value, dtype=jnp.result_type(float))


def double(tree: Any) -> Any:
    """The same tree with every float leaf as NumPy float64, for physics that needs it.

    A float32 leaf becomes the shortest decimal that reads as the same float32: 0.7 stays 0.7.
    """

    if isinstance(tree, float):  # np.float64 too: a wavelength, which every layer of a mirror asks for
        return tree

    def widen(value):
        if not isinstance(value, jax.Array | np.ndarray | np.generic) or value.dtype.kind != "f":
            return value
        array = np.asarray(value)
        if array.dtype == np.float64 or array.ndim:
            return array.astype(np.float64)[()]
        return np.float64(np.format_float_scientific(array[()], unique=True))

    return jax.tree.map(widen, tree)


def rectangular(real, imaginary):
    """Complex array from its parts, NumPy or JAX, without promoting any precision."""
    if isinstance(real, np.ndarray | np.generic | float) and isinstance(imaginary, np.ndarray | np.generic | float):
        return np.asarray(real) + 1j * np.asarray(imaginary)
    return jax.lax.complex(jnp.asarray(real), jnp.asarray(imaginary))


def as_complex(value):
    """A real number or array, NumPy or JAX, as a complex one of the same precision."""
    return rectangular(value, 0 * value)
