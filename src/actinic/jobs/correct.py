"""Correct one layer of a layout window and leave a run folder that others can check."""

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from .. import design, scale
from ..config import dump, to_toml
from ..design import Setup
from ..errors import ConfigError, InputError
from ..layout import Layout, clipped, place_row, sky130_cells, snapped
from ..mask import reach_nm
from ..timing import Clock
from .blocks import Reusing, Spread, corrected_blocks
from .checked import read_mask
from .condemned import corrected_anew
from .finish import Finish
from .folder import refuse_existing, run_folder
from .parts import parts_in
from .runs import resumable
from .work import Progress, Work, area_um2, quiet

DEMO_CELLS = ("dfxtp_1", "nand2_1", "inv_2", "a21oi_1", "mux2_1")
# Windows larger than this, in um2, are verified part by part when they are corrected edge by edge.
WHOLE_UM2 = 1500.0


@dataclass(frozen=True)
class Elsewhere:
    """What edge-based correction takes from elsewhere: the workers of a Dask cluster, an earlier run's blocks.

    With `keep_nm` the earlier run's mask is judged by this setup, and only blocks whose mean |EPE| is larger or that
    hold a failure are corrected anew.
    """

    cluster: str | None = None
    reuse: Path | None = None
    keep_nm: float | None = None

    def __post_init__(self):
        if self.keep_nm is not None and (self.reuse is None or not self.keep_nm > 0):
            raise ConfigError("--keep NM goes with --reuse RUN, and is more than 0 nm")

    def mask(self) -> Path | None:
        """The earlier mask that is to be judged, if one is."""
        if self.keep_nm is None or self.reuse is None:
            return None
        file = Path(self.reuse) / "mask.oas"
        if not file.is_file():
            raise InputError(f"{self.reuse} is no run folder with a mask.oas: nothing to keep blocks of")
        return file


@dataclass(frozen=True)
class Etched:
    """A table of etch bias; with `hold` its rim holds beyond it."""

    table: Path
    hold: bool = False


def correct(
    work: Work,
    out: Path,
    *,
    workers: int = 0,
    elsewhere: Elsewhere = Elsewhere(),
    etched: Etched | None = None,
    force: bool = False,
    command: str = "",
    progress: Progress = quiet,
) -> dict:
    """Correct a window, verify the written mask, write the run folder and return its summary.

    `work.method` says how: `ilt`, inverse lithography, or `opc`, edge by edge. `workers` 0 takes the machine's cores.
    Edge by edge, a run that was interrupted goes on in its folder, blocks may be spread over the workers of a cluster,
    and what has not changed since an earlier run is taken over from it (`elsewhere`).
    `etched`: what is wanted after development is the drawn pattern less this bias, and gauges stand on it. All numbers
    come from the written file, read again and imaged by Abbe at twice the sampling.
    """
    clock = Clock()
    table = None if etched is None else design.read_etch_table(etched.table, etched.hold)  # before any work is done
    setup, window = work.setup(), work.window_nm()
    if work.method == "ilt":
        if elsewhere != Elsewhere():
            raise ConfigError("--cluster, --reuse and --keep need blocks that stand alone: add --method opc")
        refuse_existing(Path(out), force)
        tiling, limits, repeats = design.tiling_of(setup, window), setup.limits, None
    else:
        repeats = work.repeats()
        tiling, limits = design.edge_tiling(setup, window, repeats), design.opc_of(setup).limits
    judged = replace(setup, limits=limits)
    halo_nm = max(setup.tiles.halo_nm, tiling.halo_px * tiling.pixel_nm)
    layout = work.read(2 * halo_nm + design.MARGIN_NM + reach_nm(setup.process.mask))
    if not clipped(layout, window).contours:
        raise ConfigError(f"{work.layout}: layer {work.layer} is empty in the window {work.window}: nothing to correct")
    aim = None if table is None else design.retarget(layout, table)
    drawn = layout if aim is None else aim.target
    tiles = len(tiling.tiles)
    workers = min(workers or os.cpu_count() or 1, tiles)
    asked = {
        "workers": workers,
        "tiles": tiles,
        "retarget": None if etched is None else etched.table,
        "command": command,
    }
    done = Finish(work, Path(out), setup, judged, window, tiling, layout, aim, asked, clock, progress)
    if work.method == "ilt":
        with scale.pool(workers) as spread:
            found = design.correct(drawn, window, setup, spread, progress)
        corrected = found.mask if aim is None else _on_grid(found.mask, limits.grid_nm, layout)
        # A spawned worker's own clock knows what of its time went into compiling.
        apart = found.cost.compile_s if workers > 1 else None
        with run_folder(Path(out), force) as folder:
            return done.whole(folder, corrected, clock.cost(), apart)
    todo = design.edge_work(drawn, window, setup, repeats)
    earlier = elsewhere.mask()
    if earlier is not None and aim is not None:
        raise ConfigError("--keep judges by the drawn pattern: it cannot go with --retarget")
    inputs = _inputs(work, setup, etched)
    if earlier is not None:
        inputs |= {"earlier mask": scale.content_key(earlier.read_bytes(), elsewhere.keep_nm)}
    with resumable(Path(out), inputs, to_toml(setup), force) as run:
        large = (area_um2(window) > WHOLE_UM2 and aim is None) or earlier is not None
        count = tiles + (parts_in(setup, window, tiling) if large else 0)
        store = Reusing(run.store.root, [] if elsewhere.reuse is None else [Path(elsewhere.reuse) / "store"])
        with scale.spreading(workers, elsewhere.cluster) as engine:
            # Of a mask that is judged first, how many blocks there will be is not known.
            run.journal.begin(count if earlier is None else None, lambda: engine.workers)
            spread = Spread(engine, run, store, progress)
            if earlier is not None:
                old = read_mask(earlier, work.layer_number())
                mask, failed, told = corrected_anew(todo, old, judged, window, spread, elsewhere.keep_nm)
                done = replace(done, asked=asked | {"anew": told})
            else:
                mask, failed = corrected_blocks(todo, spread)
            correcting = clock.cost()
            if large:
                return done.in_parts(run.folder, mask, spread, failed, correcting)
        return done.whole(run.folder, mask, clock.cost(), None, failed)


def _on_grid(mask: Layout, grid_nm: float, layout: Layout) -> Layout:
    return snapped(mask, grid_nm, min(grid_nm, layout.dbu_nm))


def _inputs(work: Work, setup: Setup, etched: Etched | None) -> dict[str, str]:
    """What a run goes by, each with a key of its content."""
    files = {"layout": work.layout} | ({} if etched is None else {"etch table": etched.table})
    found = {name: scale.content_key(Path(path).read_bytes()) for name, path in files.items()}
    asked = {
        "layer": work.layer,
        "window": work.window,
        "cell": work.cell,
        "setup": dump(setup),
    }
    if etched is not None:
        asked["etch table's rim"] = etched.hold
    return found | {name: scale.content_key(value) for name, value in asked.items()}


def demo(out: Path, *, force: bool = False, command: str = "", progress: Progress = quiet) -> dict:
    """Correct the local interconnect of a row of real SkyWater 130 standard cells."""
    cells = sky130_cells(DEMO_CELLS)
    refuse_existing(Path(out), force)
    # Named as it will be found, so that the provenance is true.
    beside = Path(out).absolute().with_name(f".{Path(out).name}.{os.getpid()}.cells")
    row = beside / "layout.oas"
    try:
        beside.mkdir(parents=True, exist_ok=True)
        x0, y0, x1, y1 = (value / 1000 for value in place_row(cells, row))
        work = Work(row, "67/20", window=f"{x0:g},{y0:g},{x1:g},{y1:g}")
        result = correct(work, out, force=force, command=command, progress=progress)
        row.replace(Path(out) / row.name)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return result | {"layout": str(Path(out) / row.name)}
