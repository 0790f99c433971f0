"""What a correction will take, before it is begun: blocks, how many differ, core-hours and memory.

A few blocks are corrected and a few parts verified, and their CPU time is laid on the area and the corners of what they
hold; the rest is predicted from its own. A field is a chip repeated.
"""

import os
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import nnls

from .. import design
from ..config import dump
from ..design.opc.solve import Block
from ..errors import ConfigError
from ..scale import content_key
from .parts import Part, parts, sample, surroundings_nm, verify_part
from .work import Progress, Work, area_um2, quiet

# A full field of a scanner, mm.
FIELD_MM = (26.0, 33.0)
CORES = (1, 100, 10_000)
# Blocks and parts of each kind that are timed, after one that is not: it compiles.
TIMED = 4


@dataclass(frozen=True)
class Predicted:
    """CPU seconds of tasks of one kind."""

    total_s: float
    longest_s: float
    residual: float  # relative, root mean square over those that were timed
    timed_s: float


def plan(work: Work, *, progress: Progress = quiet) -> dict:
    """Predict `correct --method opc` for a window: correction, verification, and both for a whole field.

    Blocks that are the same but for where they lie are corrected once. CPU seconds are of this machine's cores, as they
    are busy now.
    """
    if work.method != "opc":
        raise ConfigError("plan predicts edge-based correction: add --method opc")
    setup, window = work.setup(), work.window_nm()
    repeats = work.repeats()
    tiling, limits = design.edge_tiling(setup, window, repeats), design.opc_of(setup).limits
    far = max(2 * tiling.halo_px * tiling.pixel_nm, surroundings_nm(setup))
    layout = work.read(far)
    todo = design.edge_work(layout, window, setup, repeats)
    blocks, unique = list(todo.blocks()), {}
    for block in blocks:
        unique.setdefault(content_key(*block.content), block)
    judged = dump(replace(setup, limits=limits))
    cut = list(parts(layout, layout, setup, window, tiling))
    cut += sample(cut)
    solving = _predicted(
        lambda block: design.solve_block(todo.shared, block), list(unique.values()), _load, "blocks", progress
    )
    verifying = _predicted(lambda part: verify_part(judged, part), cut, _weight, "parts", progress)
    area = area_um2(window)
    total, longest = solving.total_s + verifying.total_s, max(solving.longest_s, verifying.longest_s)
    fields = FIELD_MM[0] * FIELD_MM[1] * 1e6 / area
    return {
        "area_um2": area,
        "blocks": len(blocks),
        "unique_blocks": len(unique),
        "parts": len(cut),
        "correct_cpu_s": solving.total_s,
        "verify_cpu_s": verifying.total_s,
        "core_hours": total / 3600,
        "fit_residual": {"correct": solving.residual, "verify": verifying.residual},
        "timed_cpu_s": solving.timed_s + verifying.timed_s,
        "memory_gib_per_process": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "wall_s": {str(cores): _wall(total, longest, cores) for cores in CORES},
        "field": {
            "size_mm": list(FIELD_MM),
            "assumed": "the field is this window over and over, none of it the same",
            "core_hours": total * fields / 3600,
            "wall_s": {str(cores): _wall(total * fields, longest, cores) for cores in CORES},
        },
        "machine_cores": os.cpu_count(),
    }


def _wall(total_s: float, longest_s: float, cores: int) -> float:
    """Whoever takes the longest task last ends the run."""
    return total_s / cores + (longest_s if cores > 1 else 0.0)


def _load(block: Block) -> tuple[float, float]:
    return block.size_nm[0] * block.size_nm[1] * 1e-6, float(sum(map(len, block.rings)))


def _weight(part: Part) -> tuple[float, float]:
    return part.size_nm[0] * part.size_nm[1] * 1e-6, float(len(part.target["points"]))


def _predicted(task: Callable, todo: Sequence, load: Callable, what: str, progress: Progress) -> Predicted:
    """Tasks spread over the range of loads are timed; area and corners, neither with a cost below nought, explain."""
    loads = np.array([load(one) for one in todo])
    order = np.argsort(loads[:, 1], kind="stable")
    chosen = order[np.unique(np.round(np.linspace(0, len(todo) - 1, min(TIMED, len(todo)))).astype(int))]
    progress(f"timing {what}", 0, len(chosen) + 1)
    task(todo[chosen[-1]])
    spent = []
    for number, place in enumerate(chosen.tolist()):
        progress(f"timing {what}", number + 1, len(chosen) + 1)
        before = time.process_time()
        task(todo[place])
        spent.append(time.process_time() - before)
    progress(f"timing {what}", len(chosen) + 1, len(chosen) + 1)
    seconds = np.array(spent)
    price, _ = nnls(loads[chosen], seconds)
    told = loads @ price
    left = told[chosen] / seconds - 1
    return Predicted(float(told.sum()), float(told.max()), float(np.sqrt(np.mean(left**2))), float(seconds.sum()))
