"""Does the machine answer set-points with the right sign? Two filters, one of each opinion, and the evidence between them.

The score is a cumulative sum of log likelihood ratios (Page, Biometrika 41, 100, 1954), none counted for more than `MOST`
so that no single measurement, however wild, can stop the loop.
"""

import copy

from .components import Components
from .forecast import Levels
from .kalman import ContextFilter

STOP = 8.0  # a wrong sign is e^8 times more likely
MOST = 4.5


class SignTest:
    """`score` of the opinion that the gain has the other sign; the loop must stop when it is beyond STOP."""

    def __init__(self, other: ContextFilter):
        self.other, self.score = other, 0.0

    def copy(self) -> "SignTest":
        return copy.deepcopy(self)

    def renew(self, components: Components) -> None:
        self.other.renew(components)

    @property
    def wrong(self) -> bool:
        return self.score > STOP

    def update(self, density: float, levels: Levels, rank: float, move: float, value: float, extra: float) -> None:
        """`density` is the log density that the filter of the right sign gave the measurement."""
        other = self.other.update(levels, rank, move, value, extra)
        self.score = max(0.0, self.score + min(max(other - density, -MOST), MOST))
