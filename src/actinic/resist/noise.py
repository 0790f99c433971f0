"""What chance there is in a resist: how many photons it absorbs, and how many acid generators it holds."""

from typing import Annotated

import equinox as eqx
import numpy as np
from pydantic import Field

from ..types import Scalar, leaf
from .anchor import Length, Positive

# Planck's constant times the speed of light, J nm, exact (SI 2019).
_HC_J_NM = 6.62607015e-34 * 299792458e9
# J per nm2 of 1 mJ/cm2.
_MJ_CM2 = 1e-17


def photons_per_nm2(dose_mj_cm2, wavelength_nm):
    """Photons that fall on a square nanometre: 0.6796 a mJ/cm2 at 13.5 nm."""
    return dose_mj_cm2 * (_MJ_CM2 * wavelength_nm / _HC_J_NM)


class Noise(eqx.Module):
    """A film that absorbs `absorption_per_um` (Napierian) and holds `generators_per_nm3` of acid generator.

    Of a clear field's photons the film absorbs 1 - exp(-absorption thickness). `dose_mj_cm2`, what falls on a clear
    field at dose 1, and `thickness_nm` are needed where the resist has none of its own: `chemistry` has both.
    """

    absorption_per_um: Annotated[Positive, Field(json_schema_extra={"unit": "1/um"})] = leaf()
    generators_per_nm3: Annotated[Scalar, Field(gt=0, lt=100, json_schema_extra={"unit": "1/nm3"})] = leaf()
    dose_mj_cm2: Annotated[Positive, Field(json_schema_extra={"unit": "mJ/cm2"})] | None = leaf(default=None)
    thickness_nm: Length | None = leaf(default=None)

    def absorbed(self, thickness_nm):
        """Share of the photons that a film of some thickness absorbs."""
        return -np.expm1(-1e-3 * self.absorption_per_um * thickness_nm)
