"""The projection lens: numerical aperture, exact defocus and Fringe Zernike aberrations."""

from math import factorial
from typing import Annotated, Literal

import equinox as eqx
import numpy as np
from pydantic import Field

from ..types import Scalar, as_complex, leaf, rectangular

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


Pauli = Literal["xy", "45", "circular"]
PAULI: tuple[Pauli, ...] = ("xy", "45", "circular")
Logarithm = Annotated[Scalar, Field(ge=-10, le=10)]


class JonesPupil(eqx.Module):
    """What the lens does to polarisation, over its pupil: retardance and diattenuation in Fringe Zernikes.

    J = exp(i pi/lambda sum R_j sigma_j) exp(1/4 sum D_j sigma_j) over Pauli's matrices: "xy" (x against y), "45" (the
    diagonal x = y against the other) and "circular" ((1, i) against (1, -i)). R in nm is the optical
    path of the first state less that of the second, D the logarithm of the ratio of their intensities (polar
    decomposition: Lu & Chipman, J. Opt. Soc. Am. A 13, 1106, 1996).
    """

    retardance_nm: dict[Pauli, dict[str, Nanometre]] = leaf(default_factory=dict)
    diattenuation: dict[Pauli, dict[str, Logarithm]] = leaf(default_factory=dict)

    def __check_init__(self):
        for name in ("retardance_nm", "diattenuation"):
            for element, amounts in getattr(self, name).items():
                _known(f"{name}.{element}", amounts)

    def matrix(self, x, y, wavelength_nm):
        """Complex (xx, xy, yx, yy) at pupil coordinates."""
        a, b, c, d = _pauli(self.retardance_nm, x, y, 1j * as_complex(np.pi / wavelength_nm))
        e, f, g, h = _pauli(self.diattenuation, x, y, as_complex(0.25 + 0 * wavelength_nm))
        return a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h


def _pauli(table, x, y, factor):
    """exp(factor sum_j v_j(x, y) sigma_j) as (xx, xy, yx, yy)."""
    xp = factor.__array_namespace__()
    v = [sum((amount * zernike(z, x, y) for z, amount in table.get(name, {}).items()), 0 * x) for name in PAULI]
    square = v[0] ** 2 + v[1] ** 2 + v[2] ** 2
    # sinh(s) / s is 1 where nothing turns, and must not give a derivative of 0 / 0 there.
    size = factor * as_complex(xp.sqrt(xp.where(square > 0, square, 1.0)))
    even = xp.where(square > 0, xp.cosh(size), 1.0)
    odd = factor * xp.where(square > 0, xp.sinh(size) / size, 1.0)
    first, second, third = (odd * as_complex(part) for part in v)
    return even + first, second - 1j * third, second + 1j * third, even - first


def _known(where: str, amounts) -> None:
    unknown = sorted(set(amounts) - set(FRINGE))
    if unknown:
        raise ValueError(f"{where}: {', '.join(unknown)} is not one of Z1..Z37")


class ChiefRay(eqx.Module):
    """The slant at which a mirror optics lights its reflecting mask.

    At the centre of the slit the ray runs towards +y. Elsewhere its plane passes through the axis of the mirrors, the
    centre of a ring of radius `ring_mm` of which the slit is a part: at `slit_mm` along x, at the wafer, it is turned
    towards +x by the azimuth asin(slit / ring).
    """

    angle_deg: Annotated[Scalar, Field(ge=0, lt=30, json_schema_extra={"unit": "deg"})] = leaf(default=6.0)
    slit_mm: Annotated[Scalar, Field(ge=-20, le=20, json_schema_extra={"unit": "mm"})] = leaf(default=0.0)
    ring_mm: Annotated[Scalar, Field(gt=20, lt=1e4, json_schema_extra={"unit": "mm"})] = leaf(default=41.5)

    def sines(self):
        """(x, y) of the ray's direction at the mask."""
        turned = self.slit_mm / self.ring_mm
        sine = _sin(self.angle_deg * (np.pi / 180))
        return sine * turned, sine * (1 - turned**2) ** 0.5


def _sin(angle):
    return angle.__array_namespace__().sin(angle)


class Projector(eqx.Module):
    """A projection lens. `zernikes_nm` maps Z1..Z37 to nanometres of optical path.

    `reduction` and `jones` count in vector imaging only. Along y an anamorphic lens has another, `reduction_y`.
    `obscuration` is the radius of the pupil's dark centre over that of the pupil.
    """

    wavelength_nm: Annotated[Scalar, Field(gt=1, lt=500, json_schema_extra={"unit": "nm"})] = leaf()
    na: Annotated[Scalar, Field(gt=0, lt=2)] = leaf()
    immersion_index: Annotated[Scalar, Field(ge=1, lt=2.5)] = leaf(default=1.0)
    zernikes_nm: dict[str, Nanometre] = leaf(default_factory=dict)
    reduction: Annotated[Scalar, Field(ge=1, le=100)] = leaf(default=4.0)
    jones: JonesPupil | None = None
    reduction_y: Annotated[Scalar, Field(ge=1, le=100)] | None = leaf(default=None)
    obscuration: Annotated[Scalar, Field(gt=0, lt=0.9)] | None = leaf(default=None)
    chief_ray: ChiefRay | None = None

    def __check_init__(self):
        _known("zernikes_nm", self.zernikes_nm)
        if not self.na < self.immersion_index:
            raise ValueError(
                f"na {float(self.na):g} must be smaller than immersion_index {float(self.immersion_index):g}"
            )

    @property
    def reductions(self):
        """Mask length over wafer length along x and along y."""
        return self.reduction, self.reduction if self.reduction_y is None else self.reduction_y

    def coordinates(self, fx, fy):
        """For wafer-side frequencies (1/nm): whether they pass, and pupil coordinates x, y: 1 at the rim, 0 outside."""
        xp = (fx + self.na).__array_namespace__()
        scale = self.wavelength_nm / self.na
        x, y = fx * scale, fy * scale
        # A frequency on the rim belongs to the pupil whatever the rounding.
        r2 = x * x + y * y
        inside = r2 <= 1 + 1e-9
        if self.obscuration is not None:
            inside = inside & (r2 >= self.obscuration**2 - 1e-9)
        return inside, xp.where(inside, x, 0.0), xp.where(inside, y, 0.0)

    def pupil(self, fx, fy, focus_nm):
        """Complex pupil factor at wafer-side frequencies (1/nm), zero outside the aperture.

        exp{+i 2 pi/lambda [W + z (sqrt(n^2 - (lambda f)^2) - n)]}, z > 0 with the wafer away from the
        lens. NumPy in gives complex128 out, JAX in gives JAX.
        """
        xp = (fx + focus_nm + self.na).__array_namespace__()
        inside, x, y = self.coordinates(fx, fy)
        n = self.immersion_index
        path = focus_nm * (xp.sqrt(n * n - self.na**2 * (x * x + y * y)) - n)
        for name, amount in self.zernikes_nm.items():
            path = path + amount * zernike(name, x, y)
        phase = (2 * np.pi / self.wavelength_nm) * path
        amplitude = inside.astype(phase.dtype)
        return rectangular(amplitude * xp.cos(phase), amplitude * xp.sin(phase))
