"""Which pixels are strokes, against the layer that was drawn."""

import numpy as np
import pytest

from vrm.selection.text.strokes import find_strokes
from vrm.types import Bool

from .overlays import SIZE, Drawn, drawn, film, ground, over, wider


def core_of(text: Drawn) -> Bool:
    core = np.zeros(SIZE, bool)
    y0, x0, y1, x1 = wider(text[2], 3)
    core[y0:y1, x0:x1] = True
    return core


def scores(mask: Bool, text: Drawn) -> tuple[float, float]:
    """Recall of the drawn pixels, and the hole's area over theirs."""
    return float(mask[text[1]].mean()), float(mask.sum() / text[1].sum())


@pytest.mark.parametrize("outline", [True, False])
def test_strokes_over_a_ground_that_moves(outline: bool) -> None:
    text = drawn("Good night", outline=outline)
    frames = np.stack(film(24, lambda t: 1.0, text))
    found = find_strokes(frames, core_of(text), [], 26)
    recall, ratio = scores(found.mask, text)
    assert found.told
    assert recall >= (0.98 if outline else 0.95)  # white on white is not seen
    assert ratio <= 1.9


def test_a_still_ground_is_told_by_the_frame_before_the_line() -> None:
    text = drawn("Good night", outline=False)
    still = ground(0)
    frame = over(still, text[0])
    alone = find_strokes(np.stack([frame] * 3), core_of(text), [], 26)
    found = find_strokes(np.stack([frame] * 3), core_of(text), [(frame, still)], 26)
    recall, ratio = scores(found.mask, text)
    assert recall >= 0.98
    assert ratio <= 1.9
    assert alone.mask.sum() > 1.2 * found.mask.sum()  # what it would be without that frame


def test_half_transparent_text_is_told_by_the_frame_after_it() -> None:
    text = drawn("Good night", outline=False, alpha=120)
    still = ground(0)
    frame = over(still, text[0])
    recall, ratio = scores(find_strokes(np.stack([frame] * 3), core_of(text), [(frame, still)], 26).mask, text)
    assert recall >= 0.95
    assert ratio <= 2


def test_a_box_behind_the_text_goes_whole() -> None:
    text = drawn("Good night", outline=False, box=True)
    frames = np.stack(film(24, lambda t: 1.0, text))
    recall, ratio = scores(find_strokes(frames, core_of(text), [], 26).mask, text)
    assert recall >= 0.98
    assert ratio <= 1.35


def test_where_nothing_tells_the_box_goes() -> None:
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 255, (1, *SIZE, 3), dtype=np.uint8)
    core = core_of(drawn("Good night"))
    found = find_strokes(noise, core, [], 26)
    assert not found.told
    assert found.mask[core].all()
