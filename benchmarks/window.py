"""What process windows cost and find: 9 focuses and every dose for 4 x 4 um, and 20 x 20 um of every real chip."""

from common import cpu_seconds, data_folder, report  # noqa: I001 sets the environment before JAX starts

import tempfile
from pathlib import Path

import numpy as np

from actinic import design, jobs, layout
from actinic.metrology import find_cuts

FOCUS = 75.0 * np.arange(-4, 5)


def main() -> None:
    drawn = layout.manhattan(3, (0.0, 0.0, 8000.0, 8000.0), 170, 170)
    setup, area = jobs.load_setup("krf-dry"), (2000.0, 2000.0, 6000.0, 6000.0)
    cuts = find_cuts(drawn, area, 0.1, corner_nm=60.0, reach_nm=600.0)
    for name, focus in (("symmetric, 5 images", FOCUS), ("9 images", FOCUS + 1.0)):
        cpu, wall = cpu_seconds(lambda focus=focus: design.focus_dose([drawn], setup, area, cuts, focus), 3)
        report(f"window 4 x 4 um, 9 focuses, {name}", gauges=len(cuts), cpu_s=cpu, wall_s=wall)
    cpu, wall = cpu_seconds(lambda: design.at_point(drawn, setup, area, cuts, 0.0, 1.0), 3)
    report("MEEF and NILS of the same gauges at one focus and dose", gauges=len(cuts), cpu_s=cpu, wall_s=wall)
    folder = data_folder()
    if folder is None:
        return
    for chip in sorted((folder / "chips").glob("*.oas")):
        with tempfile.TemporaryDirectory() as out:
            work = jobs.Work(chip, "67/20", window="40,30,60,50")
            found = jobs.window(work, Path(out) / "run")
        keys = ("gauges", "best_dose", "dof_nm", "el_percent", "limiting", "focus_error_percent", "cpu_s", "wall_s")
        report(f"window 20 x 20 um {chip.stem}, as drawn", lost=len(found["lost"]), **{k: found[k] for k in keys})


if __name__ == "__main__":
    main()
