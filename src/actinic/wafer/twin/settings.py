"""What a drifting fab is like: sizes of all that moves overlay from lot to lot. Invented, no machine's."""

from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

from pydantic import Field

NM = {"unit": "nm"}
Size = Annotated[float, Field(ge=0, json_schema_extra=NM)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class Twin:
    """A high-mix fab. Sizes are standard deviations of the first term in nm; `terms` scales them for the others.

    The defaults are the well-specified twin: tools that drift, products that do not, Gaussian noise, half of the lots
    measured, three lots late, one maintenance step. A lot takes `hours` on the line.
    """

    lots: Count = 600
    terms: dict[str, float] = field(default_factory=lambda: {"k1": 1.0})
    # The mix
    tools: Count = 3
    chucks: Count = 1
    products: Count = 8
    reticles: Count = 1  # of each product and layer
    layers: Count = 1
    cold: Share = 0.0  # share of the products that come only at half time
    missing: Share = 0.0  # chance of each entry of the context to be left blank
    hours: Annotated[float, Field(gt=0, json_schema_extra={"unit": "h"})] = 0.5
    # What moves
    tool_nm: Size = 7.3
    tool_drift_nm: Size = 0.27  # a lot
    chuck_nm: Size = 0.0
    product_nm: Size = 2.6
    product_drift_nm: Size = 0.0
    reticle_nm: Size = 0.0
    layer_nm: Size = 0.0
    interaction_nm: Size = 0.0  # of each tool with each product: what no sum of the two explains
    lot_nm: Size = 0.65
    heating_nm: Size = 0.0  # lens at full load
    heating_h: Annotated[float, Field(gt=0, json_schema_extra={"unit": "h"})] = 4.0
    reticle_heating_nm: Size = 0.0
    reticle_heating_h: Annotated[float, Field(gt=0, json_schema_extra={"unit": "h"})] = 0.7
    maintenance: Annotated[int, Field(ge=0)] = 1  # steps, of tools in turn
    step_nm: Size = 4.0
    ramp_nm: Annotated[float, Field(json_schema_extra=NM)] = 0.0  # wear of every tool a lot, undone by maintenance
    etch_nm: Size = 0.0  # offset from develop to etch, of each product
    # What is printed, where features are measured; the first four and the Zernikes for each nm of the first term
    focus_nm: Size = 1.0
    dose_percent: Annotated[float, Field(ge=0)] = 0.1
    tilt_x: Annotated[float, Field(ge=0)] = 0.03  # nm/mm
    tilt_y: Annotated[float, Field(ge=0)] = 0.03
    zernikes_nm: dict[str, float] = field(default_factory=dict)
    focus_offset_nm: Annotated[float, Field(json_schema_extra=NM)] = 0.0  # set on purpose
    bow_nm: Annotated[float, Field(json_schema_extra=NM)] = 5.0  # of focus, from the middle of the wafer to its edge
    field_focus_nm: Size = 6.0  # from field to field
    field_dose_percent: Annotated[float, Field(ge=0)] = 0.3
    gain: float = 1.0  # of the actuator; the controller believes 1
    # What is measured
    noise_nm: Size = 0.4
    tails: Annotated[float, Field(gt=2)] | None = None  # degrees of freedom of Student's t, for lots and noise
    flyers: Share = 0.0
    flyer_nm: Size = 12.0
    sampled: Share = 0.5
    delay: tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]] = (3, 3)  # lots, least and most
    remeasured: Share = 0.0
    invalid: Share = 0.0  # measured wrong and taken back later

    def __post_init__(self):
        if self.delay[0] > self.delay[1]:
            raise ValueError(f"delay = {list(self.delay)}: the least comes first")


# Where the controller's assumptions are wrong, one way each.
VARIANTS: dict[str, dict] = {
    "well-specified": {},
    "interaction": {"interaction_nm": 2.0},
    "heavy-tails": {"tails": 3.0},
    "flyers": {"flyers": 0.05},
    "late": {"delay": (1, 10)},
    "cold-start": {"cold": 0.5},
    "missing-context": {"missing": 0.1},
    "half-gain": {"gain": 0.5},
    "double-gain": {"gain": 2.0},
    "heating": {"heating_nm": 4.0, "reticle_heating_nm": 1.0, "chucks": 2, "chuck_nm": 1.0},
    "wear": {"ramp_nm": 0.05, "maintenance": 12, "tool_drift_nm": 0.1},
}
MISSPECIFIED = tuple(name for name in VARIANTS if name != "well-specified")
Variant = Literal[
    "well-specified", "interaction", "heavy-tails", "flyers", "late", "cold-start", "missing-context", "half-gain",
    "double-gain", "heating", "wear",
]  # fmt: skip


def variant(name: str, **changes) -> Twin:
    """A named twin of `VARIANTS`, with fields changed."""
    return replace(Twin(), **{**VARIANTS[name], **changes})
