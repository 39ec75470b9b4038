"""Every backend with a really built, small, randomly initialised model, saved and loaded through our own command."""

import json
import pickle
import shutil
import sys

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from vrm import api
from vrm.cli.main import run
from vrm.errors import UsageError, WeightsError
from vrm.events import Events
from vrm.job.context import Job
from vrm.job.resume import JobFolder
from vrm.media.read.probe import probe
from vrm.options.remove import EngineOptions, MaskOptions, RemoveOptions
from vrm.selection.labels.base import PanopticMap, Segment, from_classes
from vrm.selection.labels.classes import labels_for_engine, load_classes
from vrm.selection.labels.hugging_face import HuggingFaceSegmenter
from vrm.selection.labels.registry import create_segmenter
from vrm.selection.labels.taxonomy import CATEGORIES, VOID, taxonomy
from vrm.selection.prompts.base import Prompt
from vrm.selection.prompts.registry import create_prompter
from vrm.types import Masks
from vrm.weights.cards import write
from vrm.weights.convert.checkpoint import read_tensors

from . import models

OPTIONS = EngineOptions(device="cpu", dtype="fp32", threads=1)


@pytest.fixture(scope="module")
def picture():
    random = np.random.default_rng(0)
    rgb = random.integers(0, 255, (120, 200, 3), dtype=np.uint8)
    rgb[:60] = 200
    return rgb


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Models by name, each built once."""
    made = {}

    def get(name):
        if name not in made:
            home = tmp_path_factory.mktemp("models")
            made[name] = models.mmseg(home / name) if name == "mmseg" else models.TRANSFORMERS[name](home / name)
        return made[name]

    return get


@pytest.mark.parametrize("name", list(models.TRANSFORMERS))
def test_transformers_panoptic(folders, picture, name):
    pytest.importorskip("transformers")
    model = create_segmenter(str(folders(name)), OPTIONS)
    assert model.taxonomy is taxonomy("coco-panoptic")
    found = model.label(picture)
    assert found.ids.shape == picture.shape[:2]
    assert found.segments, "the model was made sure of something"
    assert set(np.unique(found.ids)) - {0} == {s.id for s in found.segments}
    again = create_segmenter(str(folders(name)), OPTIONS).label(picture)
    assert np.array_equal(found.ids, again.ids)
    deep = model.label(picture.astype(np.uint16) * 257)
    assert np.array_equal(found.ids, deep.ids)


def test_a_moved_folder_still_loads(folders, picture, tmp_path):
    pytest.importorskip("transformers")
    moved = tmp_path / "elsewhere"
    shutil.copytree(folders("oneformer"), moved)
    config = moved / "processor_config.json"
    text = config.read_text().replace(str(folders("oneformer")), "/nowhere/at/all")
    config.write_text(text)
    assert create_segmenter(str(moved), OPTIONS).label(picture).ids.shape == picture.shape[:2]


def test_fused_segments_are_listed_once_and_numbered_from_one():
    from vrm.selection.labels.hugging_face import _panoptic_map

    ids = np.array([[-1, 0], [0, 1]])  # EoMT counts from 0, and -1 is void
    infos = [
        {"id": 0, "label_id": 5, "score": 0.6},
        {"id": 0, "label_id": 5, "score": 0.9},
        {"id": 1, "label_id": 2, "score": 0.7},
    ]
    found = _panoptic_map(ids, infos, np.arange(256, dtype=np.uint8))
    assert found.segments == (Segment(1, 5, 0.9), Segment(2, 2, 0.7))
    assert np.array_equal(found.ids, [[0, 1], [1, 2]])
    assert np.array_equal(found.classes(), [[VOID, 5], [5, 2]])


def test_mmsegmentation(folders, picture):
    pytest.importorskip("mmseg")
    folder = folders("mmseg")
    model = create_segmenter(str(folder), OPTIONS)
    assert model.taxonomy is taxonomy("ade20k")
    found = model.label(picture)
    # The library's own call, without ours around it.
    from mmseg.apis import inference_model, init_model

    net = init_model(str(folder / "segformer.py"), None, device="cpu")
    net.load_state_dict(torch.load(folder / "segformer.pth", weights_only=True)["state_dict"])
    expected = inference_model(net, picture[..., ::-1].copy()).pred_sem_seg.data[0].numpy()
    assert np.array_equal(found.classes(), expected)
    assert all(0 < s.score <= 1 for s in found.segments)


MMDET = """
import torch
from types import SimpleNamespace


class Net(torch.nn.Module):
    def __init__(self, words):
        super().__init__()
        self.panoptic_fusion_head = torch.nn.Module()
        self.panoptic_fusion_head.num_classes = words.model.classes
        self.scale = torch.nn.Parameter(torch.ones(1))
        self.steps = [step["type"] for step in words.test_dataloader.dataset.pipeline]


def init_detector(words, checkpoint=None, device="cpu"):
    assert checkpoint is None
    return Net(words).to(device)


def inference_detector(net, picture):
    assert net.steps == ["LoadImageFromFile", "Resize", "PackDetInputs"]
    numbers = torch.full(picture.shape[:2], net.panoptic_fusion_head.num_classes, dtype=torch.int32)
    numbers[:20] = 100
    numbers[30:40, :50] = 16 + 1000
    numbers[30:40, 60:] = 16 + 2000
    return SimpleNamespace(pred_panoptic_seg=SimpleNamespace(sem_seg=numbers[None]))
"""
CONFIG = """
default_scope = 'mmdet'
model = dict(classes=CLASSES)
pipeline = [dict(type=name) for name in ('LoadImageFromFile', 'Resize', 'LoadPanopticAnnotations', 'PackDetInputs')]
test_dataloader = dict(dataset=dict(pipeline=pipeline))
"""


@pytest.fixture
def mmdet(tmp_path, monkeypatch):
    """A stand-in with mmdetection's two calls and its form of a panoptic map: the library itself is not at hand."""
    pytest.importorskip("mmengine")
    (tmp_path / "site" / "mmdet").mkdir(parents=True)
    (tmp_path / "site" / "mmdet" / "__init__.py").touch()
    (tmp_path / "site" / "mmdet" / "apis.py").write_text(MMDET)

    def model(classes=133, there=True):
        if there:
            monkeypatch.syspath_prepend(str(tmp_path / "site"))
        folder = tmp_path / f"m2f-{classes}"
        folder.mkdir()
        (folder / "m2f.py").write_text(CONFIG.replace("CLASSES", str(classes)))
        torch.save({"state_dict": {"scale": torch.ones(1)}, "meta": {"epoch": 1}}, folder / "m2f.pth")
        return str(folder)

    yield model
    for name in [name for name in sys.modules if name.split(".")[0] == "mmdet"]:
        del sys.modules[name]


def test_mmdetection_panoptic(mmdet, picture):
    model = create_segmenter(mmdet(), OPTIONS)
    found = model.label(picture)
    assert sorted((s.id, s.label) for s in found.segments) == [(1, 100), (2, 16), (3, 16)]
    classes = found.classes()
    assert (classes[:20] == 100).all()
    assert (classes[30:40, :50] == 16).all()
    assert (classes[20:30] == VOID).all()
    assert found.ids[35, 10] != found.ids[35, 70]


def test_mmdetection_refuses_other_classes_and_says_what_is_missing(mmdet):
    with pytest.raises(UsageError, match="mmdet"):
        create_segmenter(mmdet(133, there=False), OPTIONS)
    with pytest.raises(WeightsError, match="no panoptic model"):
        create_segmenter(mmdet(80), OPTIONS)


def test_models_are_found_by_name_among_the_user_s_weights(folders, tmp_path, monkeypatch, picture):
    pytest.importorskip("transformers")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("vrm.weights.cards.own_folder", lambda: tmp_path / "own")
    shutil.copytree(folders("mask2former"), tmp_path / "own" / "panoptic")
    assert create_segmenter("panoptic", OPTIONS).label(picture).ids.shape == picture.shape[:2]
    _, net = models.sam(tmp_path / "sam.pth")
    write(net.state_dict(), tmp_path / "own", name="small-sam", network="sam", licence="Apache-2.0")
    found = create_prompter("small-sam", OPTIONS, lambda t: picture, (0, 1)).outline(0, picture, Prompt([(50, 60)]))
    assert found.mask.shape == picture.shape[:2]
    with pytest.raises(WeightsError, match="neither a file or folder"):
        create_segmenter("small-sam", OPTIONS)
    with (tmp_path / "own" / "small-sam.safetensors").open("ab") as file:
        file.write(b"x")
    with pytest.raises(WeightsError, match="damaged"):
        create_prompter("small-sam", OPTIONS, lambda t: picture, (0, 1))


def test_semantic_maps_become_segments():
    classes = np.array([[3, 3, VOID], [7, 7, 7]])
    found = from_classes(classes, np.array([[0.5, 1.0, 0.1], [0.2, 0.2, 0.2]]))
    assert np.array_equal(found.classes(), classes)
    assert [(s.label, round(s.score, 3)) for s in found.segments] == [(3, 0.75), (7, 0.2)]
    with pytest.raises(ValueError, match="ids"):
        PanopticMap(np.zeros((2, 2), np.int32), (Segment(1, 0), Segment(1, 2)))


def test_a_video_is_labelled_once_whoever_asks(folders, tmp_path, monkeypatch):
    """--class and an engine that routes by content both want labels of the same frames."""
    pytest.importorskip("transformers")
    random = np.random.default_rng(1)
    (tmp_path / "clip").mkdir()
    for t in range(3):
        cv2.imwrite(str(tmp_path / "clip" / f"{t}.png"), random.integers(0, 255, (40, 56, 3), dtype=np.uint8))
    asked = []
    label = HuggingFaceSegmenter.label
    monkeypatch.setattr(
        HuggingFaceSegmenter, "label", lambda self, frame, t=0: asked.append(t) or label(self, frame, t)
    )
    mask = MaskOptions(classes=("animal", "plain"), segmenter=str(folders("mask2former")))
    options = RemoveOptions(mask=mask, engine=OPTIONS)
    (tmp_path / "scratch").mkdir()
    info = probe(tmp_path / "clip")
    job = Job.begin(info, tmp_path / "out", options, Events(), JobFolder(tmp_path / "scratch"))
    classes = load_classes(job).masks
    labels = labels_for_engine(job, Masks(info.size, info.n_frames))
    assert sorted(asked) == [0, 1, 2]
    for t in range(3):
        assert np.array_equal(classes[t], np.isin(labels(t), [CATEGORIES.index("animal"), CATEGORIES.index("plain")]))


@pytest.mark.parametrize("name", ["maskformer", "eomt", "oneformer", "mmseg"])
def test_the_command_with_every_backend(folders, tmp_path, name):
    pytest.importorskip("mmseg" if name == "mmseg" else "transformers")
    folder = folders(name)
    if name == "oneformer":  # as it is published: the list of class names lies elsewhere, and nothing is downloaded
        folder = shutil.copytree(folder, tmp_path / "published")
        (folder / "coco_panoptic.json").unlink()
    if name == "mmseg":
        folder = models.mmseg(tmp_path / "stuff", classes=171)
    (tmp_path / "clip").mkdir()
    random = np.random.default_rng(1)
    for t in range(2):
        cv2.imwrite(str(tmp_path / "clip" / f"{t}.png"), random.integers(0, 255, (40, 56, 3), dtype=np.uint8))
    words = ["--segmenter", str(folder), "--device", "cpu", "--dtype", "fp32", "--threads", "1"]
    assert run(["segment", str(tmp_path / "clip"), "-o", str(tmp_path / "out"), *words]) == 0
    about = json.loads((tmp_path / "out" / "labels.json").read_text())
    assert about["taxonomy"] == ("coco-stuff" if name == "mmseg" else "coco-panoptic")
    assert len(list((tmp_path / "out" / "classes").glob("*.png"))) == 2


def test_a_cascade_of_mmsegmentation_has_the_classes_of_its_last_head(tmp_path, picture):
    pytest.importorskip("mmseg")
    from vrm.selection.labels.openmmlab import allow_mmseg

    allow_mmseg()
    from mmseg.apis import init_model

    config = tmp_path / "cascade.py"
    head = (
        'dict(type="FCNHead", in_channels=32, in_index=3, channels=8, num_convs=1, concat_input=False, '
        'num_classes=150, norm_cfg=dict(type="BN"), loss_decode=dict(type="CrossEntropyLoss"))'
    )
    second = head.replace("FCNHead", "OCRHead").replace("num_convs=1, concat_input=False, ", "ocr_channels=8, ")
    text = models.MMSEG.replace("CLASSES", "150").replace("EncoderDecoder", "CascadeEncoderDecoder")
    begin, end = text.index("    decode_head="), text.index("    train_cfg=")
    config.write_text(f"{text[:begin]}    num_stages=2,\n    decode_head=[{head}, {second}],\n{text[end:]}")
    net = init_model(str(config), None, device="cpu")
    torch.save({"state_dict": net.state_dict()}, tmp_path / "cascade.pth")
    found = create_segmenter(str(tmp_path), OPTIONS)
    assert found.taxonomy is taxonomy("ade20k")
    assert found.label(picture).ids.shape == picture.shape[:2]


def test_the_command_with_a_model(folders, tmp_path, capsys):
    pytest.importorskip("transformers")
    frames = tmp_path / "clip"
    frames.mkdir()
    random = np.random.default_rng(1)
    for t in range(4):
        cv2.imwrite(str(frames / f"{t:03d}.png"), random.integers(0, 255, (72, 96, 3), dtype=np.uint8))
    words = ["--segmenter", str(folders("mask2former")), "--every", "2", "--device", "cpu", "--dtype", "fp32"]
    assert run(["segment", str(frames), "-o", str(tmp_path / "out"), *words]) == 0
    about = json.loads((tmp_path / "out" / "labels.json").read_text())
    assert about["taxonomy"] == "coco-panoptic"
    assert len(list((tmp_path / "out" / "classes").glob("*.png"))) == 4
    assert "before the vote" in capsys.readouterr().out
    # And straight into removal, without anything being saved.
    names = [row["class"] for row in about["seen"]]
    masks = tmp_path / "masks"
    code = run(["track", str(frames), "-o", str(masks), "--class", ",".join(names), *words[:2], "--device", "cpu"])
    assert code == 0
    assert any(cv2.imread(str(path), 0).any() for path in masks.glob("*.png"))


def test_files_missing_from_a_model_folder(folders, tmp_path):
    pytest.importorskip("transformers")
    for gone in ("config.json", "model.safetensors", "preprocessor_config.json"):
        broken = tmp_path / gone
        shutil.copytree(folders("mask2former"), broken)
        (broken / gone).unlink()
        with pytest.raises(WeightsError, match=r"config\.json"):
            create_segmenter(str(broken), OPTIONS)


def test_weights_that_are_not_the_models_are_refused(folders, tmp_path):
    pytest.importorskip("transformers")
    broken = tmp_path / "broken"
    shutil.copytree(folders("mask2former"), broken)
    weights = broken / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:2000])
    with pytest.raises(WeightsError, match="cannot be loaded"):
        create_segmenter(str(broken), OPTIONS)
    tensors = load(whole)
    # transformers itself would go on with random numbers in its place.
    del tensors["class_predictor.weight"]
    weights.write_bytes(save(tensors, {"format": "pt"}))
    with pytest.raises(WeightsError, match=r"1 of \d+ tensors are missing, such as class_predictor\.weight"):
        create_segmenter(str(broken), OPTIONS)


def test_what_names_no_model(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(WeightsError, match="neither a file or folder nor the name"):
        create_segmenter("no-such-model", OPTIONS)
    with pytest.raises(WeightsError, match="does not exist"):
        create_segmenter("no/such/folder", OPTIONS)
    with pytest.raises(UsageError, match="--segmenter"):
        create_segmenter(None, OPTIONS)
    (tmp_path / "bert").mkdir()
    (tmp_path / "bert" / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(WeightsError, match="'bert' model"):
        create_segmenter(str(tmp_path / "bert"), OPTIONS)


class Payload:
    """Runs a program when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("ending", [".pth", ".pt"])
def test_a_pickle_of_other_things_is_refused_and_never_run(tmp_path, ending):
    path, trace = tmp_path / f"evil{ending}", tmp_path / "trace"
    torch.save({"weights": Payload(str(trace))}, path)
    with pytest.raises(WeightsError, match=r"more than tensors \(.*open\), so it was not loaded"):
        read_tensors(path)
    path.write_bytes(pickle.dumps(Payload(str(trace))))
    with pytest.raises(WeightsError, match="not loaded") as refused:
        read_tensors(path)
    # torch's own text tells how to run it anyway; ours is one sentence, and one that says what to do.
    assert "weights_only=False" not in str(refused.value)
    assert str(refused.value).count("\n") == 0
    assert len(str(refused.value)) < len(str(path)) + 200
    assert not trace.exists()
    torch.save({"step": 3}, path)
    with pytest.raises(WeightsError, match="no table of tensors"):
        read_tensors(path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(WeightsError, match="is damaged"):
        read_tensors(path)


def test_classes_need_something_that_labels(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    cv2.imwrite(str(tmp_path / "0.png"), np.zeros((32, 32, 3), np.uint8))
    with pytest.raises(UsageError, match="--labels"):
        api.remove(tmp_path, tmp_path.parent / "out", class_="person")
