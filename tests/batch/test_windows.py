"""Windows filled by processes beside each other: whatever the engine, the bytes of one process."""

import dataclasses
import shutil

import cv2
import numpy as np
import pytest
import torch
from engines.savit_weights import small_savit

from vrm.batch.windows import Filler, files_made, files_to_send, write_files
from vrm.engines.internal import engine as internal
from vrm.engines.window_tasks import FinishedTask
from vrm.errors import OutOfMemory, VideoError
from vrm.events import Events
from vrm.nets.two_stream.model import TwoStreamConfig, TwoStreamGenerator
from vrm.options.remove import EngineOptions, MaskOptions, OutputOptions, RemoveOptions
from vrm.pipeline import remove
from vrm.weights.cards import save

SIZE = (64, 80)
FRAMES = 60


@pytest.fixture(autouse=True)
def small(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(internal, "STEPS", {"paper": 3})
    monkeypatch.setattr(internal, "WIDTH", {"paper": 8})


@pytest.fixture
def case(make_video, tmp_path):
    """A clip, and masks in three stretches that need a window each."""
    source = make_video(tmp_path / "in.mp4", size=SIZE, frames=FRAMES)
    (tmp_path / "masks").mkdir()
    for t in range(FRAMES):
        picture = np.zeros(SIZE, np.uint8)
        if t < 5 or 24 <= t < 28 or 50 <= t < 54:
            picture[20:36, 12 + t // 2 : 26 + t // 2] = 255
        cv2.imwrite(str(tmp_path / "masks" / f"{t:05d}.png"), picture)
    return source, tmp_path / "masks"


@pytest.fixture
def two_stream(tmp_path):
    torch.manual_seed(0)
    config = TwoStreamConfig(width=8, heads=4, grid=2, blocks=2)
    save(
        TwoStreamGenerator(config), tmp_path, name="small", licence="CC0-1.0", network="two-stream",
        settings=config.settings,
    )  # fmt: skip
    return str(tmp_path / "small.safetensors")


class Apart:
    """Does each task as another machine would: with nothing but the files that are sent, in any order of windows."""

    at_once = 2

    def __init__(self, tmp_path, options, source, fails=()):
        self.tmp_path, self.options, self.source, self.fails = tmp_path, options, source, fails
        self.tasks = []

    def close(self):
        self.closed = True

    def do(self, folder, tasks, note, progress):
        sent = files_to_send(folder)
        for task in sorted(tasks, key=lambda p: (p.window is not None, -(p.window or 0))):
            self.tasks.append(task)
            if task.window in self.fails:
                yield FinishedTask(task, None)
                continue
            away = self.tmp_path / f"away-{task.shot}-{task.window}"
            (away / "own").mkdir(parents=True)
            write_files(away, sent)
            filler = Filler(self.source, self.options, away, away / "own", Events())
            facts = filler.do(task)
            filler.close()
            made = files_made(away, set(sent))
            write_files(folder, made)
            if task.window is None:
                sent |= made
            shutil.rmtree(away)
            yield FinishedTask(task, facts)


def options(case, engine, **more):
    engine = EngineOptions(**{"threads": 1, "device": "cpu"} | engine)
    mask = MaskOptions(path=case[1], grow=3, feather=2)
    return RemoveOptions(mask=mask, engine=engine, output=OutputOptions(lossless=True), **more)


def both(case, tmp_path, engine, fails=(), report=None):
    """The report of the divided run, and who did it; its bytes are those of the plain one."""
    asked = options(case, engine)
    plain = remove(case[0], tmp_path / "plain.mkv", asked, Events())
    asked = dataclasses.replace(asked, report=report)
    apart = Apart(tmp_path, asked, case[0], fails)
    found = remove(case[0], tmp_path / "apart.mkv", asked, Events(), apart)
    assert (tmp_path / "apart.mkv").read_bytes() == (tmp_path / "plain.mkv").read_bytes()
    assert found.shots == plain.shots
    assert found.notes == plain.notes
    assert (found.device, found.dtype) == (plain.device, plain.dtype)
    return found, apart


@pytest.mark.parametrize("preset", ["fast", "balanced"])
def test_motion(case, tmp_path, preset):
    _, apart = both(case, tmp_path, {"preset": preset})
    assert [task.window for task in apart.tasks] == [2, 1, 0]
    assert list((tmp_path / "cache" / "vrm" / "scratch").iterdir()) == []


def test_the_internal_engine(case, tmp_path):
    _, apart = both(case, tmp_path, {"engine": "internal", "preset": "paper"})
    assert [task.window for task in apart.tasks] == [None, 2, 1, 0]
    assert list((tmp_path / "cache" / "vrm" / "scratch").iterdir()) == []


@pytest.mark.parametrize("preset", ["fast", "paper"])
def test_savit(case, tmp_path, preset):
    _, apart = both(case, tmp_path, {"engine": "savit", "preset": preset, "weights": small_savit()})
    assert [task.window for task in apart.tasks] == [2, 1, 0]


@pytest.mark.parametrize("preset", ["fast", "paper"])
def test_keyframes_that_are_given(case, tmp_path, preset):
    keys = []
    for t in (2, 26, 52):
        picture = np.full((*SIZE, 3), 3 * t, np.uint8)
        cv2.imwrite(str(tmp_path / f"key{t}.png"), picture)
        keys.append((t, tmp_path / f"key{t}.png"))
    both(case, tmp_path, {"engine": "keyframe", "preset": preset, "keyframes": tuple(keys), "weights": "none"})


@pytest.mark.parametrize("preset", ["fast", "paper"])
def test_keyframes_that_are_generated_are_made_once(case, tmp_path, preset, two_stream, monkeypatch):
    from vrm.engines.keyframe.generator import _Completion

    real, made = _Completion.complete, []
    monkeypatch.setattr(_Completion, "complete", lambda self, t, seen: made.append(t) or real(self, t, seen))
    found, apart = both(case, tmp_path, {"engine": "keyframe", "preset": preset, "weights": two_stream})
    assert [task.window for task in apart.tasks] == [None, 2, 1, 0]
    assert len(made) == 2 * len(set(made)), "once in each of the two runs"
    assert any("keyframes were generated" in note for note in found.notes)


def test_what_memory_forbids_elsewhere_is_done_here(case, tmp_path):
    _, apart = both(case, tmp_path, {"preset": "fast"}, fails=(1,))
    assert len(apart.tasks) == 3


def test_the_report_has_its_pictures(case, tmp_path):
    both(case, tmp_path, {"preset": "fast"}, report=tmp_path / "apart.html")
    remove(case[0], tmp_path / "again.mkv", options(case, {"preset": "fast"}, report=tmp_path / "plain.html"), Events())

    def pictures(name):
        return (tmp_path / name).read_text().count("<img")

    assert pictures("apart.html") == pictures("plain.html") > 0


def test_finished_windows_are_not_done_again(case, tmp_path):
    asked = options(case, {"preset": "fast"}, resume=True)

    class Stops(Apart):
        def do(self, folder, tasks, note, progress):
            for done in super().do(folder, tasks, note, progress):
                yield done
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        remove(case[0], tmp_path / "out.mkv", asked, Events(), Stops(tmp_path, asked, case[0]))
    apart = Apart(tmp_path, asked, case[0])
    remove(case[0], tmp_path / "out.mkv", asked, Events(), apart)
    assert [task.window for task in apart.tasks] == [1, 0]
    remove(case[0], tmp_path / "plain.mkv", options(case, {"preset": "fast"}), Events())
    assert (tmp_path / "out.mkv").read_bytes() == (tmp_path / "plain.mkv").read_bytes()


def test_another_file_under_the_same_name_is_refused(case, tmp_path, make_video):
    other = make_video(tmp_path / "other.mp4", size=SIZE, frames=FRAMES, rate=30)
    asked = options(case, {"preset": "fast"})
    with pytest.raises(VideoError, match="another file"):
        remove(case[0], tmp_path / "out.mkv", asked, Events(), Apart(tmp_path, asked, other))
    assert not (tmp_path / "out.mkv").exists()


def test_no_fallback_ends_where_memory_does(case, tmp_path, monkeypatch):
    asked = options(case, {"preset": "fast", "fallback": False})

    def short(self, window):
        raise MemoryError

    monkeypatch.setattr("vrm.engines.motion.PrefillSession.fill", short)
    with pytest.raises(OutOfMemory):
        remove(case[0], tmp_path / "out.mkv", asked, Events(), Apart(tmp_path, asked, case[0], (0, 1, 2)))
