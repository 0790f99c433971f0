"""Arguments, options and notes that verbs share."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import typer

from ...errors import ConfigError
from .console import Outcome

T = TypeVar("T")

NOTES = (
    "Also: --json, --debug. Exit codes: 0 done and in spec, 1 done but out of spec, 2 usage, configuration or file, "
    "3 numerical, 4 missing, 130 interrupted."
)

Drawn = Annotated[Path, typer.Argument(metavar="LAYOUT", help="The drawn layout: GDSII, OASIS or .glp.")]
Layer = Annotated[str, typer.Option(metavar="L/D", help="Layer and datatype, for example 67/20.")]
Optics = Annotated[str, typer.Option(metavar="NAME|FILE", help="Preset, or a process in TOML.")]
MaskType = Annotated[
    str | None,
    typer.Option(metavar="TYPE", help="binary, attpsm:6%:180 or altpsm.  [default: the process's]"),
]
MaskModel = Annotated[
    Literal["thin", "fast", "rigorous"] | None,
    typer.Option(help="How a reflecting mask's topography counts.  [default: the setup's]"),
]
Retarget = Annotated[
    Path | None, typer.Option(metavar="TABLE", help="Etch bias by width and space, CSV or TOML, to aim for.")
]
RetargetHold = Annotated[
    bool, typer.Option("--retarget-hold", help="Let the etch table's rim hold beyond it instead of refusing.")
]
ResistKind = Annotated[
    Literal["threshold", "compact", "chemistry"] | None,
    typer.Option(help="A typical resist for the wavelength.  [default: the setup's own]"),
]
PhaseLayer = Annotated[
    str | None,
    typer.Option(metavar="L/D", help="Shifted glass of an alternating mask.  [default: phases are assigned]"),
]
Window = Annotated[
    str | None,
    typer.Option(metavar="X0,Y0,X1,Y1", help="Part of the layout, in um.  [default: all of it]"),
]
Cell = Annotated[str | None, typer.Option(metavar="NAME", help="The cell to read.  [default: the top cell]")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a value of the process; repeatable. Keys: actinic schema."),
]
CutLines = Annotated[
    Path | None,
    typer.Option(
        metavar="CSV",
        help="Cut-lines: name,x0,y0,x1,y1 (um),cd (nm),tolerance (%).  [default: found in the layout]",
    ),
]
FocusSeries = Annotated[
    str | None, typer.Option(metavar="A:B:STEP", help="Focus series, nm.  [default: 13 to +-0.6 lambda/NA^2]")
]
Tolerance = Annotated[float, typer.Option(metavar="PERCENT", help="How far a width may be off.")]
Dof = Annotated[
    float | None, typer.Option(metavar="NM", help="Give the latitude at this DOF.  [default: of the corners]")
]
Workers = Annotated[int, typer.Option(min=0, metavar="N", help="Processes; 0 means one for each core.")]
Force = Annotated[bool, typer.Option("--force", help="Write over what is there.")]
Store = Annotated[Path, typer.Option(metavar="DB.duckdb", help="The store of measurements.")]
Wait = Annotated[float, typer.Option(min=0, metavar="SECONDS", help="How long to wait while the store is in use.")]
LotsFile = Annotated[Path, typer.Argument(metavar="LOTS", help="Lots with context and set-points, CSV.")]
CornerName = Annotated[
    str | None, typer.Option("--corner", metavar="NAME", help="A corner of the process.  [default: the nominal one]")
]
Dose = Annotated[float | None, typer.Option(metavar="X", help="Relative dose, in place of the corner's.")]
Defocus = Annotated[float | None, typer.Option("--focus-nm", metavar="NM", help="Defocus, in place of the corner's.")]
ResultsFile = Annotated[
    Path, typer.Argument(metavar="RESULTS", help="What was measured of them: lot,time,term,value; or marks.")
]
ControllerFile = Annotated[Path, typer.Option("--controller", metavar="TOML", help="Terms, limits, context.")]
Root = Annotated[
    Path, typer.Option(metavar="DIR", help="The folder whose files the tools may read; nothing outside it.")
]
Approve = Annotated[
    list[str] | None,
    typer.Option(metavar="HASH", help="Approve one call of a tool that writes, by the hash that its refusal named."),
]
EndpointUrl = Annotated[
    str | None,
    typer.Option("--endpoint", metavar="URL", help="An OpenAI-compatible server."),
]
ModelName = Annotated[str | None, typer.Option("--model", metavar="NAME", help="Its model.  [default: ACTINIC_MODEL]")]
Steps = Annotated[int, typer.Option(min=1, max=1000, metavar="N", help="Tool calls of one question.")]
Tokens = Annotated[int, typer.Option(min=100, metavar="N", help="Tokens of one question.")]
Seconds = Annotated[float, typer.Option(min=1, metavar="S", help="Time of one question.")]
By = Annotated[str | None, typer.Option(metavar="NAME", help="Who answers for it.")]
Why = Annotated[str, typer.Option(metavar="TEXT", help="Why; it is kept.")]
Benchmark = Annotated[str, typer.Argument(metavar="BENCHMARK", help="iccad13, lithobench-metal or lithobench-contact.")]
Dialect = Annotated[Literal["O", "N", "D"], typer.Option(help="Which of the published ways of placing and counting.")]


def pair(option: str, text: str, kind: Callable[[str], T], wanted: str) -> tuple[T, T]:
    """The two values of an option, with a comma between; ConfigError, which says what is `wanted`, if they are not."""
    first, _, second = text.partition(",")
    try:
        return kind(first), kind(second)
    except ValueError:
        raise ConfigError(f"{option} {text}: {wanted}") from None


def deferred(verb: Callable[..., Outcome]) -> Callable[..., Callable[[], Outcome]]:
    """A verb that only takes its arguments: what it returns runs it. Parsing and running fail in different ways."""

    @functools.wraps(verb)
    def take(*args, **kwargs):
        return functools.partial(verb, *args, **kwargs)

    return take
