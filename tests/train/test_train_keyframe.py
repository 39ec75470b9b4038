"""Training of the two-stream generator: its examples, its losses, its table, and going on."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch

from vrm.errors import OutputError, UsageError, WeightsError
from vrm.media.write.png import write_png
from vrm.nets.two_stream.ade20k import Ade20kFeatures
from vrm.nets.two_stream.model import TwoStreamConfig, TwoStreamGenerator
from vrm.options.remove import EngineOptions
from vrm.train.data import clips as data_clips
from vrm.train.data.clips import PictureDataset
from vrm.train.data.views import Views, example
from vrm.train.keyframe import KeyframeTraining, train_keyframe
from vrm.weights.cards import find, load_into, save

OPTIONS = KeyframeTraining(
    "tiny", "CC0-1.0", steps=12, batch=2, side=64, references=1, width=8, blocks=2, rate=2e-3, warm_up=2,
    check_every=4, engine=EngineOptions(device="cpu", dtype="fp32", threads=1),
)  # fmt: skip


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(4):
        coarse = rng.integers(0, 255, (12, 16, 3)).astype(np.uint8)
        write_png(folder / f"{i}.png", np.kron(coarse, np.ones((8, 8, 1), np.uint8)))
    return folder


def test_views_show_one_picture_from_elsewhere(pictures):
    torch.manual_seed(0)
    views = Views(64, 3).of(PictureDataset(pictures, 999, pictures / "decoded")[0][0])
    assert [v.shape for v in views] == [(64, 64, 3)] * 3
    assert not np.array_equal(views[0], views[1])
    colours = [v.reshape(-1, 3).mean(0) for v in views]
    assert np.abs(colours[0] - colours[1]).max() < 60


def test_an_example_hides_the_holes_and_knows_the_way(pictures):
    frame = PictureDataset(pictures, 999, pictures / "decoded")[0][0]
    views = [frame[10:74, 10:74], frame[10:74, 16:80]]  # six pixels to the right
    one = example(views, np.random.default_rng(1))
    hole = one.target[3] > 0
    assert hole.any()
    assert not one.target[:3][:, hole].any()
    assert np.allclose(one.target[:3][:, ~hole], one.truth[:, ~hole])
    known = np.median(one.flow[0][:, 16:48, 16:48], (1, 2))
    assert np.allclose(known, (-6, 0), atol=1.0)
    assert one.keys.shape == (1, 4, 64, 64)
    assert one.error.shape == (1, 1, 64, 64)


def test_training_teaches_writes_a_table_and_weights_that_load(pictures, tmp_path):
    out = tmp_path / "out"
    card, lines = train_keyframe(pictures, out, OPTIONS, lambda *step: None)
    assert lines[-1]["l1"] < lines[0]["l1"]
    assert lines[-1]["features"] < lines[0]["features"]
    assert all(np.isfinite(list(line.values())).all() for line in lines)
    with (out / "tiny.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [int(float(row["step"])) for row in table] == [4, 8, 12]
    found = find(str(out / "tiny.safetensors"), "two-stream")
    assert found is not None
    net = TwoStreamGenerator(TwoStreamConfig.from_settings(found[0].settings))
    load_into(net, card, out)
    with pytest.raises(OutputError, match="already"):
        train_keyframe(pictures, out, OPTIONS, lambda *step: None)


def test_a_run_that_was_cut_goes_on_as_if_it_had_not_been(pictures, tmp_path, monkeypatch):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    options = replace(OPTIONS, steps=4, check_every=2)
    train_keyframe(pictures, whole, options, lambda *step: None)

    def stop(stage, done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_keyframe(pictures, parts, options, stop)
    train_keyframe(pictures, parts, replace(options, resume=True), lambda *step: None)
    assert (whole / "tiny.safetensors").read_bytes() == (parts / "tiny.safetensors").read_bytes()
    assert (whole / "tiny.csv").read_text() == (parts / "tiny.csv").read_text()


def test_frames_of_a_clip_serve_as_key_frames(pictures, tmp_path):
    data = tmp_path / "clips"
    for name in "ab":
        (data / name).mkdir(parents=True)
        frame = PictureDataset(pictures, 999, pictures / "decoded")["ab".index(name)][0]
        for t in range(5):
            write_png(data / name / f"{t:05d}.png", np.roll(frame, t, 1))
    _, lines = train_keyframe(data, tmp_path / "out", replace(OPTIONS, steps=2, real=1.0), lambda *step: None)
    assert np.isfinite(lines[-1]["held_guided"])


def test_too_little_and_impossible_options(tmp_path):
    with pytest.raises(UsageError, match="not a folder"):
        PictureDataset(tmp_path / "none", 999, tmp_path)
    (tmp_path / "one").mkdir()
    write_png(tmp_path / "one" / "a.png", np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(UsageError, match="too little"):
        train_keyframe(tmp_path / "one", tmp_path / "out", OPTIONS, lambda *step: None)
    for change in ({"licence": ""}, {"side": 60}, {"width": 6}, {"real": 2.0}, {"name": "a/b"}, {"batch": 1}):
        with pytest.raises(UsageError):
            replace(OPTIONS, **change)
    for change, said in (
        ({"steps": "9"}, "steps is '9', not a whole number"),
        ({"rate": None}, "rate is None, not a number"),
    ):
        with pytest.raises(UsageError, match=said):
            replace(OPTIONS, **change)


def test_pictures_are_reduced_and_only_so_many_stay_in_memory(pictures, monkeypatch):
    monkeypatch.setattr(data_clips, "_PICTURES", 2)
    data = PictureDataset(pictures, 48, pictures / "decoded")
    assert data[0][0].shape == (48, 64, 3)
    for number in (0, 1, 2, 3, 0):
        assert np.array_equal(data[number][0], PictureDataset(pictures, 48, pictures / "decoded")[number][0])
        assert data._picture.cache_info().currsize <= 2


def test_what_is_held_out_is_spread_and_not_trained_on(pictures):
    data = PictureDataset(pictures, 48, pictures / "decoded")
    training, validation = data.split(0.5)
    assert [path.name for path in validation.paths] == ["0.png", "2.png"]
    assert [path.name for path in training.paths] == ["1.png", "3.png"]
    assert len(data.split(0.01)[1]) == 1


def test_clips_lie_in_files(tmp_path, make_video):
    (tmp_path / "data").mkdir()
    make_video(tmp_path / "data" / "a.mp4", frames=8, size=(48, 64))
    make_video(tmp_path / "data" / "b.mp4", frames=8, size=(48, 64))
    data = PictureDataset(tmp_path / "data", 24, tmp_path / "decoded")
    assert data[0].shape == (8, 24, 32, 3)
    assert isinstance(data[1], np.memmap)
    assert not data._picture.cache_info().currsize
    assert len(list((tmp_path / "decoded").iterdir())) == 2


def test_fp16_is_refused(pictures, tmp_path):
    options = replace(OPTIONS, engine=EngineOptions(device="cpu", dtype="fp16", threads=1))
    with pytest.raises(UsageError, match="not trained in"):
        train_keyframe(pictures, tmp_path / "out", options, lambda *step: None)


def test_the_perceptual_loss_is_taken_where_its_weights_are_given(pictures, tmp_path):
    torch.manual_seed(0)
    save(Ade20kFeatures(), tmp_path / "scene", name="scene", licence="CC0-1.0", network="ade20k-resnet50")
    given = str(tmp_path / "scene" / "scene.safetensors")
    options = replace(OPTIONS, steps=2, perceptual=given)
    card, lines = train_keyframe(pictures, tmp_path / "with", options, lambda *step: None)
    assert lines[-1]["perceptual"] > 0
    assert card.notes == f"With the perceptual loss of {given}."
    card, lines = train_keyframe(pictures, tmp_path / "without", replace(options, perceptual=None), lambda *step: None)
    assert lines[-1]["perceptual"] == 0
    assert card.notes.startswith("Without the ADE20k perceptual loss")
    with pytest.raises(WeightsError, match="no weights named"):
        train_keyframe(pictures, tmp_path / "x", replace(options, perceptual="nothing"), lambda *step: None)
