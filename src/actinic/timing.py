"""What a piece of work cost: CPU time with children and threads, wall time, and compilation apart."""

import os
import time
from dataclasses import dataclass

from jax import monitoring

_EVENTS = ("/jax/core/compile/backend_compile_duration", "/jax/core/compile/jaxpr_to_mlir_module_duration")
_compiling = 0.0


def _listen(event: str, seconds: float, **_) -> None:
    global _compiling
    if event in _EVENTS:
        _compiling += seconds


monitoring.register_event_duration_secs_listener(_listen)


@dataclass(frozen=True)
class Cost:
    """Seconds. `cpu_s` leaves compilation out; `compile_s` is its CPU time, by the share of a core that there was."""

    cpu_s: float
    wall_s: float
    compile_s: float

    def step(self, name: str, since: "Cost | None" = None) -> dict:
        """A step of a run as results tell it: what was spent `since` an earlier reading of the same clock."""
        before = since or Cost(0.0, 0.0, 0.0)
        return {"step": name, "cpu_s": self.cpu_s - before.cpu_s, "wall_s": self.wall_s - before.wall_s}


class Clock:
    """Started when made; `cost()` tells what this process and its finished children have spent since."""

    def __init__(self):
        self._start = self._now()

    @staticmethod
    def _now() -> tuple[float, float, float]:
        spent = os.times()
        cpu = spent.user + spent.system + spent.children_user + spent.children_system
        return cpu, time.perf_counter(), _compiling

    def cost(self) -> Cost:
        cpu, wall, compiling = (now - start for now, start in zip(self._now(), self._start, strict=True))
        # Compilation is known by the clock on the wall, which runs on while other programs have the core.
        compiling *= min(1.0, cpu / max(wall, 1e-9))
        return Cost(max(cpu - compiling, 0.0), wall, compiling)
