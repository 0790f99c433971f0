"""The pictures, numbers and report of a source-mask optimisation."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .. import design
from ..design import Clip, Setup, Together
from ..interfaces import source_plots, window_plots
from ..interfaces.report import Report, write_report
from ..layout import Layout
from ..optics import Freeform, sample
from ..types import double
from .work import Work

_MAPS = 4  # pictures of clips in a report

Pixels = tuple[np.ndarray, np.ndarray, float]


def lattice(setup: Setup, pitch: float) -> Pixels:
    """A source on pixels for its picture: sigma (n, 2), brightness (n,), pitch."""
    source = double(design.scanner_of(setup.process).source)
    if isinstance(source, Freeform):
        return source.rows()
    return (*sample(source, 0.5 * pitch), 0.5 * pitch)


def plot_data(sources: Sequence[Pixels], windows: Sequence[Together]) -> dict[str, np.ndarray]:
    """Everything the pictures draw, by name: sources in sigma, windows in nm and relative dose."""
    data = {}
    for name, (sigma, weight, pitch), found in zip(("before", "after"), sources, windows, strict=True):
        data |= {f"{name}_sigma": sigma, f"{name}_brightness": weight, f"{name}_pitch": np.array(pitch)}
        data |= {f"{name}_low": found.low, f"{name}_high": found.high, f"{name}_focus_nm": found.common.focus_nm}
        data |= {f"{name}_window_low": found.common.low, f"{name}_window_high": found.common.high}
        data |= {f"{name}_{shape}_dof_el": np.stack(curve, axis=1) for shape, curve in found.latitude.items()}
    return data | {"gauge": np.array(windows[0].names)}


def pictures(
    sources: Sequence[Pixels], clips: Sequence[Clip], masks: Sequence[Layout], windows: Sequence[Together]
) -> list[tuple[str, object]]:
    """Captions and figures: sources and windows before and after, clips with their masks."""
    names = ("before", "after")
    drawn = [
        ("The optimised source in the pupil.", source_plots.pupil_plot(*sources[1])),
        ("The source before.", source_plots.pupil_plot(*sources[0])),
        ("Common windows and what fits in the later one.", window_plots.window_map(windows, names=names)),
        ("Exposure latitude against depth of focus.", window_plots.latitude_plot(windows, names=names)),
    ]
    for number, (clip, mask) in list(enumerate(zip(clips, masks, strict=True), 1))[:_MAPS]:
        caption = f"Clip {number} of {len(clips)}: target and mask."
        drawn.append((caption, source_plots.clip_map(clip.target, mask, clip.window_nm)))
    return [(caption, axes.figure) for caption, axes in drawn]


def write(path: Path, work: Work, result: dict, figures: Sequence[tuple], told) -> None:
    """Write the report; `told` are configuration, provenance and command."""
    write_report(path, _report(work, result, figures, told))


def _report(work: Work, result: dict, figures: Sequence[tuple], told) -> Report:
    configuration, origin, command = told
    before, need, source = result["before"], result["required"]["dof_nm"], result["source"]

    def pair(label, key, shape, unit, digits=1):
        return label, f"{result[key][shape]:.{digits}f}", unit, f"before {before[key][shape]:.{digits}f}"

    numbers = [
        pair(f"Exposure latitude over {need:g} nm", "el_percent", "rectangle", "%"),
        pair("The same, ellipse", "el_percent", "ellipse", "%"),
        pair("Largest ellipse, DOF x EL", "area_nm_percent", "ellipse", "nm %", 0),
        pair("Largest rectangle, DOF x EL", "area_nm_percent", "rectangle", "nm %", 0),
        ("Mask rule violations", str(result["rule_violations"]), "", ""),
    ]
    kept = (
        [f"Of the written source's pupil {100 * source['lit']:.1f} % are lit, {100 * source['fill']:.1f} % at the "
         f"largest brightness; {source['specks']} pixels lie in no pole of {source['pole']:g} sigma."]
        if "lit" in source
        else []
    )  # fmt: skip
    notes = [
        f"{result['gauges']} cut-lines of {result['clips']} clips, measured on the written source and mask files "
        "by Abbe in float64. Before: the setup's source and the mask as given.",
        *kept,
        f"The optimiser expected {result['optimiser_el_percent']:.1f} % beyond the corners' doses, from "
        f"{result['image_sets']} sets of images.",
        f"Dose 1 of run.toml is the common window's best dose, {result['dose_ratio']:.2f} times that of the setup.",
        "Every clip is a periodic tile.",
        "Thin mask, threshold resist. Not validated against wafers.",
    ]
    return Report(
        title=f"{Path(work.layout).name}, layer {work.layer}",
        verdict=result["verdict"],
        good=result["in_spec"],
        numbers=numbers,
        figures=figures,
        notes=notes,
        configuration=configuration,
        provenance=origin,
        reproduce=command,
    )
