"""`actinic stochastics`: what chance does to a print."""

from pathlib import Path
from typing import Annotated

import typer

from ...errors import DONE, OUT_OF_SPEC
from .console import Outcome, columns, number, progress
from .options import (
    Cell,
    CornerName,
    Defocus,
    Dose,
    Drawn,
    Force,
    Layer,
    MaskModel,
    MaskType,
    Optics,
    PhaseLayer,
    ResistKind,
    Settings,
    Window,
)
from .summary import effort


def stochastics(
    layout: Drawn,
    layer: Layer = "",
    optics: Optics = "euv-033",
    window: Window = None,
    cell: Cell = None,
    settings: Settings = None,
    mask_type: MaskType = None,
    phase_layer: PhaseLayer = None,
    resist: ResistKind = None,
    mask_model: MaskModel = None,
    corner: CornerName = None,
    dose: Dose = None,
    focus_nm: Defocus = None,
    dose_mj: Annotated[
        float | None,
        typer.Option(
            metavar="MJ/CM2", help="What dose 1 stands for; the resist's sensitivity follows.  [default: the resist's]"
        ),
    ] = None,
    draws: Annotated[int, typer.Option(metavar="N", help="Exposures of the window.")] = 10,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of the random numbers.")] = 0,
    sources: Annotated[str, typer.Option(metavar="NAMES", help="What is left to chance.")] = "photons,acid,quencher",
    pixel_nm: Annotated[
        float | None, typer.Option(metavar="NM", help="Width of a voxel.  [default: half the resist's blur]")
    ] = None,
    failures: Annotated[
        int, typer.Option(metavar="N", help="Contacts, and pairs of them, whose failure is estimated.")
    ] = 1,
    relative_sigma: Annotated[float, typer.Option(metavar="X", help="Wanted of these probabilities.")] = 0.2,
    limit: Annotated[
        float | None, typer.Option(metavar="P", help="Out of spec if a failure is likelier.  [default: no spec]")
    ] = None,
    save: Annotated[
        Path | None, typer.Option(metavar="FILE.npz", help="Write sizes, edges and one exposure as arrays.")
    ] = None,
    force: Force = False,
) -> Outcome:
    """Tell what chance does to a print: local CD uniformity, roughness, failures.

    Photons, acid and quencher are drawn anew for every exposure. Contacts are drawn polygons up to 1.5 lambda / NA.
    """
    from ... import jobs

    given = mask_type, phase_layer, resist
    work = jobs.Work(layout, layer, optics, window, cell, tuple(settings or ()), *given, mask_model=mask_model)
    names = tuple(name.strip() for name in sources.split(",") if name.strip())
    wanted = jobs.Draws(
        corner,
        dose,
        focus_nm,
        dose_mj,
        draws,
        seed,
        names,
        pixel_nm,
        failures,
        relative_sigma,
        limit,  # type: ignore
    )
    with progress() as report:
        result = jobs.stochastics(work, wanted, save=save, force=force, progress=report)
    parts = [_head(result), _contacts(result), _edges(result), _failures(result), effort(result)]
    return Outcome(result, "\n\n".join(filter(None, parts)), DONE if result["in_spec"] else OUT_OF_SPEC)


def _head(result: dict) -> str:
    acids = result["acids_a_photon"]
    rows = [
        ("clear field", number(result["dose_mj_cm2"] * result["dose"]), "mJ/cm2"),
        ("absorbed of it", number(result["photons_nm2"] * result["dose"]), "photons/nm2"),
        *([] if acids is None else [("acids a photon", number(acids), "")]),
    ]
    return columns(rows, "<><")


def _contacts(result: dict) -> str:
    found = result["contacts"]
    if found is None:
        return ""
    low, high = found["lcdu_3sigma_95_nm"] or (None, None)
    rows = [
        (f"{found['number']} contacts, {result['draws']} draws", "", ""),
        ("CD without noise", number(found["without_noise_cd_nm"]), "nm"),
        ("mean CD", number(found["cd_nm"]), "nm"),
        ("LCDU, 3 sigma", number(found["lcdu_3sigma_nm"]), f"nm ({number(low)} to {number(high)})"),
        ("missing", number(found["missing"]), ""),
        ("merged", number(found["merged"]), ""),
    ]
    return columns(rows, "<><")


def _edges(result: dict) -> str:
    found = result["edges"]
    if found is None:
        return ""
    low, high = found["sigma_95_nm"] or (None, None)
    rows = [
        (f"{found['number']} edges of {number(found['length_nm'], 0)} nm, {result['draws']} draws", "", ""),
        (
            "LER, 3 sigma",
            number(found["ler_3sigma_nm"]),
            f"nm ({number(low and 3 * low)} to {number(high and 3 * high)})",
        ),
        ("correlation length", number(found["xi_nm"]), "nm"),
        ("PSD(0)", number(found["psd0_nm3"]), "nm3"),
        ("edges with gaps", number(found["with_gaps"]), ""),
    ]
    return columns(rows, "<><")


def _failures(result: dict) -> str:
    rows = []
    for one in result["failures"]:
        low, high = one["probability_95"]
        x, y = one["at_nm"]
        doubt = "" if one["trusted"] else ", not trusted"
        rows.append(
            (one["kind"], f"{one['probability']:.2g}", f"({low:.2g} to {high:.2g}{doubt})", f"at {x:.0f}, {y:.0f} nm")
        )
    return columns([("nearest to failing", "", "", ""), *rows], "<><<") if rows else ""
