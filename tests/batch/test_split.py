"""One long video in several processes of this machine: same bytes, whatever happens to a process."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from vrm import api
from vrm.batch.local import LocalExecutor
from vrm.batch.run import _executor, plan
from vrm.batch.split import LEAST_FRAMES, WindowWorkers
from vrm.errors import VideoError
from vrm.events import Events
from vrm.options.batch import BatchOptions

SIZE = (64, 80)
WORDS: dict[str, Any] = {"mask": "masks", "preset": "fast", "device": "cpu", "lossless": True}


class Heard(Events):
    """Keeps notes and how far stages are."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.done_of: dict[str, int] = {}

    def note(self, text: str) -> None:
        self.notes.append(text)

    def advance(self, name: str, n: int = 1) -> None:
        self.done_of[name] = self.done_of.get(name, 0) + n


@pytest.fixture
def long(tmp_path: Path, make_video: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A video with masks in four stretches."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    make_video(tmp_path / "long.mp4", frames=LEAST_FRAMES, size=SIZE)
    (tmp_path / "masks").mkdir()
    for t in range(LEAST_FRAMES):
        picture = np.zeros(SIZE, np.uint8)
        if t % 19 < 4:
            picture[20:36, 12 + t // 2 : 26 + t // 2] = 255
        cv2.imwrite(str(tmp_path / "masks" / f"{t:05d}.png"), picture)
    return tmp_path / "long.mp4"


def remove(output: str, events: Events | None = None, jobs: int | None = None, **more: Any) -> Any:
    words = WORDS | more
    batch = BatchOptions(jobs=jobs)
    return api.remove_batch(["long.mp4"], output, batch=batch, events=events or Events(), **words)


def test_two_processes_give_the_bytes_of_one(long: Path) -> None:
    heard = Heard()
    summary = remove("two.mkv", heard, jobs=2, threads=2, report="two.json")
    remove("one.mkv", threads=1)
    assert Path("two.mkv").read_bytes() == Path("one.mkv").read_bytes()
    assert summary.outcomes[0].status == "done"
    assert heard.done_of["fill"] == 15
    assert '"threads": 1' in Path("two.json").read_text()
    assert list(Path("cache/vrm/scratch").iterdir()) == []


def test_a_process_that_dies_costs_only_time(long: Path) -> None:
    killed: list[int] = []

    def kill() -> None:
        end = time.monotonic() + 60
        while time.monotonic() < end and not killed:
            for folder in Path("cache").glob("vrm/scratch/job-*/process-*"):
                killed.append(int(folder.name.removeprefix("process-")))
                os.kill(killed[0], signal.SIGKILL)
                return
            time.sleep(0.005)

    thread = threading.Thread(target=kill)
    thread.start()
    heard = Heard()
    remove("two.mkv", heard, jobs=2, threads=2)
    thread.join()
    assert killed
    assert [note for note in heard.notes if "is tried again" in note and "SIGKILL" in note]
    remove("one.mkv", threads=1)
    assert Path("two.mkv").read_bytes() == Path("one.mkv").read_bytes()
    assert list(Path("cache/vrm/scratch").iterdir()) == []


def test_what_fails_in_a_process_ends_the_work(long: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    do = WindowWorkers.do

    def later(self: WindowWorkers, *args: Any) -> Any:
        long.rename("gone.mp4")  # only the processes notice: this one has looked at it already
        yield from do(self, *args)

    monkeypatch.setattr(WindowWorkers, "do", later)
    with pytest.raises(VideoError, match=r"long\.mp4"):
        remove("two.mkv", jobs=2, threads=2)
    assert not Path("two.mkv").exists()
    assert list(Path("cache/vrm/scratch").iterdir()) == []


def test_an_interrupt_ends_all_processes_and_leaves_nothing(long: Path, make_video: Callable[..., Path]) -> None:
    make_video(long, frames=LEAST_FRAMES, size=(480, 600))  # masks are enlarged with it
    line = "remove long.mp4 -o two.mkv --mask masks --preset fast --device cpu --threads 2 --jobs 2"
    heard = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # background jobs are deaf to it
    command = [sys.executable, "-m", "vrm", *line.split()]
    begun = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heard)
    end = time.monotonic() + 60
    while not (found := list(Path("cache").glob("vrm/scratch/job-*/process-*"))) and time.monotonic() < end:
        time.sleep(0.005)
    begun.send_signal(signal.SIGINT)
    said = begun.communicate(timeout=60)[1]
    assert begun.returncode == 130, said
    for folder in found:
        with pytest.raises(ProcessLookupError):
            os.kill(int(folder.name.removeprefix("process-")), 0)
    assert not Path("two.mkv").exists()
    assert "Traceback" not in said
    assert list(Path("cache/vrm/scratch").iterdir()) == []


def test_short_videos_and_single_processes_are_not_split(long: Path) -> None:
    def split(jobs: int = 2, videos: int = 1, **more: Any) -> bool:
        planned = plan(["long.mp4"], "out.mkv", WORDS | more, BatchOptions(jobs=2), Events())
        return _executor(planned * videos, WORDS, BatchOptions(jobs=jobs), Events())[1]

    assert not split(jobs=1)
    assert not split(videos=2)
    assert not split(end="40f")
    assert split()


def test_the_process_that_hands_out_works_as_one_of_the_others(long: Path) -> None:
    planned = plan(["long.mp4"], "out.mkv", WORDS, BatchOptions(jobs=2), Events())
    executor, _ = _executor(planned, WORDS | {"threads": 4, "memory": 6.0}, BatchOptions(jobs=2), Events())
    assert isinstance(executor, LocalExecutor)
    assert executor.at_once == 2
    assert executor.options_here(WORDS) == WORDS | {"threads": 2, "memory": 3.0}
