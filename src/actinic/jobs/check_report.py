"""What a report says of checks: notes, tables and small pictures of the worst hotspots."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..config import to_toml
from ..design.hotspots import Covered, Spot
from ..design.setup import Setup
from ..design.verify import Verification
from ..forward import Process
from ..interfaces import plots
from ..interfaces.report import Pictures, Report
from ..layout import Marker
from ..metrology import counted
from .checked import Checked
from .compared import comparison_tables

MOST_ROWS, MOST_PICTURES = 20, 6
Table = tuple[str, list[list[str]]]


def spot_pictures(v: Verification, spots: Sequence[Spot]) -> Pictures:
    """The worst hotspots: target, mask, and what is printed nominally and at the corner where they are worst."""
    return [spot_picture(v, spot, number) for number, spot in enumerate(spots[:MOST_PICTURES], start=1)]


def spot_picture(v: Verification, spot: Spot, number: int) -> tuple[str, Any]:
    """One of them, the `number`th."""
    axes = plots.spot_map(v, spot.box_nm, spot.corner)
    return f"{number}. {spot.kind[0].upper()}{spot.kind[1:]}: {spot.text}.", axes.figure


def spot_table(spots: Sequence[Spot]) -> list[Table]:
    """Ranked hotspots; none, no table."""
    if not spots:
        return []
    rows = [["", "kind", "measured", "limit", "beyond", "x (um)", "y (um)", "worst corner"]]
    for number, s in enumerate(spots[:MOST_ROWS]):
        beyond = "" if s.beyond_nm is None else f"{s.beyond_nm:.1f} nm"
        x, y = (f"{value / 1000:.3f}" for value in s.at_nm)
        rows.append(
            [f"{number + 1}", s.kind, f"{s.value:.4g} {s.unit}", f"{s.limit:.4g} {s.unit}", beyond, x, y, s.corner]
        )
    more = f" The first {MOST_ROWS} of {len(spots)}." if len(spots) > MOST_ROWS else ""
    return [(f"Hotspots, the worst first: defects, then by how far they lie beyond their limit.{more}", rows)]


def rule_table(rules: Sequence[Marker]) -> list[Table]:
    """Places that break a mask rule; none, no table."""
    if not rules:
        return []
    rows = [["rule", "measured", "x (um)", "y (um)"]]
    for m in rules[:MOST_ROWS]:
        x0, y0, x1, y1 = m.box_nm
        rows.append([m.kind, m.text, f"{(x0 + x1) / 2000:.3f}", f"{(y0 + y1) / 2000:.3f}"])
    more = f" The first {MOST_ROWS} of {len(rules)}." if len(rules) > MOST_ROWS else ""
    return [(f"Places that break a mask rule, by KLayout on the polygons.{more}", rows)]


def cover_table(covered: Sequence[Covered]) -> list[Table]:
    """One row for each layer that was checked against."""
    if not covered:
        return []
    rows = [["layer", "what", "places", "least", "asked", "drawn there", "least overlap", "at x, y (um)", "corner"]]
    for against in covered:
        if not against.found:
            rows.append([against.layer, against.kind, "0", *[""] * 6])
            continue
        c = against.found[0]
        shares = [found.overlap for found in against.found if found.overlap is not None]
        rows.append(
            [
                against.layer,
                against.kind,
                str(len(against.found)),
                f"{c.printed_nm:.1f} nm",
                f"{against.limit_nm:g} nm",
                f"{c.drawn_nm:.1f} nm",
                f"{100 * min(shares):.1f} %" if shares else "",
                f"{c.at_nm[0] / 1000:.3f}, {c.at_nm[1] / 1000:.3f}",
                c.corner,
            ]
        )
    return [("The print against other layers, over all corners; the place with the least.", rows)]


def widths_note(result: dict) -> str:
    """The least printed share of the drawn widths."""
    shares = [
        f"{name}s at least {100 * result[f'least_{name}_share']:.1f} %"
        for name in ("line", "space")
        if result[f"least_{name}_share"] is not None
    ]
    return f"Printed width over drawn width at every corner: {' and '.join(shares) or 'nothing to measure'}."


def rules_note(setup: Setup, result: dict) -> str:
    """How many places break a rule, by both codes."""
    limits, by = setup.limits, result["rule_violations_klayout"]
    told = ", ".join(f"{n} {rule}" for rule, n in by.items() if n) or "none"
    return (
        f"Mask rules at wafer scale (width {limits.width_nm:g} nm, space {limits.space_nm:g} nm, area "
        f"{limits.area_nm2:g} nm2): {result['rule_violations']} places break one on a raster of the window; by KLayout "
        f"on the polygons with their surroundings: {told}. They do not decide whether the mask is in spec."
    )


def defect_note(v: Verification) -> str:
    """Defects over the corners, and where the worst of each kind is."""
    counts = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in counted(v.defects).items())
    worst = [next(d for d in v.defects if d.kind == kind) for kind in dict.fromkeys(d.kind for d in v.defects)]
    places = "".join(
        f" The largest {d.kind}: {d.area_nm2:.0f} nm2 at ({d.at_nm[0]:.0f}, {d.at_nm[1]:.0f}) nm, {d.corners[0]}."
        for d in worst
    )
    return f"Connectivity of the print at every corner, from {v.sliver_nm2:.0f} nm2 on: {counts}.{places}"


def etch_note(result: dict) -> list[str]:
    if "etch_table" not in result:
        return []
    bias = result["etch_bias_nm"]
    return [
        f"The target is the drawn pattern less the etch bias of {Path(result['etch_table']).name}: per edge "
        f"{bias['min']:.2f} to {bias['max']:.2f} nm, mean {bias['mean']:.2f} nm. Errors are those after development."
    ]


def imaging(process: Process) -> str:
    polarisation = getattr(process.scanner, "polarisation", None)
    light = "Scalar imaging" if polarisation is None else f"Vector imaging ({polarisation} light)"
    return light if process.film is None else f"{light} in a film stack"


def verification_report(
    setup: Setup, v: Verification, check: Checked, covered: Sequence[Covered], result: dict, origin: dict
) -> Report:
    """What `verify` writes with --report: of one mask, beside another where one was compared."""

    def number(label: str, key: str, unit: str, beside: str):
        value = result[key]
        shown = "-" if value is None else f"{value:.2f}" if isinstance(value, float) else str(value)
        return label, shown, unit, beside

    spec, other = setup.spec, result.get("against", {}).get("figures", {})
    asked = {} if spec is None else {"mean_abs_epe_nm": spec.mean_abs_epe_nm, "max_epe_nm": spec.max_abs_epe_nm}

    def beside(key: str) -> str:
        parts = [f"asked {asked[key]:g} nm"] if key in asked else []
        return ", ".join([*parts, f"the other {other[key]:.2f}"] if other.get(key) is not None else parts)

    numbers = [
        number("Mean |EPE|", "mean_abs_epe_nm", "nm", beside("mean_abs_epe_nm")),
        number("EPE 3 sigma", "epe_3sigma_nm", "nm", beside("epe_3sigma_nm")),
        number("Largest |EPE|", "max_epe_nm", "nm", beside("max_epe_nm")),
        number("PV band", "pv_band_nm", "nm", f"at most {result['pv_band_max_nm']:.2f} nm at a gauge"),
        number("Shots", "shots", "", f"{result['vertices']} vertices"),
    ]
    pictures = [
        ("Printed contour on the nominal latent image, with target and mask.", plots.print_map(v)),
        ("Process-variation band over all corners.", plots.band_map(v)),
        ("Edge placement error at the gauges.", plots.epe_map(v)),
        ("Edge placement error, edge gauges.", plots.epe_histogram(v)),
    ]
    notes = [
        f"{result['gauges']} gauges every 10 nm and {result['line_ends']} line ends; the mask file was rasterised, "
        "imaged by Abbe in float64 and measured by code that no optimiser uses.",
        widths_note(result),
        rules_note(setup, result),
        defect_note(v),
        *etch_note(result),
        f"{imaging(setup.process)} with a thin mask and a {setup.process.resist.kind} resist. Not validated "
        "against wafers.",
    ]
    tables = [
        *spot_table(check.spots),
        *cover_table(covered),
        *(comparison_tables(result) if "against" in result else []),
        *rule_table(check.rules),
    ]
    files = origin["inputs"]
    return Report(
        title=f"{files['mask']['file']} for {files['layout']['file']}, layer {origin['layer']}",
        verdict=result["verdict"],
        good=result["in_spec"],
        numbers=numbers,
        figures=[(caption, axes.figure) for caption, axes in pictures],
        gallery=spot_pictures(v, check.spots),
        tables=tables,
        notes=notes,
        configuration=to_toml(setup),
        provenance=origin,
        reproduce=origin["command"],
    )
