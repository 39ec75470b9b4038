"""The windows of one video on many machines, through Ray: a task for each part, tried again where its machine was lost.

A task is sent the brief, the holes and what was prepared for its shot, and sends back the window: machines share
nothing but the video, and whatever else the options name, under the same paths.
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from vrm.batch.cluster import PATIENCE, POLL, TRIES, Kept, Need, absolute, connect, need_of
from vrm.batch.schedule import Schedule
from vrm.batch.tasks import PartWork, as_error, failure, part_task
from vrm.batch.windows import files_made, files_to_send, write_files
from vrm.engines.window_tasks import Done, Part
from vrm.errors import UsageError, VideoError, VrmError
from vrm.job.scratch import scratch_folder, sweep
from vrm.options.build import build_options, paths_read
from vrm.options.remove import EngineOptions
from vrm.system.process import behave, environment
from vrm.version import __version__

_ASKED = 60
"""Seconds that machines have to say whether they see the files."""


class Spread:
    """Tasks of a Ray cluster that do parts of one video (``vrm.engines.window_tasks.Workers``).

    Attributes:
        at_once: most tasks that one machine has room for.
        words_here: words of the job for the process that hands out the parts.

    Args:
        source: the video.
        words: of the job.
        address: see ``vrm.batch.cluster.Cluster``.
        options: threads, memory and device of each task.
        most: most tasks under way; None = as many as fit.
        note: told what the user should know.

    Raises:
        UsageError: Ray is not installed, no cluster answers, no machine is large enough, or one has another vrm.
        VideoError: a machine does not see the files.
    """

    def __init__(
        self, source: Path, words: dict[str, Any], address: str, options: EngineOptions, most: int | None,
        note: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._most = most
        self._running: dict[Any, Part] = {}
        self._ray, self._ours = connect(address, options)
        try:
            self._need = need_of(self._ray, options, address == "local", note)
            self._source, self._words = source.absolute(), absolute(words | {"threads": self._need.cpus})
            self._ask()
        except BaseException:
            self.close()
            raise
        self.at_once = max(1, min(most or 1 << 30, *(_room(node, self._need) for node in self._nodes())))
        device = {"device": "auto"} if options.device == "cuda" else {}  # this machine need not have what tasks have
        self.words_here = words | {"threads": self._need.cpus} | device

    def do(self, folder: Path, parts: list[Part], note: Callable[[str], None]) -> Iterator[Done]:
        """See ``vrm.engines.window_tasks.Workers``."""
        files = files_to_send(folder)
        shared, known = self._ray.put(files), set(files)
        prepared: dict[int, Any] = {}
        schedule, tries = Schedule(parts), Counter[Part]()
        while schedule.open:
            while len(self._running) < (self._most or len(parts)) and (part := schedule.next()) is not None:
                tries[part] += 1
                self._submit(part, shared, prepared.get(part.shot))
            ready, _ = self._ray.wait(list(self._running), num_returns=1, timeout=POLL)
            for reference in ready:
                part = self._running.pop(reference)
                told = self._told(reference, tries[part])
                if isinstance(told, str):
                    note(f"{self._source}: the process or machine that worked on a part {told}; it is done again.")
                    schedule.again(part)
                    continue
                for record in told["said"]:
                    if record["event"] == "note":
                        note(record["text"])
                error = told["result"].get("error")
                if error and not error.get("memory"):
                    raise as_error(error)
                if error:
                    schedule.leave(part)
                    yield Done(part, None)
                    continue
                new = {name: data for name, data in told["files"].items() if name not in known}
                write_files(folder, new)
                if part.window is None:
                    prepared[part.shot] = self._ray.put(new)
                schedule.done(part)
                yield Done(part, told["result"]["facts"])

    def close(self) -> None:
        """Interrupt what is under way; a cluster that was started for this run ends. May be called twice."""
        references = list(self._running)
        for reference in references:
            self._ray.cancel(reference)
        if references:
            self._ray.wait(references, num_returns=len(references), timeout=PATIENCE)
        self._running.clear()
        if self._ours:
            self._ray.shutdown()
        self._ours = False

    def _nodes(self) -> list[dict[str, Any]]:
        """The machines that could take a part."""
        return [n for n in self._ray.nodes() if n["Alive"] and self._need.fits(n["Resources"])]

    def _ask(self) -> None:
        """Have every machine that could take a part say whether it can work on this video. Raises VrmError."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        question = self._ray.remote(_look)
        places = [NodeAffinitySchedulingStrategy(node["NodeID"], soft=False) for node in self._nodes()]
        named = [str(self._source), *_read_there(self._words)]
        usual: dict[str, Any] = {"num_cpus": 0, "max_retries": 0, "runtime_env": {"env_vars": environment()}}
        asked = [question.options(scheduling_strategy=place, **usual).remote(named) for place in places]
        ready, _ = self._ray.wait(asked, num_returns=len(asked), timeout=_ASKED) if asked else ([], [])
        for reference in ready:
            try:
                found = self._ray.get(reference)
            except self._ray.exceptions.RayError:
                continue  # a machine that has just gone; its part goes elsewhere
            wrong = _wrong(found, __version__)
            if wrong is not None:
                raise wrong

    def _submit(self, part: Part, shared: Any, prepared: Any) -> None:
        remote = self._ray.remote(_perform_part).options(
            name=f"vrm {self._source.name} {part.shot}:{'prepare' if part.window is None else part.window}",
            num_cpus=self._need.cpus,
            num_gpus=self._need.gpus,
            memory=self._need.memory,
            max_retries=0,  # tried again here, where the note about it is
            runtime_env={"env_vars": environment()},
        )
        given = part_task(self._source, self._words, Path(), part)
        self._running[remote.remote(given, shared, prepared)] = part

    def _told(self, reference: Any, tries: int) -> dict[str, Any] | str:
        """What a task gave, or what became of it where it can be tried again. Raises VrmError."""
        lost = self._ray.exceptions
        try:
            told: dict[str, Any] = self._ray.get(reference)
            return told
        except (lost.WorkerCrashedError, lost.NodeDiedError, lost.ObjectLostError, lost.OutOfMemoryError) as error:
            why = "ran out of memory" if isinstance(error, lost.OutOfMemoryError) else "was lost"
            if tries < TRIES:
                return why
            words = f"The process or machine that worked on a part {why}, {tries} times."
            raise as_error(failure(words, "Give --memory, or leave it out.")) from error
        except lost.RayError as error:
            words = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            every = f"Every machine needs vrm {__version__}."
            raise as_error(failure(f"Ray could not run a part: {words}", every)) from error


def _room(node: dict[str, Any], need: Need) -> int:
    """How many tasks a machine has room for at the same time."""
    have = node["Resources"]
    rooms = [have.get("CPU", 0) // need.cpus, have.get("memory", 0) // max(1, need.memory)]
    return int(min([*rooms, have.get("GPU", 0) // need.gpus] if need.gpus else rooms))


def _read_there(words: dict[str, Any]) -> list[str]:
    """The files beside the video that engines read: all but the mask, for holes are sent."""
    options = build_options(**words)
    return [str(path) for _, path in paths_read(options) if path != options.mask.path and path.exists()]


def _look(named: list[str]) -> dict[str, Any]:
    """On a machine: can it work on files of these names?"""
    missing = [name for name in named if not Path(name).exists()]
    return {"node": socket.gethostname(), "vrm": __version__, "missing": missing}


def _wrong(found: dict[str, Any], version: str) -> VrmError | None:
    """Why a machine, by what it said, cannot work on the video for a vrm of that version."""
    if found["vrm"] != version:
        words = f"The machine {found['node']} has vrm {found['vrm']}, not {version}."
        return UsageError(words, "Install the same version everywhere.")
    if found["missing"]:
        words = f"The machine {found['node']} does not find {', '.join(found['missing'])}."
        return VideoError(words, "All machines need the files under the same paths: a shared folder.")
    return None


def _perform_part(given: dict[str, Any], shared: dict[str, bytes], prepared: dict[str, bytes] | None) -> dict[str, Any]:
    """The task, on whichever machine."""
    kept, work = Kept(), PartWork()
    wrong = _wrong(_look([given["input"]]), given["vrm"])
    if wrong is not None:
        error = failure(wrong.what, wrong.fix, wrong.exit_code)
        return {"result": {"error": error}, "files": {}, "said": []}
    behave()
    sweep()
    with scratch_folder({"input": given["input"]}) as folder:
        sent = shared | (prepared or {})
        write_files(folder, sent)
        at = given["part"] | {"folder": str(folder)}
        result = work.perform(given | {"part": at}, folder / "process", kept)
        work.close()
        return {"result": result, "files": files_made(folder, set(sent)), "said": kept.said}
