"""What the command line draws while work goes on: one bar for each job on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vrm.events import Overall, counted, duration, printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

EVERY_SECONDS, EVERY_SHARE, LEAST_SECONDS = 10.0, 0.1, 2.0
"""Without a terminal a line comes after so many seconds or so large a share of the work, but not sooner than that."""

WORDS = {
    "look for cuts": "looking for cuts",
    "read labels": "reading labels",
    "label": "labelling",
    "close drop-outs": "closing drop-outs",
    "follow": "following the mask",
    "find text": "finding text",
    "text": "outlining text",
    "effects": "looking for shadows and reflections",
    "fit": "fitting",
    "keyframes": "making key frames",
    "motion": "filling",
    "inpaint": "filling",
    "fill": "filling",
    "write": "writing",
    "run": "running",
    "score": "scoring",
    "masks": "comparing masks",
    "labels": "comparing labels",
    "cases": "making cases",
    "page": "making the page",
    "train": "training",
    "fetch": "fetching",
}
"""What is said of a stage while it goes on."""

_NAME, _BAR = 16, 16
"""Letters of a video's name before its bar, and of the bar, so that all fits 80 columns."""
_SPARE = 3
"""Columns that stay free on the right, or what the terminal shows of Ctrl-C would break the line."""


class JobProgress:
    """How far one job is, from what it tells: ``overall``, or of simple work its stages alone."""

    def __init__(self) -> None:
        self.begin = self._at = time.monotonic()
        self.overall = Overall(0.0)
        self.stopped = self._whole = False
        self._steps = self._total = 0
        self._first: tuple[float, float] | None = None

    def hear(self, overall: Overall) -> None:
        self._whole, self.overall, self._at = True, overall, time.monotonic()

    def stage(self, name: str, total: int) -> None:
        if not self._whole:
            self._steps, self._total, self._first = 0, total, None
            self.overall = Overall(0.0, name)

    def advance(self, name: str, n: int) -> None:
        """A step of work that has one stage only: how long the steps so far took says how long the others will."""
        self._steps += n
        if self._whole or not self._total:
            return
        share, now = min(1.0, self._steps / self._total), time.monotonic()
        self._first = self._first or (share, now)
        gained, left = share - self._first[0], None
        if gained > 0:
            left = (now - self._first[1]) / gained * (1 - share)
        self.overall, self._at = Overall(share, name, left), now

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.begin

    @property
    def left(self) -> float | None:
        """Seconds, counted down since they were told; None where they were too few."""
        left = self.overall.left
        left = None if left is None else left - (time.monotonic() - self._at)
        return None if left is None or left < 0 else left

    def text(self) -> str:
        """``shot 3 of 6 · filling · 1:40 left``."""
        now, parts = self.overall, []
        if self.stopped and now.done < 1:
            return f"stopped after {duration(self.seconds)}"
        if now.done >= 1:
            return f"done · took {duration(self.seconds)}"
        if now.shots > 1:
            parts.append(f"shot {now.shot} of {now.shots}")
        if now.stage:
            parts.append(WORDS.get(now.stage, now.stage))
        if self.left is not None:
            parts.append(f"{duration(self.left)} left")
        return " · ".join(parts)


class BatchProgress:
    """How far many videos are.

    Time left goes by how long videos took that were done; those that were skipped or failed, soon, say nothing of it.
    """

    def __init__(self, total: int) -> None:
        self.begin, self.total, self.stopped = time.monotonic(), total, False
        self.ended, self.failed, self.most = 0, 0, 1
        self.running: dict[int, JobProgress] = {}
        self._took: list[float] = []

    def started(self, index: int) -> JobProgress:
        self.running[index] = JobProgress()
        self.most = max(self.most, len(self.running))
        return self.running[index]

    def over(self, index: int, status: str) -> None:
        self.ended += 1
        self.failed += status == "failed"
        job = self.running.pop(index, None)
        if job is not None and status in ("done", "planned"):
            self._took.append(job.seconds)

    @property
    def done(self) -> float:
        return (self.ended + sum(job.overall.done for job in self.running.values())) / max(1, self.total)

    @property
    def left(self) -> float | None:
        now = [(job.seconds, job.left) for job in self.running.values()]
        whole = self._took or [spent + left for spent, left in now if left is not None]
        waiting = self.total - self.ended - len(now)
        if not whole:
            return 0.0 if not waiting and not now else None
        mean = sum(whole) / len(whole)
        rest = [max(0.0, mean - spent) if left is None else left for spent, left in now]
        return max([*rest, (sum(rest) + waiting * mean) / self.most])

    def text(self) -> str:
        """``2 of 9 videos · 1 failed · 12:00 left``."""
        parts = [f"{self.ended} of {counted(self.total, 'video')}"]
        if self.failed:
            parts.append(f"{self.failed} failed")
        if self.ended == self.total:
            parts.append(f"took {duration(time.monotonic() - self.begin)}")
        elif self.stopped:
            parts.append(f"stopped after {duration(time.monotonic() - self.begin)}")
        elif (left := self.left) is not None:
            parts.append(f"{duration(left)} left")
        return " · ".join(parts)


class Bars:
    """Bars at the bottom of a terminal, what is printed above them; nothing is drawn before the first."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._live: Progress | None = None
        self._tasks: dict[object, TaskID] = {}

    def update(self, of: JobProgress | BatchProgress, name: str = "") -> None:
        """Draw how far that is; ``name`` stands before it."""
        done = of.done if isinstance(of, BatchProgress) else of.overall.done
        if self._live is None:
            self._live = _live(self.console, named=isinstance(of, BatchProgress))
            self._live.start()
        if of not in self._tasks:
            self._tasks[of] = self._live.add_task(_short(name), total=1.0, says=of.text)
        self._live.update(self._tasks[of], completed=done)

    def remove(self, of: object) -> None:
        if self._live is not None and of in self._tasks:
            self._live.remove_task(self._tasks.pop(of))

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
        self._live, self._tasks = None, {}


class Lines:
    """A line now and then, for logs."""

    def __init__(self, say: Callable[[str], Any]) -> None:
        self._say = say
        self._share, self._time = 0.0, time.monotonic()

    def update(self, of: JobProgress | BatchProgress) -> None:
        done = of.done if isinstance(of, BatchProgress) else of.overall.done
        now = time.monotonic()
        apart = now - self._time
        if apart >= EVERY_SECONDS or (apart >= LEAST_SECONDS and done - self._share >= EVERY_SHARE):
            self._share, self._time = done, now
            self._say(f"{int(100 * done):3}% · {of.text()}")


class StageLog:
    """Says of each stage that is over how many steps it had and how long it took; nothing where ``say`` is None."""

    def __init__(self, say: Callable[[str], Any] | None) -> None:
        self._say = say
        self._name, self._steps, self._begin = "", 0, 0.0

    def stage(self, name: str = "") -> None:
        """A stage begins, or the last is over."""
        if self._say is not None and self._name:
            took = time.monotonic() - self._begin
            self._say(f"{WORDS.get(self._name, self._name)}: {counted(self._steps, 'step')}, {took:.1f} s")
        self._name, self._steps, self._begin = name, 0, time.monotonic()

    def advance(self, n: int) -> None:
        self._steps += n


def _short(name: str) -> str:
    name = printable(name, "")
    return name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"


def _live(console: Console, named: bool) -> Progress:
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskProgressColumn, TextColumn
    from rich.table import Column
    from rich.text import Text

    class Says(ProgressColumn):
        """Asks anew each time it is drawn: time passes while nothing is told."""

        def render(self, task: Task) -> Text:
            text = Text(task.fields["says"](), no_wrap=True)
            beside = (_NAME + 1 if named else 0) + _BAR + len(" 100% ")
            text.truncate(max(1, console.width - _SPARE - beside), overflow="ellipsis")
            return text

    names = TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True))
    columns = [BarColumn(bar_width=_BAR), TaskProgressColumn(), Says(table_column=Column(no_wrap=True))]
    return Progress(
        *([names] if named else []), *columns, console=console, redirect_stdout=False, redirect_stderr=False
    )
