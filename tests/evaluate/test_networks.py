"""LPIPS, FID, VFID and PVCS with weights drawn at random for the test: the path is real, the numbers mean nothing."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import lpips
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import alexnet

from vrm.cli.main import run
from vrm.errors import WeightsError
from vrm.evaluate.page.summary import run_json, run_markdown
from vrm.evaluate.runs.methods import Method
from vrm.evaluate.runs.run import RunOptions, run_methods
from vrm.evaluate.scoring.feature_sets import load_features, save_features, set_distances
from vrm.evaluate.scoring.networks import NEEDS, WINDOW, VideoMetric, open_networks, read_weights
from vrm.evaluate.scoring.score import MetricSetup, ScoreOptions, score_results
from vrm.events import Events
from vrm.metrics.frechet import frechet_distance
from vrm.motion.flow.estimators import DisFlow
from vrm.nets.metric.i3d import I3d
from vrm.nets.metric.inception import FidInception
from vrm.options.remove import EngineOptions
from vrm.weights import cards as weights

from .made import read, scene


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Weights of the right shapes."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    made = {"lpips": folder / "alexnet.pth", "fid": folder / "inception.pth", "i3d": folder / "rgb.safetensors"}
    torch.save(alexnet(weights=None).state_dict(), made["lpips"])
    torch.save(FidInception().state_dict(), made["fid"])
    state = I3d().state_dict() | {"logits.conv3d.weight": torch.zeros(400, 1024, 1, 1, 1)}
    save_file(state, made["i3d"])
    return made


def test_lpips_is_the_packages(files: dict[str, Path], cases: Path, results: Path, capsys) -> None:
    words = ["evaluate", "score", str(cases), str(results), "--clips", "ape", "--measures", "psnr", "--json"]
    assert run([*words, "--lpips", str(files["lpips"])]) == 0
    found = json.loads(capsys.readouterr().out)
    assert "lpips" not in found["needs"]
    assert "fid" in found["needs"]
    net = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    source = alexnet(weights=None)
    source.load_state_dict(torch.load(files["lpips"], weights_only=True))
    for layer in (net.net.slice1, net.net.slice2, net.net.slice3, net.net.slice4, net.net.slice5):
        for name, module in layer.named_children():
            if list(module.parameters()):
                module.load_state_dict(source.features[int(name)].state_dict())
    x, masks = read(cases / "ape" / "truth"), read(cases / "ape" / "masks")
    y = np.where(masks[..., None], read(results / "ape"), x)
    values = []
    for t in np.flatnonzero(masks.any((1, 2))):
        pair = (torch.from_numpy(f[t].copy()).permute(2, 0, 1)[None] / 127.5 - 1 for f in (x, y))
        with torch.no_grad():
            values.append(float(net(*pair)))
    assert found["lpips_alex"] == pytest.approx(np.mean(values), rel=1e-4)
    assert found["lpips_alex"] > 0


def test_fid_needs_more_than_nothing_and_is_zero_for_the_truth(
    files: dict[str, Path], cases: Path, results: Path, tmp_path: Path, capsys
) -> None:
    words = ["evaluate", "score", str(cases), str(results), "--measures", "psnr", "--json", "--fid", str(files["fid"])]
    assert run(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["fid"] > 0
    assert "fid" not in found["needs"]


def test_video_measures(files: dict[str, Path]) -> None:
    networks = open_networks((), None, str(files["i3d"]))
    frames = scene(0, WINDOW + 1, (32, 32))
    kept = []
    for clip, change in (("one", 0), ("two", 60)):
        (metric,) = networks.metrics()
        assert isinstance(metric, VideoMetric)
        for frame in np.clip(frames.astype(int) + change * (clip == "two"), 0, 255).astype(np.uint8):
            metric.update(frame, np.clip(frame.astype(int) + change, 0, 255).astype(np.uint8), True, True)
        values, features = metric.compute()
        kept.append(features)
        pvcs = values["pvcs"]
        assert pvcs is not None
        assert (pvcs == 0) == (change == 0)
    total = set_distances(kept)
    assert set(total) == {"vfid", "vfid_batchstats", "vfid_clips"}
    assert all(isinstance(v, float) and v > 0 for v in total.values())
    assert networks.needs.keys() == {"lpips", "fid"}


class Plain:
    """In place of I3D: layers that can be written down. With the clip's own statistics everything is shifted."""

    def __init__(self) -> None:
        self.shift = 0.0

    def use_batch_statistics(self, wanted: bool) -> None:
        self.shift = 7.0 if wanted else 0.0

    def __call__(self, video: torch.Tensor) -> dict[str, torch.Tensor]:
        changes = torch.diff(video, dim=2, append=video[:, :, :1])
        return {"Conv3d_2c_3x3": video + 0.1, "Mixed_5c": torch.cat([video, changes], 1) + 0.2 + self.shift}


def test_what_the_video_measures_are_over() -> None:
    """Whole videos, windows of ten frames at every frame, channels of unit length: in NumPy, from the definitions."""
    rng = np.random.default_rng(5)
    kept, expected = [], []
    for frames in (13, 11, 10):
        true, made = rng.integers(0, 256, (2, frames, 40, 6, 3), dtype=np.uint8)
        metric = VideoMetric(Plain(), "cpu")
        for t in range(frames):
            metric.update(true[t], made[t], t % 5 > 0, False)
        values, features = metric.compute()
        kept.append(features)
        sides = [side.astype(np.float64).transpose(3, 0, 1, 2) / 255 for side in (true, made)]
        windows = [[side[:, s : s + 10] for s in range(frames - 9)] for side in sides]

        def layers(video: np.ndarray) -> list[np.ndarray]:
            return [video + 0.1, np.concatenate([video, np.roll(video, -1, 1) - video]) + 0.2]

        distances = []
        for pair in zip(*windows, strict=True):
            units = [[layer / np.linalg.norm(layer, axis=0) for layer in layers(window)] for window in pair]
            distances.append(sum(np.square(a - b).sum(0).mean() for a, b in zip(*units, strict=True)))
        assert values["pvcs"] == pytest.approx(np.mean(distances), rel=1e-4)
        expected.append(([layers(v)[1].mean((1, 2, 3)) for v in sides], [[layers(w)[1] for w in ws] for ws in windows]))
    for side in (0, 1):
        whole = np.stack([clip[0][side] for clip in expected])
        assert np.concatenate([f["vfid"][side] for f in kept]) == pytest.approx(whole, abs=1e-5)
        assert np.concatenate([f["vfid_batchstats"][side] for f in kept]) == pytest.approx(whole + 7, abs=1e-5)
        parts = np.stack([window.mean((1, 2, 3)) for clip in expected for window in clip[1][side]])
        assert len(parts) == 4 + 2 + 1
        assert np.concatenate([f["vfid_clips"][side] for f in kept]) == pytest.approx(parts, abs=1e-5)
    total = set_distances(kept)
    assert total["vfid"] == pytest.approx(total["vfid_batchstats"], abs=1e-4), "both sides are shifted alike"
    assert total["vfid"] == frechet_distance(*(np.concatenate([f["vfid"][k] for f in kept]) for k in (0, 1)))


def test_fid_is_of_the_frames_that_were_not_given(files: dict[str, Path]) -> None:
    metric = open_networks((), str(files["fid"]), None).metrics()[0]
    frames = scene(0, 4, (40, 60))
    for t, frame in enumerate(frames):
        metric.update(frame, 255 - frame, t != 1, t == 2)
    values, features = metric.compute()
    assert values == {}, "one clip alone has none"
    net = FidInception()
    net.load_state_dict(torch.load(files["fid"], weights_only=True))
    for side, found in zip((frames, 255 - frames), features["fid"], strict=True):
        batch = torch.from_numpy(side[[0, 2, 3]].astype(np.float32) / 255).permute(0, 3, 1, 2)
        with torch.no_grad():
            assert found == pytest.approx(net(batch).numpy(), rel=1e-3, abs=1e-5)


def test_one_video_has_no_distance(files: dict[str, Path]) -> None:
    metric = open_networks((), None, str(files["i3d"])).metrics()[0]
    for frame in scene(0, 3, (32, 32)):
        metric.update(frame, frame, True, True)
    values, features = metric.compute()
    assert values == {"pvcs": None}
    assert str(set_distances([features])["vfid"]).startswith("needs two")


@pytest.mark.parametrize("measures", ["lpips", "standard,lpips,fid"])
def test_a_measure_that_is_named_needs_its_weights(cases: Path, results: Path, capsys, monkeypatch, measures) -> None:
    monkeypatch.setattr(weights, "known", lambda folder=None: [])
    assert run(["evaluate", "score", str(cases), str(results), "--measures", measures, "--json"]) == 5
    out, err = capsys.readouterr()
    assert "psnr" not in out, "nothing was measured first"
    assert "lpips needs AlexNet or VGG-16" in err
    assert ("fid needs" in err) == ("fid" in measures)


def test_all_measures_are_those_whose_weights_are_here(cases: Path, results: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(weights, "known", lambda folder=None: [])
    words = ["evaluate", "score", str(cases), str(results), "--measures", "all", "--clips", "ape", "--json"]
    assert run(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["needs"]["lpips"].startswith("needs AlexNet or VGG-16")
    assert not {"lpips", "fid"} & found.keys()


def test_features_that_are_not_finite_have_no_distance() -> None:
    rng = np.random.default_rng(0)
    clip = {"vfid": (rng.random((3, 4), np.float32), rng.random((3, 4), np.float32))}
    assert isinstance(set_distances([clip])["vfid"], float)
    clip["vfid"][1][0, 0] = np.nan
    assert str(set_distances([clip])["vfid"]).startswith("needs features that are finite")


def test_features_are_kept_by_clip_and_damaged_ones_are_not_used(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    clips = [{"fid": (rng.random((4, 3), np.float32), rng.random((4, 3), np.float32))} for _ in range(2)]
    for k, features in enumerate(clips):
        save_features(tmp_path / f"{k}.npz", features)
    back = [load_features(tmp_path / f"{k}.npz") for k in range(2)]
    assert set_distances([f for f in back if f]) == set_distances(clips)
    assert set_distances(clips)["fid"] == frechet_distance(
        *(np.concatenate([c["fid"][k] for c in clips]) for k in (0, 1))
    )
    (tmp_path / "0.npz").write_bytes((tmp_path / "0.npz").read_bytes()[:40])
    assert load_features(tmp_path / "0.npz") is None
    assert load_features(tmp_path / "none.npz") is None


def test_a_run_measures_with_networks_and_goes_on(files: dict[str, Path], cases: Path, tmp_path: Path) -> None:
    method = Method("telea", "telea", EngineOptions(threads=1))
    options = RunOptions((method,), ScoreOptions(measures=("psnr",), frames=2))
    estimator = MetricSetup(DisFlow(), needs=NEEDS)
    without = run_methods([cases], tmp_path / "out", options, Events(), estimator)
    assert without.networks == {}
    assert "- fid: needs FID's Inception" in run_markdown(without)
    networks = open_networks((str(files["lpips"]),), str(files["fid"]), None)
    having = MetricSetup(DisFlow(), "DIS", networks.metrics, networks.names, networks.needs)
    done = run_methods([cases], tmp_path / "out", options, Events(), having)
    expected = score_results(cases, [tmp_path / "out/results/cases/telea"], options.score, Events(), having)[0]
    assert done.networks["cases", "telea"] == pytest.approx(expected.networks)
    row = done.rows[0]
    assert row.score is not None
    assert row.score.values["lpips_alex"] == pytest.approx(expected.clips[row.clip].values["lpips_alex"])
    assert f"telea: fid {expected.networks['fid']:.4f}" in run_markdown(done)
    assert '"fid"' in run_json(done)
    again = run_methods([cases], tmp_path / "out", options, Events(), having)
    assert again.networks == done.networks
    assert again.rows == done.rows


def test_nothing_is_measured_without_weights() -> None:
    networks = open_networks((), None, None)
    assert networks.metrics() == []
    assert set(networks.needs) == {"lpips", "fid", "vfid", "pvcs"}


def test_weights_of_a_card(tmp_path: Path, monkeypatch) -> None:
    weights.save(I3d(), tmp_path, name="i3d-test", licence="Apache-2.0", network="i3d")
    monkeypatch.setattr(weights, "weights_folder", lambda: tmp_path)
    assert "Mixed_5c.b0.bn.weight" in read_weights("i3d-test", "i3d", "--i3d")
    with pytest.raises(WeightsError, match="no weights named"):
        read_weights("i3d-other", "i3d", "--i3d")
    with pytest.raises(WeightsError, match="belong to the network"):
        read_weights("i3d-test", "fid-inception", "--fid")


class Evil:
    def __reduce__(self):
        return (pytest.fail, ("code in a weights file was run",))


def test_wrong_weights_are_refused(files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="lacks"):
        open_networks((), str(files["lpips"]), None)
    with pytest.raises(WeightsError, match=r"alexnet nor its vgg16"):
        open_networks((str(files["i3d"]),), None, None)
    with pytest.raises(WeightsError, match=r"--i3d .* does not exist"):
        open_networks((), None, str(tmp_path / "none.pt"))
    shape = I3d().state_dict()
    shape["Mixed_3b.b0.conv3d.weight"] = torch.zeros(1)
    torch.save(shape, tmp_path / "shape.pt")
    with pytest.raises(WeightsError, match=r"another shape for Mixed_3b\.b0"):
        open_networks((), None, str(tmp_path / "shape.pt"))
    (tmp_path / "evil.pt").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(WeightsError, match="not loaded"):
        open_networks((), None, str(tmp_path / "evil.pt"))
    (tmp_path / "bad.safetensors").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="damaged"):
        open_networks((), None, str(tmp_path / "bad.safetensors"))
