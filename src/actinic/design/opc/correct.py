"""Edge-based correction of a window: cut into blocks, each corrected on its own, their masks put together."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from ...config import Hashed, dump
from ...errors import ConfigError
from ...forward import anchored
from ...layout import Layout, Repeats, boolean, clipped, refined, unpacked
from ...mask import AlternatingPSM
from ...scale import Tiling, split
from .model import model_of
from .recipe import Opc
from .solve import Block, Shared, Step, solve_block
from .stitch import stitched


@dataclass(frozen=True)
class EdgeCorrected:
    """Mask polygons of a window and its surroundings, and the steps that led there for each block."""

    mask: Layout
    steps: tuple[tuple[Step, ...], ...]


@dataclass(frozen=True)
class EdgeWork:
    """A window to correct edge by edge: its blocks, what they share, and how their masks become one.

    Whoever spreads the blocks calls `solve_block(shared, block)` for each.
    """

    layout: Layout
    tiling: Tiling
    opc: Opc
    shared: Shared

    def blocks(self) -> Iterator[Block]:
        """The blocks, row by row; InputError where the layout does not hold together."""
        unit = self.layout.dbu_nm
        for tile in self.tiling.tiles:
            x0, y0, x1, y1 = tile.core_nm
            corner = np.array([round(x0 / unit), round(y0 / unit)])
            near = clipped(self.layout, tile.grid.window_nm).contours
            yield Block((x1 - x0, y1 - y0), unit, [ring - corner for ring in near], (x0, y0))

    def joined(self, found: Sequence[dict]) -> Layout:
        """The mask of the window and its surroundings from those of the blocks, in their order."""
        tiles = self.tiling.tiles
        parts = []
        for tile, data in zip(tiles, found, strict=True):
            part = unpacked(data)
            parts.append(part.moved(*(round(v / part.dbu_nm) for v in tile.core_nm[:2])))
        mask = stitched(parts, tiles, self.opc)
        drawn = refined(self.layout, mask.dbu_nm)
        return boolean(mask, boolean(drawn, clipped(drawn, self.tiling.cores_nm), "not"), "or")


def edge_work(
    layout: Layout, window_nm: tuple[float, float, float, float], setup, repeats: Repeats | None = None
) -> EdgeWork:
    """What there is to do to correct a window of a layout, which must reach the tiling's halo beyond it.

    Edges within twice `answer_nm` of the window move with it. Polygons with slanted edges stay as they are drawn.
    """
    if isinstance(setup.process.mask, AlternatingPSM):
        raise ConfigError("correct finds one layer of polygons: take a binary or an attenuated mask, not altpsm")
    opc, process = opc_of(setup), dump(anchored(setup.process))
    model = model_of(Hashed(process), opc.ambit_nm, opc.leading)
    return EdgeWork(layout, edge_tiling(setup, window_nm, repeats), opc, Shared(process, dump(opc), model))


def edge_tiling(setup, window_nm: tuple[float, float, float, float], repeats: Repeats | None = None) -> Tiling:
    """The blocks that edge-based correction cuts a window into, with the surroundings that are corrected with it.

    Where the layout repeats over most of the window, blocks are whole multiples of its pitch, so that they repeat too.
    """
    opc = opc_of(setup)
    # Blocks begin on the lattice that sites and jogs stand on.
    step, far = opc.site_nm, 2 * opc.answer_nm
    x0, y0, x1, y1 = window_nm
    around = (x0 - far, y0 - far, x1 + far, y1 + far)
    low = tuple(float(np.floor(v / step) * step) for v in around[:2])
    halo = opc.context_nm + opc.ambit_nm
    sizes = None if repeats is None else _anchored(opc, window_nm, repeats)
    if repeats is None or sizes is None:
        return split((*low, *around[2:]), step, opc.block_nm, halo)
    anchor = tuple(float(np.round(v / step) * step) for v in repeats.origin_nm)
    low = tuple(float(a - np.ceil((a - v) / s) * s) for a, v, s in zip(anchor, around[:2], sizes, strict=True))
    counts = tuple(int(np.ceil((v - a) / s - 1e-9)) for a, v, s in zip(low, around[2:], sizes, strict=True))
    cores = tuple(round(s / step) for s in sizes)
    return Tiling((*low, *around[2:]), step, cores[::-1], int(np.ceil(halo / step - 1e-9)), counts[::-1])


def _anchored(opc: Opc, window_nm, repeats: Repeats) -> tuple[float, float] | None:
    """Width and height of blocks that are whole multiples of a pitch and of the lattice; None if that does not pay."""
    x0, y0, x1, y1 = window_nm
    left, bottom, right, top = repeats.box_nm
    common = max(min(x1, right) - max(x0, left), 0) * max(min(y1, top) - max(y0, bottom), 0)
    sizes = []
    for pitch in repeats.pitch_nm:
        fitting = [n * pitch for n in range(1, int(opc.block_nm / pitch) + 1) if _whole(n * pitch / opc.site_nm)]
        sizes.append(max(fitting, default=0.0))
    if common < 0.5 * (x1 - x0) * (y1 - y0) or min(sizes) < 0.3 * opc.block_nm:
        return None
    return sizes[0], sizes[1]


def _whole(ratio: float) -> bool:
    return abs(ratio - round(ratio)) < 1e-6


def opc_of(setup) -> Opc:
    """The setup's edge-based recipe; ConfigError if it has none."""
    if setup.opc is None:
        raise ConfigError("this setup has no [opc] table; take a preset that has one, such as krf-dry, or method ilt")
    return setup.opc


def correct_edges(
    layout: Layout,
    window_nm: tuple[float, float, float, float],
    setup,
    spread: Callable[[Callable, Iterable[Block]], Iterator] = map,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> EdgeCorrected:
    """Correct a window of a layout (see `edge_work`).

    `spread(function, tasks)` maps over the blocks in order (`map`, or one of `scale`).
    """
    work = edge_work(layout, window_nm, setup)
    total, found = len(work.tiling.tiles), []
    progress("blocks", 0, total)
    for data in spread(partial(solve_block, work.shared), work.blocks()):
        found.append(data)
        progress("blocks", len(found), total)
    steps = (tuple(Step(float(r), int(e), float(m)) for r, e, m in data["steps"]) for data in found)
    return EdgeCorrected(work.joined(found), tuple(steps))
