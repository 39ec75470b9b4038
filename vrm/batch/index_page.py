"""The page over the reports of many videos: what became of each, and which to look at."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from vrm.batch.plan import BatchJob
from vrm.batch.summary import Outcome, Summary
from vrm.errors import OutputError
from vrm.report.coverage import COLOURS, NEVER, SEEN, UNRELIABLE, in_words
from vrm.report.tables import duration
from vrm.report.templates import environment
from vrm.system.files import atomic_write

NAME = "index.html"
_OURS = '<meta name="generator" content="vrm">'


def index_place(jobs: Sequence[BatchJob], words: dict[str, Any]) -> Path | None:
    """Where the page goes: into the folder that holds all results; None where no pages are written.

    ``words`` are those of the whole command. Raises OutputError: something else has its name.
    """
    if str(words.get("report", "")).lower() != "html" or jobs[0].alone or words.get("dry_run"):
        return None
    folder = Path(os.path.commonpath([job.output.absolute().parent for job in jobs]))
    path = folder / NAME
    if path.exists() and not words.get("overwrite") and not _is_ours(path):
        raise OutputError(f"{path} exists, and is no page of vrm.", "Choose another folder or give --overwrite.")
    return path


def write_index(path: Path, jobs: Sequence[BatchJob], summary: Summary) -> None:
    """Write the page. Raises OutputError."""
    templates = environment(__package__)
    templates.filters |= {
        "duration": duration,
        "percent": "{:.0%}".format,
        "frames": in_words,
        "rgb": lambda kind: "rgb({},{},{})".format(*COLOURS[kind]),
    }
    rows = [(outcome, _link(job, path.parent)) for job, outcome in zip(jobs, summary.outcomes, strict=True)]
    text = templates.get_template("index.html").render(
        summary=summary, rows=rows, shares=_shares, first=_look_first(summary.outcomes)
    )
    atomic_write(path, text, f"The page over all reports cannot be written to {path}")


def _look_first(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Those of which most is doubtful, five at most."""
    done = [one for one in outcomes if one.status == "done" and one.doubtful >= 0.1]
    return sorted(done, key=lambda one: -one.doubtful)[:5]


def _shares(outcome: Outcome) -> list[tuple[int, float]]:
    """The parts of the bar of one video."""
    shares = (SEEN, outcome.coverage), (UNRELIABLE, outcome.unsure), (NEVER, outcome.synthesised)
    return [(kind, share) for kind, share in shares if share]


def _link(job: BatchJob, folder: Path) -> str:
    """The address of a video's own page, if there is one."""
    report = job.words.get("report")
    if report is None or Path(report).suffix.lower() != ".html" or not Path(report).exists():
        return ""
    return quote(Path(os.path.relpath(Path(report).absolute(), folder)).as_posix())


def _is_ours(path: Path) -> bool:
    try:
        return path.is_file() and _OURS in path.read_text(encoding="utf-8")[:1000]
    except (OSError, ValueError):
        return False
