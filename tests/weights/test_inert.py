"""Checkpoints with more than tensors in them are converted, and nothing in them runs."""

import os
import pickle
import sys
import types
import zipfile
from collections import OrderedDict, defaultdict

import pytest
import torch

from vrm.cli.main import run
from vrm.errors import WeightsError
from vrm.weights.cards import find, load
from vrm.weights.convert.checkpoint import read_checkpoint
from vrm.weights.convert.inert import Placeholder, read_inert

from .test_guided_inpainting import published


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def elsewhere(monkeypatch):
    """A class of a module that is there while a file is written, and not when it is read."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "omegaconf"]:
        monkeypatch.delitem(sys.modules, name)  # another test's library imported it
    with monkeypatch.context() as patched:

        def make(module, name, base=object, **body):
            kind = type(name, (base,), body | {"__module__": module, "__qualname__": name})
            parts = module.split(".")
            for i in range(1, len(parts) + 1):
                patched.setitem(sys.modules, ".".join(parts[:i]), types.ModuleType(".".join(parts[:i])))
            setattr(sys.modules[module], name, kind)
            return kind

        yield make, patched.undo


def lightning(make, state):
    """A checkpoint as PyTorch Lightning 1.4 writes one whose hyper-parameters are omegaconf's."""
    config = make("omegaconf.dictconfig", "DictConfig", __setstate__=lambda self, state: self.__dict__.update(state))
    meta = make("omegaconf.base", "ContainerMetadata")
    attributes = make("pytorch_lightning.utilities.parsing", "AttributeDict", dict)
    checkpointing = make("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint")
    hyper, about = config(), meta()
    about.resolver_cache = defaultdict(dict, {"a": {}})
    hyper.__dict__.update(_metadata=about, _content={"lr": 1e-4, "sizes": [256, 256], "tags": {"x", "y"}})
    return {
        "epoch": 3, "global_step": 1000, "pytorch-lightning_version": "1.4.9",
        "state_dict": OrderedDict(state),
        "callbacks": {checkpointing: {"monitor": "val/loss", "best_model_score": torch.tensor(0.5)}},
        "optimizer_states": [{"state": {0: {"step": 5, "exp_avg": torch.zeros(2)}}, "param_groups": []}],
        "hparams_name": "config", "hyper_parameters": hyper, "hparams_type": config, "more": attributes(a=1),
    }  # fmt: skip


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_checkpoint_of_lightning_with_foreign_classes_is_converted(tmp_path, elsewhere, protocol):
    make, gone = elsewhere
    state, path = published(), tmp_path / "last.ckpt"
    torch.save(lightning(make, state), path, pickle_protocol=protocol)
    gone()
    assert "omegaconf.dictconfig" not in sys.modules
    with pytest.raises(WeightsError, match="more than tensors"):
        read_checkpoint(path)
    assert run(["weights", "import", "guided-inpainting", str(path)]) == 0
    tensors = load(*find("guided-inpainting", "two-stream"))
    assert torch.equal(tensors["blocks.1.write.gates.weight"], state["generator.model.7.write.to_logits.weight"])
    assert "omegaconf.dictconfig" not in sys.modules, "nothing was imported to read it"


def test_one_of_plain_values_gives_the_same_weights(tmp_path):
    state = published()
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "plain.ckpt")
    assert run(["weights", "import", "guided-inpainting", str(tmp_path / "plain.ckpt")]) == 0
    tensors = load(*find("guided-inpainting", "two-stream"))
    assert torch.equal(tensors["out.weight"], state["generator.model.20.weight"])


def test_tensors_of_every_kind_are_read_as_torch_reads_them(tmp_path):
    """Views that share a storage, parameters, strides, empty tensors and each type of number."""
    base = torch.arange(24.0).reshape(4, 6)
    held = {"base": base, "view": base[1:, ::2], "turned": base.T, "parameter": torch.nn.Parameter(base[0])}
    kinds = (torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8)
    held |= {str(kind): torch.arange(5).to(kind) for kind in (*kinds, torch.uint8, torch.bool)}
    held |= {"empty": torch.zeros(0, 3), "number": torch.tensor(7), "nested": OrderedDict(a=[torch.ones(2), None, "x"])}
    torch.save(held, tmp_path / "all.pt")
    here, theirs = read_inert(tmp_path / "all.pt"), torch.load(tmp_path / "all.pt", weights_only=True)
    assert here.keys() == theirs.keys()
    for name, tensor in theirs.items():
        if name != "nested":
            assert here[name].dtype == tensor.dtype
            assert torch.equal(here[name], tensor), name
    assert torch.equal(here["nested"]["a"][0], torch.ones(2))
    assert here["nested"]["a"][1:] == [None, "x"]


class Calls:
    """Calls a function when it is unpickled."""

    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("function", [os.system, eval, exec, __import__, getattr, setattr, os.remove])
def test_a_hostile_checkpoint_runs_nothing(tmp_path, monkeypatch, capfd, function):
    victim = tmp_path / "victim"
    victim.touch()
    argument = {os.system: f"rm {victim}; echo ran", os.remove: str(victim)}.get(
        function, f"__import__('os').remove({str(victim)!r})"
    )
    path = tmp_path / "evil.ckpt"
    torch.save({"state_dict": published(), "evil": Calls(function, argument)}, path)
    found = read_inert(path)
    assert isinstance(found["evil"], Placeholder)
    assert type(found["evil"]).__mro__[1:] == (Placeholder, object)
    assert run(["weights", "import", "guided-inpainting", str(path)]) == 0
    assert victim.exists()
    assert "ran" not in capfd.readouterr().out


def test_a_hostile_pickle_that_is_no_zip_is_refused(tmp_path, capsys):
    path = tmp_path / "evil.ckpt"
    path.write_bytes(pickle.dumps(Calls(os.mkdir, str(tmp_path / "ran"))))
    assert run(["weights", "import", "guided-inpainting", str(path)]) == 5
    assert "holds more than tensors, so it was not loaded" in capsys.readouterr().err
    assert not (tmp_path / "ran").exists()


def test_a_state_on_what_is_known_changes_nothing_here(tmp_path):
    """The opcode BUILD sets attributes on whatever is on the stack: on a placeholder none, on ours nothing lasting."""
    rebuild = torch._utils._rebuild_tensor_v2
    before = dict(vars(rebuild))
    data = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}U\x01aK\x01sb."
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        archive.writestr("x/data.pkl", data)
    read_inert(tmp_path / "x.pt")
    assert vars(rebuild) == before


def test_a_cut_file_is_said_to_be_damaged(tmp_path, elsewhere, capsys):
    make, gone = elsewhere
    path = tmp_path / "cut.ckpt"
    torch.save(lightning(make, published()), path)
    gone()
    path.write_bytes(path.read_bytes()[:5000])
    assert run(["weights", "import", "guided-inpainting", str(path)]) == 5
    assert "damaged" in capsys.readouterr().err
