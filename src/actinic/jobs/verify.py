"""Verify a mask against the drawn layout, whoever made it."""

from dataclasses import asdict
from pathlib import Path

import numpy as np

from .. import design
from ..design import Verification
from ..errors import ConfigError
from ..layout import clipped, parse_layer, write_markers
from ..mask import reach_nm
from ..metrology import LINE_END
from ..timing import Clock
from .correct import etch_figures, figures, in_spec, read_mask, sites_of
from .folder import refuse_existing
from .work import Work, mask_figures, with_phases

# Hotspots nearer than this are one.
SPOT_NM = 200.0


def verify(
    work: Work,
    mask: Path,
    *,
    mask_layer: str | None = None,
    lyrdb: Path | None = None,
    retarget: Path | None = None,
    hold: bool = False,
    force: bool = False,
) -> dict:
    """Print a mask by Abbe, measure it at the layout's gauges, and mark hotspots for KLayout.

    The mask's polygons are taken from `mask_layer` (the layout's layer if not given) and, where `correct` left
    one, its context layer. Hotspots are gauges beyond the setup's largest |EPE|, gauges without an edge, defects of
    the print at any corner (side lobes, printed assists, missing, bridges, opens) and phase conflicts.
    With a table of etch bias (`retarget`, see `correct`) the target is the drawn pattern less this bias.
    """
    if lyrdb is not None:
        refuse_existing(lyrdb, force)
    clock = Clock()
    setup, window = work.setup(), work.window_nm()
    layout = work.read(setup.tiles.halo_nm + design.MARGIN_NM + 100)
    number = parse_layer(mask_layer) if mask_layer else work.layer_number()
    polygons = read_mask(mask, number)
    if not clipped(polygons, window).contours:
        raise ConfigError(f"{mask}: the mask has nothing in the window {work.window}: is it the right one?")
    around = setup.tiles.halo_nm + design.MARGIN_NM + reach_nm(setup.process.mask)
    layers, conflicts = with_phases(setup.process, polygons, work.read_shifted(mask, around))
    aim = None if retarget is None else design.retarget(layout, design.read_etch_table(retarget, hold))
    (found,) = design.verify(
        layout if aim is None else aim.target,
        [layers],
        setup.process,
        window,
        pitch_nm=setup.recipe.stages[-1].pixel_nm / 2,
        core_nm=setup.tiles.core_nm,
        halo_nm=setup.tiles.halo_nm,
        sites=sites_of(layout, setup, window, aim),
    )
    limit = setup.spec.max_abs_epe_nm if setup.spec else 15.0
    spots = hotspots(found, limit) + defect_markers(found)
    spots += [("phase conflict", box, "neighbours of one phase") for box in conflicts]
    if lyrdb is not None:
        write_markers(Path(lyrdb), spots, "TOP", str(mask))
    cost = clock.cost()
    good = in_spec(found, setup) and not conflicts
    s = found.summary
    size = "no gauges" if s.mean_abs_nm is None else f"mean |EPE| {s.mean_abs_nm:.2f} nm, largest {s.max_abs_nm:.2f} nm"
    return {
        "verdict": f"{'In spec' if good else 'Out of spec'}: {size}, {len(spots)} hotspots.",
        "in_spec": good,
        **mask_figures(setup.process, conflicts),
        **etch_figures(retarget, aim),
        **figures(found),
        "sliver_nm2": found.sliver_nm2,
        "defects": [asdict(defect) | {"at_nm": defect.at_nm} for defect in found.defects],
        "hotspots": len(spots),
        "hotspot_limit_nm": limit,
        "lyrdb": str(lyrdb) if lyrdb is not None else None,
        "cpu_s": cost.cpu_s,
        "wall_s": cost.wall_s,
    }


def hotspots(found: Verification, limit_nm: float) -> list[tuple[str, tuple[float, float, float, float], str]]:
    """Markers (category, box in nm, text), the worst first; gauges of one place make one marker."""
    size, gauges = np.abs(found.epe_nm), found.gauges
    bad = np.flatnonzero((size > limit_nm) | found.failed)
    spots, taken = [], np.zeros(len(bad), bool)
    order = bad[np.argsort(-size[bad], kind="stable")]
    for place, g in enumerate(order):
        if taken[place]:
            continue
        x, y = gauges.x_nm[g], gauges.y_nm[g]
        near = np.hypot(gauges.x_nm[order] - x, gauges.y_nm[order] - y) < SPOT_NM
        taken |= near
        missing = bool(found.failed[g])
        kind = "no printed edge" if missing else "line end" if gauges.kind[g] == LINE_END else "edge placement"
        text = "no printed edge within 100 nm" if missing else f"EPE {found.epe_nm[g]:+.1f} nm"
        half = SPOT_NM / 2
        spots.append((kind, (x - half, y - half, x + half, y + half), f"{text}, {int(near.sum())} gauges"))
    return spots


def defect_markers(found: Verification) -> list[tuple[str, tuple[float, float, float, float], str]]:
    """Markers (category, box in nm, text) of everything that prints, joins or fails as it should not."""
    return [
        (d.kind, d.box_nm, f"{d.area_nm2:.0f} nm2 at {d.corners[0]}, {len(d.corners)} corners") for d in found.defects
    ]
