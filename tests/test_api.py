"""Words become options, and the default place of the output."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from pathlib import Path

import pytest

import vrm
from vrm.batch.naming import default_output
from vrm.errors import UsageError
from vrm.options.build import build_options
from vrm.options.declare import options_of
from vrm.options.remove import TRACK, RemoveOptions
from vrm.options.values import Moment


def test_every_word_reaches_the_options() -> None:
    words = {
        "mask": "m.png",
        "mask_frame": 3,
        "static_mask": True,
        "object": [1, 7],
        "invert_mask": False,
        "grow": 9,
        "feather": 4,
        "save_masks": "out",
        "point": ["3,4@5"],
        "not_point": "6,7@5",
        "box": "1,2,30,40",
        "class_": None,
        "labels": "maps",
        "oracle_labels": True,
        "segmenter": None,
        "sam": "sam2",
        "engine": "keyframe",
        "preset": "fast",
        "weights": Path("own.safetensors"),
        "keyframe": {40: "clean.png"},
        "export_keyframes": "frames",
        "no_fallback": True,
        "prefill": False,
        "start": 1.5,
        "end": "100f",
        "preview": True,
        "device": "cuda:1",
        "dtype": "fp32",
        "threads": 2,
        "seed": 7,
        "memory": 2.5,
        "codec": "ffv1",
        "crf": None,
        "lossless": True,
        "pix_fmt": "yuv444p",
        "stream": 1,
        "report": "r.html",
        "overwrite": True,
        "resume": True,
        "dry_run": True,
        "max_pixels": 100,
        "max_frames": 10,
    }
    assert set(words) == set(options_of(RemoveOptions))
    options = build_options(**words)
    assert (options.mask.path, options.mask.frame, options.mask.static) == (Path("m.png"), 3, True)
    assert (options.mask.labels, options.mask.oracle_labels) == (Path("maps"), True)
    assert (options.mask.objects, options.mask.grow, options.mask.feather) == ((1, 7), 9, 4)
    assert options.mask.save_to == Path("out")
    assert [(p.x, p.y, p.frame, p.keep) for p in options.mask.points] == [(3, 4, 5, False), (6, 7, 5, True)]
    assert [(b.x0, b.y0, b.x1, b.y1, b.frame) for b in options.mask.boxes] == [(1, 2, 30, 40, 0)]
    assert options.mask.labels == Path("maps")
    assert options.mask.sam == "sam2"
    assert build_options(segmenter="model").mask.segmenter == "model"
    assert (options.engine.engine, options.engine.weights) == ("keyframe", "own.safetensors")
    assert options.engine.keyframes == ((40, Path("clean.png")),)
    assert options.export_keyframes == Path("frames")
    assert (options.engine.preset, options.engine.prefill) == ("fast", False)
    assert (options.engine.device, options.engine.dtype, options.engine.threads) == ("cuda:1", "fp32", 2)
    assert (options.engine.seed, options.engine.memory_gb, options.engine.fallback) == (7, 2.5, False)
    assert (options.output.codec, options.output.crf, options.output.lossless) == ("ffv1", None, True)
    assert (options.output.pix_fmt, options.output.overwrite) == ("yuv444p", True)
    assert (options.start, options.end) == (Moment.parse("1.5"), Moment(frame=100))
    assert options.resume
    assert options.dry_run
    assert (options.stream, options.preview, options.report) == (1, True, Path("r.html"))
    assert (options.max_pixels, options.max_frames) == (100, 10)


def test_classes_come_with_commas_or_one_by_one() -> None:
    assert build_options(class_="person, car").mask.classes == build_options(class_=["person", "car"]).mask.classes
    with pytest.raises(UsageError, match="empty name"):
        build_options(class_="person,")


def test_nothing_given_is_the_default() -> None:
    assert build_options() == RemoveOptions()
    assert build_options(grow=None, start=None) == RemoveOptions()


@pytest.mark.parametrize("ids", ["", "1,x", "0", "256", -1, []])
def test_ids_that_are_none(ids: object) -> None:
    with pytest.raises(UsageError):
        build_options(object=ids)


def test_a_misspelt_word_is_named() -> None:
    with pytest.raises(UsageError, match="Did you mean 'feather'"):
        build_options(fether=3)


def test_default_output(tmp_path: Path) -> None:
    clip = tmp_path / "a.b.mp4"
    assert default_output(clip, RemoveOptions()) == tmp_path / "a.b-clean.mp4"
    assert default_output(clip, build_options(lossless=True)) == tmp_path / "a.b-clean.mkv"
    assert default_output(clip, build_options(lossless=True, codec="libx264")) == tmp_path / "a.b-clean.mp4"
    assert default_output(tmp_path / "a.AVI", build_options(lossless=True)) == tmp_path / "a-clean.AVI"
    assert default_output(tmp_path / "a.wmv", RemoveOptions()) == tmp_path / "a-clean.mkv"
    (tmp_path / "shot.1").mkdir()
    assert default_output(tmp_path / "shot.1", RemoveOptions()) == tmp_path / "shot.1-clean"


def test_a_mask_is_needed() -> None:
    with pytest.raises(vrm.VrmError, match="Nothing says what to remove"):
        vrm.remove("a.mp4")


def test_signatures_name_every_option() -> None:
    parameters = inspect.signature(vrm.remove).parameters
    assert set(options_of(RemoveOptions)) | {"input", "output", "events"} == set(parameters)
    assert (parameters["engine"].default, parameters["engine"].annotation) == ("motion", str)
    assert parameters["mask"].annotation == str | Path | None
    assert parameters["point"].annotation == str | Iterable[str] | None
    assert parameters["no_fallback"].default is False
    assert set(TRACK) < set(inspect.signature(vrm.track_masks).parameters)
    assert "codec" not in inspect.signature(vrm.track_masks).parameters


def test_words_that_are_no_options_of_a_call(tmp_path: Path) -> None:
    for wrong in (
        lambda: vrm.track_masks("a.mp4", tmp_path, mask="m.png", codec="ffv1"),
        lambda: vrm.segment_video("a.mp4", tmp_path, seed=3),
        lambda: vrm.evaluate_masks(tmp_path, [], frames=3),
        lambda: vrm.remove("a.mp4", mask="m.png", grow="wide"),
        lambda: vrm.remove("a.mp4", mask="m.png", lossless="perhaps"),
    ):
        with pytest.raises(UsageError):
            wrong()


def test_what_is_gone_says_what_took_its_place() -> None:
    with pytest.raises(UsageError, match=r"no option 'prior' any more.*internal fits one to your video"):
        vrm.remove("a.mp4", mask="m.png", prior="none")
    assert not hasattr(vrm, "train_internal")
    with pytest.raises(AttributeError, match=r"train_internal.*any more.*train savit"):
        _ = vrm.train_internal
