"""Windows of several clips as one: every cut-line of each at the same focus and dose."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..metrology import Inscribed, Window, window
from ..metrology.window import SHAPES, Shape
from .window import FocusDose


@dataclass(frozen=True)
class Together:
    """What clips have in common in focus and dose, with `low`, `high` (cut, n) and `lost` (cut,) as in `FocusDose`."""

    names: tuple[str, ...]
    low: np.ndarray
    high: np.ndarray
    lost: np.ndarray
    common: Window
    largest: dict[Shape, Inscribed | None]
    latitude: dict[Shape, tuple[np.ndarray, np.ndarray]]
    focus_error: float

    def el_percent(self, shape: Shape, dof_nm: float) -> float:
        """Exposure latitude at a depth of focus; 0 where nothing fits or a cut-line is lost."""
        found = window.tallest(self.common, shape, dof_nm)[0]
        return 0.0 if found is None or self.lost.any() else found.el_percent

    def area(self, shape: Shape) -> float:
        """DOF x EL in nm % of the largest shape; 0 where there is none or a cut-line is lost."""
        found = self.largest[shape]
        return 0.0 if found is None or self.lost.any() else found.dof_nm * found.el_percent


def together(matrices: Sequence[FocusDose]) -> Together:
    """Clips of one focus series overlapped. As there, the window of lost cut-lines does not count in the common one."""
    low, high = (np.concatenate([getattr(m, side) for m in matrices]) for side in ("low", "high"))
    lost = np.concatenate([m.lost for m in matrices])
    kept = np.flatnonzero(~lost) if not lost.all() else np.arange(len(lost))
    common = window.overlap(matrices[0].common.focus_nm, low[kept], high[kept])
    common = replace(common, low_by=kept[common.low_by], high_by=kept[common.high_by])
    several = len(matrices) > 1
    names = tuple(f"clip {k}: {n}" if several else n for k, m in enumerate(matrices, 1) for n in m.cuts.names)
    return Together(
        names,
        low,
        high,
        lost,
        common,
        {shape: window.largest(common, shape) for shape in SHAPES},
        {shape: window.latitude_curve(common, shape) for shape in SHAPES},
        max(m.focus_error for m in matrices),
    )
