"""Masks: what is made of the drawn polygons, and what that does to the light."""

from typing import Annotated

from pydantic import Field

from .fast import Fast as Fast
from .fast import drawn_spectra as drawn_spectra
from .kept import fast_of as fast_of
from .reflective import MaskModel as MaskModel
from .reflective import Reflective as Reflective
from .resolved import clear_field as clear_field
from .resolved import resolve as resolve
from .thin import FINE_NM as FINE_NM
from .thin import FORMS as FORMS
from .thin import AlternatingPSM as AlternatingPSM
from .thin import AttenuatedPSM as AttenuatedPSM
from .thin import Binary as Binary
from .thin import Phases as Phases
from .thin import Window as Window
from .thin import assign_phases as assign_phases
from .thin import dense_line as dense_line
from .thin import made as made
from .thin import parse_mask as parse_mask
from .thin import reach_nm as reach_nm
from .thin import transmitted as transmitted

Mask = Annotated[Binary | AttenuatedPSM | AlternatingPSM | Reflective, Field(discriminator="kind")]
