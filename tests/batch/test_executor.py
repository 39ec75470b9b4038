"""Which task an executor begins next, and what becomes of one whose process is lost: the same rule for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vrm.batch.executor import Executor, Message, TaskFinished, TaskRetried
from vrm.batch.tasks import Task, as_error, failure, video_task, window_task
from vrm.engines.window_tasks import WindowTask
from vrm.errors import EngineError, MaskError, OutOfMemory, VrmError

LOST = EngineError("The machine was lost.", "Look for it.")


class Pretended(Executor):
    """Ends tasks in the order they were begun, as ``becomes`` says by their name and try."""

    at_once = 2

    def __init__(self, becomes: Callable[[str, int], Any] = lambda name, tries: {"facts": {}}) -> None:
        super().__init__()
        self.becomes, self.running, self.begun = becomes, list[Task](), list[dict[str, Any]]()

    def stop(self) -> None:
        self._stopped = True
        self._waiting.clear()

    close = stop

    def options_here(self, words: dict[str, Any]) -> dict[str, Any]:
        return words

    @property
    def _busy(self) -> bool:
        return bool(self.running)

    @property
    def _has_room(self) -> bool:
        return len(self.running) < self.at_once

    def _begin(self, task: Task, work: dict[str, Any]) -> Iterator[Message]:
        self.running.append(task)
        self.begun.append(work | {"name": task.name})
        yield from ()

    def _collect(self) -> Iterator[Message]:
        task = self.running.pop(0)
        result = self.becomes(task.name, self._begun[task])
        if result is None:
            yield from self._lose(task, LOST, 1.0)
        else:
            yield self._finish(task, result, 1.0)


def names(executor: Pretended) -> list[str]:
    return [work["name"] for work in executor.begun]


def test_a_task_waits_for_the_one_it_comes_after() -> None:
    first = Task("first", {})
    executor = Pretended()
    over = list(executor.run([first, Task("second", {}, after=first), Task("third", {})]))
    assert names(executor) == ["first", "third", "second"]
    assert [message.task.name for message in over] == ["first", "third", "second"]


def test_what_comes_after_a_failed_task_is_never_begun() -> None:
    first, other = Task("first", {}), Task("other", {})
    executor = Pretended(lambda name, tries: {"error": {}} if name == "first" else {"facts": {}})
    over = list(executor.run([first, other, Task("second", {}, after=first)]))
    assert [message.task for message in over] == [first, other]


def test_a_lost_task_is_tried_again_first_and_overwrites_what_it_may_have_finished(tmp_path: Path) -> None:
    (tmp_path / ".b.mp4.77.part").touch()
    tasks = [video_task(Path(f"{name}.mp4"), tmp_path / f"{name}.mp4", {}) for name in "abc"]
    executor = Pretended(lambda name, tries: None if name == "b.mp4" and tries < 3 else {"report": {}})
    over = list(executor.run(tasks))
    assert names(executor) == ["a.mp4", "b.mp4", "c.mp4", "b.mp4", "b.mp4"]
    assert [work["words"] for work in executor.begun] == [{}, {}, {}, {"overwrite": True}, {"overwrite": True}]
    retried = [message.note for message in over if isinstance(message, TaskRetried)]
    assert retried == ["b.mp4: The machine was lost. It is tried again."] * 2
    assert {m.task.name: m.tries for m in over if isinstance(m, TaskFinished)} == {"a.mp4": 1, "b.mp4": 3, "c.mp4": 1}
    assert not list(tmp_path.iterdir())


def test_a_task_fails_when_its_tries_are_used_up() -> None:
    executor = Pretended(lambda name, tries: None)
    *retried, last = executor.run([Task("a", {}, tries=2)])
    assert isinstance(last, TaskFinished)
    words = "The machine was lost. It was tried 2 times."
    assert last.result == {"error": {"text": words, "fix": "Look for it.", "exit_code": 6}}
    assert len(retried) == 1
    (once,) = executor.run([Task("a", {}, tries=1)])
    assert isinstance(once, TaskFinished)
    assert once.result["error"]["text"] == "The machine was lost."


def test_after_a_stop_nothing_is_begun_or_tried_again() -> None:
    executor = Pretended(lambda name, tries: None if name == "lost" else {"facts": {}})
    executor.at_once = 3
    messages = executor.run(Task(name, {}) for name in ("first", "lost", "last", "never"))
    assert next(messages).task.name == "first"
    executor.stop()
    assert [message.task.name for message in executor.run()] == ["last"]
    assert names(executor) == ["first", "lost", "last"]


def test_parts_are_named_as_people_count() -> None:
    window = window_task(Path("a.mp4"), {"mask": Path("m.png")}, Path("scratch"), WindowTask(0, 2, 9))
    assert window.name == "a.mp4, shot 1, window 3"
    assert window.work["words"] == {"mask": "m.png"}


@pytest.mark.parametrize("error", [OutOfMemory("Too little.", "Give more."), EngineError("No."), MaskError("None.")])
def test_errors_keep_their_kind_on_the_way(error: VrmError) -> None:
    found = as_error(failure(error))
    assert type(found) is type(error)
    assert str(found) == str(error)


def test_a_bug_keeps_its_traceback_on_the_way() -> None:
    try:
        raise ZeroDivisionError("by zero")
    except ZeroDivisionError as error:
        found = as_error(failure(error))
    assert "in test_a_bug_keeps" in str(found)
