"""A 20 x 20 um window of the local interconnect of every real chip at krf-dry, verified from the written file."""

from common import data_folder, report  # noqa: I001 sets the environment before JAX starts

import tempfile
from pathlib import Path

from actinic import jobs

KEPT = ("mean_abs_epe_nm", "epe_3sigma_nm", "max_epe_nm", "gauges", "open_gauges", "line_ends", "line_end_mean_abs_nm")
# The recipe was tuned on this one; the others are reported once.
TUNED_ON = "tt_um_CPU.oas"


def main() -> None:
    folder = data_folder()
    if folder is None:
        return
    for chip in sorted((folder / "chips").glob("*.oas")):
        with tempfile.TemporaryDirectory() as out:
            work = jobs.Work(chip, "67/20", window="40,30,60,50")
            result = jobs.correct(work, Path(out) / "run")
        report(
            f"li1 20 x 20 um {chip.stem}",
            tuned_on=chip.name == TUNED_ON,
            **{key: result[key] for key in KEPT},
            pv_band_nm=result["pv_band_nm"],
            uncorrected_mean_abs_epe_nm=result["uncorrected"]["mean_abs_epe_nm"],
            ratio=result["uncorrected"]["mean_abs_epe_nm"] / result["mean_abs_epe_nm"],
            rule_violations=result["rule_violations"],
            cpu_s=result["cpu_s"],
            wall_s=result["wall_s"],
            compile_s=result["compile_s"],
        )


if __name__ == "__main__":
    main()
