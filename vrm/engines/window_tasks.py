"""The windows of one video as tasks for several processes, of this machine or of others.

Once a shot is prepared (a fit, generated keyframes), its windows do not depend on each other. What every process has to
know lies in the job's folder: the task description (shots, windows, what the report shows), the holes, what was
prepared. A process does one ``WindowTask`` at a time, the preparation of a shot or the filling of a window, and leaves
the window there as ``--resume`` keeps it. At the end the process that began takes all windows over as if it had been
interrupted and went on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from vrm.engines.runner import EngineRunner
from vrm.job.checkpoints import video_key
from vrm.job.context import Job
from vrm.job.packed_masks import pack
from vrm.system.files import atomic_write

DESCRIPTION, HOLES, LABELS = "description.json", "holes.bin", "labels"
"""Files, and a folder, that a process finds in the job's folder."""


@dataclass(frozen=True)
class WindowTask:
    """What one process does at a time."""

    shot: int  # its place in the task description
    window: int | None  # its place among the shot's windows; None = the shot is prepared
    frames: int = 0  # how many it fills


@dataclass(frozen=True)
class FinishedTask:
    """A task that is over."""

    task: WindowTask
    # device, dtype and peak memory of the process that did it; None: memory ran out, and the task is left to the
    # process that began.
    facts: dict[str, Any] | None


WindowProgress = Callable[[WindowTask, str, int, int], None]
"""``progress(task, stage, done, total)``."""


class Workers(Protocol):
    """Processes that do tasks of one video."""

    at_once: int  # most of them that work in the scratch folder of this machine

    def do(
        self, folder: Path, tasks: list[WindowTask], note: Callable[[str], None], progress: WindowProgress
    ) -> Iterator[FinishedTask]:
        """Do tasks, those of preparing before their shot's windows, and leave what they make in the folder.

        They tell ``progress`` how far a task is, as far as that is heard before its end.

        Raises VrmError: one of them failed, whatever was tried.
        """
        ...

    def close(self) -> None:
        """Leave nothing running; may be called twice."""
        ...


def hand_out(job: Job, runner: EngineRunner, workers: Workers) -> None:
    """Have processes fill the planned windows, as far as memory allows; ``runner`` then takes them over."""
    tasks = list(_tasks(runner))
    filled = [task for task in tasks if task.window is not None]
    if runner.lowered or runner.moved or not filled:  # they have the same device
        return
    if len(filled) == 1:
        job.note("All of it is one window, which is not divided.")
    if runner.engine.labelled:
        runner.inputs.labels()  # made once, here: they lie in the job's folder then
    folder = job.folder.path
    description = {
        "video": video_key(job.info.path),
        "frames": [job.first, job.last],
        "shots": [
            {"start": s.start, "stop": s.stop, "windows": [[w.start, w.stop, w.context_start, w.context_stop]
            for w in s.windows]} for s in runner.stretches
        ],
        "highlights": list(runner.coverage.highlights),
        "labels": (folder / LABELS).is_dir(),
        "durable": job.folder.kept,
        "at_once": workers.at_once,
    }  # fmt: skip
    what = f"Scratch cannot be written in {folder}"
    atomic_write(folder / DESCRIPTION, json.dumps(description), what)
    atomic_write(folder / HOLES, pack(runner.inputs.holes, None), what)
    runner.take_over = True
    job.events.stage("fill", sum(task.frames for task in tasks))
    try:
        with job.timed("fill"):
            for done in workers.do(
                folder, tasks, job.note, lambda task, *at: job.events.reach(_key(runner, task), *at)
            ):
                if done.facts is not None:
                    report = job.report
                    report.device, report.dtype = done.facts["device"], done.facts["dtype"]
                    report.peak_memory_mb = max(report.peak_memory_mb, done.facts["peak_memory_mb"])
                    job.events.advance("fill", done.task.frames)
                    job.events.finish(_key(runner, done.task))
    finally:
        workers.close()  # before the folder goes, and so that none holds memory while the result is written


def _key(runner: EngineRunner, task: WindowTask) -> Hashable:
    """What the runner's pieces call a task."""
    stretch = runner.stretches[task.shot]
    return stretch.start if task.window is None else stretch.windows[task.window]


def _tasks(runner: EngineRunner) -> Iterator[WindowTask]:
    for k, stretch in enumerate(runner.stretches):
        todo = [n for n, window in enumerate(stretch.windows) if not runner.patches.holds(window)]
        if runner.engine.keeps and todo:
            yield WindowTask(k, None)
        for n in todo:
            yield WindowTask(k, n, stretch.windows[n].stop - stretch.windows[n].start)
