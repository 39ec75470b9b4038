"""Full, closed and vanishing disks, real ones where possible: one sentence, exit code 8 or 3, nothing left behind."""

import contextlib
import errno
import os
import subprocess
import time
from http.client import IncompleteRead

import cv2
import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from vrm.cli.main import run as command
from vrm.errors import MaskError, OutOfMemory, OutputError, VideoError, WeightsError
from vrm.events import Events
from vrm.job import preflight
from vrm.job.checkpoints import FitFolder, HalfFit, Kept
from vrm.media.read.probe import probe
from vrm.options.remove import EngineOptions, MaskOptions, OutputOptions, RemoveOptions
from vrm.pipeline import remove
from vrm.shots.patch_store import PatchStore
from vrm.shots.windows import Window
from vrm.system import files as disk
from vrm.train.checkpoint import Checkpoint
from vrm.types import Masks, Patch
from vrm.weights import download as bring

SIZE = (64, 80)
FRAMES = 24


@pytest.fixture
def tmpfs(tmp_path):
    """``tmpfs(kilobytes)``: a folder on a disk of that size."""
    mounted = []

    def make(kilobytes):
        folder = tmp_path / f"small{len(mounted)}"
        folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("this machine does not allow mounting")
        mounted.append(folder)
        return folder

    yield make
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)


@pytest.fixture
def clip(make_video, tmp_path):
    source = make_video(tmp_path / "in.mp4", size=SIZE, frames=FRAMES)
    mask = np.zeros(SIZE, np.uint8)
    mask[20:40, 30:50] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    return source, tmp_path / "mask.png"


def work(clip, target, **more):
    output = {k: more.pop(k) for k in ("lossless", "overwrite") if k in more}
    masked = {k: more.pop(k) for k in ("save_to",) if k in more}
    options = RemoveOptions(
        mask=MaskOptions(path=clip[1], static=True, **masked),
        engine=EngineOptions(preset=more.pop("preset", "fast"), threads=1),
        output=OutputOptions(**output),
        **more,
    )
    return remove(clip[0], target, options, Events())


def files(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and p.name != "scratch.lock")


@pytest.mark.parametrize("resume", [False, True])
def test_scratch_of_any_size_is_enough_or_said_to_be_too_small(clip, tmpfs, tmp_path, monkeypatch, resume):
    """From a disk that takes nothing to one that takes all: whatever write fails, it is one sentence."""
    monkeypatch.setattr(preflight, "check_disk", lambda *_: None)
    ended: list[str] = []
    for kilobytes in (4, 40, 200, 520, 640, 800, 1000, 1400, 2400):
        small = tmpfs(kilobytes)
        monkeypatch.setenv("XDG_CACHE_HOME", str(small))
        target = tmp_path / f"out{kilobytes}.mp4"
        said = "done"
        try:
            work(clip, target, resume=resume)
        except OutputError as error:
            said = str(error)
        ended.append(said)
        assert "\n" not in said
        assert target.exists() == (said == "done")
        assert resume or files(small) == []
    assert ended[0] != "done"
    assert ended[-1] == "done"
    assert all("full" in words for words in ended if words != "done"), ended
    assert len(set(ended)) > 2, "several kinds of writes were met"
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("what", ["video", "frames", "masks", "report", "keyframes"])
def test_an_output_that_does_not_fit_leaves_nothing(clip, tmpfs, tmp_path, monkeypatch, what):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(preflight, "check_output_disk", lambda *_: None)
    small = tmpfs(8)
    more = {
        "video": {"target": small / "out.mkv", "lossless": True},
        "masks": {"save_to": small / "masks"},
        "report": {"report": small / "report.html"},
        "keyframes": {"export_keyframes": small / "keys"},
        "frames": {"target": small / "frames"},
    }[what]
    if what == "frames":
        (tmp_path / "source").mkdir()
        rng = np.random.default_rng(0)
        for t in range(3):
            cv2.imwrite(str(tmp_path / "source" / f"{t}.png"), rng.integers(0, 255, (*SIZE, 3)).astype(np.uint8))
        clip = tmp_path / "source", clip[1]
    with pytest.raises(OutputError, match="full") as raised:
        work(clip, more.pop("target", tmp_path / "out.mp4"), **more)
    assert raised.value.exit_code == 8
    assert files(small) == []
    assert not list(small.iterdir())
    assert files(tmp_path / "cache") == []


def test_the_command_ends_with_eight_in_one_line(clip, tmpfs, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmpfs(600)))
    words = ["remove", str(clip[0]), "--mask", str(clip[1]), "--static-mask", "--preset", "fast", "--threads", "1"]
    assert command([*words, "-o", str(tmp_path / "out.mp4")]) == 8
    said = capfd.readouterr().err.splitlines()
    assert len([line for line in said if line.startswith("vrm:")]) == 1
    assert not any("Traceback" in line for line in said)


def test_too_little_room_is_said_before_the_work(clip, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("vrm.engines.runner.EngineRunner.windows", lambda *_: pytest.fail("work began"))
    monkeypatch.setattr(preflight, "free_bytes", lambda place: 100_000)
    with pytest.raises(OutputError, match=r"Scratch needs about .* MB, and 0 MB|Scratch needs about"):
        work(clip, tmp_path / "out.mp4")
    monkeypatch.setattr(preflight, "free_bytes", lambda place: 10)
    with pytest.raises(OutputError, match="The output needs about"):
        work(clip, tmp_path / "out.mp4")


def test_estimates_grow_with_what_is_asked(clip, tmp_path):
    info = probe(clip[0])
    seen = []

    def needed(masked):
        masks = Masks(info.size, info.n_frames)
        picture = np.zeros(info.size, bool)
        picture[10:40, 10:60] = True
        for t in range(masked):
            masks[t] = picture
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(preflight, "_enough", lambda count, *_: seen.append(count))
            preflight.check_disk(info, tmp_path / "none", masks, [(0, info.n_frames)])
        return seen[-1]

    patch, fill = 30 * 50 * 3, 30 * 50 * 41
    assert needed(10) - needed(4) == 6 * (patch + fill)


def test_a_bound_that_cannot_be_kept_is_refused_with_the_least_that_can():
    info = probe_like(2160, 3840)
    options = RemoveOptions(engine=EngineOptions(memory_gb=1))
    with pytest.raises(
        OutOfMemory, match=r"3840x2160 cannot be worked on in --memory 1 .*The least .* --memory"
    ) as raised:
        preflight.check_memory(info, options)
    least = float(str(raised.value).rpartition("--memory ")[2].rstrip("."))
    preflight.check_memory(info, RemoveOptions(engine=EngineOptions(memory_gb=least)))
    assert 1 < least <= 4, "4K is to be worked on in 4 GB"
    preflight.check_memory(info, RemoveOptions())


def probe_like(height, width):
    class Info:
        bit_depth = 8

    Info.height, Info.width = height, width
    return Info()


# --- read-only, vanished, jumping -------------------------------------------------------------------------------


def test_a_read_only_disk_is_said_before_the_work(clip, tmpfs, tmp_path):
    small = tmpfs(1000)
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    with pytest.raises(OutputError, match=r"[Rr]ead-only"):
        work(clip, small / "out.mp4")
    assert files(small) == []


class Interfering(Events):
    """Does something once, when a stage begins."""

    def __init__(self, stage, act):
        self.name, self.act = stage, act

    def stage(self, name, total):
        if name == self.name and self.act is not None:
            act, self.act = self.act, None
            act()


@pytest.mark.parametrize("stage", ["look for cuts", "motion", "write"])
@pytest.mark.parametrize("how", ["deleted", "emptied"])
def test_an_input_that_vanishes_ends_in_one_sentence(clip, tmp_path, monkeypatch, stage, how):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source, mask = clip

    def act():
        if how == "deleted":
            source.unlink()
        else:
            source.write_bytes(b"")

    options = RemoveOptions(
        mask=MaskOptions(path=mask, static=True), engine=EngineOptions(preset="fast", threads=1), stream=None
    )
    # An open file outlives its name: then the work may even end well.
    with contextlib.suppress(VideoError, OutputError, MaskError):
        remove(source, tmp_path / "out.mp4", options, Interfering(stage, act))
        assert probe(tmp_path / "out.mp4").n_frames == FRAMES
    assert not list(tmp_path.glob(".*"))
    assert files(tmp_path / "cache") == []


def test_a_target_that_appears_meanwhile_stays_and_a_folder_that_goes_is_made_again(clip, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "there").mkdir()
    options = RemoveOptions(mask=MaskOptions(path=clip[1], static=True), engine=EngineOptions(preset="fast", threads=1))
    gone = Interfering("motion", (tmp_path / "there").rmdir)
    remove(clip[0], tmp_path / "there" / "out.mp4", options, gone)
    assert probe(tmp_path / "there" / "out.mp4").n_frames == FRAMES
    target = tmp_path / "out.mp4"
    with pytest.raises(OutputError, match="meanwhile"):
        remove(clip[0], target, options, Interfering("motion", lambda: target.write_text("somebody else's")))
    assert target.read_text() == "somebody else's"


def test_the_clock_may_jump(clip, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    jumps = iter(np.random.default_rng(0).uniform(-1e9, 4e9, 100_000))
    work(clip, tmp_path / "a.mp4")
    monkeypatch.setattr(time, "time", lambda: float(next(jumps)))
    work(clip, tmp_path / "b.mp4", resume=True)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    assert files(tmp_path / "cache") == []


def test_a_link_in_the_output_s_place_is_said_before_the_work(clip, tmp_path, monkeypatch):
    monkeypatch.setattr("vrm.engines.runner.EngineRunner.windows", lambda *_: pytest.fail("work began"))
    frames = tmp_path / "frames"
    frames.mkdir()
    cv2.imwrite(str(frames / "0.png"), np.zeros((*SIZE, 3), np.uint8))
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    with pytest.raises(OutputError, match="symbolic link"):
        work((frames, clip[1]), tmp_path / "link", overwrite=True)


# --- what libraries say -----------------------------------------------------------------------------------------


def raised(call):
    try:
        call()
    except Exception as error:
        return error
    raise AssertionError("it fitted")


def test_each_library_s_full_disk_is_known(tmpfs):
    small = tmpfs(64)
    big = np.zeros(1 << 20, np.uint8)
    errors = [
        raised(lambda: np.save(small / "a.npy", big)),
        raised(lambda: np.savez(small / "b.npz", a=big)),
        raised(lambda: save_file({"a": torch.from_numpy(big)}, small / "c.safetensors")),
        raised(lambda: torch.save(torch.from_numpy(big), small / "d.pt")),
        raised(lambda: (small / "e").write_bytes(bytes(big))),
    ]
    for error in errors:
        assert disk.disk_error(error) == "the disk is full", repr(error)
    assert disk.disk_error(ValueError("no")) is None
    assert disk.disk_error(PermissionError(errno.EACCES, "no"), disk.FULL) is None
    assert isinstance(errors[2], SafetensorError)


def test_what_is_kept_on_a_full_disk_is_said(tmpfs):
    small = tmpfs(64)
    big = {"a": torch.zeros(1 << 18)}
    with pytest.raises(OutputError, match=r"fit cannot be kept .*full"):
        FitFolder(small).keep("best", 0, Kept({}, big))
    with pytest.raises(OutputError, match=r"fit cannot be kept .*full"):
        HalfFit(small / "a.half").write(big)

    with pytest.raises(OutputError, match=r"checkpoint cannot be written .*full"):
        Checkpoint(small / "checkpoint.pt", {}).write(big)
    patch = Patch((0, 0, 300, 300), np.zeros((300, 300, 3), np.uint8))
    with pytest.raises(OutputError, match=r"Scratch cannot be written .*full"):
        PatchStore(small).add(Window(0, 1, 0, 1), {0: patch})
    assert files(small) == []


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a"
    disk.atomic_write(path, b"old", "A cannot be written", durable=True)

    def fail(file):
        file.write(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OutputError, match="A cannot be written: the disk is full"):
        disk.atomic_write(path, fail, "A cannot be written")
    assert path.read_bytes() == b"old"
    assert files(tmp_path) == ["a"]


def test_a_training_s_checkpoint_is_whole_or_said_to_be_damaged(tmp_path):
    checkpoint = Checkpoint(tmp_path / "checkpoint.pt", {"width": 8})
    for done in (7, 9):
        checkpoint.write({"done": done, "a": torch.arange(1000.0)})
    assert files(tmp_path) == ["checkpoint.pt"]
    found = {}
    checkpoint.restore(found.update, torch.device("cpu"))
    assert found["done"] == 9
    assert torch.equal(found["a"], torch.arange(1000.0))
    whole = checkpoint.path.read_bytes()
    for part in (whole[: len(whole) // 2], b""):
        checkpoint.path.write_bytes(part)
        with pytest.raises(WeightsError, match="is damaged") as said:
            checkpoint.restore(found.update, torch.device("cpu"))
        assert "\n" not in str(said.value)
    checkpoint.path.write_bytes(whole)
    with pytest.raises(WeightsError, match="another training: width differ"):
        Checkpoint(checkpoint.path, {"width": 16}).restore(found.update, torch.device("cpu"))


@pytest.mark.parametrize("error", [ConnectionResetError(104, "Connection reset by peer"), IncompleteRead(b"ab", 9)])
def test_a_connection_that_breaks_is_no_matter_of_the_disk(tmp_path, monkeypatch, error):
    class Answer(contextlib.nullcontext):
        def read(self, size):
            raise error

    answer = Answer()
    answer.enter_result = answer
    monkeypatch.setattr("urllib.request.urlopen", lambda *args, **more: answer)
    with pytest.raises(WeightsError, match="does not answer"):
        list(bring.coming("https://example.org/a.safetensors"))


def test_folders_of_one_name_under_folders_to_be_made_are_kept_apart(tmp_path):
    with disk.atomic_folder(tmp_path / "a" / "goat") as frames, disk.atomic_folder(tmp_path / "b" / "goat") as masks:
        for folder in (frames, masks):
            folder.mkdir()
            (folder / folder.name).touch()
    assert len(files(tmp_path / "a")) == len(files(tmp_path / "b")) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_a_vanished_folder_is_not_taken_for_a_full_disk(tmp_path):
    with pytest.raises(OutputError) as caught:
        disk.atomic_write(tmp_path / "gone" / "file", b"x", "Scratch cannot be written")
    assert "No such file" in caught.value.what
    assert "vanished" in caught.value.fix
