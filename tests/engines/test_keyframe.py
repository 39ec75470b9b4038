"""The keyframe engine: from the user's keyframes, and from generated ones."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from vrm.engines.keyframe.generator import context_times, generate_keyframes, load_generator
from vrm.engines.keyframe.keyframes import grid_times
from vrm.engines.registry import create_engine
from vrm.engines.shot import KeyframedShot
from vrm.errors import UsageError, WeightsError
from vrm.events import no_progress
from vrm.nets.two_stream.model import TwoStreamConfig, TwoStreamGenerator
from vrm.options.remove import EngineOptions
from vrm.report.coverage import GIVEN, NEVER, SEEN
from vrm.shots.windows import Window
from vrm.system.array_folder import ArrayFolder
from vrm.system.device import choose
from vrm.weights.cards import find, save

from .shots import SmallShot, box_holes

OPTIONS = EngineOptions(engine="keyframe", preset="fast", device="cpu", dtype="fp32", threads=1)


@pytest.fixture
def weights(tmp_path):
    """A small network with random weights and its card."""
    torch.manual_seed(0)
    config = TwoStreamConfig(width=8, heads=4, grid=2, blocks=2)
    save(
        TwoStreamGenerator(config), tmp_path, name="small", licence="CC0-1.0", network="two-stream",
        settings=config.settings,
    )  # fmt: skip
    return str(tmp_path / "small.safetensors")


def generator_of(weights, preset="balanced"):
    return load_generator(*find(weights, "two-stream"), choose(OPTIONS), preset)


class StillShot(SmallShot):
    """A hole that never moves over a camera that never moves: nothing in it is seen but in a keyframe."""

    def __init__(self, n=7, key=3):
        super().__init__(box_holes(n, 64, 96, (20, 30, 40, 54)), pan=0)
        self.keyframes = {100 + key: self.truth[key]}


def test_a_keyframe_is_taken_as_it_is_and_reaches_every_frame_both_ways():
    shot = StillShot()
    patches = create_engine(OPTIONS).prepare(shot, no_progress).fill(shot.windows()[0])
    assert sorted(patches) == list(range(100, 107))
    for t, patch in patches.items():
        y0, x0, y1, x1 = patch.box
        error = np.abs(patch.rgb.astype(int) - shot.truth[t - 100][y0:y1, x0:x1]).mean()
        assert error == 0 if t == 103 else error < 2


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None  # importing it raises ImportError
from vrm.events import no_progress
from vrm.engines.registry import create_engine
from vrm.options.remove import EngineOptions
from engines.shots import SmallShot, box_holes
shot = SmallShot(box_holes(7, 64, 96, (20, 30, 40, 54)), keyframes=True)
for preset in ("fast", "paper"):
    engine = create_engine(EngineOptions(engine="keyframe", preset=preset))
    print(len(engine.prepare(shot, no_progress).fill(shot.windows()[0])))
"""


def test_keyframes_of_the_user_need_no_torch(tmp_path):
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH], env=env, capture_output=True, text=True)
    assert done.stdout.split() == ["7", "7"], done.stderr


def test_without_weights_and_keyframes_the_shot_is_named():
    shot = SmallShot(box_holes(4, 64, 96, (20, 30, 40, 54)))
    with pytest.raises(WeightsError, match="100 to 103"):
        create_engine(OPTIONS).prepare(shot, no_progress)


def test_only_the_hole_of_a_keyframe_is_looked_at():
    shot = StillShot()
    wrong = shot.truth[3].copy()
    wrong[~shot.hole(103)] = 7
    view = KeyframedShot(shot, {103: wrong})
    assert np.array_equal(view.frame(103), shot.truth[3])
    assert not view.hole(103).any()
    assert view.hole(102).any()
    assert list(view.filled(range(100, 107))) == [103]
    assert not view.filled(range(100, 103))


def test_chunks_of_the_published_way_share_their_keyframe():
    shot = StillShot(9, 4)
    session = create_engine(replace(OPTIONS, preset="paper")).prepare(shot, no_progress)
    asked = []
    real = shot.propagation
    shot.propagation = lambda window, **more: asked.append(window) or real(window, **more)
    patches = session.fill(Window(100, 109, 100, 109))
    assert sorted(patches) == list(range(100, 109))
    assert [(w.start, w.stop) for w in asked] == [(100, 105), (104, 109)]
    assert all((w.context_start, w.context_stop) == (w.start, w.stop) for w in asked)


def test_chunks_do_not_depend_on_the_windows():
    shot = StillShot(13, 4)
    shot.keyframes[108] = shot.truth[8]
    session = create_engine(replace(OPTIONS, preset="paper")).prepare(shot, no_progress)
    whole = session.fill(Window(100, 113, 100, 113))
    for window in (Window(100, 105, 100, 113), Window(104, 109, 100, 113), Window(108, 113, 100, 113)):
        for t, patch in session.fill(window).items():
            assert patch.box == whole[t].box
            assert np.array_equal(patch.rgb, whole[t].rgb)


def always(t):
    return True


def test_the_grid_leaves_out_what_is_given():
    times = partial(grid_times, 100, 170)
    assert times(always, ()) == [100, 120, 140, 160]
    assert times(always, {125}) == [100, 160]
    assert grid_times(100, 109, lambda t: t > 105, ()) == [107]


def test_each_passage_of_holes_has_a_keyframe():
    shown = {*range(103, 109), *range(140, 145), *range(170, 173), 178}
    assert grid_times(100, 200, shown.__contains__, ()) == [106, 140, 172]
    assert grid_times(100, 200, shown.__contains__, {105}) == [140, 172], "the first has one, the others are far"
    assert grid_times(100, 200, shown.__contains__, {104, 141, 171}) == []


def test_context_is_clipped_at_the_ends_of_the_shot():
    assert context_times(50, 0, 200, (10, 20)) == [30, 40, 60, 70]
    assert context_times(5, 0, 30, (10, 20, 40)) == [0, 15, 25, 29]
    assert context_times(0, 0, 1, (10,)) == []


@pytest.mark.parametrize("prefill", [None, False])
def test_generated_keyframes_fill_a_shot(weights, prefill):
    shot = SmallShot(box_holes(25, 64, 96, (20, 30, 40, 54)), pan=1)
    told = []
    engine = create_engine(replace(OPTIONS, weights=weights, prefill=prefill))
    assert engine.generates
    session = engine.prepare(shot, lambda *step: told.append(step))
    assert "2 keyframes were generated, 0 are yours." in session.notes
    assert told[-1] == ("keyframes", 2, 2)
    window = Window(100, 125, 100, 125)
    patches = session.fill(window)
    assert sorted(patches) == list(range(100, 125))
    again = create_engine(replace(OPTIONS, weights=weights, prefill=prefill)).prepare(shot, no_progress).fill(window)
    assert all(np.array_equal(patches[t].rgb, again[t].rgb) for t in patches)


def test_prealignment_leaves_less_to_the_network_and_nothing_outside_changes(weights):
    shot = SmallShot(box_holes(21, 64, 96, (20, 30, 40, 54)), pan=2)
    generator = generator_of(weights)
    with_motion = generate_keyframes(shot, {}, generator, True, no_progress)
    without = generate_keyframes(shot, {}, generator, False, no_progress)
    for t, frame in with_motion.frames.items():
        hole = shot.hole(t)
        assert np.array_equal(frame[~hole], shot.frame(t)[~hole])
        errors = [np.abs(f[hole].astype(int) - shot.truth[t - 100][hole]).mean() for f in (frame, without.frames[t])]
        assert errors[0] < errors[1], "motion sees this background, an untrained network does not"
        assert set(np.unique(without.origins[t][hole])) == {NEVER}
        assert {NEVER, SEEN} >= set(np.unique(with_motion.origins[t][hole]))
        assert (with_motion.origins[t] == SEEN).any()


def test_user_keyframes_and_generated_ones_mix(weights):
    shot = SmallShot(box_holes(41, 64, 96, (20, 30, 40, 54)), pan=1)
    shot.keyframes = {140: shot.truth[40]}
    session = create_engine(replace(OPTIONS, weights=weights)).prepare(shot, no_progress)
    assert sorted(session.keyframes) == [100, 120, 140]
    assert np.array_equal(session.keyframes[140], shot.truth[40])


def test_weights_of_another_network_are_refused(weights, tmp_path):
    card = tmp_path / "small.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | {"network": "fuser"}))
    with pytest.raises(WeightsError, match="belong to the network 'fuser'"):
        create_engine(replace(OPTIONS, weights=weights))


def test_keyframes_that_contradict():
    with pytest.raises(UsageError, match="two pictures of frame 4"):
        EngineOptions(engine="keyframe", keyframes=((4, Path("a.png")), (4, Path("b.png"))))
    with pytest.raises(UsageError, match="--engine keyframe"):
        EngineOptions(keyframes=((4, Path("a.png")),))


def test_what_comes_from_a_keyframe_is_not_called_seen(weights):
    shot = StillShot()
    session = create_engine(OPTIONS).prepare(shot, no_progress)
    session.fill(shot.windows()[0])
    for t in range(100, 107):
        assert set(np.unique(session.origin(t)[shot.hole(t)])) == {GIVEN}, "nothing else shows it"
        assert not session.origin(t)[~shot.hole(t)].any()
    shot.keyframes = {}
    session = create_engine(replace(OPTIONS, weights=weights)).prepare(shot, no_progress)
    session.fill(shot.windows()[0])
    for t in range(100, 107):
        assert set(np.unique(session.origin(t)[shot.hole(t)])) == {NEVER}, "what a network made up stays made up"


def test_keyframes_lie_in_files_and_few_are_in_memory(weights, tmp_path, monkeypatch):
    monkeypatch.setattr(ArrayFolder, "memory_bytes", 3 * 64 * 96 * 3)
    shot = SmallShot(box_holes(121, 64, 96, (20, 30, 40, 54)), pan=1)
    in_memory = create_engine(replace(OPTIONS, weights=weights)).prepare(shot, no_progress)
    shot.scratch = tmp_path / "scratch"
    shot.scratch.mkdir()
    in_files = create_engine(replace(OPTIONS, weights=weights)).prepare(shot, no_progress)
    assert len(list(shot.scratch.rglob("*.npy"))) == 7 - 3, "three frames fit into the memory, and all maps"
    assert sorted(in_files.keyframes) == sorted(in_memory.keyframes)
    assert all(np.array_equal(in_files.keyframes[t], in_memory.keyframes[t]) for t in in_memory.keyframes)
    kept = {id(mapping): mapping for mapping in in_files.keyframes.stores.values()}
    assert sum(len(mapping._recent) for mapping in kept.values()) == 3


def test_the_user_is_told_of_a_network_that_works_smaller(weights, monkeypatch):
    monkeypatch.setattr("vrm.engines.keyframe.generator.WORK_PIXELS", 48 * 32)
    shot = SmallShot(box_holes(3, 64, 96, (20, 30, 40, 54)), pan=1)
    session = create_engine(replace(OPTIONS, weights=weights)).prepare(shot, no_progress)
    assert any("works at 48x32" in note and "96x64" in note for note in session.notes)


def test_the_preset_says_how_many_context_frames_there_are(weights):
    assert generator_of(weights, "fast").offsets == (10, 20, 40)
    assert len(generator_of(weights, "paper").offsets) == 7
