"""What the benchmarks share: the machine in one line, ways measured in turns, ratios with their spread."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from vrm.evaluate.runs.machine import machine

SAID = ("processor", "cores", "memory", "gpu", "system", "date", "vrm", "torch", "opencv-python-headless", "av")


class Turn(NamedTuple):
    """Seconds that one turn took: by the clock, and of this process's processor time."""

    clock: float
    processor: float


def where(threads: int | None = None) -> str:
    """The machine, the versions and the date in one line."""
    facts = machine()
    said = [f"{name} {facts[name]}" for name in SAID if name in facts]
    return "; ".join([*said, *([] if threads is None else [f"threads {threads}"])])


def in_turns(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[Turn]]:
    """Every way once in each round, one after another, so that what else the machine does meets all of them."""
    taken: dict[str, list[Turn]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            clock, processor = time.perf_counter(), time.process_time()
            way()
            taken[name].append(Turn(time.perf_counter() - clock, time.process_time() - processor))
    return taken


def ratio(of: Sequence[float], to: Sequence[float]) -> str:
    """``of`` over ``to``, round by round: the median, and the smallest and largest in brackets."""
    each = np.asarray(of, float) / np.asarray(to, float)
    return f"{np.median(each):.2f} ({each.min():.2f} to {each.max():.2f})"


def spread(values: Iterable[float], digits: int = 2, sign: str = "") -> str:
    """Mean and standard deviation (n - 1) of several clips' values, and the smallest and largest."""
    v = np.asarray(list(values), float)
    apart = v.std(ddof=1) if len(v) > 1 else 0.0
    least, most = (f"{x:{sign}.{digits}f}" for x in (v.min(), v.max()))
    return f"{v.mean():{sign}.{digits}f} ± {apart:.{digits}f} ({least} to {most}; {len(v)})"
