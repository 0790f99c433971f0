"""docs/demo.png: a part of a demo run, measured again from its written files.

After a change: actinic demo --out demo-run && python docs/make_picture.py demo-run
"""

import json
import sys
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from actinic import design, jobs
from actinic.interfaces import plots
from actinic.jobs.checked import read_mask
from actinic.layout import parse_layer, parse_window, read_layout

# The part of the row that is shown, x in um; in y the whole row.
SHOWN_UM = (5.4, 9.0)
LARGEST_BYTES = 200_000
OUT = Path(__file__).with_name("demo.png")


def verification(run: Path) -> design.Verification:
    """The written mask of a run folder against the layout beside it, imaged by Abbe."""
    origin = json.loads((run / "provenance.json").read_text())
    setup = jobs.load_setup(str(run / "run.toml"))
    number = parse_layer(origin["layer"])
    drawn, mask = read_layout(run / "layout.oas", number), read_mask(run / "mask.oas", number)
    [found] = design.verify(
        drawn,
        [mask],
        setup.process,
        parse_window(origin["window_um"]),
        pitch_nm=setup.recipe.stages[-1].pixel_nm / 2,
        halo_nm=setup.tiles.halo_nm,
    )
    return found


def picture(found: design.Verification, shown_um: tuple[float, float] = SHOWN_UM) -> Axes:
    """Target, mask and printed contour over the latent image."""
    _, y0, _, y1 = found.window_nm
    x0, x1 = (1000.0 * side for side in shown_um)
    axes = Figure(figsize=(6.4, 4.55), layout="constrained").add_subplot()
    return plots.print_map(found, ax=axes, window_nm=(x0, y0, x1, y1))


def main(run: str) -> None:
    picture(verification(Path(run))).figure.savefig(OUT, dpi=120, metadata={"Software": None})
    size = OUT.stat().st_size
    print(f"{OUT}: {size} bytes")
    if size > LARGEST_BYTES:
        sys.exit(f"{OUT} is larger than {LARGEST_BYTES} bytes: show less of the row")


if __name__ == "__main__":
    main(sys.argv[1])
