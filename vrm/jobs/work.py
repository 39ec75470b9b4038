"""One job in a process that does one after another: whatever goes wrong becomes words, not the process's end."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

from vrm import __version__
from vrm.disk import FREE, FULL, disk_error
from vrm.errors import OutOfMemory, OutputError, VrmError
from vrm.events import Events
from vrm.keywords import build_options
from vrm.memory import is_shortage


def task(input: Path, output: Path, words: dict[str, Any]) -> dict[str, Any]:
    """A job as plain values, to be sent to another process or machine."""
    return {"vrm": __version__, "input": str(input), "output": str(output), "words": plain(words)}


def perform(given: dict[str, Any], events: Events) -> dict[str, Any]:
    """Do one task.

    Returns:
        ``{"report": {...}}``, or ``{"error": {"text", "fix", "exit_code"}}`` (of a bug with its "traceback").

    Raises:
        KeyboardInterrupt: passed on.
    """
    from vrm.pipeline import remove

    try:
        options = build_options(**given["words"])
        return {"report": remove(Path(given["input"]), Path(given["output"]), options, events).to_dict()}
    except Exception as error:
        known = foreseen(error)
        if known is None:
            words = f"A bug in vrm {__version__}: {type(error).__name__}: {error}"
            return {"error": failure(words, "Please report it.", 1) | {"traceback": traceback.format_exc()}}
        return {"error": failure(known.what, known.fix, known.exit_code)}


def failure(text: str, fix: str = "", exit_code: int = 6) -> dict[str, Any]:
    """An error as plain values."""
    return {"text": " ".join(text.split()), "fix": fix, "exit_code": exit_code}


def foreseen(error: Exception) -> VrmError | None:
    """The error in words for the user; None if it is a bug."""
    if isinstance(error, VrmError):
        return error
    if is_shortage(error):
        fix = "Give --memory GB, a smaller range, or --device cpu where the GPU's was too small."
        return OutOfMemory("The machine ran out of memory.", fix)
    if (reason := disk_error(error, FULL)) is not None:
        return OutputError(f"Writing {getattr(error, 'filename', None) or 'a file'} failed: {reason}.", FREE)
    return None


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
