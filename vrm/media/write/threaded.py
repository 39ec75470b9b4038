"""A video that is written frame by frame as frames come, beside other work."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from vrm.media.frame.frame import Frame
from vrm.media.write.plan import OutputPlan
from vrm.media.write.writer import write_video

_WAITING = 2


class ThreadedWriter:
    """Encodes in a thread of its own what is given to ``add``; the file appears when the block ends well."""

    def __init__(self, plan: OutputPlan) -> None:
        self._plan = plan
        self._frames: queue.Queue[Frame | None] = queue.Queue(_WAITING)
        self._error: BaseException | None = None
        self._given_up = False
        self._thread = threading.Thread(target=self._run, name="vrm-encode", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def add(self, frame: Frame) -> None:
        """The next frame. Raises what writing raised."""
        while self._error is None:
            try:
                self._frames.put(frame, timeout=0.2)
                return
            except queue.Full:
                continue
        raise self._error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._given_up = error is not None
        while self._thread.is_alive():
            try:
                self._frames.put(None, timeout=0.2)
                break
            except queue.Full:
                continue
        self._thread.join()
        if self._error is not None and error is None:
            raise self._error

    def _run(self) -> None:
        try:
            write_video(self._plan, self._coming())
        except BaseException as error:  # handed to the thread that gives the frames
            self._error = None if self._given_up else error

    def _coming(self) -> Iterator[Frame]:
        while (frame := self._frames.get()) is not None:
            yield frame
        if self._given_up:
            raise RuntimeError("the frames ended early")
