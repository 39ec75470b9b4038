"""The state of one page: what was said, with undo and redo, what runs, and what that has left. One for all its tabs."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vrm.errors import OutputError, UsageError, VideoError, VrmError
from vrm.media.read.probe import probe
from vrm.media.write.png import write_png
from vrm.options.session import PickSession, size_of
from vrm.page.commands import free_output, program, python_lines, remove_line, shell_line, track_words
from vrm.page.edits import edited, painted
from vrm.page.followed import MASKS, Followed
from vrm.page.frames import FrameStore
from vrm.page.masks import Outliner, Overlay, drawn, overlay
from vrm.page.runs import DONE, RUNNING, Run
from vrm.system.files import atomic_folder, atomic_write
from vrm.system.worker import command
from vrm.types import Bool, VideoInfo

_UNDONE = 200
"""Changes that can be taken back, at most."""
FOLLOW, TRY, REMOVE, SURVEY = "follow", "try", "remove", "survey"
KINDS = (FOLLOW, TRY, REMOVE)
_MOST_STROKE = 5000
"""Points of one stroke of the brush."""


class PageState:
    """See the module; its methods may be called from several threads.

    Args:
        info: the video.
        session: what was said of it so far.
        scratch: a folder that goes when the page ends.
        saved: the session's file, or None.
    """

    def __init__(self, info: VideoInfo, session: PickSession, scratch: Path, saved: Path | None = None) -> None:
        self.info, self.scratch = info, scratch
        self.frames = FrameStore(info)
        self.changed: Callable[[], None] = lambda: None
        self.runs: dict[str, Run] = {}
        self.followed: Followed | None = None
        self.shots: list[list[int]] = []
        self.results: dict[str, FrameStore] = {}
        self.output: Path | None = None
        self.saved = saved
        self.version = self.said = 0  # of everything that changes; of what changes masks
        self._session = session
        self._done: list[PickSession] = []
        self._undone: list[PickSession] = []
        self._outliner = Outliner(self.frames)
        self._lock = threading.RLock()
        self._made, self._closed = 0, False
        self._stamp = self._source_stamp()

    @property
    def session(self) -> PickSession:
        return self._session

    def close(self) -> None:
        """Stop everything that runs, and wait for it."""
        with self._lock:
            self._closed = True
        for run in self.runs.values():
            run.cancel()
        for run in self.runs.values():
            run.wait(25)
        self._outliner.close()
        for store in (self.frames, *self.results.values()):
            store.close()

    @property
    def can_undo(self) -> bool:
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        return bool(self._undone)

    @property
    def report(self) -> Path | None:
        """The report of the last removal."""
        run = self.runs.get(REMOVE)
        written = run.report.get("options", {}).get("report") if run is not None and run.state == DONE else None
        return Path(written) if written and Path(written).is_file() else None

    @property
    def busy(self) -> bool:
        return any(run.state == RUNNING and run.kind != SURVEY for run in self.runs.values())

    # What was said

    def edit(self, asked: Mapping[str, Any]) -> None:
        """Change what is said. Raises VrmError."""
        with self._lock:
            if asked.get("do") == "undo":
                self._step(self._done, self._undone)
            elif asked.get("do") == "redo":
                self._step(self._undone, self._done)
            elif asked.get("do") == "stroke":
                self._keep(self._stroke(asked))
            else:
                self._keep(edited(self._session, asked))
            self.said += 1
        self.touch()

    def touch(self) -> None:
        """Something has changed that the tabs show."""
        self.version += 1
        self.changed()

    def _keep(self, after: PickSession) -> None:
        if after != self._session:
            self._done = [*self._done[1 - _UNDONE :], self._session]
            self._undone = []
            self._session = after

    def _step(self, source: list[PickSession], target: list[PickSession]) -> None:
        if source:
            target.append(self._session)
            self._session = source.pop()

    def _stroke(self, asked: Mapping[str, Any]) -> PickSession:
        """The session after a stroke of the brush or of the eraser, which is painted on all that goes on its frame."""
        try:
            t, radius = int(asked["frame"]), float(asked["radius"])
            places = np.array([[float(x), float(y)] for x, y in asked["points"]])
            thing = None if asked.get("thing") is None else int(asked["thing"])
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError("The page's request cannot be read.", "Reload it.") from error
        height, width = self._session.size
        if not (0 < len(places) <= _MOST_STROKE and np.isfinite(places).all() and 0 < radius <= max(height, width)):
            raise UsageError("That stroke is too long, or leads nowhere.", "Paint in several strokes.")
        mask = np.ascontiguousarray(self.mask(t), np.uint8)
        line = np.rint(np.clip(places, -1e5, 1e5) * 8).astype(np.int32)  # in eighths of a pixel
        value = 0 if asked.get("erase") else 1
        cv2.polylines(mask, [line], False, value, max(1, round(2 * radius)), cv2.LINE_8, 3)
        for x, y in line:
            cv2.circle(mask, (int(x), int(y)), round(8 * radius), value, cv2.FILLED, cv2.LINE_8, 3)
        return painted(self._session, t, thing, self._keep_painted(t, mask > 0))

    def mask(self, t: int) -> Bool:
        """All that goes on frame t and is followed, as displayed. Raises VrmError."""
        session = self._session.without_rectangles
        there = None if self.followed is None else self.followed.mask(t)
        found = self._outliner.found(session, t, there)
        if found is not None:
            return np.rot90(found.mask, -self.info.rotation // 90)
        return np.zeros(session.size, np.bool_) if there is None else there

    def _keep_painted(self, t: int, mask: Bool) -> str:
        """Write a painted mask where the command line finds it later too: beside the video, by a name of its own."""
        video = Path(self._session.video)
        name = f"{t:05d}-{hashlib.sha256(np.packbits(mask).tobytes()).hexdigest()[:8]}.png"
        for folder in (video.with_name(f"{video.stem}-pick"), self.scratch / "painted"):
            try:
                folder.mkdir(exist_ok=True)
                write_png(folder / name, mask.astype(np.uint8) * 255)
                return str(folder / name)
            except (OSError, OutputError):
                continue
        raise OutputError("The painted mask cannot be written beside the video, nor into scratch.", "Free some space.")

    # What is shown

    def check_source(self) -> None:
        """Raise VideoError: the video has gone, or has changed since the page was opened."""
        if self._source_stamp() != self._stamp:
            raise VideoError(f"{self.info.path} has gone, or was changed.", "Put it back, or run vrm pick again.")

    def _source_stamp(self) -> tuple[int, int] | None:
        try:
            found = self.info.path.stat()
        except OSError:
            return None
        return (found.st_size, found.st_mtime_ns) if self.info.path.is_file() else (0, 0)

    def overlay(self, t: int, show_effects: bool = True, rough: bool = False) -> Overlay:
        """What goes on frame t; see ``vrm.page.masks.overlay``. Raises VrmError."""
        found = overlay(self._session, t, self._outliner, self.followed, show_effects, rough)
        if not rough and found.sure is not None and any("unsure" in note or "covers" in note for note in found.notes):
            self._accept()
        return found

    def _accept(self) -> None:
        """Who goes on with an outline that was said to be unsure has seen it: the command must not stop there."""
        with self._lock:
            alone = any(thing.points for thing in self._session.active) and not self._session.settings.get("sam")
            if alone and not self._session.settings.get("yes"):
                self._session = replace(self._session, settings={**self._session.settings, "yes": True})
                self.touch()

    # What runs

    def start(self, kind: str, asked: Mapping[str, Any]) -> None:
        """Begin to follow, try or remove. Raises VrmError: it cannot be begun."""
        self.check_source()
        with self._lock:
            if self.busy:
                raise UsageError("Something runs already.", "Wait for it, or cancel it.")
            made = {FOLLOW: self._follow, TRY: self._try, REMOVE: self._remove}.get(kind)
            if made is None:
                raise UsageError("The page asks for something that is not known.", "Reload it.")
            said = self._session.words()
            self.runs[kind] = Run(kind, made(asked), self._told, said)
        self.touch()

    def begin(self) -> None:
        """Thread: make the first frame ready, which each tab asks for, then look for the borders of shots."""
        with contextlib.suppress(VrmError):
            self.frames.decoded(0)
        if self.info.n_frames > 1:
            self.survey()

    def survey(self) -> None:
        """Begin to look for the borders of shots."""
        with self._lock:
            if not self._closed:
                self.runs[SURVEY] = Run(SURVEY, [*command("vrm.page.survey"), str(self.info.path)], self._told)

    def cancel(self) -> None:
        for run in self.runs.values():
            if run.kind != SURVEY:
                run.cancel()

    def _folder(self, name: str) -> Path:
        self._made += 1
        folder = self.scratch / f"{name}-{self._made}"
        folder.mkdir()
        return folder

    def _follow(self, asked: Mapping[str, Any]) -> list[str]:
        folder = self._folder(FOLLOW)
        words = self._session.words()
        if not self._session.without_rectangles.active:
            raise UsageError("Nothing is there to be followed.", "Draw a box around a thing, or click on it.")
        remove_line(self._session, folder / "none.mkv")  # refuses what cannot go
        (folder / "session.json").write_text(self._session.to_json(folder), encoding="utf-8")
        task = {"video": str(self.info.path), "words": track_words(words), "folder": str(folder)}
        task["session"] = str(folder / "session.json")
        (folder / "task.json").write_text(json.dumps(task), encoding="utf-8")
        self._following = folder
        return [*command("vrm.page.follow"), str(folder / "task.json")]

    def _try(self, asked: Mapping[str, Any]) -> list[str]:
        folder = self._folder(TRY)
        more: dict[str, Any] = {"preview": True}
        if asked.get("range"):
            first, last = (int(n) for n in asked["range"])
            if not 0 <= first < last <= self.info.n_frames:
                raise UsageError("That range holds no frame.", "Set its start before its end.")
            more |= {"start": f"{first}f", "end": f"{last}f"}
        self._tried = folder / f"try{free_output(self._session).suffix}"
        return program(remove_line(self._session, self._tried, **more))

    def _remove(self, asked: Mapping[str, Any]) -> list[str]:
        self.output = free_output(self._session)
        return program(self.line(self.output))

    def line(self, output: Path) -> list[str]:
        """What Remove runs, and Copy command gives."""
        return remove_line(self._session, output, **self._report_of(output))

    def _report_of(self, output: Path) -> dict[str, Path]:
        """The option that has a report written beside a result, unless something lies there already."""
        folder = self.info.path.is_dir()
        report = output.with_name(output.name + ".html") if folder else output.with_suffix(".html")
        return {} if report.exists() else {"report": report}

    def _told(self, run: Run) -> None:
        """From a run's thread: it has changed."""
        if run.state == DONE:
            try:
                self._take_in(run)
            except (VrmError, OSError, ValueError, KeyError) as error:
                run.error = str(error)
        self.touch()

    def _take_in(self, run: Run) -> None:
        if run.kind == SURVEY:
            self.shots = run.other["shots"]["shots"]
        elif run.kind == FOLLOW:
            self.followed = Followed(self._following, run.said)
            self.said += 1
        else:
            output = Path(run.report["output"])
            old = self.results.get(run.kind)
            self.results[run.kind] = FrameStore(probe(output), prepare=False)
            if old is not None:
                old.close()

    # What is taken along

    def save(self, what: str) -> Path:
        """Write the session or the followed masks beside the video; returns where. Raises VrmError."""
        video = Path(self._session.video)
        if what == "session":
            self.saved = self.saved or _free(video.with_name(f"{video.stem}-pick.json"))
            atomic_write(self.saved, self._session.to_json(self.saved.parent))
            self.touch()
            return self.saved
        if what != "masks":
            raise UsageError("The page asks for something that is not known.", "Reload it.")
        if self.followed is None:
            raise UsageError("There are no masks of all frames yet.", "Follow first.")
        folder = _free(video.with_name(f"{video.stem}-masks"))
        with atomic_folder(folder, "Masks") as partial:
            shutil.copytree(self.followed.folder / MASKS, partial)
            if rectangles := self._session.rectangles:
                more = drawn(rectangles, self._session.size)
                for t in range(self.info.n_frames):
                    mask = self.followed.mask(t)
                    write_png(partial / f"{t:05d}.png", (more if mask is None else mask | more).astype(np.uint8) * 255)
        return folder

    def commands(self) -> dict[str, str]:
        """The shell line and the Python lines of what Remove runs now; ``error`` where it cannot be run."""
        try:
            output = free_output(self._session)
            python = python_lines(self._session, output, **self._report_of(output))
            return {"shell": shell_line(self.line(output)), "python": python}
        except VrmError as error:
            return {"error": str(error)}


def _free(path: Path) -> Path:
    names = [path, *(path.with_name(f"{path.stem}-{n}{path.suffix}") for n in range(2, 1000))]
    return next(each for each in names if not each.exists())


def new_session(info: VideoInfo, typed: str) -> PickSession:
    """A session in which nothing was said yet."""
    return PickSession(typed, info.display_size, info.n_frames, size_of(info.path))
