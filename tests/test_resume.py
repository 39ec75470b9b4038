"""A job that is interrupted goes on where it was, and ends in the same bytes; what it leaves is private and cleared."""

import dataclasses
import importlib.util
import json
import os
import random
import stat
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from vrm.cli.main import run as command
from vrm.engines.internal import engine as internal
from vrm.engines.runner import EngineRunner, lower
from vrm.errors import OutOfMemory, OutputError, UsageError
from vrm.events import Events
from vrm.job import checkpoints as kept
from vrm.job import clean as housekeeping
from vrm.job import scratch
from vrm.options.remove import EngineOptions, MaskOptions, OutputOptions, RemoveOptions
from vrm.pipeline import remove
from vrm.shots.patch_store import Extra, PatchStore
from vrm.shots.windows import Window
from vrm.types import Masks, Patch

SIZE = (64, 80)
FRAMES = 44


def load_benchmark(name):
    path = Path(__file__).parents[1] / "benchmarks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "vrm"


@pytest.fixture
def case(make_video, tmp_path):
    """A clip, and masks in two stretches that need a window each."""
    source = make_video(tmp_path / "in.mp4", size=SIZE, frames=FRAMES)
    masks = tmp_path / "masks"
    masks.mkdir()
    for t in range(FRAMES):
        picture = np.zeros(SIZE, np.uint8)
        if t < 6 or 26 <= t < 32:
            picture[20:36, 12 + t : 26 + t] = 255
        cv2.imwrite(str(masks / f"{t:05d}.png"), picture)
    return source, masks


def work(case, target, preset="fast", resume=True, events=None, mask=None, engine=None, **more):
    source, masks = case
    own = {"engine": "internal"} if preset == "paper" else {}
    options = RemoveOptions(
        mask=MaskOptions(path=masks, grow=3, feather=2, **(mask or {})),
        engine=EngineOptions(preset=preset, threads=1, **(own | (engine or {}))),
        output=OutputOptions(lossless=True),
        resume=resume,
        **more,
    )
    return remove(source, target, options, events or Events())


def states(cache):
    return sorted(p.name.rpartition("-")[0] for p in (cache / "scratch").iterdir())


class Stop(BaseException):
    """As sudden as Ctrl-C."""


@pytest.fixture
def stop_after(monkeypatch):
    """Interrupt the work once so many windows are kept."""

    def arrange(windows):
        real = PatchStore.add
        added = []

        def add(self, window, patches, extra=None):
            real(self, window, patches, extra)
            added.append(window)
            if len(added) == windows:
                monkeypatch.setattr(PatchStore, "add", real)
                raise Stop

        monkeypatch.setattr(PatchStore, "add", add)
        return added

    return arrange


def test_an_interrupted_job_goes_on_and_ends_in_the_same_bytes(case, cache, tmp_path, stop_after):
    work(case, tmp_path / "plain.mkv", resume=False)
    stop_after(1)
    with pytest.raises(Stop):
        work(case, tmp_path / "out.mkv")
    assert states(cache) == ["resume"]
    assert not (tmp_path / "out.mkv").exists()
    filled = stop_after(99)
    report = work(case, tmp_path / "out.mkv", report=tmp_path / "out.json")
    assert [w.start for w in filled] == [26], "the first window was filled again"
    assert (tmp_path / "out.mkv").read_bytes() == (tmp_path / "plain.mkv").read_bytes()
    assert any(note.startswith("Resumed") for note in report.notes)
    assert [f["frame"] for f in json.loads((tmp_path / "out.json").read_text())["shots"][0]["frames"]] == [
        *range(6),
        *range(26, 32),
    ]
    assert states(cache) == []


def test_without_resume_nothing_stays(case, cache, tmp_path, stop_after):
    stop_after(1)
    with pytest.raises(Stop):
        work(case, tmp_path / "out.mkv", resume=False)
    assert states(cache) == []


@pytest.mark.parametrize("what", ["window", "facts"])
def test_a_damaged_state_is_done_again(case, cache, tmp_path, stop_after, what):
    work(case, tmp_path / "plain.mkv", resume=False)
    stop_after(2)
    with pytest.raises(Stop):
        work(case, tmp_path / "out.mkv")
    pattern = "resume-*/windows/window-0-*.npz" if what == "window" else "resume-*/facts.json"
    (file,) = (cache / "scratch").glob(pattern)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.write_bytes(data)
    filled = stop_after(99)
    report = work(case, tmp_path / "out.mkv")
    assert [w.start for w in filled] == ([0] if what == "window" else [0, 26])
    assert (tmp_path / "out.mkv").read_bytes() == (tmp_path / "plain.mkv").read_bytes()
    if what == "facts":
        assert any("could not be read" in note for note in report.notes)


def test_a_stale_state_is_discarded_with_a_word(case, cache, tmp_path, stop_after):
    stop_after(1)
    with pytest.raises(Stop):
        work(case, tmp_path / "out.mkv")
    mask = case[1] / "00003.png"
    picture = cv2.imread(str(mask), 0)
    cv2.imwrite(str(mask), np.roll(picture, 5, 0))
    filled = stop_after(99)
    report = work(case, tmp_path / "out.mkv", engine={"seed": 4})
    assert [w.start for w in filled] == [0, 26]
    (note,) = [note for note in report.notes if "discarded" in note]
    assert "the mask" in note
    assert "options for the engine" in note
    assert states(cache) == []


def test_another_output_and_another_codec_go_on_from_the_same_windows(case, cache, tmp_path, stop_after):
    stop_after(2)
    with pytest.raises(Stop):
        work(case, tmp_path / "out.mkv")
    filled = stop_after(99)
    work(case, tmp_path / "other.mkv")
    assert filled == []


def test_two_processes_do_not_share_a_state(case, cache, tmp_path, stop_after):
    stop_after(1)
    with pytest.raises(Stop):
        work(case, tmp_path / "out.mkv")
    (folder,) = (cache / "scratch").iterdir()
    claim = scratch.Claim.on(folder)
    with pytest.raises(UsageError, match="is being worked on already, for the same output"):
        work(case, tmp_path / "out.mkv")
    report = work(case, tmp_path / "other.mkv")
    assert any("Another process" in note for note in report.notes)
    assert folder.exists()
    claim.release()


def test_a_killed_job_s_half_output_goes_when_it_is_resumed(case, cache, tmp_path, stop_after):
    stop_after(1)
    with pytest.raises(Stop):
        work(case, tmp_path / "out.mkv")
    (folder,) = (cache / "scratch").iterdir()
    about = scratch.description(folder)
    (folder / scratch.ABOUT).write_text(json.dumps(about | {"pid": 999_999_999}))
    half, other = tmp_path / ".out.mkv.999999999.part", tmp_path / ".else.mkv.999999999.part"
    half.write_bytes(b"half")
    other.write_bytes(b"somebody else's")
    work(case, tmp_path / "out.mkv")
    assert not half.exists()
    assert other.exists()


def test_followed_masks_and_cuts_are_kept(case, cache, tmp_path, stop_after, monkeypatch):
    source, masks = case
    one = source, masks / "00000.png"
    plain = work(one, tmp_path / "plain.mkv", resume=False)
    stop_after(1)
    with pytest.raises(Stop):
        work(one, tmp_path / "out.mkv")

    def refuse(*args, **more):
        raise AssertionError("found anew")

    monkeypatch.setattr("vrm.selection.resolve.track_mask", refuse)
    monkeypatch.setattr("vrm.job.context.find_shots", refuse)
    report = work(one, tmp_path / "out.mkv")
    assert (tmp_path / "out.mkv").read_bytes() == (tmp_path / "plain.mkv").read_bytes()
    assert set(plain.notes) <= set(report.notes)


# --- the fit ----------------------------------------------------------------------------------------------------


@pytest.fixture
def small_fits(monkeypatch):
    monkeypatch.setattr(internal, "MEMORY_STEPS", {"paper": 12})
    monkeypatch.setattr(internal, "MEMORY_WIDTH", {"paper": 8})


def test_a_fit_goes_on_from_its_checkpoint(case, cache, tmp_path, small_fits, monkeypatch):
    preset = "paper"
    work(case, tmp_path / "plain.mkv", preset, resume=False)
    monkeypatch.setattr(kept, "APART", 0.0)  # after every step
    steps = []

    class Breaking(Events):
        def advance(self, name, n=1):
            if name == "fit":
                steps.append(n)
                if len(steps) == 9:
                    raise Stop

    with pytest.raises(Stop):
        work(case, tmp_path / "out.mkv", preset, events=Breaking())
    steps[:] = range(100)  # no more
    begun = len(steps)
    work(case, tmp_path / "out.mkv", preset, events=Breaking())
    assert (tmp_path / "out.mkv").read_bytes() == (tmp_path / "plain.mkv").read_bytes()
    assert len(steps) - begun < 12, "the fit began anew"
    assert states(cache) == []


def test_a_damaged_checkpoint_counts_as_none(tmp_path):
    half = kept.HalfFit(tmp_path / "a.half")
    assert half.read() is None
    half.write({"a": torch.ones(3), "text": "b", "numbers": [1, 2.5]})
    assert half.read()["numbers"] == [1, 2.5]
    data = half.path.read_bytes()
    for end in (0, 10, len(data) // 2):
        half.path.write_bytes(data[:end])
        assert half.read() is None


def test_checkpoints_do_not_mind_the_clock(tmp_path):
    clock = iter([100.0, 50.0, 90.0, 100.0 + kept.APART])
    half = kept.HalfFit(tmp_path / "a.half", lambda: next(clock))
    assert [half.due for _ in range(3)] == [False, False, True]


# --- windows on disk --------------------------------------------------------------------------------------------


def test_windows_come_back_as_they_were(tmp_path):
    rng = np.random.default_rng(0)

    def made(start, stop, dtype):
        return {t: Patch((1, 2, 5, 8), rng.integers(0, 250, (4, 6, 3)).astype(dtype)) for t in range(start, stop)}

    windows = [Window(0, 8, 0, 20), Window(4, 12, 0, 20)]
    first = PatchStore(tmp_path, durable=True)
    extra = Extra({"covered": [1]}, {"map 3": np.arange(6).reshape(2, 3)})
    for window in windows:
        first.add(window, made(window.start, window.stop, np.uint16), extra)
    second = PatchStore(tmp_path)
    for window in windows:
        found = second.finished(window)
        assert found.facts == {"covered": [1]}
        assert np.array_equal(found.arrays["map 3"], [[0, 1, 2], [3, 4, 5]])
    assert second.finished(Window(0, 8, 0, 21)) is None, "another context, another window"
    for t in range(12):
        assert first[t].box == second[t].box
        assert np.array_equal(first[t].rgb, second[t].rgb)
    assert [p.name for p in tmp_path.iterdir() if p.suffix == ".part"] == []


def test_packed_masks_are_checked():
    masks = Masks((4, 6), 3)
    mask = np.zeros((4, 6), bool)
    mask[1:3, 2:5] = True
    masks[1] = mask
    other = Masks((4, 6), 3)
    other.put_packed(2, *masks.packed(1))
    assert np.array_equal(other[2], mask)
    with pytest.raises(ValueError, match="no box"):
        Masks((2, 2), 1).put_packed(0, *masks.packed(1))
    with pytest.raises(ValueError, match="do not fill"):
        other.put_packed(0, (0, 0, 4, 6), masks.packed(1)[1])


# --- memory -----------------------------------------------------------------------------------------------------


def test_the_steps_down_are_windows_then_half_precision_then_the_processor():
    asked = EngineOptions(device="cuda")
    one = lower(asked, asked, "cuda:0", "bf16")
    assert one.options.memory_gb == 1.5
    two = lower(one.options, asked, "cuda:0", "bf16")
    assert (two.options.device, two.options.memory_gb) == ("cpu", None)
    on_mps = lower(dataclasses.replace(asked, memory_gb=1), asked, "mps", "fp32")
    assert (on_mps.options.device, on_mps.options.dtype) == ("cuda", "fp16")
    three = lower(two.options, asked, "cpu", "fp32")
    four = lower(three.options, asked, "cpu", "fp32")
    assert (three.options.memory_gb, four.options.memory_gb) == (1.5, 1.0)
    assert lower(four.options, asked, "cpu", "fp32") is None


class Short:
    """Fails for want of memory at chosen windows, so many times, as torch words it."""

    def __init__(self, real, times):
        self.real, self.times = real, times

    def __call__(self, session, window):
        if self.times.get(window.start, 0):
            self.times[window.start] -= 1
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return self.real(session, window)


def test_where_memory_runs_out_the_work_goes_on_with_less(case, cache, tmp_path, monkeypatch):
    real = internal.PrefillSession.fill
    monkeypatch.setattr(internal.PrefillSession, "fill", lambda s, w: short(s, w))
    short = Short(real, {26: 2})
    report = work(case, tmp_path / "out.mkv", resume=False)
    said = [note for note in report.notes if "Memory ran out at frame 26" in note]
    assert [note.rpartition(" with ")[2] for note in said] == [
        "windows and caches of 1.5 GB.",
        "windows and caches of 1 GB.",
    ]
    assert report.masked_frames == 12
    short = Short(real, {26: 3})
    with pytest.raises(OutOfMemory, match="The machine ran out of memory"):
        work(case, tmp_path / "none.mkv", resume=False)
    short = Short(real, {0: 1})
    with pytest.raises(OutOfMemory, match="no-fallback") as raised:
        work(case, tmp_path / "none.mkv", resume=False, engine={"fallback": False})
    assert raised.value.exit_code == 6
    assert not (tmp_path / "none.mkv").exists()


def test_a_resumed_job_takes_the_same_steps_down(case, cache, tmp_path, monkeypatch, stop_after):
    real = internal.PrefillSession.fill
    used = []
    monkeypatch.setattr(internal.PrefillSession, "fill", lambda s, w: short(s, w))
    monkeypatch.setattr(
        "vrm.engines.runner.create_engine", lambda o: used.append(o.memory_gb) or internal.InternalEngine(o)
    )
    short = Short(real, {0: 1})
    work(case, tmp_path / "plain.mkv", resume=False)
    short = Short(real, {0: 1})
    stop_after(1)
    with pytest.raises(Stop):
        work(case, tmp_path / "out.mkv")
    used.clear()
    work(case, tmp_path / "out.mkv")
    assert used == [None, 1.5], "memory is there now, but the first run stepped down here"
    assert (tmp_path / "out.mkv").read_bytes() == (tmp_path / "plain.mkv").read_bytes()


def full(real, room):
    """``create_engine`` on a device that has room for nothing that ``room(options)`` denies."""

    def create(options):
        if not room(options):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return real(options)

    return create


def in_turn(first, others):
    """``create_engine`` that does one thing when it is first called, and another from then on."""
    calls = []

    def create(options):
        calls.append(options)
        return (first if len(calls) == 1 else others)(options)

    return create


def test_a_device_without_room_for_the_network_is_left(case, cache, tmp_path, monkeypatch, stop_after):
    work(case, tmp_path / "plain.mkv", resume=False)
    real = internal.InternalEngine
    monkeypatch.setattr("vrm.engines.runner.create_engine", full(real, lambda o: o.device == "cpu"))
    stop_after(1)
    with pytest.raises(Stop):
        work(case, tmp_path / "out.mkv")
    used = []
    monkeypatch.setattr("vrm.engines.runner.create_engine", lambda o: used.append(o.device) or real(o))
    report = work(case, tmp_path / "out.mkv")
    assert used == ["cpu"], "there is room now, but the first run had none"
    assert any("no room for the network" in note for note in report.notes)
    assert (tmp_path / "out.mkv").read_bytes() == (tmp_path / "plain.mkv").read_bytes()
    assert states(cache) == []
    monkeypatch.setattr("vrm.engines.runner.create_engine", full(real, lambda o: o.device == "cpu"))
    with pytest.raises(OutOfMemory, match="no room for the network, and --no-fallback"):
        work(case, tmp_path / "none.mkv", resume=False, engine={"fallback": False})
    monkeypatch.setattr("vrm.engines.runner.create_engine", full(real, lambda o: False))
    with pytest.raises(OutOfMemory):
        work(case, tmp_path / "none.mkv", resume=False)


def test_steps_on_which_not_even_the_network_finds_room_are_passed(case, cache, tmp_path, monkeypatch):
    fill = internal.PrefillSession.fill
    monkeypatch.setattr(internal.PrefillSession, "fill", lambda s, w: short(s, w))
    short = Short(fill, {26: 1})
    real = internal.InternalEngine
    monkeypatch.setattr("vrm.engines.runner.create_engine", in_turn(real, full(real, lambda o: o.memory_gb == 1.0)))
    report = work(case, tmp_path / "out.mkv", resume=False)
    said = [note.rpartition(" with ")[2] for note in report.notes if "Memory ran out at frame 26" in note]
    assert said == ["windows and caches of 1.5 GB.", "windows and caches of 1 GB."]
    short = Short(fill, {26: 1})
    monkeypatch.setattr("vrm.engines.runner.create_engine", in_turn(real, full(real, lambda o: False)))
    with pytest.raises(OutOfMemory, match="The machine ran out of memory"):
        work(case, tmp_path / "none.mkv", resume=False)


def test_a_full_device_ends_with_the_processor(case, cache, tmp_path, monkeypatch):
    """As on a GPU, whose engine says so: windows, half precision, the processor, whatever can be made of them."""
    fill = internal.PrefillSession.fill
    monkeypatch.setattr(internal.PrefillSession, "fill", lambda s, w: short(s, w))
    short = Short(fill, {26: 1})
    real = internal.InternalEngine

    def on_gpu(options):
        engine = real(dataclasses.replace(options, device="cpu", dtype="fp32"))
        engine.device, engine.dtype = "cuda:0", "fp32"
        return engine

    monkeypatch.setattr("vrm.engines.runner._half", lambda device: "fp16")

    monkeypatch.setattr("vrm.engines.runner.create_engine", in_turn(on_gpu, full(real, lambda o: o.device == "cpu")))
    report = work(case, tmp_path / "out.mkv", resume=False)
    said = [note.rpartition(" with ")[2] for note in report.notes if "Memory ran out at frame 26" in note]
    assert said == ["windows and caches of 1.5 GB.", "half precision.", "the processor."]
    assert report.device == "cpu"


def test_what_is_no_shortage_is_not_tried_again(case, cache, tmp_path, monkeypatch):
    def fail(self, window):
        raise ValueError("a bug")

    monkeypatch.setattr(internal.PrefillSession, "fill", fail)
    monkeypatch.setattr(EngineRunner, "_step_down", lambda *_: pytest.fail("stepped down"))
    with pytest.raises(ValueError, match="a bug"):
        work(case, tmp_path / "out.mkv", resume=False)


# --- scratch, and vrm clean -------------------------------------------------------------------------------------


def test_scratch_is_private_and_abandoned_folders_are_swept(cache):
    with scratch.scratch_folder({"input": "a.mp4"}) as folder:
        for place in (folder, folder.parent):
            assert stat.S_IMODE(place.stat().st_mode) == 0o700
        (folder / "x").write_bytes(bytes(1000))
        scratch.sweep()
        assert folder.exists(), "it is in use"
        (entry,) = scratch.entries()
        assert (entry.state, entry.about["input"]) == ("running", "a.mp4")
        assert entry.bytes >= 1000
        assert not scratch.discard(folder)
    assert not folder.exists()
    left = folder.parent / "job-left"
    left.mkdir()
    (left / "y").write_text("z")
    scratch.sweep()
    assert [e.state for e in scratch.entries()] == ["running"], "an older vrm's, which takes no lock"
    (left / scratch.LOCK).touch()
    assert [e.state for e in scratch.entries()] == ["abandoned"]
    scratch.sweep()
    assert not left.exists()
    left.mkdir()
    (left / "y").write_text("z")
    for path in (left / "y", left):
        os.utime(path, (1e9, 1e9))
    scratch.sweep()
    assert not left.exists()


def test_an_open_scratch_folder_is_closed(cache):
    (cache / "scratch").mkdir(parents=True)
    (cache / "scratch").chmod(0o777)
    assert stat.S_IMODE(scratch.scratch_root().stat().st_mode) == 0o700


def test_clean_shows_and_removes(case, cache, tmp_path, stop_after, capsys):
    stop_after(1)
    with pytest.raises(Stop):
        work(case, tmp_path / "out.mkv")
    (cache / "fits" / "abc").mkdir(parents=True)
    (cache / "fits" / "abc" / "best-0.safetensors").write_bytes(bytes(5000))
    (cache / "weights").mkdir()
    for ending in ("safetensors", "json"):
        (cache / "weights" / f"toy.{ending}").write_bytes(bytes(3000))
    assert command(["clean"]) == 0
    said = capsys.readouterr().out
    assert f"interrupted: {case[0]} to {tmp_path / 'out.mkv'}" in said
    assert "fits: 5.0 kB" in said
    assert command(["clean", "--all", "--older-than", "1h", "--json"]) == 0
    assert not any(item["removed"] for item in json.loads(capsys.readouterr().out))
    (folder,) = (cache / "scratch").iterdir()
    claim = scratch.Claim.on(folder)
    assert command(["clean", "--scratch", "--fits"]) == 0
    said = capsys.readouterr().out
    assert "running" in said
    assert folder.exists(), "a running job's"
    claim.release()
    assert not (cache / "fits" / "abc").exists()
    assert (cache / "weights" / "toy.safetensors").exists()
    assert command(["clean", "--all"]) == 0
    assert not folder.exists()
    assert list((cache / "weights").iterdir()) == []
    assert command(["clean", "--older-than", "soon"]) == 2


def test_ages():
    assert housekeeping.age("30m") == 1800
    assert housekeeping.age("1.5d") == 129_600
    with pytest.raises(UsageError, match="no age"):
        housekeeping.age("7 weeks")


def test_a_foreign_scratch_folder_is_refused(cache, monkeypatch):
    (cache / "scratch").mkdir(parents=True)
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.raises(OutputError, match="belongs to somebody else"):
        scratch.scratch_root()


# --- killed for good --------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_killed_and_resumed_gives_the_same_bytes(tmp_path):
    """The short version of ``benchmarks/kill.py``."""
    kill = load_benchmark("kill")
    random.seed(5)
    words = [*kill.make_case(tmp_path / "case", shots=1), "--preset", "fast"]
    source = tmp_path / "case" / "in.mp4"
    plain = kill.run([str(source), *words, "-o", str(tmp_path / "plain.mp4")], tmp_path / "cache")
    assert plain.code == 0, plain.text
    truth = kill.digest(tmp_path / "plain.mp4")
    for n, stage in enumerate(["motion", "write"]):
        outcome = kill.survive(source, words, tmp_path / f"run{n}", truth, [(None, stage)])
        assert outcome.killed
        assert outcome.wrong == ""
