"""One video filled by several processes, of this machine or of others.

Once a shot is prepared (a fit, generated keyframes), its windows do not depend on each other. What every process has to
know lies in a folder: the *brief* (shots, windows, what the report shows), the holes, what was prepared. A process does
one *part* at a time, the preparation of a shot or the filling of a window, and leaves the window there as ``--resume``
keeps it. At the end the process that began takes all windows over as if it had been interrupted and went on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from vrm.engines.base import Engine, Window
from vrm.engines.keyframe.user_keyframes import load_keyframes
from vrm.engines.registry import create_engine
from vrm.engines.runner import Filling, OpenShot, Stretch, frame_store
from vrm.errors import VideoError
from vrm.events import Events
from vrm.job.checkpoints import video_key
from vrm.job.context import Work, open_video
from vrm.job.packed_masks import pack, unpack
from vrm.job.resume import WINDOWS, Job
from vrm.motion.fill_cache import FrameFolder
from vrm.options.remove import RemoveOptions
from vrm.selection.labels.video import label_video
from vrm.selection.prompts.prompted_masks import labels_for_engine
from vrm.shots.patch_store import PatchStore
from vrm.system.files import atomic_write, writing
from vrm.types import U8, Masks

BRIEF, HOLES, FITS, LABELS = "brief.json", "holes.bin", "fits", "labels"


@dataclass(frozen=True)
class Part:
    """What one process does at a time.

    Attributes:
        shot: its place in the brief.
        window: its place among the shot's windows; None = the shot is prepared.
        frames: how many it fills.
    """

    shot: int
    window: int | None
    frames: int = 0


@dataclass(frozen=True)
class Done:
    """A part that is over.

    Attributes:
        part: which.
        facts: what ``Filler.do`` said, or None: memory ran out, and the part is left to whoever began.
    """

    part: Part
    facts: dict[str, Any] | None


class Workers(Protocol):
    """Processes that do parts of one video.

    Attributes:
        at_once: most of them that work in the scratch folder of this machine.
    """

    at_once: int

    def do(self, folder: Path, parts: list[Part], note: Callable[[str], None]) -> Iterator[Done]:
        """Do parts, those of preparing before their shot's windows, and leave what they make in the folder.

        Raises:
            VrmError: one of them failed, whatever was tried.
        """
        ...

    def close(self) -> None:
        """Leave nothing running; may be called twice."""
        ...


def fill_beside(
    work: Work, engine: Engine, holes: Masks, filling: Filling, stretches: list[Stretch], workers: Workers
) -> None:
    """Have processes fill the windows, as far as memory allows; ``filling.run`` then takes them over.

    Args:
        work: the job.
        engine: as made for it.
        holes: grown masks.
        filling: of the video.
        stretches: from ``filling.stretches``.
        workers: the processes.
    """
    parts = list(_parts(engine, filling, stretches))
    filled = [part for part in parts if part.window is not None]
    if filling.lowered or not filled:
        return
    if len(filled) == 1:
        work.note("All of it is one window, which is not divided.")
    folder = work.job.folder
    labels = work.options.mask.labels
    if engine.labelled and labels is None and work.options.mask.segmenter is not None:
        labels = label_video(work)
    brief = {
        "video": video_key(work.info.path),
        "frames": [work.first, work.last],
        "shots": [
            {"start": s.start, "stop": s.stop, "windows": [[w.start, w.stop, w.context_start, w.context_stop]
            for w in s.windows]} for s in stretches
        ],
        "telling": list(work.telling),
        "labels": labels is not None and labels != work.options.mask.labels,
        "durable": work.job.kept,
        "at_once": workers.at_once,
    }  # fmt: skip
    what = f"Scratch cannot be written in {folder}"
    atomic_write(folder / BRIEF, json.dumps(brief), what)
    atomic_write(folder / HOLES, pack(holes, None), what)
    filling.take_over = True
    total = sum(part.frames for part in parts)
    work.events.stage("fill", total)
    try:
        with work.timed("fill"):
            for done in workers.do(folder, parts, work.note):
                if done.facts is not None:
                    work.beside(done.facts)
                    work.events.advance("fill", done.part.frames)
    finally:
        workers.close()  # before the folder goes, and so that none holds memory while the result is written


def _parts(engine: Engine, filling: Filling, stretches: list[Stretch]) -> Iterator[Part]:
    for k, stretch in enumerate(stretches):
        todo = [n for n, window in enumerate(stretch.windows) if not filling.patches.holds(window)]
        if engine.keeps and todo:
            yield Part(k, None)
        for n in todo:
            yield Part(k, n, stretch.windows[n].stop - stretch.windows[n].start)


class Filler:
    """A process's hold on one video: opened once, then asked for parts.

    Args:
        source: the video.
        options: of the job; what is written beside the video is left to whoever began.
        folder: with the brief; what is made goes there.
        own: a scratch folder for this process alone.
        events: told what goes on.

    Raises:
        VrmError: what was there is not there any more.
    """

    def __init__(self, source: Path, options: RemoveOptions, folder: Path, own: Path, events: Events) -> None:
        self._brief: dict[str, Any] = json.loads((folder / BRIEF).read_text())
        labels = folder / LABELS if self._brief["labels"] else options.mask.labels
        segmenter = None if self._brief["labels"] else options.mask.segmenter
        mask = replace(options.mask, save_to=None, labels=labels, segmenter=segmenter)
        options = replace(options, mask=mask, report=None, export_keyframes=None, resume=False)
        info = open_video(source, options)
        if video_key(source) != self._brief["video"]:
            raise VideoError(f"{source} is another file here.", "Every machine needs the same files.")
        found = unpack((folder / HOLES).read_bytes(), info.size, info.n_frames)
        if found is None:
            raise VideoError(f"{source} has changed, or scratch is damaged.", "Run it again.")
        self._holes = found[0]
        job = Job(own, kept=True, common=folder)
        self._work = Work.begin(info, source, options, events, job)
        self._work.first, self._work.last = self._brief["frames"]
        self._work.telling = tuple(self._brief["telling"])
        self._engine = create_engine(self._work.engine_options)
        kept = FrameFolder(self._work.folder("keyframes"))
        depth, most = self._work.depth, options.max_pixels
        self._keyframes = load_keyframes(options.engine.keyframes, info, depth, most, kept).images
        self._store = frame_store(self._work, self._brief["at_once"])
        job.windows.mkdir(exist_ok=True)
        self._labels: Callable[[int], U8] | None = None
        self._shot: tuple[int, OpenShot] | None = None

    def do(self, part: Part) -> dict[str, Any]:
        """Do one part; what it makes lies in the folder.

        Returns:
            Facts as plain values: "device" and "dtype" that were used, "peak_memory_mb".
        """
        shot = self._open(part.shot)
        if part.window is not None:
            window = Window(*self._brief["shots"][part.shot]["windows"][part.window])
            store = PatchStore(self._work.job.windows, durable=self._brief["durable"])
            shot.fill(window, store)
        self._work.finish()
        peak = self._work.report.peak_memory_mb
        return {"device": self._engine.device, "dtype": self._engine.dtype, "peak_memory_mb": peak}

    def close(self) -> None:
        """Let go of frames."""
        self._shot = None
        self._store.close()

    def _open(self, number: int) -> OpenShot:
        if self._shot is None or self._shot[0] != number:
            self._shot = None
            if self._engine.labelled and self._labels is None:
                self._labels = labels_for_engine(self._work, self._holes)
            facts: Mapping[str, Any] = self._brief["shots"][number]
            windows = [Window(*numbers) for numbers in facts["windows"]]
            opened = OpenShot.begin(
                self._work, self._engine, self._store, self._holes, self._keyframes, self._labels,
                facts["start"], facts["stop"], windows,
            )  # fmt: skip
            self._shot = number, opened
        return self._shot[1]


def files_to_send(folder: Path) -> dict[str, bytes]:
    """What a machine that does not see the folder needs of it: name in it, and content. Windows are not needed."""
    places = [folder / BRIEF, folder / HOLES]
    for name in (LABELS, FITS):
        places += sorted(path for path in (folder / name).rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in places}


def files_made(folder: Path, known: Collection[str]) -> dict[str, bytes]:
    """Windows, and what was prepared, that the folder holds beyond the files ``known``."""
    places = sorted(path for name in (WINDOWS, FITS) for path in (folder / name).rglob("*") if path.is_file())
    named = {str(path.relative_to(folder)): path for path in places}
    return {name: path.read_bytes() for name, path in named.items() if name not in known}


def write_files(folder: Path, files: Mapping[str, bytes], durable: bool = False) -> None:
    """Put files, by their name in the folder, where they belong. Raises OutputError."""
    for name, data in files.items():
        path = folder / name
        what = f"Scratch cannot be written in {folder}"
        with writing(what):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        atomic_write(path, data, what, durable=durable)
