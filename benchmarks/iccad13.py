"""The contest in its three dialects, and LithoBench's clips: masks made, written, and scored from the files."""

from common import data_folder, report  # noqa: I001 sets the environment before JAX starts

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from actinic import jobs
from actinic.jobs.contest import Judge

SHOWN = ("l2", "pvb", "epe15", "epe5", "epe3", "epe15_b", "epe5_b", "epe3_b", "shots", "cpu_s")
LEAST = ("min_width_nm", "min_space_nm", "min_area_nm2")
# Of LithoBench's 200 metal and 120 contact clips every so manieth is done, beginning with this one.
SPARSE = {"lithobench-metal": (10, 4), "lithobench-contact": (6, 2)}
SHIFT = 20


def main() -> None:
    if data_folder() is None:
        return
    for dialect, setting in (("O", "fast"), ("O", "fine"), ("N", "fine"), ("D", "fine")):
        run("iccad13", dialect, setting, ())
    for benchmark, (every, first) in SPARSE.items():
        run(benchmark, "O", "fine", tuple(sorted(Judge("O", benchmark).clips)[first::every]))


def run(benchmark: str, dialect: str, setting: str, clips: tuple[str, ...]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        masks = Path(folder) / "masks"
        result = jobs.bench(benchmark, dialect=dialect, setting=setting, clips=clips, out=masks)
        rows = result["clips"]
        report(
            f"{benchmark} {dialect} {setting}",
            clips=len(rows),
            **{key: round(result["mean"][key], 3) for key in SHOWN},
            **{key: min(row[key] for row in rows) for key in LEAST},
            cpu_s_max=round(max(row["cpu_s"] for row in rows), 3),
            compile_s=round(result["compile_s"], 2),
        )
        if dialect == "O":
            report(f"{benchmark} {dialect} {setting}, sites moved by {SHIFT} nm", **shifted(benchmark, masks, rows))


def shifted(benchmark: str, masks: Path, rows: list[dict]) -> dict:
    """Violations of checker a's kind at its own sites on long edges, and at sites between them."""
    judge, found = Judge("O", benchmark), {}
    for row in rows:
        mask = np.asarray(Image.open(masks / f"mask_{row['clip']}.png")) > 127
        printed, *_ = judge.prints(mask)
        edges = judge.drawn(row["clip"]).edges_nm
        for tolerance in (15, 5, 3):
            for offset in (0, SHIFT):
                count = found.setdefault((tolerance, offset), np.zeros(2, int))
                count += at_sites(edges, printed, tolerance, offset)
    return {
        f"epe{tolerance}_{'moved' if offset else 'own'}": f"{bad} of {sites}"
        for (tolerance, offset), (bad, sites) in found.items()
    }


def at_sites(edges: np.ndarray, printed: np.ndarray, tolerance: int, offset: int) -> np.ndarray:
    """Violations and sites on edges (n, 4): every 40 px from both ends to the middle, moved inwards by an offset."""
    bad = sites = 0
    for x0, y0, x1, y1 in edges.round().astype(int):
        length = abs(x1 - x0) + abs(y1 - y0)
        if length <= 80:
            continue
        along = np.array([x1 - x0, y1 - y0]) // length
        outward = np.array([along[1], -along[0]])  # the inside lies to the left
        half = np.arange(40 + offset, length // 2 + 1, 40)
        at = np.array([x0, y0]) + np.union1d(half, length - half)[:, None] * along
        inside, outside = at - tolerance * outward, at + tolerance * outward
        bad += np.count_nonzero(~printed[inside[:, 1], inside[:, 0]]) + np.count_nonzero(
            printed[outside[:, 1], outside[:, 0]]
        )
        sites += len(at)
    return np.array([bad, sites])


if __name__ == "__main__":
    main()
