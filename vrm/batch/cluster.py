"""Jobs on many machines, through Ray: a task for each video, tried again where its machine was lost.

The machines need vrm of the same version, and the files under the same paths (a shared folder). A task gets
``--threads`` (one, if not given) and ``--memory`` for itself, and a whole GPU where the cluster has them: bytes are
those of a local run with the same thread count, on the same instruction set.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vrm.batch.plan import Job
from vrm.batch.pool import Begun, Ended, Message, Said, remove_partial
from vrm.batch.tasks import failure, perform, task
from vrm.errors import UsageError
from vrm.events import Events
from vrm.options.build import place_paths
from vrm.options.declare import MODEL, READ, WRITTEN
from vrm.options.remove import EngineOptions
from vrm.system.process import behave, environment
from vrm.version import __version__

TRIES = 4
"""Of one video, whose machine or process was lost."""

_USUAL_BYTES = 3_000_000_000
POLL = 0.5
PATIENCE = 20
"""Seconds that interrupted tasks have for clearing up."""


@dataclass(frozen=True)
class Need:
    """What a task declares.

    Attributes:
        cpus, gpus: whole ones.
        memory: bytes.
    """

    cpus: int
    gpus: int
    memory: int

    def fits(self, resources: dict[str, float]) -> bool:
        """Whether a machine with these resources could ever take the task."""
        return (
            resources.get("CPU", 0) >= self.cpus
            and resources.get("GPU", 0) >= self.gpus
            and resources.get("memory", 0) >= self.memory
        )


class Cluster:
    """Jobs as tasks of a Ray cluster.

    Args:
        jobs: the videos.
        address: "auto" (the cluster of this machine, or of RAY_ADDRESS), "local" (started for this run and ended with
            it), or HOST:PORT.
        options: threads, memory and device of each task.
        at_once: most tasks under way; None = as many as fit.
        note: told what the user should know.

    Raises:
        UsageError: Ray is not installed, no cluster answers, or no machine of it is large enough.
    """

    def __init__(
        self, jobs: list[Job], address: str, options: EngineOptions, at_once: int | None, note: Callable[[str], None]
    ) -> None:
        self._most = at_once or len(jobs)
        self._note = note
        self._waiting = deque((job, 1) for job in jobs)
        self._running: dict[Any, tuple[Job, int, float]] = {}
        self._stopped = False
        self._ray, self._ours = connect(address, options)
        self._task = self._ray.remote(_perform)
        try:
            self._need = need_of(self._ray, options, address == "local", note)
            rooms = [int(node["Resources"].get("CPU", 0)) // self._need.cpus for node in self._ray.nodes()]
        except BaseException:
            self.close()
            raise
        self._at_once = max(1, min(self._most, len(jobs), max(rooms, default=1)))

    def messages(self) -> Iterator[Message]:
        """What happens, as it ends, until all is over; may be asked again after an interrupt."""
        while self._waiting or self._running:
            while self._waiting and len(self._running) < self._most:
                self._submit(*self._waiting.popleft())
            ready, _ = self._ray.wait(list(self._running), num_returns=1, timeout=POLL)
            for reference in ready:
                yield from self._collect(reference)
            if self._stopped and not ready:
                return

    def stop(self) -> None:
        """Interrupt what is under way and wait until it has cleared up; begin nothing more."""
        self._stopped = True
        self._waiting.clear()
        references = list(self._running)
        for reference in references:
            self._ray.cancel(reference)
        if references:
            self._ray.wait(references, num_returns=len(references), timeout=PATIENCE)

    def close(self) -> None:
        """Leave the cluster; one that was started for this run ends. What the caller had connected stays so."""
        if self._ours:
            self._ray.shutdown()

    def _submit(self, job: Job, tries: int) -> None:
        words = job.words | {"threads": self._need.cpus}
        if tries > 1:
            # The lost machine may have finished the file, but not said so; nothing else was there before.
            words = words | {"overwrite": True}
        given = task(job.input.absolute(), job.output.absolute(), absolute(words), self._at_once)
        remote = self._task.options(
            name=f"vrm {job.input.name}",
            num_cpus=self._need.cpus,
            num_gpus=self._need.gpus,
            memory=self._need.memory,
            max_retries=0,  # retried here, where the note about it and the cleaning up are
            runtime_env={"env_vars": environment()},
        )
        self._running[remote.remote(given)] = job, tries, time.monotonic()

    def _collect(self, reference: Any) -> Iterator[Message]:
        job, tries, begin = self._running.pop(reference)
        lost = self._ray.exceptions
        try:
            told = self._ray.get(reference)
        except (lost.WorkerCrashedError, lost.NodeDiedError, lost.ObjectLostError, lost.OutOfMemoryError) as error:
            remove_partial(job.output)
            if self._stopped:
                return
            why = "ran out of memory" if isinstance(error, lost.OutOfMemoryError) else "was lost"
            if tries < TRIES:
                self._note(f"{job.input}: the process or machine that worked on it {why}; it is tried again.")
                self._waiting.append((job, tries + 1))
                return
            yield Begun(job, "")
            words = f"The process or machine that worked on it {why}, {tries} times."
            result = {"error": failure(words, "Give --memory, or leave it out.")}
            yield Ended(job, result, time.monotonic() - begin, "", tries)
            return
        except lost.RayError as error:
            if self._stopped:
                return
            yield Begun(job, "")
            words = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            result = {"error": failure(f"Ray could not run it: {words}", f"Every machine needs vrm {__version__}.")}
            yield Ended(job, result, time.monotonic() - begin, "", tries)
            return
        yield Begun(job, told["node"])
        for record in told["said"]:
            yield Said(job, record)
        yield Ended(job, told["result"], told["seconds"], told["node"], tries)


class Kept(Events):
    """Keeps what is said, to be handed over with the result."""

    def __init__(self) -> None:
        self.said: list[dict[str, Any]] = []

    def note(self, text: str) -> None:
        """Keep a note."""
        self.said.append({"event": "note", "text": text})

    def done(self, report: Any) -> None:
        """Keep a report."""
        self.said.append({"event": "done", "report": report.to_dict()})


def _perform(given: dict[str, Any]) -> dict[str, Any]:
    """The task, on whichever machine."""
    node = socket.gethostname()
    begin = time.monotonic()
    kept = Kept()
    if given["vrm"] != __version__:
        words = f"The machine {node} has vrm {__version__}, not {given['vrm']}."
        result: dict[str, Any] = {"error": failure(words, "Install the same version everywhere.")}
    elif not Path(given["input"]).exists():
        words = f"The machine {node} does not find {given['input']}."
        result = {"error": failure(words, "All machines need the files under the same paths: a shared folder.", 3)}
    else:
        behave()
        result = perform(given, kept)
    return {"result": result, "said": kept.said, "seconds": time.monotonic() - begin, "node": node}


def connect(address: str, options: EngineOptions) -> tuple[Any, bool]:
    """Ray, connected, and whether it was not before.

    It is silent, and does without its habit of installing the driver's environment on the cluster.
    """
    if importlib.util.find_spec("ray") is None:
        raise UsageError("--ray needs the package ray.", "Install it: pip install 'vrm[ray]'.")
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    if ray.is_initialized():
        return ray, False
    common: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    try:
        if address == "local":
            os.environ.setdefault("RAY_worker_niceness", "0")  # as --jobs; Ray's own is 15
            cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
            cores = max(cores, options.threads or 1)
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


def need_of(ray: Any, options: EngineOptions, local: bool, note: Callable[[str], None]) -> Need:
    """What each task declares; what no machine has is refused here, or would be waited for for ever."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if options.device.startswith("cuda:"):
        raise UsageError(f"--device {options.device} means nothing to --ray, which hands out GPUs.", "Give cuda.")
    gpus = any(node.get("GPU", 0) >= 1 for node in nodes)
    if options.device == "cuda" and not gpus:
        raise UsageError("--device cuda: no machine of the cluster has a GPU.", "Give --device auto.")
    cpus = options.threads or 1
    largest = int(max((node.get("memory", 0) for node in nodes if node.get("CPU", 0) >= cpus), default=0))
    memory = int(options.memory_gb * 1e9) if options.memory_gb else min(_USUAL_BYTES, largest)
    found = Need(cpus, int(gpus and options.device != "cpu"), memory)
    if not any(found.fits(node) for node in nodes):
        what = f"{found.cpus} CPUs, {found.gpus} GPUs and {found.memory / 1e9:.1f} GB"
        if local:
            raise UsageError(f"This machine has not the {what} that a task asks for.", "Lower --threads or --memory.")
        note(f"No machine of the cluster has the {what} that a task asks for; waiting for one that has.")
    return found


def absolute(words: dict[str, Any]) -> dict[str, Any]:
    """Words whose paths mean the same in any working folder."""
    return place_paths(words, Path.absolute, READ, WRITTEN, MODEL)
