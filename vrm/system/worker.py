"""A process of this machine that does one task after another, and how it is spoken to.

Tasks reach its standard input and records leave its standard output, one JSON object a line; after the records of a
task comes ``{"ended": result}``. The process ends when its input does, also in the middle of a task: so no worker
outlives the process that started it, not even one that was killed, and no system needs signals for it.
"""

from __future__ import annotations

import _thread
import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from vrm.errors import VrmError
from vrm.system.crash import CrashBox, attach

PATIENCE = 20
"""Seconds that an interrupted process has for clearing up before it is killed."""

POLL = 0.5
"""Seconds between looks for an interrupt while waiting: on Windows no wait for a queue is interrupted by Ctrl-C."""

_ROOT = str(Path(__file__).parents[2])

Record = dict[str, Any]


def command(module: str, function: str = "main") -> tuple[str, ...]:
    """The command that runs a function of a module; that of a worker calls ``serve``.

    A program of its own: a caller of vrm needs no ``if __name__ == "__main__"``, and nothing is imported from the
    working folder.
    """
    code = f"import sys; sys.path.append({_ROOT!r}); from {module} import {function}; {function}()"
    return sys.executable, "-P", "-c", code


class Worker:
    """A worker process, seen from the process that starts it.

    Args:
        command: see ``command``.
        heard: called in a thread with each record, and with None when the process will say no more.
    """

    def __init__(self, command: tuple[str, ...], heard: Callable[[Worker, Record | None], None]) -> None:
        self._box = CrashBox(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._process = self._box.process
        self._heard = heard
        self._listener = threading.Thread(target=self._box.listen, daemon=True)
        self._listener.start()
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def begin(self, task: Record) -> None:
        """Hand it a task, once it has ended the one before."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it has died, which the end of its output tells
            self._process.stdin.write(json.dumps(task).encode() + b"\n")
            self._process.stdin.flush()

    def interrupt(self) -> None:
        """Have it stop what it does, clear up and end."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def end(self, patience: float | None = None) -> int:
        """Interrupt it and wait; kill it after ``patience`` seconds. Returns the exit code; negative: a signal."""
        self.interrupt()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(PATIENCE if patience is None else patience)
        self._process.kill()
        return self._process.wait()

    def death(self) -> VrmError:
        """End it, which has said no result, and say what is known of why."""
        code = self.end()
        self._listener.join(1)
        return self._box.death(code)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                try:
                    record = json.loads(line)
                except ValueError:  # it died in the middle of a line
                    break
                self._heard(self, record)
        self._heard(self, None)


def serve(perform: Callable[[Record, TextIO], Record]) -> None:
    """The worker's side: do tasks until the input ends, then exit; ``perform(task, out)`` writes records to ``out``."""
    attach()
    # Ctrl-C reaches every process of a terminal, but the one that started this one decides what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _raise_interrupt)
    tasks: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)  # what libraries print must not come between the records
        try:
            threading.Thread(target=_receive, args=(tasks,), daemon=True).start()
            while (line := tasks.get()) is not None:
                result = perform(json.loads(line), out)
                out.write(json.dumps({"ended": result}) + "\n")
                out.flush()
        except (KeyboardInterrupt, BrokenPipeError):
            sys.exit(130)


def _receive(tasks: queue.SimpleQueue[str | None]) -> None:
    """Thread: queue the lines of standard input; at its end interrupt the main thread's work, or its wait for some."""
    waiting = b""
    while more := os.read(0, 1 << 16):  # not sys.stdin: a thread that waits in its lock would break Python's exit
        *lines, waiting = (waiting + more).split(b"\n")
        for line in lines:
            tasks.put(line.decode())
    tasks.put(None)
    if hasattr(signal, "pthread_kill"):  # wakes the main thread from whatever it waits for
        main = threading.main_thread().ident
        assert main is not None
        signal.pthread_kill(main, signal.SIGTERM)
    else:
        _thread.interrupt_main(signal.SIGTERM)


def _raise_interrupt(signum: int, frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # clearing up is not interrupted again
    raise KeyboardInterrupt
