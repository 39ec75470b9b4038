"""``vrm weights``: list, fetch, import, verify, and what each refuses."""

import dataclasses
import hashlib
import io
import json
import urllib.error
import urllib.request

import pytest
import torch
from safetensors.torch import load_file

from vrm.cli.main import run
from vrm.errors import WeightsError
from vrm.weights.cards import find, load, own_folder, save
from vrm.weights.convert import registry
from vrm.weights.convert.checkpoint import read_checkpoint, rename, state_of
from vrm.weights.convert.registry import Converted, Foreign


def convert(state):
    expected = {"a": torch.empty(2, 3), "b": torch.empty(1)}
    return Converted(rename(state_of(state, "net"), {"x": "a", "y": "b"}.get, expected, "a toy"), "toy", {"wide": True})


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    toy = Foreign(f"{__name__}:convert", "MIT", "Toy et al.", "nowhere")
    monkeypatch.setitem(registry.FOREIGN, "toy", toy)


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "toy.pth"
    torch.save({"net": {"module.x": torch.arange(6.0).reshape(2, 3), "module.y": torch.ones(1)}}, path)
    return path


def test_a_foreign_checkpoint_becomes_safetensors_with_a_card(checkpoint, capsys):
    assert run(["weights", "import", "toy", str(checkpoint)]) == 0
    card, folder = find("toy", "toy")
    assert folder == own_folder()
    assert find("auto", "toy") == (card, folder)
    assert (card.licence, card.paper, dict(card.settings)) == ("MIT", "Toy et al.", {"wide": True})
    assert hashlib.sha256(checkpoint.read_bytes()).hexdigest() in card.training
    assert torch.equal(load(card, folder)["a"], torch.arange(6.0).reshape(2, 3))
    assert run(["weights", "list"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["toy", "toy", "0.0", "MB", "MIT", str(folder / card.file)] in rows
    assert run(["weights", "verify", "toy"]) == 0
    assert run(["weights", "import", "toy", str(checkpoint)]) == 8, "nothing is overwritten"
    assert run(["weights", "import", "toy", str(checkpoint), "--overwrite"]) == 0


def test_it_goes_where_it_is_told_to(checkpoint, tmp_path):
    assert run(["weights", "import", "toy", str(checkpoint), "-o", str(tmp_path / "mine" / "own.safetensors")]) == 0
    assert set(load_file(tmp_path / "mine" / "own.safetensors")) == {"a", "b"}
    assert find(str(tmp_path / "mine" / "own.safetensors"), "toy")[0].name == "own"
    assert run(["weights", "import", "toy", str(checkpoint), "-o", str(tmp_path / "own.pth")]) == 8


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"x": torch.zeros(2, 3)}, "lacks tensors: b"),
        ({"x": torch.zeros(2, 3), "y": torch.zeros(1), "z": torch.zeros(1)}, "unknown tensors: z"),
        ({"x": torch.zeros(3, 3), "y": torch.zeros(1)}, "x is (3, 3) where (2, 3) is expected"),
        ({"x": 3}, "tensors by name"),
    ],
)
def test_another_configuration_is_refused_by_key_and_shape(state, words, tmp_path, capfd):
    path = tmp_path / "other.pt"
    torch.save(state, path)
    assert run(["weights", "import", "toy", str(path)]) == 5
    assert words in capfd.readouterr().err
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


class Evil:
    def __reduce__(self):
        return print, ("code of the checkpoint ran",)


def test_code_in_a_checkpoint_does_not_run(tmp_path, capfd):
    path = tmp_path / "evil.pth"
    torch.save({"x": Evil()}, path)
    assert run(["weights", "import", "toy", str(path)]) == 5
    out, err = capfd.readouterr()
    assert "so it was not loaded" in err
    assert "code of the checkpoint ran" not in out


def test_damage_and_unknown_names_end_with_five(tmp_path, checkpoint, capfd):
    (tmp_path / "cut.pth").write_bytes(checkpoint.read_bytes()[:100])
    assert run(["weights", "import", "toy", str(tmp_path / "cut.pth")]) == 5
    assert run(["weights", "import", "toy", str(tmp_path / "nothere.pth")]) == 5
    assert run(["weights", "import", "nothing", str(checkpoint)]) == 5
    assert run(["weights", "fetch", "nothing"]) == 5
    assert run(["weights", "fetch", "toy"]) == 5
    assert run(["weights", "verify", "nothing"]) == 5
    assert "vrm weights import toy FILE" in capfd.readouterr().err
    with pytest.raises(WeightsError, match="Convert it once"):
        find(str(checkpoint), "toy")
    with pytest.raises(WeightsError, match="cannot be read"):
        read_checkpoint(tmp_path / "cut.pth")


@pytest.fixture
def offered(tmp_path, monkeypatch):
    """A card with an address, and a server that gives what ``offered.bytes`` holds."""
    card = save(torch.nn.Linear(2, 2), tmp_path, name="far", licence="MIT", network="toy")
    data = (tmp_path / card.file).read_bytes()
    path = tmp_path / "far.json"
    path.write_text(json.dumps({**dataclasses.asdict(card), "url": "https://example.org/far.safetensors"}))
    server = {"data": data}

    def answer(url, timeout):
        assert url == "https://example.org/far.safetensors"
        if server["data"] is None:
            raise urllib.error.URLError("no route")
        return io.BytesIO(server["data"])

    monkeypatch.setattr(urllib.request, "urlopen", answer)
    return path, server


def test_what_is_fetched_is_verified_and_found_by_name(offered):
    path, _ = offered
    assert run(["weights", "fetch", str(path)]) == 0
    card, folder = find("far", "toy")
    assert folder == own_folder()
    assert set(load(card, folder)) == {"weight", "bias"}
    assert run(["weights", "fetch", "far"]) == 8
    assert run(["weights", "fetch", "far", "--overwrite"]) == 0
    (folder / card.file).write_bytes(b"damaged")
    assert run(["weights", "verify"]) == 5


@pytest.mark.parametrize("given", [None, b"", b"something else", "longer"])
def test_what_does_not_match_its_card_is_not_kept(offered, given, tmp_path):
    path, server = offered
    server["data"] = server["data"] + b"!" if given == "longer" else given
    assert run(["weights", "fetch", str(path)]) == 5
    assert not list((tmp_path / "cache").rglob("far*"))


def test_only_https(offered, capfd):
    path, _ = offered
    path.write_text(path.read_text().replace("https:", "file:"))
    assert run(["weights", "fetch", str(path)]) == 5
    assert "not https" in capfd.readouterr().err


def test_the_list_is_grouped_by_what_uses_them_and_knows_your_own_models(checkpoint, capsys):
    own = own_folder() / "my-segmenter"
    own.mkdir(parents=True)
    (own / "config.json").write_text('{"model_type": "mask2former"}')
    (own / "model.safetensors").write_bytes(bytes(1_500_000))
    (own_folder() / "something-else").mkdir()
    save(torch.nn.Linear(2, 2), own_folder(), name="mine", licence="CC0-1.0", network="savit")
    assert run(["weights", "list"]) == 0
    groups = {group.splitlines()[0]: group.splitlines()[2:] for group in capsys.readouterr().out.split("\n\n")}
    savit = [line.split()[0] for line in groups["vrm remove --engine savit --weights"]]
    assert savit == ["mine", "fuseformer", "e2fgvi"]
    mine = next(line for line in groups["--segmenter: --class, vrm segment"] if line.startswith("my-segmenter"))
    assert mine.split() == ["my-segmenter", "--segmenter", "1.5", "MB", "your", "own", str(own)]
    assert "something-else" not in str(groups)
    assert any(line.startswith("alexnet ") for line in groups["vrm evaluate --lpips"])
    assert run(["weights", "list", "--json"]) == 0
    own_models = json.loads(capsys.readouterr().out)["own"]
    assert own_models == [{"name": "my-segmenter", "network": "segmenter", "path": str(own)}]
