"""What the logs say: clocks set right by what all parts write at once, and which part began it.

No causal graph is known. What is: a part that fails, and parts that it sets off, warn more often than they did, from
some moment on; the part at the root is the first of them. All the rest is integrated out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

INFO, WARNING, ALARM, BROADCAST = "info", "warning", "alarm", "LOT"
LONGEST_S, GRID_S = 3600.0, 30.0  # how long before the effect a failure may begin, and how finely that is told
_RATES = 1 / np.array([60.0, 120.0, 240.0])  # warnings of a failing part, a second
_SILENT = 0.05  # chance that a failing part says nothing
_FOLLOWS = 0.25  # chance that a part is set off by another's failure


@dataclass(frozen=True)
class Line:
    """A line of a log, `time_s` by its source's own clock."""

    time_s: float
    source: str
    severity: str
    code: str
    text: str


def clocks(lines: Sequence[Line]) -> dict[str, tuple[float, float]]:
    """How far each source's clock is ahead of the others' median (s), and how well that is known (sigma).

    From what all sources write at the same moment: lines with code LOT and the same text. A source without any is not
    known: sigma is then infinite.
    """
    moments: dict[str, dict[str, float]] = {}
    for line in lines:
        if line.code == BROADCAST:
            moments.setdefault(line.text, {}).setdefault(line.source, line.time_s)
    sources = sorted({line.source for line in lines})
    ahead = dict.fromkeys(sources, 0.0)
    for _ in range(5):  # the moments by the clocks, the clocks by the moments
        true = {m: np.median([at - ahead[s] for s, at in seen.items()]) for m, seen in moments.items()}
        for s in sources:
            apart = [seen[s] - true[m] for m, seen in moments.items() if s in seen]
            ahead[s] = float(np.median(apart)) if apart else 0.0
        middle = float(np.median(list(ahead.values())))
        ahead = {s: at - middle for s, at in ahead.items()}
    found = {}
    for s in sources:
        apart = [seen[s] - true[m] - ahead[s] for m, seen in moments.items() if s in seen]
        spread = 1.4826 * float(np.median(np.abs(np.array(apart) - np.median(apart)))) if apart else np.inf
        found[s] = (ahead[s], spread / np.sqrt(len(apart)) if len(apart) > 1 else np.inf)
    return found


def began(at: np.ndarray, onset_s: float, log_s: float) -> float:
    """The likeliest moment since when a source warns more than it used to; `log_s` is where the log begins."""
    grid = np.arange(onset_s - LONGEST_S, onset_s - GRID_S, GRID_S)
    return float(grid[np.argmax(_gain(at, grid, onset_s, log_s))])


def roots(times: dict[str, np.ndarray], onset_s: float, log_s: float) -> dict[str, float]:
    """Log likelihood of each source as the root of what shows at `onset_s`, by the warnings' corrected times.

    The log begins at `log_s`. Whoever is set off is set off after the root began.
    """
    grid = np.arange(onset_s - LONGEST_S, onset_s - GRID_S, GRID_S)
    gains = {source: _gain(at, grid, onset_s, log_s) for source, at in times.items()}
    # Sum over all who may be set off later than each moment of the grid.
    later = {
        source: np.logaddexp(np.log(1 - _FOLLOWS), np.log(_FOLLOWS) + _tail_mean(gain))
        for source, gain in gains.items()
    }
    everyone = np.sum(list(later.values()), axis=0)
    even = -np.log(len(grid))
    found = {}
    for source, gain in gains.items():
        loud = special.logsumexp(even + gain + everyone - later[source])
        still = special.logsumexp(even + everyone - later[source])
        found[source] = float(np.logaddexp(np.log(1 - _SILENT) + loud, np.log(_SILENT) + still))
    return found


def _gain(at: np.ndarray, grid: np.ndarray, onset_s: float, log_s: float) -> np.ndarray:
    """Log odds (grid,) that a source warns more from each moment on than it used to, against that it never does."""
    at = at[at < onset_s]
    quiet = at[at < grid[0]]
    # Half an event is added, so that a source that never said anything is not taken to be mute.
    base = (quiet.size + 0.5) / max(grid[0] - log_s, GRID_S)
    since = np.array([(at >= start).sum() for start in grid])
    more = [since * np.log1p(rate / base) - rate * (onset_s - grid) for rate in _RATES]
    return special.logsumexp(more, axis=0) - np.log(len(_RATES))


def _tail_mean(gain: np.ndarray) -> np.ndarray:
    """Log of the mean of exp(gain) over all later moments of the grid."""
    total = np.logaddexp.accumulate(gain[::-1])[::-1]
    after = np.concatenate([total[1:], [0.0]])
    return after - np.log(np.maximum(np.arange(len(gain))[::-1], 1))
