from importlib.util import find_spec

import cv2
import numpy as np
import pytest
import torch

from vrm.cli.main import run
from vrm.errors import WeightsError
from vrm.options.remove import EngineOptions
from vrm.selection.prompts.base import Prompt
from vrm.selection.prompts.registry import create_prompter
from vrm.system.device import choose

from . import models
from .scene import Scene

OPTIONS = EngineOptions(device="cpu", dtype="fp32", threads=1)


def prompter(path, options=OPTIONS):
    return create_prompter(str(path), options, Scene(2), (0, 2))


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_sam_gives_what_the_library_gives(tmp_path, ending):
    from segment_anything import SamPredictor

    path, net = models.sam(tmp_path / f"sam{ending}")
    picture = Scene(1)(0)
    ours = prompter(path)
    theirs = SamPredictor(net)
    theirs.set_image(picture)
    masks, scores, _ = theirs.predict(np.array([[50.5, 70.5]]), np.array([1]))
    assert np.array_equal(ours.outline(0, picture, Prompt([(50.5, 70.5)])).mask, masks[scores.argmax()])
    masks, _, _ = theirs.predict(
        np.array([[50.5, 70.5], [5.5, 5.5]]), np.array([1, 0]), np.array([30, 40, 80, 100]), multimask_output=False
    )
    found = ours.outline(0, picture, Prompt([(50.5, 70.5)], [(5.5, 5.5)], (40, 30, 100, 80)))
    assert np.array_equal(found.mask, masks[0])


def test_the_picture_is_encoded_once_per_frame(tmp_path, monkeypatch):
    ours = prompter(models.sam(tmp_path / "sam.pth")[0])
    encoder, calls = ours._fallback.model._predictor.model.image_encoder, []
    monkeypatch.setattr(encoder, "forward", lambda x, real=encoder.forward: (calls.append(1), real(x))[1])
    scene = Scene(2)
    first = ours.outline(0, scene(0), Prompt([(50.5, 70.5)]))
    ours.outline(0, scene(0), Prompt([(10.5, 10.5)], mask=first.mask))
    assert len(calls) == 1
    ours.outline(1, scene(1), Prompt(box=(40, 30, 100, 80)))
    assert len(calls) == 2


def test_the_encoder_in_bf16_is_near(tmp_path):
    path, _ = models.sam(tmp_path / "sam.pth")
    picture = Scene(1)(0)
    exact = prompter(path)
    coarse = prompter(path, EngineOptions(device="cpu", dtype="bf16", threads=1))
    for each in (exact, coarse):
        each.outline(0, picture, Prompt([(50.5, 70.5)]))
    one, other = exact._fallback.model._predictor.features, coarse._fallback.model._predictor.features
    assert other.dtype == torch.float32
    assert float((one - other).abs().mean() / one.abs().mean()) < 0.05


@pytest.mark.parametrize("name", ["vit_b", "vit_l", "vit_h"])
def test_the_published_sizes_are_told_by_their_tensors(name):
    """No weights are needed for that: the networks of the library, without memory, and ours made of their shapes."""
    from segment_anything import sam_model_registry

    from vrm.selection.prompts.sam import _network

    with torch.device("meta"):
        theirs = sam_model_registry[name]()
        ours = _network(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict(), strict=True, assign=True)
    assert repr(ours) == repr(theirs)
    for one, other in zip(ours.image_encoder.blocks, theirs.image_encoder.blocks, strict=True):
        assert (one.window_size, one.attn.num_heads) == (other.window_size, other.attn.num_heads)
    assert ours.image_encoder.img_size == theirs.image_encoder.img_size == 1024
    assert ours.prompt_encoder.image_embedding_size == theirs.prompt_encoder.image_embedding_size


def test_sam2_looks_at_a_frame_once_however_many_prompts_follow(tmp_path, monkeypatch):
    pytest.importorskip("transformers")
    scene = Scene(4)
    for video in (False, True):
        ours = prompter(models.sam2(tmp_path / f"sam2-{video}", video))
        net = ours._fallback.model._net
        looks = []
        forward = net.vision_encoder.forward
        monkeypatch.setattr(
            net.vision_encoder, "forward", lambda *a, f=forward, n=looks, **k: (n.append(1), f(*a, **k))[1]
        )
        first = ours.outline(1, scene(1), Prompt([(50.5, 70.5)]))
        ours.outline(1, scene(1), Prompt(box=(40, 30, 100, 80)))
        ours.outline(1, scene(1), Prompt([(10.5, 10.5)], mask=first.mask))
        assert len(looks) == 1
        if video:
            ours.track(scene, {1: scene.masks[1]}, 0, 4)
            assert len(looks) == 4, "the other three frames, and this one neither forwards nor backwards again"
        else:
            ours.outline(2, scene(2), Prompt([(50.5, 70.5)]))
            assert len(looks) == 2


@pytest.mark.parametrize("video", [False, True])
def test_sam2(tmp_path, video):
    pytest.importorskip("transformers")
    ours = prompter(models.sam2(tmp_path / "sam2", video))
    scene = Scene(5)
    for words in (
        {"points": [(50.5, 70.5)]},
        {"box": (40, 30, 100, 80)},
        {"points": [(3.5, 3.5)], "mask": scene.masks[0]},
    ):
        found = ours.outline(0, scene(0), Prompt(**words))
        assert found.mask.shape == scene.masks[0].shape
        assert found.mask.dtype == np.bool_
        assert 0 <= found.confidence <= 1
        assert np.array_equal(ours.outline(0, scene(0), Prompt(**words)).mask, found.mask)
    if video:
        tracked = ours.track(scene, {2: scene.masks[2]}, 0, 5)
        assert np.array_equal(tracked.masks[2], scene.masks[2])
        assert sorted(tracked.confidence) == [0, 1, 2, 3, 4]


def test_sam2_image_gives_what_the_library_gives(tmp_path):
    tf = pytest.importorskip("transformers")
    folder = models.sam2(tmp_path / "sam2", video=False)
    picture = Scene(1)(0)
    net = tf.Sam2Model.from_pretrained(folder).eval()
    processor = tf.Sam2Processor.from_pretrained(folder)
    inputs = processor(images=picture, input_points=[[[[50.5, 70.5]]]], input_labels=[[[1]]], return_tensors="pt")
    with torch.no_grad():
        out = net(**inputs)
    masks = processor.post_process_masks(out.pred_masks, inputs["original_sizes"])[0][0]
    expected = masks[int(out.iou_scores.reshape(-1).argmax())].numpy()
    assert np.array_equal(prompter(folder).outline(0, picture, Prompt([(50.5, 70.5)])).mask, expected)


def test_what_is_no_sam(tmp_path):
    torch.save({"layer.weight": torch.zeros(2, 2)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="is not a whole SAM"):
        prompter(tmp_path / "other.pth")
    _, net = models.sam(tmp_path / "sam.pth")
    state = net.state_dict()
    del state["mask_decoder.iou_token.weight"]
    torch.save(state, tmp_path / "part.pth")
    with pytest.raises(WeightsError, match="is not a whole SAM"):
        prompter(tmp_path / "part.pth")
    (tmp_path / "empty").mkdir()
    with pytest.raises(WeightsError, match=r"config\.json"):
        prompter(tmp_path / "empty")


class Payload:
    """Runs a program when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def test_a_pickle_of_other_things_ends_the_command_and_never_runs(tmp_path, capsys):
    source = Scene(2).save(tmp_path / "clip")
    (tmp_path / "mm").mkdir()
    (tmp_path / "mm" / "config.py").write_text("model = dict()")
    for path in (tmp_path / "evil.pth", tmp_path / "mm" / "evil.pth"):
        torch.save({"state_dict": Payload(str(tmp_path / "trace"))}, path)
    words = [["--point", "50,70", "--sam", str(tmp_path / "evil.pth")]]
    if find_spec("mmseg"):
        words.append(["--class", "dog", "--segmenter", str(tmp_path / "mm")])
    for each in words:
        assert run(["track", str(source), "-o", str(tmp_path / "m"), *each, "--threads", "1"]) == 5
        assert "so it was not loaded" in capsys.readouterr().err
    assert not (tmp_path / "trace").exists()
    assert not (tmp_path / "m").exists()


def test_an_empty_sam_mask_is_an_error_of_the_mask(tmp_path, capsys):
    path, net = models.sam(tmp_path / "sam.pth")
    with torch.no_grad():  # every mask token draws the same strongly negative field
        for head in net.mask_decoder.output_hypernetworks_mlps:
            head.layers[-1].weight.zero_()
            head.layers[-1].bias.zero_()
    torch.save(net.state_dict(), path)
    source = Scene(3).save(tmp_path / "clip")
    code = run(
        ["track", str(source), "--point", "50,70", "--sam", str(path), "-o", str(tmp_path / "m"), "--threads", "1"]
    )
    assert code == 4
    assert "SAM found nothing there" in capsys.readouterr().err
    assert not (tmp_path / "m").exists()


def test_from_the_command_line(tmp_path):
    path, _ = models.sam(tmp_path / "sam.pth")
    source = Scene(4).save(tmp_path / "clip")
    out = tmp_path / "masks"
    code = run(["track", str(source), "--box", "30,40,80,100", "--sam", str(path), "-o", str(out), "--device", "cpu"])
    assert code == 0
    first = cv2.imread(str(out / "00000.png"), 0) > 0
    ours = prompter(path, EngineOptions(device="cpu"))
    assert np.array_equal(first, ours.outline(0, Scene(1)(0), Prompt(box=(40, 30, 100, 80))).mask)


def test_the_device_is_chosen_in_one_place():
    assert choose(OPTIONS).names == ("cpu", "fp32")


@pytest.mark.parametrize("sam", [True, False])
def test_points_unite_with_what_is_there_and_not_points_only_take_away(tmp_path, sam):
    weights = ["--sam", str(models.sam(tmp_path / "sam.pth")[0])] if sam else []
    source = Scene(2, second=True).save(tmp_path / "clip")

    def first(name, *words):
        run(["track", str(source), *words, *weights, "-o", str(tmp_path / name), "--device", "cpu", "--threads", "1"])
        return cv2.imread(str(tmp_path / name / "00000.png"), 0) > 0

    box = ("--box", "28,42,72,98")
    boxed, both = first("box", *box), first("both", *box, "--point", "130,70")
    assert both[boxed].all()
    assert both[70, 130]
    taken = first("taken", *box, "--point", "130,70", "--not-point", "125,64")
    assert taken.any()
    assert not taken[64, 125]
