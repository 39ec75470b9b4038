import pytest
import torch

from vrm.errors import UsageError
from vrm.options.remove import EngineOptions
from vrm.system.device import choose


def test_cpu_takes_what_it_is_told():
    compute = choose(EngineOptions(device="cpu", dtype="fp32", threads=1))
    assert compute.device.type == "cpu"
    assert compute.dtype == torch.float32
    assert compute.names == ("cpu", "fp32")
    assert choose(EngineOptions(device="cpu", dtype="bf16")).names == ("cpu", "bf16")


def test_auto_is_the_same_every_time():
    assert choose(EngineOptions()) == choose(EngineOptions())


def test_what_is_not_there_is_refused():
    with pytest.raises(UsageError, match="cuda:99"):
        choose(EngineOptions(device="cuda:99"))
    with pytest.raises(UsageError, match="fp16"):
        choose(EngineOptions(device="cpu", dtype="fp16"))


def test_running_seeds_and_puts_everything_back():
    compute = choose(EngineOptions(device="cpu", threads=1))
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    threads = torch.get_num_threads()
    with compute.running(3):
        a = torch.rand(1)
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.rand(1), expected)
    with compute.running(3):
        assert torch.equal(torch.rand(1), a)
