import json

import pytest
import torch

from vrm.errors import WeightsError
from vrm.weights.cards import find, known, load, load_into, read_card, save, weights_folder

ABOUT = {"name": "small", "licence": "Apache-2.0", "network": "line", "settings": {"width": 2}}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr("vrm.weights.cards.own_folder", lambda: tmp_path)
    torch.manual_seed(0)
    save(torch.nn.Linear(2, 2), tmp_path, **ABOUT)
    return tmp_path


def test_what_was_saved_is_found_verified_and_loaded(folder):
    card, where = find("small", "line")
    assert where == folder
    assert find("auto", "line") == (card, folder)
    assert find(str(folder / "small.safetensors"), "line") == (card, folder)
    assert find("auto", "other") is None
    torch.manual_seed(0)
    original, other = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    load_into(other, card, folder)
    assert torch.allclose(other.weight, original.weight, atol=1e-3)


def test_unknown_names_and_other_networks_are_refused(folder):
    with pytest.raises(WeightsError, match="nothere"):
        find("nothere", "line")
    with pytest.raises(WeightsError, match="belong"):
        find("small", "savit")


@pytest.mark.parametrize("name", ["nothere.safetensors", "nothere.pth", "deep/nothere"])
def test_a_file_that_is_missing_is_what_is_said(folder, name):
    with pytest.raises(WeightsError, match=rf"The weights file .*{name} does not exist"):
        find(str(folder / name), "line")


def test_a_file_without_its_card_and_a_folder_say_what_to_give(folder):
    with pytest.raises(WeightsError, match=r"is a folder. Give the .safetensors file in it: .*small.safetensors"):
        find(str(folder), "line")
    (folder / "small.json").unlink()
    with pytest.raises(WeightsError, match=r"small.safetensors has no card: .*small.json does not exist"):
        find(str(folder / "small.safetensors"), "line")


def test_damage_is_noticed(folder):
    card, _ = find("small", "line")
    file = folder / card.file
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(WeightsError, match="damaged"):
        load(card, folder)
    file.unlink()
    with pytest.raises(WeightsError, match="cannot be read"):
        load(card, folder)


def test_weights_of_another_shape_are_refused(folder):
    with pytest.raises(WeightsError, match="do not fit"):
        load_into(torch.nn.Linear(3, 2), *find("small", "line"))


@pytest.mark.parametrize("lost", ["licence", "sha256", "bytes", "network", "name"])
def test_a_card_needs_its_fields(folder, lost):
    path = folder / "small.json"
    card = json.loads(path.read_text())
    del card[lost]
    path.write_text(json.dumps(card))
    with pytest.raises(WeightsError, match="cannot be read"):
        read_card(path)


def test_no_weights_ship_yet_and_none_are_needed():
    assert weights_folder() is None
    assert find("auto", "savit") is None


def test_a_file_that_is_no_card_in_the_users_own_folder_is_passed_over(folder):
    (folder / "config.json").write_text("{}")
    assert [card.name for card, place in known() if place == folder] == ["small"]
    assert find("auto", "line") is not None
