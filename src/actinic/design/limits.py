"""What a mask shop can write, and how a window is cut into tiles."""

from typing import Annotated

import equinox as eqx
from pydantic import Field

Nanometres = Annotated[float, Field(gt=0, le=1e6, json_schema_extra={"unit": "nm"})]


class Tiles(eqx.Module):
    """How a window is cut: cores at most `core_nm` wide, with `halo_nm` of surroundings."""

    core_nm: Nanometres = eqx.field(static=True, default=4000.0)
    halo_nm: Nanometres = eqx.field(static=True, default=1200.0)


class MaskLimits(eqx.Module):
    """What the mask shop can write, wafer scale: smallest width, space and area, its grid, and the shortest edge."""

    width_nm: Nanometres = eqx.field(static=True)
    space_nm: Nanometres = eqx.field(static=True)
    area_nm2: Annotated[float, Field(ge=0, json_schema_extra={"unit": "nm2"})] = eqx.field(static=True)
    grid_nm: Nanometres = eqx.field(static=True, default=1.0)
    jog_nm: Nanometres | None = eqx.field(static=True, default=None)
