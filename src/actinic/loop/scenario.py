"""What the loop runs through: the fab, how its process differs from the setup, what is measured and when."""

from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from ..operate.calibration import Lines
from ..operate.focus.features import Feature
from ..wafer.twin import Twin

NM = {"unit": "nm"}
FOCUS, DOSE = "focus_nm", "dose_percent"
OVERLAY = ("k1", "k2", "k3", "k4", "k5", "k6")
DIFFUSION = "process.resist.diffusion_nm"


def _fab() -> Twin:
    """Two tools of two chucks, four products, heating lenses; focus, dose and six overlay terms drift and step."""
    sizes = {"k1": 1.5, "k2": 1.5, "k3": 0.01, "k4": 0.01, "k5": 0.01, "k6": 0.01, FOCUS: 6.0, DOSE: 0.25}
    return Twin(
        lots=160, terms=sizes, tools=2, chucks=2, chuck_nm=1.0, products=4, maintenance=2, heating_nm=4.0,
        reticle_heating_nm=1.0, bow_nm=25.0, field_focus_nm=15.0, field_dose_percent=0.5,
    )  # fmt: skip


@dataclass(frozen=True)
class Monitor:
    """Lines whose widths tell focus and dose, printed `focus_nm` off so that the sign of a focus error shows.

    `features` are "kind cd pitch axis" in nm. `sigma_nm` is the noise of one width; `fields` of a wafer are measured,
    each at five places.
    """

    features: tuple[str, ...] = (
        "line 170 340 y",
        "line 170 340 x",
        "line 170 510 y",
        "line 200 1200 y",
        "space 180 400 y",
    )
    focus_nm: Annotated[float, Field(json_schema_extra=NM)] = 150.0
    sigma_nm: Annotated[float, Field(gt=0, json_schema_extra=NM)] = 1.0
    fields: Annotated[int, Field(ge=3)] = 9

    def listed(self) -> tuple[Feature, ...]:
        found = []
        for name in self.features:
            parts = name.split()
            if len(parts) != 4 or parts[0] not in ("line", "space") or parts[3] not in ("x", "y"):
                raise ValueError(f'feature {name!r}: write "line 170 340 y": kind, width and pitch in nm, axis')
            lines = Lines(float(parts[1]), float(parts[2]), parts[3])  # type: ignore[arg-type]
            found.append(Feature(name, parts[0], lines, self.sigma_nm))  # type: ignore[arg-type]
        return tuple(found)

    def __post_init__(self):
        self.listed()


@dataclass(frozen=True)
class Calibration:
    """Every `lots` lots a focus-exposure matrix of the monitor's lines is measured and `free` settings are fitted.

    Blocks of the mask whose mean |EPE| by the new model is above `keep_nm` are corrected anew; the new mask is on the
    machine `delay` lots later. What the matrix says of focus and dose is left to the set-points.
    """

    lots: Annotated[int, Field(ge=1)] = 50
    free: tuple[str, ...] = ("process.scanner.source.sigma_out", DIFFUSION)
    focus_nm: tuple[float, ...] = (-200.0, -100.0, 0.0, 100.0, 200.0)
    dose: tuple[float, ...] = (0.94, 1.0, 1.06)
    keep_nm: Annotated[float, Field(gt=0, json_schema_extra=NM)] = 1.1
    delay: Annotated[int, Field(ge=0)] = 8


@dataclass(frozen=True)
class Inspection:
    """Every `lots` lots so many `sites` are looked at, on one wafer of the product's last lot since the last time.

    `sigma_nm` is what widths vary by from place to place (see `operate.inspection`).
    """

    lots: Annotated[int, Field(ge=1)] = 10
    sites: Annotated[int, Field(ge=1)] = 60
    sigma_nm: Annotated[float, Field(gt=0, json_schema_extra=NM)] = 4.0


@dataclass(frozen=True)
class Spec:
    """A gauge is in spec when its width is within `cd_percent` of the drawn one and overlay within `overlay_nm`."""

    cd_percent: Annotated[float, Field(gt=0, lt=100)] = 5.0
    overlay_nm: Annotated[float, Field(gt=0, json_schema_extra=NM)] = 30.0
    gauges: Annotated[int, Field(ge=4)] = 60


@dataclass(frozen=True)
class Scenario:
    """A product among others in a fab. All sizes are invented, no fab's.

    `truth` is how the real process differs from the setup (KEY=VALUE); its diffusion walks from one batch of resist,
    `batch_lots` long, to the next by `batch_nm`.
    """

    twin: Twin = field(default_factory=_fab)
    product: str = "P0"
    truth: tuple[str, ...] = ("process.scanner.source.sigma_out=0.75", f"{DIFFUSION}=36")
    batch_lots: Annotated[int, Field(ge=1)] = 20
    batch_nm: Annotated[float, Field(ge=0, json_schema_extra=NM)] = 2.0
    monitor: Monitor = field(default_factory=Monitor)
    calibration: Calibration = field(default_factory=Calibration)
    inspection: Inspection = field(default_factory=Inspection)
    spec: Spec = field(default_factory=Spec)

    def __post_init__(self):
        missing = sorted({FOCUS, DOSE} - set(self.twin.terms))
        if missing:
            raise ValueError(f"twin.terms: the loop needs {' and '.join(missing)}")
        strange = sorted(set(self.twin.terms) - {FOCUS, DOSE, *OVERLAY})
        if strange:
            raise ValueError(f"twin.terms: {', '.join(strange)}: the loop knows {FOCUS}, {DOSE} and k1 to k6")
