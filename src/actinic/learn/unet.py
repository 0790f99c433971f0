"""A small U-Net (Ronneberger et al. 2015) with residual blocks that a condition scales and shifts (FiLM)."""

import equinox as eqx
import jax
import jax.numpy as jnp

GROUPS = 8


class Block(eqx.Module):
    """Two convolutions of 3 x 3 over [channel, y, x], the condition between them, and a way around."""

    first: eqx.nn.Conv2d
    second: eqx.nn.Conv2d
    around: eqx.nn.Conv2d
    norms: tuple[eqx.nn.GroupNorm, eqx.nn.GroupNorm]
    film: eqx.nn.Linear

    def __init__(self, into: int, out: int, condition: int, padding: str, key):
        keys = jax.random.split(key, 4)
        wide = {"kernel_size": 3, "padding": "SAME", "padding_mode": padding}
        self.first = eqx.nn.Conv2d(into, out, **wide, key=keys[0])
        self.second = _quiet(eqx.nn.Conv2d(out, out, **wide, key=keys[1]))
        self.around = eqx.nn.Conv2d(into, out, 1, key=keys[2])
        self.norms = (eqx.nn.GroupNorm(GROUPS, out), eqx.nn.GroupNorm(GROUPS, out))
        self.film = _quiet(eqx.nn.Linear(condition, 2 * out, key=keys[3]))

    def __call__(self, x, condition):
        scale, shift = jnp.split(self.film(condition)[:, None, None], 2)
        inner = jax.nn.silu(self.norms[0](self.first(x)) * (1 + scale) + shift)
        return self.around(x) + self.second(jax.nn.silu(self.norms[1](inner)))


class UNet(eqx.Module):
    """From [into, y, x] and a condition vector to [out, y, x]; y and x are multiples of 2 to the number of levels - 1.

    `padding` is "ZEROS", or "CIRCULAR" for periodic tiles.
    """

    begin: eqx.nn.Conv2d
    down: list[Block]
    middle: Block
    up: list[Block]
    end: eqx.nn.Conv2d
    embed: eqx.nn.MLP

    def __init__(self, into: int, out: int, widths: tuple[int, ...], condition: int, padding: str, *, key):
        keys = iter(jax.random.split(key, 2 * len(widths) + 4))
        inner = 2 * widths[0]
        wide = {"kernel_size": 3, "padding": "SAME", "padding_mode": padding}
        self.begin = eqx.nn.Conv2d(into, widths[0], **wide, key=next(keys))
        self.down = [
            Block(a, b, inner, padding, next(keys)) for a, b in zip((widths[0], *widths[:-1]), widths, strict=True)
        ]
        self.middle = Block(widths[-1], widths[-1], inner, padding, next(keys))
        self.up = [
            Block(2 * b, a, inner, padding, next(keys)) for a, b in zip((widths[0], *widths[:-1]), widths, strict=True)
        ]
        self.end = _quiet(eqx.nn.Conv2d(widths[0], out, 1, key=next(keys)))
        self.embed = eqx.nn.MLP(condition, inner, inner, 1, jax.nn.silu, jax.nn.silu, key=next(keys))

    def __call__(self, x, condition):
        condition = self.embed(condition)
        x = self.begin(x)
        kept = []
        for level, block in enumerate(self.down):
            x = block(_halved(x) if level else x, condition)
            kept.append(x)
        x = self.middle(x, condition)
        for level in reversed(range(len(self.up))):
            x = self.up[level](jnp.concatenate([x, kept[level]]), condition)
            x = _doubled(x) if level else x
        return self.end(x)


def _halved(x):
    channels, ny, nx = x.shape
    return x.reshape(channels, ny // 2, 2, nx // 2, 2).mean((2, 4))


def _doubled(x):
    return jnp.repeat(jnp.repeat(x, 2, 1), 2, 2)


def _quiet(layer):
    """Starts with nothing to say, so that the whole begins as what is around it."""
    return jax.tree.map(lambda a: 0 * a if eqx.is_array(a) else a, layer)
