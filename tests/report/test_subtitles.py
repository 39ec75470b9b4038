"""Lines of text as SubRip."""

from vrm.report.model import TextLine
from vrm.report.subtitles import subtitles


def line(text: str, start: float, end: float, y: int = 100, removed: bool = True) -> TextLine:
    return TextLine(text, 0.9, (10, y, 90, y + 20), 0, 1, start, end, "overlay", removed, "")


def test_lines_of_one_subtitle_are_joined_and_what_is_no_subtitle_is_left_out() -> None:
    found = subtitles(
        [
            line("second", 1.52, 3.0, 130), line("first", 1.5, 3.0), line("later", 3661.0, 3662.25),
            line("a date", 0, 60), line("kept", 1, 2, removed=False), line("", 1, 2),
        ]
    )  # fmt: skip
    assert found == ("1\n00:00:01,500 --> 00:00:03,000\nfirst\nsecond\n\n2\n01:01:01,000 --> 01:01:02,250\nlater\n\n")
