"""What ``vrm remove`` and ``vrm track`` can be told about text on the picture."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vrm.errors import UsageError
from vrm.options.declare import EVERYDAY, SELECTION, WRITTEN, Options, option

TEXT = ("overlays", "all")
BANDS = ("bottom", "top")
_THIRD = 1 / 3


@dataclass(frozen=True)
class TextArea:
    """Where text is looked for: a third of the picture, or a box in pixels of the picture as displayed."""

    band: str | None = None
    box: tuple[float, float, float, float] = (0, 0, 0, 0)

    @classmethod
    def parse(cls, text: str) -> TextArea:
        """Read ``bottom``, ``top`` or ``X0,Y0,X1,Y1``. Raises UsageError."""
        if text in BANDS:
            return cls(text)
        numbers = re.split(r"\s*,\s*", text.strip())
        if len(numbers) != 4 or not all(re.fullmatch(r"-?(?:\d+\.?|\d*\.\d+)", number) for number in numbers):
            raise UsageError(
                f"--text-area {text} cannot be read.",
                "Write bottom, top, or left, top, right, bottom in pixels without spaces: X0,Y0,X1,Y1.",
            )
        x0, y0, x1, y1 = map(float, numbers)
        if x1 <= x0 or y1 <= y0:
            raise UsageError(f"--text-area {text} is empty.", "Write left, top, right, bottom: X0,Y0,X1,Y1.")
        return cls(None, (x0, y0, x1, y1))

    def within(self, height: int, width: int) -> tuple[float, float, float, float]:
        """``(x0, y0, x1, y1)`` on a picture of a size; a band is a third of it."""
        if self.band == "bottom":
            return 0, height * (1 - _THIRD), width, height
        if self.band == "top":
            return 0, 0, width, height * _THIRD
        return self.box

    def __str__(self) -> str:
        return self.band or ",".join(f"{value:g}" for value in self.box)


def text_kind(value: str | bool) -> str | None:
    """``overlays`` or ``all``; in Python and manifests True and yes are overlays."""
    if str(value).lower() in ("true", "yes", "on", "1"):
        return "overlays"
    return None if str(value).lower() in ("false", "no", "off", "0") else str(value)


def text_area(value: str | tuple[float, float, float, float]) -> TextArea:
    return TextArea.parse(value if isinstance(value, str) else ",".join(f"{number:g}" for number in value))


@dataclass(frozen=True)
class TextOptions(Options):
    """Which text goes, and where what it says is written."""

    # fmt: off
    kind: str | None = option(None, EVERYDAY, "[overlays|all]", word="text", choices=TEXT, parse=text_kind,
        help="Remove text that lies over the picture: subtitles, a date, credits; all: signs in the scene too.")
    area: TextArea | None = option(None, SELECTION, "X0,Y0,X1,Y1|bottom|top", word="text_area", parse=text_area,
        help="Only text in this place: a box, or the lower or upper third.")
    match: str | None = option(None, SELECTION, "REGEX", word="text_match",
        help="Only text that this pattern is found in, whatever the case.")
    keep: str | None = option(None, SELECTION, "REGEX", word="text_keep",
        help="Keep text that this pattern is found in.")
    srt: Path | None = option(None, SELECTION, "FILE", kind=WRITTEN,
        help="Write what was read of the text that goes as subtitles with its times.")
    # fmt: on

    def __post_init__(self) -> None:
        super().__post_init__()
        for word, value in self._patterns:
            try:
                re.compile(value)
            except re.error as error:
                raise UsageError(
                    f"--{word} {value} is no regular expression: {error}.", "Escape . ( ) [ ] * + ? with a \\."
                ) from None
        given: list[tuple[str, Any]] = [*self._patterns, ("text-area", self.area), ("srt", self.srt)]
        for word, said in given:
            if said is not None and self.kind is None:
                raise UsageError(f"--{word} means nothing without --text.", "Add --text.")

    @property
    def _patterns(self) -> list[tuple[str, str]]:
        named = (("text-match", self.match), ("text-keep", self.keep))
        return [(word, value) for word, value in named if value is not None]

    @property
    def reads(self) -> bool:
        """What the text says has to be read."""
        return bool(self._patterns) or self.srt is not None

    def says(self, text: str) -> bool:
        """Whether text that was read so is asked for."""
        if self.keep is not None and re.search(self.keep, text, re.IGNORECASE):
            return False
        return self.match is None or re.search(self.match, text, re.IGNORECASE) is not None
