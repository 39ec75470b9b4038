"""Which pixels are strokes, against the layer that was drawn."""

import cv2
import numpy as np
import pytest

from vrm.selection.text.strokes import extended, find_strokes
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
    still = np.clip(110 + 3 * (ground(0).astype(np.float32) - 110), 0, 255).astype(np.uint8)
    frame = over(still, text[0])
    alone = find_strokes(np.stack([frame] * 3), core_of(text), [], 26)
    found = find_strokes(np.stack([frame] * 3), core_of(text), [(frame, still)], 26)
    recall, ratio = scores(found.mask, text)
    assert recall >= 0.98
    assert ratio <= 2
    wrong = [int((mask.mask ^ text[1]).sum()) for mask in (alone, found)]
    assert wrong[0] > 1.1 * wrong[1]  # what it would be without that frame


def test_half_transparent_text_is_told_by_the_frame_after_it() -> None:
    text = drawn("Good night", outline=False, alpha=120)
    still = ground(0)
    frame = over(still, text[0])
    recall, ratio = scores(find_strokes(np.stack([frame] * 3), core_of(text), [(frame, still)], 26).mask, text)
    assert recall >= 0.95
    assert ratio <= 2


def test_what_is_seen_of_the_ground_elsewhere_tells_faint_text_from_a_restless_one() -> None:
    text = drawn("Good night", outline=False, alpha=100)
    frames = np.stack(film(8, lambda t: 1.0, text))
    rng = np.random.default_rng(0)
    rough = np.clip(frames + rng.normal(0, 60, (1, *SIZE, 1)), 0, 255).astype(np.uint8)  # stands as the text does
    added = np.median([over(ground(t), text[0]).astype(np.float32) - ground(t) for t in range(8)], 0)
    recall, ratio = scores(find_strokes(rough, core_of(text), [], 26, added.astype(np.float32)).mask, text)
    assert recall >= 0.95
    assert ratio <= 2
    assert not find_strokes(rough, core_of(text), [], 26).told


def test_a_word_beside_the_line_belongs_to_it_and_the_shadow_of_one_does_not() -> None:
    text = drawn("Good night", outline=False, alpha=100)
    y0, x0, y1, x1 = text[2]
    rng = np.random.default_rng(0)
    added = rng.normal(0, 2, (*SIZE, 3)).astype(np.float32) + 140 * text[0][..., 3:] * text[0][..., :3]
    assert abs(extended((y0, x0 + 70, y1, x1), added, 0)[1] - x0) <= 2
    added[:, : x0 + 70] *= -1  # letters of another frame, which hide its ground
    assert extended((y0, x0 + 70, y1, x1), added, 0) == (y0, x0 + 70, y1, x1)


def test_a_word_that_is_not_told_goes_by_its_box() -> None:
    text = drawn("Good night")
    layer = text[0].copy()
    y0, x0, y1, x1 = text[2]
    layer[:, x0 + 40 : x1 - 40, 3] = 0  # nothing of it differs from its ground
    mask = find_strokes(np.stack([over(ground(t), layer) for t in range(24)]), core_of(text), [], 26).mask
    assert mask[y0:y1, x0 + 50 : x1 - 50].all()


def test_another_line_beside_it_is_no_ground() -> None:
    text, other = drawn("Good night", at=(70, 110)), drawn("Nice day", at=(75, 140))
    frames = [over(over(ground(t), text[0]), other[0]) for t in range(24)]
    mask = find_strokes(np.stack(frames), core_of(text), [], 26, None, core_of(other)).mask
    rows = slice(0, other[2][0])  # the other's own strokes are not asked for
    assert mask[text[1]].mean() >= 0.98
    assert mask[rows].sum() <= 1.9 * text[1].sum()


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


def test_a_box_that_is_longer_than_what_was_found_of_its_text_goes_whole() -> None:
    """A dash at its beginning is not in the line's own box, and the median takes what lies under it for ground."""
    text = drawn("- - Good", outline=False, box=True)
    frames = np.stack(film(24, lambda t: 1.0, text))
    core = core_of(text)
    core[:, : text[2][1] + 36] = False
    recall, ratio = scores(find_strokes(frames, core, [(frames[0], ground(0))], 26).mask, text)
    assert recall >= 0.98
    assert ratio <= 1.45


def test_specks_that_coding_leaves_around_strokes_go_too() -> None:
    """They change from frame to frame, and are not in the mean of the line's frames."""
    text = drawn("Good night")
    rng = np.random.default_rng(0)
    near = cv2.dilate(text[1].astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    plain, specked = [], []
    for t in range(24):
        frame = over(cv2.GaussianBlur(ground(t), (0, 0), 4), text[0])
        plain.append(frame)
        specks = (near & ~text[1] & (rng.random(SIZE) < 0.1)).astype(np.int16) * rng.choice([-20, 20], SIZE)
        specked.append(np.clip(frame + specks[..., None], 0, 255).astype(np.uint8))
    masks = [find_strokes(np.stack(frames), core_of(text), [], 26).mask for frames in (plain, specked)]
    covered = [mask[near].mean() for mask in masks]
    assert covered[1] > 0.97 > 0.9 > covered[0]
    assert scores(masks[1], text)[1] < 2.5
