"""Jobs on this machine: a few processes, each kept alive from one video to the next."""

from __future__ import annotations

import contextlib
import json
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vrm.batch.plan import Job
from vrm.batch.resources import Share
from vrm.batch.tasks import failure, task

_ROOT = str(Path(__file__).parents[2])
WORKER = (
    *(sys.executable, "-P", "-c"),
    f"import sys; sys.path.append({_ROOT!r}); from vrm.batch.worker import main; main()",
)
"""How a process is started: a program of its own, so that whoever calls us from Python needs no main guard, and nothing
is imported from the folder one happens to be in."""

PATIENCE = 20
"""Seconds that interrupted processes have for clearing up."""

_RENEWED_AFTER = (1, 6)
"""Exit codes after which a process is not used again: what it holds may be spoilt, or too much."""


@dataclass(frozen=True)
class Begun:
    """A job was taken up."""

    job: Job
    worker: str


@dataclass(frozen=True)
class Said:
    """A line of ``JsonEvents`` about a job under way."""

    job: Job
    record: dict[str, Any]


@dataclass(frozen=True)
class Ended:
    """A job is over: ``{"report"}`` or ``{"error"}``, see ``vrm.batch.tasks.perform``."""

    job: Job
    result: dict[str, Any]
    seconds: float
    worker: str = ""
    tries: int = 1


Message = Begun | Said | Ended


class Pool:
    """Jobs in one process per share; a process that dies costs the job it was working on and no other.

    Beside each process a thread hands it tasks and hears it.
    """

    def __init__(self, jobs: list[Job], shares: list[Share]) -> None:
        self._waiting = deque(jobs)
        self._messages: queue.Queue[Message | BaseException | None] = queue.Queue()
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()
        self._stopped = False
        count = min(len(shares), len(jobs))
        self._threads = [threading.Thread(target=self._serve, args=(k, shares[k]), daemon=True) for k in range(count)]
        self._open = count

    def messages(self) -> Iterator[Message]:
        """What happens, in the order it does, until all is over; may be asked again after an interrupt."""
        for thread in self._threads:
            if thread.ident is None:
                thread.start()
        while self._open:
            message = self._messages.get()
            if message is None:
                self._open -= 1
            elif isinstance(message, BaseException):
                raise message
            else:
                yield message

    def stop(self) -> None:
        """End every process: those at work are interrupted, and killed if they do not clear up in time."""
        with self._lock:
            patience = 0 if self._stopped else PATIENCE
            self._stopped = True
            processes = list(self._processes.values())
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        end = time.monotonic() + patience
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, end - time.monotonic()))
            process.kill()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    close = stop

    def _serve(self, slot: int, share: Share) -> None:
        """Thread: one job after another through one process, which is replaced where it died."""
        process: subprocess.Popen[bytes] | None = None
        try:
            while not self._stopped:
                try:
                    job = self._waiting.popleft()
                except IndexError:
                    break
                if process is None:
                    process = self._start(slot)
                if process is None:
                    break
                if self._work(slot, process, job, share):
                    self._end(process)
                    process = None
            if process is not None:
                self._end(process)
        except BaseException as error:
            self._messages.put(error)
        finally:
            self._messages.put(None)

    def _start(self, slot: int) -> subprocess.Popen[bytes] | None:
        with self._lock:
            if self._stopped:
                return None
            process = subprocess.Popen(WORKER, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            self._processes[slot] = process
            return process

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:  # it has said its last word, and has nothing left to clear up
            process.kill()
            process.wait()
        process.stdout.close()

    def _work(self, slot: int, process: subprocess.Popen[bytes], job: Job, share: Share) -> bool:
        """Have a process do a job; True if it is not to be used again."""
        assert process.stdin is not None
        assert process.stdout is not None
        name = str(slot)
        begin = time.monotonic()
        self._messages.put(Begun(job, name))
        result: dict[str, Any] | None = None
        with contextlib.suppress(BrokenPipeError):
            given = task(job.input, job.output, share.of(job.words), len(self._threads))
            process.stdin.write(json.dumps(given).encode() + b"\n")
            process.stdin.flush()
        for line in process.stdout:
            try:
                record = json.loads(line)
            except ValueError:
                break  # it died in the middle of a line
            if "ended" in record:
                result = record["ended"]
                break
            self._messages.put(Said(job, record))
        lost = result is None
        if result is None:
            result = {"error": death(process.wait())}
            remove_partial(job.output, str(process.pid))
            if self._stopped:
                return True
        self._messages.put(Ended(job, result, time.monotonic() - begin, name))
        return lost or result.get("error", {}).get("exit_code") in _RENEWED_AFTER


def remove_partial(output: Path, by: str = "*") -> None:
    """Remove what a process that was killed has left of an output beside it."""
    for path in output.parent.glob(f".{_literal(output.stem)}.{by}.part{_literal(output.suffix)}"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _literal(text: str) -> str:
    """Text for glob that means itself."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in text)


def death(code: int) -> dict[str, Any]:
    """What is known of a process that ended without a word."""
    if code >= 0:
        return failure(f"The process that worked on it ended with code {code}.")
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    if name == "SIGKILL":
        hint = "Mostly that is for want of memory: give --memory, or fewer --jobs."
        return failure("The process that worked on it was killed (SIGKILL).", hint)
    return failure(f"The process that worked on it ended by {name}.", "Please report it, if it happens again.")
