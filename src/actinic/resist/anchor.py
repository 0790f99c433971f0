"""The dense line on which a resist is set to size, and the annotations that resists share."""

from typing import Annotated

import equinox as eqx
from pydantic import Field

from ..types import Scalar, leaf

Length = Annotated[Scalar, Field(gt=0, lt=1e5, json_schema_extra={"unit": "nm"})]
Blur = Annotated[Scalar, Field(gt=0, le=500, json_schema_extra={"unit": "nm"})]
Positive = Annotated[Scalar, Field(gt=0)]
NotNegative = Annotated[Scalar, Field(ge=0)]


class DenseLine(eqx.Module):
    """The dense line on which a resist is anchored: drawn width and pitch, printed on size at dose 1 and a focus."""

    cd_nm: Length = leaf()
    pitch_nm: Length = leaf()
    focus_nm: Annotated[Scalar, Field(ge=-5000, le=5000, json_schema_extra={"unit": "nm"})] = leaf(default=0.0)

    def __check_init__(self):
        if not self.cd_nm < self.pitch_nm:
            raise ValueError("cd_nm must be smaller than pitch_nm")
