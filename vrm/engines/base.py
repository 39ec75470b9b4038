"""The contract between the pipeline and an engine.

The pipeline hands an engine one *shot* (a stretch of video without a cut) through the ``Shot`` view; the engine
prepares a ``Session`` for it (it may fit, choose keyframes, or do nothing) and then fills it window by window.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

from vrm.events import Progress
from vrm.motion.result import Propagation
from vrm.shots.windows import Window
from vrm.types import U8, Bool, Masks, Patch, Pixels


class Shot(Protocol):
    """Random access, through bounded caches, to everything about one shot. Frame numbers are the video's own."""

    start: int
    stop: int
    size: tuple[int, int]
    depth: int
    keyframes: Mapping[int, Pixels]
    """Frames the user has already cleaned, by number, as ``frame`` would give them; what lies in the hole counts."""
    scratch: Path | None
    """An existing folder for what the engine keeps while it works; None: it is kept in memory."""
    labels: Callable[[int], U8] | None
    """``labels(t)``: super-categories of frame t, 0 to 7, completed in the hole, uint8 ``(H, W)``; None without any."""

    def frame(self, t: int) -> Pixels:
        """Frame t, uint8 (depth 8) or uint16 (deeper, scaled to the full 16 bits) ``(H, W, 3)`` RGB."""
        ...

    def hole(self, t: int) -> Bool:
        """The grown mask of frame t, bool ``(H, W)``: everything in it is to be filled."""
        ...

    def windows(self) -> list[Window]:
        """The windows the pipeline will ask for, in order; together they cover every frame with a hole."""
        ...

    def propagation(self, window: Window, given: Mapping[int, Pixels] | None = None) -> Propagation:
        """What motion found for the window's frames (cached; computed on first use).

        ``given`` are whole frames by number: what they show in the hole is known (``vrm.engines.shot.KeyframedShot``),
        and moving foreground is tracked to it.
        """
        ...


class Session(Protocol):
    """One engine at work on one shot."""

    notes: tuple[str, ...]  # what the user should know of it, one sentence each

    def fill(self, window: Window) -> dict[int, Patch]:
        """Patches for the frames of the window that have a hole, keyed by frame. Pure: same call, same bytes."""
        ...


@runtime_checkable
class HasDebugViews(Protocol):
    """A session that has something to show in the report beside its result."""

    def views(self, t: int) -> list[tuple[str, U8]]:
        """Named pictures uint8 ``(h, w, 3)`` RGB about a frame of the window that was filled last; may be none."""
        ...


@runtime_checkable
class HasCoverage(Protocol):
    """A session that knows better than motion alone where its pixels come from."""

    def origin(self, t: int) -> U8 | None:
        """The coverage map (``vrm.engines.coverage``) of a frame of the window that was filled last; None: no hole."""
        ...


@runtime_checkable
class HasSplitPoints(Protocol):
    """An engine that knows some frames before all others: windows best meet there."""

    def split_points(self, start: int, stop: int, holes: Masks, given: Collection[int]) -> list[int]:
        """Frames of the shot ``start..stop-1`` at which windows may meet, ascending.

        ``holes`` are the grown masks of the video, ``given`` its frames that the user has cleaned.
        """
        ...


@runtime_checkable
class LooksBeyond(Protocol):
    """An engine that may find the background on frames of the shot that are not to be filled."""

    looks_beyond: bool


class Engine(Protocol):
    """Removes what the masks cover."""

    name: str  # as in ``--engine``
    device: str  # where it works, and in which number format, after "auto" was decided, in words
    dtype: str
    labelled: bool  # asks the shot for label maps
    generates: bool  # can begin without a single frame that the user has cleaned
    # ``prepare`` takes long, and keeps what it made in ``EngineOptions.fits``: sessions that other processes open on
    # the same shot take that over.
    keeps: bool

    def prepare(self, shot: Shot, progress: Progress) -> Session:
        """Look at the shot, fit if the engine fits, and return the session that fills it."""
        ...
