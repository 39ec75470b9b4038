"""``vrm weights fetch OWNER/NAME`` against a hub that lists and gives what it is told to; models found by default."""

import hashlib
import io
import json
import re
import shutil
import urllib.request

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from vrm.cli.main import run
from vrm.errors import WeightsError
from vrm.options.remove import EngineOptions
from vrm.selection.hub import is_repository
from vrm.selection.labels.registry import create_segmenter
from vrm.weights.cards import MODEL_CARD, models, own_folder
from vrm.weights.convert.registry import MODELS, OFFERED

from . import models as small

httpx = pytest.importorskip("httpx2")
huggingface_hub = pytest.importorskip("huggingface_hub")

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OPTIONS = EngineOptions(device="cpu", dtype="fp32", threads=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    pytest.importorskip("transformers")
    return small.mask2former(tmp_path_factory.mktemp("hub") / "tiny")


class Hub:
    """Answers HTTP as the hub does: a list of files with git's checksums, sha256 for large ones, and the files."""

    def __init__(self, folder, repository="somebody/tiny"):
        self.files = {path.name: path.read_bytes() for path in folder.iterdir()}
        self.listed = dict(self.files)
        self.about = {"id": repository, "sha": COMMIT, "cardData": {"license": "mit"}}
        self.repository, self.asked = repository, []

    def __call__(self, request):
        path = request.url.path
        self.asked.append(path)
        api = f"/api/models/{self.repository}"
        if path == f"{api}/revision/main":
            return httpx.Response(200, json=self.about | {"siblings": [*map(self.entry, self.listed)]})
        if path == f"{api}/tree/{COMMIT}":
            return httpx.Response(200, json=[*map(self.tree_entry, self.listed)])
        head = f"/{self.repository}/resolve/{COMMIT}/"
        name = path.removeprefix(head)
        if not path.startswith(head) or name not in self.files:
            code = "EntryNotFound" if self.repository in path else "RepoNotFound"
            return httpx.Response(404, headers={"X-Error-Code": code})
        headers = {"X-Repo-Commit": COMMIT, "ETag": self.tree_entry(name)["oid"]}
        return httpx.Response(200, headers=headers, content=self.files[name])

    def entry(self, name):
        row = self.tree_entry(name)
        return {"rfilename": name, "size": row["size"], "blobId": row["oid"]} | {
            key: {"sha256": row[key]["oid"], "size": row["size"], "pointerSize": 100} for key in ("lfs",) if key in row
        }

    def tree_entry(self, name):
        data = self.listed.get(name, b"")
        row = {"type": "file", "path": name, "size": len(data)}
        if len(data) <= 100_000:
            return row | {"oid": hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()}
        lfs = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 100}
        return row | {"oid": "of the pointer", "lfs": lfs}


@pytest.fixture
def hub(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = Hub(folder)
    huggingface_hub.set_client_factory(lambda: httpx.Client(transport=httpx.MockTransport(made)))
    yield made
    huggingface_hub.close_session()


@pytest.fixture
def clip(tmp_path):
    (tmp_path / "clip").mkdir()
    random = np.random.default_rng(1)
    for t in range(2):
        cv2.imwrite(str(tmp_path / "clip" / f"{t}.png"), random.integers(0, 255, (48, 64, 3), dtype=np.uint8))
    return tmp_path / "clip"


def test_a_model_is_fetched_once_and_found_by_name_or_by_itself(hub, folder, clip, tmp_path, capsys):
    hub.listed |= {"README.md": b"text", "../up.json": b"{}", "sub/deep.json": b"{}", "flax_model.msgpack": b"x"}
    assert run(["weights", "fetch", "somebody/tiny"]) == 0
    place = own_folder() / "tiny"
    assert {path.name for path in place.iterdir()} == {path.name for path in folder.iterdir()} | {MODEL_CARD}
    ((card, found),) = models()
    assert (found, card.revision, card.licence, card.network) == (place, COMMIT, "mit", "segmenter")
    assert card.files["model.safetensors"] == hashlib.sha256(hub.files["model.safetensors"]).hexdigest()
    assert "mit" in capsys.readouterr().err
    assert run(["weights", "list"]) == 0
    row = ["tiny", "--segmenter", f"{card.bytes / 1e6:.1f}", "MB", "mit", str(place)]
    assert row in [line.split() for line in capsys.readouterr().out.splitlines()]
    assert run(["weights", "verify", "tiny"]) == 0
    # One command, and nothing said about a model.
    words = ["--device", "cpu", "--dtype", "fp32", "--threads", "1", "--no-preview"]
    assert run(["segment", str(clip), "-o", str(tmp_path / "labels"), *words]) == 0
    assert "Labelled by tiny, the first segmenter among your weights" in capsys.readouterr().err
    assert json.loads((tmp_path / "labels" / "labels.json").read_text())["segmenter"] == "mask2former (tiny)"
    assert run(["weights", "fetch", "somebody/tiny"]) == 8
    assert run(["weights", "fetch", "somebody/tiny", "--overwrite"]) == 0
    config = (place / "config.json").read_text()
    (place / "config.json").write_text(config + " ")
    with pytest.raises(WeightsError, match=r"config\.json is damaged.*fetch somebody/tiny --overwrite"):
        create_segmenter("tiny", OPTIONS)
    assert run(["weights", "verify"]) == 5
    assert run(["clean", "--weights"]) == 0
    assert not place.exists()


def test_a_folder_that_vrm_did_not_fetch_is_neither_replaced_nor_removed(hub, folder):
    shutil.copytree(folder, own_folder() / "tiny")
    assert run(["weights", "fetch", "somebody/tiny", "--overwrite"]) == 8
    assert hub.asked == []
    assert run(["clean", "--all"]) == 0
    assert (own_folder() / "tiny" / "config.json").is_file()
    assert create_segmenter(None, OPTIONS).name == "mask2former (tiny)"


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json", "model.safetensors"])
@pytest.mark.parametrize("change", [lambda data: data[:-1] + b"#", lambda data: data + b"#", lambda data: data[:-1]])
def test_what_is_not_what_the_hub_lists_is_not_kept(hub, name, change, capsys, tmp_path):
    hub.files[name] = change(hub.files[name])
    assert run(["weights", "fetch", "somebody/tiny"]) == 5
    assert re.search("has another checksum than the hub lists|should be of size", capsys.readouterr().err)
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_other_models_are_refused_before_their_weights_are_fetched(hub, capsys, tmp_path):
    hub.files["config.json"] = hub.listed["config.json"] = b'{"model_type": "bert"}'
    assert run(["weights", "fetch", "somebody/tiny"]) == 5
    assert "is a 'bert' model. --segmenter takes mask2former" in capsys.readouterr().err
    assert not any("safetensors" in url for url in hub.asked)
    assert not any(path.is_file() for path in tmp_path.rglob("*"))
    del hub.listed["config.json"]
    assert run(["weights", "fetch", "somebody/tiny"]) == 5
    assert "holds no model of transformers" in capsys.readouterr().err
    assert run(["weights", "fetch", "nobody/tiny"]) == 5
    assert "has no model 'nobody/tiny' that is open to you" in capsys.readouterr().err
    hub.about["sha"] = "../../elsewhere"
    assert run(["weights", "fetch", "somebody/tiny"]) == 5


def test_a_repository_with_tensors_in_a_pickle(hub, folder, tmp_path):
    """Older repositories hold nothing else: it is read as tensors, and no code in it runs."""
    state = load_file(folder / "model.safetensors")
    buffer = io.BytesIO()
    torch.save(state, buffer)
    for files in (hub.files, hub.listed):
        del files["model.safetensors"]
        files["pytorch_model.bin"] = buffer.getvalue()
    assert run(["weights", "fetch", "somebody/tiny"]) == 0
    picture = np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    ours, theirs = (
        create_segmenter("tiny", OPTIONS).label(picture),
        create_segmenter(str(folder), OPTIONS).label(picture),
    )
    assert np.array_equal(ours.ids, theirs.ids)

    class Payload:
        def __reduce__(self):
            return open, (str(tmp_path / "trace"), "w")

    evil = tmp_path / "evil"
    shutil.copytree(folder, evil)
    (evil / "model.safetensors").unlink()
    torch.save({"weight": Payload()}, evil / "pytorch_model.bin")
    with pytest.raises(WeightsError, match="so it was not loaded"):
        create_segmenter(str(evil), OPTIONS)
    assert not (tmp_path / "trace").exists()


def test_names():
    assert all(is_repository(name) for name in MODELS)
    assert not any(map(is_repository, [*OFFERED, "cards/far.json", "a/b/c", "../x y"]))
    assert set(MODELS.values()) == {card.network for card in OFFERED.values()} | {"segmenter"}


def test_sam_is_fetched_by_name_and_a_pickle_too(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path, _ = small.sam(tmp_path / "sam.pth")
    data = path.read_bytes()
    real = OFFERED["sam-vit-b"]
    facts = {**vars(real), "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    monkeypatch.setitem(OFFERED, "sam-vit-b", type(real)(**facts))
    monkeypatch.setattr(urllib.request, "urlopen", lambda url, timeout: {real.url: io.BytesIO(data)}[url])
    assert run(["weights", "list"]) == 0
    assert re.search(r"^sam-vit-b +--sam .* vrm weights fetch sam-vit-b$", capsys.readouterr().out, re.MULTILINE)
    assert run(["weights", "fetch", "sam-vit-b"]) == 0
    from vrm.selection.prompts.base import Prompt
    from vrm.selection.prompts.registry import create_prompter

    picture = np.zeros((40, 60, 3), np.uint8)
    found = create_prompter("sam-vit-b", OPTIONS, lambda t: picture, (0, 1)).outline(0, picture, Prompt([(20.5, 20.5)]))
    assert found.mask.shape == (40, 60)
    assert run(["weights", "fetch", "sam-vit-b"]) == 8
    assert run(["clean", "--weights"]) == 0
    assert list(own_folder().iterdir()) == []
