"""What a process leaves for the one that started it to read when it crashes: where it was, and in which file.

FFmpeg's decoders are large programs fed with files from anywhere: a fault in one ends the process, and nothing in that
process can say so any more. So a process that reads videos (``vrm.cli.supervisor``, ``vrm.system.worker``) writes the
name of each file that it opens to a pipe, and Python's ``faulthandler`` adds where every thread was at the end.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vrm.errors import EngineError, VideoError, VrmError

_VARIABLE = "VRM_CRASH_PIPE"
_FAULTS = {"SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP", "SIGSYS"}
_WINDOWS_FAULT = 0x80000000
"""Exit codes from here on are exceptions that nobody caught."""
_THREAD = re.compile(r"(?:Current thread|Thread) 0x([0-9a-f]+)")
_FRAME = re.compile(r'  File "(.*)", line (\d+) in (.*)')
_READERS = re.compile(r"vrm/media/(read/\w+|frame/\w+|write/(remux|streams|containers|convert))\.py$")
"""The modules that hand what is in a file to FFmpeg."""

_pipe: int | None = None


def attach() -> None:
    """In a process that a ``CrashBox`` started: say from now on what is read. Elsewhere nothing happens."""
    global _pipe
    handle = os.environ.pop(_VARIABLE, "")
    if not handle:
        return
    _pipe = descriptor(int(handle))
    faulthandler.enable(_pipe, all_threads=True)


def reading(path: Path) -> None:
    """Note that this thread goes on with a file."""
    _note("reading", path)


def writing(path: Path) -> None:
    """Note a file or folder that is to be deleted if the process crashes."""
    _note("writing", path)


def _note(what: str, path: Path) -> None:
    if _pipe is not None:
        with contextlib.suppress(OSError):  # nobody listens any more
            os.write(_pipe, f"{what} {threading.get_ident():x} {os.fsencode(path).hex()}\n".encode())


class CrashBox:
    """A process, and what it says of itself for the case that it crashes."""

    def __init__(self, command: Sequence[str], inherited: Sequence[int] = (), **options: Any) -> None:
        """Start it; ``inherited`` are further pipe ends that it gets, ``options`` those of ``subprocess.Popen``."""
        self._reading: dict[str, str] = {}
        self._last = ""
        self._written: set[str] = set()
        self._said: list[str] = []
        self._end, given = os.pipe()
        options["env"] = (options.get("env") or dict(os.environ)) | {_VARIABLE: str(inheritable(given))}
        self.process = start(command, (given, *inherited), **options)
        os.close(given)

    def listen(self) -> None:
        """Take in what it says, until it has ended."""
        with os.fdopen(self._end, "rb") as lines:
            for line in lines:
                words = line.decode(errors="replace").rstrip("\n")
                if not words.startswith(("reading ", "writing ")):
                    self._said.append(words)
                    continue
                what, thread, name = words.split(" ")
                path = os.fsdecode(bytes.fromhex(name))
                if what == "writing":
                    self._written.add(path)
                else:
                    self._last = self._reading[thread] = path

    def death(self, code: int) -> VrmError:
        """What is known of the process, which has ended without a result, by its exit code; tidies up after it."""
        for partial in self._written:
            delete(Path(partial))
        name = fault(code)
        if name is None:
            return death(code)
        if (path := self._culprit()) is not None:
            return VideoError(
                f"{path} cannot be read: the decoder crashed on it ({name}).",
                "It may be damaged; another program may be able to convert it. Please report it with the file.",
            )
        while_at = f" while it worked on {self._last}" if self._last else ""
        where = next((f" ({_shown(frame)})" for frames in self._threads().values() for frame in frames[:1]), "")
        return EngineError(f"The process crashed by {name}{while_at}{where}.", "Please report it.")

    def _culprit(self) -> str | None:
        """The file that the process was reading, if it crashed there.

        That is in the thread of the fault; or, where that is one of FFmpeg's own, in one that waits for FFmpeg.
        """
        threads = self._threads()
        for thread, frames in threads.items():
            own = [name for name, _, _ in frames if "vrm/" in name.replace("\\", "/")]
            looked_at = own[:1] if thread == next(iter(threads)) else [name for name, _, _ in frames[:1]]
            if any(_READERS.search(name.replace("\\", "/")) for name in looked_at):
                return self._reading.get(thread)
            if own and thread == next(iter(threads)):
                return None
        return None

    def _threads(self) -> dict[str, list[tuple[str, str, str]]]:
        """The frames of each thread at the end: file, line, function; the crashed thread first."""
        threads: dict[str, list[tuple[str, str, str]]] = {}
        frames: list[tuple[str, str, str]] = []
        current = ""
        for line in self._said:
            if (head := _THREAD.match(line)) is not None:
                thread = head[1].lstrip("0")
                frames = threads.setdefault(thread, [])
                current = thread if line.startswith("Current") else current
            elif (frame := _FRAME.match(line)) is not None:
                frames.append((frame[1], frame[2], frame[3]))
        return {current: threads.pop(current, []), **threads}


def delete(path: Path) -> None:
    """Delete a file or a folder, as far as that can be done."""
    with contextlib.suppress(OSError):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _shown(frame: tuple[str, str, str]) -> str:
    return f"{Path(frame[0]).name}, line {frame[1]}, {frame[2]}"


def fault(code: int) -> str | None:
    """The name of the fault that ended a process, by its exit code; None if it was none."""
    if code >= _WINDOWS_FAULT:
        return f"exception 0x{code:08X}"
    try:
        name = signal.Signals(-code).name if code < 0 else ""
    except ValueError:
        name = ""
    return name if name in _FAULTS else None


def death(code: int) -> EngineError:
    """What is known of a process that ended without a result and without a fault of its own."""
    if code >= 0:
        return EngineError(f"The process that worked on it ended with code {code}.")
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    if name == "SIGKILL":
        hint = "Mostly that is for want of memory: give --memory, or fewer --jobs."
        return EngineError("The process that worked on it was killed (SIGKILL).", hint)
    return EngineError(f"The process that worked on it ended by {name}.", "Please report it, if it happens again.")


def start(command: Sequence[str], pipes: Sequence[int], **options: Any) -> subprocess.Popen[bytes]:
    """Start a process that gets these pipe ends, which were made ``inheritable``."""
    if sys.platform == "win32":
        return subprocess.Popen(command, close_fds=False, **options)
    return subprocess.Popen(command, pass_fds=pipes, **options)


def inheritable(pipe: int) -> int:
    """Let processes that are started get an end of a pipe; returns the number that they know it by."""
    os.set_inheritable(pipe, True)
    if sys.platform == "win32":
        import msvcrt

        return msvcrt.get_osfhandle(pipe)
    return pipe


def descriptor(handle: int) -> int:
    """The end of a pipe that this process was given under that number; processes that it starts do not get it."""
    pipe = handle
    if sys.platform == "win32":
        import msvcrt

        pipe = msvcrt.open_osfhandle(handle, 0)
    os.set_inheritable(pipe, False)
    return pipe
