"""Roughness of edges in a table or a picture, or why there is none to give."""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import numpy as np

from ..errors import ConfigError, InputError
from ..metrology.roughness import Roughness, line_roughness
from ..metrology.roughness import roughness as edge_roughness
from ..metrology.sem import line_edges, read_grey

TABLES = (".csv", ".txt", ".tsv", ".dat")
NUMBERS = {"sigma_nm": "sigma_95_nm", "xi_nm": "xi_95_nm", "hurst": "hurst_95", "noise_nm": "noise_95_nm"}


def roughness(
    file: Path,
    *,
    step_nm: float | None = None,
    blur_nm: float = 0.0,
    pairs: bool = False,
    dark_lines: bool = False,
    detrend: Literal["mean", "line"] = "line",
) -> dict:
    """Unbiased roughness of the edges in a table (columns are edges in nm) or of the lines in a picture.

    `step_nm` is the distance of a table's rows, unless its first column is `y_nm`, or the size of a picture's pixels,
    whose lines run along y; `blur_nm` the standard deviation of the average along the line (of the beam; what a pixel
    adds is known). With `pairs` columns are left and right edges in turn. `dark_lines`: a picture's lines are darker
    than its spaces. A flagged result has the reasons in `flags` and None for every number.
    """
    file = Path(file)
    if file.suffix.lower() in TABLES:
        edges, own_step = _table(file)
        step = step_nm if step_nm is not None else own_step
        if step is None:
            raise ConfigError(f"{file}: say how far apart the rows are, with --step or a first column y_nm")
        if pairs and len(edges) % 2:
            raise InputError(f"{file}: {len(edges)} columns are not pairs of left and right edges")
        left, right = (edges[::2], edges[1::2]) if pairs else (edges, None)
    else:
        if step_nm is None:
            raise ConfigError(f"{file}: say how large its pixels are, with --step")
        step = step_nm
        found = line_edges(read_grey(file), step, bright_lines=not dark_lines)
        left, right = found.left_nm, found.right_nm
        blur_nm = float(np.hypot(blur_nm, step / np.sqrt(12)))
    if right is None:
        edge, width, together = edge_roughness(left, step, blur_nm, detrend), None, None
    else:
        both = line_roughness(left, right, step, blur_nm, detrend)
        edge, width, together = both.edge, both.width, both.correlation
    return {
        "verdict": _verdict(edge),
        "given": not edge.flags,
        **_numbers(edge),
        "correlation": together,
        "width": None if right is None or width is None else {
            "mean_nm": float(np.mean(right - left)), **_numbers(width),
        },
        "step_nm": step,
        "blur_nm": blur_nm,
        "spectrum": {"frequency_per_nm": edge.frequency, "psd_nm3": edge.psd, "model_nm3": edge.model},
    }  # fmt: skip


def _verdict(edge: Roughness) -> str:
    if edge.sigma_nm is None:
        return f"No roughness given: {'; '.join(flag.why for flag in edge.flags)}."
    three = [3 * value for value in (edge.sigma_nm.value, edge.sigma_nm.low, edge.sigma_nm.high)]
    return f"Unbiased LER, 3 sigma: {three[0]:.2f} nm ({three[1]:.2f} to {three[2]:.2f})."


def _numbers(found: Roughness) -> dict:
    numbers = {}
    for name, interval in NUMBERS.items():
        number = getattr(found, name)
        numbers[name] = number.value if number else None
        numbers[interval] = [number.low, number.high] if number else None
    return numbers | {
        "line_sigma_nm": found.line_sigma_nm,
        "edges": found.edges,
        "samples": found.samples,
        "flags": [asdict(flag) for flag in found.flags],
    }


def _table(file: Path) -> tuple[np.ndarray, float | None]:
    """Edges (edge, sample) in the columns of a table, and the step of its column y_nm if it has one."""
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise InputError(f"{file}: not a table in text") from None
    rows = [(n, re.split(r"[,;\s]+", line.strip().strip(",;"))) for n, line in enumerate(lines, 1)]
    rows = [(n, cells) for n, cells in rows if cells != [""] and not cells[0].startswith("#")]
    header = []
    if rows and not _is_number(rows[0][1][0]):
        header = rows.pop(0)[1]
    if len(rows) < 2:
        raise InputError(f"{file}: a table of edges needs two rows of numbers or more")
    for n, cells in rows:
        if len(cells) != len(rows[0][1]):
            raise InputError(f"{file}, line {n}: {len(cells)} columns where the first row has {len(rows[0][1])}")
        bad = next((cell for cell in cells if not _is_number(cell)), None)
        if bad is not None:
            raise InputError(f"{file}, line {n}: {bad!r} is not a number")
    values = np.array([cells for _, cells in rows], np.float64).T
    if header[:1] not in (["y_nm"], ["y"]):
        return values, None
    steps = np.diff(values[0])
    if len(values) < 2 or not (steps > 0).all() or np.ptp(steps) > 1e-3 * steps.mean():
        raise InputError(f"{file}: the column {header[0]} must rise in even steps, with edges in the columns after it")
    return values[1:], float(steps.mean())


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
