"""A process that works on one video, or one part of a video, after another, started by ``vrm.batch.pool`` or ``crew``.

It reads tasks from standard input and writes what happens to standard output, one JSON object a line: events as
``JsonEvents`` writes them, and ``{"ended": {...}}`` after each task. It ends when its input does, also in the middle of
a task: then whoever started it is gone.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from pathlib import Path
from typing import TextIO

from vrm.events import JsonEvents
from vrm.system.process import configure_process


def main() -> None:
    """Serve until the input ends."""
    # Ctrl-C reaches every process of a terminal; the one that started us decides, and sends SIGTERM once.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _interrupt)
    configure_process()
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)  # what libraries print must not come between
        try:
            _serve(out)
        except (KeyboardInterrupt, BrokenPipeError):
            sys.exit(130)


def _serve(out: TextIO) -> None:
    from vrm.batch.tasks import PartWork, perform

    parts = PartWork()
    tasks: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_listen, args=(tasks,), daemon=True).start()
    while (line := tasks.get()) is not None:
        given, events = json.loads(line), JsonEvents(out)
        if "part" in given:
            done = parts.perform(given, Path(given["part"]["folder"]) / f"process-{os.getpid()}", events)
        else:
            done = perform(given, events)
        out.write(json.dumps({"ended": done}) + "\n")
        out.flush()


def _listen(tasks: queue.Queue[str | None]) -> None:
    """Hand on what comes, line by line; at its end stop the work, or the waiting for work."""
    main = threading.main_thread().ident
    assert main is not None
    waiting = b""
    while more := os.read(0, 1 << 16):  # not sys.stdin: a thread that waits in its lock would break Python's exit
        *lines, waiting = (waiting + more).split(b"\n")
        for line in lines:
            tasks.put(line.decode())
    tasks.put(None)
    # To that thread: the system may hand a signal for the process to this one, and the other would wait on.
    signal.pthread_kill(main, signal.SIGTERM)


def _interrupt(signum: int, frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # cleaning up is not interrupted again
    raise KeyboardInterrupt
