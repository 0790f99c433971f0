"""What follows when `correct` has found a mask: it is written, read again, verified and reported."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import design
from ..config import to_toml
from ..design import Setup, Verification
from ..design.hotspots import Spot
from ..interfaces import plots
from ..interfaces.report import Pictures, Report, write_report
from ..layout import Layout, Marker, boolean, clipped, write_layout, write_markers
from ..metrology import EpeSummary, Gauges
from ..scale import Failure, Tiling
from ..timing import Clock, Cost
from ..writing import write_file
from .blocks import Spread, verified_parts
from .check_report import (
    MOST_PICTURES,
    defect_note,
    etch_note,
    imaging,
    rule_table,
    rules_note,
    spot_picture,
    spot_pictures,
    spot_table,
)
from .checked import (
    checked,
    context,
    etch_figures,
    figures,
    in_spec,
    limits_of,
    meets,
    read_mask,
    rules_of,
    sites_of,
    told_rules,
    told_spots,
)
from .folder import provenance
from .work import Progress, Window, Work, area_um2, mask_figures

# Around a hotspot of a large window that is shown.
SHOWN_NM = 600.0


@dataclass(frozen=True)
class Finish:
    """A correction whose mask is found. `judged` is the setup with the mask rules that the mask is held to."""

    work: Work
    out: Path
    setup: Setup
    judged: Setup
    window: Window
    tiling: Tiling
    layout: Layout
    aim: design.Retargeted | None
    asked: dict
    clock: Clock
    progress: Progress

    def whole(
        self,
        folder: Path,
        mask: Layout,
        correcting: Cost,
        apart_s: float | None,
        failed: Sequence[Failure] = (),
    ) -> dict:
        """Verify the window in one piece; `apart_s` is what workers, whose clocks are not ours, spent compiling."""
        written = self._written(folder, mask)
        self.progress("verify", 0, 1)
        before, after = verified(self.layout, written, self.setup, self.window, self.aim)
        found = checked(after, self.judged, written)
        self.progress("verify", 1, 1)
        good = in_spec(after, self.judged, found.spots) and not failed
        numbers = (figures(after), figures(before), found.figures)
        result = self._result(
            good, (before.summary, after.summary, len(after.defects)), numbers, correcting, apart_s, failed
        )
        np.savez_compressed(folder / "plots.npz", **plots.plot_data(after))
        pictures = [
            ("Printed contour on the nominal latent image, with target and mask.", plots.print_map(after)),
            ("The worst gauge and its surroundings.", plots.print_map(after, window_nm=plots.worst_window(after))),
            ("Process-variation band over all corners.", plots.band_map(after)),
            ("Edge placement error before and after correction.", plots.epe_histogram(after, before)),
        ]
        told = [defect_note(after), *etch_note(result)]
        gallery = spot_pictures(after, found.spots)
        shown = [(caption, axes.figure) for caption, axes in pictures]
        self._write(folder, result, (found.spots, found.rules, found.markers), shown, gallery, told)
        return result

    def in_parts(self, folder: Path, mask: Layout, spread: Spread, failed: list[Failure], correcting: Cost) -> dict:
        """Verify a large window part by part."""
        written = self._written(folder, mask)
        after, before, other, lost = verified_parts(self.layout, written, self.judged, self.window, self.tiling, spread)
        failed = [*failed, *lost]
        rules = rules_of(written, self.judged, self.window)
        spots = after.spots
        numbers = (
            after.json,
            before.json | {"parts": before.parts},
            {
                "pv_band_max_nm": after.band_max_nm,
                **told_spots(spots, limits_of(self.judged)),
                **told_rules(other["raster"], rules),
                "shots": other["shots"],
                "vertices": other["vertices"],
            },
        )
        defects = sum(after.defects.values())
        good = meets(after.summary, defects, spots, self.judged) and not failed
        result = self._result(good, (before.summary, after.summary, defects), numbers, correcting, None, failed)
        axes = plots.epe_histogram(after, before)
        shown = [("Edge placement error of the whole window, and of the drawn layout in a sample of it.", axes.figure)]
        markers = [Marker(s.kind, s.box_nm, s.text, s.value) for s in spots] + list(rules)
        told = [
            f"Verified in {after.parts} parts; the drawn layout, for comparison, in {before.parts} of them. A defect "
            "that lies across the border of two parts counts in both, and shapes are cut there for the count of shots."
        ]
        gallery = self._spots(written, spots)
        self._write(folder, result, (spots, rules, markers), shown, gallery, told)
        return result

    def _spots(self, written: Layout, spots: Sequence[Spot]) -> Pictures:
        shown = []
        for number, spot in enumerate(spots[:MOST_PICTURES], start=1):
            x0, y0, x1, y1 = spot.box_nm
            around = (x0 - SHOWN_NM, y0 - SHOWN_NM, x1 + SHOWN_NM, y1 + SHOWN_NM)
            (v,) = _imaged(self.layout, [written], self.setup, around)
            shown.append(spot_picture(v, spot, number))
        return shown

    def _written(self, folder: Path, mask: Layout) -> Layout:
        """The mask as anyone reads it from the file; its surroundings are on a layer of their own."""
        file, number = folder / "mask.oas", self.work.layer_number()
        inside = clipped(mask, self.window)
        write_layout(file, {number: inside, context(number): boolean(mask, inside, "not")})
        return read_mask(file, number)

    def _result(
        self,
        good: bool,
        summaries: tuple[EpeSummary, EpeSummary, int],
        numbers: tuple[dict, dict, dict],
        correcting: Cost,
        apart_s: float | None,
        failed: Sequence[Failure],
    ) -> dict:
        cost = self.clock.cost()
        after, before, more = numbers
        return {
            "verdict": _verdict(*summaries, good, more["rule_violations"], len(failed)),
            "in_spec": good,
            "method": self.work.method,
            "area_um2": area_um2(self.window),
            **mask_figures(self.setup.process),
            **etch_figures(self.asked["retarget"], self.aim),
            **after,
            "uncorrected": before,
            **more,
            "failed": [{"where": one.where, "error": one.error, "attempts": one.attempts} for one in failed],
            "cpu_s": max(cost.cpu_s - (apart_s or 0.0), 0.0),
            "correct_cpu_s": max(correcting.cpu_s - (apart_s or 0.0), 0.0),
            "wall_s": cost.wall_s,
            "compile_s": cost.compile_s if apart_s is None else apart_s,
            "workers": self.asked["workers"],
            "tiles": self.asked["tiles"],
            **self._anew(cost, correcting),
            "mask": str(self.out / "mask.oas"),
            "run": str(self.out),
        }

    def _anew(self, cost: Cost, correcting: Cost) -> dict:
        """What became of an earlier mask, and what each step took; nothing where none was judged."""
        if "anew" not in self.asked:
            return {}
        told = self.asked["anew"]
        return {"anew": told | {"steps": [*told["steps"], cost.step("new mask verified", correcting)]}}

    def _write(self, folder: Path, result: dict, checks, shown: Pictures, gallery: Pictures, told: list[str]) -> None:
        """The files of a run folder beside the mask, the result last."""
        work, (spots, rules, markers) = self.work, checks
        configuration = to_toml(self.setup)
        table = {"etch_table": Path(result["etch_table"])} if "etch_table" in result else {}
        origin = provenance(
            {"layout": work.layout, **table},
            layer=work.layer,
            window_um=work.window,
            cell=work.cell,
            command=self.asked["command"],
        )
        write_file(folder / "run.toml", configuration.encode())
        write_file(folder / "provenance.json", (json.dumps(origin, indent=2) + "\n").encode())
        write_markers(folder / "hotspots.lyrdb", markers, "TOP", "mask.oas")
        notes = [
            f"{result['gauges']} gauges every 10 nm and {result['line_ends']} line ends, measured on the written mask "
            "file, rasterised at four times and imaged by Abbe in float64 at twice the optimiser's sampling.",
            rules_note(self.judged, result),
            *told,
            *(f"FAILED and left as drawn: {one['where']}: {one['error']}" for one in result["failed"]),
            f"{imaging(self.setup.process)} with a thin mask and a {self.setup.process.resist.kind} resist. Not "
            "validated against wafers.",
        ]
        report = Report(
            title=f"{Path(work.layout).name}, layer {work.layer}",
            verdict=result["verdict"],
            good=result["in_spec"],
            numbers=_numbers(result),
            figures=shown,
            gallery=gallery,
            tables=[*spot_table(spots), *rule_table(rules)],
            notes=notes,
            configuration=configuration,
            provenance=origin,
            reproduce=self.asked["command"],
        )
        write_report(folder / "report.html", report)
        write_file(folder / "result.json", (json.dumps(result, indent=2) + "\n").encode())


def verified(
    layout: Layout, mask: Layout, setup: Setup, window: Window, aim: design.Retargeted | None = None
) -> list[Verification]:
    """The drawn layout used as mask, and the mask, both measured at twice the recipe's sampling.

    With an aim they are measured against its target, at the drawn layout's gauges moved there.
    """
    target, sites = layout if aim is None else aim.target, sites_of(layout, setup, window, aim)
    return _imaged(target, [layout, mask], setup, window, sites)


def _imaged(target: Layout, masks: Sequence[Layout], setup: Setup, window, sites: Gauges | None = None):
    pitch, halo = setup.check_nm, setup.tiles.halo_nm
    return design.verify(target, masks, setup.process, window, pitch_nm=pitch, halo_nm=halo, sites=sites)


def _numbers(result: dict) -> list[tuple[str, str, str, str]]:
    rows = [
        ("Mean |EPE|", "mean_abs_epe_nm"),
        ("EPE 3 sigma", "epe_3sigma_nm"),
        ("Largest |EPE|", "max_epe_nm"),
        ("Line ends, mean |EPE|", "line_end_mean_abs_nm"),
        ("PV band", "pv_band_nm"),
    ]
    found = []
    for label, key in rows:
        new, old = result[key], result["uncorrected"][key]
        if new is None or old is None:
            found.append((label, "-", "nm", "no such gauge in this window"))
        else:
            found.append((label, f"{new:.2f}", "nm", f"uncorrected {old:.2f}"))
    return found


def _verdict(b: EpeSummary, s: EpeSummary, defects: int, good: bool, violations: int, failed: int) -> str:
    lost = f" {failed} blocks or parts failed." if failed else ""
    if s.mean_abs_nm is None or b.mean_abs_nm is None:
        return f"No edge in this window is long enough for a gauge.{lost}"
    opened = s.failures + s.line_end_failures
    ratio = b.mean_abs_nm / max(s.mean_abs_nm, 1e-9)
    state = "In spec" if good else "Out of spec"
    gaps = f", {opened} gauges without a printed edge" if opened else ""
    gaps += f", {defects} defects of the print" if defects else ""
    places = "1 place breaks" if violations == 1 else f"{violations} places break"
    rules = f" {places} a mask rule." if violations else ""
    return f"{state}: mean |EPE| {s.mean_abs_nm:.2f} nm, {ratio:.1f} times smaller than uncorrected{gaps}.{rules}{lost}"
