"""Listeners of the command line: bars with time left on a terminal, words elsewhere, JSON on request."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from vrm.events import Events, JsonEvents, Result

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID


@contextmanager
def listener(json: bool) -> Iterator[Events]:
    """Events for one command: lines of JSON on stdout, or bars and notes on stderr and a summary on stdout."""
    if json:
        yield JsonEvents()
        return
    events = TerminalEvents()
    try:
        yield events
    finally:
        events.close()


class TerminalEvents(Events):
    """One bar per stage with the time left (only on a terminal), notes above the bars, a summary at the end."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(file=sys.stderr, highlight=False)
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def stage(self, name: str, total: int) -> None:
        """Show a bar, or start it again."""
        if not self._console.is_terminal:
            return
        if self._bars is None:
            self._bars = _bars(self._console)
            self._bars.start()
        length = total or None
        if name in self._tasks:
            self._bars.reset(self._tasks[name], total=length)
        else:
            self._tasks[name] = self._bars.add_task(name, total=length)

    def advance(self, name: str, n: int = 1) -> None:
        """Move the bar."""
        if self._bars is not None and name in self._tasks:
            self._bars.advance(self._tasks[name], n)

    def note(self, text: str) -> None:
        """Print a line on stderr, above the bars."""
        self._console.print(f"note: {text}", markup=False, soft_wrap=True)

    def done(self, report: Result) -> None:
        """Take the bars away and print the summary on stdout."""
        self.close()
        own = getattr(report, "text", None)
        typer.echo(own() if own is not None else summary(report))

    def close(self) -> None:
        """Leave the terminal as it was; may be called twice."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None
            self._tasks.clear()


def summary(report: Result) -> str:
    """One line: what was written and how it went."""
    facts = report.to_dict()
    line = f"{facts['output']}: {facts['frames']} frames, {facts['masked_frames']} of them masked"
    if facts["masked_frames"] and facts.get("shots", True):
        line += (
            f"; {facts['coverage']:.0%} of what is new was seen elsewhere in the video"
            f"; samples changed outside the mask: {facts['changed_outside']}"
        )
    return f"{line}; {facts['seconds']:.1f} s"


def _bars(console: Console) -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=console,
    )
