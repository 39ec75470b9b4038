import numpy as np
import pytest

from vrm.errors import UsageError
from vrm.motion.propagate import MotionConfig
from vrm.options import EngineOptions
from vrm.train.device import choose
from vrm.train.fit import Budget
from vrm.train.prior import PriorConfig, prepare, train
from vrm.train.snippets import Snippet, SnippetConfig, lessons_of, load_lessons, make_snippet, save_lessons

CPU = choose(EngineOptions(device="cpu", dtype="fp32", threads=1))
SMALL = SnippetConfig(size=(48, 80), frames=4, holes=2)
MOTION = MotionConfig(rounds=1)


def clip(n=12, seed=0):
    rng = np.random.default_rng(seed)
    wide = np.kron(rng.integers(100, 156, (16, 40, 3), dtype=np.uint8), np.ones((6, 6, 1), np.uint8))
    return [np.ascontiguousarray(wide[:, 2 * t : 2 * t + 160]) for t in range(n)]


def blob(n=6):
    mask = np.zeros((96, 160), bool)
    mask[30:60, 50:90] = True
    return [np.roll(mask, t, 1) for t in range(n)]


@pytest.mark.parametrize("seed", range(6))
def test_snippets_have_the_wanted_size_and_holes(seed):
    snippet = make_snippet(clip(), [blob()], SMALL, np.random.default_rng(seed))
    assert len(snippet.frames) == len(snippet.holes) == 4
    assert all(f.shape == (48, 80, 3) and f.dtype == np.uint8 for f in snippet.frames)
    assert all(h.shape == (48, 80) and h.dtype == bool for h in snippet.holes)


def test_short_clips_give_shorter_snippets_and_cuts_none():
    assert len(make_snippet(clip(3), [], SMALL, np.random.default_rng(0)).frames) == 3
    cut = [np.zeros((48, 80, 3), np.uint8)] * 2 + [np.full((48, 80, 3), 255, np.uint8)] * 2
    assert make_snippet(cut, [], SMALL, np.random.default_rng(0)) is None


def test_lessons_come_back_from_their_file_as_they_went(tmp_path):
    frames = [f[:48, :80].copy() for f in clip(3)]
    holes = [h[20:68, 30:110].copy() for h in blob(3)]
    made = lessons_of(Snippet(frames, holes), MOTION)
    assert len(made) == 3
    save_lessons(tmp_path / "a.npz", made)
    for a, b in zip(made, load_lessons(tmp_path / "a.npz"), strict=True):
        assert a.box == b.box
        assert np.array_equal(a.frame, b.frame)
        assert np.array_equal(a.where, b.where)
        assert a.sample.size == b.sample.size
        for name in ("index", "colours", "valid", "facts"):
            assert np.array_equal(getattr(a.sample, name), getattr(b.sample, name), equal_nan=name != "valid")


def test_a_prior_is_trained_from_prepared_files_and_goes_on_from_itself(tmp_path):
    clips = [(name, lambda seed=seed: clip(seed=seed)) for seed, name in enumerate(("one", "two"))]
    told = []
    files = prepare(clips, [blob()], tmp_path, 2, MOTION, SMALL, 0, lambda *a: told.append(a))
    assert len(files) == 4
    assert told
    again = prepare(
        [("one", lambda: pytest.fail("read again"))], [blob()], tmp_path, 2, MOTION, SMALL, 0, lambda *a: None
    )
    assert again == files[:2]
    config = PriorConfig(width=8, batch=2, side=32, budget=Budget(4, 1e-3, check_every=2), looks=4)
    net, history = train(files[:3], files[3:], config, CPU, lambda *a: None)
    assert history.steps == 4
    assert all(np.isfinite(v) for v in history.held.values())
    more, _ = train(files[:3], files[3:], config, CPU, lambda *a: None, start=net)
    assert more is net


def test_nothing_to_train_on_is_refused():
    with pytest.raises(UsageError, match="nothing"):
        train([], [], PriorConfig(), CPU, lambda *a: None)
