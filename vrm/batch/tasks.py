"""One job, or a part of one, in a process that does many: whatever goes wrong becomes words, not the process's end."""

from __future__ import annotations

import json
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vrm.errors import OutOfMemory, VrmError
from vrm.events import Events
from vrm.options.build import build_options
from vrm.system.failures import translated
from vrm.version import __version__

if TYPE_CHECKING:
    from vrm.batch.windows import Filler
    from vrm.engines.window_tasks import Part, Workers


def task(input: Path, output: Path, words: dict[str, Any], at_once: int = 1) -> dict[str, Any]:
    """A job as plain values, to be sent to another process or machine.

    Args:
        input, output, words: of the job.
        at_once: how many such processes share the machine's disk.
    """
    words = plain(words)
    return {"vrm": __version__, "input": str(input), "output": str(output), "words": words, "at_once": at_once}


def part_task(input: Path, words: dict[str, Any], folder: Path, part: Part) -> dict[str, Any]:
    """A part of a job, whose brief lies in ``folder``, as plain values."""
    at = {"folder": str(folder), "shot": part.shot, "window": part.window}
    return {"vrm": __version__, "input": str(input), "words": plain(words), "part": at}


def perform(given: dict[str, Any], events: Events, workers: Workers | None = None) -> dict[str, Any]:
    """Do one task; ``workers`` fill its windows, if there are any.

    Returns:
        ``{"report": {...}}``, or ``{"error": {"text", "fix", "exit_code"}}`` (of a bug with its "traceback").

    Raises:
        KeyboardInterrupt: passed on.
    """
    from vrm.pipeline import remove

    try:
        options = build_options(**given["words"])
        report = remove(Path(given["input"]), Path(given["output"]), options, events, workers, given["at_once"])
        return {"report": report.to_dict()}
    except Exception as error:
        return {"error": _failed(error)}


class PartWork:
    """Does parts of videos; the video of the last part stays open for the next."""

    def __init__(self) -> None:
        self._filler: Filler | None = None
        self._key: object = None

    def perform(self, given: dict[str, Any], own: Path, events: Events) -> dict[str, Any]:
        """Do one part.

        Args:
            given: from ``part_task``.
            own: a scratch folder for this process alone; made if need be.
            events: told what goes on.

        Returns:
            ``{"facts": {...}}`` of ``Filler.do``, or ``{"error": {...}}`` as ``perform``, with "memory" where it is
            that which ran out.
        """
        from vrm.batch.windows import Filler
        from vrm.engines.window_tasks import Part

        at, key = given["part"], json.dumps([given["input"], given["words"], given["part"]["folder"]])
        try:
            if self._filler is None or self._key != key:
                self.close()
                own.mkdir(exist_ok=True, mode=0o700)
                folder, options = Path(at["folder"]), build_options(**given["words"])
                self._filler, self._key = Filler(Path(given["input"]), options, folder, own, events), key
            return {"facts": self._filler.do(Part(at["shot"], at["window"]))}
        except Exception as error:
            found = {"error": _failed(error)}
        self.close()  # what it holds may be spoilt, or too much
        return found

    def close(self) -> None:
        """Let go of what is open."""
        if self._filler is not None:
            self._filler.close()
        self._filler = None


def _failed(error: Exception) -> dict[str, Any]:
    """Called from an except clause."""
    known = translated(error)
    if known is None:
        words = f"A bug in vrm {__version__}: {type(error).__name__}: {error}"
        return failure(words, "Please report it.", 1) | {"traceback": traceback.format_exc()}
    memory = {"memory": True} if isinstance(known, OutOfMemory) else {}
    return failure(known.what, known.fix, known.exit_code) | memory


def as_error(error: dict[str, Any]) -> Exception:
    """What ``failure`` said of another process, to be raised in this one."""
    kinds: dict[int, type[VrmError]] = {kind.exit_code: kind for kind in VrmError.__subclasses__()}
    if error["exit_code"] not in kinds:
        return RuntimeError(error.get("traceback", error["text"]))
    return kinds[error["exit_code"]](error["text"], error["fix"])


def failure(text: str, fix: str = "", exit_code: int = 6) -> dict[str, Any]:
    """An error as plain values."""
    return {"text": " ".join(text.split()), "fix": fix, "exit_code": exit_code}


def plain(value: Any) -> Any:
    """Paths as text, key frames by number as FRAME=IMAGE, iterables as lists."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, dict):
        if all(isinstance(key, int) for key in value):
            return [f"{key}={path}" for key, path in value.items()]
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(item) for item in value]
    return value
