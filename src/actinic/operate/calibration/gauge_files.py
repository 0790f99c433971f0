"""Gauge files: CSV with stated columns and the tab-separated `.gg` tables of OPC tools, read alike.

The header names the columns, in any order; names are compared without case, spaces and underscores, and a name that
ends in `_nm` or `_um` states its unit. Lengths are nm otherwise, coordinates in units of `coordinate_nm`. Columns
that mean nothing here are ignored. The `.gg` names met in practice are `gauge`, `tone_sgn`, `base_x`, `base_y`,
`head_x`, `head_y`, `plot_CD`, `draw_CD`, `wafer_CD`, `cost_wt`; there a weight or a wafer CD of 0 or less means that
the gauge is not to be used.
"""

import csv
import math
import re
from collections.abc import Sequence
from pathlib import Path

from ...errors import ConfigError, InputError
from ...plain import csv_text
from .measured import Cut, Kind, Lines, Measurement, Rejected, Site

COLUMNS = (
    *("name", "kind", "target_nm", "measured_nm", "sigma_nm", "weight", "focus_nm", "dose"),
    *("cd_nm", "pitch_nm", "axis", "x0_nm", "y0_nm", "x1_nm", "y1_nm", "plot_nm"),
)  # fmt: skip

_ALIASES = {
    "name": ("name", "gauge", "gaugename", "gaugeid", "id", "pattern", "structure"),
    "kind": ("kind", "tonesgn", "tone", "polar", "polarity"),
    "target": ("target", "targetcd", "drawcd", "drawncd", "designcd"),
    "measured": ("measured", "measuredcd", "wafercd", "meas", "measurement", "value", "epe", "measuredepe"),
    "sigma": ("sigma", "std", "stddev", "uncertainty"),
    "weight": ("weight", "wt", "costwt", "costweight"),
    "focus": ("focus", "defocus"),
    "dose": ("dose", "relativedose", "dosefactor"),
    "cd": ("cd", "linecd", "linewidth"),
    "pitch": ("pitch",),
    "axis": ("axis", "along"),
    "x0": ("x0", "basex", "x", "startx"),
    "y0": ("y0", "basey", "y", "starty"),
    "x1": ("x1", "headx", "x2", "endx", "tailx"),
    "y1": ("y1", "heady", "y2", "endy", "taily"),
    "plot": ("plot", "plotcd"),
}
_COORDINATES = ("x0", "y0", "x1", "y1")
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("line", "feature", "1"), "line"),
    **dict.fromkeys(("space", "gap", "-1"), "space"),
    **dict.fromkeys(("edge", "epe", "contour"), "edge"),
}
_ABSENT = {"", "na", "nan", "n/a", "none", "-"}


class _BadRow(ValueError):
    pass


def read_gauges(path: Path, coordinate_nm: float = 1.0) -> tuple[list[Measurement], list[Rejected]]:
    """Measurements of a gauge file, and the rows that cannot be used with the reason.

    `coordinate_nm` is the length of one unit of the layout coordinates that state none. Raises InputError where the
    file cannot be read, has no header, or has no good row, ConfigError where the unit is none.
    """
    if not 0 < coordinate_nm < math.inf:
        raise ConfigError(f"a unit of coordinates of {coordinate_nm:g} nm: it must be above 0")
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    rows = [(n, line) for n, line in enumerate(lines, 1) if line.strip() and not line.lstrip().startswith("#")]
    if not rows:
        raise InputError(f"{path}: the file is empty")
    delimiter = next((d for d in "\t,;" if d in rows[0][1]), None)
    header = _header(_cells(rows[0][1], delimiter), coordinate_nm, path)
    good, bad = [], []
    for number, line in rows[1:]:
        cells = _cells(line, delimiter)
        values = {key: cells[place] for key, (place, _) in header.items() if place < len(cells)}
        try:
            good.append(_measurement(values, {key: unit for key, (_, unit) in header.items()}, number))
        except _BadRow as error:
            bad.append(Rejected(number, values.get("name", "").strip(), str(error)))
    if any(m.sigma_nm is not None for m in good):
        bad += [Rejected(m.row, m.name, "no sigma, where other rows have one") for m in good if m.sigma_nm is None]
        good = [m for m in good if m.sigma_nm is not None]
    bad.sort(key=lambda rejected: rejected.row)
    if not good:
        why = f"line {bad[0].row}: {bad[0].reason}" if bad else "there is only a header"
        raise InputError(f"{path}: no row can be used ({why})")
    return good, bad


def _cells(line: str, delimiter: str | None) -> list[str]:
    return line.split() if delimiter is None else [c.strip() for c in next(csv.reader([line], delimiter=delimiter))]


def _header(cells: Sequence[str], coordinate_nm: float, path: Path) -> dict[str, tuple[int, float]]:
    """For each known column its place and the factor to nm."""
    known = {alias: key for key, aliases in _ALIASES.items() for alias in aliases}
    found: dict[str, tuple[int, float]] = {}
    for place, cell in enumerate(cells):
        bare, unit = re.fullmatch(r"(.*?)(?:[_ (\[]+(nm|um)[)\]]?)?", cell.strip().lower()).groups()  # type: ignore[union-attr]
        key = known.get(re.sub(r"[\s_]", "", bare))
        if key is None or key in found:
            continue
        default = coordinate_nm if key in _COORDINATES else 1.0
        found[key] = (place, {"nm": 1.0, "um": 1000.0}.get(unit or "", default))
    # Points of a contour need no value: they lie on the edge.
    missing = [] if found.keys() & {"measured", "kind"} else ["measured_nm (or wafer_CD)"]
    if not ({"cd", "pitch"} <= found.keys() or {"x0", "y0"} <= found.keys()):
        missing.append("cd_nm and pitch_nm, or x0_nm and y0_nm (or base_x and base_y)")
    if missing:
        raise InputError(f"{path}: the first line must name the columns; it lacks {'; '.join(missing)}")
    return found


def _measurement(values: dict[str, str], units: dict[str, float], row: int) -> Measurement:
    def number(key: str, low: float = -math.inf, high: float = math.inf, what: str = "") -> float | None:
        text = values.get(key, "").strip()
        if text.lower() in _ABSENT:
            return None
        try:
            value = float(text) * units[key]
        except ValueError:
            raise _BadRow(f"{key} {text!r} is not a number") from None
        if not math.isfinite(value) or not low <= value <= high:
            raise _BadRow(f"{key} {text} is out of range{what}")
        return value

    kind = _kind(values.get("kind", ""))
    site = _site(number, values.get("axis", ""), kind)
    weight = number("weight")
    if weight is not None and weight <= 0:
        raise _BadRow(f"weight {weight:g}: the file says not to use it")
    value = number("measured", -1e5, 1e5)
    if value is None and kind == "edge":
        value = 0.0
    if value is None or (kind != "edge" and value <= 0):
        raise _BadRow("not measured" if value is None else f"measured {value:g} nm: a width must be positive")
    sigma = number("sigma", 0, 1e4)
    if sigma == 0:
        raise _BadRow("sigma is 0: no measurement is exact")
    focus = number("focus", -5000, 5000, "; it is in nm, within 5000")
    dose = number("dose", 1e-3, 10, "; it is relative, 1 is nominal")
    target, plot = number("target"), number("plot")
    if isinstance(site, Lines):
        target = target if target is not None else site.cd_nm if kind == "line" else site.pitch_nm - site.cd_nm
        plot = plot if plot is not None else site.pitch_nm
    return Measurement(
        values.get("name", "").strip() or f"row {row}", kind, site, value, sigma,
        1.0 if weight is None else weight, focus or 0.0, 1.0 if dose is None else dose, target, plot, row,
    )  # fmt: skip


def _kind(text: str) -> Kind:
    text = text.strip().lower()
    if text in _ABSENT:
        return "line"
    try:
        text = str(int(float(text)))
    except ValueError:
        pass
    if text not in _KINDS:
        raise _BadRow(f"kind {text!r} is none of {', '.join(_KINDS)}")
    return _KINDS[text]


def _site(number, axis: str, kind: Kind) -> Site:
    cd, pitch = number("cd", 1e-3, 1e5), number("pitch", 1e-3, 1e5)
    if cd is not None and pitch is not None:
        if kind == "edge":
            raise _BadRow("an edge needs layout coordinates; give lines as line or space")
        if not cd < pitch:
            raise _BadRow(f"cd {cd:g} is not smaller than pitch {pitch:g}")
        axis = axis.strip().lower() or "y"
        if axis not in ("x", "y"):
            raise _BadRow(f"axis {axis!r} is neither x nor y, the direction the lines run in")
        return Lines(cd, pitch, axis)  # type: ignore[arg-type]
    x0, y0, x1, y1 = (number(key, -1e9, 1e9) for key in _COORDINATES)
    if x0 is None or y0 is None:
        raise _BadRow("no place: give cd and pitch, or x0 and y0")
    if (x1 is None) != (y1 is None) or (x1 is None and kind != "edge"):
        raise _BadRow("the cut has no other end: give x1 and y1")
    if x1 is not None and y1 is not None and not 1e-3 < math.hypot(x1 - x0, y1 - y0) <= 2e4:
        raise _BadRow("the cut must be longer than 0 and at most 20000 nm; look at the unit of the coordinates")
    return Cut(x0, y0, x1, y1)


def to_csv(measurements: Sequence[Measurement], **extra: Sequence) -> str:
    """Measurements as CSV text with the columns COLUMNS, and a further column for each of `extra`."""
    rows = []
    for place, m in enumerate(measurements):
        lines, cut = (m.site, None) if isinstance(m.site, Lines) else (None, m.site)
        where = (
            [lines.cd_nm, lines.pitch_nm, lines.axis, None, None, None, None]
            if lines
            else [None, None, None, cut.x0_nm, cut.y0_nm, cut.x1_nm, cut.y1_nm]  # type: ignore[union-attr]
        )
        row = [m.name, m.kind, m.target_nm, m.value_nm, m.sigma_nm, m.weight, m.focus_nm, m.dose, *where, m.plot_nm]
        rows.append([_text(value) for value in (*row, *(column[place] for column in extra.values()))])
    return csv_text([*COLUMNS, *extra], rows)


def to_gg(measurements: Sequence[Measurement], model_nm: Sequence[float]) -> str:
    """Widths on layout cuts as a `.gg` table, coordinates in nm, with what the model predicts."""
    rows = [
        ["gauge", "tone_sgn", "base_x_nm", "base_y_nm", "head_x_nm", "head_y_nm", "plot_CD", "draw_CD", "wafer_CD"]
        + ["cost_wt", "sigma_nm", "focus_nm", "dose", "model_CD", "model_error"]
    ]
    for m, model in zip(measurements, model_nm, strict=True):
        if not isinstance(m.site, Cut) or m.kind == "edge":
            raise InputError(f"gauge {m.name}: only widths on layout cuts can be written as .gg")
        site, tone = m.site, 1 if m.kind == "line" else -1
        ends = (site.x0_nm, site.y0_nm, site.x1_nm, site.y1_nm)
        widths = (m.plot_nm, m.target_nm, m.value_nm, m.weight, m.sigma_nm, m.focus_nm, m.dose)
        rows.append([m.name, str(tone), *map(_text, (*ends, *widths, float(model), float(model) - m.value_nm))])
    return "\n".join("\t".join(cell or "NA" for cell in row) for row in rows) + "\n"


def _text(value) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return f"{value:.10g}" if isinstance(value, float) else str(value)
