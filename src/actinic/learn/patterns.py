"""Topologies by discrete diffusion: cells are hidden at random and a network learns to tell what they were.

Absorbing-state diffusion (Austin et al. 2021; the loss is that of Sahoo et al. 2024, eq. 11, with a schedule linear in
time): of a topology a share t of the cells is masked, and the network gives each the chance that it is drawn, from
those that are not masked, the style and the number of rows and columns. A topology is made by unmasking, a few random
cells at a time. Its number of rows and columns is drawn from those of the style's real clips; lengths near real ones
that keep the design rules are found by `legal`, so what is handed out is legal by construction.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..errors import ConfigError, NumericalError
from .legal import Rules, demands, is_legal, solve_lengths
from .squish import Squish, canonical
from .training import Training
from .unet import UNet

# Most rows and columns of a topology; a multiple of 4, for the network halves it twice.
MOST = 24
EMPTY, DRAWN, OUTSIDE, MASKED = range(4)
WIDTHS = (24, 48, 64)
STYLES = ("li1", "poly", "wires")
# Side of the clips that are learnt from, in pitches (least width and space), and of the patterns that are made: what a
# clip's border cuts is drawn in full.
PITCHES, MADE_PITCHES = 5, 6
# The clips' lengths are kept as so many quantiles, in units of a pitch.
QUANTILES = 65
# Cells of a topology are unmasked in so many steps, in batches of so many topologies.
STEPS, TOGETHER = 32, 16
# Patterns that are tried for one that is handed out, before the wish is given up.
PATIENCE = 40


class Maker(eqx.Module):
    """The network, and for each style how often clips have so many rows and columns and how long their cells are."""

    net: UNet
    sizes: jax.Array  # float32 [style, rows, columns], sums to 1 in each style; place 0 stands for one
    lengths: jax.Array  # float32 [style, quantile], in pitches

    def __init__(self, key):
        self.net = UNet(4, 1, WIDTHS, len(STYLES) + 3, "ZEROS", key=key)
        self.sizes = jnp.full((len(STYLES), MOST, MOST), 1 / MOST**2, jnp.float32)
        self.lengths = jnp.ones((len(STYLES), QUANTILES), jnp.float32)

    def __call__(self, cells, style):
        """Log odds [y, x] that a cell is drawn, from int8 cells [y, x], some of them masked, and a style's number."""
        inside = cells != OUTSIDE
        told = [_mean(inside.any(1)), _mean(inside.any(0)), _mean(cells == MASKED) / _mean(inside)]
        condition = jnp.concatenate([jax.nn.one_hot(style, len(STYLES)), jnp.stack(told)])
        return self.net(jax.nn.one_hot(cells, 4, axis=0), condition)[0]


def _mean(flags):
    return jnp.mean(flags.astype(jnp.float32))


@dataclass(frozen=True)
class Clips:
    """Topologies as int8 [clip, y, x], OUTSIDE beyond their rows and columns, and each one's style."""

    cells: np.ndarray
    style: np.ndarray

    def batches(self, settings: Training) -> Callable[[int], tuple[np.ndarray, np.ndarray]]:
        """What a step of training sees: clips drawn by its number, turned over in either direction at random."""

        def batch(step: int) -> tuple[np.ndarray, np.ndarray]:
            rng = np.random.default_rng((settings.seed, step))
            chosen = rng.integers(len(self.cells), size=settings.batch)
            return np.stack([turned(self.cells[n], *rng.random(2) < 0.5) for n in chosen]), self.style[chosen]

        return batch


def turned(cells: np.ndarray, rows: bool, columns: bool) -> np.ndarray:
    """A clip int8 [y, x] with its rows or columns in opposite order, still in the lower left corner."""
    ny, nx = (cells != OUTSIDE).any(1).sum(), (cells != OUTSIDE).any(0).sum()
    inner = cells[:ny, :nx][:: -1 if rows else 1, :: -1 if columns else 1]
    return placed(inner)


def placed(topology: np.ndarray) -> np.ndarray:
    """A topology [y, x] as the network takes it."""
    ny, nx = topology.shape
    return np.pad(topology.astype(np.int8), ((0, MOST - ny), (0, MOST - nx)), constant_values=OUTSIDE)


def gathered(clips: dict[str, Sequence[Squish]], pitch_nm: float) -> tuple[Clips, np.ndarray, np.ndarray]:
    """Clips by style as arrays, and what a Maker keeps of them: `sizes` and `lengths`. Too fine ones are left out."""
    cells, style, sizes, lengths = [], [], np.zeros((len(STYLES), MOST, MOST)), np.zeros((len(STYLES), QUANTILES))
    for number, name in enumerate(STYLES):
        found = [clip for clip in clips[name] if max(clip.complexity) <= MOST and clip.topology.any()]
        cells += [placed(clip.topology) for clip in found]
        style += [number] * len(found)
        for clip in found:
            sizes[number, clip.topology.shape[0] - 1, clip.topology.shape[1] - 1] += 1 / len(found)
        every = np.concatenate([np.concatenate([clip.dx, clip.dy]) * clip.unit_nm for clip in found])
        lengths[number] = np.quantile(every / pitch_nm, np.linspace(0, 1, QUANTILES))
    return Clips(np.stack(cells), np.array(style, np.int32)), sizes.astype(np.float32), lengths.astype(np.float32)


def loss(maker: Maker, batch, key) -> jax.Array:
    """Upper bound of the mean negative log likelihood of a clip's cells, nats a cell."""
    cells, style = batch
    count = cells.shape[0]
    first, second = jax.random.split(key)
    # Times spread evenly over the batch: less chance in the loss.
    time = (jnp.arange(count, dtype=jnp.float32) + jax.random.uniform(first)) / count
    hide = jax.random.uniform(second, cells.shape) < time[:, None, None]
    inside = cells != OUTSIDE
    hidden = jnp.where(hide & inside, jnp.int8(MASKED), cells)
    odds = jax.vmap(maker)(hidden, style)
    wrong = jax.nn.softplus(jnp.where(cells == DRAWN, -odds, odds))
    share = jnp.sum(jnp.where(hide & inside, wrong, 0.0), (1, 2)) / jnp.sum(inside.astype(jnp.float32), (1, 2))
    return jnp.mean(share / jnp.maximum(time, 1.0 / MOST**2))


@dataclass(frozen=True)
class Wish:
    """What patterns should be: a style, or "all" of them in turn, and design rules in nm (area: nm^2) on a grid."""

    width_nm: float
    space_nm: float
    area_nm2: float
    grid_nm: float = 1.0
    style: str = "all"

    def __post_init__(self):
        if self.style not in (*STYLES, "all"):
            raise ConfigError(f"there is no style {self.style!r}; there is {', '.join(STYLES)}, and all")
        lengths = (self.width_nm, self.space_nm, self.grid_nm)
        if not (np.isfinite(lengths).all() and min(lengths) > 0 and 0 <= self.area_nm2 < np.inf):
            raise ConfigError("width, space and grid must be lengths above 0, the area 0 or more")
        if self.grid_nm > min(self.width_nm, self.space_nm) / 4:
            raise ConfigError(f"a grid of {self.grid_nm:g} nm is too coarse: give at most a quarter of width and space")

    @property
    def rules(self) -> Rules:
        """In units of the grid, rounded up."""
        width, space = (int(np.ceil(nm / self.grid_nm - 1e-9)) for nm in (self.width_nm, self.space_nm))
        return Rules(width, space, int(np.ceil(self.area_nm2 / self.grid_nm**2 - 1e-9)))

    @property
    def side(self) -> int:
        """Of a pattern's window, in units of the grid."""
        return MADE_PITCHES * (self.rules.width + self.rules.space)


@dataclass(frozen=True)
class Made:
    """A pattern, and its style."""

    pattern: Squish
    style: str


def make(
    maker: Maker,
    count: int,
    wish: Wish,
    seed: int,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> tuple[list[Made], dict[str, int]]:
    """So many legal patterns, and what became of all topologies that were tried.

    `tried` are split into `made`, `touching` (drawn cells that meet only in a corner), `empty`, and `unsolved`: no
    lengths keep the rules in the window. NumericalError where hardly any can be made legal.
    """
    styles = STYLES if wish.style == "all" else (wish.style,)
    rng, key = np.random.default_rng(seed), jax.random.PRNGKey(seed)
    sizes, lengths = np.asarray(maker.sizes, float), np.asarray(maker.lengths, float)
    found: list[Made] = []
    fate = {"tried": 0, "touching": 0, "empty": 0, "unsolved": 0}
    while len(found) < count:
        if fate["tried"] >= PATIENCE * max(count, TOGETHER):
            raise NumericalError(
                f"generate: {len(found)} of {fate['tried']} topologies could be made legal; lower width, space or area"
            )
        numbers = np.array([STYLES.index(styles[(fate["tried"] + n) % len(styles)]) for n in range(TOGETHER)], np.int32)
        hidden = np.stack([_hidden(sizes[n], rng) for n in numbers])
        key, now = jax.random.split(key)
        for cells, style in zip(unmasked(maker, hidden, numbers, now), numbers.tolist(), strict=True):
            if len(found) == count:
                break
            fate["tried"] += 1
            made = _made_legal(cells, lengths[style], wish, rng)
            if isinstance(made, str):
                fate[made] += 1
            else:
                found.append(Made(made, STYLES[style]))
        progress("patterns", len(found), count)
    return found, fate | {"made": len(found)}


def _hidden(sizes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Nothing but masked cells, as many rows and columns as a real clip has."""
    place = rng.choice(sizes.size, p=sizes.ravel() / sizes.sum())
    rows, columns = (int(n) + 1 for n in np.unravel_index(place, sizes.shape))
    return placed(np.full((rows, columns), MASKED))


def unmasked(maker: Maker, cells, style, key) -> np.ndarray:
    """Topologies int8 [n, y, x] whose masked cells are made up, by the odds that the network gives them."""
    masked = np.asarray(cells) == MASKED
    order, chance = jax.random.split(key)
    # The place of each masked cell in a random order, from 0 to 1.
    lot = np.where(masked, np.asarray(jax.random.uniform(order, masked.shape)), 2.0).reshape(len(masked), -1)
    rank = lot.argsort(1).argsort(1).reshape(masked.shape) / np.maximum(masked.sum((1, 2), keepdims=True), 1)
    cells, style, rank = jnp.asarray(cells), jnp.asarray(style), jnp.asarray(rank, jnp.float32)
    # One step at a time: within a compiled loop convolutions take many times as long on a CPU.
    for number in range(STEPS):
        cells = _unmask(maker, cells, style, rank < (number + 1) / STEPS, jax.random.fold_in(chance, number))
    return np.asarray(cells)


@eqx.filter_jit
def _unmask(maker: Maker, cells, style, due, key):
    odds = jax.vmap(maker)(cells, style)
    drawn = jax.random.uniform(key, cells.shape) < jax.nn.sigmoid(odds)
    return jnp.where((cells == MASKED) & due, jnp.where(drawn, jnp.int8(DRAWN), jnp.int8(EMPTY)), cells)


def _made_legal(cells: np.ndarray, lengths: np.ndarray, wish: Wish, rng: np.random.Generator) -> Squish | str:
    inside = cells != OUTSIDE
    topology = cells[: inside.any(1).sum(), : inside.any(0).sum()] == DRAWN
    ones = [np.ones(n, np.int64) for n in topology.shape]
    topology = canonical(Squish(topology, ones[1], ones[0], wish.grid_nm)).topology
    if not topology.any():
        return "empty"
    wanted = demands(topology, wish.rules)
    if wanted is None:
        return "touching"
    like = [_like(n, lengths, wish.side, rng) for n in topology.shape]
    found = solve_lengths(wanted, wish.rules, like[1], like[0], (wish.side, wish.side))
    if found is None:
        return "unsolved"
    # What is handed out is legal because of this line, whoever found the lengths.
    assert is_legal(wanted, *found, wish.rules)
    return Squish(topology, *found, wish.grid_nm)


def _like(count: int, lengths: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """Lengths as real clips have them, scaled to the window."""
    some = np.interp(rng.random(count), np.linspace(0, 1, len(lengths)), lengths)
    return np.maximum(np.rint(some * side / some.sum()), 1).astype(np.int64)


def entropy(patterns: Sequence[Squish]) -> float:
    """Shannon entropy, bits, of how many columns and rows patterns have (diversity H of Gennari & Lai's complexity)."""
    _, counts = np.unique([pattern.complexity for pattern in patterns], axis=0, return_counts=True)
    share = counts / counts.sum()
    return float(-(share * np.log2(share)).sum())


def distinct(patterns: Sequence[Squish]) -> int:
    """How many different topologies there are."""
    return len({(pattern.complexity, pattern.topology.tobytes()) for pattern in patterns})
