"""Inspection plans from hotspots, and what was found compared with what was predicted."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ..config import build, load_toml
from ..config.toml import text
from ..design.hotspots import NEAR_BRIDGE, PINCH, SHARE
from ..errors import InputError
from ..layout import read_markers
from ..operate.formats import Version, read_klarf, write_klarf
from ..operate.inspection import Compared, Hotspot, Likelihood, Plan, States, compare, plan
from ..operate.inspection.files import plan_csv, plan_klarf, read_plan, read_states
from ..wafer import ExposureMap
from .folder import provenance, refuse_existing, run_folder, write_records
from .inspection_report import report
from .work import load_setup

PLAN = "plan.csv"
# Of these `verify` tells how far they are beyond the limit in the nominal print, not at the worst corner.
AT_NOMINAL = ("edge placement", "line end")


@dataclass(frozen=True)
class Spots:
    """Where hotspots come from: the JSON of `verify`, or its .lyrdb, and where the die's lower left corner lies in it.

    `optics` names the process whose corners the JSON speaks of.
    """

    file: Path
    origin_um: tuple[float, float] = (0.0, 0.0)
    optics: str = "arf-immersion"
    settings: tuple[str, ...] = ()

    def read(self) -> list[Hotspot]:
        x0, y0 = (1e3 * v for v in self.origin_um)
        if Path(self.file).suffix == ".lyrdb":
            # Broken mask rules are marked in the same file, and are nothing to look for on a wafer.
            boxes = [(m.kind, m.box_nm) for m in read_markers(self.file) if not m.kind.startswith("mask ")]
            found = [
                Hotspot(n, kind, (b[0] + b[2]) / 2, (b[1] + b[3]) / 2, 0.0) for n, (kind, b) in enumerate(boxes, 1)
            ]
        else:
            corners = self._corners()
            found = [self._spot(n, one, corners) for n, one in enumerate(self._listed(), 1)]
        return [replace(one, x_nm=one.x_nm - x0, y_nm=one.y_nm - y0) for one in found]

    def _listed(self) -> list[dict]:
        try:
            data = json.loads(Path(self.file).read_text())
        except OSError as error:
            raise InputError(f"{self.file}: cannot be read ({error.strerror or error})") from None
        except ValueError as error:
            raise InputError(f"{self.file}: is not JSON ({error})") from None
        if not isinstance(data, dict) or not isinstance(data.get("hotspot_list"), list):
            raise InputError(f"{self.file}: has no hotspot_list; save what `verify --json` prints, or its .lyrdb")
        return data["hotspot_list"]

    def _spot(self, n: int, one: Any, corners: dict[str, tuple[float, float]]) -> Hotspot:
        try:
            x, y = map(float, one["at_nm"])
            beyond = None if one["beyond_nm"] is None else float(one["beyond_nm"])
            kind, nominal = str(one["kind"]), None
            if kind in (PINCH, NEAR_BRIDGE):  # drawn, and nominally printed, that much wider than the limit
                nominal = -(1 / SHARE - 1) * float(one["limit"])
            elif kind in AT_NOMINAL:
                nominal = beyond
            corner = corners.get(one["corner"], (0.0, 0.0))
            return Hotspot(int(one.get("rank", n)), kind, x, y, beyond, corner, nominal)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{self.file}: hotspot {n} of the list is none ({error!r})") from None

    def _corners(self) -> dict[str, tuple[float, float]]:
        """Focus error (nm) and dose error (percent) of each corner by name."""
        corners = load_setup(self.optics, self.settings).process.corners
        nominal, dose = float(corners[0].focus_nm), float(corners[0].dose)
        return {c.name: (float(c.focus_nm) - nominal, 100 * (float(c.dose) / dose - 1)) for c in corners}


@dataclass(frozen=True)
class InspectedWafer:
    """What is inspected: names for the KLARF file, and a TOML file with the exposure map (see `wafer.ExposureMap`)."""

    lot: str = "LOT"
    wafer: str = "1"
    device: str = "DEVICE"
    exposure: Path | None = None

    def map(self) -> ExposureMap:
        if self.exposure is None:
            return ExposureMap()
        return build(ExposureMap, load_toml(self.exposure), str(self.exposure))


@dataclass(frozen=True)
class Budget:
    """Sites in all, the least of each hotspot, fields.csv of `wafer focus`, and sigma of edges from place to place."""

    sites: int = 200
    each: int = 1
    fields: Path | None = None
    sigma_nm: float = 2.0

    def states(self) -> tuple[States, list[str]]:
        return (
            (States(), ["no fields' focus and dose: all count as nominal"])
            if self.fields is None
            else (read_states(self.fields))
        )


def inspection_plan(
    spots: Spots, budget: Budget, wafer: InspectedWafer = InspectedWafer(), out: Path | None = None, *,
    klarf: Version = "1.8", force: bool = False, command: str = "",
) -> dict:  # fmt: skip
    """A plan of sites in a run folder: plan.csv, plan.klarf, a report. In spec means that every hotspot is in it."""
    if out is not None:
        refuse_existing(Path(out), force)
    listed, exposure = spots.read(), wafer.map()
    if not listed:
        raise InputError(f"{spots.file}: has no hotspot: there is nothing to look at")
    states, notes = budget.states()
    made = plan(listed, exposure, budget.sites, states=states, likelihood=Likelihood(budget.sigma_nm), each=budget.each)
    there = set(made.hotspot.tolist())
    missing = [one for one in listed if one.rank not in there]
    if missing:
        notes.append(f"{len(missing)} of {len(listed)} hotspots are not planned: outside the die, or no budget left")
    lyrdb = Path(spots.file).suffix == ".lyrdb"
    if lyrdb:
        notes.append("a .lyrdb tells neither limits nor corners: all hotspots count as at their limit")
    result = {
        "verdict": f"{len(made)} sites of {len(there)} hotspots in {_dies(made)} dies, {made.chance.sum():.1f} "
        "failures to be expected.",
        "in_spec": not missing, "sites": len(made), "hotspots": len(listed), "planned_hotspots": len(there),
        "dies": _dies(made), "expected_failures": float(made.chance.sum()), "notes": notes,
        "run": None if out is None else str(Path(out)),
    }  # fmt: skip
    if out is not None:
        files = {"hotspots": Path(spots.file)} | ({"fields": Path(budget.fields)} if budget.fields else {})
        given = {"hotspots": str(spots.file), "origin_um": list(spots.origin_um), "optics": spots.optics,
                 "sites": budget.sites, "each": budget.each, "sigma_nm": budget.sigma_nm, "lot": wafer.lot,
                 "wafer": wafer.wafer, "exposure": _plain(exposure)}  # fmt: skip
        _write(Path(out), made, None, result, (files, given, command), force,
               klarf=(plan_klarf(made, wafer.lot, wafer.wafer, wafer.device, exposure), klarf))  # fmt: skip
    return result


def inspection_compare(
    planned: Path, found: Path, radius_um: float = 1.0, out: Path | None = None, *, force: bool = False,
    command: str = "",
) -> dict:  # fmt: skip
    """A plan (plan.csv or its folder) against a KLARF file of what was found.

    In spec means that no place in the die failed in two dies or more without having been predicted.
    """
    if out is not None:
        refuse_existing(Path(out), force)
    file = Path(planned) / PLAN if Path(planned).is_dir() else Path(planned)
    made = read_plan(file)
    inspection = read_klarf(found)
    compared = compare(made, inspection, radius_um)
    again = [one for one in compared.unpredicted if one.dies > 1]
    result = {
        "verdict": _verdict(compared, len(again)), "in_spec": not again, "sites": len(made),
        "wafers": len(compared.found), "defects": compared.defects, "radius_um": radius_um,
        "precision": _share(compared.precision), "recall": _share(compared.recall),
        "captured": [
            {"sites": n, "share": float(compared.captured[n - 1])} for n in _budgets(len(made))
        ],
        "calibration": [{"chance": c, **_share(s)} for c, s in compared.calibration],
        "unpredicted": [asdict(one) for one in compared.unpredicted],
        "offset_um": list(compared.offset_um), "notes": _notes(compared, radius_um, inspection.ignored),
        "run": None if out is None else str(Path(out)),
    }  # fmt: skip
    if out is not None:
        given = {"plan": str(file), "found": str(found), "radius_um": radius_um}
        _write(Path(out), made, compared, result, ({"plan": file, "found": Path(found)}, given, command), force)
    return result


def _write(
    out: Path, made: Plan, compared: Compared | None, result: dict, said: tuple, force: bool, klarf=None
) -> None:
    files, given, command = said
    origin, configuration = provenance(files, command=command, precision="float64"), text(given)
    with run_folder(out, force) as folder:
        (folder / "run.toml").write_text(configuration)
        (folder / PLAN).write_text(plan_csv(made))
        write_records(folder, result, origin)
        if klarf is not None:
            write_klarf(folder / "plan.klarf", *klarf)
        report(folder / "report.html", made, compared, result, configuration, origin)


def _plain(exposure: ExposureMap) -> dict:
    return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(exposure).items()}


def _dies(made: Plan) -> int:
    return len(set(zip(made.die_column.tolist(), made.die_row.tolist(), strict=True)))


def _share(share) -> dict:
    low, high = share.interval
    return {"hits": share.hits, "of": share.of, "share": share.value, "low_95": low, "high_95": high}


def _budgets(sites: int) -> list[int]:
    """Budgets to tell the capture at: 1, 2, 5, 10, ... and all."""
    found = [f * 10**p for p in range(len(str(sites))) for f in (1, 2, 5)]
    return [*(n for n in found if n < sites), sites]


def _verdict(compared: Compared, again: int) -> str:
    p, r = compared.precision, compared.recall
    told = f"{p.hits} of {p.of} sites hold a defect"
    if compared.defects:
        told += f"; {r.hits} of {r.of} defects were predicted"
    place = "places" if again != 1 else "place"
    return told + (f"; {again} {place} of the die failed again and again unpredicted." if again else ".")


def _notes(compared: Compared, radius_um: float, ignored: Sequence[str]) -> list[str]:
    notes = []
    if max(map(abs, compared.offset_um)) > radius_um / 4:
        x, y = compared.offset_um
        notes.append(f"found less planned is {x:+.2f}, {y:+.2f} um in the mean: look at the stage before the radius")
    if not compared.defects:
        notes.append("the file has no defect: precision is 0 of its sites, recall is not known")
    if ignored:
        notes.append(f"of the KLARF file not used: {', '.join(ignored)}")
    notes.append("recall counts what was inspected: defects where nobody looked are in no file")
    return notes
