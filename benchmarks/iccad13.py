"""The contest in its three dialects: masks made, written, and scored from the files."""

from common import data_folder, report  # noqa: I001 sets the environment before JAX starts

import tempfile
from pathlib import Path

from actinic import jobs

SHOWN = ("l2", "pvb", "epe15", "epe5", "epe3", "epe15_b", "epe5_b", "epe3_b", "min_width_nm", "shots", "cpu_s")


def main() -> None:
    if data_folder() is None:
        return
    for dialect in ("O", "N", "D"):
        with tempfile.TemporaryDirectory() as folder:
            result = jobs.bench("iccad13", dialect=dialect, out=Path(folder) / "masks")
        mean = {key: round(result["mean"][key], 3) for key in SHOWN}
        report(
            f"iccad13 {dialect} fast",
            clips=len(result["clips"]),
            **mean,
            cpu_s_max=round(max(row["cpu_s"] for row in result["clips"]), 3),
            compile_s=round(result["compile_s"], 2),
        )


if __name__ == "__main__":
    main()
