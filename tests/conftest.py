"""Small videos that the tests encode themselves."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator, Sequence
from fractions import Fraction
from pathlib import Path

from vrm.system.process import environment, ordinary_priority

os.environ.update(environment())  # as the program does: before NumPy and torch, which read it, are imported
if workers := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):  # side by side they would wait for one another's threads
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // int(workers))))

import av
import numpy as np
import pytest

from vrm.media.frame.pixel_layout import fill, layout_of
from vrm.system.extras import EXTRAS
from vrm.types import Colour

DATA = Path(__file__).parents[2] / "shared" / "data"
LOSSLESS = {
    "libx264": {"qp": "0", "preset": "ultrafast"},
    "libx264rgb": {"qp": "0", "preset": "ultrafast"},
    "libx265": {"x265-params": "lossless=1:log-level=none", "preset": "ultrafast"},
    "libvpx-vp9": {"lossless": "1", "cpu-used": "8", "deadline": "realtime"},
}
"""Options with which an encoder keeps every sample; ffv1 and png need none."""

MAY_BE_MISSING = {*EXTRAS, "skimage", "torchmetrics", "scenedetect", "httpx", "playwright"}
"""Packages without which the core runs, and its tests."""


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Skip a file of tests that imports an optional package which is not installed."""
    report = yield
    found = re.search(r"No module named '(\w+)", str(report.longrepr)) if report.failed else None
    if found is not None and found[1] in MAY_BE_MISSING:
        report.outcome, report.longrepr = "skipped", (str(collector.path), 1, f"Skipped: needs {found[1]}")
    return report


@pytest.fixture(autouse=True)
def _ordinary_priority() -> Generator[None]:
    """Tests that encode AV1 themselves, as root, must not leave the rest with real-time priority."""
    with ordinary_priority():
        yield


def textured_planes(index: int, pix_fmt: str, size: tuple[int, int]) -> tuple[np.ndarray, ...]:
    """The planes of frame ``index``: a drifting texture with a bright square; legal limited-range codes."""
    layout = layout_of(pix_fmt)
    planes = []
    for k in range(layout.n_planes):
        h, w = layout.plane_size(k, *size)
        y, x = np.mgrid[:h, :w]
        wave = np.sin((x + 2 * index) / (5.0 + k)) * np.cos((y - index) / (4.0 + k))
        codes = (128 + (70 if k == 0 else 30) * wave) * 2 ** (layout.depth - 8)
        if k == 0:
            s = max(2, h // 6)
            codes[h // 3 : h // 3 + s, (3 * index) % w : (3 * index) % w + s] = 220 * 2 ** (layout.depth - 8)
        planes.append(np.rint(codes).astype(layout.dtype))
    return tuple(planes)


def encode_video(
    path: Path,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    frames: int = 12,
    size: tuple[int, int] = (48, 64),
    *,
    audio: int = 0,
    rate: Fraction | int = 25,
    rotation: int = 0,
    pts: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    colour: Colour | None = None,
    sample_aspect: Fraction | None = None,
    options: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
    planes: Callable[[int], tuple[np.ndarray, ...]] | None = None,
) -> Path:
    """Encode a small video; the container follows from the suffix.

    Args:
        path: where to.
        codec, pix_fmt: FFmpeg names.
        frames: how many.
        size: ``(height, width)``.
        audio: how many audio tracks (AAC, 44.1 kHz; Opus in webm), each a tone of its own pitch.
        rate: frames per second.
        rotation: degrees clockwise for display.
        pts: presentation times in units of time_base, one per frame (default 0, 1, 2, ... at the frame rate).
        time_base: seconds per unit (default one frame).
        colour: tags; nothing is tagged by default.
        sample_aspect: width over height of a pixel.
        options: of the encoder (default: fast; ``LOSSLESS[codec]`` keeps every sample).
        metadata: container tags.
        planes: gives the planes of frame t (default ``textured_planes``).
    """
    rate = Fraction(rate)
    time_base = time_base or 1 / rate
    layout = layout_of(pix_fmt)
    assert layout.name == pix_fmt, "fixtures are made of planar formats"
    with av.open(str(path), "w") as container:
        container.metadata.update(metadata or {})
        video = container.add_stream(codec, rate=rate, options=_defaults(codec) if options is None else options)
        video.height, video.width = size
        video.pix_fmt = pix_fmt
        video.codec_context.time_base = time_base
        video.time_base = time_base
        if codec == "libvpx":  # its threads spin while they wait for one another: minutes on a busy machine
            video.codec_context.thread_count = 1
        if sample_aspect is not None:
            video.codec_context.sample_aspect_ratio = sample_aspect
        if rotation:
            video.set_display_rotation(-rotation)
        if layout.family == "rgb":
            video.codec_context.colorspace = 0
        elif colour is not None:
            _tag(video.codec_context, colour)
        sound = "libopus" if path.suffix == ".webm" else "aac"
        tracks = [container.add_stream(sound, rate=48000 if sound == "libopus" else 44100) for _ in range(audio)]
        for t in range(frames):
            frame = av.VideoFrame(size[1], size[0], pix_fmt)
            fill(frame, planes(t) if planes is not None else textured_planes(t, pix_fmt, size), layout)
            frame.pts = pts[t] if pts is not None else t
            frame.time_base = time_base
            if colour is not None and layout.family != "rgb":
                _tag(frame, colour)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for k, track in enumerate(tracks):
            _tone(container, track, 220.0 * (k + 1), float(frames / rate))
    return path


def _defaults(codec: str) -> dict[str, str]:
    fast = {
        "libx264": {"preset": "ultrafast"},
        "libx265": {"preset": "ultrafast", "x265-params": "log-level=none"},
        "libvpx-vp9": {"cpu-used": "8", "deadline": "realtime"},
        "libsvtav1": {"preset": "12"},
    }
    return fast.get(codec, {})


def _tag(target: object, colour: Colour) -> None:
    target.color_primaries, target.color_trc = colour.primaries, colour.transfer  # type: ignore[attr-defined]
    target.colorspace = colour.matrix  # type: ignore[attr-defined]
    target.color_range = {None: 0, False: 1, True: 2}[colour.full_range]  # type: ignore[attr-defined]


def _tone(container: av.container.OutputContainer, track: av.AudioStream, pitch: float, seconds: float) -> None:
    rate = track.rate
    wave = 0.2 * np.sin(2 * np.pi * pitch * np.arange(int(seconds * rate)) / rate)
    frame = av.AudioFrame.from_ndarray(np.stack([wave, wave]).astype(np.float32), "fltp", "stereo")
    frame.sample_rate, frame.pts = rate, 0
    container.mux(track.encode(frame))
    container.mux(track.encode(None))


@pytest.fixture
def make_video() -> Callable[..., Path]:
    """``make_video(path, codec="libx264", pix_fmt="yuv420p", frames=12, size=(48, 64), ...)``: see ``encode_video``."""
    return encode_video


@pytest.fixture
def textured() -> Callable[..., tuple[np.ndarray, ...]]:
    """``textured(index, pix_fmt, (height, width))``: see ``textured_planes``."""
    return textured_planes


@pytest.fixture
def lossless() -> dict[str, dict[str, str]]:
    """Encoder options that keep every sample, by encoder."""
    return LOSSLESS
