"""What became of each of many videos, and of all together: for the terminal, and as JSON."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vrm.errors import OutputError
from vrm.events import duration, json_text, printable
from vrm.system.files import atomic_write

STATUSES = ("done", "planned", "skipped", "failed", "left")
"""Planned: looked at by a dry run. Left: not done when the work was interrupted."""


@dataclass(frozen=True)
class Outcome:
    """What became of one video.

    Attributes:
        job: its number, from 0, in the order of the work.
        seconds: from beginning to end; of a planned one, those that it will take, about.
        frames, masked_frames: written, and of those changed; of a planned one, those that will be.
        coverage, unsure, synthesised: shares of the filled pixels that were found in other frames reliably, found but
            not reliably, and seen nowhere, 0..1; None if it is not done.
        look_at: the frames to look at first, as runs ``[first, last]``.
        peak_memory_mb: of the process that worked on it, so far.
        tries: how often it was begun; more than once where a machine was lost.
        worker: the process or machine that worked on it.
        error: of a failed one: ``{"text", "fix", "exit_code"}``; empty otherwise.
    """

    job: int
    input: str
    output: str
    status: str
    seconds: float = 0.0
    frames: int = 0
    masked_frames: int = 0
    coverage: float | None = None
    unsure: float | None = None
    synthesised: float | None = None
    look_at: list[list[int]] = field(default_factory=list)
    peak_memory_mb: float = 0.0
    tries: int = 0
    worker: str = ""
    error: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return Path(self.input).name

    @property
    def doubtful(self) -> float:
        """Share of the filled pixels that is not known to be right."""
        return (self.unsure or 0.0) + (self.synthesised or 0.0)

    def to_dict(self) -> dict[str, Any]:
        """Plain values; every key is always there."""
        return asdict(self) | {"seconds": round(self.seconds, 3)}


@dataclass(frozen=True)
class Summary:
    """What became of all, in the order of the work; ``seconds`` are those of the whole batch."""

    outcomes: tuple[Outcome, ...]
    seconds: float

    def count(self, status: str) -> int:
        return sum(outcome.status == status for outcome in self.outcomes)

    def to_dict(self) -> dict[str, Any]:
        counts = {status: self.count(status) for status in STATUSES}
        jobs = [outcome.to_dict() for outcome in self.outcomes]
        return {"total": len(jobs), **counts, "seconds": round(self.seconds, 3), "jobs": jobs}

    def table(self) -> str:
        """A row each: the output, or where there is none the input and why."""
        rows, reasons = [("", "seconds", "frames", "found", "")], [""]
        for o in self.outcomes:
            found = "" if o.coverage is None else f"{o.coverage:.0%}"
            reached = o.status in ("done", "planned")
            numbers = (f"{o.seconds:.1f}", str(o.frames), found) if reached else ("", "", "")
            rows.append((o.status, *numbers, printable(o.output if reached else o.input, "")))
            reasons.append("" if reached else printable(o.error.get("text", ""), ""))
        wide = [max(len(row[k]) for row in rows) for k in range(4)]
        lines = []
        for row, reason in zip(rows, reasons, strict=True):
            cells = (row[0].ljust(wide[0]), *(row[k].rjust(wide[k]) for k in (1, 2, 3)), row[4])
            lines.append("  ".join(cells).rstrip())
            lines += [f"  {reason}"] if reason else []
        return "\n".join([*lines, self.line()])

    def line(self) -> str:
        """``3 done, 1 failed; 61.0 s``, or ``3 planned, about 2 min in all``."""
        parts = [f"{self.count(status)} {status}" for status in STATUSES if self.count(status)]
        planned = [outcome.seconds for outcome in self.outcomes if outcome.status == "planned"]
        took = f"about {duration(sum(planned), rough=True)} one after another" if planned else f"{self.seconds:.1f} s"
        return f"{', '.join(parts)}; {took}"

    def write(self, path: Path) -> None:
        """The same as JSON; see ``check_summary`` first. Raises OutputError."""
        text = json_text(self.to_dict(), indent=2) + "\n"
        atomic_write(path, text, f"The summary cannot be written to {path}")


def check_summary(path: Path, overwrite: bool) -> None:
    """Before the work: a summary can be written, over nothing but an earlier one or, if ``overwrite``, a file.

    Raises OutputError: something else is there, or its folder cannot be written to.
    """
    try:
        path.absolute().parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder of --summary {path} cannot be made: {error.strerror}.") from error
    if not os.access(path.absolute().parent, os.W_OK):
        raise OutputError(f"The summary cannot be written to {path}: its folder may not be written to.")
    if path.exists() and not (_is_summary(path) or (overwrite and path.is_file())):
        raise OutputError(
            f"--summary {path} exists, and is no summary of vrm.", "Choose another name or give --overwrite."
        )


def _is_summary(path: Path) -> bool:
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and {"total", "jobs", "done", "skipped", "failed", "left"} <= found.keys()
