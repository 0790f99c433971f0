"""Where to look on a wafer: gauges by what the model predicts in each field, corrected by what inspection found."""

from collections.abc import Sequence

import numpy as np
from scipy import stats

from ..metrology import Cuts
from ..operate.inspection import Hotspot, Likelihood, Plan, States, plan
from ..wafer import ExposureMap
from ..wafer.widths import WidthTable
from .lots import in_width
from .plant import Plant

# Sites that a gauge's prediction weighs as much as, against what was found of it.
_WEIGHT = 4.0
# A gauge found out of spec at half of this many sites or more, which the model thought less than half as likely.
_TRIED = 4
_MOST = 2.5  # sigmas that what was found may move a prediction by


class Inspector:
    """Plans sites of one mask and learns from what is found there. Arrays are over the gauges (n,)."""

    def __init__(self, cuts: Cuts, cd_percent: float, sigma_nm: float):
        self.cuts, self.cd_percent, self.likelihood = cuts, cd_percent, Likelihood(sigma_nm)
        self.tried, self.failed, self.expected = (np.zeros(len(cuts)) for _ in range(3))

    def hotspots(self, predicted: WidthTable, corners: Sequence[tuple[float, float]]) -> list[Hotspot]:
        """Each gauge at its worst corner; `corners` are focus error (nm) and dose error (percent), the nominal first.

        What inspection found moves a gauge's excess by as many sigmas as the share found is off the one predicted.
        """
        n, sigma = len(self.cuts), self.likelihood.sigma_nm
        limit = 0.01 * self.cd_percent * self.cuts.target_nm
        beyond = np.stack([self._error(predicted, *corner) - limit for corner in corners])
        worst = beyond.argmax(0)
        share = (self.failed + _WEIGHT * self._mean) / (self.tried + _WEIGHT)
        moved = np.clip(stats.norm.ppf(share) - stats.norm.ppf(self._mean), -_MOST, _MOST) * sigma
        order = np.argsort(-beyond[worst, np.arange(n)], kind="stable")
        return [
            Hotspot(int(g) + 1, "line" if self.cuts.line[g] else "space", *self.cuts.middle_nm[g].tolist(),
                    float(beyond[worst[g], g] + moved[g]), corners[worst[g]], float(beyond[0, g] + moved[g]))
            for g in order
        ]  # fmt: skip

    @property
    def _mean(self) -> np.ndarray:
        """Mean chance predicted where a gauge was tried, a half where it was not (which moves nothing)."""
        return np.clip(np.where(self.tried > 0, self.expected / np.maximum(self.tried, 1), 0.5), 0.01, 0.99)

    def _error(self, table: WidthTable, focus_nm: float, dose_percent: float) -> np.ndarray:
        n = len(self.cuts)
        at = np.full(n, focus_nm), np.full(n, np.log1p(dose_percent / 100))
        width, _ = table.widths(np.arange(n), *at)
        return np.abs(np.where(np.isfinite(width), width, 2 * self.cuts.target_nm) - self.cuts.target_nm)

    def plan(self, exposure: ExposureMap, predicted: WidthTable, corners, states: States, sites: int) -> Plan:
        """The sites of one wafer."""
        spots = self.hotspots(predicted, corners)
        return plan(spots, exposure, sites, states=states, likelihood=self.likelihood, each=0)

    def look(self, plant: Plant, planned: Plan, table: WidthTable, n: int) -> dict:
        """What is found at the sites on lot n, by what its mask really prints (`table`), and what is learnt of it."""
        width = plant.widths(table, plant.exposure(n))[:, 0]  # (field, gauge), at the middle of the fields
        bad = ~in_width(width, self.cuts, self.cd_percent)
        every = zip(plant.fields.column.tolist(), plant.fields.row.tolist(), strict=True)
        place = {at: k for k, at in enumerate(every)}
        fields = [place[at] for at in zip(planned.field_column.tolist(), planned.field_row.tolist(), strict=True)]
        gauge = planned.hotspot - 1
        found = bad[fields, gauge]
        chance = planned.chance
        learnt = self.expected_without_moves(chance, gauge)
        np.add.at(self.tried, gauge, 1.0)
        np.add.at(self.failed, gauge, found.astype(float))
        np.add.at(self.expected, gauge, learnt)
        return {"lot": plant.fab.lots[n].lot, "n": n, "sites": len(planned), "found": int(found.sum()),
                "expected": float(chance.sum()), "failing": int(bad.sum()), "of": int(bad.size)}  # fmt: skip

    def expected_without_moves(self, chance: np.ndarray, gauge: np.ndarray) -> np.ndarray:
        """The chances as the model alone has them: what was learnt before must not count as a prediction."""
        share = (self.failed + _WEIGHT * self._mean) / (self.tried + _WEIGHT)
        moved = np.clip(stats.norm.ppf(share) - stats.norm.ppf(self._mean), -_MOST, _MOST)
        return stats.norm.cdf(stats.norm.ppf(np.clip(chance, 1e-9, 1 - 1e-9)) - moved[gauge])

    def suspects(self) -> np.ndarray:
        """Places [x, y] (n, 2) of gauges that fail again and again where the model sees little reason."""
        often = (self.tried >= _TRIED) & (self.failed >= 0.5 * self.tried) & (self.expected < 0.5 * self.failed)
        return self.cuts.middle_nm[often]
