"""The report of an inspection plan, and of a plan against what was found."""

from pathlib import Path

from ..interfaces import inspection_plots as plots
from ..interfaces.report import Report, write_report
from ..operate.inspection import Compared, Plan

_MOST_ROWS = 30


def report(
    path: Path, made: Plan, compared: Compared | None, result: dict, configuration: str, origin: dict
) -> None:  # fmt: skip
    """Write the HTML file of a plan or of a comparison."""
    numbers, figures, tables = _planned(made, result) if compared is None else _compared(made, compared, result)
    notes = [f"{note[0].upper()}{note[1:]}." for note in result["notes"]]
    title = "Inspection plan" if compared is None else "Inspection: predicted against found"
    write_report(
        path,
        Report(
            title, result["verdict"], result["in_spec"], numbers, figures, notes, configuration, origin,
            origin["command"], tables,
        ),
    )  # fmt: skip


def _planned(made: Plan, result: dict):
    numbers = [
        ("Sites", f"{result['sites']:,}", "", f"{result['dies']} dies"),
        ("Hotspots", f"{result['planned_hotspots']}", "", f"of {result['hotspots']} in the list"),
        ("Failures to be expected", f"{result['expected_failures']:.1f}", "", "sum of the chances"),
    ]
    figures = [("Sites on the wafer, by the chance that they fail.", plots.site_map(made).figure)]
    rows = [["", "hotspot", "kind", "die", "x, y in the die (um)", "X, Y (mm)", "chance"]]
    for n in range(min(len(made), _MOST_ROWS)):
        rows.append([
            f"{n + 1}", f"{made.hotspot[n]}", str(made.kind[n]), f"{made.die_column[n]}, {made.die_row[n]}",
            f"{made.x_nm[n] / 1e3:.2f}, {made.y_nm[n] / 1e3:.2f}", f"{made.X_mm[n]:.3f}, {made.Y_mm[n]:.3f}",
            f"{made.chance[n]:.2f}",
        ])  # fmt: skip
    more = f" The first {_MOST_ROWS} of {len(made)}." if len(made) > _MOST_ROWS else ""
    return numbers, figures, [(f"Sites, the likeliest first.{more}", rows)]


def _compared(made: Plan, compared: Compared, result: dict):
    def shown(label: str, share: dict) -> tuple[str, str, str, str]:
        value = "-" if share["share"] is None else f"{100 * share['share']:.0f}"
        interval = f"{100 * share['low_95']:.0f} to {100 * share['high_95']:.0f} %"
        return label, value, "%", f"{share['hits']} of {share['of']}, 95 %: {interval}"

    numbers = [
        shown("Sites with a defect (precision)", result["precision"]),
        shown("Defects predicted (recall)", result["recall"]),
        ("Places not predicted", f"{len(result['unpredicted'])}", "",
         f"{sum(one['dies'] > 1 for one in result['unpredicted'])} in two dies or more"),
    ]  # fmt: skip
    figures = [
        ("Sites on the wafer, with a defect or without.", plots.site_map(made, compared).figure),
        ("Share of the defects found at the sites up to a rank.", plots.capture(compared).figure),
        ("Chance predicted, and share of sites with a defect.", plots.calibration(compared).figure),
    ]
    tables = []
    if result["unpredicted"]:
        rows = [["x, y in the die (um)", "defects", "dies"]]
        for one in result["unpredicted"][:_MOST_ROWS]:
            rows.append([f"{one['x_nm'] / 1e3:.2f}, {one['y_nm'] / 1e3:.2f}", f"{one['count']}", f"{one['dies']}"])
        tables.append(("Found and not predicted, by place in the die; the most dies first", rows))
    return numbers, figures, tables
