"""Edge-based correction of real layouts, verified from the written file; mask rules by two codes it does not know.

Arguments choose rows by a part of their name; without any all are run.
"""

from common import data_folder, report  # noqa: I001 sets the environment before JAX starts

import os
import sys
import tempfile
from pathlib import Path

from actinic import design, jobs
from actinic.config import Hashed, dump
from actinic.design.opc.model import model_of
from actinic.forward import anchored

KEPT = ("mean_abs_epe_nm", "epe_3sigma_nm", "max_epe_nm", "gauges", "open_gauges", "line_ends", "line_end_mean_abs_nm")
DEFECTS = ("side_lobes", "printed_assists", "missing", "bridges", "opens")
ALSO = ("open_line_ends", "pv_band_nm", "rule_violations")
CHIPS = ("tt_um_CPU", "tt_um_currymottled", "tt_um_factory_test", "tt_um_i2c")
LAYERS = {"li1": "67/20", "met1": "68/20"}
# The recipe was tuned on this chip; the others are reported once.
TUNED_ON = "tt_um_CPU"


def rows() -> dict[str, tuple]:
    """Name of each row: file, layer, window in um, preset, mask type, settings."""
    chip = f"chips/{TUNED_ON}.oas"
    found = {
        f"{name} {stem}": (f"chips/{stem}.oas", layer, "40,30,60,50", "krf-dry", None, ())
        for name, layer in LAYERS.items()
        for stem in CHIPS
    }
    small = "40,30,50,40"
    for mask, drawn in (("attpsm:6%:180", "clear"), ("binary", "dark"), ("attpsm:6%:180", "dark")):
        settings = (f"process.mask.drawn={drawn}",)
        found[f"li1 {TUNED_ON} {mask} drawn {drawn}"] = (chip, "67/20", small, "krf-dry", mask, settings)
    found["M1 gcd_45nm"] = ("local_only/gcd_45nm.oas", "11/0", "10,10,13.5,13.5", "arf-immersion", None, ())
    return found


def again(work: jobs.Work) -> float:
    """CPU-seconds of the correction alone, once all is compiled: it has just been done in this process."""
    setup, window_nm = work.setup(), work.window_nm()
    drawn = work.read(setup.opc.ambit_nm + setup.opc.context_nm + 2 * setup.opc.answer_nm)
    before = sum(os.times()[:4])
    design.correct_edges(drawn, window_nm, setup)
    return sum(os.times()[:4]) - before


def model(optics: str) -> None:
    """How far the image that the solver goes by is from Abbe's on the edges of its pattern."""
    setup = jobs.load_setup(optics)
    found = model_of(Hashed(dump(anchored(setup.process))), setup.opc.ambit_nm, setup.opc.leading)
    rms_nm = found.rms / found.slope_per_nm
    report(f"opc model {optics}", offset=found.offset, rms=found.rms, slope_per_nm=found.slope_per_nm, rms_nm=rms_nm)


def main() -> None:
    if not sys.argv[1:]:
        for optics in ("krf-dry", "arf-dry", "arf-immersion"):
            model(optics)
    folder = data_folder()
    if folder is None:
        return
    wanted = sys.argv[1:]
    for name, (file, layer, window, optics, mask_type, settings) in rows().items():
        if not (folder / file).is_file() or (wanted and not any(part in name for part in wanted)):
            continue
        work = jobs.Work(
            folder / file, layer, optics, window=window, settings=settings, mask_type=mask_type, method="opc"
        )
        with tempfile.TemporaryDirectory() as out:
            result = jobs.correct(work, Path(out) / "run", workers=1)
        report(
            f"opc {name}",
            tuned_on=TUNED_ON in name,
            **{key: result[key] for key in KEPT + ALSO},
            klayout_violations=result["rule_violations_klayout"],
            uncorrected={key: result["uncorrected"][key] for key in ("mean_abs_epe_nm", "pv_band_nm")},
            defects={key: result[key] for key in DEFECTS},
            correct_cpu_s=again(work),
        )


if __name__ == "__main__":
    main()
