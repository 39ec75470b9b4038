"""What is said of the text that was found."""

from __future__ import annotations

from vrm.report.model import TextLine
from vrm.selection.text.select import _linked


def scene(text: str, first: int, last: int, removed: bool = False, kind: str = "scene") -> TextLine:
    return TextLine(text, 0.9, (0, 0, 40, 12), first, last, first / 10, (last + 1) / 10, kind, removed, "", True)


def test_text_of_the_scene_is_listed_once_though_it_was_found_on_samples() -> None:
    shop = [scene("Bakery Miller", 0, 2), scene("kery Mi1ler", 8, 9), scene("Bakery", 16, 16)]
    [one] = _linked(shop)
    assert (one.text, one.first, one.last, one.end) == ("Bakery Miller", 0, 16, 1.7)


def test_other_text_is_another_line() -> None:
    lines = [
        scene("Bakery", 0, 2),
        scene("Butcher", 4, 5),  # says something else
        scene("auf der Siegerseite: ewz", 6, 7),
        scene("ASVZ", 8, 8),  # has its letters, here and there
        scene("Bakery", 30, 31),  # much later
        scene("Bakery", 31, 33),  # at once, in another place
        scene("Bakery", 34, 36, removed=True),
        scene("Bakery", 38, 39, kind="overlay"),
        scene("", 40, 41),  # not read
        scene("", 43, 44),
    ]
    assert _linked(lines) == lines
