"""What edge-based correction is given beside the process: mask rules, tiles, and how it goes about it."""

from typing import Annotated

import equinox as eqx
from pydantic import Field

from ..limits import MaskLimits, Nanometres

Count = Annotated[int, Field(gt=0, le=1000)]


class Opc(eqx.Module):
    """Edge-based correction. Its mask rules hold by construction, so they are its own.

    `site_nm` apart along the target stand the points that are looked at. An edge moves at most `most_nm` from where it
    was drawn or put in, and `step_nm` at a time. Jogs are put in `rounds` times, each time where they take away more
    than `gain_nm3` of squared error (nm^2 times nm of edge). After each time, and before the first, all edges move in
    `steps` steps. The image is that of `leading` systems which end at `ambit_nm`; how it answers to the edges is
    told by `answering` of them, edges and sites farther apart than `answer_nm` left out. A window is cut into blocks at
    most `block_nm` wide, each corrected on its own, but together with its surroundings up to `context_nm`.
    """

    limits: MaskLimits
    ambit_nm: Nanometres = eqx.field(static=True)
    block_nm: Nanometres = eqx.field(static=True, default=12000.0)
    context_nm: Nanometres = eqx.field(static=True, default=1600.0)
    site_nm: Nanometres = eqx.field(static=True, default=20.0)
    most_nm: Nanometres = eqx.field(static=True, default=60.0)
    step_nm: Nanometres = eqx.field(static=True, default=15.0)
    gain_nm3: Annotated[float, Field(ge=0, json_schema_extra={"unit": "nm3"})] = eqx.field(static=True, default=300.0)
    answer_nm: Nanometres = eqx.field(static=True, default=400.0)
    rounds: Annotated[int, Field(ge=0, le=100)] = eqx.field(static=True, default=2)
    steps: Count = eqx.field(static=True, default=3)
    leading: Count = eqx.field(static=True, default=24)
    answering: Count = eqx.field(static=True, default=8)

    def __check_init__(self):
        if self.limits.jog_nm is None:
            raise ValueError("opc.limits: give jog_nm, the shortest edge that the mask shop writes")
        ratio = [length / self.limits.grid_nm for length in (self.limits.width_nm, self.limits.space_nm, self.jog_nm)]
        if any(abs(r - round(r)) > 1e-6 for r in ratio):
            raise ValueError("opc.limits: width_nm, space_nm and jog_nm must be whole numbers of grid_nm")

    @property
    def jog_nm(self) -> float:
        return self.limits.jog_nm or 0.0
