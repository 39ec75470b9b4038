"""Listeners of the command line: a bar with the time left on a terminal, lines elsewhere, JSON on request."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from vrm.cli.bars import Bars, BatchProgress, JobProgress, Lines, StageLog
from vrm.cli.closing import places, summary
from vrm.events import Events, JsonEvents, Overall, Plan, Result, printable


@contextmanager
def listener(json: bool, quiet: bool = False, verbose: bool = False, dry_run: bool = False) -> Iterator[Events]:
    """Events for one command: lines of JSON on stdout, or progress and notes on stderr and the result on stdout.

    The result of a dry run is the plan.
    """
    if json:
        yield JsonEvents()
        return
    events = QuietEvents(dry_run) if quiet else TerminalEvents(verbose, dry_run)
    try:
        yield events
    except BaseException:
        events.stop()
        raise
    finally:
        events.close()


class QuietEvents(Events):
    """The result, and what failed; nothing else."""

    def __init__(self, dry_run: bool = False) -> None:
        from rich.console import Console

        self._console = Console(file=sys.stderr, highlight=False)
        self.dry_run = dry_run

    def plan(self, plan: Plan) -> None:
        if self.dry_run:
            tell(plan.text())

    def done(self, report: Result) -> None:
        self.close()
        tell(report.text() if hasattr(report, "text") else "\n".join([summary(report), *places(report)]))

    def ended(self, outcome: Result) -> None:
        facts = outcome.to_dict()
        if error := facts["error"]:
            if trace := error.get("traceback"):
                self.say(printable(trace))
            words = " ".join(filter(None, (f"failed: {facts['input']}:", error["text"], error["fix"])))
            self.say(printable(words, ""), "red")

    def say(self, text: str, style: str | None = None) -> None:
        """Print on stderr, above the bars where there are some; a terminal breaks lines between words."""
        self._console.print(text, markup=False, soft_wrap=not self._console.is_terminal, style=style)

    def stop(self) -> None:
        """The work ends unfinished."""

    def close(self) -> None:
        """Leave the terminal as it was; may be called twice."""


class TerminalEvents(QuietEvents):
    """One bar for the whole job with the time left on a terminal, a line now and then elsewhere; notes, the plan, and
    a summary at the end.

    Of many videos there is a bar for all, and one for each that is under way.
    """

    def __init__(self, verbose: bool = False, dry_run: bool = False) -> None:
        super().__init__(dry_run)
        self.verbose = verbose
        self._bars = Bars(self._console) if self._console.is_terminal else None
        self._lines = Lines(self.say)
        self._job = JobProgress()
        self._log = StageLog(self.say if verbose else None)
        self._batch: BatchProgress | None = None
        self._only: JobProgress | None = None
        self._jobs: dict[int, _JobEvents] = {}

    def stage(self, name: str, total: int) -> None:
        self._log.stage(name)
        self._job.stage(name, total)
        self.show()

    def advance(self, name: str, n: int = 1) -> None:
        self._log.advance(n)
        self._job.advance(name, n)
        self.show()

    def overall(self, overall: Overall) -> None:
        self._job.hear(overall)
        self.show()

    def plan(self, plan: Plan) -> None:
        self.planned(plan.text())

    def planned(self, text: str) -> None:
        """Print a plan."""
        if self.dry_run:
            self.result(text)
        else:
            self.say(printable(text, ""))

    def note(self, text: str) -> None:
        self.say(printable(f"note: {text}", ""))

    def done(self, report: Result) -> None:
        self._log.stage()
        super().done(report)

    def batch(self, total: int) -> None:
        self._batch = BatchProgress(total)
        if total > 1:
            self.show()

    def job(self, index: int, input: str, output: str) -> Events:
        assert self._batch is not None
        self._jobs[index] = _JobEvents(self, self._batch.started(index), Path(input).name)
        return self._jobs[index]

    def ended(self, outcome: Result) -> None:
        facts = outcome.to_dict()
        if self._batch is not None:
            self._batch.over(facts["job"], facts["status"])
        if job := self._jobs.pop(facts["job"], None):
            job.progress.stopped = facts["status"] == "failed"
            if self._bars is not None and not self._alone:
                self._bars.remove(job.progress)
        super().ended(outcome)
        self.show()

    def summary(self, summary: Result) -> None:
        self.stop()
        self.close()
        self._console.print(getattr(summary, "table", str)(), markup=False, soft_wrap=True)

    def show(self, job: JobProgress | None = None, name: str = "") -> None:
        """Draw how far the work is, and how far the job of that name among many."""
        if self._alone and job is not None:
            self._only = job
        of = self._only or self._batch or self._job
        if self._bars is None:
            self._lines.update(of)
            return
        self._bars.update(of, "all" if of is self._batch else "")
        if job is not None and job is not of:
            self._bars.update(job, name)

    @property
    def _alone(self) -> bool:
        """Of a single video, one bar says all."""
        return self._batch is not None and self._batch.total == 1

    def result(self, text: str) -> None:
        """Print on stdout; where that is the terminal with the bars, above these."""
        if self._bars is not None and sys.stdout.isatty():
            self._console.print(printable(text), markup=False, soft_wrap=True)
        else:
            tell(text)

    def stop(self) -> None:
        for progress in (self._job, *(job.progress for job in self._jobs.values())):
            progress.stopped = True
        if self._batch is not None:
            self._batch.stopped = True

    def close(self) -> None:
        if self._bars is not None:
            self._bars.close()


class _JobEvents(Events):
    """One of many videos."""

    def __init__(self, all: TerminalEvents, progress: JobProgress, name: str) -> None:
        self._all, self.progress, self._name = all, progress, name
        self._log = StageLog(self._say if all.verbose else None)

    def stage(self, name: str, total: int) -> None:
        self._log.stage(name)
        self.progress.stage(name, total)
        self._all.show(self.progress, self._name)

    def advance(self, name: str, n: int = 1) -> None:
        self._log.advance(n)
        self.progress.advance(name, n)
        self._all.show(self.progress, self._name)

    def overall(self, overall: Overall) -> None:
        self.progress.hear(overall)
        self._all.show(self.progress, self._name)

    def plan(self, plan: Plan) -> None:
        self._all.planned(f"{self._name}: {plan.text()}")

    def note(self, text: str) -> None:
        self._all.note(f"{self._name}: {text}")

    def done(self, report: Result) -> None:
        self._log.stage()
        self._all.result(summary(report))

    def _say(self, text: str) -> None:
        self._all.say(printable(f"{self._name}: {text}", ""))


def tell(text: str) -> None:
    """Print on stdout: a program gets names as they are, a terminal nothing that would steer it."""
    typer.echo(printable(text) if sys.stdout.isatty() else text)
