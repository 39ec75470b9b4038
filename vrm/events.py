"""What long work tells whoever started it: stages, progress, words worth reading, and the result.

``Events`` itself is silent; subclasses show a bar (``vrm.cli.progress``) or write lines of JSON (``JsonEvents``).
The pipeline calls ``stage``, then ``advance`` until the stage's total is reached, ``note`` at any time, and ``done``
once, last. Calls come from one thread and must be cheap.
"""

from __future__ import annotations

import json
import sys
import time
import unicodedata
from collections.abc import Callable
from typing import Any, Protocol, TextIO

Progress = Callable[[str, int, int], None]
"""``progress(stage, done, total)``; called often, must be cheap."""


def no_progress(stage: str, done: int, total: int) -> None:
    """A progress callback that says nothing."""


class Result(Protocol):
    """A report that can be said in JSON, such as ``vrm.report.model.RemoveReport``."""

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, strings and numbers."""
        ...


class Events:
    """Listens and says nothing; the base of every listener."""

    def stage(self, name: str, total: int) -> None:
        """A stage begins: ``total`` steps (frames, iterations), 0 where the number is not known.

        The same name again restarts the stage (the next shot); other stages of that name are over.
        """

    def advance(self, name: str, n: int = 1) -> None:
        """``n`` more steps of stage ``name`` are done."""

    def note(self, text: str) -> None:
        """One line the user should read: what is assumed, converted, lost or slow."""

    def done(self, report: Result) -> None:
        """The work is over and the output is in place."""

    def batch(self, total: int) -> None:
        """Work on ``total`` videos begins."""

    def job(self, index: int, input: str, output: str) -> Events:
        """One of many videos is begun: whoever is to hear of it. Several may be under way at the same time."""
        return self

    def ended(self, outcome: Result) -> None:
        """One of many videos is done, skipped, or has failed: ``vrm.batch.summary.Outcome``."""

    def summary(self, summary: Result) -> None:
        """All of many videos are over: ``vrm.batch.summary.Summary``. Called once, last."""


class JsonEvents(Events):
    """One JSON object per line: ``{"event": "stage"|"progress"|"note"|"done", ...}``; keys and words are stable.

    Progress is written at most every ``interval`` seconds and at the end of a stage.
    """

    def __init__(self, out: TextIO | None = None, interval: float = 0.2, job: int | None = None) -> None:
        self._out = out if out is not None else sys.stdout
        self._interval = interval
        self._mark = {} if job is None else {"job": job}
        self._done: dict[str, int] = {}
        self._total: dict[str, int] = {}
        self._said = 0.0

    def stage(self, name: str, total: int) -> None:
        """Write ``{"event": "stage", "stage": name, "total": total}``."""
        self._done[name], self._total[name] = 0, total
        self._write(event="stage", stage=name, total=total)

    def advance(self, name: str, n: int = 1) -> None:
        """Write ``{"event": "progress", "stage": name, "done": ..., "total": ...}``."""
        done = self._done[name] = self._done.get(name, 0) + n
        total = self._total.get(name, 0)
        now = time.monotonic()
        if now - self._said >= self._interval or done == total:
            self._said = now
            self._write(event="progress", stage=name, done=done, total=total)

    def note(self, text: str) -> None:
        """Write ``{"event": "note", "text": text}``."""
        self._write(event="note", text=text)

    def done(self, report: Result) -> None:
        """Write ``{"event": "done", "report": {...}}``."""
        self._write(event="done", report=report.to_dict())

    def batch(self, total: int) -> None:
        """Write ``{"event": "batch", "total": N}``."""
        self._write(event="batch", total=total)

    def job(self, index: int, input: str, output: str) -> Events:
        """Write ``{"event": "job", "job": K, "status": "started", ...}``; its own lines carry ``"job": K`` too."""
        self._write(event="job", job=index, status="started", input=input, output=output)
        return JsonEvents(self._out, self._interval, index)

    def ended(self, outcome: Result) -> None:
        """Write ``{"event": "job", "job": K, "status": "done"|"skipped"|"failed"|"left", ...}``."""
        self._write(event="job", **outcome.to_dict())

    def summary(self, summary: Result) -> None:
        """Write ``{"event": "summary", "done": N, ...}``."""
        self._write(event="summary", **summary.to_dict())

    def error(self, what: str, fix: str, exit_code: int) -> None:
        """Write ``{"event": "error", "text": what, "fix": fix, "exit_code": exit_code}``."""
        self._write(event="error", text=what, fix=fix, exit_code=exit_code)

    def _write(self, **record: Any) -> None:
        self._out.write(json_text(record | self._mark) + "\n")
        self._out.flush()


def printable(text: str, keep: str = "\n\t") -> str:
    """Text for a terminal: what a file's name or its tags hold to steer one (escapes, bells) is spelled out instead."""
    return "".join(c if c in keep or unicodedata.category(c) != "Cc" else f"\\x{ord(c):02x}" for c in text)


def json_text(record: dict[str, Any], indent: int | None = None) -> str:
    """JSON with its letters as they are, unless a file name holds bytes that are no letters: then in escapes."""
    text = json.dumps(record, ensure_ascii=False, indent=indent)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(record, indent=indent)
    return text


def stages(events: Events) -> Progress:
    """A progress callback that tells ``events``."""
    seen: dict[str, tuple[int, int]] = {}

    def progress(stage: str, done: int, total: int) -> None:
        before, of = seen.get(stage, (0, -1))
        if of != total or done < before:
            events.stage(stage, total)
            before = 0
        if done > before:
            events.advance(stage, done - before)
        seen[stage] = done, total

    return progress
