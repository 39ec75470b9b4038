"""Processes share threads, memory and GPUs; nothing is handed out twice."""

from __future__ import annotations

import pytest

from vrm.batch import resources as module
from vrm.batch.resources import Share, share_resources
from vrm.errors import UsageError
from vrm.options.build import build_options
from vrm.options.remove import EngineOptions


@pytest.fixture(autouse=True)
def a_large_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "machine_memory", lambda: 64 << 30)


def test_threads_and_memory_are_divided() -> None:
    assert share_resources(3, EngineOptions(threads=8, memory_gb=6.0, device="cpu"), 0) == (
        [Share(2, 2.0, "cpu")] * 3,
        [],
    )


def test_one_process_has_everything() -> None:
    assert share_resources(1, EngineOptions(threads=8), 0) == ([Share(8, None, "auto")], [])


def test_more_processes_than_threads_are_said() -> None:
    found, notes = share_resources(3, EngineOptions(threads=2), 0)
    assert [share.threads for share in found] == [1, 1, 1]
    assert "more than the 2 threads" in notes[0]


def test_too_little_memory_for_each_is_refused() -> None:
    with pytest.raises(UsageError, match="give --jobs 2"):
        share_resources(4, EngineOptions(memory_gb=2.5), 0)


def test_a_gpu_for_each() -> None:
    found, notes = share_resources(4, EngineOptions(threads=8), 2)
    assert [(share.device, share.threads) for share in found] == [("cuda:0", 4), ("cuda:1", 4)]
    assert "so 2" in notes[0]
    assert len(share_resources(4, EngineOptions(device="cuda:1"), 2)[0]) == 1
    assert len(share_resources(4, EngineOptions(device="cpu"), 2)[0]) == 4
    assert [share.device for share in share_resources(1, EngineOptions(), 2)[0]] == ["cuda:0"]


def test_the_gpu_of_a_mac_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.sys, "platform", "darwin")
    found, notes = share_resources(4, EngineOptions(threads=8), 1)
    assert [(share.device, share.threads) for share in found] == [("mps", 8)]
    assert "so 1" in notes[0]


def test_a_small_machine_is_warned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "machine_memory", lambda: 4 << 30)
    assert "bound it with --memory" in share_resources(2, EngineOptions(threads=2), 0)[1][0]
    assert share_resources(2, EngineOptions(threads=2, memory_gb=3), 0)[1] == []


def test_a_job_in_its_share() -> None:
    words = {"mask": "m.png", "threads": 8, "memory": 6}
    assert Share(2, 3.0, "cpu").of(words) == {"mask": "m.png", "threads": 2, "memory": 3.0, "device": "cpu"}


@pytest.mark.parametrize(
    ("words", "may"),
    [
        ({"mask": "m.png"}, False),
        ({"point": "1,2"}, False),
        ({"point": "1,2", "sam": "auto"}, True),
        ({"class_": "car"}, True),
        ({"class_": "car", "labels": "labels"}, False),
        ({"mask": "m.png", "engine": "savit"}, True),
    ],
)
def test_gpus_are_shared_out_only_where_a_network_runs(words: dict[str, str], may: bool) -> None:
    assert module.may_use_gpu(build_options(**words)) == may
