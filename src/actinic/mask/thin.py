"""Masks: what the drawn polygons become in the mask shop, and what each layer of them transmits.

In the thin-mask (Kirchhoff) limit the transmission is linear in the coverages of a mask's layers,

    amplitude = around + sum over layers i of coverage_i (inside_i - around),

one layer for a binary or an attenuated mask, two for an alternating one.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import equinox as eqx
import numpy as np
from pydantic import Field

from ..errors import ConfigError, InputError
from ..layout import Layout, boolean, merged, neighbours, refined, repeated, rounded, sized
from ..types import Scalar, leaf, rectangular

Polarity = Literal["clear", "dark"]
Window = tuple[float, float, float, float]
Bias = Annotated[float, Field(ge=-1000, le=1000, json_schema_extra={"unit": "nm"})]
Radius = Annotated[float, Field(ge=0, le=1000, json_schema_extra={"unit": "nm"})]
Transmission = Annotated[Scalar, Field(gt=0, lt=1)]
Phase = Annotated[Scalar, Field(ge=-360, le=360, json_schema_extra={"unit": "deg"})]

# Database unit of polygons after bias and rounding.
FINE_NM = 0.01


class Binary(eqx.Module):
    """Chrome on glass: 1 where open, 0 under the absorber. `drawn` says which of the two the polygons are.

    Of every mask, at wafer scale: `bias_nm` is how far each edge of the polygons moves outwards between the data
    and the mask, and `corner_radius_nm` how round the mask's corners are.
    """

    drawn: Polarity = eqx.field(static=True, default="clear")
    bias_nm: Bias = eqx.field(static=True, default=0.0)
    corner_radius_nm: Radius = eqx.field(static=True, default=0.0)
    kind: Literal["binary"] = eqx.field(static=True, default="binary")

    def amplitudes(self) -> tuple[complex, complex]:
        """Amplitude transmission (around, inside) of the drawn polygons."""
        return (0.0, 1.0) if self.drawn == "clear" else (1.0, 0.0)


class AttenuatedPSM(eqx.Module):
    """Attenuated phase-shift mask: the absorber transmits an intensity share with a phase."""

    transmission: Transmission = leaf(default=0.06)
    phase_deg: Phase = leaf(default=180.0)
    drawn: Polarity = eqx.field(static=True, default="clear")
    bias_nm: Bias = eqx.field(static=True, default=0.0)
    corner_radius_nm: Radius = eqx.field(static=True, default=0.0)
    kind: Literal["attpsm"] = eqx.field(static=True, default="attpsm")

    def amplitudes(self):
        """Amplitude transmission (around, inside) of the drawn polygons."""
        absorber = _amplitude(self.transmission, self.phase_deg)
        return (absorber, 1.0) if self.drawn == "clear" else (1.0, absorber)


class AlternatingPSM(eqx.Module):
    """Alternating phase-shift mask: chrome, and openings of which a second layer shifts the phase.

    Drawn clear, the two layers are the openings without and with the shift. Drawn dark, the first layer is the
    chrome and the second what is shifted of the glass around it: chrome covers it, so it is drawn to reach under the
    chrome and has neither bias nor rounding of its own. One drawn layer of openings
    is shared out between the phases by `assign_phases`; openings nearer than `neighbour_nm` (by default
    wavelength / NA) then differ.
    """

    transmission: Annotated[Scalar, Field(gt=0, le=1)] = leaf(default=1.0)
    phase_deg: Phase = leaf(default=180.0)
    drawn: Polarity = eqx.field(static=True, default="clear")
    bias_nm: Bias = eqx.field(static=True, default=0.0)
    corner_radius_nm: Radius = eqx.field(static=True, default=0.0)
    neighbour_nm: Annotated[float, Field(gt=0, le=1e5, json_schema_extra={"unit": "nm"})] | None = eqx.field(
        static=True, default=None
    )
    kind: Literal["altpsm"] = eqx.field(static=True, default="altpsm")

    def amplitudes(self):
        """Amplitude transmission (around, inside the first layer, inside the second)."""
        shifted = _amplitude(self.transmission, self.phase_deg)
        return (0.0, 1.0, shifted) if self.drawn == "clear" else (1.0, 0.0, shifted)


def _amplitude(transmission, phase_deg):
    """Complex amplitude of an intensity transmission and a phase."""
    xp = (transmission * phase_deg).__array_namespace__()
    amplitude, phase = xp.sqrt(transmission), phase_deg * (np.pi / 180)
    return rectangular(amplitude * xp.cos(phase), amplitude * xp.sin(phase))


def transmitted(mask, spectra):
    """Fourier coefficients (2ky+1, 2kx+1) of the mask's transmission from those of its layers' coverages.

    `spectra` is (2ky+1, 2kx+1) for a mask of one layer and (layer, 2ky+1, 2kx+1) for any.
    """
    around, *inside = mask.amplitudes()
    layers = spectra if spectra.ndim == 3 else spectra[None]
    ky, kx = ((n - 1) // 2 for n in layers.shape[-2:])
    total = np.zeros(layers.shape[-2:], layers.dtype)
    total[ky, kx] = 1
    total = total * around
    for layer, amplitude in zip(layers, inside, strict=True):
        total = layer * (amplitude - around) + total
    return total


def dense_line(mask, cd_nm: float, pitch_nm: float) -> tuple[float, list[list[tuple[float, float]]]]:
    """A dense drawn line as this mask makes it: the period, and (centre, width) of the pieces of each layer, in nm.

    One line is centred at 0 and bias is in the widths. On an alternating mask the openings take the layers in turn.
    ConfigError where the bias leaves no line or no space.
    """
    width = cd_nm + 2 * mask.bias_nm
    if not 0 < width < pitch_nm:
        raise ConfigError(f"a mask bias of {mask.bias_nm:g} nm leaves nothing of {cd_nm:g} nm lines at {pitch_nm:g} nm")
    if not isinstance(mask, AlternatingPSM):
        return pitch_nm, [[(0.0, width)]]
    if mask.drawn == "clear":
        return 2 * pitch_nm, [[(0.0, width)], [(pitch_nm, width)]]
    return 2 * pitch_nm, [[(0.0, width), (pitch_nm, width)], [(pitch_nm / 2, pitch_nm - width)]]


def reach_nm(mask) -> float:
    """How far from a polygon its bias and corner rounding can be felt: read so much more of a layout."""
    return 2 * (abs(mask.bias_nm) + mask.corner_radius_nm)


def made(mask, drawn: Sequence[Layout], window_nm: Window | None = None) -> tuple[Layout, ...]:
    """The transmitting polygons of each layer: the drawn ones after bias and corner rounding.

    With a window the layout is a periodic tile. Without bias and rounding the polygons are the drawn ones; else
    their database unit is at most 0.01 nm, to which the bias is rounded. InputError where the openings of an
    alternating mask overlap.
    """
    layers, wanted = tuple(drawn), 2 if isinstance(mask, AlternatingPSM) else 1
    if len(layers) != wanted:
        raise InputError(f"a mask of kind {mask.kind} has {wanted} layers of polygons, not {len(layers)}")
    reach = reach_nm(mask)
    if reach and window_nm is not None:
        layers = tuple(repeated(layer, window_nm, reach) for layer in layers)
    if wanted == 2 and mask.drawn == "dark":
        chrome, shifted = (_made(mask, layers[0]), refined(layers[1], FINE_NM)) if reach else layers
        return chrome, boolean(shifted, chrome, "not")
    if reach:
        layers = tuple(_made(mask, layer) for layer in layers)
    if wanted == 1:
        return layers
    first, second = layers
    overlap = boolean(first, second, "and")
    if overlap.contours:
        x0, y0, *_ = overlap.bbox_nm or (0, 0)
        raise InputError(
            f"the openings of the two phases overlap by {overlap.area_nm2:g} nm2, first at ({x0:g}, {y0:g}) nm; "
            "draw them apart or lower mask.bias_nm"
        )
    return layers


def _made(mask, layer: Layout) -> Layout:
    layer = refined(layer, FINE_NM)
    if mask.bias_nm:
        layer = sized(layer, mask.bias_nm)
    return rounded(layer, mask.corner_radius_nm) if mask.corner_radius_nm else layer


@dataclass(frozen=True)
class Phases:
    """Openings shared out between two phases, and the boxes (nm) between neighbours that got the same one."""

    layers: tuple[Layout, Layout]
    conflicts: tuple[Window, ...]


def assign_phases(drawn: Layout, distance_nm: float, window_nm: Window | None = None) -> Phases:
    """Give openings nearer than a distance opposite phases, as far as that can be done.

    The openings are a graph, neighbours joined by links; links are honoured from the narrowest gap on, and one that
    closes an odd cycle is a conflict, to be resolved in the layout. The first opening of each group is not
    shifted. With a window the layout is a periodic tile.
    """
    parts, links = neighbours(drawn, distance_nm, window_nm)
    parent, parity = list(range(len(parts))), [0] * len(parts)

    def root(node: int) -> tuple[int, int]:
        flips = 0
        while parent[node] != node:
            flips ^= parity[node]
            node = parent[node]
        return node, flips

    conflicts: dict[tuple[int, int], Window] = {}
    for link in sorted(links, key=lambda link: (not link.joined, link.gap_nm, link.box_nm)):
        (a, flips_a), (b, flips_b) = root(link.a), root(link.b)
        wanted = flips_a ^ flips_b ^ (not link.joined)
        if a != b:
            low, high = sorted((a, b))
            parent[high], parity[high] = low, int(wanted)
        elif wanted:
            conflicts.setdefault((link.a, link.b), link.box_nm)
    layers = [[ring for k, part in enumerate(parts) if root(k)[1] == side for ring in part.contours] for side in (0, 1)]
    shared = (merged(layers[0], drawn.dbu_nm), merged(layers[1], drawn.dbu_nm))
    return Phases(shared, tuple(conflicts.values()))


FORMS = "binary, attpsm, attpsm:6%, attpsm:6%:180 or altpsm"
_TEXT = re.compile(r"(\w+)(?::([^:]*))?(?::([^:]*))?")


def parse_mask(text: str) -> dict[str, Any]:
    """The text attpsm:6%:180 (kind, transmission, degrees of phase) as keys of a mask; ConfigError for others."""
    match = _TEXT.fullmatch(text)
    kind, share, phase = match.groups() if match else (None, None, None)
    if kind not in ("binary", "attpsm", "altpsm") or (kind != "attpsm" and share is not None):
        raise ConfigError(f"mask type {text!r}: write {FORMS}")
    found: dict[str, Any] = {"kind": kind}
    if share is not None:
        percent = _number(share.removesuffix("%")) if share.endswith("%") else None
        if percent is None or not 0 < percent < 100:
            raise ConfigError(f"mask type {text!r}: {share!r} is no transmission between 0% and 100%, such as 6%")
        found["transmission"] = percent / 100
    if phase is not None:
        degrees = _number(phase)
        if degrees is None or not abs(degrees) <= 360:
            raise ConfigError(f"mask type {text!r}: {phase!r} is no phase from -360 to 360 degrees, such as 180")
        found["phase_deg"] = degrees
    return found


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)", text) else None
