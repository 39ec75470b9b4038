"""Parts of one video, the preparation of a shot or the filling of a window, done in a process that did not begin it.

See ``vrm.engines.window_tasks``, which describes them.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from vrm.engines.coverage import CoverageLog
from vrm.engines.keyframe.user_keyframes import load_keyframes
from vrm.engines.registry import create_engine
from vrm.engines.runner import EngineInputs, Labels, OpenShot, engine_options
from vrm.engines.window_tasks import DESCRIPTION, HOLES, LABELS, WindowTask
from vrm.errors import VideoError
from vrm.events import Events
from vrm.job.checkpoints import video_key
from vrm.job.context import Job
from vrm.job.packed_masks import unpack
from vrm.job.resume import WINDOWS, JobFolder
from vrm.media.read.open_video import open_video
from vrm.options.remove import RemoveOptions
from vrm.selection.labels.classes import labels_for_engine
from vrm.shots.patch_store import PatchStore
from vrm.shots.windows import Window
from vrm.system.array_folder import ArrayFolder
from vrm.system.files import atomic_write, writing
from vrm.types import Pixels

FITS = "fits"


class Filler:
    """One video, opened once by this process, which then fills windows of it.

    Args:
        options: of the job; what is written beside the video is left to the process that began.
        folder: with the task description; what is made goes there.
        own: a scratch folder for this process alone.

    Raises VrmError: files that were there before are missing.
    """

    def __init__(self, source: Path, options: RemoveOptions, folder: Path, own: Path, events: Events) -> None:
        self._description: dict[str, Any] = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        labels = folder / LABELS if self._description["labels"] else options.mask.labels
        segmenter = None if self._description["labels"] else options.mask.segmenter
        mask = replace(options.mask, save_to=None, labels=labels, segmenter=segmenter)
        options = replace(options, mask=mask, report=None, export_keyframes=None, resume=False)
        info = open_video(source, options.max_pixels, options.max_frames, options.stream, options.fps)
        if video_key(source) != self._description["video"]:
            raise VideoError(f"{source} is another file here.", "Every machine needs the same files.")
        found = unpack((folder / HOLES).read_bytes(), info.size, info.n_frames)
        if found is None:
            raise VideoError(f"{source} has changed, or scratch is damaged.", "Run it again.")
        state = JobFolder(own, kept=True, common=folder)
        state.windows.mkdir(exist_ok=True)
        job = Job.begin(info, source, options, events, state)
        job.first, job.last = self._description["frames"]
        self._job, self._engine = job, create_engine(engine_options(job))
        self._coverage = CoverageLog(tuple(self._description["highlights"]))
        kept = ArrayFolder[Pixels](job.scratch("keyframes"))
        keyframes = load_keyframes(options.engine.keyframes, info, job.depth, options.max_pixels, kept).images
        frames = job.open_frames(self._description["at_once"])
        self._inputs = EngineInputs(frames, found[0], keyframes, lambda: labels_for_engine(job, found[0]))
        self._labels: Labels | None = None
        self._shot: tuple[int, OpenShot] | None = None

    def do(self, task: WindowTask) -> dict[str, Any]:
        """Do one task, whose files go into the folder; returns "device" and "dtype" used, and "peak_memory_mb"."""
        shot = self._open(task.shot)
        if task.window is not None:
            window = Window(*self._description["shots"][task.shot]["windows"][task.window])
            patches = PatchStore(self._job.folder.windows, durable=self._description["durable"])
            shot.fill(window, patches, self._coverage)
        peak = self._job.finish().peak_memory_mb
        return {"device": self._engine.device, "dtype": self._engine.dtype, "peak_memory_mb": peak}

    def close(self) -> None:
        self._shot = None
        self._inputs.frames.close()

    def _open(self, number: int) -> OpenShot:
        if self._shot is None or self._shot[0] != number:
            self._shot = None
            if self._engine.labelled and self._labels is None:
                self._labels = self._inputs.labels()
            facts = self._description["shots"][number]
            windows = [Window(*numbers) for numbers in facts["windows"]]
            opened = OpenShot.prepare(
                self._job, self._engine, self._inputs, self._labels, facts["start"], facts["stop"], windows
            )
            self._shot = number, opened
        return self._shot[1]


def files_to_send(folder: Path) -> dict[str, bytes]:
    """By name in the folder, the files that a machine which does not see it needs: all but windows."""
    places = [folder / DESCRIPTION, folder / HOLES]
    for name in (LABELS, FITS):
        places += sorted(path for path in (folder / name).rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in places}


def files_made(folder: Path, known: Collection[str]) -> dict[str, bytes]:
    """Windows, and what was prepared, that the folder holds beyond the files ``known``."""
    places = sorted(path for name in (WINDOWS, FITS) for path in (folder / name).rglob("*") if path.is_file())
    named = {str(path.relative_to(folder)): path for path in places}
    return {name: path.read_bytes() for name, path in named.items() if name not in known}


def write_files(folder: Path, files: dict[str, bytes], durable: bool = False) -> None:
    """Put files, by their name in the folder, where they belong. Raises OutputError."""
    for name, data in files.items():
        path = folder / name
        what = f"Scratch cannot be written in {folder}"
        with writing(what):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        atomic_write(path, data, what, durable=durable)
