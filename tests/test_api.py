"""Words become options, and the default place of the output."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest

import vrm
from vrm.batch.naming import default_output
from vrm.errors import UsageError
from vrm.job.clean import listing
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
        "static_box": "5,6,7,8",
        "yes": True,
        "effects": "shadows",
        "text": "all",
        "text_area": (1, 2, 30, 40),
        "text_match": "a",
        "text_keep": "b",
        "srt": "said.srt",
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
        "audio": "copy",
        "stream": 1,
        "fps": "24",
        "report": "r.html",
        "overwrite": True,
        "resume": True,
        "dry_run": True,
        "max_pixels": 100,
        "max_frames": 10,
    }
    assert {*words, "session"} == set(options_of(RemoveOptions))  # a session stands for words that it holds
    options = build_options(**words)
    assert (options.mask.path, options.mask.frame, options.mask.static) == (Path("m.png"), 3, True)
    assert (options.mask.labels, options.mask.oracle_labels) == (Path("maps"), True)
    assert (options.mask.objects, options.mask.grow, options.mask.feather) == ((1, 7), 9, 4)
    assert options.mask.save_to == Path("out")
    assert [(p.x, p.y, p.frame, p.keep) for p in options.mask.points] == [(3, 4, 5, False), (6, 7, 5, True)]
    assert [(b.x0, b.y0, b.x1, b.y1, b.frame) for b in options.mask.boxes] == [(1, 2, 30, 40, 0)]
    assert [(b.x0, b.y0, b.x1, b.y1) for b in options.mask.rectangles] == [(5, 6, 7, 8)]
    assert options.mask.labels == Path("maps")
    assert (options.mask.sam, options.mask.effects) == ("sam2", "shadows")
    text = options.mask.text
    assert (text.kind, str(text.area), text.match, text.keep) == ("all", "1,2,30,40", "a", "b")
    assert text.srt == Path("said.srt")
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
    assert default_output(tmp_path / "a.gif", RemoveOptions()) == tmp_path / "a-clean.gif"
    assert default_output(tmp_path / "a.gif", build_options(lossless=True)) == tmp_path / "a-clean.mkv"
    assert default_output(tmp_path / "a.gif", build_options(codec="h264")) == tmp_path / "a-clean.mkv"
    (tmp_path / "photo.jpg").touch()
    assert default_output(tmp_path / "photo.jpg", RemoveOptions()) == tmp_path / "photo-clean.png"
    (tmp_path / "shot.1").mkdir()
    assert default_output(tmp_path / "shot.1", RemoveOptions()) == tmp_path / "shot.1-clean"


def test_a_mask_is_needed() -> None:
    with pytest.raises(vrm.VrmError, match="Nothing says what to remove"):
        vrm.remove("a.mp4")


def test_signatures_name_every_option() -> None:
    parameters = inspect.signature(vrm.remove).parameters
    assert set(options_of(RemoveOptions)) | {"input", "output", "events"} == set(parameters)
    assert (parameters["engine"].default, parameters["engine"].annotation) == ("motion", str)
    assert parameters["mask"].annotation == "MaskInput | None"
    assert parameters["point"].annotation == str | Iterable[str] | Iterable[float] | Iterable[Iterable[float]] | None
    assert parameters["no_fallback"].default is False
    assert set(TRACK) < set(inspect.signature(vrm.track_masks).parameters)
    assert "codec" not in inspect.signature(vrm.track_masks).parameters


def test_every_option_is_documented_where_it_is_called() -> None:
    for call in (vrm.remove, vrm.remove_batch, vrm.evaluate_score):
        for name in set(inspect.signature(call).parameters) - {"input", "inputs", "output", "folder", "results"}:
            assert re.search(rf"^ +{name}: \w", call.__doc__, re.M) or name in ("events", "batch"), name


@pytest.fixture
def clip(tmp_path: Path, make_video, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return make_video(tmp_path / "in.mp4", size=(48, 64), frames=4)


def square(*shape: int) -> np.ndarray:
    mask = np.zeros((*shape, 48, 64), np.bool_)
    mask[..., 10:20, 20:30] = True
    return mask


def mask_bytes(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.iterdir())]


@pytest.mark.parametrize("kind", [np.bool_, np.uint8, np.uint16])
def test_a_mask_may_be_an_array(tmp_path: Path, clip: Path, kind: type) -> None:
    """It does what the same pictures on the disk do, and leaves nothing behind."""
    words = {"preset": "fast", "threads": 1, "grow": 2}
    masks = square(4)
    masks[1] = False
    (tmp_path / "masks").mkdir()
    for t, mask in enumerate(masks):
        cv2.imwrite(str(tmp_path / "masks" / f"{t}.png"), mask.astype(np.uint8) * 255)
    array = masks if kind is np.bool_ else masks.astype(kind) * np.iinfo(kind).max
    for mask, name in ((tmp_path / "masks", "files"), (array, "array")):
        out, kept = tmp_path / f"{name}.mkv", tmp_path / f"{name}-masks"
        report = vrm.remove(clip, out, mask=mask, save_masks=kept, lossless=True, **words)
        assert report.changed_outside == 0
    assert mask_bytes(tmp_path / "files-masks") == mask_bytes(tmp_path / "array-masks")
    assert (tmp_path / "files.mkv").read_bytes() == (tmp_path / "array.mkv").read_bytes()
    assert not [entry for entry in listing() if entry.kind == "scratch"]


def test_one_array_is_of_one_frame_or_of_all(tmp_path: Path, clip: Path) -> None:
    words = {"preset": "fast", "threads": 1}
    assert vrm.remove(clip, tmp_path / "a.mkv", mask=square(), static_mask=True, **words).masked_frames == 4
    cv2.imwrite(str(tmp_path / "m.png"), square().astype(np.uint8) * 255)
    for mask, name in ((square(), "array"), (tmp_path / "m.png", "file")):
        vrm.track_masks(clip, tmp_path / name, mask=mask, mask_frame=2, threads=1)
    assert mask_bytes(tmp_path / "array") == mask_bytes(tmp_path / "file")
    summary = vrm.remove_batch([clip], f"{tmp_path}/many/", mask=square(), static_mask=True, **words)
    assert [outcome.masked_frames for outcome in summary.outcomes] == [4]


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (square().astype(np.float32), "array of float32"),
        (np.zeros((48, 64, 3), np.uint8), "as a colour picture is"),
        (np.zeros((0, 48, 64), np.uint8), "shape"),
        (np.zeros(64, np.uint8), "shape"),
    ],
)
def test_an_array_that_is_no_mask(tmp_path: Path, clip: Path, mask: np.ndarray, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        vrm.remove(clip, tmp_path / "a.mkv", mask=mask)
    with pytest.raises(UsageError, match="belongs to one video"):
        vrm.remove_batch([clip, clip], tmp_path / "many", mask=square(4))
    with pytest.raises(UsageError, match="resume"):
        vrm.remove(clip, tmp_path / "a.mkv", mask=square(4), resume=True)


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
