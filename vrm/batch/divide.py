"""One long video alone: its windows are filled in several processes, or by the machines of a cluster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vrm.batch.plan import Job
from vrm.batch.resources import count_gpus, shares
from vrm.batch.tasks import perform, task
from vrm.engines.window_tasks import Workers
from vrm.errors import VrmError
from vrm.events import Events
from vrm.options.batch import BatchOptions
from vrm.options.build import build_options
from vrm.options.remove import EngineOptions

LEAST_FRAMES = 60
"""Shorter videos are not divided: what they would gain, processes take to start."""


@dataclass(frozen=True)
class Divided:
    """A video whose windows are handed out.

    Attributes:
        job: the video.
        words: of what this process does itself: with the threads and memory of one of those that help, so that the
            result is that of one process which has as much.
        workers: who helps.
    """

    job: Job
    words: dict[str, Any]
    workers: Workers

    def perform(self, events: Events) -> dict[str, Any]:
        """Do it; see ``vrm.batch.tasks.perform``."""
        return perform(task(self.job.input, self.job.output, self.words), events, self.workers)

    def close(self) -> None:
        """Leave nothing running."""
        self.workers.close()


def divide(jobs: list[Job], words: dict[str, Any], batch: BatchOptions, note: Callable[[str], None]) -> Divided | None:
    """The one job, if there is only one, it is long enough, and there are several processes to work on it.

    Args:
        jobs: those with work in them.
        words: of the whole command.
        batch: how many processes, and where.
        note: told what the user should know.

    Raises:
        UsageError: there is no cluster, or no machine that could take a part.
        VideoError: a machine of the cluster does not see the video.
    """
    if len(jobs) != 1 or (batch.ray is None and (batch.jobs or 1) < 2) or not _is_long(jobs[0]):
        return None
    job, options = jobs[0], machine_options(words)
    if batch.ray is not None:
        from vrm.batch.spread import Spread

        spread = Spread(job.input, job.words, batch.ray, options, batch.jobs, note)
        return Divided(job, spread.words_here, spread)
    from vrm.batch.crew import Crew

    parts, notes = shares(batch.jobs or 1, options, count_gpus(options.device))
    for text in notes:
        note(text)
    if len(parts) < 2:
        return None
    return Divided(job, parts[0].of(job.words), Crew(job.input, job.words, parts))


def machine_options(words: dict[str, Any]) -> EngineOptions:
    """What of the machine may be used."""
    return build_options(**{k: v for k, v in words.items() if k in ("threads", "memory", "device")}).engine


def _is_long(job: Job) -> bool:
    """Whether dividing it may be worth while; what cannot be read is not, and says so when it is worked on."""
    from vrm.media.read.open_video import frame_range, open_video

    try:
        options = build_options(**job.words)
        info = open_video(job.input, options.max_pixels, options.max_frames, options.stream)
        first, last = frame_range(info, options.start, options.end)
    except VrmError:
        return False
    return last - first >= LEAST_FRAMES
