"""Layout patterns made by the network, written as cells, read back and checked by KLayout's rules."""

from importlib import resources
from pathlib import Path

import jax
import numpy as np

from ..errors import ConfigError
from ..layout import Layout, parse_layer, read_layout, rule_markers, write_cells
from ..learn import load_weights, patterns, read_card
from ..learn.squish import Squish, drawn
from .folder import refuse_existing
from .work import Progress, quiet

WEIGHTS = "patterns.safetensors"
MOST = 100_000
TOP = "PATTERNS"


def trained(name: str) -> Path:
    """Weights that ship with the package."""
    return Path(str(resources.files("actinic.learn") / "trained" / name))


def load_maker(weights: Path | None = None) -> patterns.Maker:
    """The pattern maker that ships, or one of a training of one's own."""
    return load_weights(weights or trained(WEIGHTS), patterns.Maker(jax.random.PRNGKey(0)))


def generate(
    count: int,
    wish: patterns.Wish,
    out: Path,
    *,
    seed: int = 0,
    layer: str = "1/0",
    weights: Path | None = None,
    force: bool = False,
    progress: Progress = quiet,
) -> dict:
    """Make so many legal patterns and write them as cells, side by side under one top cell.

    `legal` counts patterns without a mark by `layout.rule_markers` and off the grid in the file as it was written.
    """
    if not 1 <= count <= MOST:
        raise ConfigError(f"--count {count}: give 1 to {MOST}")
    number = parse_layer(layer)
    refuse_existing(out, force)
    chosen = weights or trained(WEIGHTS)
    made, fate = patterns.make(load_maker(weights), count, wish, seed, progress)
    across = int(np.ceil(np.sqrt(count)))
    pitch = wish.side + 2 * wish.rules.space
    places = [(pitch * (n % across), pitch * (n // across)) for n in range(count)]
    names = [f"PATTERN_{n:0{len(str(count - 1))}d}" for n in range(count)]
    unit = database_unit(wish.grid_nm)
    scale = round(wish.grid_nm / unit)
    cells = {
        name: (_drawn(one.pattern, unit, scale), (scale * x, scale * y))
        for name, one, (x, y) in zip(names, made, places, strict=True)
    }
    write_cells(out, cells, number, TOP)
    legal = _legal(read_layout(out, number), wish, pitch * wish.grid_nm, across, count)
    return {
        "file": str(out),
        "count": count,
        "legal": legal,
        "distinct": patterns.distinct([one.pattern for one in made]),
        "entropy_bits": patterns.entropy([one.pattern for one in made]),
        "topologies": fate,
        "rules": {"width_nm": wish.width_nm, "space_nm": wish.space_nm, "area_nm2": wish.area_nm2}
        | {"grid_nm": wish.grid_nm},
        "window_nm": wish.side * wish.grid_nm,
        "layer": layer,
        "seed": seed,
        "weights_sha256": read_card(chosen)["sha256"],
        "patterns": [
            {
                "cell": name,
                "style": one.style,
                "x_nm": x * wish.grid_nm,
                "y_nm": y * wish.grid_nm,
                "columns": one.pattern.complexity[0],
                "rows": one.pattern.complexity[1],
            }
            for name, one, (x, y) in zip(names, made, places, strict=True)
        ],
    }


def database_unit(grid_nm: float) -> float:
    """1 nm where that divides the grid, else the grid."""
    return 1.0 if abs(grid_nm - round(grid_nm)) < 1e-9 else grid_nm


def _drawn(pattern: Squish, unit_nm: float, scale: int) -> Layout:
    return drawn(Squish(pattern.topology, scale * pattern.dx, scale * pattern.dy, unit_nm))


def _legal(layout: Layout, wish: patterns.Wish, pitch_nm: float, across: int, count: int) -> int:
    """How many patterns of a file keep the rules and the grid: no pattern is as near to the next as a rule reaches."""
    bad = {
        _at(m.box_nm[0], m.box_nm[1], pitch_nm, across)
        for m in rule_markers(layout, wish.width_nm, wish.space_nm, wish.area_nm2)
    }
    step = round(wish.grid_nm / layout.dbu_nm)
    for ring in layout.contours:
        if (ring % step).any():
            bad.add(_at(*(ring[0] * layout.dbu_nm), pitch_nm, across))
    return count - len(bad)


def _at(x_nm: float, y_nm: float, pitch_nm: float, across: int) -> int:
    return int(x_nm // pitch_nm) + across * int(y_nm // pitch_nm)
