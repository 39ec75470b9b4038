"""Tasks in processes of this machine, each of which does one after another; one that dies costs its task, no other."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vrm.batch.executor import Executor, Message, TaskEvent, TaskStarted
from vrm.batch.resources import Share
from vrm.batch.tasks import Task
from vrm.system import worker
from vrm.system.worker import POLL, Record, Worker

WORKER = worker.command("vrm.batch.worker")

_SPOILT = (1, 6)
"""Exit codes of errors after which a process is not used again: what it holds may be spoilt, or too much."""


@dataclass(eq=False)
class _Slot:
    """A share of the machine, the process that has it, and the task under way there since ``begin``."""

    number: int
    share: Share
    process: Worker | None = None
    task: Task | None = None
    begin: float = 0.0


class LocalExecutor(Executor):
    """Tasks in as many processes as there are shares of the machine."""

    def __init__(self, shares: list[Share]) -> None:
        super().__init__()
        self.at_once = len(shares)
        self._slots = [_Slot(number, share) for number, share in enumerate(shares)]
        self._heard: queue.SimpleQueue[tuple[Worker, Record | None]] = queue.SimpleQueue()

    def options_here(self, words: dict[str, Any]) -> dict[str, Any]:
        return self._slots[0].share.of(words)

    def stop(self) -> None:
        """See ``Executor``; processes that do not clear up in time are killed."""
        end = time.monotonic() + (0 if self._stopped else worker.PATIENCE)
        self._stopped = True
        self._waiting.clear()
        processes = [slot.process for slot in self._slots if slot.process is not None]
        for process in processes:
            process.interrupt()
        for process in processes:
            process.end(max(0.0, end - time.monotonic()))

    close = stop

    @property
    def _busy(self) -> bool:
        return any(slot.task is not None for slot in self._slots)

    @property
    def _has_room(self) -> bool:
        return any(slot.task is None for slot in self._slots)

    def _begin(self, task: Task, work: dict[str, Any]) -> Iterator[Message]:
        slot = next(slot for slot in self._slots if slot.task is None)
        if slot.process is None:
            slot.process = Worker(WORKER, lambda *said: self._heard.put(said))
        slot.task, slot.begin = task, time.monotonic()
        slot.process.begin(work | {"words": slot.share.of(work["words"])})
        yield TaskStarted(task)

    def _collect(self) -> Iterator[Message]:
        try:
            process, record = self._heard.get(timeout=POLL)
        except queue.Empty:
            return
        slot = next((slot for slot in self._slots if slot.process is process), None)
        if slot is None:  # it was ended, and says so
            return
        task, seconds, name = slot.task, time.monotonic() - slot.begin, str(slot.number)
        if record is None:
            slot.process = slot.task = None
            why = process.death()
            if task is not None:
                yield from self._lose(task, why, seconds, name, str(process.pid))
        elif task is not None and "ended" in record:
            result, slot.task = record["ended"], None
            yield self._finish(task, result, seconds, name)
            if not self._waiting or result.get("error", {}).get("exit_code") in _SPOILT:
                process.end()
                slot.process = None
        elif task is not None:
            yield TaskEvent(task, record)
