"""A clip filled in a process of its own: its time, memory and failures are nobody else's."""

from __future__ import annotations

import queue
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from vrm.errors import VrmError, WeightsError
from vrm.evaluate.cases.clips import Clip
from vrm.evaluate.cases.sequence import ImageSequence
from vrm.evaluate.runs.methods import FillTask, Method, fill
from vrm.options.remove import EngineOptions
from vrm.report.model import plain
from vrm.system.memory import is_shortage
from vrm.system.worker import POLL, Record, Worker, command, serve

WORKER = command("vrm.evaluate.runs.process")


def fill_in_process(task: FillTask) -> dict[str, Any]:
    """What ``fill`` returns, or ``{"error": words}``. An interrupt is passed on to the process, and waited for.

    With "everywhere" true the error has nothing to do with the clip: no other need be tried.
    """
    heard: queue.SimpleQueue[Record | None] = queue.SimpleQueue()
    process = Worker(WORKER, lambda _, record: heard.put(record))
    try:
        process.begin(plain(asdict(task)))
        while True:
            try:
                record = heard.get(timeout=POLL)
            except queue.Empty:
                continue
            return {"error": str(process.death())} if record is None else record["ended"]
    finally:
        process.end()


def main() -> None:
    serve(_perform)


def _perform(work: Record, out: TextIO) -> Record:
    try:
        return fill(_task(work))
    except VrmError as error:
        return {"error": str(error), "everywhere": isinstance(error, WeightsError)}
    except Exception as error:
        return {"error": "not enough memory" if is_shortage(error) else f"{type(error).__name__}: {error}"}


def _task(record: Record) -> FillTask:
    """A task from the plain values that ``asdict`` made of it."""
    clip, method = record["clip"], record["method"]
    names = ("frames", "masks", "truth", "effect", "thing")
    engine = EngineOptions(**{**method["engine"], "keyframes": ()})  # these are chosen when the clip is filled
    return FillTask(
        Method(**{**method, "engine": engine}),
        Clip(**{**clip, **{name: _sequence(clip[name]) for name in names}}),
        Path(record["out"]),
        record["frames"],
        record["invert"],
    )


def _sequence(record: Record | None) -> Any:
    return None if record is None else ImageSequence(Path(record["path"]), tuple(map(Path, record["files"])))
