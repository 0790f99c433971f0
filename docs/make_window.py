"""docs/window.png: process windows of a part of a published chip, as drawn and with a corrected mask.

After a change: actinic correct CHIP --layer 67/20 --window 40,30,44,34 --out run && python docs/make_window.py run
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from actinic import design, jobs
from actinic.interfaces import window_plots
from actinic.jobs.checked import read_mask
from actinic.jobs.work import data_folder
from actinic.metrology import find_cuts

LAYER, WINDOW = "67/20", "40,30,44,34"
LARGEST_BYTES = 200_000
OUT = Path(__file__).with_name("window.png")


def matrices(run: Path) -> list[design.FocusDose]:
    """The drawn layout and the written mask over focus and dose."""
    work = jobs.Work(data_folder() / "chips" / "tt_um_CPU.oas", LAYER, window=WINDOW)
    setup, drawn = work.setup(), work.read(1500.0)
    corner = design.corner_distance_nm(setup.process)
    cuts = find_cuts(drawn, work.window_nm(), 0.1, corner_nm=corner, reach_nm=600.0)
    masks = [drawn, read_mask(run / "mask.oas", work.layer_number())]
    return design.focus_dose(masks, setup, work.window_nm(), cuts, 50.0 * np.arange(-6, 7))


def picture(found: list[design.FocusDose]) -> Figure:
    figure = Figure(figsize=(10.4, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    window_plots.window_map(found, left)
    window_plots.latitude_plot(found, right)
    return figure


def main(run: str) -> None:
    picture(matrices(Path(run))).savefig(OUT, dpi=100, metadata={"Software": None})
    size = OUT.stat().st_size
    print(f"{OUT}: {size} bytes")
    if size > LARGEST_BYTES:
        sys.exit(f"{OUT} is larger than {LARGEST_BYTES} bytes")


if __name__ == "__main__":
    main(sys.argv[1])
