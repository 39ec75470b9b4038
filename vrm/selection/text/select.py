"""Which lines of text go, what the user is told of them, and the masks of their strokes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, cast

import numpy as np

from vrm.errors import MaskError
from vrm.events import counted
from vrm.job.context import Job
from vrm.media.read.times import timestamps
from vrm.options.text import TextArea, TextOptions
from vrm.report.model import TextLine
from vrm.selection.text.chains import shifted
from vrm.selection.text.find import Line, TextFinder
from vrm.shots.frame_cache import FrameCache
from vrm.types import Bool, Masks, Pixels, VideoInfo, eight_bits

if TYPE_CHECKING:
    from vrm.selection.text.reader import TextReader

KEPT = "--text-keep"
"""Why a line stays that is said to."""
_SAID = 4
"""Lines that a note names before it counts."""
_MOST = 0.4
"""Share of the picture that one line may take."""
_LARGE = "covers too much of the picture"
_APART, _LIKE = 1.1, 0.6
"""Seconds between two sights of one line of the scene, and the share of the shorter one's letters, in a row, that
both have."""
_LETTERS = 40
"""Letters of a line that a note shows."""


def check_area(area: TextArea | None, info: VideoInfo) -> None:
    """Raise MaskError for a place beyond the picture."""
    if area is None or area.band is not None:
        return
    height, width = info.display_size
    x0, y0, x1, y1 = area.box
    if x0 >= width or y0 >= height or x1 <= 0 or y1 <= 0:
        raise MaskError(
            f"--text-area {area} lies outside the picture.",
            f"The video is shown at {width}x{height}: x from 0 to {width}, y from 0 to {height}.",
        )


def select_text(
    job: Job, shots: Sequence[tuple[int, int]], frames: FrameCache, reader: TextReader, read_all: bool
) -> tuple[Masks, list[TextLine]]:
    """The masks of the text that goes, in the stored orientation, and all lines that were found.

    Args:
        shots: the frames that are looked at: those of the range, and those around it that show its ground.
        read_all: read the lines even if no option needs what they say.
    """
    info, options = job.info, job.options.mask.text
    turns = -info.rotation // 90

    def frame(t: int) -> Pixels:
        picture = eight_bits(frames.frame(t))
        return cast(Pixels, np.ascontiguousarray(np.rot90(picture, turns)) if turns else picture)

    span = range(shots[0][0], shots[-1][1]) if shots else range(0)
    finder = TextFinder(frame, span, shots, reader, job.progress)
    lines = finder.lines(float(info.frame_rate))
    chosen: list[tuple[Line, str]] = []  # with what keeps it, or nothing
    for line in lines:
        if not _within(line, options.area, info):
            chosen.append((line, "outside --text-area"))
            continue
        if options.reads or read_all:
            finder.read(line)
        kept = "" if line.overlay or options.kind == "all" else line.why
        chosen.append((line, kept or ("" if options.says(line.text) else _by_pattern(options, line))))
    going = [line for line, kept in chosen if not kept]
    for n, line in enumerate(going):
        finder.outline(line, lines)
        job.progress("text", len(going) + n + 1, 2 * len(going))
    chosen = [(line, kept or _too_large(line, info)) for line, kept in chosen]
    going = [line for line, kept in chosen if not kept]
    told = [_told(line, kept, info, times) for times in [_seconds(info)] for line, kept in chosen]
    _tell(job, [(line, kept, one) for (line, kept), one in zip(chosen, told, strict=True)])
    return masks_of(going, info), _linked(told)


def _within(line: Line, area: TextArea | None, info: VideoInfo) -> bool:
    """Whether the middle of a line is in the place that is asked for."""
    if area is None:
        return True
    x0, y0, x1, y1 = area.within(*info.display_size)
    top, left, bottom, right = shifted(line.box, line.way.at((line.life.first + line.life.last) // 2))
    return x0 <= (left + right) / 2 < x1 and y0 <= (top + bottom) / 2 < y1


def _too_large(line: Line, info: VideoInfo) -> str:
    """Why a line stays that covers so much of the picture that little is left to fill it from."""
    if line.strokes is None:
        return ""
    return _LARGE if line.strokes.mask.sum() > _MOST * info.display_size[0] * info.display_size[1] else ""


def _by_pattern(options: TextOptions, line: Line) -> str:
    if not line.text:
        return "cannot be read"
    return KEPT if options.keep is not None and options.match is None else "not what is asked for"


def _seconds(info: VideoInfo) -> list[float]:
    """When each frame is shown, in seconds from the first; and when the last ends."""
    stamps = timestamps(info)
    each = float(1 / info.frame_rate)
    if len(stamps) != info.n_frames:
        return [t * each for t in range(info.n_frames + 1)]
    unit = each if info.container == "frames" else float(info.time_base)
    times = [(stamp - stamps[0]) * unit for stamp in stamps]
    return [*times, times[-1] + each]


def _told(line: Line, kept: str, info: VideoInfo, times: list[float]) -> TextLine:
    life = line.life
    y0, x0, y1, x1 = shifted(line.box, line.way.at(life.first))
    return TextLine(
        line.text, round(line.confidence, 3), (x0, y0, x1, y1), life.first, life.last,
        round(times[life.first], 3), round(times[life.last + 1], 3), "overlay" if line.overlay else "scene",
        not kept, kept or line.why, line.strokes is None or line.strokes.told,
    )  # fmt: skip


def _linked(lines: Sequence[TextLine]) -> list[TextLine]:
    """Text of the scene that moved too far from sample to sample to be followed, once where it says the same."""
    out: list[TextLine] = []
    for one in lines:
        before = [n for n, other in enumerate(out) if _says_the_same(other, one)]
        if not before:
            out.append(one)
        elif one.last > out[before[-1]].last:
            out[before[-1]] = replace(out[before[-1]], last=one.last, end=one.end)
    return out


def _says_the_same(earlier: TextLine, later: TextLine) -> bool:
    """Whether two lines that stay are one of the scene, of which only a part may be in the picture."""
    in_turn = earlier.last < later.first and later.start - earlier.end <= _APART
    if not in_turn or {earlier.kind, later.kind} != {"scene"} or earlier.removed or later.removed:
        return False
    one, two = sorted(("".join(filter(str.isalnum, line.text.casefold())) for line in (earlier, later)), key=len)
    alike = SequenceMatcher(None, one, two, autojunk=False).find_longest_match().size
    return alike >= _LIKE * len(one) > 0


def _tell(job: Job, lines: Sequence[tuple[Line, str, TextLine]]) -> None:
    """Notes of what goes, what stays, and what of it was unsure."""
    here = range(job.first, job.last)
    seen = [each for each in lines if each[2].last >= here.start and each[2].first < here.stop]
    going = [(line, one) for line, kept, one in seen if not kept]
    if not going:
        job.note("No text was found that goes." if seen else "No text was found.")
    else:
        frames = len({t for _, one in going for t in range(one.first, one.last + 1) if t in here})
        job.note(
            f"Text: {counted(len(going), 'line')} on {counted(frames, 'frame')} {'go' if len(going) > 1 else 'goes'}."
        )
    unsure = [one for line, one in going if not line.sure and job.options.mask.text.kind != "all"]
    if unsure:
        job.note(
            "Where the camera stands still, or its motion is not found, nothing tells text over the scene from text in "
            f"it. Taken for overlays: {_named(unsure)}. --text-keep or --text-area says what stays."
        )
    boxes = [one for _, one in going if not one.strokes]
    if boxes:
        job.note(f"The strokes of {_named(boxes)} cannot be told from the ground: the box goes.")
    kept = _linked([one for line, why, one in seen if why and why == line.why])
    if kept:
        job.note(f"Taken for part of the scene, and kept: {_named(kept)}. --text all takes these too.")
    large = [one for _, why, one in seen if why == _LARGE]
    if large:
        job.note(f"Kept, for too little of the picture would be left to fill it from: {_named(large)}.")
    told = [one for line, why, one in seen if why and why not in (line.why, "outside --text-area", _LARGE)]
    if told:
        job.note(f"Kept as the patterns say: {_named(told)}.")


def _named(lines: Sequence[TextLine]) -> str:
    names = [_name(one) for one in lines[:_SAID]]
    return ", ".join(names) + (f" and {counted(len(lines) - _SAID, 'more line')}" if len(lines) > _SAID else "")


def _name(one: TextLine) -> str:
    text = one.text if len(one.text) <= _LETTERS else one.text[: _LETTERS - 1] + "…"
    what = f"'{text}'" if text else f"text at {one.box[0]},{one.box[1]}"
    return f"{what} (frames {one.first}-{one.last})"


def masks_of(lines: Sequence[Line], info: VideoInfo) -> Masks:
    """The strokes of the lines on all frames, in the stored orientation."""
    masks = Masks(info.size, info.n_frames)
    if not lines:
        return masks
    before: list[tuple[int, tuple[int, int]]] = []
    for t in range(min(line.life.first for line in lines), max(line.life.last for line in lines) + 1):
        now = [(n, line.way.at(t)) for n, line in enumerate(lines) if t in line.life]
        if now and now == before:
            masks.repeat(t, t - 1)
        elif now:
            mask: Bool = np.zeros(info.display_size, np.bool_)
            for n, by in now:
                _put(mask, lines[n], by)
            masks[t] = np.ascontiguousarray(np.rot90(mask, info.rotation // 90))
        before = now
    return masks


def _put(mask: Bool, line: Line, by: tuple[int, int]) -> None:
    assert line.strokes is not None
    y0, x0, y1, x1 = shifted(line.region, by)
    height, width = mask.shape
    top, left, bottom, right = max(0, y0), max(0, x0), min(height, y1), min(width, x1)
    if top < bottom and left < right:
        mask[top:bottom, left:right] |= line.strokes.mask[top - y0 : bottom - y0, left - x0 : right - x0]
