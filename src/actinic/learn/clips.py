"""Clips to learn from: windows of rows of standard cells (SkyWater 130), and of random wires of our own."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..layout import Layout, manhattan, place_row, read_layout, sky130_cells
from .squish import Squish, squished

# Layers that are learnt from, and least width and space of the local interconnect, nm.
LAYERS = {"li1": "67/20", "poly": "66/20"}
WIDTH_NM = SPACE_NM = 170
ROW_NM = 2720
IN_ROW, PER_ROW = 12, 24
# Every so many families of cells one is held back, to be compared with.
HELD_BACK = 5
# Families that have no boundary, so they cannot be placed.
LOOSE = {"fill", "probec_p", "tap", "tapvgnd", "tapvgnd2", "tapvpwrvgnd"}


def families(held_back: bool) -> list[tuple[Path, str]]:
    """Standard cells to learn from, or those held back: cells of one family are on one side."""
    cells = sky130_cells()
    names = sorted({path.parent.name for path, _ in cells} - LOOSE)
    chosen = {name for place, name in enumerate(names) if (place % HELD_BACK == 0) == held_back}
    return [cell for cell in cells if cell[0].parent.name in chosen]


def cell_clips(cells: Sequence[tuple[Path, str]], layer: str, count: int, size_nm: int, seed: int) -> list[Squish]:
    """So many windows, squares of `size_nm`, of rows of cells picked at random, on one of LAYERS."""
    rng = np.random.default_rng((seed, list(LAYERS).index(layer)))
    found: list[Squish] = []
    while len(found) < count:
        row = cell_row(cells, rng, LAYERS[layer])
        assert row.bbox_nm is not None
        x1 = round(row.bbox_nm[2])
        for _ in range(min(PER_ROW, count - len(found))):
            x, y = (5 * int(rng.integers((far - size_nm) // 5 + 1)) for far in (x1, 2 * ROW_NM))
            found.append(squished(row, (x, y, x + size_nm, y + size_nm)))
    return found


def cell_row(cells: Sequence[tuple[Path, str]], rng: np.random.Generator, layer: str) -> Layout:
    """One layer of two rows of cells picked at random, the upper one turned upside down."""
    lower, upper = ([cells[n] for n in rng.integers(len(cells), size=IN_ROW)] for _ in range(2))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "row.oas"
        place_row(lower, file, upper)
        return read_layout(file, layer)


def wire_clips(count: int, size_nm: int, seed: int) -> list[Squish]:
    """Random wires and jogs, on half the pitch and off it."""
    rng = np.random.default_rng((seed, len(LAYERS)))
    window = (0, 0, size_nm, size_nm)
    fills = rng.uniform(0.3, 0.8, count)
    return [
        squished(manhattan(int(rng.integers(2**31)), window, WIDTH_NM, SPACE_NM, float(fill)), window) for fill in fills
    ]


def style_clips(counts: dict[str, int], size_nm: int, seed: int, held_back: bool = False) -> dict[str, list[Squish]]:
    """Clips of every style that is named, so many of each; those of cells held back, or of the others."""
    cells = families(held_back) if set(counts) & set(LAYERS) else []
    return {
        style: wire_clips(count, size_nm, seed + held_back)
        if style not in LAYERS
        else cell_clips(cells, style, count, size_nm, seed + held_back)
        for style, count in counts.items()
    }
