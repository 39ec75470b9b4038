"""A video's frames in presentation order, decoded ahead in a thread."""

from __future__ import annotations

import queue
import threading
import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, Self

import av

from vrm.errors import VideoError
from vrm.media.frame.frame import Frame
from vrm.media.frame.pixel_layout import layout_of, raw_plane
from vrm.media.read.animated_webp import WEBP, read_webp
from vrm.media.read.container import open_input, video_stream
from vrm.media.read.decode import StreamDecoder
from vrm.media.read.frame_folder import read_folder
from vrm.types import VideoInfo

_AHEAD = 3
"""Decoded frames that wait to be used, at most."""
_SPACING = 24
"""Frames between two seek points, at least."""
_SEARCH = 600
"""Frames that are decoded at most to find a seek point again."""
_NO_DURATIONS = ("mp4", "mov", "m4a", "3gp", "3g2", "mj2")
"""Containers of the MP4 family, as ``VideoInfo.container`` calls them."""
_LONGEST_LAST = 16
"""Frame durations that the last frame may be shown for; after a longer one, frames are missing."""


@dataclass(frozen=True)
class _SeekPoint:
    """A key frame that was decoded: reading may start here if the same picture comes out again.

    ``position`` is the byte to seek to in a joined file, which has the same time more than once.
    """

    index: int
    pts: int
    crc: int
    position: int | None = None


_indexes: dict[tuple[str, int, int, int], list[_SeekPoint]] = {}
"""Seek points in order, by path, stream, size and time of change. Only frames counted from the beginning become seek
points, so that their numbers are exact in a damaged file too; the picture is compared, as not every frame marked as
key decodes alone."""
_INDEXED_FILES = 16


class Reader:
    """The frames of one video file or folder of frames.

    Attributes:
        lost: frames that the file promises and that do not decode; final once reading has reached the end.
        warnings: what else is odd, one sentence each.
    """

    def __init__(self, info: VideoInfo) -> None:
        self.info = info
        self.lost = 0
        self.warnings: list[str] = []
        self._running: list[_ReadAhead] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        while self._running:
            self._running.pop().close()

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[Frame]:
        """Frames ``start..stop-1`` in presentation order; ``Frame.index`` counts decoded frames from 0.

        A damaged packet is skipped, without a gap in the numbers. A start far into a part that this process has read
        before is reached by seeking.

        Raises VideoError: nothing decodes, or the picture changes its size or format.
        """
        if stop is not None and stop <= start:
            return
        readers = {"frames": read_folder, WEBP: read_webp}
        own = readers.get(self.info.container)
        ahead = _ReadAhead(own(self.info, start, stop) if own is not None else self._file(start, stop))
        self._running.append(ahead)
        try:
            yield from ahead
        finally:
            ahead.close()
            if ahead in self._running:
                self._running.remove(ahead)

    def _file(self, start: int, stop: int | None) -> Iterator[Frame]:
        points = _seek_points(self.info)
        point = next((p for p in reversed(points) if p.index <= start), None)
        if point is not None and point.index >= _SPACING and (yield from self._from_point(point, start, stop)):
            return
        with open_input(self.info.path) as container:
            stream = video_stream(container, self.info.path, self.info.stream)
            decoding = StreamDecoder(container, stream, self.info.path, self.info.restarts)
            natives = _timed(decoding.frames(), self.info, stream)
            recorded = _recorded(natives, points, decoding.key_positions)
            yield from self._wrapped(recorded, 0, start, stop, decoding, stream)

    def _from_point(self, point: _SeekPoint, start: int, stop: int | None) -> Generator[Frame, None, bool]:
        """Read from a seek point; returns False, having given nothing, if it is not found again."""
        with open_input(self.info.path) as container:
            stream = video_stream(container, self.info.path, self.info.stream)
            decoding = StreamDecoder(container, stream, self.info.path, self.info.restarts)
            try:
                if point.position is not None:
                    container.seek(point.position, unsupported_byte_offset=True)
                else:
                    container.seek(point.pts, stream=stream)
            except (av.error.FFmpegError, OSError):
                return False
            natives = _timed(decoding.frames(), self.info, stream)
            first = next((f for f, _ in zip(natives, range(_SEARCH), strict=False) if (f.pts or 0) >= point.pts), None)
            if first is None or first.pts != point.pts or _crc(first) != point.crc:
                return False
            yield from self._wrapped(chain((first,), natives), point.index, start, stop, decoding, stream)
            return True

    def _wrapped(
        self,
        natives: Iterator[av.VideoFrame],
        index: int,
        start: int,
        stop: int | None,
        decoding: StreamDecoder,
        stream: av.VideoStream,
    ) -> Iterator[Frame]:
        layout = layout_of(self.info.pix_fmt)
        for native in natives:
            if stop is not None and index >= stop:
                self._tell(decoding)
                return
            if index >= start:
                frame = Frame.from_native(native, index, self.info.time_base)
                if frame.size != self.info.size or frame.layout.name != layout.name:
                    raise VideoError(
                        f"{self.info.path} changes at frame {index} from {self.info.width}x{self.info.height} "
                        f"{layout.name} to {native.width}x{native.height} {frame.layout.name}.",
                        "Cut the video there and work on the parts.",
                    )
                yield frame
            index += 1
        self._tell(decoding)
        self.lost = max(self.lost, self.info.n_frames - index)
        if index == 0:
            raise VideoError(f"Nothing of {self.info.path} can be decoded.", "The file is damaged.")

    def _tell(self, decoding: StreamDecoder) -> None:
        self.lost = max(self.lost, decoding.damaged)
        told = []
        if decoding.damaged:
            packets = "packet was" if decoding.damaged == 1 else "packets were"
            told.append(f"{self.info.path.name}: {decoding.damaged} damaged {packets} skipped.")
        if decoding.left_out:
            frames = "1 frame is" if decoding.left_out == 1 else f"{decoding.left_out} frames are"
            told.append(f"{self.info.path.name}: {frames} left out, between a joint and the key frame after it.")
        if decoding.ended_early:
            told.append(f"{self.info.path.name} breaks off: {decoding.ended_early}.")
        self.warnings += [text for text in told if text not in self.warnings]


def _seek_points(info: VideoInfo) -> list[_SeekPoint]:
    try:
        stat = info.path.stat()
    except OSError as error:
        raise VideoError(f"{info.path} cannot be read: {error.strerror}.") from error
    key = (str(info.path.absolute()), info.stream, stat.st_size, stat.st_mtime_ns)
    if key not in _indexes and len(_indexes) >= _INDEXED_FILES:
        _indexes.pop(next(iter(_indexes)), None)
    return _indexes.setdefault(key, [])


def _recorded(
    natives: Iterator[av.VideoFrame], points: list[_SeekPoint], positions: dict[int, int]
) -> Iterator[av.VideoFrame]:
    """The frames, counted from the video's first one; seek points among them are noted."""
    for number, native in enumerate(natives):
        last = points[-1].index if points else -_SPACING
        if native.key_frame and number >= last + _SPACING and native.pts is not None:
            points.append(_SeekPoint(number, native.pts, _crc(native), positions.get(native.pts)))
        yield native


def _crc(native: av.VideoFrame) -> int:
    """A checksum of the luma (or packed) samples, without padding."""
    width = native.width * (1 if native.format.is_planar or len(native.planes) > 1 else 2)
    width = min(width, abs(native.planes[0].line_size))
    return zlib.crc32(raw_plane(native, 0, "u1", width)[: native.height].tobytes())


def _timed(natives: Iterator[av.VideoFrame], info: VideoInfo, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    """Frames, each with a duration and with a pts later than the one before.

    A missing pts is taken from the decoding time or the frame before; a missing duration is the time to the next
    frame. MP4 states only times between packets in decoding order: there too it is the time to the next frame, or to
    the stream's end.
    AVI has no pts: those that FFmpeg derives are wrong for packed B-frames, the decoding times are right.
    """
    nominal = max(1, round(1 / (info.frame_rate * info.time_base)))
    stated = info.container not in _NO_DURATIONS
    held: av.VideoFrame | None = None
    for native in natives:
        times = (native.dts, native.pts) if info.container == "avi" else (native.pts, native.dts)
        pts = next((t for t in times if t is not None), None)
        if held is not None:
            assert held.pts is not None
            if pts is None or pts <= held.pts:
                pts = held.pts + (held.duration or nominal)
            held.duration = (stated and held.duration) or pts - held.pts
            yield held
        native.pts = pts if pts is not None else 0
        held = native
    if held is not None:
        assert held.pts is not None
        left = (stream.start_time or 0) + stream.duration - held.pts if stream.duration and not stated else 0
        held.duration = left if 0 < left <= _LONGEST_LAST * nominal else held.duration or nominal
        yield held


class _ReadAhead:
    """Frames, decoded a few in advance in a thread of its own."""

    _END = object()

    def __init__(self, source: Iterator[Frame]) -> None:
        self._items: queue.Queue[Any] = queue.Queue(_AHEAD)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(source,), name="vrm-decode", daemon=True)
        self._thread.start()

    def _run(self, source: Iterator[Frame]) -> None:
        last: object = self._END
        try:
            for item in source:
                if not self._put(item):
                    break
        except BaseException as error:  # raised in the thread that asked
            last = error
        finally:
            source.close()  # type: ignore[attr-defined]  # a generator
        self._put(last)

    def _put(self, item: object) -> bool:
        while not self._stop.is_set():
            try:
                self._items.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def __iter__(self) -> Iterator[Frame]:
        while True:
            item = self._items.get()
            if item is self._END:
                return
            if isinstance(item, BaseException):
                raise item
            yield item

    def close(self) -> None:
        """Stop the thread, and wait for its end."""
        self._stop.set()
        self._thread.join()
