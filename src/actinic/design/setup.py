"""Setup: a process with the recipes, limits and tiles to correct masks for it; what a preset file holds."""

import equinox as eqx

from ..forward import Process
from .ilt import Recipe
from .limits import MaskLimits, Nanometres, Tiles
from .opc.recipe import Opc


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
    opc: Opc | None = None

    @property
    def check_nm(self) -> float:
        """Pitch of the images that a mask is checked by: half the recipe's last pixels."""
        return self.recipe.stages[-1].pixel_nm / 2
