"""Videos over a real local Ray cluster of several nodes, one of which is lost in the middle; and what is refused."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from vrm import api
from vrm.batch import cluster as module
from vrm.batch.cluster import Requirements
from vrm.batch.split import LEAST_FRAMES
from vrm.batch.tasks import video_task, window_task
from vrm.engines.window_tasks import WindowTask
from vrm.errors import BatchError, MissingPackage, VideoError
from vrm.events import Events
from vrm.options.batch import BatchOptions

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.xdist_group("ray")  # the address "auto" finds any cluster of the machine
SIZE = (96, 128)


class Notes(Events):
    """Keeps notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path


@pytest.fixture
def clips(here: Path, make_video: Callable[..., Path]) -> Path:
    (here / "clips").mkdir()
    for k in range(3):
        make_video(here / "clips" / f"c{k}.mp4", frames=24, size=SIZE)
    mask = np.zeros(SIZE, np.uint8)
    mask[30:60, 40:80] = 255
    cv2.imwrite(str(here / "mask.png"), mask)
    return here / "clips"


WORDS: dict[str, Any] = {"mask": "mask.png", "static_mask": True, "preset": "fast", "threads": 1, "device": "cpu"}


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A cluster of a head without CPUs, and one machine of one CPU."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        cache = tmp_path_factory.mktemp("cache")
        patch.setenv("XDG_CACHE_HOME", str(cache))
        patch.setenv("OMP_NUM_THREADS", "1")
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        made.add_node(num_cpus=1)
        made.scratch = cache / "vrm" / "scratch"
        yield made
        ray.shutdown()  # this process too leaves it
        made.shutdown()


@pytest.fixture
def nodes(head: Any, here: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The cluster with a second machine, which will be lost."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(head.scratch.parents[1]))
    head.lost = head.add_node(num_cpus=1)
    return head


@pytest.mark.slow
def test_a_machine_lost_in_the_middle_changes_no_byte(clips: Path, nodes: Any, here: Path) -> None:
    scratch = nodes.scratch

    def lose() -> None:
        end = time.monotonic() + 120
        while time.monotonic() < end:
            if scratch.is_dir() and len(list(scratch.iterdir())) >= 2:  # both machines are at work
                nodes.remove_node(nodes.lost, allow_graceful=False)
                return
            time.sleep(0.02)

    thread = threading.Thread(target=lose)
    thread.start()
    heard = Notes()
    over = api.remove_batch([clips], "far", batch=BatchOptions(ray=nodes.address), events=heard, **WORDS)
    thread.join()
    assert over.count("done") == 3
    assert sorted(outcome.tries for outcome in over.outcomes) == [1, 1, 2]
    assert [note for note in heard.notes if "was lost. It is tried again." in note]
    assert len(list((here / "far").iterdir())) == 3  # nothing half-written is left
    near = api.remove_batch([clips], "near", batch=BatchOptions(jobs=1), **WORDS)
    for outcome in near.outcomes:
        name = Path(outcome.output).name
        assert (here / "far" / name).read_bytes() == (here / "near" / name).read_bytes(), name


@pytest.mark.slow
def test_a_cluster_for_one_run(clips: Path, here: Path) -> None:
    for name in ("c1.mp4", "c2.mp4"):
        (clips / name).write_bytes(b"no video")
    with pytest.raises(BatchError, match="2 of 3 failed"):
        api.remove_batch([clips], "far", batch=BatchOptions(ray="local", jobs=2), **WORDS)
    assert not ray.is_initialized()
    assert [path.name for path in (here / "far").iterdir()] == ["c0.mp4"]


@pytest.fixture
def long(here: Path, make_video: Callable[..., Path]) -> Path:
    """A video with masks in four stretches, each a window."""
    make_video(here / "long.mp4", frames=LEAST_FRAMES, size=SIZE)
    (here / "masks").mkdir()
    for t in range(LEAST_FRAMES):
        picture = np.zeros(SIZE, np.uint8)
        if t % 19 < 4:
            picture[30:60, 40 + t // 2 : 80 + t // 2] = 255
        cv2.imwrite(str(here / "masks" / f"{t:05d}.png"), picture)
    return here / "long.mp4"


@pytest.mark.slow
def test_windows_of_one_video_outlive_a_machine(long: Path, nodes: Any) -> None:
    scratch = nodes.scratch
    words = WORDS | {"mask": "masks", "static_mask": False}

    def lose() -> None:
        end = time.monotonic() + 120
        while time.monotonic() < end:
            if len(list(scratch.glob("job-*/process"))) >= 2:  # both machines fill a window
                nodes.remove_node(nodes.lost, allow_graceful=False)
                return
            time.sleep(0.005)

    thread = threading.Thread(target=lose)
    thread.start()
    heard = Notes()
    over = api.remove_batch([long], "far.mp4", batch=BatchOptions(ray=nodes.address), events=heard, **words)
    thread.join()
    assert over.count("done") == 1
    assert [note for note in heard.notes if "was lost. It is tried again." in note]
    api.remove_batch([long], "near.mp4", batch=BatchOptions(jobs=1), **words)
    assert Path("far.mp4").read_bytes() == Path("near.mp4").read_bytes()


def test_how_many_tasks_a_machine_has_room_for() -> None:
    node = {"CPU": 9.0, "GPU": 2.0, "memory": 7e9}
    assert Requirements(2, 0, 1_000_000_000).room(node) == 4
    assert Requirements(2, 0, 3_000_000_000).room(node) == 2
    assert Requirements(1, 1, 0).room(node) == 2
    assert Requirements(10, 0, 0).room(node) == 0
    assert Requirements(1, 3, 0).room(node) == 0
    assert Requirements(1, 0, 8_000_000_000).room(node) == 0
    assert Requirements(1, 1, 0).room({"CPU": 2.0}) == 0


def test_paths_mean_the_same_on_another_machine(here: Path) -> None:
    (here / "w.safetensors").touch()
    words = {"mask": "m.png", "keyframe": ["4=k.png"], "weights": "w.safetensors", "grow": 3}
    assert module.absolute(words) == {
        "mask": here / "m.png",
        "keyframe": [f"4={here / 'k.png'}"],
        "weights": here / "w.safetensors",
        "grow": 3,
    }
    assert module.absolute({"keyframe": {4: Path("k.png")}}) == {"keyframe": [f"4={here / 'k.png'}"]}
    assert module.absolute({"keyframe": ["folder"]}) == {"keyframe": [str(here / "folder")]}


def test_ray_is_not_installed(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    (here / "a.mp4").touch()
    with pytest.raises(MissingPackage, match=r"vrm\[ray\]"):
        api.remove_batch(["a.mp4"], "b.mp4", batch=BatchOptions(ray="local"), mask="m.png")


def test_a_machine_that_does_not_see_the_file_or_has_another_vrm(here: Path) -> None:
    words: dict[str, Any] = {}
    tasks = [video_task(here / "none.mp4", here / "out.mp4", words)]
    tasks.append(window_task(here / "none.mp4", words, here, WindowTask(0, 0)))
    for task in tasks:
        error = module._perform(task.work)["result"]["error"]
        assert "does not find" in error["text"]
        assert error["exit_code"] == VideoError.exit_code
        assert "not 0.0.1" in module._perform(task.work | {"vrm": "0.0.1"})["result"]["error"]["text"]
    assert module._refusal(module.__version__, [str(here)]) is None


def test_what_engines_read_is_looked_for_before_a_video_is_split(here: Path) -> None:
    (here / "k.png").touch()
    assert module._read_by_engines({"engine": "keyframe", "keyframe": ["4=k.png", "5=none.png"]}) == ["k.png"]
