"""The networks that others measure with, laid out as published, become cards that ``vrm evaluate`` takes by name."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.models import alexnet
from torchvision.models.optical_flow import raft_large

from vrm.cli.main import run
from vrm.errors import WeightsError
from vrm.evaluate.commands import flow_estimator
from vrm.evaluate.scoring.networks import open_networks
from vrm.nets.metric.i3d import I3d
from vrm.nets.metric.inception import FidInception
from vrm.weights import cards as weights
from vrm.weights.convert import metric_networks as measuring
from vrm.weights.convert.registry import FOREIGN


@pytest.fixture(autouse=True)
def own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    torch.manual_seed(0)


def published_i3d() -> dict[str, torch.Tensor]:
    """With the classifier, and without counted batches, as files of 2017 are."""
    state = {k: v for k, v in I3d().state_dict().items() if not k.endswith("num_batches_tracked")}
    return state | {"logits.conv3d.weight": torch.zeros(400, 1024, 1, 1, 1), "logits.conv3d.bias": torch.zeros(400)}


def imported(kind: str, state: dict[str, torch.Tensor], folder: Path) -> None:
    torch.save(state, folder / f"{kind}.pt")
    assert run(["weights", "import", kind, str(folder / f"{kind}.pt")]) == 0


def test_i3d_is_asked_for_and_measured(tmp_path: Path, capsys) -> None:
    assert re.search("^i3d .* vrm weights import i3d FILE; ", _said(["weights", "list"], capsys), re.MULTILINE)
    assert "vrm weights import i3d FILE" in open_networks((), None, None).needs["vfid"]
    imported("i3d", published_i3d(), tmp_path)
    card, folder = weights.named("i3d")
    assert (card.network, card.licence) == ("i3d", "NOASSERTION")
    assert not any(name.startswith("logits") for name in weights.load(card, folder))
    # Nobody waits for a network that he did not ask for, and nobody is left to guess that it is there.
    quiet = open_networks((), None, None, measures=("standard",))
    assert quiet.metrics() == []
    assert "--measures all or vfid" in quiet.needs["vfid"]
    assert "lpips" in quiet.needs
    asked = open_networks((), None, None, measures=("psnr", "pvcs"))
    assert len(asked.metrics()) == 1
    assert asked.needs.keys() == {"lpips", "fid"}
    assert card.sha256 in asked.names[0], "other weights under the same name are other weights"
    state = torch.load(tmp_path / "i3d.pt", weights_only=True)
    assert all(torch.equal(v, state[k]) for k, v in asked.i3d.state_dict().items() if k in state)


def test_alexnet_and_inception(tmp_path: Path) -> None:
    source = alexnet(weights=None).state_dict()
    imported("alexnet", source, tmp_path)
    card, folder = weights.named("alexnet")
    held = weights.load(card, folder)
    assert held.keys() == {name for name in source if name.startswith("features.")}
    assert all(torch.equal(held[name], source[name]) for name in held)
    assert set(open_networks((), None, None, measures=("all",)).lpips) == {"lpips_alex"}
    state = {k: v for k, v in FidInception().state_dict().items() if not k.endswith("num_batches_tracked")}
    found = measuring.inception(state)
    assert found.network == "fid-inception"
    assert found.tensors.keys() == FidInception().state_dict().keys()


def test_raft_by_name_or_file(tmp_path: Path) -> None:
    state = raft_large(weights=None).state_dict()
    torch.save(state, tmp_path / "raft_large.pth")
    one, name = flow_estimator(tmp_path / "raft_large.pth", "cpu")
    assert name == "RAFT (raft_large.pth)"
    assert run(["weights", "import", "raft-large", str(tmp_path / "raft_large.pth")]) == 0
    other, name = flow_estimator("raft-large", "cpu")
    assert name == "RAFT (raft-large)"
    for estimator in (one, other):
        assert all(torch.equal(v, state[k]) for k, v in estimator._model.state_dict().items())
    with pytest.raises(WeightsError, match="--flow"):
        flow_estimator("raft-huge", "cpu")


@pytest.mark.parametrize(
    ("kind", "state", "says"),
    [
        ("i3d", {"Conv3d_1a_7x7.conv3d.weight": torch.zeros(1)}, "is not I3D"),
        ("vgg16", {"features.0.weight": torch.zeros(64, 3, 3, 3)}, "lacks tensors"),
        ("alexnet", {"layers.0": torch.zeros(1)}, "unknown tensors: layers.0"),
    ],
)
def test_other_files_are_refused(kind: str, state: dict[str, torch.Tensor], says: str, tmp_path: Path, capsys) -> None:
    torch.save(state, tmp_path / "file.pth")
    assert run(["weights", "import", kind, str(tmp_path / "file.pth")]) == 5
    assert says in capsys.readouterr().err
    assert not weights.own_folder().exists()


def test_values_that_are_not_finite_are_refused(tmp_path: Path, capsys) -> None:
    state = published_i3d()
    state["Mixed_3b.b0.conv3d.weight"][0] = np.nan
    torch.save(state, tmp_path / "i3d.pt")
    with pytest.raises(WeightsError, match=r"not finite, in Mixed_3b\.b0\.conv3d\.weight"):
        open_networks((), None, str(tmp_path / "i3d.pt"))


def test_each_is_listed(capsys) -> None:
    listed = json.loads(_said(["weights", "list", "--json"], capsys))["convertible"]
    for kind in ("alexnet", "vgg16", "fid-inception", "i3d", "raft-large"):
        assert listed[kind]["paper"]
        assert FOREIGN[kind].source in listed[kind]["source"]


def _said(words: list[str], capsys) -> str:
    assert run(words) == 0
    return capsys.readouterr().out
