"""The closed loop over ten seeds: what set-points, and model and mask, are worth; from new widths to a new mask.

`python loop.py [PART...]` runs all parts or some: seeds, chip. Half an hour each on an idle core.
"""

from common import data_folder, report  # noqa: I001 sets the environment before JAX starts

import csv
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import stats

from actinic import jobs
from actinic.forward import anchored

SEEDS = range(10)
# A window of four blocks, so that ten seeds are done in half an hour; tiles of the size that the chip's blocks have.
WINDOW, BLOCKS = "40,30,46,36", ("opc.block_nm=4000",)
SCENARIO = ("twin.lots=80", "calibration.lots=30")
PAIRS = ("control over none", "recalibrate over none", "all over none", "all over control")
# The model that new widths bring, as the loop finds it in the scenario's truth.
TRUTH = ("process.scanner.source.sigma_out=0.75", "process.resist.diffusion_nm=36")
CHIP_WINDOW, KEEP_NM = "40,30,56,46", 1.1


def work(folder: Path, window: str, settings=()) -> jobs.Work:
    return jobs.Work(folder / "chips" / "tt_um_CPU.oas", "67/20", window=window, settings=settings, method="opc")


def interval(values) -> list[float]:
    """Mean and the half-width of its 95 % interval over seeds (Student's t)."""
    values = np.asarray(values)
    half = stats.t.ppf(0.975, values.size - 1) * values.std(ddof=1) / np.sqrt(values.size)
    return [round(float(values.mean()), 3), round(float(half), 3)]


def seeds(folder: Path, percent: float = 5.0) -> None:
    with tempfile.TemporaryDirectory() as place:
        runs, found = [], []
        for seed in SEEDS:
            plot = jobs.ScenarioFile(None, (*SCENARIO, f"spec.cd_percent={percent}"), tuple(runs[:1]))
            out = Path(place) / str(seed)
            found.append(jobs.run_loop(work(folder, WINDOW, BLOCKS), out, plot, seed=seed))
            runs.append(out)
            assert jobs.check_loop(out)["in_spec"], "numbers do not follow from the ledger"
            report("loop, one seed", seed=seed, cd_percent=percent, **found[-1]["yield_percent"],
                   all_over_control=found[-1]["gain_points"]["all over control"]["value"],
                   cpu_s=found[-1]["cpu_s"], wall_s=found[-1]["wall_s"], **sites(out))  # fmt: skip
        arms = found[0]["yield_percent"]
        report(
            "loop, all seeds", seeds=len(SEEDS), cd_percent=percent, lots=80, window=WINDOW,
            in_spec={arm: interval([one["yield_percent"][arm] for one in found]) for arm in arms},
            gain={pair: interval([one["gain_points"][pair]["value"] for one in found]) for pair in PAIRS},
        )  # fmt: skip


def sites(out: Path) -> dict:
    """What inspection found of its sites, what was foretold, and what drawing them would have, in percent."""
    names = {"inspected sites out of spec": "found", "sites out of spec, foretold": "foretold",
             "sites out of spec, had they been drawn": "drawn"}  # fmt: skip
    with open(out / "evidence.csv") as file:
        value = {row["number"]: float(row["value"]) for row in csv.DictReader(file)}
    return {short: value[name] for name, short in names.items() if name in value}


def chip(folder: Path) -> None:
    """A larger window: the old mask judged by a new model, condemned blocks anew, verified; beside it all anew."""
    threshold = float(anchored(jobs.load_setup("krf-dry").process).resist.threshold)
    new = (*BLOCKS, *TRUTH, f"process.resist.threshold={threshold:.8g}")
    with tempfile.TemporaryDirectory() as place:
        first, kept, all_anew = (Path(place) / name for name in ("first", "kept", "anew"))
        asked = work(folder, CHIP_WINDOW, BLOCKS)
        jobs.correct(asked, first, workers=1)
        asked = replace(asked, settings=new)
        result = jobs.correct(asked, kept, workers=1, elsewhere=jobs.Elsewhere(reuse=first, keep_nm=KEEP_NM))
        anew = result["anew"]
        # All anew in the preset's own blocks, which are larger and so cost less.
        whole = jobs.correct(replace(asked, settings=new[len(BLOCKS) :]), all_anew, workers=1)
        names = ("cpu_s", "wall_s", "correct_cpu_s", "mean_abs_epe_nm", "max_epe_nm", "rule_violations", "verdict")
        report(
            "new widths to a new verified mask", window=CHIP_WINDOW, keep_nm=KEEP_NM, blocks=anew["blocks"],
            condemned=anew["blocks_condemned"], old_mean_abs_epe_nm=anew["old_mask"]["mean_abs_epe_nm"],
            steps=anew["steps"], kept={n: result[n] for n in names}, anew={n: whole[n] for n in names},
        )  # fmt: skip


def main(what: set[str]) -> None:
    folder = data_folder()
    if folder is not None:
        for part in (seeds, chip):
            if not what or part.__name__ in what:
                part(folder)


if __name__ == "__main__":
    main(set(sys.argv[1:]))
