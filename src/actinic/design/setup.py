"""Setup: a process with the recipe, limits and tiles to correct masks for it; what a preset file holds."""

from typing import Annotated

import equinox as eqx
from pydantic import Field

from ..forward import Process
from .ilt import Recipe

Nanometres = Annotated[float, Field(gt=0, le=1e6, json_schema_extra={"unit": "nm"})]


class Tiles(eqx.Module):
    """How a window is cut: cores at most `core_nm` wide, with `halo_nm` of surroundings."""

    core_nm: Nanometres = eqx.field(static=True, default=4000.0)
    halo_nm: Nanometres = eqx.field(static=True, default=1200.0)


class MaskLimits(eqx.Module):
    """What the mask shop can write, wafer scale: smallest width, space and area, its grid, smallest jog if any."""

    width_nm: Nanometres = eqx.field(static=True)
    space_nm: Nanometres = eqx.field(static=True)
    area_nm2: Annotated[float, Field(ge=0, json_schema_extra={"unit": "nm2"})] = eqx.field(static=True)
    grid_nm: Nanometres = eqx.field(static=True, default=1.0)
    jog_nm: Nanometres | None = eqx.field(static=True, default=None)


class Spec(eqx.Module):
    """When a correction counts as done; open gauges, defects, pinches and near bridges are never in spec."""

    mean_abs_epe_nm: Nanometres = eqx.field(static=True)
    max_abs_epe_nm: Nanometres = eqx.field(static=True)
    max_pv_band_nm: Nanometres | None = eqx.field(static=True, default=None)
    min_print_cd_nm: Nanometres | None = eqx.field(static=True, default=None)
    min_print_space_nm: Nanometres | None = eqx.field(static=True, default=None)


class Setup(eqx.Module):
    """Everything a correction needs beside the layout."""

    process: Process
    recipe: Recipe
    limits: MaskLimits
    tiles: Tiles = Tiles()
    spec: Spec | None = None
