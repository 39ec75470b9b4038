"""A file that holds everything a container can, and an outside view of what a file holds."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections import defaultdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest


def enrich(source: Path, out: Path, *, subtitles: str = "", attachment: bool = False, cover: bool = False) -> Path:
    """Copy a video's packets into ``out`` with languages, titles, chapters, and what else is asked for."""
    with av.open(str(source)) as given, av.open(str(out), "w") as made:
        made.metadata.update({"title": "A title", "comment": "kept"})
        streams = {}
        for stream, language in zip(given.streams, ("und", "deu", "fra", "jpn"), strict=False):
            copy = made.add_stream_from_template(stream, opaque=True)
            copy.metadata.update({"language": language, "title": f"stream {stream.index}"})
            streams[stream.index] = copy
        text = made.add_stream(subtitles) if subtitles else None
        if text is not None:
            text.codec_context.subtitle_header = _ASS_HEADER
            text.time_base = Fraction(1, 1000)
            text.metadata["language"] = "spa"
        if attachment:
            made.add_attachment("font.ttf", "font/ttf", b"not really a font" * 20)
        if cover:
            made.add_attachment("cover.png", "image/png", _png())
        base = Fraction(1, 1000)
        chapters = [("One", 0, 200), ("Two", 200, 480)]
        made.set_chapters(
            [
                {"id": k, "start": a, "end": b, "time_base": base, "metadata": {"title": title}}
                for k, (title, a, b) in enumerate(chapters)
            ]
        )
        if text is not None:
            made.mux(_texts(text))
        for packet in given.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream_index]
                made.mux(packet)
    return out


_ASS_HEADER = b"""[Script Info]
ScriptType: v4.00+
[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline
Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0
[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


def _png() -> bytes:
    encoder = av.CodecContext.create("png", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 16, 16, "rgb24", Fraction(1, 25)
    return bytes(encoder.encode(av.VideoFrame(16, 16, "rgb24"))[0])


def _texts(stream: Any) -> list[Any]:
    packets = []
    for k, words in enumerate((b"first line", b"second line")):
        line = b"%d,0,Default,,0,0,0,," % k + words
        text = av.subtitles.subtitle.SubtitleSet.create(line, 0, 150, pts=0)
        packet = stream.codec_context.encode_subtitle(text)
        packet.pts = packet.dts = 40 + 200 * k
        packet.duration, packet.time_base = 150, Fraction(1, 1000)
        packet.stream = stream
        packets.append(packet)
    return packets


def packets(path: Path) -> dict[int, list[tuple[Fraction, str]]]:
    """Per stream: pts in seconds and a hash of the data, in order of pts."""
    found: dict[int, list[tuple[Fraction, str]]] = defaultdict(list)
    with av.open(str(path)) as container:
        for packet in container.demux():
            # MP4 fills the gaps between subtitles with empty texts of two bytes, and where one begins together
            # with a frame, its muxer adds one more of no length.
            empty = packet.stream.type == "subtitle" and packet.size <= 2
            if packet.size and packet.pts is not None and not empty:
                found[packet.stream_index].append(
                    (packet.pts * packet.time_base, hashlib.md5(bytes(packet)).hexdigest())
                )
    return {k: sorted(v) for k, v in found.items()}


def times(path: Path, stream: int = 0) -> list[Fraction]:
    """The pts of one stream in seconds."""
    return [t for t, _ in packets(path)[stream]]


def ffprobe(path: Path) -> dict[str, Any]:
    """What ffprobe says of streams, chapters and format; skips where it is not installed."""
    if shutil.which("ffprobe") is None:
        pytest.skip("ffprobe is not installed")
    command = ["ffprobe", "-v", "error", "-show_streams", "-show_chapters", "-show_format", "-of", "json", str(path)]
    return json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


def frame_side_data(path: Path) -> dict[str, bytes]:
    """The first frame's side data by name."""
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        return {data.type.name: bytes(data) for data in frame.side_data}
