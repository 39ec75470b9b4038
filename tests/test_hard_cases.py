"""What users bring and papers leave out, from a folder of frames to a folder of frames, with every preset that fits."""

import cv2
import numpy as np
import pytest

import vrm
import vrm.system.memory
from vrm.engines.internal import engine as internal
from vrm.errors import MaskError, OutOfMemory

SIZE = (72, 104)
HOLE = np.zeros(SIZE, bool)
HOLE[24:48, 36:66] = True


def ground(seed=0, size=(200, 300)):
    """Coloured texture at several scales, uint8."""
    rng = np.random.default_rng(seed)
    layers = [
        cv2.resize(rng.random((size[0] // k, size[1] // k, 3)), size[::-1], interpolation=cv2.INTER_CUBIC)
        for k in (2, 8, 32)
    ]
    return (np.clip(sum(layers) / 3, 0, 1) * 255).astype(np.uint8)


def still(count):
    return [ground()[: SIZE[0], : SIZE[1]]] * count


def panned(count, step=3):
    return [ground()[10 : 10 + SIZE[0], step * t : step * t + SIZE[1]] for t in range(count)]


class Files:
    """Frames and masks as folders of PNGs in ``path``; the object is a bright patch in the hole."""

    def __init__(self, path, frames, holes):
        self.path, self.frames, self.holes = path, frames, holes
        for name in ("frames", "masks"):
            (path / name).mkdir()
        for t, (frame, hole) in enumerate(zip(frames, holes, strict=True)):
            seen = np.where(hole[..., None], np.uint8([20, 220, 240]), frame)
            cv2.imwrite(str(path / "frames" / f"{t:03d}.png"), seen)
            cv2.imwrite(str(path / "masks" / f"{t:03d}.png"), hole.astype(np.uint8) * 255)

    def without(self, preset, **more):
        """The filled frames; checked: nothing differs outside the masks, and the object is gone inside."""
        out = self.path / "out"
        vrm.remove(self.path / "frames", out, mask=self.path / "masks", preset=preset, grow=0, threads=1, **more)
        filled = [cv2.imread(str(f)) for f in sorted(out.iterdir())]
        assert len(filled) == len(self.frames)
        for frame, hole, result in zip(self.frames, self.holes, filled, strict=True):
            assert np.array_equal(result[~hole], frame[~hole])
        return filled


@pytest.fixture
def files(tmp_path):
    return lambda frames, holes: Files(tmp_path, frames, holes)


BOTH = pytest.mark.parametrize("preset", ["fast", "balanced"])


@BOTH
@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_handful_of_frames(files, preset, count):
    filled = files(panned(count), [HOLE] * count).without(preset)
    truth = panned(count)
    for frame, result in zip(truth, filled, strict=True):
        away = np.abs(result[HOLE].astype(float) - frame[HOLE]).mean()
        flat = np.abs(frame[HOLE] - frame[HOLE].mean(0)).mean()
        assert away < 2 * flat  # plausible colours: not the object's, not black


@BOTH
def test_everything_masked_in_one_frame(files, preset):
    frames = panned(9)
    holes = [HOLE.copy() for _ in frames]
    holes[4][:] = True
    filled = files(frames, holes).without(preset)
    ours, copied = (np.abs(f.astype(float) - frames[4]).mean() for f in (filled[4], frames[3]))
    assert ours < 1.1 * copied  # no worse than the frame before, shown again


def test_everything_masked_in_all_frames_is_refused(files):
    with pytest.raises(MaskError, match="covers every pixel of every frame"):
        files(panned(3), [np.ones(SIZE, bool)] * 3).without("fast")


@BOTH
def test_what_is_hidden_for_good_is_filled_plausibly_and_does_not_flicker(files, preset):
    rng = np.random.default_rng(1)
    noisy = [np.clip(f + rng.normal(0, 2.0, f.shape), 0, 255).astype(np.uint8) for f in still(12)]
    filled = np.stack(files(noisy, [HOLE] * 12).without(preset)).astype(float)
    change = np.abs(np.diff(filled, axis=0)).mean((0, 3))
    assert change[HOLE].mean() < 1.2 * change[~HOLE].mean()  # the camera's own noise
    inside, around = filled[:, HOLE].mean(1), filled[:, ~HOLE].mean(1)
    assert np.abs(inside - around).max() < 40


@BOTH
def test_a_fade_goes_on_inside_the_hole(files, preset):
    frames = [(f * (t / 11) ** 2).astype(np.uint8) for t, f in enumerate(still(12))]
    filled = np.stack(files(frames, [HOLE] * 12).without(preset)).astype(float)
    ring = cv2.dilate(HOLE.astype(np.uint8), np.ones((9, 9))).astype(bool) & ~HOLE
    rim = HOLE & ~cv2.erode(HOLE.astype(np.uint8), np.ones((9, 9))).astype(bool)
    for result, frame in zip(filled, frames, strict=True):
        assert abs(result[rim].mean() - frame[ring].mean()) < 2


@BOTH
def test_a_hole_larger_than_what_is_known(files, preset):
    hole = np.zeros(SIZE, bool)
    hole[4:-4, 6:-6] = True
    filled = files(panned(6), [hole] * 6).without(preset)
    object_colour = np.array([20, 220, 240])
    for result in filled:
        assert (np.abs(result[hole] - object_colour.astype(float)).max(1) > 20).mean() > 0.9


@BOTH
def test_a_cut_inside_keeps_the_two_scenes_apart(files, preset):
    first = panned(12)
    other = [255 - ground(7)[90 : 90 + SIZE[0], 2 * t : 2 * t + SIZE[1]] // 3 for t in range(12)]  # a bright scene
    frames = first + other
    filled = files(frames, [HOLE] * 24).without(preset)
    for t in (10, 11, 12, 13):
        mine, its = filled[t][HOLE].astype(float).mean(), frames[t][HOLE].mean()
        across = frames[23 - t][HOLE].mean()
        assert abs(mine - its) < 0.5 * abs(mine - across)


@pytest.mark.parametrize("preset", ["paper"])
def test_the_paper_s_system_copes_with_one_frame(files, preset, monkeypatch):
    monkeypatch.setattr(internal, "MEMORY_STEPS", {"paper": 4})
    monkeypatch.setattr(internal, "MEMORY_WIDTH", {"paper": 8})
    assert len(files(panned(1), [HOLE]).without(preset, engine="internal")) == 1


@BOTH
def test_too_little_memory_is_said_and_leaves_nothing(files, preset, tmp_path, monkeypatch):
    made = files(panned(6), [HOLE] * 6)
    monkeypatch.setattr(vrm.system.memory.bounded, "__defaults__", (lambda: 3_000_000_000,))
    with pytest.raises(OutOfMemory, match="--memory allows 2"):
        made.without(preset, memory=2)
    assert not (tmp_path / "out").exists()
