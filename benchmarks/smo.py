"""Source-mask optimisation against the best parametric sources, each with its own mask, at the same budget."""

from common import report  # noqa: I001 sets the environment before JAX starts

import csv
import tempfile
from collections.abc import Sequence
from pathlib import Path

from actinic import jobs, layout

# One clip: what is drawn on a periodic tile at the origin, and cut-lines (x0, y0, x1, y1, cd, tolerance in %), nm.
Cut = tuple[float, float, float, float, float, float]
Pattern = tuple[layout.Layout, tuple[int, int], list[Cut]]

KINDS = ("conventional", "annular", "dipole", "quasar", "pixelated")
# Beside these: the preset's source with a mask of its own, and the best source for the mask as drawn.
CASES = {kind: (kind, {}) for kind in KINDS} | {
    "mask only": ("given", {"starts": 1}),
    "source only": ("pixelated", {"starts": 1, "reach_nm": 0.0}),
}
ROUNDS, STARTS, REACH_NM = 25, 2, 30.0
# The corners lie on an ellipse of this depth of focus and exposure latitude, and what is left beyond it is maximised.
DOF_NM, EL = 400.0, 0.16
ON_ELLIPSE = [(0.0, 1.0), (0.6, 0.8), (1.0, 0.0)]
_APART = 2000


def _across(x: float, y: float, cd: float, tolerance: float = 10.0) -> Cut:
    """A cut along x."""
    return x - cd, y, x + cd, y, cd, tolerance


def _up(x: float, y: float, cd: float, tolerance: float = 10.0) -> Cut:
    return x, y - cd, x, y + cd, cd, tolerance


def lines(cd: int = 150, pitches: Sequence[int] = (300, 400, 520, 900)) -> list[Pattern]:
    """Dense to isolated bright lines."""
    return [
        (layout.lines(cd, pitch, (0, 0, pitch, 200)), (pitch, 200), [_across(pitch / 2, 100, cd)]) for pitch in pitches
    ]


def contacts(cd: int = 170) -> list[Pattern]:
    """Contacts, square at three pitches and staggered."""
    found = []
    for pitch in (320, 400, 640):
        drawn, middle = layout.contacts(cd, (pitch, pitch), (0, 0, pitch, pitch)), pitch / 2
        found.append((drawn, (pitch, pitch), [_across(middle, middle, cd), _up(middle, middle, cd)]))
    size = (480, 560)
    drawn = layout.contacts(cd, (480, 280), (0, 0, *size), staggered=True)
    return [*found, (drawn, size, [_across(240, 280, cd), _up(240, 280, cd)])]


def corners(cd: int = 180) -> list[Pattern]:
    """Two-dimensional: facing line ends, an elbow, a cell of lines in both directions with ends towards a line."""
    ends = layout.line_end_gap(cd, 200, (0, 0, 400, 1000))
    elbow = layout.elbow(cd, (0, 0, 800, 800))
    boxes = ((0, 0, 900, 180), (110, 380, 290, 900), (610, 380, 790, 900))
    rings = layout.rings([[(a, b), (c, b), (c, d), (a, d)] for a, b, c, d in boxes])
    cell = layout.merged(rings, 1.0)
    return [
        (ends, (400, 1000), [_across(200, 100, cd), _across(200, 250, cd), _up(200, 500, 200, 20)]),
        (elbow, (800, 800), [_across(400, 650, cd), _up(650, 400, cd)]),
        (cell, (900, 1100), [_up(450, 90, cd), _across(200, 640, cd), _across(450, 640, 320), _up(200, 280, 200, 20),
                             _up(700, 280, 200, 20), _up(200, 1000, 200, 20)]),
    ]  # fmt: skip


FAMILIES = {"lines through pitch": lines, "contacts through pitch": contacts, "line ends and corners": corners}


def corners_on_ellipse() -> str:
    """The setting of a process's corners."""
    rows = [("nominal", 0.0, 1.0)]
    for at, height in ON_ELLIPSE:
        for focus in sorted({-at, at}):
            for dose in sorted({1 - EL / 2 * height, 1 + EL / 2 * height}):
                rows.append((f"{focus:g} {dose:g}", focus * DOF_NM / 2, dose))
    table = ", ".join(f'{{name="{name}", focus_nm={focus!r}, dose={dose!r}}}' for name, focus, dose in rows)
    return f"process.corners=[{table}]"


def written(patterns: Sequence[Pattern], folder: Path) -> tuple[Path, Path, tuple[str, ...]]:
    """Clips side by side in one file, their cut-lines, their windows in um."""
    rings, windows, rows, left = [], [], [], 0
    for number, (drawn, (width, height), cuts) in enumerate(patterns, 1):
        rings += [ring + (left, 0) for ring in drawn.contours]
        windows.append(f"{left / 1000:g},0,{(left + width) / 1000:g},{height / 1000:g}")
        for k, (x0, y0, x1, y1, cd, tolerance) in enumerate(cuts, 1):
            place = [f"{v / 1000:.6g}" for v in (x0 + left, y0, x1 + left, y1)]
            rows.append([f"{number}.{k}", *place, cd, tolerance])
        left += width + _APART
    layout.write_layout(folder / "clips.oas", {(1, 0): layout.merged(rings, 1.0)})
    with (folder / "gauges.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return folder / "clips.oas", folder / "gauges.csv", tuple(windows)


def optimised(patterns: Sequence[Pattern], kind: str, out: Path, optics: str = "krf-dry", **effort) -> dict:
    """One run: its result, everything in it from the written files."""
    out.mkdir(parents=True, exist_ok=True)
    drawn, gauges, windows = written(patterns, out)
    spent = {"rounds": ROUNDS, "starts": STARTS, "reach_nm": REACH_NM} | effort
    goal = jobs.Goal(windows, jobs.SourceRules(kind=kind), jobs.Effort(**spent), jobs.Sweep(dof_nm=DOF_NM))
    return jobs.smo(
        jobs.Work(drawn, "1/0", optics, settings=(corners_on_ellipse(),)), out / "run", goal, gauges=gauges, force=True
    )


def main() -> None:
    for family, patterns in FAMILIES.items():
        areas = {}
        for name, (kind, effort) in CASES.items():
            with tempfile.TemporaryDirectory() as folder:
                found = optimised(patterns(), kind, Path(folder), **effort)
            areas[name] = found["area_nm_percent"]["ellipse"]
            keys = ("el_percent", "area_nm_percent", "lost", "source", "dose_ratio", "image_sets", "cpu_s", "gauges")
            figures = {key: found[key] for key in (*keys, "rule_violations")}
            report(f"smo {family}, {name}", dof_nm=DOF_NM, clips=len(patterns()), **figures)
        best = max(KINDS[:-1], key=areas.__getitem__)
        report(f"smo {family}", best_parametric=best, ratio=areas["pixelated"] / areas[best])


if __name__ == "__main__":
    main()
