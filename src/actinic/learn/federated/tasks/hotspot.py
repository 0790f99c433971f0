"""Task: which clips of a layout fail on the wafer, from their nominal image, with a head of every site's own.

Sites draw with their own pitch, direction and density and expose off the setup by a dose, focus and diffusion of their
own, which the shared part does not know; what fails is told by their own limit. The network is small: two convolutions
over the nominal image and the drawn clip, a smooth maximum of every feature over the clip's core, a linear head.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
from scipy import ndimage

from ....errors import ConfigError
from ....forward import Corner, Imaging, Process, prepare
from ....layout import Layout, coverage, manhattan
from ....optics import Scanner
from ....resist import ThresholdResist
from ....types import Grid
from ..task import Arrays, Recipe

# Pixels of 20 nm at imaging, of 40 nm to the network; the core that is judged, in imaging pixels from the rim.
GRID, CORE, COARSE = Grid((64, 64), 20.0), 16, 2
CLIPS, HELD = 100, 300
FEATURES, SHARP = 8, 4.0
# Of a site: least width and space, share drawn, whether turned, dose, focus and extra diffusion, of the exposure.
SITES = (
    (170.0, 170.0, 0.5, False, 1.03, 120.0, 28.0),
    (190.0, 150.0, 0.4, True, 0.97, -100.0, 22.0),
    (160.0, 210.0, 0.6, False, 1.00, 160.0, 25.0),
)
# So deep inside a drawn edge, or beyond it, the wafer must agree with the drawing, in pixels; so many clips fail.
DEEP, FAIL = 3, 0.35


@dataclass(frozen=True)
class Clips:
    """Clips (n, channel, y, x) float32, nominal image less threshold and drawing, and whether each fails (n,)."""

    images: np.ndarray
    fails: np.ndarray

    def __len__(self) -> int:
        return len(self.fails)


class Hotspot:
    """Whether a clip fails."""

    name, unit = "hotspot", "nats"
    recipe = Recipe(rounds=60, steps=5, rate=1.5, momentum=0.0, batch=0.25, clip=1.0)

    def __init__(self, process: Process):
        if not isinstance(process.scanner, Scanner):
            raise ConfigError("these optics are kernels of one tile; hotspots need a scanner, such as krf-dry")
        if not isinstance(process.resist, ThresholdResist):
            raise ConfigError("the hotspot task needs a resist that is a blur and a threshold, as krf-dry has")
        self.process = process

    def start(self) -> tuple[Arrays, Arrays]:
        random = np.random.default_rng(0)
        shapes = {"a.weight": (FEATURES, 2, 3, 3), "b.weight": (FEATURES, FEATURES, 3, 3)}
        shared = {name: random.standard_normal(s) / np.sqrt(np.prod(s[1:])) for name, s in shapes.items()}
        shared |= {"a.bias": np.zeros(FEATURES), "b.bias": np.zeros(FEATURES)}
        return shared, {"weight": np.ones(FEATURES) / FEATURES, "bias": np.zeros(1)}

    def gradients(self, shared: Arrays, head: Arrays, examples: Clips, rows: np.ndarray) -> np.ndarray:
        """Of the cross-entropy."""
        room = -len(rows) % 32  # of few shapes, so that few are compiled
        at = np.concatenate([rows, np.zeros(room, int)])
        slopes = _slopes(_single(shared), _single(head), examples.images[at], examples.fails[at])
        parts = [np.asarray(p[name]).reshape(len(at), -1) for p in slopes for name in sorted(p)]
        return np.concatenate(parts, axis=1)[: len(rows)].astype(np.float64)

    def error(self, shared: Arrays, head: Arrays, examples: Clips) -> float:
        """Mean cross-entropy in nats; a head that knows the share of failures only has 0.65."""
        return float(np.mean(_losses(_single(shared), _single(head), examples.images, examples.fails)))

    def site(self, number: int, seed: int) -> tuple[Clips, Clips]:
        """Clips of site 0, 1, ... and others of the same kind held back."""
        random = np.random.default_rng([seed, number])
        width, space, fill, turned, dose, focus, diffusion = SITES[number % len(SITES)]
        drawn = np.stack([
            _turned(coverage(_pattern(int(s), width, space, fill), GRID), turned)
            for s in random.integers(2**31, size=CLIPS + HELD)
        ])  # fmt: skip
        own = replace(self.process.resist, diffusion_nm=np.float32(diffusion), threshold=self._level)
        exposed = replace(self.process, resist=own, corners=(Corner("wafer", dose=dose, focus_nm=focus),))
        wafer, nominal = (
            _printed(imaging, drawn) / self._level - 1 for imaging in (prepare(exposed, GRID), self._nominal)
        )
        margin = np.array([_margin(w, d > 0.5) for w, d in zip(wafer, drawn, strict=True)])
        fails = (margin < np.quantile(margin, FAIL)).astype(np.float32)
        inputs = np.stack([nominal, drawn - 0.5], 1).astype(np.float32)
        coarse = inputs.reshape(*inputs.shape[:2], GRID.shape[0] // COARSE, COARSE, -1, COARSE).mean((3, 5))
        return Clips(coarse[:CLIPS], fails[:CLIPS]), Clips(coarse[CLIPS:], fails[CLIPS:])

    @cached_property
    def _nominal(self) -> Imaging:
        return prepare(replace(self.process, corners=self.process.corners[:1]), GRID)

    @cached_property
    def _level(self) -> np.float32:
        return np.float32(self._nominal.process.resist.threshold)


def _pattern(seed: int, width: float, space: float, fill: float) -> Layout:
    return manhattan(seed, GRID.window_nm, width, space, fill)


def _turned(drawn: np.ndarray, turned: bool) -> np.ndarray:
    return drawn.T if turned else drawn


def _printed(imaging: Imaging, drawn: np.ndarray) -> np.ndarray:
    """Latent images (n, y, x) of coverages, at the only corner."""
    return np.asarray(jax.lax.map(lambda c: imaging.pixels(imaging.latent(c)[0]), jnp.asarray(drawn, jnp.float32)))


def _margin(wafer: np.ndarray, drawn: np.ndarray) -> float:
    """How far above the threshold what must print is, and below it what must not, in the core."""
    lines, spaces = (ndimage.binary_erosion(part, iterations=DEEP, border_value=1) for part in (drawn, ~drawn))
    core = (slice(CORE, -CORE),) * 2
    signed = np.where(lines, wafer, np.where(spaces, -wafer, np.inf))
    return float(signed[core].min())


def _single(arrays: Arrays) -> dict[str, np.ndarray]:
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def _logit(shared, head, image):
    layers = ("NCHW", "OIHW", "NCHW")
    values = image[None]
    for layer, step in (("a", 2), ("b", 1)):
        values = jax.lax.conv_general_dilated(
            values, shared[f"{layer}.weight"], (step, step), "VALID", dimension_numbers=layers
        )
        values = jnp.tanh(values + shared[f"{layer}.bias"][None, :, None, None])
    flat = values[0].reshape(FEATURES, -1)
    strongest = (jax.nn.logsumexp(SHARP * flat, axis=1) - jnp.log(flat.shape[1])) / SHARP
    return strongest @ head["weight"] + head["bias"][0]


def _loss(shared, head, image, fails):
    logit = _logit(shared, head, image)
    return jax.nn.softplus(logit) - fails * logit


_slopes = jax.jit(jax.vmap(jax.grad(_loss, argnums=(0, 1)), in_axes=(None, None, 0, 0)))
_losses = jax.jit(jax.vmap(_loss, in_axes=(None, None, 0, 0)))
