"""Run a plan: here or on a cluster, one failure stopping no other, and a summary at the end whatever happens."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

from vrm.batch.executor import Executor, Message, TaskEvent, TaskFinished, TaskRetried
from vrm.batch.index_page import index_place, write_index
from vrm.batch.inputs import is_folder_of_videos, read_list
from vrm.batch.local import LocalExecutor
from vrm.batch.manifest import WRITTEN
from vrm.batch.plan import BatchJob, plan_inputs, plan_manifest
from vrm.batch.resources import may_use_gpu, share_resources
from vrm.batch.split import is_long, perform_split
from vrm.batch.summary import Outcome, Summary, check_summary
from vrm.batch.tasks import TRIES, Task, as_error, video_task
from vrm.errors import BatchError, Interrupted, OutputError, UsageError
from vrm.events import Events, Overall, Plan
from vrm.options.batch import BatchOptions
from vrm.options.build import build_options
from vrm.system.gpus import count_gpus

_KEPT = ("frames", "masked_frames", "coverage", "unsure", "synthesised", "look_at", "peak_memory_mb")
"""What an outcome takes from a report."""

Facts = TypeVar("Facts", Overall, Plan)


def plan(
    inputs: Sequence[str], output: str | Path | None, words: dict[str, Any], batch: BatchOptions, events: Events
) -> list[BatchJob]:
    """The jobs for inputs or a manifest, everything checked that can be; ``-`` among inputs reads names from stdin.

    Raises VrmError: something is wrong; nothing was done.
    """
    if batch.manifest is not None:
        if inputs:
            raise UsageError("A manifest names its inputs itself.", "Leave INPUT out.")
        return plan_manifest(batch.manifest, output, words, batch)
    paths: list[Path] = []
    for text in inputs:
        paths += read_list(sys.stdin.buffer) if text == "-" else [Path(text)]
    if not paths:
        raise UsageError("There is nothing to work on.", "Give INPUT, or --manifest.")
    jobs, notes = plan_inputs(paths, output, words, batch, listed="-" in inputs)
    for note in notes:
        events.note(note)
    return jobs


def stands_for_many(text: str) -> bool:
    return text == "-" or is_folder_of_videos(Path(text))


def run_batch(jobs: list[BatchJob], words: dict[str, Any], batch: BatchOptions, events: Events) -> Summary:
    """Work on every job of a plan; returns what became of each, if none failed.

    ``words`` are those of the whole command: what of the machine may be used is decided from these.

    Raises:
        BatchError: some failed; all others are done. The summary was told to ``events`` before.
        VrmError: of a video that was named alone, its own error.
        Interrupted: Ctrl-C; what is done stays.
        VrmError: nothing was begun: no cluster, a folder that cannot be made, a summary in the place of something else.
    """
    if batch.summary is not None:
        check_summary(batch.summary, bool(words.get("overwrite")))
    index = index_place(jobs, words)
    begin = time.monotonic()
    events.batch(len(jobs))
    if words.get("dry_run"):
        for job in jobs:
            if not job.error:  # else ``begin`` says it
                events.note(job.pairing)
    progress = _Progress(jobs, events)
    interrupted = False
    if waiting := progress.begin():
        executor, split = _executor(waiting, words, batch, events)
        with closing(executor):
            if not words.get("dry_run"):
                _make_folders(waiting)
            try:
                if split:
                    progress.work_split(waiting[0], executor)
                else:
                    # Here a process is mostly lost because memory ran out, which it would do again.
                    progress.work(waiting, executor, tries=1 if batch.ray is None else TRIES)
            except KeyboardInterrupt:
                interrupted = True
                executor.stop()
                progress.work([], executor)  # what had ended by then counts
    summary = Summary(tuple(progress.outcomes()), time.monotonic() - begin)
    events.summary(summary)
    if batch.summary is not None:
        summary.write(batch.summary)
    if index is not None:
        write_index(index, jobs, summary)
        events.note(f"All reports: {index}")
    if interrupted:
        goes_on = "--skip-existing goes on" + (
            "" if words.get("resume") else "; --resume would have, within a video too"
        )
        raise Interrupted(f"interrupted: {summary.line()}.", f"Nothing half-written is left; {goes_on}.")
    if summary.count("failed") and jobs[0].alone:
        raise as_error(summary.outcomes[0].error)
    if summary.count("failed"):
        raise BatchError(f"{summary.count('failed')} of {len(jobs)} failed; see the list.", summary=summary)
    return summary


def _executor(
    jobs: list[BatchJob], words: dict[str, Any], batch: BatchOptions, events: Events
) -> tuple[Executor, bool]:
    """What works on the jobs, and whether it is to do parts of the only one.

    Raises:
        UsageError: there is no cluster, or no machine that could take a task; too little memory for each process.
        VideoError: a machine of the cluster does not see the video that is to be split.
    """
    options = build_options(**{k: v for k, v in words.items() if k in ("threads", "memory", "device")}).engine
    networks = any(may_use_gpu(build_options(**job.words)) for job in jobs)
    split = len(jobs) == 1 and (batch.ray is not None or (batch.jobs or 1) > 1) and is_long(jobs[0])
    at_once = batch.jobs or (None if batch.ray is not None else 1)
    if not split:
        at_once = min(at_once or len(jobs), len(jobs))
    if batch.ray is None:
        shares, notes = share_resources(at_once or 1, options, count_gpus(options.device) if networks else 0)
        for note in notes:
            events.note(note)
        return LocalExecutor(shares), split and len(shares) > 1
    from vrm.batch.cluster import ClusterExecutor

    options = options if networks else replace(options, device="cpu")
    cluster = ClusterExecutor(batch.ray, options, at_once, events.note)
    try:
        if split:
            cluster.check_files(jobs[0].input, jobs[0].words)
    except BaseException:
        cluster.close()
        raise
    return cluster, split


class _Progress:
    """How far every job is."""

    def __init__(self, jobs: list[BatchJob], events: Events) -> None:
        self._jobs = jobs
        self._events = events
        self._tasks: dict[Task, BatchJob] = {}
        self._relays: dict[int, _Relay] = {}
        self._outcomes: dict[int, Outcome] = {}

    def begin(self) -> list[BatchJob]:
        """Say what is skipped and what the plan knows to fail; the other jobs are to be worked on."""
        for job in self._jobs:
            if job.exists or job.error:
                status = "skipped" if job.exists else "failed"
                self._end(Outcome(job.index, str(job.input), str(job.output), status, error=job.error))
        return [job for job in self._jobs if not job.exists and not job.error]

    def work(self, jobs: list[BatchJob], executor: Executor, tries: int = 1) -> None:
        """Have an executor work on jobs until all are over; without jobs, hear what had ended when it was stopped."""
        tasks = {video_task(job.input, job.output, job.words, tries): job for job in jobs}
        self._tasks |= tasks
        for message in executor.run(tasks):
            if message.task in self._tasks:
                self._hear(message, self._tasks[message.task])

    def work_split(self, job: BatchJob, executor: Executor) -> None:
        """Work on one job in this process, while an executor fills its windows."""
        begin = time.monotonic()
        result = perform_split(job, executor, self._events.job(job.index, str(job.input), str(job.output)))
        self._end(_outcome(job, result, time.monotonic() - begin))

    def outcomes(self) -> Iterator[Outcome]:
        """Of every job, in order; those that are not over are left."""
        for job in self._jobs:
            yield self._outcomes.get(job.index) or Outcome(job.index, str(job.input), str(job.output), "left")

    def _hear(self, message: Message, job: BatchJob) -> None:
        if isinstance(message, TaskRetried):
            self._events.note(message.note)
            return
        if job.index not in self._relays:
            self._relays[job.index] = _Relay(self._events.job(job.index, str(job.input), str(job.output)))
        if isinstance(message, TaskEvent):
            self._relays[job.index].tell(message.record)
        elif isinstance(message, TaskFinished):
            self._end(_outcome(job, message.result, message.seconds, message.worker, message.tries))

    def _end(self, outcome: Outcome) -> None:
        self._outcomes[outcome.job] = outcome
        self._events.ended(outcome)


class _Relay:
    """Says to a listener what ``JsonEvents`` wrote in another process."""

    def __init__(self, listener: Events) -> None:
        self._listener = listener
        self._done: dict[str, int] = {}

    def tell(self, record: dict[str, Any]) -> None:
        match record["event"]:
            case "stage":
                self._done[record["stage"]] = 0
                self._listener.stage(record["stage"], record["total"])
            case "progress":
                name, done = record["stage"], record["done"]
                self._listener.advance(name, done - self._done.get(name, 0))
                self._done[name] = done
            case "overall":
                self._listener.overall(_made(Overall, record))
            case "plan":
                self._listener.plan(_made(Plan, record))
            case "note":
                self._listener.note(record["text"])
            case "done":
                self._listener.done(_PlainReport(record["report"]))


def _made(kind: type[Facts], record: dict[str, Any]) -> Facts:
    return kind(**{each.name: record[each.name] for each in fields(kind)})


class _PlainReport:
    """A report that came as plain values."""

    def __init__(self, record: dict[str, Any]) -> None:
        self._record = record

    def to_dict(self) -> dict[str, Any]:
        return self._record


def _outcome(job: BatchJob, result: dict[str, Any], seconds: float, worker: str = "", tries: int = 1) -> Outcome:
    place = (job.index, str(job.input), str(job.output))
    if error := result.get("error"):
        return Outcome(*place, "failed", seconds, worker=worker, tries=tries, error=error)
    if job.words.get("dry_run"):
        expected = result["report"]["plan"]
        frames, masked = expected["frames"], expected["masked_frames"]
        return Outcome(*place, "planned", expected["seconds"], frames, masked, tries=tries, worker=worker)
    facts = {name: result["report"][name] for name in _KEPT}
    return Outcome(*place, "done", seconds, **facts, tries=tries, worker=worker)


def _make_folders(jobs: list[BatchJob]) -> None:
    """Make the folders of everything that will be written: one that cannot be made is found before the work."""
    asides = [job.words[word] for job in jobs for word in WRITTEN if word in job.words]
    for folder in {Path(path).absolute().parent for path in [*(job.output for job in jobs), *asides]}:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"The folder {folder} cannot be made: {error.strerror}.") from error
