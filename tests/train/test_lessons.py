import numpy as np
import pytest
import torch

from vrm.motion.result import Candidate, HoleFill
from vrm.options import EngineOptions
from vrm.train.device import choose
from vrm.train.inputs import CANDIDATES, CHANNELS, MOVING, pack, unpack
from vrm.train.lessons import crop, draw, lesson, tiles

CPU = choose(EngineOptions(device="cpu", dtype="fp32", threads=1))


def fill_of(hole, seed=0):
    rng = np.random.default_rng(seed)
    index = np.flatnonzero(hole)
    n = index.size

    def candidate(name):
        valid = rng.random(n) < 0.7 if name != "spatial" else np.ones(n, bool)
        rgb = np.where(valid[:, None], rng.random((n, 3)), np.nan).astype(np.float32)
        error = np.where(valid, rng.random(n) * 0.3, np.inf).astype(np.float32)
        return Candidate(rgb, valid, error, rng.integers(1, 90, n).astype(np.float32))

    names = ("forward", "backward", "distant0", "spatial")
    rgb = rng.random((n, 3)).astype(np.float32)
    return HoleFill(index, {k: candidate(k) for k in names}, rgb, rng.random(n) < 0.5, rng.random(n).astype(np.float32))


@pytest.fixture
def scene():
    rng = np.random.default_rng(3)
    frame = rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)
    hole = np.zeros((60, 80), bool)
    hole[20:45, 30:62] = True
    hole[0:6, 0:9] = True
    return frame, hole, fill_of(hole)


def test_description_holds_every_candidate_at_its_pixel(scene):
    frame, hole, fill = scene
    box = (10, 20, 50, 70)
    part = frame[10:50, 20:70].astype(np.float32) / 255
    x, colours, valid = unpack(pack(fill, (60, 80)), part, box)
    assert x.shape == (CHANNELS, 40, 50)
    assert colours.shape == (CANDIDATES, 3, 40, 50)
    assert torch.isfinite(x).all()
    assert torch.isfinite(colours).all()
    assert np.array_equal(x[3].numpy() > 0, hole[10:50, 20:70])
    for y, z in ((25, 40), (44, 61)):
        at = int(np.flatnonzero(fill.index == y * 80 + z)[0])
        assert np.allclose(colours[0, :, y - 10, z - 20], fill.rgb[at], atol=1e-3)
        for k, name in enumerate(MOVING):
            found = fill.candidates.get(name)
            there = found is not None and bool(found.valid[at])
            assert bool(valid[k + 1, y - 10, z - 20]) == there
            if there:
                assert np.allclose(colours[k + 1, :, y - 10, z - 20], found.rgb[at], atol=1e-3)
    outside = ~hole[10:50, 20:70]
    assert np.array_equal(colours[2].numpy().transpose(1, 2, 0)[outside], part[outside])
    assert not valid[1:].numpy()[:, outside].any()


def test_a_lesson_judges_hidden_pixels_outside_the_real_hole(scene):
    frame, hole, fill = scene
    real = np.zeros_like(hole)
    real[20:30, 30:62] = True
    one = lesson(frame, real, hole, pack(fill, (60, 80)))
    full = np.zeros_like(hole)
    y0, x0, y1, x1 = one.box
    full[y0:y1, x0:x1] = one.where
    assert np.array_equal(full, hole & ~real)
    assert np.array_equal(one.frame, frame[y0:y1, x0:x1])
    assert lesson(frame, hole, hole, pack(fill, (60, 80))) is None


def test_crops_have_one_size_and_repeat_edges_without_judging_them(scene):
    frame, hole, fill = scene
    one = lesson(frame, np.zeros_like(hole), hole, pack(fill, (60, 80)))
    x, _, valid, truth, where = crop(one, 0, 0, 96)
    assert x.shape[1:] == truth.shape[1:] == where.shape[1:] == valid.shape[1:] == (96, 96)
    assert int(where.sum()) == int(hole.sum())
    assert valid[0].all()


@pytest.mark.parametrize("vary", [False, True])
def test_batches_are_repeatable_and_keep_truth_and_candidates_in_step(scene, vary):
    frame, hole, fill = scene
    one = lesson(frame, np.zeros_like(hole), hole, pack(fill, (60, 80)))
    a, b = (draw([one], 6, 32, np.random.default_rng(1), CPU, vary) for _ in range(2))
    assert torch.equal(a.x, b.x)
    assert torch.equal(a.truth, b.truth)
    assert all(a.where[i].any() for i in range(6))
    known = (a.x[:, 3:4] == 0).expand(-1, 3, -1, -1)
    assert torch.allclose((a.x[:, :3] + 0.5)[known], a.truth[known], atol=1e-3)
    assert torch.allclose(a.colours[:, 0], a.x[:, :3] + 0.5, atol=2e-3)


def test_looks_cover_hidden_pixels(scene):
    frame, hole, fill = scene
    one = lesson(frame, np.zeros_like(hole), hole, pack(fill, (60, 80)))
    assert sum(int(b.where.sum()) for b in tiles([one], 32, 100, CPU)) >= int(hole.sum())
    assert len(tiles([one], 32, 2, CPU)) == 2
    assert tiles([], 32, 2, CPU) == []
