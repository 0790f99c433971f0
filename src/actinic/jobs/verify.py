"""Verify a mask against the drawn layout, whoever made it."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ..design.hotspots import Covered
from ..design.retarget import read_etch_table
from ..design.retarget import retarget as retargeted
from ..design.setup import Setup
from ..design.verify import MARGIN_NM, Verification, corner_distance_nm
from ..design.verify import verify as measured
from ..errors import ConfigError
from ..interfaces.report import write_report
from ..layout import Layout, Marker, clipped, parse_layer, read_layout, refined, write_markers
from ..mask import reach_nm
from ..metrology import REACH_NM, enclosures, end_caps
from ..timing import Clock
from .check_report import verification_report
from .checked import checked, etch_figures, figures, in_spec, read_mask, sites_of
from .compared import compared
from .folder import provenance, refuse_existing
from .work import Work, mask_figures, with_phases


@dataclass(frozen=True)
class Beyond:
    """What else is checked, and where it is told.

    `cover` and `end_cap` name layers of the layout, "66/44" or "66/44:5" with the nm that the print has to reach
    beyond their edges (0 if not given). `against` is another mask that is measured at the same gauges, `margin_nm`
    how much the mean |EPE| of masks that count as the same may differ. `report` is an HTML file to write, `command`
    what it says made it.
    """

    cover: tuple[str, ...] = ()
    end_cap: tuple[str, ...] = ()
    against: Path | None = None
    margin_nm: float = 0.1
    report: Path | None = None
    command: str = ""


def verify(
    work: Work,
    mask: Path,
    *,
    mask_layer: str | None = None,
    lyrdb: Path | None = None,
    retarget: Path | None = None,
    hold: bool = False,
    force: bool = False,
    beyond: Beyond | None = None,
) -> dict:
    """Print a mask by Abbe, measure it at the layout's gauges, and mark hotspots for KLayout.

    The mask's polygons are taken from `mask_layer` (the layout's layer if not given) and, where `correct` left
    one, its context layer. Hotspots are all that `design.ranked` finds and phase conflicts; mask rules are looked for
    by two codes. With a table of etch bias (`retarget`, see `correct`) the target is the drawn pattern less this bias.
    """
    beyond = beyond or Beyond()
    for file in (lyrdb, beyond.report):
        if file is not None:
            refuse_existing(file, force)
            if not Path(file).absolute().parent.is_dir():
                raise ConfigError(f"{file}: {Path(file).parent} is no folder")
    asked = [_reach_asked(name) for name in (*beyond.cover, *beyond.end_cap)]
    if not beyond.margin_nm > 0:
        raise ConfigError(f"the margin of an equivalence must be more than 0 nm, not {beyond.margin_nm:g}")
    clock = Clock()
    setup, window = work.setup(), work.window_nm()
    layout = work.read(setup.tiles.halo_nm + MARGIN_NM + 100)
    number = parse_layer(mask_layer) if mask_layer else work.layer_number()
    masks = [_Read(work, setup, file, number) for file in (mask, beyond.against) if file is not None]
    aim = None if retarget is None else retargeted(layout, read_etch_table(retarget, hold))
    target = layout if aim is None else aim.target
    others = [_beside(work, layer, target.dbu_nm) for layer, _ in asked]
    found = measured(
        target,
        [read.layers for read in masks],
        setup.process,
        window,
        pitch_nm=setup.check_nm,
        halo_nm=setup.tiles.halo_nm,
        sites=sites_of(layout, setup, window, aim),
    )
    covered = [_covered(v, asked, others, len(beyond.cover), corner_distance_nm(setup.process)) for v in found]
    checks = [checked(v, setup, read.drawn, c) for v, read, c in zip(found, masks, covered, strict=True)]
    v, check, conflicts = found[0], checks[0], masks[0].conflicts
    clashes = [Marker("phase conflict", box, "neighbours of one phase") for box in conflicts]
    if lyrdb is not None:
        write_markers(Path(lyrdb), [*check.markers, *clashes], "TOP", str(mask))
    good, spots = in_spec(v, setup, check.spots) and not conflicts, len(check.spots) + len(clashes)
    result = {
        "verdict": _verdict(v, good, spots),
        "in_spec": good,
        **mask_figures(setup.process, conflicts),
        **etch_figures(retarget, aim),
        **figures(v),
        "sliver_nm2": v.sliver_nm2,
        "defects": [asdict(defect) | {"at_nm": defect.at_nm} for defect in v.defects],
        **check.figures,
        "hotspots": spots,
        "covered": [_cover_figures(c) for c in covered[0]],
        "lyrdb": str(lyrdb) if lyrdb is not None else None,
        "report": str(beyond.report) if beyond.report is not None else None,
    }
    if beyond.against is not None:
        result["against"] = compared(found, checks, beyond.against, setup, beyond.margin_nm)
    if beyond.report is not None:
        origin = provenance(
            {"layout": work.layout, "mask": mask},
            layer=work.layer,
            window_um=work.window,
            cell=work.cell,
            command=beyond.command,
        )
        write_report(beyond.report, verification_report(setup, v, check, covered[0], result, origin))
    cost = clock.cost()
    return result | {"cpu_s": cost.cpu_s, "wall_s": cost.wall_s}


class _Read:
    """A mask file as it is drawn, and as the layers that are imaged; `conflicts` where phases were assigned."""

    def __init__(self, work: Work, setup: Setup, file: Path, number: tuple[int, int]):
        self.drawn = read_mask(file, number)
        if not clipped(self.drawn, work.window_nm()).contours:
            raise ConfigError(f"{file}: the mask has nothing in the window {work.window}: is it the right one?")
        around = setup.tiles.halo_nm + MARGIN_NM + reach_nm(setup.process.mask)
        self.layers, self.conflicts = with_phases(setup.process, self.drawn, work.read_shifted(file, around))


def _reach_asked(text: str) -> tuple[str, float]:
    """The text 66/44:5 as a layer and how many nm beyond it the print has to reach."""
    match = re.fullmatch(r"([^:]+)(?::([+-]?\d+(?:\.\d*)?))?", text)
    nm = float(match[2] or 0.0) if match else 0.0
    if match is None or abs(nm) > REACH_NM:
        raise ConfigError(f"{text!r} is not layer/datatype or layer/datatype:nm (to {REACH_NM:g} nm), like 66/44:5")
    parse_layer(match[1])
    return match[1], nm


def _beside(work: Work, layer: str, unit_nm: float) -> Layout:
    """Another layer of the layout in the window and a little around."""
    x0, y0, x1, y1 = work.window_nm()
    around = (x0 - 2 * REACH_NM, y0 - 2 * REACH_NM, x1 + 2 * REACH_NM, y1 + 2 * REACH_NM)
    return refined(read_layout(work.layout, parse_layer(layer), around, work.cell), unit_nm)


def _covered(
    v: Verification, asked: Sequence[tuple[str, float]], others: Sequence[Layout], vias: int, corner_nm: float
) -> list[Covered]:
    """The print against other layers, the first ones to be covered, the rest to be reached across."""
    found = []
    for n, ((layer, limit), other) in enumerate(zip(asked, others, strict=True)):
        if n < vias:
            places = enclosures(v.target, other, v.prints, v.window_nm, corner_nm)
        else:
            places = end_caps(v.target, other, v.prints, v.window_nm)
        found.append(Covered(layer, limit, places, n < vias))
    return found


def _cover_figures(against: Covered) -> dict:
    """One layer that was checked against, the worst place first."""
    shares = [c.overlap for c in against.found if c.overlap is not None]
    return {
        "layer": against.layer,
        "kind": against.kind,
        "limit_nm": against.limit_nm,
        "places": len(against.found),
        "below": sum(c.printed_nm < against.limit_nm for c in against.found),
        "least_nm": against.found[0].printed_nm if against.found else None,
        "least_overlap": min(shares) if shares else None,
        "list": [asdict(c) for c in against.found],
    }


def _verdict(v: Verification, good: bool, spots: int) -> str:
    s = v.summary
    size = "no gauges" if s.mean_abs_nm is None else f"mean |EPE| {s.mean_abs_nm:.2f} nm, largest {s.max_abs_nm:.2f} nm"
    return f"{'In spec' if good else 'Out of spec'}: {size}, {spots} hotspot{'s' * (spots != 1)}."
