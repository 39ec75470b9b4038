"""One long video alone: the preparation of its shots and the filling of its windows become tasks of an executor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vrm.batch.executor import Executor, TaskEvent, TaskFinished, TaskRetried
from vrm.batch.plan import BatchJob
from vrm.batch.tasks import Task, TaskPerformer, as_error, video_task, window_task
from vrm.errors import VrmError
from vrm.events import Events
from vrm.options.build import build_options

if TYPE_CHECKING:
    from vrm.engines.window_tasks import FinishedTask, WindowProgress, WindowTask

LEAST_FRAMES = 60
"""Shorter videos are not split: what they would gain, processes take to start."""


def is_long(job: BatchJob) -> bool:
    """Whether splitting a video may be worth while; one that cannot be read says so when it is worked on."""
    from vrm.media.read.open_video import frame_range, open_video

    try:
        options = build_options(**job.words)
        info = open_video(job.input, options.max_pixels, options.max_frames, options.stream, options.fps)
        first, last = frame_range(info, options.start, options.end)
    except VrmError:
        return False
    return last - first >= LEAST_FRAMES


def perform_split(job: BatchJob, executor: Executor, events: Events) -> dict[str, Any]:
    """Remove in this process, and have an executor fill the windows; see ``TaskPerformer.perform``."""
    task = video_task(job.input, job.output, executor.options_here(job.words))
    return TaskPerformer("process").perform(task.work, events, WindowWorkers(executor, job.input, job.words))


class WindowWorkers:
    """An executor, closed at the end, as the workers of one video (``vrm.engines.window_tasks.Workers``)."""

    def __init__(self, executor: Executor, input: Path, words: dict[str, Any]) -> None:
        self.at_once = executor.at_once
        self._executor, self._input, self._words = executor, input, words

    def do(
        self, folder: Path, tasks: list[WindowTask], note: Callable[[str], None], progress: WindowProgress
    ) -> Iterator[FinishedTask]:
        from vrm.engines.window_tasks import FinishedTask

        asked: dict[Task, WindowTask] = {}
        preparing: dict[int, Task] = {}
        for each in sorted(tasks, key=lambda each: each.window is not None):
            task = window_task(self._input, self._words, folder, each, preparing.get(each.shot))
            asked[task] = each
            if each.window is None:
                preparing[each.shot] = task
        for message in self._executor.run(asked):
            if isinstance(message, TaskRetried):
                note(message.note)
            elif isinstance(message, TaskEvent) and message.record["event"] == "note":
                note(message.record["text"])
            elif isinstance(message, TaskEvent) and message.record["event"] == "progress":
                progress(asked[message.task], *(message.record[name] for name in ("stage", "done", "total")))
            elif isinstance(message, TaskFinished):
                error = message.result.get("error")
                if error and not error.get("memory"):
                    raise as_error(error)
                yield FinishedTask(asked[message.task], message.result.get("facts"))

    def close(self) -> None:
        self._executor.close()
