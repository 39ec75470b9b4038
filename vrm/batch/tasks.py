"""Tasks as plain values, which go to another process or machine, and the doing of them there.

A task is one video, or a window of one (``vrm.engines.window_tasks.WindowTask``). Whatever goes wrong in it becomes
words in its result, not the end of the process.
"""

from __future__ import annotations

import json
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vrm.errors import OutOfMemory, VrmError
from vrm.events import Events
from vrm.options.build import build_options
from vrm.system.failures import translate_errors
from vrm.version import __version__

if TYPE_CHECKING:
    from vrm.batch.windows import Filler
    from vrm.engines.window_tasks import WindowTask, Workers

TRIES = 4
"""How often a task is begun whose process or machine is lost each time."""


@dataclass(frozen=True, eq=False)
class Task:
    """What an executor does in one piece.

    Attributes:
        work: plain values for ``TaskPerformer.perform``.
        after: a task that must have succeeded before; if it fails, this one is never begun.
        folder: holds files that the task reads and writes, for machines that do not see it to be sent.
    """

    name: str
    work: dict[str, Any]
    after: Task | None = None
    folder: Path | None = None
    tries: int = TRIES


def video_task(input: Path, output: Path, words: dict[str, Any], tries: int = TRIES) -> Task:
    """The removal of one video; ``words`` are for ``build_options``."""
    work = {"vrm": __version__, "input": str(input), "output": str(output), "words": plain(words), "at_once": 1}
    return Task(str(input), work, tries=tries)


def window_task(input: Path, words: dict[str, Any], folder: Path, task: WindowTask, after: Task | None = None) -> Task:
    """A window of one video, whose task description lies in ``folder``."""
    at = {"folder": str(folder), "shot": task.shot, "window": task.window}
    name = f"{input}, shot {task.shot + 1}, {'preparing' if task.window is None else f'window {task.window + 1}'}"
    work = {"vrm": __version__, "input": str(input), "words": plain(words), "window": at}
    return Task(name, work, after, folder)


class TaskPerformer:
    """Does tasks, with a folder ``own`` of its own beside a window's files; its video stays open for the next."""

    def __init__(self, own: str) -> None:
        self._own = own
        self._filler: Filler | None = None
        self._key = ""

    def perform(self, work: dict[str, Any], events: Events, workers: Workers | None = None) -> dict[str, Any]:
        """Do one task; ``workers`` fill a video's windows, if there are any. Only KeyboardInterrupt is raised.

        Returns:
            ``{"report": {...}}`` of a video, ``{"facts": {...}}`` of a window (see ``Filler.do``), or
            ``{"error": {...}}``, see ``failure``.
        """
        try:
            with translate_errors():
                if "window" in work:
                    return {"facts": self._part(work, events)}
                return {"report": _remove(work, events, workers)}
        except Exception as error:
            result = {"error": failure(error)}
        self.close()  # what is open may be spoilt, or too much
        return result

    def close(self) -> None:
        if self._filler is not None:
            self._filler.close()
        self._filler = None

    def _part(self, work: dict[str, Any], events: Events) -> dict[str, Any]:
        from vrm.batch.windows import Filler
        from vrm.engines.window_tasks import WindowTask

        task = work["window"]
        key = json.dumps([work["input"], work["words"], task["folder"]])
        if self._filler is None or self._key != key:
            self.close()
            folder = Path(task["folder"])
            own = folder / self._own
            own.mkdir(exist_ok=True, mode=0o700)
            self._filler = Filler(Path(work["input"]), build_options(**work["words"]), folder, own, events)
            self._key = key
        return self._filler.do(WindowTask(task["shot"], task["window"]))


def _remove(work: dict[str, Any], events: Events, workers: Workers | None) -> dict[str, Any]:
    from vrm.pipeline import remove

    options = build_options(**work["words"])
    return remove(Path(work["input"]), Path(work["output"]), options, events, workers, work["at_once"]).to_dict()


def failure(error: Exception) -> dict[str, Any]:
    """An error as plain values: "text", "fix" and "exit_code"; of a shortage also "memory", of a bug "traceback".

    To be called from an except clause where the error may be a bug.
    """
    if not isinstance(error, VrmError):
        words = f"A bug in vrm {__version__}: {type(error).__name__}: {error}"
        found = {"text": words, "fix": "Please report it.", "exit_code": 1, "traceback": traceback.format_exc()}
    else:
        found = {"text": error.what, "fix": error.fix, "exit_code": error.exit_code}
        if isinstance(error, OutOfMemory):
            found["memory"] = True
    return found | {"text": " ".join(str(found["text"]).split())}


def as_error(error: dict[str, Any]) -> Exception:
    """The error that ``failure`` described in another process, to be raised in this one."""
    for kind in [OutOfMemory] if error.get("memory") else VrmError.__subclasses__():
        if kind.exit_code == error["exit_code"]:
            return kind(error["text"], error["fix"])
    return RuntimeError(error.get("traceback", error["text"]))


def plain(value: Any) -> Any:
    """Paths as text, keyframes by number as FRAME=IMAGE, iterables as lists."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, dict):
        if value and all(isinstance(key, int) for key in value):
            return [f"{key}={path}" for key, path in value.items()]
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(item) for item in value]
    return value
