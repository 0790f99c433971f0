"""Edge-based correction and verification of a window, block by block, with results that outlive the run."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib import metadata
from pathlib import Path

from .. import design
from ..config import dump
from ..design import EdgeWork, Setup
from ..errors import NumericalError
from ..layout import Layout, clipped, packed
from ..scale import Engine, Failure, Kind, Store, Tiling, content_key, durable
from .parts import Figures, parts, sample, together, verify_part
from .runs import Run
from .work import Progress, Window


class Reusing(Store):
    """A run's store that looks in others' stores too, and keeps what it finds there."""

    def __init__(self, root: Path, others: Sequence[Path]):
        super().__init__(root)
        self._others = [Store(other) for other in others]

    def get(self, key: str) -> dict | None:
        found = super().get(key)
        for other in self._others:
            if found is None and key in other:
                found = other.get(key)
                if found is not None:
                    self.put(key, found)
        return found


@dataclass(frozen=True)
class Spread:
    """Who computes, where results are kept, and who is told."""

    engine: Engine
    run: Run
    store: Store
    progress: Progress

    def all(self, what: str, kind: Kind, tasks, total: int) -> list[dict | Failure]:
        """The results of all tasks in their order."""
        found: list[dict | Failure] = [{}] * total
        self.progress(what, 0, total)
        for done, (index, value) in enumerate(
            durable(self.engine, self.store, kind, tasks, on_done=self.run.journal.told), start=1
        ):
            found[index] = value
            self.progress(what, done, total)
        return found


# What masks do not depend on.
_BEYOND = ("interfaces/", "operate/", "wafer/", "loop/")


@cache
def code(left_out: tuple[str, ...] = _BEYOND) -> str:
    """A key of all that is computed with: this package's code, the libraries' versions, and the processor's abilities.

    The last because the same code rounds differently on another.
    """
    digest = hashlib.sha256()
    package = Path(design.__file__).parents[1]
    for file in sorted(package.rglob("*.py")):
        name = file.relative_to(package).as_posix()
        if not name.startswith(left_out):
            digest.update(name.encode() + file.read_bytes())
    versions = [metadata.version(name) for name in ("jax", "jaxlib", "numpy", "scipy", "clarabel", "klayout")]
    return content_key(digest.hexdigest(), versions, _processor())


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


def corrected_blocks(work: EdgeWork, spread: Spread) -> tuple[Layout, list[Failure]]:
    """The mask of a window and its surroundings, and the blocks that failed, which stay as they are drawn."""
    masks, failed = solved_blocks(work, spread, range(len(work.tiling.tiles)))
    return work.joined(list(masks.values())), failed


def solved_blocks(work: EdgeWork, spread: Spread, chosen: Sequence[int]) -> tuple[dict[int, dict], list[Failure]]:
    """Masks of some blocks by their number, in that order, and those that failed, which stay as they are drawn."""
    base = content_key("block", code(), work.shared)
    kind = Kind(
        partial(design.solve_block, work.shared),
        lambda block: content_key(base, *block.content),
        lambda block: _place("block", block.at_nm, block.size_nm),
    )
    wanted = set(chosen)
    todo = (block for number, block in enumerate(work.blocks()) if number in wanted)
    found = dict(zip(sorted(wanted), spread.all("blocks", kind, todo, len(wanted)), strict=True))
    failed = [one for one in found.values() if isinstance(one, Failure)]
    return {n: taken(work, work.layout, n) if isinstance(v, Failure) else v for n, v in found.items()}, failed


def taken(work: EdgeWork, layout: Layout, number: int) -> dict:
    """What a layout has in a block's core, as a block's mask."""
    tile, unit = work.tiling.tiles[number], layout.dbu_nm
    x0, y0 = tile.core_nm[:2]
    return packed(clipped(layout, tile.core_nm).moved(-round(x0 / unit), -round(y0 / unit)))


def verified_parts(
    layout: Layout, mask: Layout, setup: Setup, window: Window, blocks: Tiling, spread: Spread
) -> tuple[Figures, Figures, dict, list[Failure]]:
    """Figures of the mask, and of the drawn layout in a sample of the parts; raster rules and shots; failures."""
    data = dump(setup)
    base = content_key("part", code(), data)
    kind = Kind(
        partial(verify_part, data),
        lambda part: content_key(base, part.size_nm, part.target, part.mask),
        lambda part: _place("part", part.at_nm, part.size_nm),
    )
    cut = list(parts(layout, mask, setup, window, blocks))
    todo = cut + sample(cut)
    found = spread.all("parts", kind, todo, len(todo))
    failed = [one for one in found if isinstance(one, Failure)]
    pairs = list(zip(todo, found, strict=True))
    after, uncorrected = (
        [(part, one) for part, one in side if not isinstance(one, Failure)]
        for side in (pairs[: len(cut)], pairs[len(cut) :])
    )
    if not after or not uncorrected:
        raise NumericalError(f"no part of the window could be verified; {failed[0].where}: {failed[0].error}")
    raster: dict[str, int] = {}
    for _, one in after:
        for name, count in one["raster"].items():
            raster[name] = raster.get(name, 0) + count
    other = {"raster": raster} | {name: sum(one[name] for _, one in after) for name in ("shots", "vertices")}
    return _figures(after), _figures(uncorrected), other, failed


def _figures(found) -> Figures:
    return together([one for _, one in found], [part.at_nm for part, _ in found])


def _place(what: str, at_nm, size_nm) -> str:
    x, y = at_nm
    ends = (x, y, x + size_nm[0], y + size_nm[1])
    return f"{what} {','.join(f'{value / 1000:.3f}' for value in ends)} um"
