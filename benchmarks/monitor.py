"""Equipment monitoring: run lengths against theory, false alarms after re-centring, faults of a real etcher.

`python monitor.py [PART...]` runs all parts or some: lengths, recentring, etcher, others, choices. Two minutes.
"""

from common import data_folder, report  # noqa: I001 sets the environment before NumPy starts

import sys
from dataclasses import replace

import numpy as np

from actinic.jobs.monitor import counts
from actinic.operate.monitor import (
    Baseline,
    Settings,
    carried_scale,
    designed,
    library,
    read_traces,
    resembling,
    suspects,
    trace_features,
    watch,
)
from actinic.operate.monitor.resemble import kind
from actinic.operate.monitor.watch import NORMAL

FILE = "local_only/lam9600/lam9600_experiments_29_31.npz"
# What the makers of the data name after each fault: the set-point they moved, and its part of the machine.
MOVED = {
    "TCP": "TCP Top Pwr",
    "RF": "RF Btm Pwr",
    "Pr": "Pressure",
    "BCl3": "BCl3 Flow",
    "Cl2": "Cl2 Flow",
    "He": "He Press",
}


def main(what: set[str]) -> None:
    for part in (lengths, recentring, etcher, others, choices):
        if not what or part.__name__ in what:
            part()


def lengths() -> None:
    """Simulated run lengths over theory's, seed 0; 20,000 runs each."""
    random = np.random.default_rng(0)
    for chart_kind in ("shewhart", "ewma", "cusum"):
        chart = designed(chart_kind, 370.4)
        for shift in (0.0, 0.5, 1.0, 2.0, 3.0):
            found = _lengths(chart, random, shift, 20000)
            half = 1.96 * found.std() / np.sqrt(found.size)
            report(
                "run length", chart=chart_kind, shift=shift, theory=chart.arl(shift), simulated=found.mean(), half=half
            )


def _lengths(chart, random, shift, runs) -> np.ndarray:
    state, length, n = chart.start(runs), np.zeros(runs), 0
    while not length.all():
        n += 1
        state = chart.step(state, random.standard_normal(runs) + shift)
        length = np.where((length == 0) & (np.abs(chart.plotted(state)) > chart.limit), n, length)
    return length


def recentring() -> None:
    """False alarms in the first 20 wafers after re-centring on three: asked 1/370 each; and with the usual limits."""
    random = np.random.default_rng(1)
    runs = 100_000
    limit = designed("shewhart", 370.4).limit
    for carried, known in ((0.0, None), (4.0, "right"), (4.0, "2x too small")):
        ours = naive = 0
        wafers = random.standard_normal((23, runs))
        if known == "right":  # the scale of a regime is drawn from what the carried degrees of freedom say
            wafers = wafers * np.sqrt(carried / random.chisquare(carried, runs))
        scale = None if known is None else np.full(runs, 0.5 if "2x" in known else 1.0)
        base, centre = Baseline(wafers[:3], scale, carried), wafers[:3].mean(0)
        plain = wafers[:3].std(0, ddof=1) if scale is None else scale
        for wafer in wafers[3:]:
            ours += (np.abs(base.score(wafer)) > limit).sum()
            naive += (np.abs(wafer - centre) > limit * plain).sum()
            base.take(wafer)
        asked, ours, naive = 1 / 370.4, ours / runs / 20, naive / runs / 20
        report("re-centring", scale_known=known, asked=asked, ours=ours, mean_taken_as_true=naive)


def _etcher():
    folder = data_folder()
    return read_traces(folder / FILE) if folder and (folder / FILE).is_file() else None


def _both_ways(traces, settings):
    """Findings of both experiments by the other, and the known faults that each alarm resembles."""
    found, alike = [], []
    for here, there in (("l29", "l31"), ("l31", "l29")):
        rows = zip(traces.regimes, traces.labels, strict=True)
        normal = [n for n, (regime, label) in enumerate(rows) if regime == there and label == NORMAL]
        features = trace_features(traces, normal)
        some, _, plotted = watch(features, [here], [there], settings)
        known = library(features, [there], settings)
        found += some
        alike += [resembling(row, known) for row in plotted]
    return found, alike


def etcher() -> None:
    """One experiment sets the scale, the other is re-centred on its first three normal wafers; both ways together."""
    traces = _etcher()
    if traces is None:
        return
    found, alike = _both_ways(traces, Settings())
    faults = [(one, like) for one, like in zip(found, alike, strict=True) if one.label != NORMAL]
    alarms = []
    for one, like in faults:
        if one.status == "alarm":
            alarms.append(
                (kind(one.label).split()[0], [s for s, *_ in one.sensors[:3]], suspects(like, one.sensors), like)
            )
    report(
        "etcher", **counts(found),
        channel_in_top_three_sensors=sum(MOVED[name] in sensors for name, sensors, *_ in alarms),
        part_in_top_three_sensors=sum(any(s.startswith(name) for s in sensors) for name, sensors, *_ in alarms),
        named_first_by_likeness=sum(like[0][0] == name for name, *_, like in alarms),
        in_three_suspects=sum(bool({name, MOVED[name]} & set(three)) for name, _, three, _ in alarms),
        part_in_three_suspects=sum(any(s.startswith(name) for s in three) for name, _, three, _ in alarms),
        missed=[f"{one.label} ({one.status}, {one.worst:.2f})" for one, _ in faults if one.status != "alarm"],
    )  # fmt: skip


def choices() -> None:
    """The same with other settings: none was chosen by these figures but within what they all allow."""
    traces = _etcher()
    if traces is None:
        return
    for change in (
        *({"carried": v} for v in (2.0, 3.0, 6.0, 10.0)), *({"memory": v} for v in (5.0, 20.0, np.inf)),
        *({"arl": v} for v in (100.0, 200.0, 1000.0)), {"recentre": 5},
    ):  # fmt: skip
        n = counts(_both_ways(traces, replace(Settings(), **change))[0])
        report("etcher, other settings", change={k: str(v) for k, v in change.items()},
               false_alarms=n["false_alarms"], normal=n["normal"], found=n["found"], faults=n["faults"])  # fmt: skip


def others() -> None:
    """Multivariate distances in place of the largest score, on the same scores: the best a limit could do with each.

    `separated` is the number of faults above every normal wafer but one; labels choose that limit, so it flatters.
    """
    traces = _etcher()
    if traces is None:
        return
    for name, distance in (("largest score", _largest), ("Hotelling T2 (shrunk)", _t2), ("PCA T2", _pca_t2),
                           ("PCA SPE", _spe), ("five nearest neighbours", _nearest)):  # fmt: skip
        above = 0
        for here, there in (("l29", "l31"), ("l31", "l29")):
            own, ok, learnt = _scores(traces, here, there)
            size = distance(learnt, own)
            above += (size[~ok] > np.sort(size[ok])[-2]).sum()
        report("etcher, other distances", distance=name, separated=int(above), faults=14)


def _scores(traces, here, there):
    """Scores of one experiment's whole wafers, who is normal, and the other's scores after pretended re-centrings."""
    rows = list(zip(traces.regimes, traces.labels, strict=True))
    normal = [n for n, (regime, label) in enumerate(rows) if regime == there and label == NORMAL]
    features = trace_features(traces, normal)
    whole = [n for n in range(len(rows)) if not features.missing[n]]
    normal = [n for n in normal if n in whole]
    scale = carried_scale(features.table[normal], 3, 10.0, features.least)
    limit = designed("shewhart", 370.0, features.table.shape[1]).limit

    def run(rows):
        base, out = Baseline(features.table[rows[:3]], scale, 4.0, 10.0), []
        for n in rows[3:]:
            out.append(np.nan_to_num(base.score(features.table[n])))
            if np.abs(out[-1]).max() <= limit:
                base.take(features.table[n])
        return np.array(out)

    own = [n for n in whole if rows[n][0] == here]
    centre = [n for n in own if rows[n][1] == NORMAL][:3]
    rest = [n for n in own if n not in centre]
    learnt = np.concatenate([run(normal[k:]) for k in range(0, len(normal) - 4, 3)])
    return run(centre + rest), np.array([rows[n][1] == NORMAL for n in rest]), learnt


def _largest(learnt, own):
    return np.abs(own).max(1)


def _t2(learnt, own):
    covariance = 0.5 * np.cov(learnt.T) + 0.5 * np.diag(learnt.var(0))
    return np.einsum("ij,ij->i", own, np.linalg.solve(covariance, own.T).T)


def _axes(learnt):
    _, size, axes = np.linalg.svd(learnt, full_matrices=False)
    keep = np.searchsorted(np.cumsum(size**2) / (size**2).sum(), 0.8) + 1
    return axes[:keep], size[:keep] / np.sqrt(len(learnt))


def _pca_t2(learnt, own):
    axes, size = _axes(learnt)
    return ((own @ axes.T / size) ** 2).sum(1)


def _spe(learnt, own):
    axes, _ = _axes(learnt)
    return ((own - own @ axes.T @ axes) ** 2).sum(1)


def _nearest(learnt, own):
    apart = np.sqrt(((own[:, None] - learnt[None]) ** 2).sum(2))
    return np.sort(apart, axis=1)[:, :5].mean(1)


if __name__ == "__main__":
    main(set(sys.argv[1:]))
