"""The projection lens: numerical aperture, exact defocus and Fringe Zernike aberrations."""

from math import factorial
from typing import Annotated

import equinox as eqx
import numpy as np
from pydantic import Field

from ..types import Scalar, leaf, rectangular

Nanometre = Annotated[Scalar, Field(ge=-1000, le=1000, json_schema_extra={"unit": "nm"})]


def _fringe(index: int) -> tuple[int, int]:
    """Radial degree n and signed azimuthal order m (negative: sine) of Fringe Zernike Z<index>.

    Zygo / University of Arizona order: rings of constant n + |m|, within a ring |m| falling, cosine first.
    """
    ring = int(np.ceil(np.sqrt(index))) - 1
    place = index - ring**2 - 1
    m = ring - place // 2
    return 2 * ring - m, -m if place % 2 else m


FRINGE = {f"Z{j}": _fringe(j) for j in range(1, 37)} | {"Z37": (12, 0)}


def zernike(name: str, x, y):
    """Fringe Zernike polynomial Z1..Z37 at pupil coordinates (x, y), r = 1 at NA; unnormalised."""
    n, m = FRINGE[name]
    r2 = x * x + y * y
    radial = sum(
        (-1) ** k
        * factorial(n - k)
        / (factorial(k) * factorial((n + abs(m)) // 2 - k) * factorial((n - abs(m)) // 2 - k))
        * r2 ** ((n - abs(m)) // 2 - k)
        for k in range((n - abs(m)) // 2 + 1)
    )
    # r^|m| cos(m phi) and r^|m| sin(m phi) as polynomials, so that the pole has no singular angle.
    cosine, sine = 1.0, 0.0
    for _ in range(abs(m)):
        cosine, sine = cosine * x - sine * y, sine * x + cosine * y
    return radial * (cosine if m >= 0 else sine)


class Projector(eqx.Module):
    """A projection lens. `zernikes_nm` maps Z1..Z37 to nanometres of optical path."""

    wavelength_nm: Annotated[Scalar, Field(gt=1, lt=500, json_schema_extra={"unit": "nm"})] = leaf()
    na: Annotated[Scalar, Field(gt=0, lt=2)] = leaf()
    immersion_index: Annotated[Scalar, Field(ge=1, lt=2.5)] = leaf(default=1.0)
    zernikes_nm: dict[str, Nanometre] = leaf(default_factory=dict)

    def __check_init__(self):
        unknown = sorted(set(self.zernikes_nm) - set(FRINGE))
        if unknown:
            raise ValueError(f"zernikes_nm: {', '.join(unknown)} is not one of Z1..Z37")
        if not self.na < self.immersion_index:
            raise ValueError(
                f"na {float(self.na):g} must be smaller than immersion_index {float(self.immersion_index):g}"
            )

    def pupil(self, fx, fy, focus_nm):
        """Complex pupil factor at wafer-side frequencies (1/nm), zero outside the aperture.

        exp{+i 2 pi/lambda [W + z (sqrt(n^2 - (lambda f)^2) - n)]}, z > 0 with the wafer away from the
        lens. NumPy in gives complex128 out, JAX in gives JAX.
        """
        xp = (fx + focus_nm + self.na).__array_namespace__()
        scale = self.wavelength_nm / self.na
        x, y = fx * scale, fy * scale
        # A frequency on the rim belongs to the pupil whatever the rounding.
        inside = x * x + y * y <= 1 + 1e-9
        x, y = xp.where(inside, x, 0.0), xp.where(inside, y, 0.0)
        n = self.immersion_index
        path = focus_nm * (xp.sqrt(n * n - self.na**2 * (x * x + y * y)) - n)
        for name, amount in self.zernikes_nm.items():
            path = path + amount * zernike(name, x, y)
        phase = (2 * np.pi / self.wavelength_nm) * path
        amplitude = inside.astype(phase.dtype)
        return rectangular(amplitude * xp.cos(phase), amplitude * xp.sin(phase))
