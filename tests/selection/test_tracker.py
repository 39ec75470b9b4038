import cv2
import numpy as np
import pytest

from vrm.motion.flow.warp import sampled
from vrm.selection.tracking.features import camera_flow, shrink
from vrm.selection.tracking.tracker import Tracked, loss_notes, track_mask
from vrm.types import Masks

SIZE = (144, 216)


def texture(seed: int, size, colour) -> np.ndarray:
    noise = np.random.default_rng(seed).uniform(-1, 1, (*size, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.5)
    return np.clip(np.array(colour, np.float32) + 40 * smooth / smooth.std(), 0, 255).astype(np.uint8)


class Scene:
    """A textured disc that moves over a textured ground, which pans the other way."""

    def __init__(self, n_frames=9, hidden=(), size=SIZE, depth=8) -> None:
        height, width = size
        ground = texture(0, (height, width + 80), (110, 120, 90))
        disc = texture(1, (90, 90), (170, 80, 70))
        self.frames, self.masks = [], []
        yy, xx = np.mgrid[:height, :width]
        for t in range(n_frames):
            frame = ground[:, 2 * t : 2 * t + width].copy()
            y, x = 70, 60 + 4 * t
            mask = (yy - y) ** 2 + (xx - x) ** 2 <= 28**2
            if t in hidden:
                mask[:] = False
            frame[mask] = disc[(yy - y + 45)[mask], (xx - x + 45)[mask]]
            self.frames.append(frame if depth == 8 else frame.astype(np.uint16) * 257)
            self.masks.append(mask)

    def __call__(self, t: int) -> np.ndarray:
        return self.frames[t]

    def similarity(self, tracked, t: int) -> float:
        found, wanted = tracked.masks[t], self.masks[t]
        return (found & wanted).sum() / max(1, (found | wanted).sum())


@pytest.mark.parametrize("given", [0, 4, 8])
@pytest.mark.parametrize("depth", [8, 16])
def test_moving_disc(given: int, depth: int):
    scene = Scene(depth=depth)
    tracked = track_mask(scene, {given: scene.masks[given]}, 0, 9)
    for t in range(9):
        assert scene.similarity(tracked, t) > 0.85, t
        assert 0.4 < tracked.confidence[t] <= 1
    np.testing.assert_array_equal(tracked.masks[given], scene.masks[given])
    assert tracked.confidence[given] == 1
    assert list(loss_notes(tracked, range(9))) == []


def test_several_annotations_are_kept_as_they_are():
    scene = Scene()
    given = {1: scene.masks[1], 6: scene.masks[6]}
    tracked = track_mask(scene, given, 0, 9)
    for t, mask in given.items():
        np.testing.assert_array_equal(tracked.masks[t], mask)
    assert min(scene.similarity(tracked, t) for t in range(9)) > 0.85


def test_only_the_shot_is_looked_at():
    scene = Scene()
    asked: set[int] = set()

    def frame(t: int) -> np.ndarray:
        asked.add(t)
        return scene(t)

    tracked = track_mask(frame, {5: scene.masks[5]}, 3, 7)
    assert asked == {3, 4, 5, 6}
    assert sorted(tracked.confidence) == [3, 4, 5, 6]
    assert list(tracked.masks.frames()) == [3, 4, 5, 6]
    assert tracked.masks.n_frames == 7


@pytest.mark.parametrize("asked", [2, 4, 5, 8])
def test_one_frame_alone_is_as_it_is_among_all(asked: int):
    scene, looked = Scene(), set()

    def frame(t: int) -> np.ndarray:
        looked.add(t)
        return scene(t)

    given = {1: scene.masks[1], 6: scene.masks[6]}
    everything = track_mask(scene, given, 0, 9)
    tracked = track_mask(frame, given, 0, 9, only=asked)
    np.testing.assert_array_equal(tracked.masks[asked], everything.masks[asked])
    assert tracked.confidence[asked] == everything.confidence[asked]
    assert len(tracked.confidence) < 6, "no more is followed than what leads there"


def test_vanished_object_is_said_to_be_lost():
    scene = Scene(hidden=range(4, 9))
    tracked = track_mask(scene, {0: scene.masks[0]}, 0, 9)
    assert scene.similarity(tracked, 2) > 0.8
    assert tracked.masks.box(8) is None
    assert tracked.confidence[8] == 0
    assert any("not found from frame" in note for note in loss_notes(tracked, range(9)))


def test_progress_and_determinism():
    scene = Scene(5)
    seen: list[tuple[str, int, int]] = []
    first = track_mask(scene, {2: scene.masks[2]}, 0, 5, progress=lambda *told: seen.append(told))
    second = track_mask(scene, {2: scene.masks[2]}, 0, 5)
    assert [done for _, done, _ in seen] == [2, 3, 4, 5]
    assert {total for _, _, total in seen} == {5}
    for t in range(5):
        np.testing.assert_array_equal(first.masks[t], second.masks[t])


def test_larger_than_working_size():
    scene = Scene(4)
    large = [cv2.resize(f, None, fx=5, fy=5, interpolation=cv2.INTER_CUBIC) for f in scene.frames]
    masks = [np.kron(m, np.ones((5, 5), bool)) for m in scene.masks]
    tracked = track_mask(large.__getitem__, {0: masks[0]}, 0, 4)
    for t in range(1, 4):
        assert (tracked.masks[t] & masks[t]).sum() / (tracked.masks[t] | masks[t]).sum() > 0.85


def test_single_frame_and_empty_annotation():
    scene = Scene(3)
    alone = track_mask(scene, {1: scene.masks[1]}, 1, 2)
    assert list(alone.masks.frames()) == [1]
    nothing = track_mask(scene, {1: np.zeros(SIZE, bool)}, 0, 3)
    assert nothing.masks.empty


def test_annotation_outside_the_shot():
    scene = Scene(3)
    with pytest.raises(ValueError, match="no annotated frame"):
        track_mask(scene, {0: scene.masks[0]}, 1, 3)


def test_camera_flow_ignores_the_object():
    ys, xs = np.mgrid[: SIZE[0], : SIZE[1]].astype(np.float32)
    camera = np.stack([0.02 * xs + 3, 0.02 * ys - 1], 2).astype(np.float32)
    flow = camera.copy()
    flow[30:60, 50:90] += 7
    background = np.ones(SIZE, bool)
    background[35:55, 55:85] = False
    np.testing.assert_allclose(camera_flow(flow, background), camera, atol=0.05)
    assert not camera_flow(flow, np.zeros(SIZE, bool)).any()


def test_sampled_looks_up_where_the_flow_points():
    field = np.random.default_rng(0).random(SIZE).astype(np.float32)
    flow = np.zeros((*SIZE, 2), np.float32)
    flow[..., 0], flow[..., 1] = 3, -2
    np.testing.assert_allclose(sampled(field, flow)[5:-5, 5:-5], field[3:-7, 8:-2], atol=1e-6)


@pytest.mark.parametrize(
    ("size", "small"), [((1080, 1920), (270, 480)), ((1920, 1080), (480, 270)), ((90, 160), (90, 160))]
)
def test_shrink(size, small):
    assert shrink(np.full((*size, 3), 65535, np.uint16)).shape == (*small, 3)
    assert shrink(np.full((*size, 3), 65535, np.uint16)).max() == 255


def test_object_is_taken_up_again_behind_a_post():
    scene = Scene(20)
    post = texture(2, (SIZE[0], 12), (60, 70, 160))
    for frame, mask in zip(scene.frames, scene.masks, strict=True):
        frame[:, 110:122] = post
        mask[:, 110:122] = False
    tracked = track_mask(scene, {0: scene.masks[0]}, 0, 20)
    for t in (12, 16, 19):
        assert scene.masks[t][:, 122:].any()
        assert scene.similarity(tracked, t) > 0.75, t
        # Half of what has come out behind the post, at least.
        beyond = scene.masks[t].copy()
        beyond[:, :122] = False
        assert (tracked.masks[t] & beyond).sum() > 0.5 * beyond.sum(), t


@pytest.mark.parametrize("pattern", [(2,), (3, 2), (1, 4)])
def test_a_picture_that_is_shown_again_keeps_its_mask(pattern):
    scene = Scene(8)
    shown = [t for k, t in enumerate(range(8)) for _ in range(pattern[k % len(pattern)])]
    noise = np.random.default_rng(0)
    frames = [np.clip(scene.frames[t] + noise.integers(-1, 2, (*SIZE, 3)), 0, 255).astype(np.uint8) for t in shown]
    tracked = track_mask(frames.__getitem__, {0: scene.masks[0]}, 0, len(frames))
    once = track_mask([frames[shown.index(t)] for t in range(8)].__getitem__, {0: scene.masks[0]}, 0, 8)
    for n, t in enumerate(shown):
        both = tracked.masks[n] & once.masks[t]
        assert both.sum() > 0.99 * (tracked.masks[n] | once.masks[t]).sum()
        assert tracked.masks.same(n, shown.index(t))


def test_a_freeze_to_the_end_of_the_shot():
    scene = Scene(3)
    frames = [scene.frames[min(t, 2)] for t in range(30)]
    tracked = track_mask(frames.__getitem__, {0: scene.masks[0]}, 0, 30)
    assert scene.similarity(tracked, 2) > 0.85
    assert all(tracked.masks.same(2, t) for t in range(3, 30))


def test_following_goes_on_behind_frames_of_something_else():
    scene = Scene(12)
    for t in (5, 6, 7):
        scene.frames[t][:] = 0
    tracked = track_mask(scene, {0: scene.masks[0]}, 0, 12, without={5, 6, 7})
    assert list(tracked.masks.frames()) == [0, 1, 2, 3, 4, 8, 9, 10, 11]
    assert min(scene.similarity(tracked, t) for t in tracked.masks.frames()) > 0.8


def test_a_flash_is_followed_through():
    scene = Scene(9)
    scene.frames[5] = np.clip(scene.frames[5] * 0.3 + 170, 0, 255).astype(np.uint8)
    tracked = track_mask(scene, {0: scene.masks[0]}, 0, 9)
    assert min(scene.similarity(tracked, t) for t in range(9)) > 0.8


def test_what_is_said_of_losses_is_so():
    masks = Masks(SIZE, 20)
    for t in (*range(4), *range(5, 9), *range(11, 16)):
        masks[t] = np.ones(SIZE, bool)
    tracked = Tracked(masks, dict.fromkeys(range(20), 1.0))
    notes = list(loss_notes(tracked, range(18)))
    # Of one frame between two with a mask nothing is said: it gets one when masks are shaped.
    assert len(notes) == 2
    assert "not found on frames 9 to 10:" in notes[0]
    assert "not found from frame 16 to the end of its shot, frame 17:" in notes[1]
