"""Lines of text that were read from the picture, as subtitles in SubRip's format (.srt)."""

from __future__ import annotations

from collections.abc import Iterable

from vrm.report.model import TextLine

_LONGEST = 20.0
"""Seconds; what stands longer is no subtitle but a date, a name, a mark."""
_TOGETHER = 0.3
"""Seconds by which lines of one subtitle may differ."""


def subtitles(lines: Iterable[TextLine]) -> str:
    """What was read of the text that goes; lines that come and go together are one subtitle, from top to bottom."""
    said = [line for line in lines if line.removed and line.text and line.end - line.start <= _LONGEST]
    cues: list[list[TextLine]] = []
    for line in sorted(said, key=lambda line: (line.start, line.box[1])):
        cue = next((c for c in reversed(cues) if _together(c[0], line)), None)
        if cue is None:
            cues.append([line])
        else:
            cue.append(line)
    return "".join(_cue(n, cue) for n, cue in enumerate(cues, 1))


def _together(one: TextLine, other: TextLine) -> bool:
    return abs(one.start - other.start) <= _TOGETHER and abs(one.end - other.end) <= _TOGETHER


def _cue(number: int, lines: list[TextLine]) -> str:
    start, end = min(line.start for line in lines), max(line.end for line in lines)
    text = "\n".join(line.text for line in sorted(lines, key=lambda line: (line.box[1], line.box[0])))
    return f"{number}\n{_time(start)} --> {_time(end)}\n{text}\n\n"


def _time(seconds: float) -> str:
    whole = round(seconds * 1000)
    return f"{whole // 3_600_000:02d}:{whole // 60_000 % 60:02d}:{whole // 1000 % 60:02d},{whole % 1000:03d}"
