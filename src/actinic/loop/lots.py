"""Lots of one arm of the loop: measured results in, set-points out, the product's gauges judged in every field."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..metrology import Cuts
from ..operate.control import Controller, Settings, Term
from ..operate.focus.estimate import estimate
from ..operate.focus.problem import Fields
from ..operate.inspection import States
from ..operate.widths import Widths
from ..wafer.widths import WidthTable
from .plant import Exposure, Plant
from .scenario import DOSE, FOCUS

# A field's focus is used when its standard error is below this: the mean over fields is what steers.
WITHIN_NM = 40.0


@dataclass
class Product:
    """The product's gauges, and the masks it was exposed with: from which lot on, and the widths they really print."""

    cuts: Cuts
    masks: list[tuple[int, WidthTable]] = field(default_factory=list)

    def mask(self, n: int) -> int:
        """Number of the mask that lot n is exposed with."""
        return max(k for k, (first, _) in enumerate(self.masks) if first <= n)


class Steering:
    """What is believed of focus and dose, and the controller that acts on it; without one nothing is set.

    What the model reads off the qualification wafer, whose focus and dose were right, counts as zero: a model that was
    not calibrated reads them off. One that was is taken at its word.
    """

    def __init__(self, plant: Plant, monitor: WidthTable, controlled: bool):
        self.plant, self.monitor = plant, monitor
        settings = Settings(terms={name: Term() for name in plant.scenario.twin.terms}, stage="closed")
        self.controller = Controller(settings) if controlled else None
        self.zero = np.array([plant.scenario.monitor.focus_nm, 0.0])
        if controlled:
            read = [value for _, value in self._fields(plant.qualified())]
            self.zero = np.mean(read, axis=0) if read else self.zero

    def believe(self, monitor: WidthTable) -> None:
        """Take another, calibrated model."""
        self.monitor, self.zero = monitor, np.array([self.plant.scenario.monitor.focus_nm, 0.0])

    def measured(self, n: int, values: dict[str, float]) -> dict[str, float]:
        """Results of lot n: overlay as measured, focus and dose from the monitor's widths by the model believed in."""
        known = [value for _, value in self._fields(self.plant.monitored(n))]
        overlay = {name: value for name, value in values.items() if name not in (FOCUS, DOSE)}
        if not known:
            return overlay
        focus, dose = (np.mean(known, axis=0) - self.zero).tolist()
        return overlay | {FOCUS: focus, DOSE: dose}

    def states(self, n: int) -> States:
        """Focus and dose errors of the fields of lot n: of those measured as found, of the others their mean."""
        found = {at: value - self.zero for at, value in self._fields(self.plant.monitored(n))}
        if not found:
            return States()
        mean = np.mean(list(found.values()), axis=0)
        every = zip(self.plant.fields.column.tolist(), self.plant.fields.row.tolist(), strict=True)
        known = {at: found.get(at, mean) for at in every}
        return States(*({at: float(value[k]) for at, value in known.items()} for k in (0, 1)))

    def _fields(self, widths: Widths) -> list[tuple[tuple[int, int], np.ndarray]]:
        """Focus, as printed off focus, and dose of the measured fields that are determined, by column and row."""
        monitor, groups = self.plant.scenario.monitor, widths.by_field()
        sigma = dict.fromkeys(self.monitor.names, monitor.sigma_nm)
        fields = Fields.of(self.monitor, (FOCUS, DOSE), widths, groups, sigma, (monitor.focus_nm, monitor.focus_nm / 3))
        where = [(int(widths.field_column[rows[0]]), int(widths.field_row[rows[0]])) for rows in groups]
        found = zip(where, estimate(fields, within_nm=WITHIN_NM), strict=True)
        return [(at, one.best.value) for at, one in found if one is not None and one.determined]


def exposed(plant: Plant, steering: Steering, product: Product, lots: Sequence[int]) -> list[dict]:
    """Expose some lots, the next ones; what was set, measured and, by the twin's truth, in spec, a record a lot."""
    records = []
    for n in lots:
        lot, results = plant.fab.lots[n], []
        controller = steering.controller
        if controller is not None:
            for one in plant.fab.arrived(n):
                values = steering.measured(int(one.lot[1:]), one.values)
                controller.observe(one.lot, one.hour, values, status=one.status)
                results.append({"lot": one.lot, "hour": one.hour, "status": one.status, "values": values})
        setpoints, clamps = {}, {}
        if controller is not None:
            proposal = controller.propose(lot.lot, lot.hour, lot.context, ("tool",) if lot.maintained else ())
            setpoints = proposal.setpoint
            clamps = {name: list(term.clamps) for name, term in proposal.terms.items() if term.clamps}
        seen = plant.expose(n, setpoints)
        record = {"lot": lot.lot, "n": n, "hour": lot.hour, "context": lot.context, "setpoints": setpoints,
                  "clamps": clamps, "results": results, "focus_nm": float(seen.focus_nm.mean()),
                  "dose_percent": float(seen.dose_percent.mean()), "blur_nm": seen.blur_nm}  # fmt: skip
        if lot.context.get("product") == plant.scenario.product:
            record |= judged(plant, product, seen, n)
        records.append(record)
    return records


def judged(plant: Plant, product: Product, seen: Exposure, n: int) -> dict:
    """How many of the product's gauges are in spec, over all fields and places, and by width and overlay alone."""
    mask, spec = product.mask(n), plant.scenario.spec
    width = plant.widths(product.masks[mask][1], seen)
    good = in_width(width, product.cuts, spec.cd_percent)
    placed = np.broadcast_to((seen.overlay_nm <= spec.overlay_nm)[..., None], good.shape)
    counts = {"gauges": good.size, "in_spec": int((good & placed).sum()), "width_in": int(good.sum()),
              "overlay_in": int(placed.sum())}  # fmt: skip
    return counts | {"mask": mask}


def in_width(width_nm: np.ndarray, cuts: Cuts, percent: float) -> np.ndarray:
    """Whether widths (..., gauge) are within so much of the drawn ones; what does not print is not."""
    with np.errstate(invalid="ignore"):
        return np.abs(width_nm - cuts.target_nm) <= 0.01 * percent * cuts.target_nm
