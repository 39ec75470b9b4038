"""Frames of one video on demand: decoded once, kept within bounds, as pixels to work on and as pictures to look at."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from functools import partial
from typing import Any, Generic, TypeVar

import cv2
import numpy as np

from vrm.errors import VideoError
from vrm.media.frame.frame import Frame
from vrm.media.frame.tone_map import for_the_eye
from vrm.media.read.random_access import RandomAccess
from vrm.types import U8, Array, Pixels, VideoInfo

_DECODED, _RGB, _SMALL, _PICTURES = 200 << 20, 32 << 20, 24 << 20, 64 << 20
"""Bytes of decoded frames, of frames as RGB, of small ones and of pictures that are kept."""
_AHEAD = 40
"""A decoder that is so many frames behind goes on; else it is quicker to seek."""
_BEFORE = 40
"""So many frames before one are kept as well, where they are decoded on the way to it: an outline looks at them."""
_QUALITY = 88
_STILL = 0.15
"""Seconds for which nobody looks at another frame before the frames around are made ready for an outline."""
Key = TypeVar("Key")


class RecentlyUsed(Generic[Key]):
    """What was used last, up to a number of bytes; one thing at least."""

    def __init__(self, most: int) -> None:
        self._most, self._bytes = most, 0
        self._items: OrderedDict[Key, tuple[Any, int]] = OrderedDict()

    def get(self, key: Key) -> Any:
        if key not in self._items:
            return None
        self._items.move_to_end(key)
        return self._items[key][0]

    def put(self, key: Key, value: Any, size: int) -> None:
        self._bytes += size - self._items.pop(key, (None, 0))[1]
        self._items[key] = value, size
        while self._bytes > self._most and len(self._items) > 1:
            self._bytes -= self._items.popitem(last=False)[1][1]

    def clear(self) -> None:
        self._items.clear()
        self._bytes = 0


class FrameStore:
    """The frames of a video by number; may be asked from several threads.

    Where somebody rests on a frame, it makes ready those around it, which an outline will look at (``prepare``).
    """

    def __init__(self, info: VideoInfo, prepare: bool = True) -> None:
        self.info = info
        self.access = RandomAccess(info)
        self._decoded: RecentlyUsed[int] = RecentlyUsed(_DECODED)
        self._rgb: RecentlyUsed[int] = RecentlyUsed(_RGB)
        self._small: RecentlyUsed[int] = RecentlyUsed(_SMALL)
        self._pictures: RecentlyUsed[tuple[int, int]] = RecentlyUsed(_PICTURES)
        self._lock = threading.Lock()
        self._running: Iterator[Frame] | None = None
        self._next = 0
        self._looked = threading.Event()
        self._last, self._closed = (0, 0.0), False
        self._preparing = threading.Thread(target=self._prepare, name="vrm-prepare", daemon=True)
        if prepare:
            self._preparing.start()

    def close(self) -> None:
        """Wait for what is made ready: a process that ends while OpenCV works in a thread of it crashes."""
        self._closed = True
        self._looked.set()
        if self._preparing.is_alive():
            self._preparing.join(10)

    def decoded(self, t: int) -> Frame:
        """Frame t. Raises VideoError: there is none, or it cannot be decoded."""
        if not 0 <= t < self.info.n_frames:
            raise VideoError(f"There is no frame {t}.", f"The frames are 0 to {self.info.n_frames - 1}.")
        with self._lock:
            found: Frame | None = self._decoded.get(t)
            if found is not None:
                return found
            if self._running is None or not self._next <= t <= self._next + _AHEAD or self._key_between(t):
                self._running = self.access.frames(max(self.access.key_before(t), t - _BEFORE))
            for frame in self._running:
                self._decoded.put(frame.index, frame, _size(frame))
                self._next = frame.index + 1
                if frame.index >= t:
                    break
            else:
                self._running = None
            found = self._decoded.get(t)
            if found is None:
                raise VideoError(f"Frame {t} of {self.info.path.name} cannot be decoded.", "Choose another frame.")
            return found

    def _key_between(self, t: int) -> bool:
        return t - self._next > 2 and self.access.key_before(t) > self._next

    def frame(self, t: int) -> Pixels:
        """Frame t as RGB ``(H, W, 3)`` in the stored orientation, read-only, for what looks for outlines."""
        with self._lock:
            found: Pixels | None = self._rgb.get(t)
        if found is None:
            found = self.decoded(t).rgb()
            found.flags.writeable = False
            with self._lock:
                self._rgb.put(t, found, found.nbytes)
        return found

    def small(self, t: int) -> U8:
        """Frame t at the size that motion is looked at, read-only."""
        with self._lock:
            found: U8 | None = self._small.get(t)
        if found is None:
            from vrm.selection.tracking.features import shrink

            found = shrink(self.decoded(t).rgb())
            found.flags.writeable = False
            with self._lock:
                self._small.put(t, found, found.nbytes)
        return found

    def near(self, t: int) -> NearFrames:
        """The frames as an outline on frame t looks at them."""
        return NearFrames(self, t)

    def picture(self, t: int, longest: int, looked_at: bool = True) -> bytes:
        """Frame t as a JPEG as displayed, with square pixels, its longer side at most so many pixels."""
        if looked_at:
            self._look(t)
        with self._lock:
            kept: bytes | None = self._pictures.get((t, longest))
        if kept is None:
            kept = jpeg(displayed(self.decoded(t), self.info, longest))
            with self._lock:
                self._pictures.put((t, longest), kept, len(kept))
        return kept

    def thumbnail(self, t: int, height: int) -> bytes:
        """The key frame up to frame t, or t itself if it is kept, as a small JPEG: quick anywhere in a long video."""
        with self._lock:
            frame: Frame | None = self._decoded.get(t)
        if frame is None:
            frame = next(iter(self.access.frames(self.access.key_before(t))), None)
        if frame is None:
            raise VideoError(f"Frame {t} of {self.info.path.name} cannot be decoded.")
        shown = shown_size(self.info)
        return jpeg(displayed(frame, self.info, max(16, round(height * max(shown) / shown[0]))))

    def _look(self, t: int) -> None:
        self._last = t, time.monotonic()
        self._looked.set()

    def _prepare(self) -> None:
        """Thread: where somebody rests on a frame, make ready what an outline there will look at."""
        while not self._closed:
            self._looked.wait()
            t, at = self._last
            if (rest := at + _STILL - time.monotonic()) > 0:
                time.sleep(rest)
                continue
            self._looked.clear()
            try:
                self.frame(t)
                # What outlines need is imported when the first frame has been shown.
                from vrm.selection.preview_mask import prepare_outlines

                prepare_outlines(partial(self._unless_moved, (t, at)), t, (0, self.info.n_frames))
            except (VideoError, _MovedOnError):
                continue

    def _unless_moved(self, looked: tuple[int, float], n: int) -> U8:
        """A small frame, unless another is looked at by now."""
        if self._closed or self._last != looked:
            raise _MovedOnError
        return self.small(n)


class _MovedOnError(Exception):
    """Nobody looks at that frame any more."""


class NearFrames:
    """The frames as an outline on one of them looks at them: that one as it is, the others small."""

    def __init__(self, store: FrameStore, t: int) -> None:
        self._store, self._t = store, t

    def frame(self, t: int) -> Pixels:
        return self._store.frame(t) if t == self._t else self._store.small(t)


def _size(frame: Frame) -> int:
    height, width = frame.size
    per_sample = 1 if frame.layout.depth == 8 else 2
    return per_sample * sum(
        h * w for h, w in (frame.layout.plane_size(k, height, width) for k in range(frame.layout.n_planes))
    )


def shown_size(info: VideoInfo) -> tuple[int, int]:
    """``(height, width)`` as a player shows the video: turned, and with square pixels."""
    height, width = info.size
    if info.sample_aspect > 0:
        width = max(1, round(width * info.sample_aspect))
    return (width, height) if info.rotation in (90, 270) else (height, width)


def displayed(frame: Frame, info: VideoInfo, longest: int) -> U8:
    """A frame as uint8 RGB as a player shows it, its longer side at most so many pixels."""
    rgb = fitted(frame.rgb(), info, longest)
    return np.ascontiguousarray(np.rot90(for_the_eye(rgb, frame.colour), -info.rotation // 90))


def fitted(picture: Array, info: VideoInfo, longest: int, interpolation: int = cv2.INTER_AREA) -> Array:
    """A picture or a mask in the stored orientation with square pixels, its longer side at most so many."""
    height, width = shown_size(info)
    scale = min(1.0, longest / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    size = size[::-1] if info.rotation in (90, 270) else size
    if size == (picture.shape[1], picture.shape[0]):
        return picture
    return np.asarray(cv2.resize(picture, size, interpolation=interpolation))


def jpeg(picture: U8) -> bytes:
    return encoded(".jpg", picture[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, _QUALITY))


def encoded(ending: str, picture: U8, settings: tuple[int, ...] = ()) -> bytes:
    """A picture, BGR or BGRA, as the bytes of a file."""
    return bytes(cv2.imencode(ending, np.ascontiguousarray(picture), list(settings))[1].data)
