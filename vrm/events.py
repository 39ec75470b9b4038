"""What long work tells whoever started it: stages, progress, words worth reading, and the result.

``Events`` itself is silent; subclasses show a bar (``vrm.cli.progress``) or write lines of JSON (``JsonEvents``).
The pipeline calls ``stage``, then ``advance`` until the stage's total is reached; beside them ``overall``, which says
how far the whole job is; ``plan`` once the masks are known; ``note`` at any time, and ``done`` once, last. Calls come
from one thread and must be cheap.
"""

from __future__ import annotations

import json
import sys
import time
import unicodedata
from collections.abc import Callable
from dataclasses import asdict, dataclass
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


@dataclass(frozen=True)
class Overall:
    """How far a whole job is.

    Attributes:
        done: share of all its work, 0 to 1; never falls, and is 1 when the output is in place.
        stage: under way now, as in ``Events.stage``.
        left: seconds until the whole job is done, about; None as long as nothing is known.
        shot, shots: the shot that is filled, from 1, of how many; 0 while none is.
    """

    done: float
    stage: str = ""
    left: float | None = None
    shot: int = 0
    shots: int = 0


@dataclass(frozen=True)
class Plan:
    """What is about to be done, said when the masks are known and before anything is filled.

    Attributes:
        frames: that are written.
        masked_frames: those of them that are to be filled.
        hole, largest_hole: share of the frame that is filled on these, 0 to 1: the mean, and the most.
        seconds: that the rest will take, roughly; see ``vrm.job.estimate``.
    """

    frames: int
    masked_frames: int
    hole: float
    largest_hole: float
    seconds: float

    def text(self) -> str:
        if not self.masked_frames:
            return f"{counted(self.frames, 'frame')}, nothing to fill"
        hole = f"{self.hole:.1%} of the frame"
        if self.largest_hole >= 1.2 * self.hole:
            hole += f", up to {self.largest_hole:.1%}"
        return (
            f"{self.masked_frames} of {counted(self.frames, 'frame')} to fill; hole {hole}; "
            f"about {duration(self.seconds, rough=True)}"
        )


class Events:
    """Listens and says nothing; the base of every listener."""

    def stage(self, name: str, total: int) -> None:
        """A stage begins: ``total`` steps (frames, iterations), 0 where the number is not known.

        The same name again restarts the stage (the next shot); other stages of that name are over.
        """

    def advance(self, name: str, n: int = 1) -> None:
        """``n`` more steps of stage ``name`` are done."""

    def overall(self, overall: Overall) -> None:
        """How far the whole job is; told with each stage and each step of one."""

    def plan(self, plan: Plan) -> None:
        """The masks are known: what is about to be done."""

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
    """One JSON object per line: ``{"event": "stage"|"progress"|"overall"|"note"|...}``; keys and words are stable.

    Progress is written at most every ``interval`` seconds and at the end of a stage, ``overall`` at most as often.
    """

    def __init__(self, out: TextIO | None = None, interval: float = 0.2, job: int | None = None) -> None:
        self._out = out if out is not None else sys.stdout
        self._interval = interval
        self._mark = {} if job is None else {"job": job}
        self._done: dict[str, int] = {}
        self._total: dict[str, int] = {}
        self._said = self._overall_said = -interval

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

    def overall(self, overall: Overall) -> None:
        """Write ``{"event": "overall", "done": 0.42, "stage": name, "left": seconds, "shot": 3, "shots": 6}``."""
        now = time.monotonic()
        if now - self._overall_said >= self._interval or overall.done == 1:
            self._overall_said = now
            left = None if overall.left is None else round(overall.left, 1)
            self._write(event="overall", **asdict(overall) | {"done": round(overall.done, 4), "left": left})

    def plan(self, plan: Plan) -> None:
        """Write ``{"event": "plan", "frames": N, "masked_frames": M, ...}``, see ``Plan``."""
        self._write(event="plan", **asdict(plan))

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


def counted(n: int, noun: str, plural: str = "") -> str:
    """``1 frame``, ``2 frames``."""
    return f"{n} {noun if n == 1 else plural or noun + 's'}"


def span(first: int, last: int) -> str:
    """``frame 5``, ``frames 5 to 9``."""
    return f"frame {first}" if first == last else f"frames {first} to {last}"


def duration(seconds: float, rough: bool = False) -> str:
    """``0:08``, ``1:40``, ``2:05:00``; roughly ``8 s``, ``2 min``, ``1.5 h``."""
    if not rough:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
    if seconds < 55:
        return f"{max(1, round(seconds) if seconds < 10 else 5 * round(seconds / 5))} s"
    if seconds < 55 * 60:
        return f"{max(1, round(seconds / 60))} min"
    return f"{seconds / 3600:.1f} h" if seconds < 10 * 3600 else f"{round(seconds / 3600)} h"


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
