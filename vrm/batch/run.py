"""Run a plan: here or on a cluster, one failure stopping no other, and a summary at the end whatever happens."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from vrm.batch.divide import Divided, divide, machine_options
from vrm.batch.inputs import is_folder_of_videos
from vrm.batch.manifest import MOST_BYTES, WRITTEN
from vrm.batch.plan import Job, plan_inputs, plan_manifest
from vrm.batch.pool import Begun, Ended, Message, Pool, Said
from vrm.batch.resources import count_gpus, shares
from vrm.batch.summary import Outcome, Summary, check_summary
from vrm.batch.tasks import as_error
from vrm.errors import BatchError, Interrupted, OutputError, UsageError
from vrm.events import Events
from vrm.options.batch import BatchOptions


def plan(
    inputs: Sequence[str], output: str | Path | None, words: dict[str, Any], batch: BatchOptions, events: Events
) -> list[Job]:
    """The jobs for inputs or a manifest, everything checked that can be; ``-`` among inputs reads names from stdin.

    Raises:
        VrmError: something is wrong; nothing was done.
    """
    if batch.manifest is not None:
        if inputs:
            raise UsageError("A manifest names its inputs itself.", "Leave INPUT out.")
        return plan_manifest(batch.manifest, output, words, batch)
    paths: list[Path] = []
    for text in inputs:
        paths += read_list(_whole(sys.stdin.buffer)) if text == "-" else [Path(text)]
    if not paths:
        raise UsageError("There is nothing to work on.", "Give INPUT, or --manifest.")
    jobs, notes = plan_inputs(paths, output, words, batch, listed="-" in inputs)
    for note in notes:
        events.note(note)
    return jobs


def stands_for_many(text: str) -> bool:
    """Whether one input is a list of names, or a folder of videos."""
    return text == "-" or is_folder_of_videos(Path(text))


def read_list(data: bytes) -> list[Path]:
    """The paths of a list: one a line, or ended by zero bytes as ``find -print0`` writes them."""
    text = os.fsdecode(data)
    # Not splitlines: names may hold what Unicode counts as the end of a line.
    names = text.split("\0") if "\0" in text else [line.removesuffix("\r") for line in text.split("\n")]
    return [Path(name) for name in names if name.strip()]


def _whole(stream: BinaryIO) -> bytes:
    """All of a list of names, unless it never ends."""
    data = stream.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise UsageError(f"The list on standard input is longer than {MOST_BYTES >> 20} MB.", "Is it a list of names?")
    return data


class _Told:
    """A report that came as plain values."""

    def __init__(self, record: dict[str, Any]) -> None:
        self._record = record

    def to_dict(self) -> dict[str, Any]:
        return self._record


def run_batch(jobs: list[Job], words: dict[str, Any], batch: BatchOptions, events: Events) -> Summary:
    """Work on every job of a plan.

    Args:
        jobs: from ``vrm.batch.plan``.
        words: of the whole command: what of the machine may be used is decided from these.
        batch: how.
        events: hears of each job and of the end.

    Returns:
        What became of each, if none failed.

    Raises:
        BatchError: some failed; all others are done. The summary was told to ``events`` before.
        VrmError: of a video that was named alone, its own error.
        Interrupted: Ctrl-C; what is done stays.
        VrmError: nothing was begun: no cluster, a folder that cannot be made, a summary in the place of something else.
    """
    if batch.summary is not None:
        check_summary(batch.summary, bool(words.get("overwrite")))
    begin = time.monotonic()
    events.batch(len(jobs))
    state = _State(jobs, events)
    waiting = state.skip_those_there()
    interrupted = False
    divided = divide(waiting, words, batch, events.note)
    if divided is not None:
        with closing(divided):
            _make_folders(waiting)
            try:
                state.alone(divided)
            except KeyboardInterrupt:
                interrupted = True
    elif waiting:
        with closing(_runner(waiting, words, batch, events)) as runner:
            _make_folders(waiting)
            try:
                for message in runner.messages():
                    state.hear(message)
            except KeyboardInterrupt:
                interrupted = True
                runner.stop()
                for message in runner.messages():  # what was finished by then counts
                    state.hear(message)
    summary = Summary(tuple(state.all()), time.monotonic() - begin)
    events.summary(summary)
    if batch.summary is not None:
        summary.write(batch.summary)
    if interrupted:
        raise Interrupted(f"interrupted: {summary.line()}.", "Nothing half-written is left; --skip-existing goes on.")
    if summary.count("failed") and jobs[0].alone:
        raise as_error(summary.outcomes[0].error)
    if summary.count("failed"):
        raise BatchError(f"{summary.count('failed')} of {len(jobs)} failed; see the list.", summary=summary)
    return summary


class Runner(Protocol):
    """Whatever works on jobs: ``vrm.batch.pool.Pool`` here, ``vrm.batch.cluster.Cluster`` on many machines."""

    def messages(self) -> Iterator[Message]:
        """What happens, in the order it does, until all is over; may be asked again after an interrupt."""
        ...

    def stop(self) -> None:
        """Interrupt what is under way, wait until it has cleared up, begin nothing more."""
        ...

    def close(self) -> None:
        """Leave nothing running."""
        ...


def _runner(jobs: list[Job], words: dict[str, Any], batch: BatchOptions, events: Events) -> Runner:
    options = machine_options(words)
    if batch.ray is not None:
        from vrm.batch.cluster import Cluster

        return Cluster(jobs, batch.ray, options, batch.jobs, events.note)
    processes, notes = shares(min(batch.jobs or 1, len(jobs)), options, count_gpus(options.device))
    for note in notes:
        events.note(note)
    return Pool(jobs, processes)


class _State:
    """What is known of every job so far."""

    def __init__(self, jobs: list[Job], events: Events) -> None:
        self._jobs = jobs
        self._events = events
        self._relays: dict[int, _Relay] = {}
        self._outcomes: dict[int, Outcome] = {}

    def skip_those_there(self) -> list[Job]:
        """The jobs that have work in them; the others are over."""
        for job in self._jobs:
            if job.there:
                self._end(Outcome(job.index, str(job.input), str(job.output), "skipped"))
        return [job for job in self._jobs if not job.there]

    def hear(self, message: Message) -> None:
        job = message.job
        if isinstance(message, Begun):
            self._relays[job.index] = _Relay(self._events.job(job.index, str(job.input), str(job.output)))
        elif isinstance(message, Said):
            self._relays[job.index].tell(message.record)
        else:
            self._end(_outcome(message))

    def alone(self, divided: Divided) -> None:
        """Work on a divided video in this process, which hands out its windows."""
        job = divided.job
        begin = time.monotonic()
        result = divided.perform(self._events.job(job.index, str(job.input), str(job.output)))
        self._end(_outcome(Ended(job, result, time.monotonic() - begin)))

    def all(self) -> Iterator[Outcome]:
        """Every job's outcome, in order; those that are not over are left."""
        for job in self._jobs:
            yield self._outcomes.get(job.index) or Outcome(job.index, str(job.input), str(job.output), "left")

    def _end(self, outcome: Outcome) -> None:
        self._outcomes[outcome.job] = outcome
        self._events.ended(outcome)


class _Relay:
    """Says to a listener what ``JsonEvents`` wrote in another process."""

    def __init__(self, listener: Events) -> None:
        self._listener = listener
        self._reached: dict[str, int] = {}

    def tell(self, record: dict[str, Any]) -> None:
        match record["event"]:
            case "stage":
                self._reached[record["stage"]] = 0
                self._listener.stage(record["stage"], record["total"])
            case "progress":
                name, done = record["stage"], record["done"]
                self._listener.advance(name, done - self._reached.get(name, 0))
                self._reached[name] = done
            case "note":
                self._listener.note(record["text"])
            case "done":
                self._listener.done(_Told(record["report"]))


def _outcome(ended: Ended) -> Outcome:
    job = ended.job
    place = (job.index, str(job.input), str(job.output))
    if error := ended.result.get("error"):
        return Outcome(*place, "failed", ended.seconds, worker=ended.worker, tries=ended.tries, error=error)
    report = ended.result["report"]
    return Outcome(
        *place,
        "done",
        ended.seconds,
        report["frames"],
        report["masked_frames"],
        report["coverage"],
        report["peak_memory_mb"],
        ended.tries,
        ended.worker,
    )


def _make_folders(jobs: list[Job]) -> None:
    """Where something will be written, here and now: what cannot be made is found before the work."""
    asides = [job.words[word] for job in jobs for word in WRITTEN if word in job.words]
    for folder in {Path(path).absolute().parent for path in [*(job.output for job in jobs), *asides]}:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"The folder {folder} cannot be made: {error.strerror}.") from error
