"""Diagnosis on machines whose causal graph nobody is told: top-1, top-3, unseen faults, citations; two baselines.

`python diagnose.py [MACHINES]` (default 20): on each machine every cause once and twelve faults that are in no
catalogue. Ten minutes.
"""

from common import report  # noqa: I001 sets the environment before NumPy starts

import sys

import numpy as np

from actinic.operate.diagnose import Case, Line, clocks, diagnose, effect
from actinic.wafer.faults import CAUSES
from actinic.wafer.twin import Machine

CALIBRATION, TEST, LIBRARY, UNSEEN = 5000, 6000, 7000, 12
PATTERN = {cause.name: cause.leaves for cause in CAUSES}


def case(incident) -> Case:
    """What a diagnosis is given of an incident: no truth."""
    lines = tuple(Line(e.time_s, e.source, e.severity, e.code, e.text) for e in incident.events)
    return Case(lines, incident.maps, incident.wafer_s, incident.innovations)


def main(machines: int) -> None:
    threshold = calibrated(max(machines // 2, 2))
    known, unseen, placed, ranks, late, cited, rightly, first = [], [], [], [], 0, 0, 0, []
    for seed in range(TEST, TEST + machines):
        machine = Machine(seed)
        for cause in CAUSES:
            incident = machine.incident(cause)
            found = diagnose(case(incident))
            known.append(found.unknown)
            ranks.append([one.cause for one in found.ranked].index(cause.name))
            lates, n, own = citations(incident, found)
            late, cited, rightly = late + lates, cited + n, rightly + own
        first.append(shared(machine))
        for draw in range(UNSEEN):
            incident = machine.incident(None, draw)
            unseen.append(diagnose(case(incident)).unknown)
            placed.append(incident.cause.leaves in PATTERN.values())
    ranks, known, unseen, placed = (np.array(part) for part in (ranks, known, unseen, placed))
    by_machine = (ranks == 0).reshape(machines, -1).mean(1)
    report(
        "diagnosis", machines=machines, causes=len(CAUSES), patterns=len(set(PATTERN.values())),
        least_causes_to_a_first_alarm=min(first), top1=(ranks == 0).mean(), top1_half=half(by_machine),
        top3=(ranks < 3).mean(), auroc=auroc(known, unseen), auroc_shape=auroc(known, unseen[~placed]),
        auroc_place=auroc(known, unseen[placed]), threshold=threshold, known_abstained=(known > threshold).mean(),
        unseen_abstained=(unseen > threshold).mean(), top1_of_named=(ranks[known <= threshold] == 0).mean(),
        cited=int(cited), cited_late=int(late), cited_after_the_failure_began=int(rightly),
    )  # fmt: skip
    baselines(machines)


def calibrated(machines: int) -> float:
    """The threshold that gives up one known fault in twenty, on other machines."""
    seeds = range(CALIBRATION, CALIBRATION + machines)
    values = [diagnose(case(Machine(seed).incident(cause))).unknown for seed in seeds for cause in CAUSES]
    return float(np.quantile(values, 0.95))


def citations(incident, found) -> tuple[int, int, int]:
    """Cited events that came after the effect's true onset; all of them; those after the failure truly began."""
    late = rightly = 0
    events = {(e.source, round(e.time_s, 6)): e for e in incident.events}
    for time_s, source, *_ in found.ranked[0].events:
        event = events[source, round(time_s + found.clocks[source][0], 6)]
        late += event.truly_s >= incident.onset_s
        rightly += event.truly_s >= incident.began_s
    return late, len(found.ranked[0].events), rightly


def shared(machine) -> int:
    """The least number of causes that any first alarm has."""
    return min(list(machine.first_alarm.values()).count(alarm) for alarm in set(machine.first_alarm.values()))


def baselines(machines: int) -> None:
    """First alarm by three resolved cases a cause of the same machine; nearest case by those of others, or of it."""
    away = [(c.name, vector(Machine(LIBRARY + n).incident(c))) for n in range(3) for c in CAUSES]
    hits = {"first_alarm": [], "nearest_case_other_machines": [], "nearest_case_same_machine": []}
    for seed in range(TEST, TEST + machines):
        machine = Machine(seed)
        past = [(c.name, machine.incident(c, draw)) for draw in (1, 2, 3) for c in CAUSES]
        alarms: dict[tuple, list[str]] = {}
        for name, incident in past:
            alarms.setdefault(first_alarm(incident), []).append(name)
        home = [(name, vector(incident)) for name, incident in past]
        for cause in CAUSES:
            incident = machine.incident(cause)
            seen = alarms.get(first_alarm(incident), [CAUSES[0].name])
            hits["first_alarm"].append(max(sorted(set(seen)), key=seen.count) == cause.name)
            own = vector(incident)
            for name, library in (("other_machines", away), ("same_machine", home)):
                best = max(library, key=lambda one: one[1] @ own)[0]
                hits[f"nearest_case_{name}"].append(best == cause.name)
    for name, right in hits.items():
        by_machine = np.reshape(right, (machines, -1)).mean(1)
        report("diagnosis baseline", baseline=name, top1=np.mean(right), half=half(by_machine))


def first_alarm(incident) -> tuple[str, str]:
    return next((e.source, e.code) for e in incident.events if e.severity == "alarm")


def vector(incident) -> np.ndarray:
    """The step of all leaves and the lines of every source in the hour before it, each of unit length."""
    found = effect(incident.maps, incident.wafer_s, incident.innovations)
    sources = sorted(clocks(case(incident).events))
    recent = [e.source for e in incident.events if e.severity != "info" and 0 < found.onset_s - e.time_s < 3600]
    counts = np.array([recent.count(s) for s in sources], float)
    return np.concatenate([found.step / np.linalg.norm(found.step), counts / max(np.linalg.norm(counts), 1.0)])


def auroc(known, unseen) -> float:
    return float(np.mean(unseen[:, None] > known) + 0.5 * np.mean(unseen[:, None] == known))


def half(values) -> float:
    """Half of the 95 % interval of a mean over machines."""
    return float(1.96 * np.std(values, ddof=1) / np.sqrt(len(values)))


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 20)
