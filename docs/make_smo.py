"""docs/smo.png: an optimised source, and what it and its mask gain over the preset's, for contacts of our own making.

After a change: python docs/make_smo.py
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))
import smo  # noqa: E402
from actinic.interfaces import plots, source_plots  # noqa: E402

OUT = Path(__file__).with_name("smo.png")
LARGEST_BYTES = 120_000
SHOWN = {"pixelated": ("optimised source", plots.PRINTED), "given": ("annular 0.50/0.80", plots.MASK)}


def data(kind: str, folder: Path) -> dict[str, np.ndarray]:
    """What the report of a run draws."""
    smo.optimised(smo.contacts(), kind, folder / kind, starts=1)
    return dict(np.load(folder / kind / "run" / "plots.npz"))


def picture(found: dict[str, dict[str, np.ndarray]]) -> Figure:
    figure = Figure(figsize=(9.6, 4.3), layout="constrained")
    left, right = figure.subplots(1, 2)
    best = found["pixelated"]
    source_plots.pupil_plot(best["after_sigma"], best["after_brightness"], float(best["after_pitch"]), left)
    for kind, (name, colour) in SHOWN.items():
        for shape, style in (("ellipse", "-"), ("rectangle", "--")):
            curve = found[kind][f"after_{shape}_dof_el"].T
            right.plot(*curve, color=colour, linestyle=style, linewidth=1.4, label=f"{name}: {shape}")
    right.set(xlim=(0, 620), ylim=(0, None), xlabel="depth of focus (nm)", ylabel="exposure latitude (%)")
    right.spines[["top", "right"]].set_visible(False)
    right.legend(frameon=False, fontsize=9)
    return figure


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = {kind: data(kind, Path(folder)) for kind in SHOWN}
    picture(found).savefig(OUT, dpi=100, metadata={"Software": None})
    size = OUT.stat().st_size
    print(f"{OUT}: {size} bytes")
    if size > LARGEST_BYTES:
        sys.exit(f"{OUT} is larger than {LARGEST_BYTES} bytes")


if __name__ == "__main__":
    main()
