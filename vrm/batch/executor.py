"""What does tasks in other processes, whether of this machine (``vrm.batch.local``) or of many (``vrm.batch.cluster``).

Order, tries and failure are the same for both and lie here: a task waits until the one it comes after has succeeded,
and one whose process or machine is lost is begun again until its tries are used up. A task that fails by itself is not.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vrm.batch.tasks import Task, failure
from vrm.errors import VrmError
from vrm.system.files import remove_partial


@dataclass(frozen=True)
class TaskStarted:
    """A task was begun; not said where that is only known when it ends."""

    task: Task


@dataclass(frozen=True)
class TaskEvent:
    """A record of ``JsonEvents`` about a task under way."""

    task: Task
    record: dict[str, Any]


@dataclass(frozen=True)
class TaskRetried:
    """A task whose process or machine was lost is begun again; ``note`` says so."""

    task: Task
    note: str


@dataclass(frozen=True)
class TaskFinished:
    """A task is over: ``result`` as of ``TaskPerformer.perform``, ``worker`` the process or machine that did it."""

    task: Task
    result: dict[str, Any]
    seconds: float
    worker: str = ""
    tries: int = 1


Message = TaskStarted | TaskEvent | TaskRetried | TaskFinished


class Executor(ABC):
    """Does tasks in other processes, on one machine at most ``at_once`` at the same time."""

    at_once: int

    def __init__(self) -> None:
        self._waiting: list[Task] = []
        self._begun: Counter[Task] = Counter()
        self._succeeded: set[Task] = set()
        self._stopped = False

    def run(self, tasks: Iterable[Task] = ()) -> Iterator[Message]:
        """Do tasks, and say what happens, in the order it does, until all are over.

        After ``stop``, asked again without tasks, it says what had ended by then.
        """
        self._waiting += tasks
        while self._waiting or self._busy:
            while self._has_room and (task := self._next()) is not None:
                self._begun[task] += 1
                yield from self._begin(task, self._work(task))
            yield from self._collect()

    @abstractmethod
    def stop(self) -> None:
        """Begin nothing more, interrupt what is under way and wait until it has cleared up; asked again, not long."""

    @abstractmethod
    def close(self) -> None:
        """Leave nothing running; may be called twice."""

    @abstractmethod
    def options_here(self, words: dict[str, Any]) -> dict[str, Any]:
        """Options of a video for this process while others do its parts: threads and memory of one of them, so that the
        result is that of one process which has as much."""

    @property
    @abstractmethod
    def _busy(self) -> bool:
        """Tasks are under way."""

    @property
    @abstractmethod
    def _has_room(self) -> bool:
        """One more task may be begun."""

    @abstractmethod
    def _begin(self, task: Task, work: dict[str, Any]) -> Iterator[Message]:
        """Begin a task, whose work ``work`` is this time."""

    @abstractmethod
    def _collect(self) -> Iterator[Message]:
        """Wait a while, and say what has happened meanwhile."""

    def _next(self) -> Task | None:
        for k, task in enumerate(self._waiting):
            if task.after is None or task.after in self._succeeded:
                return self._waiting.pop(k)
        return None

    def _work(self, task: Task) -> dict[str, Any]:
        work = task.work | {"at_once": self.at_once}
        if self._begun[task] > 1 and "output" in work:
            # What was lost may have finished the file without having said so; nothing else was there before.
            work["words"] = work["words"] | {"overwrite": True}
        return work

    def _finish(self, task: Task, result: dict[str, Any], seconds: float, worker: str = "") -> TaskFinished:
        if "error" in result:
            self._waiting = [other for other in self._waiting if other.after is not task]
        else:
            self._succeeded.add(task)
        return TaskFinished(task, result, seconds, worker, self._begun[task])

    def _lose(self, task: Task, why: VrmError, seconds: float, worker: str = "", pid: str = "*") -> Iterator[Message]:
        """The process or machine that worked on a task is lost; ``pid`` was its process number, if known."""
        if "output" in task.work:
            remove_partial(Path(task.work["output"]), pid)
        if self._stopped:
            return
        tries = self._begun[task]
        if tries < task.tries:
            self._waiting.insert(0, task)
            yield TaskRetried(task, f"{task.name}: {why.what} It is tried again.")
            return
        tried = f" It was tried {tries} times." if tries > 1 else ""
        yield self._finish(task, {"error": failure(type(why)(why.what + tried, why.fix))}, seconds, worker)
