"""What can go wrong with a scanner, as seen on wafers: leaves of the wafer's model, and causes as patterns of leaves.

A leaf is one shape in one map: overlay terms, a focus or a dose map. Its value is the rms that it has over the measured
points, in nm (dose: of the width it changes), so that leaves compare. A cause names the part that fails and how much of
each leaf it moves, up to a common factor of either sign. Physics and parts list only: what a part's failure sets off in
other parts, and what it writes into the log, is not known here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .maps import DoseMap, FocusMap
from .terms import Places, evaluate

OVERLAY, FOCUS, WIDTH = "overlay", "focus", "width"
BOSSUNG = 3e-4  # nm of width for a nm^2 of defocus

_SHAPES: dict[str, tuple[str, dict]] = {
    "translation x": (OVERLAY, {"k1": 1.0}),
    "translation y": (OVERLAY, {"k2": 1.0}),
    "scale x": (OVERLAY, {"k3": 1.0}),
    "scale y": (OVERLAY, {"k4": 1.0}),
    "rotation": (OVERLAY, {"k5": -1.0, "k6": 1.0}),
    "skew": (OVERLAY, {"k5": 1.0, "k6": 1.0}),
    "wafer bow x": (OVERLAY, {"k7": 1.0}),
    "wafer bow y": (OVERLAY, {"k8": 1.0}),
    "wafer cubic": (OVERLAY, {"k13": 1.0, "k17": 1.0, "k14": 1.0, "k18": 1.0}),
    "field magnification": (OVERLAY, {"f_k3": 1.0, "f_k4": 1.0}),
    "field rotation": (OVERLAY, {"f_k5": -1.0, "f_k6": 1.0}),
    "field skew": (OVERLAY, {"f_k5": 1.0, "f_k6": 1.0}),
    "field cubic": (OVERLAY, {"f_k13": 1.0, "f_k17": 1.0, "f_k14": 1.0, "f_k18": 1.0}),
    "chuck 2 x": (OVERLAY, {"c2_k1": 1.0}),
    "chuck 2 y": (OVERLAY, {"c2_k2": 1.0}),
    "chuck 2 rotation": (OVERLAY, {"c2_k5": -1.0, "c2_k6": 1.0}),
    "scan x": (OVERLAY, {"s_k1": 1.0}),
    "scan y": (OVERLAY, {"s_k2": 1.0}),
    "focus": (FOCUS, {"wafer_nm": {1: 1.0}}),
    "focus tilt x": (FOCUS, {"wafer_nm": {2: 1.0}}),
    "focus tilt y": (FOCUS, {"wafer_nm": {3: 1.0}}),
    "focus bow": (FOCUS, {"wafer_nm": {4: 1.0}}),
    "focus astigmatism": (FOCUS, {"wafer_nm": {5: 1.0}}),
    "focus edge": (FOCUS, {"wafer_nm": {9: 1.0}}),
    "field tilt x": (FOCUS, {"tilt_x": 1.0}),
    "field tilt y": (FOCUS, {"tilt_y": 1.0}),
    "field curvature": (FOCUS, {"curvature_x": 1.0}),
    "dose": (WIDTH, {"wafer_percent": {1: 1.0}}),
    "dose tilt": (WIDTH, {"wafer_percent": {2: 1.0}}),
    "dose radial": (WIDTH, {"wafer_percent": {4: 1.0}}),
    "slit tilt": (WIDTH, {"slit_percent": (1.0,)}),
    "slit bow": (WIDTH, {"slit_percent": (0.0, 1.0)}),
    "slit cubic": (WIDTH, {"slit_percent": (0.0, 0.0, 1.0)}),
    "scan tilt": (WIDTH, {"scan_percent": (1.0,)}),
    "scan bow": (WIDTH, {"scan_percent": (0.0, 1.0)}),
}
LEAVES = tuple(_SHAPES)
MAP_OF = {name: kind for name, (kind, _) in _SHAPES.items()}
NOISE_NM = {OVERLAY: 0.6, FOCUS: 5.0, WIDTH: 0.4}  # of one point: marks, levelling, widths


@dataclass(frozen=True)
class Residuals:
    """Residuals of measured wafers, point by point: arrays (n,); `time_s` is when the wafer was exposed."""

    wafer: np.ndarray
    time_s: np.ndarray
    places: Places
    dx_nm: np.ndarray
    dy_nm: np.ndarray
    focus_nm: np.ndarray
    cd_nm: np.ndarray


@dataclass(frozen=True)
class Cause:
    """A part, how it fails, and what that moves: each leaf's rms in units of its map's noise, up to a factor."""

    part: str
    failure: str
    leaves: tuple[tuple[str, float], ...]

    @property
    def name(self) -> str:
        return f"{self.part}: {self.failure}"

    def pattern(self) -> np.ndarray:
        """(leaf,) of unit length."""
        values = dict(self.leaves)
        found = np.array([values.get(leaf, 0.0) for leaf in LEAVES])
        return found / np.linalg.norm(found)


def _alike(leaves: dict[str, float], **parts: str) -> list[Cause]:
    """Causes that move the same leaves: maps cannot tell them apart."""
    named = {part.replace("_", " "): failure for part, failure in parts.items()}
    return [Cause(part, failure, tuple(leaves.items())) for part, failure in named.items()]


CAUSES = (
    *_alike({"scale x": 1.0, "translation x": 0.4}, interferometer="wavelength drifts along x",
            encoder_plate="expands along x", air_shower="gradient along x"),
    *_alike({"scale y": 1.0, "translation y": 0.4}, interferometer="wavelength drifts along y",
            encoder_plate="expands along y", wafer_stage="mirror bends"),
    *_alike({"scale x": 1.0, "scale y": 1.0}, wafer_handler="wafers come warm", immersion_hood="evaporation cools",
            chuck_cooling="water off temperature"),
    *_alike({"rotation": 1.0}, alignment_sensor="mark bias", wafer_handler="prealigner turns",
            wafer_stage="yaw zero lost"),
    *_alike({"field magnification": 1.0, "focus": 0.6}, air_shower="pressure reading wrong",
            lens_cooling="lens warms", laser="wavelength off"),
    *_alike({"field rotation": 1.0, "field skew": 0.3}, reticle_stage="yaw zero lost", reticle_clamp="reticle slips",
            alignment_sensor="reticle marks dirty"),
    *_alike({"chuck 2 x": 1.0, "chuck 2 y": 0.6}, chuck_2="clamp slips", wafer_stage="chuck exchange off",
            alignment_sensor="chuck marks worn"),
    *_alike({"scan y": 1.0, "scan x": 0.3}, reticle_stage="settles late", wafer_stage="settles late",
            interferometer="data late"),
    *_alike({"focus bow": 1.0, "focus edge": 0.5}, chuck_2="vacuum leaks", level_sensor="edge calibration lost",
            wafer_handler="wafers bent"),
    *_alike({"field tilt x": 1.0, "slit tilt": 0.4}, level_sensor="tilt zero lost", lens_cooling="element tilts",
            reticle_clamp="reticle bends"),
    *_alike({"dose": 1.0}, laser="energy sensor drifts", slit_blades="blades do not open",
            immersion_hood="water absorbs"),
    *_alike({"slit bow": 1.0, "slit tilt": 0.4}, slit_blades="a finger sticks", laser="beam points off",
            lens_cooling="purge fails"),
)  # fmt: skip
PARTS = tuple(dict.fromkeys(cause.part for cause in CAUSES))


def shapes(places: Places) -> dict[str, np.ndarray]:
    """Columns (n, leaf) of each map's leaves, of unit rms over the places; overlay's (2 n, leaf), dx then dy."""
    found: dict[str, list[np.ndarray]] = {OVERLAY: [], FOCUS: [], WIDTH: []}
    for kind, made in _SHAPES.values():
        if kind == OVERLAY:
            column = np.concatenate(evaluate(made, places))
        else:
            column = (FocusMap(**made) if kind == FOCUS else DoseMap(**made)).at(places)
        size = np.sqrt(np.mean(np.square(column)))
        found[kind].append(column / size if size > 0 else column)
    return {kind: np.stack(columns, axis=1) for kind, columns in found.items()}


def leaves_of(kind: str) -> Sequence[int]:
    """Which of `LEAVES` a map has, in the order of its columns."""
    return [n for n, name in enumerate(LEAVES) if MAP_OF[name] == kind]
