"""Commands of vrm that the page has started, each in a process of its own, and how far they are."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from typing import Any

from vrm.system.crash import death, start
from vrm.system.lifeline import lifeline

RUNNING, DONE, FAILED, CANCELLED = "running", "done", "failed", "cancelled"
_PATIENCE = 20
"""Seconds that a cancelled command has for clearing up before it is killed."""
_LAST = 4000
"""Characters of what a command says on its standard error that are kept."""


class Run:
    """One command that works, or has ended.

    Args:
        kind: "follow", "try", "remove", ...
        program: what to start; it writes events as lines of JSON.
        told: called in a thread after each change.
        said: the words that it works by.

    Attributes:
        state: one of ``RUNNING``, ``DONE``, ``FAILED``, ``CANCELLED``.
        overall: the last event of that kind: how far the whole job is.
        report: of a run that is done.
        error: what and how to fix it, of one that failed.
    """

    def __init__(
        self, kind: str, program: Sequence[str], told: Callable[[Run], None], said: dict[str, Any] | None = None
    ) -> None:
        self.kind, self.said, self._told = kind, said or {}, told
        self.state = RUNNING
        self.overall: dict[str, Any] = {}
        self.plan: dict[str, Any] = {}
        self.notes: list[str] = []
        self.report: dict[str, Any] = {}
        self.error = ""
        self.other: dict[str, Any] = {}
        given, self._lifeline, environment = lifeline()
        self._process = start(
            program, (given,), env=environment, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        os.close(given)
        self._complaints = ""
        self._reader = threading.Thread(target=self._complain, daemon=True)
        self._reader.start()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def cancel(self) -> None:
        """Have it stop, clear up and end; it is killed if it does not. Returns at once."""
        if self.state == RUNNING and self._process.poll() is None:
            self.state = CANCELLED
            self._told(self)
            with contextlib.suppress(OSError):
                self._process.send_signal(signal.SIGINT if os.name == "posix" else signal.SIGTERM)
            threading.Thread(target=self._kill, daemon=True).start()

    def wait(self, seconds: float | None = None) -> None:
        self._listener.join(seconds)

    def to_dict(self) -> dict[str, Any]:
        record = {"kind": self.kind, "state": self.state, "overall": self.overall, "plan": self.plan}
        return record | {"notes": self.notes[-20:], "error": self.error}

    def _kill(self) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_PATIENCE)
        self._process.kill()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                try:
                    self._heard(json.loads(line))
                except (ValueError, KeyError):  # it died in the middle of a line
                    break
        code = self._process.wait()
        os.close(self._lifeline)
        self._reader.join(2)
        if self.state == CANCELLED and (code == 0 or self.report):  # it was too late
            self.state = DONE
        elif self.state == RUNNING:
            self.state = DONE if code == 0 else FAILED
            if code and not self.error:
                self.error = self._why(code)
        self._told(self)

    def _heard(self, record: dict[str, Any]) -> None:
        match record["event"]:
            case "overall":
                self.overall = record
            case "plan":
                self.plan = record
            case "note":
                self.notes.append(record["text"])
            case "done":
                self.report = record["report"]
            case "error":
                self.error = f"{record['text']} {record['fix']}".strip()
            case "stage" | "progress":
                self.other[record["event"]] = record
                if record["event"] == "stage" or self.overall:
                    return
            case other:
                self.other[other] = record
        self._told(self)

    def _complain(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            for line in lines:
                self._complaints = (self._complaints + line.decode(errors="replace"))[-_LAST:]

    def _why(self, code: int) -> str:
        if code in (-9, 137):  # SIGKILL to it, or to the process that it waits for
            return "The process that worked on it was killed. What was said is kept: start it again."
        if self._complaints.strip():
            return self._complaints.strip().splitlines()[-1]
        return str(death(code))
