"""The windows of one video in several processes of this machine."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from vrm.batch import pool
from vrm.batch.resources import Share
from vrm.batch.schedule import Schedule
from vrm.batch.tasks import as_error, part_task
from vrm.engines.window_tasks import Done, Part

TRIES = 3
"""Of one part, whose process died."""


class Crew:
    """Processes that do parts of one video (``vrm.engines.window_tasks.Workers``); one that dies costs a part.

    Args:
        source: the video.
        words: of the job.
        shares: what each process may use.
    """

    def __init__(self, source: Path, words: dict[str, Any], shares: list[Share]) -> None:
        self.at_once = len(shares)
        self._source, self._words, self._shares = source, words, shares
        self._processes: dict[int, _Process] = {}

    def do(self, folder: Path, parts: list[Part], note: Callable[[str], None]) -> Iterator[Done]:
        """See ``vrm.engines.window_tasks.Workers``."""
        schedule, tries = Schedule(parts), Counter[Part]()
        with selectors.DefaultSelector() as selector:
            while schedule.open:
                self._hand_out(folder, schedule, selector)
                for key, _ in selector.select():
                    process: _Process = key.data
                    for record in process.records():
                        if record.get("event") == "note":
                            note(record["text"])
                        if "ended" in record and process.part is not None:
                            part, process.part = process.part, None
                            yield from self._ended(schedule, part, record["ended"])
                    if process.over:
                        selector.unregister(process.out)
                        self._processes.pop(process.slot)
                        code = process.end()
                        if process.part is not None:  # not one that waited for work
                            tries[process.part] += 1
                            self._lost(schedule, process.part, code, tries[process.part], note)

    def close(self) -> None:
        """End every process: those at work are interrupted, killed if they do not clear up in time. May be repeated."""
        for process in self._processes.values():
            process.interrupt()
        end = time.monotonic() + pool.PATIENCE
        for process in self._processes.values():
            process.end(max(0.0, end - time.monotonic()))
        self._processes.clear()

    def _hand_out(self, folder: Path, schedule: Schedule, selector: selectors.BaseSelector) -> None:
        for slot, share in enumerate(self._shares):
            process = self._processes.get(slot)
            if process is not None and process.part is not None:
                continue
            part = schedule.next()
            if part is None:
                return
            if process is None:
                process = self._processes[slot] = _Process(slot)
                selector.register(process.out, selectors.EVENT_READ, process)
            process.begin(part, part_task(self._source, share.of(self._words), folder, part))

    @staticmethod
    def _ended(schedule: Schedule, part: Part, result: dict[str, Any]) -> Iterator[Done]:
        error = result.get("error")
        if error is None:
            schedule.done(part)
            yield Done(part, result["facts"])
        elif error.get("memory"):
            schedule.leave(part)
            yield Done(part, None)
        else:
            raise as_error(error)

    @staticmethod
    def _lost(schedule: Schedule, part: Part, code: int, tries: int, note: Callable[[str], None]) -> None:
        why = pool.death(code)
        if tries >= TRIES:
            raise as_error(why)
        note(f"A process was lost, and its part of the work is done again: {why['text']}")
        schedule.again(part)


class _Process:
    """One of them, seen from here."""

    def __init__(self, slot: int) -> None:
        self.slot = slot
        self.part: Part | None = None
        self.over = False
        self._process = subprocess.Popen(pool.WORKER, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self.out = self._process.stdout
        self._waiting = b""

    def begin(self, part: Part, given: dict[str, Any]) -> None:
        """Hand it a part."""
        self.part = part
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it died: its output ends, which is noticed there
            self._process.stdin.write(json.dumps(given).encode() + b"\n")
            self._process.stdin.flush()

    def records(self) -> Iterator[dict[str, Any]]:
        """What it has said, once there is something to read; ``over`` is set where it ended."""
        more = os.read(self.out.fileno(), 1 << 16)
        self.over = not more
        *lines, self._waiting = (self._waiting + more).split(b"\n")
        for line in lines:
            yield json.loads(line)

    def interrupt(self) -> None:
        """Have it stop what it does."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)

    def end(self, patience: float = pool.PATIENCE) -> int:
        """Wait for its end, which is forced if it does not come in time; its exit code."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(patience)
        self._process.kill()
        self.out.close()
        return self._process.wait()
