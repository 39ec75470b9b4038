import numpy as np
import pytest

from vrm.motion.fusion.single_frame import inpaint_frame
from vrm.motion.synthesis import patchmatch
from vrm.motion.synthesis.patchmatch import complete_by_patches


def stripes(size=(96, 120), period=12):
    """A picture smooth inpainting cannot continue: slanting stripes in two colours."""
    ys, xs = np.mgrid[: size[0], : size[1]]
    on = ((xs + ys // 2) // (period // 2)) % 2
    colours = np.array([[0.2, 0.3, 0.5], [0.8, 0.7, 0.4]], np.float32)
    return colours[on]


def box(size, y0, x0, y1, x1):
    mask = np.zeros(size, bool)
    mask[y0:y1, x0:x1] = True
    return mask


@pytest.mark.parametrize("hole", [box((96, 120), 30, 40, 62, 80), box((96, 120), 70, 30, 96, 80)])
def test_stripes_go_on(hole):
    truth = stripes()
    smooth = inpaint_frame(truth, hole)
    made = complete_by_patches(smooth, hole, ~hole)
    before, after = (float(np.square(x - truth)[hole].mean()) for x in (smooth, made))
    assert after < before / 3
    assert np.array_equal(made[~hole], truth[~hole])


def test_large_unknown_parts_are_rebuilt_in_detail(monkeypatch):
    truth = stripes((128, 160))
    hole = box(truth.shape[:2], 30, 40, 90, 120)
    monkeypatch.setattr("vrm.motion.synthesis.patchmatch._MOST", 1500)  # so that the last size is only copied
    made = complete_by_patches(inpaint_frame(truth, hole), hole, ~hole)
    energy = [np.abs(np.diff(x, axis=1))[hole[:, 1:]].mean() for x in (made, truth)]
    assert energy[0] > 0.7 * energy[1]


def test_what_is_searched_stays_small_for_long_thin_holes(monkeypatch):
    truth = stripes((160, 400))
    hole = box(truth.shape[:2], 40, 10, 46, 390) | box(truth.shape[:2], 100, 10, 106, 390)
    monkeypatch.setattr("vrm.motion.synthesis.patchmatch._MOST", 1500)
    searched = []
    complete = patchmatch._Search.complete
    monkeypatch.setattr(
        patchmatch._Search, "complete",
        lambda self, rounds: searched.append(int(self.level.unknown.sum())) or complete(self, rounds),
    )  # fmt: skip
    made = complete_by_patches(inpaint_frame(truth, hole), hole, ~hole)
    assert searched
    assert max(searched) <= 1500 < hole.sum()
    assert np.abs(made - truth)[hole].mean() < 0.2


def test_only_the_usable_part_is_copied():
    truth = stripes()
    hole = box(truth.shape[:2], 30, 40, 62, 80)
    forbidden = box(truth.shape[:2], 0, 0, 96, 20)
    image = inpaint_frame(truth, hole)
    image[forbidden] = (1, 0, 0)
    made = complete_by_patches(image, hole, ~hole & ~forbidden)
    assert made[hole].max() < 0.9


@pytest.mark.parametrize("usable", [np.zeros((40, 40), bool), box((40, 40), 0, 0, 4, 40)])
def test_with_nothing_to_copy_smooth_inpainting_stays(usable):
    image = np.random.default_rng(0).random((40, 40, 3), np.float32)
    hole = box((40, 40), 10, 10, 30, 30)
    assert np.array_equal(complete_by_patches(image, hole, usable), image)


def test_same_call_same_result():
    truth = stripes()
    hole = box(truth.shape[:2], 30, 40, 62, 80)
    smooth = inpaint_frame(truth, hole)
    assert np.array_equal(complete_by_patches(smooth, hole, ~hole), complete_by_patches(smooth, hole, ~hole))


@pytest.mark.parametrize("at", [(20, 30), (0, 0), (51, 70)])
def test_targets_look_as_they_do_in_the_whole_picture(at):
    rng = np.random.default_rng(3)
    image = rng.random((60, 80, 5), np.float32)
    unknown = np.zeros((60, 80), np.bool_)
    unknown[at[0] : at[0] + 9, at[1] : at[1] + 10] = True
    search = patchmatch._Search(patchmatch._PyramidLevel(image, unknown, ~unknown), None, rng)
    search.basis = search._principal_components()
    whole = search._project(image)[search.rows, search.cols]
    np.testing.assert_allclose(search._targets(), whole, atol=1e-5)
