"""Tasks on many machines, through Ray.

The machines need vrm of the same version, and what the options name under the same paths (a shared folder); scratch
they need not share: a window of a video is sent the files it reads, and sends back those it makes. A task gets
``--threads`` (one, if not given) and ``--memory`` for itself, and a whole GPU where the cluster has them: bytes are
those of a local run with the same thread count, on the same instruction set.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vrm.batch.executor import Executor, Message, TaskEvent
from vrm.batch.tasks import Task, TaskPerformer, as_error, failure, plain
from vrm.batch.windows import files_made, files_to_send, write_files
from vrm.errors import EngineError, UsageError, VideoError, VrmError
from vrm.events import Events, Result, counted
from vrm.job.budget import DEFAULT_GB
from vrm.job.scratch import scratch_folder, sweep
from vrm.options.build import build_options, paths_read, place_paths
from vrm.options.declare import MODEL, READ, WRITTEN
from vrm.options.remove import EngineOptions
from vrm.system.extras import needed_by
from vrm.system.process import configure_process, environment
from vrm.system.worker import PATIENCE, POLL
from vrm.version import __version__

_ANSWER = 60
"""Seconds that machines have to say whether they see the files."""


@dataclass(frozen=True)
class Requirements:
    """What a task asks of its machine: whole CPUs and GPUs, bytes of memory."""

    cpus: int
    gpus: int
    memory: int

    def room(self, node: dict[str, float]) -> int:
        asked = {"CPU": self.cpus, "GPU": self.gpus, "memory": self.memory}
        return int(min(node.get(name, 0) // count for name, count in asked.items() if count))


class ClusterExecutor(Executor):
    """Tasks of a Ray cluster.

    Args:
        address: "auto" (the cluster of this machine, or of RAY_ADDRESS), "local" (started for this run and ended with
            it), or HOST:PORT.
        most: most tasks under way; None = as many as fit.

    Raises UsageError: Ray is not installed, no cluster answers, or no machine of it is large enough.
    """

    def __init__(self, address: str, options: EngineOptions, most: int | None, note: Callable[[str], None]) -> None:
        super().__init__()
        self._most = most
        self._running: dict[Any, tuple[Task, float]] = {}
        self._sent: dict[Path | Task, Any] = {}
        self._ray, self._ours = connect(address, options)
        try:
            self._needs = requirements(self._ray, options, address == "local", note)
        except BaseException:
            self.close()
            raise
        rooms = [self._needs.room(node["Resources"]) for node in self._nodes()]
        self.at_once = max(1, min(most or 1 << 30, max(rooms, default=1)))

    def check_files(self, input: Path, words: dict[str, Any]) -> None:
        """Have every machine that could take a task say whether it can work on a video.

        Raises UsageError: one has another vrm; VideoError: one does not see the video, or another file that is named.
        """
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        named = [str(input.absolute()), *_read_by_engines(absolute(words))]
        usual: dict[str, Any] = {"num_cpus": 0, "max_retries": 0, "runtime_env": {"env_vars": environment()}}
        places = [NodeAffinitySchedulingStrategy(node["NodeID"], soft=False) for node in self._nodes()]
        remote = self._ray.remote(_refusal)
        asked = [remote.options(scheduling_strategy=place, **usual).remote(__version__, named) for place in places]
        ready, _ = self._ray.wait(asked, num_returns=len(asked), timeout=_ANSWER) if asked else ([], [])
        for reference in ready:
            try:
                refused = self._ray.get(reference)
            except self._ray.exceptions.RayError:
                continue  # a machine that has just gone; its tasks go elsewhere
            if refused is not None:
                raise as_error(refused)

    def options_here(self, words: dict[str, Any]) -> dict[str, Any]:
        # This machine need not have the GPU that tasks have.
        device = {"device": "auto"} if words.get("device") == "cuda" else {}
        return words | {"threads": self._needs.cpus} | device

    def stop(self) -> None:
        """See ``Executor``; tasks that do not clear up in time are left to themselves."""
        self._stopped = True
        self._waiting.clear()
        references = list(self._running)
        for reference in references:
            self._ray.cancel(reference)
        if references:
            ready, _ = self._ray.wait(references, num_returns=len(references), timeout=PATIENCE)
            self._running = {reference: self._running[reference] for reference in ready}

    def close(self) -> None:
        """See ``Executor``; a cluster that was started for this run ends, one that the caller had connected stays."""
        self.stop()
        if self._ours:
            self._ray.shutdown()
        self._ours, self._running = False, {}

    @property
    def _busy(self) -> bool:
        return bool(self._running)

    @property
    def _has_room(self) -> bool:
        return self._most is None or len(self._running) < self._most

    def _nodes(self) -> list[dict[str, Any]]:
        return [n for n in self._ray.nodes() if n["Alive"] and self._needs.room(n["Resources"])]

    def _begin(self, task: Task, work: dict[str, Any]) -> Iterator[Message]:
        work["words"] = plain(absolute(work["words"] | {"threads": self._needs.cpus}))
        work |= {name: str(Path(work[name]).absolute()) for name in ("input", "output") if name in work}
        files = []
        if task.folder is not None:
            if task.folder not in self._sent:
                self._sent[task.folder] = self._ray.put(files_to_send(task.folder))
            files = [self._sent[task.folder], *([self._sent[task.after]] if task.after is not None else [])]
        remote = self._ray.remote(_perform).options(
            name=f"vrm {task.name}",
            num_cpus=self._needs.cpus,
            num_gpus=self._needs.gpus,
            memory=self._needs.memory,
            max_retries=0,  # tried again here, where the note about it and the cleaning up are
            runtime_env={"env_vars": environment()},
        )
        self._running[remote.remote(work, *files)] = task, time.monotonic()
        yield from ()

    def _collect(self) -> Iterator[Message]:
        ready, _ = self._ray.wait(list(self._running), num_returns=1, timeout=POLL)
        for reference in ready:
            yield from self._ended(reference, *self._running.pop(reference))

    def _ended(self, reference: Any, task: Task, begin: float) -> Iterator[Message]:
        lost = self._ray.exceptions
        try:
            told = self._ray.get(reference)
        except (lost.WorkerCrashedError, lost.NodeDiedError, lost.ObjectLostError, lost.OutOfMemoryError) as error:
            why = "ran out of memory" if isinstance(error, lost.OutOfMemoryError) else "was lost"
            found = EngineError(f"The process or machine that worked on it {why}.", "Give --memory, or leave it out.")
            yield from self._lose(task, found, time.monotonic() - begin)
            return
        except lost.RayError as error:
            if not self._stopped:  # else it was cancelled
                words = (str(error).strip().splitlines() or [type(error).__name__])[-1]
                every = f"Every machine needs vrm {__version__}."
                result = {"error": failure(EngineError(f"Ray could not run it: {words}", every))}
                yield self._finish(task, result, time.monotonic() - begin)
            return
        for record in told["events"]:
            yield TaskEvent(task, record)
        if task.folder is not None and told["files"]:
            write_files(task.folder, told["files"])
            if any(other.after is task for other in self._waiting):
                self._sent[task] = self._ray.put(told["files"])
        yield self._finish(task, told["result"], told["seconds"], told["node"])


class RecordedEvents(Events):
    """Notes and the report, as records to be handed over with the result."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []

    def note(self, text: str) -> None:
        self.records.append({"event": "note", "text": text})

    def done(self, report: Result) -> None:
        self.records.append({"event": "done", "report": report.to_dict()})


def _perform(work: dict[str, Any], *files: dict[str, bytes]) -> dict[str, Any]:
    """The task, on this machine of the cluster; ``files`` are those that it reads."""
    begin, events, made = time.monotonic(), RecordedEvents(), dict[str, bytes]()
    refused = _refusal(work["vrm"], [work["input"]])
    if refused is not None:
        result: dict[str, Any] = {"error": refused}
    else:
        configure_process()
        performer = TaskPerformer("process")
        if "window" in work:
            sweep()
            sent = {name: data for folder in files for name, data in folder.items()}
            with scratch_folder({"input": work["input"]}) as folder:
                write_files(folder, sent)
                result = performer.perform(work | {"window": work["window"] | {"folder": str(folder)}}, events)
                performer.close()
                made = files_made(folder, set(sent))
        else:
            result = performer.perform(work, events)
    seconds = time.monotonic() - begin
    return {"result": result, "events": events.records, "files": made, "seconds": seconds, "node": socket.gethostname()}


def _refusal(version: str, named: list[str]) -> dict[str, Any] | None:
    """Why this machine cannot work on files of these names for a vrm of that version, see ``failure``; or None."""
    node = socket.gethostname()
    missing = [name for name in named if not Path(name).exists()]
    error: VrmError | None = None
    if version != __version__:
        words = f"The machine {node} has vrm {__version__}, not {version}."
        error = UsageError(words, "Install the same version everywhere.")
    elif missing:
        words = f"The machine {node} does not find {', '.join(missing)}."
        error = VideoError(words, "All machines need the files under the same paths: a shared folder.")
    return None if error is None else failure(error)


def connect(address: str, options: EngineOptions) -> tuple[Any, bool]:
    """Ray, connected and silent, and whether it was not before; it does not install the driver's environment."""
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    with needed_by("--ray"):
        import ray

    if ray.is_initialized():
        return ray, False
    common: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    try:
        if address == "local":
            os.environ.setdefault("RAY_worker_niceness", "0")  # as --jobs; Ray's own is 15
            cores = max(EngineOptions().cpu_threads, options.threads or 1)
            ray.init(address="local", num_cpus=cores, include_dashboard=False, **common)
        else:
            ray.init(address=address, **common)
    except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UsageError(
            f"No Ray cluster answers at '{address}': {reason}",
            "Start one (ray start --head), name its HOST:PORT, or give --ray local.",
        ) from error
    return ray, True


def requirements(ray: Any, options: EngineOptions, local: bool, note: Callable[[str], None]) -> Requirements:
    """What each task asks for; what no machine has is refused here, else the wait would have no end."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if options.device.startswith("cuda:"):
        raise UsageError(f"--device {options.device} means nothing to --ray, which hands out GPUs.", "Give cuda.")
    gpus = any(node.get("GPU", 0) >= 1 for node in nodes)
    if options.device == "cuda" and not gpus:
        raise UsageError("--device cuda: no machine of the cluster has a GPU.", "Give --device auto.")
    cpus = options.threads or 1
    largest = int(max((node.get("memory", 0) for node in nodes if node.get("CPU", 0) >= cpus), default=0))
    memory = int(options.memory_gb * 1e9) if options.memory_gb else min(int(DEFAULT_GB * 1e9), largest)
    found = Requirements(cpus, int(gpus and options.device != "cpu"), memory)
    if not any(found.room(node) for node in nodes):
        what = f"{counted(found.cpus, 'CPU')}, {counted(found.gpus, 'GPU')} and {found.memory / 1e9:.1f} GB"
        if local:
            raise UsageError(f"This machine has not the {what} that a task asks for.", "Lower --threads or --memory.")
        note(f"No machine of the cluster has the {what} that a task asks for; waiting for one that has.")
    return found


def absolute(words: dict[str, Any]) -> dict[str, Any]:
    return place_paths(words, Path.absolute, READ, WRITTEN, MODEL)


def _read_by_engines(words: dict[str, Any]) -> list[str]:
    """The files beside the video that engines read: all but the mask, for holes are sent."""
    options = build_options(**words)
    return [str(path) for _, path in paths_read(options) if path not in options.mask.paths and path.exists()]
