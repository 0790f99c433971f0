"""ArF presets at work: random Manhattan patterns of each one's own width and space, corrected and verified."""

import tempfile
from pathlib import Path

from actinic import jobs, write_layout
from actinic.layout import manhattan
from common import report

# Width and space of the anchor line, and the window of one tile, in nm.
CASES = (("arf-dry", 80.0, 1400.0), ("arf-immersion", 50.0, 900.0))
SEEDS = (3, 4)
SHOWN = ("mean_abs_epe_nm", "epe_3sigma_nm", "max_epe_nm", "open_gauges", "pv_band_nm")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for preset, size, window in CASES:
            for seed in SEEDS:
                name = Path(folder) / f"{preset}-{seed}"
                drawn = manhattan(seed, (-1500.0, -1500.0, window + 1500, window + 1500), size, size, dbu_nm=0.25)
                write_layout(f"{name}.oas", {(1, 0): drawn})
                um = window / 1000
                work = jobs.Work(Path(f"{name}.oas"), "1/0", optics=preset, window=f"0,0,{um},{um}")
                found = jobs.correct(work, name, workers=1)
                before = found["uncorrected"]
                report(
                    f"{preset}, seed {seed}",
                    gauges=found["gauges"],
                    corrected={key: found.get(key) for key in SHOWN},
                    uncorrected={key: before.get(key) for key in SHOWN},
                    rule_violations=found["rule_violations"],
                    in_spec=found["in_spec"],
                    cpu_s=found["cpu_s"],
                    compile_s=found["compile_s"],
                )


if __name__ == "__main__":
    main()
