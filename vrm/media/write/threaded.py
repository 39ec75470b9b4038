"""A video that is written frame by frame, in a thread beside other work."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Self

from vrm.media.frame.frame import Frame
from vrm.media.write.plan import OutputPlan
from vrm.media.write.writer import write_video

_WAITING = 2
"""Frames that wait to be encoded, at most."""


class ThreadedWriter:
    """Encodes in its own thread the frames given to ``add``; the file appears when the ``with`` block ends well."""

    def __init__(self, plan: OutputPlan) -> None:
        self._plan = plan
        self._frames: queue.Queue[Frame | None] = queue.Queue(_WAITING)
        self._error: BaseException | None = None
        self._abandoned = False
        self._thread = threading.Thread(target=self._run, name="vrm-encode", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def add(self, frame: Frame) -> None:
        """The next frame. Raises what writing raised."""
        self._put(frame)
        if self._error is not None:
            raise self._error

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._abandoned = error is not None
        self._put(None)
        self._thread.join()
        if self._error is not None and error is None:
            raise self._error

    def _put(self, frame: Frame | None) -> None:
        """Hand a frame, or the end, to the thread; if that has ended, nothing happens."""
        while self._thread.is_alive():
            try:
                self._frames.put(frame, timeout=0.2)
                return
            except queue.Full:
                continue

    def _run(self) -> None:
        try:
            write_video(self._plan, self._given())
        except BaseException as error:  # raised in the thread that gives the frames
            self._error = None if self._abandoned else error

    def _given(self) -> Iterator[Frame]:
        while (frame := self._frames.get()) is not None:
            yield frame
        if self._abandoned:
            raise RuntimeError("the frames ended early")
