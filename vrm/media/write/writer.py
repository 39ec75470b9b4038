"""Writing the result: frames to an encoder, the other streams copied beside them; the file is complete or not there."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Any

import av
from av.container import OutputContainer
from av.packet import Packet

from vrm.errors import OutputError
from vrm.media.frame.frame import Frame
from vrm.media.read.frame_folder import frame_files
from vrm.media.read.picture_tags import read_tags
from vrm.media.write.containers import FRAMES, abandon, open_file
from vrm.media.write.encoders import for_encoder
from vrm.media.write.plan import OutputPlan
from vrm.media.write.png import write_png
from vrm.media.write.remux import Remuxer, refused_as
from vrm.media.write.webp import whole_frames
from vrm.system.files import atomic_file, atomic_folder, disk_error

Progress = Callable[[int], None]
"""Called with the number of frames written so far."""


@dataclass(frozen=True)
class WriteReport:
    """What was written.

    Attributes:
        bytes: size of the file, or of all files of the folder.
        packets: packets copied, by index of the source's stream.
    """

    path: Path
    frames: int
    bytes: int
    packets: dict[int, int]
    kept: tuple[str, ...]
    lost: tuple[str, ...]
    notes: tuple[str, ...]


def write_video(
    plan: OutputPlan,
    frames: Iterable[Frame],
    *,
    part: bool = False,
    progress: Progress | None = None,
    ready: Callable[[Path], None] | None = None,
) -> WriteReport:
    """Encode frames and write them with the source's other streams; the file appears when it is complete.

    Every frame is written with its own pts and duration. Frames whose planes were not replaced reach the encoder as
    the decoder gave them. Folders above the output are made.

    Args:
        frames: in order of time.
        part: the frames are a part of the source, to which the other streams are cut. The output then starts at the
            source's own start time, as it does where no streams are copied.
        ready: called with the complete file (or folder) just before it gets its name.

    Raises OutputError: the disk is full, the folder cannot be written to, or the encoder gave up.
    """
    if plan.container == FRAMES:
        return write_frames(plan, frames, progress=progress, ready=ready)
    source = _FrameSource(frames)
    with _explained(plan, source):
        plan.path.parent.mkdir(parents=True, exist_ok=True)
    with _explained(plan, source), atomic_file(plan.path, durable=True) as partial:
        written, packets, damaged = _encode_to(partial, plan, source, part, progress)
        if ready is not None:
            ready(partial)
        _refuse_new(plan)
    lost = (*plan.lost, *(f"{n} damaged packets of stream {index}" for index, n in sorted(damaged.items())))
    return WriteReport(plan.path, written, plan.path.stat().st_size, packets, plan.kept, lost, plan.notes)


def write_frames(
    plan: OutputPlan,
    frames: Iterable[Frame],
    *,
    progress: Progress | None = None,
    ready: Callable[[Path], None] | None = None,
) -> WriteReport:
    """Write frames as a folder of PNGs with the names of the source's frames, or one as a file; raises as above."""
    assert plan.source is not None
    files = frame_files(plan.source)
    written = 0
    source = _FrameSource(frames)
    single = bool(plan.path.suffix)
    place = atomic_file(plan.path, durable=True) if single else atomic_folder(plan.path)
    with _explained(plan, source), place as partial:
        if not single:
            partial.mkdir()
        for written, frame in enumerate(source, 1):
            path = partial if single else partial / f"{files[frame.index].stem}.png"
            try:
                write_png(path, frame, read_tags(files[frame.index]))
            except OutputError as error:
                reason = disk_error(error) or error.what
                raise OutputError(f"Writing frames to {plan.path} failed: {reason}.", error.fix) from error
            if progress is not None:
                progress(written)
        if ready is not None:
            ready(partial)
        _refuse_new(plan)
    size = sum(p.stat().st_size for p in ([plan.path] if single else plan.path.iterdir()))
    return WriteReport(plan.path, written, size, {}, plan.kept, plan.lost, plan.notes)


def _encode_to(
    path: Path, plan: OutputPlan, frames: Iterable[Frame], part: bool, progress: Progress | None
) -> tuple[int, dict[int, int], dict[int, int]]:
    """The frames that were written; packets copied and packets left out as damaged, by stream."""
    out = open_file(path, plan.container, plan.muxer_options, any_codec=plan.any_codec)
    try:
        with Remuxer(plan, out) as remuxer:
            written = _VideoTrack(plan, out, remuxer, part).encode_all(frames, progress)
        with refused_as(f"The end of {plan.path.name}", "Try --audio convert or drop, or the ending .mkv."):
            out.close()
    except BaseException:
        abandon(out)
        raise
    if plan.container == "webp":
        whole_frames(path)
    return written, dict(remuxer.copied), dict(remuxer.damaged)


class _VideoTrack:
    """The encoded stream: frames get their times, and so do the packets of an encoder that only counts frames."""

    def __init__(self, plan: OutputPlan, out: OutputContainer, remuxer: Remuxer, part: bool) -> None:
        self._plan = plan
        self._out = out
        self._remuxer = remuxer
        self._part = part
        self._shift = 0
        self._last = -1 << 62
        self._end: Fraction | None = None
        self._times: deque[tuple[int, int]] = deque()

    def encode_all(self, frames: Iterable[Frame], progress: Progress | None) -> int:
        """Encode every frame, in step with the other streams; returns how many there were."""
        written = 0
        stream = self._remuxer.video
        for number, frame in zip(count(), frames):
            if number == 0:
                self._begin(frame)
            for packet in stream.encode(self._timed(frame, number)):
                self._mux(packet)
            written = number + 1
            if progress is not None:
                progress(written)
        if written == 0:
            raise OutputError(f"There is no frame to write to {self._plan.path}.", "Choose another range.")
        for packet in stream.encode(None):
            self._mux(packet)
        self._remuxer.finish(self._end if self._part else None)
        return written

    def _begin(self, frame: Frame) -> None:
        if not self._part and self._plan.source is not None:
            self._shift = round(self._plan.shift / frame.time_base)
            return
        start = frame.pts * frame.time_base
        shift = self._plan.start - start
        self._shift = round(shift / frame.time_base)
        self._remuxer.begin_at(start, self._shift * frame.time_base)

    def _timed(self, frame: Frame, number: int) -> av.VideoFrame:
        picture = for_encoder(frame, self._plan.pix_fmt, self._plan.colour)
        pts = round((frame.pts + self._shift) * frame.time_base / self._plan.time_base)
        pts = max(pts, self._last + 1)  # damaged sources repeat times, which muxers refuse
        self._last = pts
        duration = round(frame.duration * frame.time_base / self._plan.time_base)
        self._end = (frame.pts + frame.duration) * frame.time_base
        if self._plan.exact_times:
            picture.pts, picture.duration, picture.time_base = pts, duration, self._plan.time_base
        else:
            self._times.append((pts, duration))
            picture.pts, picture.duration, picture.time_base = number, 1, 1 / self._plan.picture.rate
        picture.pict_type = 0  # the source's picture types would force key frames
        return picture

    def _mux(self, packet: Packet[Any]) -> None:
        if not self._plan.exact_times:
            pts, duration = self._times.popleft()
            packet.pts = packet.dts = pts
            packet.duration, packet.time_base = duration, self._plan.time_base
        time = packet.dts if packet.dts is not None else packet.pts
        if time is not None:
            self._remuxer.until(time * packet.time_base)
        self._out.mux_one(packet)


class _FrameSource:
    """Frames, and the error they ended with: it is no fault of the output, and is not explained as one."""

    def __init__(self, frames: Iterable[Frame]) -> None:
        self._frames = iter(frames)
        self.error: BaseException | None = None

    def __iter__(self) -> Iterator[Frame]:
        return self

    def __next__(self) -> Frame:
        try:
            return next(self._frames)
        except StopIteration:
            raise
        except BaseException as error:
            self.error = error
            raise


@contextmanager
def _explained(plan: OutputPlan, source: _FrameSource) -> Iterator[None]:
    """Turn what the encoder, the muxer or the disk raises into an OutputError."""
    try:
        yield
    except (av.error.FFmpegError, OSError) as err:
        if err is source.error:
            raise
        reason = disk_error(err)
        if reason is not None:
            raise OutputError(
                f"Writing to the folder {plan.path.absolute().parent} failed: {reason}.",
                "Free some space, or choose another folder for the output.",
            ) from err
        if isinstance(err, av.error.FFmpegError):
            raise OutputError(
                f"Writing {plan.path.name} as {plan.codec} failed: {err.strerror}.",
                "Try another --codec, or the ending .mkv.",
            ) from err
        raise


def _refuse_new(plan: OutputPlan) -> None:
    """Raise OutputError where something has taken the output's name since it was planned."""
    if not plan.overwrite and (plan.path.exists() or plan.path.is_symlink()):
        raise OutputError(
            f"The output {plan.path} has appeared meanwhile, and is not overwritten.",
            "Choose another name, or --resume.",
        )
