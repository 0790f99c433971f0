"""`actinic roughness`: how rough edges are, without the noise of the measurement."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ...errors import DONE, OUT_OF_SPEC, ConfigError
from .console import Outcome, columns, number
from .options import Force

FORMATS = (".png", ".svg", ".pdf")
ROWS = (
    ("sigma", "sigma_nm", "sigma_95_nm", "nm"),
    ("correlation length", "xi_nm", "xi_95_nm", "nm"),
    ("Hurst exponent", "hurst", "hurst_95", ""),
    ("noise", "noise_nm", "noise_95_nm", "nm"),
)


def roughness(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A table of edge positions in nm (CSV), or a picture (PNG, TIFF).")
    ],
    step: Annotated[
        float | None, typer.Option(metavar="NM", min=0, help="Distance of a table's rows, or size of a pixel.")
    ] = None,
    blur: Annotated[float, typer.Option(metavar="NM", min=0, help="Known blur along the lines: the beam's sigma.")] = 0,
    pairs: Annotated[bool, typer.Option("--pairs", help="A table's columns are left and right edges in turn.")] = False,
    dark: Annotated[bool, typer.Option("--dark", help="A picture's lines are darker than its spaces.")] = False,
    detrend: Annotated[Literal["mean", "line"], typer.Option(help="What is taken out of every edge.")] = "line",
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw the spectrum and its fit.")] = None,
    force: Force = False,
) -> Outcome:
    """Measure unbiased edge and width roughness, or say why not.

    Lines run along y: a table's columns are edges, its first may be y_nm. Flagged edges leave with code 1.
    """
    from ... import jobs

    if plot is not None:
        from ...jobs.folder import refuse_existing

        if plot.suffix.lower() not in FORMATS:
            raise ConfigError(f"{plot}: a picture is written as {', '.join(FORMATS)}")
        refuse_existing(plot, force)
    result = jobs.roughness(file, step_nm=step, blur_nm=blur, pairs=pairs, dark_lines=dark, detrend=detrend)
    if plot is not None:
        _draw(result, plot)
    return Outcome(result, _text(result), DONE if result["given"] else OUT_OF_SPEC)


def _draw(result: dict[str, Any], path: Path) -> None:
    from io import BytesIO

    from ...writing import write_file
    from ..plots import roughness_spectrum

    buffer = BytesIO()
    ax = roughness_spectrum(*result["spectrum"].values(), noise_nm=result["noise_nm"], step_nm=result["step_nm"])
    ax.figure.savefig(buffer, format=path.suffix.removeprefix(".") or "png", dpi=200)
    write_file(path, buffer.getvalue(), parents=True)


def _text(result: dict[str, Any]) -> str:
    parts = [result["verdict"]]
    for name, part in (("edges", result), ("widths", result["width"])):
        if part is None:
            continue
        if part is not result and part["flags"]:
            parts.append("\n".join(["No width roughness:", *(flag["why"] for flag in part["flags"])]))
        elif not part["flags"]:
            rows = [(f"{part['edges']} {name}", "", "95 % interval", "")]
            for label, key, interval, unit in ROWS:
                low, high = part[interval]
                rows.append((label, number(part[key]), f"{number(low)} to {number(high)}", unit))
            parts.append(columns(rows, "<><<"))
    return "\n\n".join(parts)
