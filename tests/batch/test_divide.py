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
from vrm.batch import divide as module
from vrm.batch.schedule import Schedule
from vrm.batch.windows import Part
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
    make_video(tmp_path / "long.mp4", frames=module.LEAST_FRAMES, size=SIZE)
    (tmp_path / "masks").mkdir()
    for t in range(module.LEAST_FRAMES):
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
    assert [note for note in heard.notes if "is done again" in note and "SIGKILL" in note]
    remove("one.mkv", threads=1)
    assert Path("two.mkv").read_bytes() == Path("one.mkv").read_bytes()
    assert list(Path("cache/vrm/scratch").iterdir()) == []


def test_what_fails_in_a_process_ends_the_work(long: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = module.perform

    def vanish(given: dict[str, Any], events: Events, workers: Any) -> dict[str, Any]:
        do = workers.do

        def later(*args: Any) -> Any:
            long.rename("gone.mp4")  # only the processes notice: this one has looked at it already
            yield from do(*args)

        workers.do = later
        return real(given, events, workers)

    monkeypatch.setattr(module, "perform", vanish)
    with pytest.raises(VideoError, match=r"long\.mp4"):
        remove("two.mkv", jobs=2, threads=2)
    assert not Path("two.mkv").exists()
    assert list(Path("cache/vrm/scratch").iterdir()) == []


def test_an_interrupt_ends_all_processes_and_leaves_nothing(long: Path, make_video: Callable[..., Path]) -> None:
    make_video(long, frames=module.LEAST_FRAMES, size=(480, 600))  # masks are enlarged with it
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


def test_short_videos_and_single_processes_are_not_divided(long: Path) -> None:
    jobs = api_plan("out.mkv")
    assert module.divide(jobs, WORDS, BatchOptions(jobs=1), print) is None
    assert module.divide(jobs * 2, WORDS, BatchOptions(jobs=2), print) is None
    short = api_plan("out.mkv", end="40f")
    assert module.divide(short, WORDS, BatchOptions(jobs=2), print) is None
    divided = module.divide(jobs, WORDS | {"threads": 4}, BatchOptions(jobs=2), print)
    assert divided is not None
    assert divided.words["threads"] == 2


def api_plan(output: str, **more: Any) -> Any:
    from vrm.batch.run import plan

    return plan(["long.mp4"], output, WORDS | more, BatchOptions(jobs=2), Events())


def test_windows_wait_until_their_shot_is_prepared() -> None:
    prepare, *windows = Part(0, None), Part(0, 0, 9), Part(0, 1, 9), Part(1, 0, 9)
    schedule = Schedule([prepare, *windows])
    assert [schedule.next(), schedule.next(), schedule.next()] == [prepare, windows[2], None]
    schedule.done(prepare)
    assert [schedule.next(), schedule.next(), schedule.next()] == [windows[0], windows[1], None]
    schedule.again(windows[0])
    assert schedule.next() == windows[0]
    for part in windows:
        assert schedule.open
        schedule.done(part)
    assert not schedule.open


def test_a_shot_that_cannot_be_prepared_is_left_whole() -> None:
    prepare, *windows = Part(0, None), Part(0, 0), Part(1, 0)
    schedule = Schedule([prepare, *windows])
    assert schedule.next() == prepare
    schedule.leave(prepare)
    assert [schedule.next(), schedule.next()] == [windows[1], None]
    schedule.leave(windows[1])
    assert not schedule.open
