"""What was measured: line widths, spaces and edges, where, at which focus and dose, and how well it is known."""

import math
from dataclasses import dataclass
from typing import Literal

Kind = Literal["line", "space", "edge"]


@dataclass(frozen=True)
class Lines:
    """A one-dimensional test structure: endless lines of width `cd_nm`, `pitch_nm` apart, running along `axis`."""

    cd_nm: float
    pitch_nm: float
    axis: Literal["x", "y"] = "y"


@dataclass(frozen=True)
class Cut:
    """A straight cut in a layout, from (x0, y0) to (x1, y1) in nm.

    A width is that of the printed run around the middle of the cut. An edge is looked for around (x0, y0), its
    distance counted towards (x1, y1); without these, as for a point of a measured contour, along the simulated
    edge's outward normal.
    """

    x0_nm: float
    y0_nm: float
    x1_nm: float | None = None
    y1_nm: float | None = None

    @property
    def middle_nm(self) -> tuple[float, float]:
        """Where the image is needed: the middle of a width's cut, the point itself where there is no other end."""
        if self.x1_nm is None or self.y1_nm is None:
            return self.x0_nm, self.y0_nm
        return 0.5 * (self.x0_nm + self.x1_nm), 0.5 * (self.y0_nm + self.y1_nm)

    @property
    def length_nm(self) -> float:
        """Length of the cut; 0 for a point."""
        if self.x1_nm is None or self.y1_nm is None:
            return 0.0
        return math.hypot(self.x1_nm - self.x0_nm, self.y1_nm - self.y0_nm)


Site = Lines | Cut


@dataclass(frozen=True)
class Measurement:
    """One gauge at one condition.

    `kind` line: width of the drawn feature as printed; space: of the gap between two; edge: distance of the printed
    edge, positive outside the drawn feature. `sigma_nm` is the standard deviation of `value_nm`, None where only
    the relative `weight` is known; a weight divides the variance. `dose` is relative, `focus_nm` and `dose` are
    what the machine was set to. `target_nm` and `plot_nm` (for plots: the pitch, or what the file gives for it) are
    labels. `row` is the line of the file it came from.
    """

    name: str
    kind: Kind
    site: Site
    value_nm: float
    sigma_nm: float | None = None
    weight: float = 1.0
    focus_nm: float = 0.0
    dose: float = 1.0
    target_nm: float | None = None
    plot_nm: float | None = None
    row: int = 0


@dataclass(frozen=True)
class Rejected:
    """A row of a gauge file that is not used, and why."""

    row: int
    name: str
    reason: str
