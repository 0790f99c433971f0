"""Patterns made by the network: legal, different, like real ones, new; and whether a hotspot model gains by them."""

from common import data_folder, report  # noqa: I001 sets the environment before JAX starts

import tempfile
import time
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from design_deck import cells, violations
from scipy import ndimage

from actinic.forward import anchored, prepare
from actinic.jobs import Wish, generate, load_setup
from actinic.layout import coverage, extent_nm, read_layout
from actinic.learn import patterns
from actinic.learn.clips import style_clips
from actinic.learn.squish import Squish, drawn, squished
from actinic.types import Grid

COUNT, SEED, RULE = 1000, 1, 170
CLIP_NM = 1700
# The hotspot model: pixels of its pictures, the part of a clip that is judged, how far prints are looked at from edges.
PIXEL_NM, TILE_PX, CORE_NM, DEEP_NM = 40.0, 64, 1000.0, 50.0
FEW, MANY, TESTED, SEEDS, FILTERS = 50, 500, 600, 10, 192
HOT, ALARMS = 0.15, 0.1


def main() -> None:
    wish = Wish(RULE, RULE, 2 * RULE**2, 5)
    begin = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "patterns.oas"
        result = generate(COUNT, wish, file, seed=SEED)
        spent = time.process_time() - begin
        names = cells(file, "PATTERNS")
        bad = [name for name in names if any(violations(file, (1, 0), name, RULE, RULE, 2 * RULE**2, 5).values())]
        where = {p["cell"]: p for p in result["patterns"]}
        layout = read_layout(file, "1/0")
        side = result["window_nm"]
        made = {style: [] for style in patterns.STYLES}
        for place in where.values():
            x, y = place["x_nm"], place["y_nm"]
            made[place["style"]].append(squished(layout, (x, y, x + side, y + side)))
    report("patterns: legal", n=len(names), illegal=len(bad), cpu_s=spent, topologies=result["topologies"])
    every = [p for part in made.values() for p in part]
    report("patterns: different", n=len(every), distinct=patterns.distinct(every) / len(every))
    # As many real clips of each style, of cells that were held back.
    real = style_clips({style: len(part) for style, part in made.items()}, CLIP_NM, 10, held_back=True)
    everyone = [p for part in real.values() for p in part]
    for name, mine, theirs in [("all", every, everyone), *((s, made[s], real[s]) for s in made)]:
        h, wanted = patterns.entropy(mine), patterns.entropy(theirs)
        low, high = np.percentile(
            [patterns.entropy(_again(mine, k)) / patterns.entropy(_again(theirs, k)) for k in range(200)], [2.5, 97.5]
        )
        report(
            f"patterns: entropy, {name}",
            n=len(mine),
            bits=h,
            real_bits=wanted,
            ratio=h / wanted,
            bootstrap_95=[low, high],
            of_3x3=_local(mine),
            real_of_3x3=_local(theirs),
            distinct=patterns.distinct(mine) / len(mine),
            real_distinct=patterns.distinct(theirs) / len(theirs),
        )
    learnt = style_clips({"li1": 5600, "poly": 4200, "wires": 4200}, CLIP_NM, 0)
    for style in made:
        report(
            f"patterns: new, {style}",
            n=len(made[style]),
            **_novelty(made[style], learnt[style]),
            held_back=_novelty(real[style], learnt[style]),
        )
    folder = data_folder()
    if folder is not None:
        hotspots(folder, made, learnt)


def _again(patterns_, seed):
    rng = np.random.default_rng(seed)
    return [patterns_[n] for n in rng.integers(len(patterns_), size=len(patterns_))]


def _local(found: list[Squish]) -> float:
    """Entropy, bits, of 3 x 3 neighbourhoods of a topology, its border taken as empty."""
    counts = np.zeros(512)
    for one in found:
        padded = np.pad(one.topology, 1)
        views = np.lib.stride_tricks.sliding_window_view(padded, (3, 3)).reshape(-1, 9)
        counts += np.bincount(views @ (1 << np.arange(9)), minlength=512)
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log2(share)).sum())


def _novelty(found: list[Squish], learnt: list[Squish]) -> dict:
    """Share that is not among the clips learnt from, turned over or not, and how far the nearest is (of cells)."""
    by_size: dict[tuple[int, int], list[np.ndarray]] = {}
    for clip in learnt:
        t = clip.topology
        by_size.setdefault(t.shape, []).extend([t, t[::-1], t[:, ::-1], t[::-1, ::-1]])
    known = {size: np.stack(some) for size, some in by_size.items()}
    nearest = []
    for one in found:
        there = known.get(one.topology.shape)
        nearest.append(1.0 if there is None else float((there != one.topology).mean((1, 2)).min()))
    return {"share": float(np.mean(np.array(nearest) > 0)), "nearest_median": float(np.median(nearest))}


def hotspots(folder: Path, made, learnt) -> None:
    """Recall of a hotspot model on clips of real chips, trained on few real clips and on what is added to them."""
    process = anchored(load_setup("krf-dry").process)
    imaging = prepare(process, Grid((TILE_PX, TILE_PX), PIXEL_NM))
    sets = {
        "real": learnt["li1"][: SEEDS * FEW + MANY],
        "made": [one for part in zip(made["li1"], made["poly"], strict=False) for one in part][:MANY],
        "wires": learnt["wires"][:MANY],
        "chips": _chip_clips(folder, TESTED),
    }
    judged = {name: _judged(some, imaging) for name, some in sets.items()}
    patches = _patches(np.concatenate([judged[name][0] for name in ("real", "made", "wires")]))
    seen = {name: (_features(pictures, patches), margins) for name, (pictures, margins) in judged.items()}
    limit = np.quantile(seen["chips"][1], 1 - HOT)
    gains = {name: [] for name in ("few real", "few real + made", "few real + wires", "few real + many real")}
    for seed in range(SEEDS):
        few = slice(seed * FEW, (seed + 1) * FEW)
        start = tuple(part[few] for part in seen["real"])
        more = {
            "few real": start,
            "few real + made": _joined(start, seen["made"]),
            "few real + wires": _joined(start, seen["wires"]),
            "few real + many real": _joined(start, tuple(part[SEEDS * FEW :] for part in seen["real"])),
        }
        for name, (inner, margins) in more.items():
            gains[name].append(_recall(inner, margins, *seen["chips"], limit, seed))
    base = np.array(gains["few real"])
    for name, recalls in gains.items():
        gain = np.array(recalls) - base
        half = 2.262 * gain.std(ddof=1) / np.sqrt(SEEDS)
        report(
            f"patterns: hotspot recall, {name}",
            clips_tested=TESTED,
            hot=int(HOT * TESTED),
            seeds=SEEDS,
            recall=float(np.mean(recalls)),
            gain=float(gain.mean()),
            gain_95=[float(gain.mean() - half), float(gain.mean() + half)],
        )


def _chip_clips(folder: Path, count: int) -> list[Squish]:
    files = sorted((folder / "chips").glob("*.oas"))
    rng, found = np.random.default_rng(0), []
    for file in files:
        x0, y0, x1, y1 = extent_nm(file)
        for _ in range(count // len(files)):
            while True:
                x, y = (5 * int(rng.integers(low // 5 + 2000, high // 5 - 2400)) for low, high in ((x0, x1), (y0, y1)))
                window = (x, y, x + CLIP_NM, y + CLIP_NM)
                clip = squished(read_layout(file, (67, 20), window), window)
                if clip.topology.any():
                    break
            found.append(clip)
    return found


def _judged(clips: list[Squish], imaging) -> tuple[np.ndarray, np.ndarray]:
    """Pictures [n, y, x] of the middle of clips, and how far the worst place is on the wrong side, of threshold."""
    pictures, margins = [], []
    for clip in clips:
        layout = drawn(clip)
        size = np.array([clip.dx.sum(), clip.dy.sum()]) * clip.unit_nm
        origin = tuple((size / 2 - TILE_PX * PIXEL_NM / 2).tolist())
        grid = Grid((TILE_PX, TILE_PX), PIXEL_NM, origin)
        covered = coverage(layout, grid)
        fine = coverage(layout, Grid((4 * TILE_PX, 4 * TILE_PX), PIXEL_NM / 4, origin)) >= 0.5
        _, _, low, high = imaging.envelope(jnp.asarray(covered))
        low, high = (
            ndimage.zoom(np.asarray(image), 4, order=1, grid_mode=True, mode="nearest") for image in (low, high)
        )
        steps = round(DEEP_NM / (PIXEL_NM / 4))
        inside, outside = (ndimage.binary_erosion(part, iterations=steps) for part in (fine, ~fine))
        threshold, margin = float(imaging.process.resist.threshold), round(CORE_NM / (PIXEL_NM / 4) / 2)
        core = np.s_[2 * TILE_PX - margin : 2 * TILE_PX + margin, 2 * TILE_PX - margin : 2 * TILE_PX + margin]
        wrong = np.where(inside, 1 - low / threshold, np.where(outside, high / threshold - 1, -1.0))
        margins.append(wrong[core].max())
        part = round(CLIP_NM / PIXEL_NM / 2)
        pictures.append(covered[TILE_PX // 2 - part : TILE_PX // 2 + part, TILE_PX // 2 - part : TILE_PX // 2 + part])
    return np.stack(pictures), np.array(margins)


def _joined(a, b):
    return tuple(np.concatenate(pair) for pair in zip(a, b, strict=True))


def _patches(pictures) -> np.ndarray:
    """Random patches of pictures, without their mean, shaken a little, of length 1, [patch, 49]."""
    rng = np.random.default_rng(0)
    views = np.lib.stride_tricks.sliding_window_view(pictures, (7, 7), (1, 2))
    n, ny, nx = views.shape[:3]
    found = views[rng.integers(n, size=FILTERS), rng.integers(ny, size=FILTERS), rng.integers(nx, size=FILTERS)]
    found = found.reshape(FILTERS, -1)
    found = found - found.mean(1, keepdims=True) + rng.normal(0, 0.05, found.shape)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def _recall(inner, margins, outer, truth, limit, seed) -> float:
    """Ridge regression of the margin on features; recall at a share ALARMS of false alarms."""
    rng = np.random.default_rng(seed)
    mean, scale = inner.mean(0), inner.std(0) + 1e-6
    inner, outer = ((part - mean) / scale for part in (inner, outer))
    best = None
    order = rng.permutation(len(inner))
    for penalty in 10.0 ** np.arange(0, 6):  # chosen by five folds of the training clips
        wrong = 0.0
        for fold in np.array_split(order, 5):
            rest = np.setdiff1d(order, fold)
            wrong += (
                (inner[fold] @ _ridge(inner[rest], margins[rest], penalty) + margins[rest].mean() - margins[fold]) ** 2
            ).sum()
        best = min(best or (wrong, penalty), (wrong, penalty))
    told = outer @ _ridge(inner, margins, best[1])
    hot = truth > limit
    alarm = np.quantile(told[~hot], 1 - ALARMS)
    return float((told[hot] > alarm).mean())


def _ridge(inner, margins, penalty):
    centred = margins - margins.mean()
    return np.linalg.solve(inner.T @ inner + penalty * np.eye(inner.shape[1]), inner.T @ centred)


def _features(pictures, patches) -> np.ndarray:
    """What patches answer all over a picture, in a few figures each (Coates & Ng 2011), [picture, 4 x patch]."""
    found = []
    for picture in pictures:
        views = np.lib.stride_tricks.sliding_window_view(picture, (7, 7)).reshape(-1, 49)
        answer = views @ patches.T.astype(np.float32)
        found.append(np.concatenate([abs(answer).mean(0), answer.max(0), answer.min(0), answer.std(0)]))
    return np.array(found, float)


if __name__ == "__main__":
    main()
