"""Frames in any order, for looking: each is reached from the key frame before it, which the packets' times tell.

``vrm.media.read.reader`` counts decoded frames from the video's beginning, so that its numbers are exact in a damaged
file too. Where a look at minute 40 may not cost decoding 40 minutes, this counts packets instead, and holds the time of
every frame against that count; where the two disagree, it counts as the reader does from then on.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterator

import av

from vrm.media.frame.frame import Frame
from vrm.media.read.animated_webp import WEBP
from vrm.media.read.container import open_input, video_stream
from vrm.media.read.decode import StreamDecoder, shows_a_frame
from vrm.media.read.reader import Reader
from vrm.types import VideoInfo

_NEAR = 24
"""Up to this frame, reading from the beginning is as quick as seeking."""
_SEARCH = 600
"""Frames that are decoded at most to find a key frame again."""


class RandomAccess:
    """The frames of one video by number. ``frames`` may be called from several threads, each with its own iterator."""

    def __init__(self, info: VideoInfo) -> None:
        self.info = info
        self.exact = info.container not in ("frames", WEBP, "avi") and not info.restarts
        self._times: list[int] = []
        self._keys: list[int] = []
        self._lock = threading.Lock()

    def index(self) -> None:
        """Read the packets' times, once; nothing is decoded for it. Otherwise the first far look does that."""
        with self._lock:
            if self._times or not self.exact:
                return
            times, keys = [], []
            with open_input(self.info.path) as container:
                stream = video_stream(container, self.info.path, self.info.stream)
                for packet in StreamDecoder(container, stream, self.info.path).packets():
                    if shows_a_frame(packet, self.info.codec) and packet.pts is not None:
                        times.append(packet.pts)
                        if packet.is_keyframe:
                            keys.append(packet.pts)
            times.sort()
            self.exact = len(times) == self.info.n_frames and len(set(times)) == len(times)
            numbers = {pts: number for number, pts in enumerate(times)} if self.exact else {}
            self._times, self._keys = times, sorted(numbers[pts] for pts in keys if pts in numbers)

    def key_before(self, t: int) -> int:
        """The number of the last key frame up to frame t; 0 where none is known."""
        if t < _NEAR:
            return 0
        self.index()
        at = bisect_right(self._keys, t)
        return self._keys[at - 1] if at and self.exact else 0

    def frames(self, start: int, stop: int | None = None) -> Iterator[Frame]:
        """Frames ``start..stop-1`` in order, as ``Reader.frames``. Raises VideoError."""
        key = self.key_before(start)
        if key >= _NEAR:
            for frame in self._from_key(key, stop):
                if frame.index >= start:
                    yield frame
                    start = frame.index + 1
            if self.exact:
                return
        if stop is not None and start >= stop:
            return
        with Reader(self.info) as reader:
            yield from reader.frames(start, stop)

    def _from_key(self, key: int, stop: int | None) -> Iterator[Frame]:
        """Frames from a key frame on, as long as each has the time that the packets gave it."""
        stop = self.info.n_frames if stop is None else min(stop, self.info.n_frames)
        with open_input(self.info.path) as container:
            stream = video_stream(container, self.info.path, self.info.stream)
            decoding = StreamDecoder(container, stream, self.info.path)
            try:
                container.seek(self._times[key], stream=stream)
            except (av.error.FFmpegError, OSError):
                self.exact = False
                return
            number, passed = key, 0
            for native in decoding.frames():
                time = native.pts
                if number == key and time != self._times[key]:
                    passed += 1
                    if passed > _SEARCH:
                        break
                    continue
                if time != self._times[number]:
                    break
                frame = Frame.from_native(native, number, self.info.time_base)
                if frame.size != self.info.size:
                    break
                yield frame
                number += 1
                if number >= stop:
                    return
        self.exact = False
