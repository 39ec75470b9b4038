"""The state of one page: what was said, with undo and redo, what runs, and what that has left. One for all its tabs."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vrm.errors import UsageError, VideoError, VrmError
from vrm.media.read.probe import probe
from vrm.options.session import PickSession, size_of
from vrm.page.commands import free_output, program, python_lines, remove_line, shell_line, track_words
from vrm.page.edits import edited, painted
from vrm.page.followed import Followed
from vrm.page.frames import FrameStore
from vrm.page.history import History
from vrm.page.masks import Outliner, Overlay, goes, overlay
from vrm.page.painting import Stroke, keep_painted
from vrm.page.runs import DONE, RUNNING, Run
from vrm.page.saving import save_masks, save_session
from vrm.system.worker import command
from vrm.types import Bool, VideoInfo

FOLLOW, TRY, REMOVE, SURVEY = "follow", "try", "remove", "survey"
KINDS = (FOLLOW, TRY, REMOVE)
FIRST_SIZE = 1280
"""Longer side of the picture of the first frame that is made before anybody asks."""


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
        self.history = History(session)
        self._outliner = Outliner(self.frames)
        self._lock = threading.RLock()
        self._made, self._closed = 0, False
        self._stamp = self._source_stamp()

    @property
    def session(self) -> PickSession:
        return self.history.session

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
            match asked.get("do"):
                case "undo":
                    self.history.undo()
                case "redo":
                    self.history.redo()
                case "stroke":
                    self.history.keep(self._stroke(asked))
                case _:
                    self.history.keep(edited(self.session, asked))
            self.said += 1
        self.touch()

    def touch(self) -> None:
        """Something has changed that the tabs show."""
        self.version += 1
        self.changed()

    def _stroke(self, asked: Mapping[str, Any]) -> PickSession:
        """The session after a stroke of the brush or of the eraser, which is painted on all that goes on its frame."""
        stroke = Stroke.read(asked, self.session.size)
        mask = stroke.on(self.mask(stroke.frame))
        path = keep_painted(mask, stroke.frame, Path(self.session.video), self.scratch)
        return painted(self.session, stroke.frame, stroke.thing, path)

    def mask(self, t: int) -> Bool:
        """All things that go on frame t and are followed, as displayed. Raises VrmError."""
        return goes(self.session, t, self._outliner, self.followed)

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
        found = overlay(self.session, t, self._outliner, self.followed, show_effects, rough)
        if not rough and found.sure is not None and any("unsure" in note or "covers" in note for note in found.notes):
            self._accept()
        return found

    def _accept(self) -> None:
        """Who goes on with an outline that was said to be unsure has seen it: the command must not stop there."""
        with self._lock:
            alone = any(thing.points for thing in self.session.active) and not self.session.settings.get("sam")
            if alone and not self.session.settings.get("yes"):
                self.history.session = replace(self.session, settings={**self.session.settings, "yes": True})
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
            said = self.session.words()
            self.runs[kind] = Run(kind, made(asked), self._told, said)
        self.touch()

    def begin(self) -> None:
        """Make the first frame ready in a thread, which each tab asks for."""
        threading.Thread(target=self._show_first, name="vrm-first", daemon=True).start()

    def _show_first(self) -> None:
        with contextlib.suppress(VrmError):
            self.frames.picture(0, FIRST_SIZE, looked_at=False)

    def survey(self) -> None:
        """Begin to look for the borders of shots, once."""
        with self._lock:
            if not self._closed and self.info.n_frames > 1 and SURVEY not in self.runs:
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
        words = self.session.words()
        if not self.session.without_rectangles.active:
            raise UsageError("Nothing is there to be followed.", "Draw a box around a thing, or click on it.")
        remove_line(self.session, folder / "none.mkv")  # refuses what cannot go
        (folder / "session.json").write_text(self.session.to_json(folder), encoding="utf-8")
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
        self._tried = folder / f"try{free_output(self.session).suffix}"
        return program(remove_line(self.session, self._tried, **more))

    def _remove(self, asked: Mapping[str, Any]) -> list[str]:
        self.output = free_output(self.session)
        return program(self.line(self.output))

    def line(self, output: Path) -> list[str]:
        """What Remove runs, and Copy command gives."""
        return remove_line(self.session, output, **self._report_of(output))

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
        if what == "session":
            self.saved = save_session(self.session, self.saved)
            self.touch()
            return self.saved
        if what != "masks":
            raise UsageError("The page asks for something that is not known.", "Reload it.")
        if self.followed is None:
            raise UsageError("There are no masks of all frames yet.", "Follow first.")
        return save_masks(self.session, self.followed)

    def commands(self) -> dict[str, str]:
        """The shell line and the Python lines of what Remove runs now; ``error`` where it cannot be run."""
        try:
            output = free_output(self.session)
            python = python_lines(self.session, output, **self._report_of(output))
            return {"shell": shell_line(self.line(output)), "python": python}
        except VrmError as error:
            return {"error": str(error)}


def new_session(info: VideoInfo, typed: str) -> PickSession:
    """A session in which nothing was said yet."""
    return PickSession(typed, info.display_size, info.n_frames, size_of(info.path))
