"""Listeners of the command line: bars with time left on a terminal, words elsewhere, JSON on request."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from vrm.cli.closing import places, summary
from vrm.events import Events, JsonEvents, Result, printable

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
        self._jobs: dict[int, _JobEvents] = {}

    def stage(self, name: str, total: int) -> None:
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
        if self._bars is not None and name in self._tasks:
            self._bars.advance(self._tasks[name], n)

    def note(self, text: str) -> None:
        self._console.print(printable(f"note: {text}", ""), markup=False, soft_wrap=True)

    def done(self, report: Result) -> None:
        self.close()
        tell(report.text() if hasattr(report, "text") else "\n".join([summary(report), *places(report)]))

    def batch(self, total: int) -> None:
        self.stage("videos", total)

    def job(self, index: int, input: str, output: str) -> Events:
        self._jobs[index] = _JobEvents(self._console, self._bars, Path(input).name)
        return self._jobs[index]

    def ended(self, outcome: Result) -> None:
        self.advance("videos")
        facts = outcome.to_dict()
        if facts["job"] in self._jobs:
            self._jobs.pop(facts["job"]).over()
        if error := facts["error"]:
            if trace := error.get("traceback"):
                self._console.print(printable(trace), markup=False, soft_wrap=True)
            words = " ".join(filter(None, (f"failed: {facts['input']}:", error["text"], error["fix"])))
            self._console.print(printable(words, ""), markup=False, soft_wrap=True, style="red")

    def summary(self, summary: Result) -> None:
        self.close()
        self._console.print(getattr(summary, "table", str)(), markup=False, soft_wrap=True)

    def close(self) -> None:
        """Leave the terminal as it was; may be called twice."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None
            self._tasks.clear()


class _JobEvents(Events):
    """One of many videos: one bar, which shows the stage it is at."""

    def __init__(self, console: Console, bars: Progress | None, name: str) -> None:
        self._console, self._bars, self._name = console, bars, name
        self._task = None if bars is None else bars.add_task(printable(name, ""), total=None)

    def stage(self, name: str, total: int) -> None:
        if self._bars is not None and self._task is not None:
            self._bars.reset(self._task, total=total or None, description=printable(f"{self._name}: {name}", ""))

    def advance(self, name: str, n: int = 1) -> None:
        if self._bars is not None and self._task is not None:
            self._bars.advance(self._task, n)

    def note(self, text: str) -> None:
        self._console.print(printable(f"note: {self._name}: {text}", ""), markup=False, soft_wrap=True)

    def done(self, report: Result) -> None:
        tell(summary(report))

    def over(self) -> None:
        if self._bars is not None and self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None


def tell(text: str) -> None:
    """Print on stdout: a program gets names as they are, a terminal nothing that would steer it."""
    typer.echo(printable(text) if sys.stdout.isatty() else text)


def _bars(console: Console) -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=console,
        redirect_stdout=sys.stdout.isatty(),  # rich would send what is meant for a pipe to the terminal
    )
