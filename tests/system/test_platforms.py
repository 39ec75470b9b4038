"""Other systems than this one, as far as they can be had here: what they lack is taken away, what they say is said."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path, PureWindowsPath

import cv2
import numpy as np
import pytest

from vrm.batch.manifest import read_manifest
from vrm.batch.naming import is_folder
from vrm.batch.tasks import plain
from vrm.cli import main as cli
from vrm.evaluate.runs.machine import machine
from vrm.job import scratch
from vrm.options.build import build_options, place_paths
from vrm.options.declare import READ
from vrm.selection.hub import is_repository
from vrm.system import gpus, memory
from vrm.system.process import configure_process

WINDOWS = """
import os, signal, sys
import asyncio, platformdirs.unix  # on Windows they load other modules
for name in ("fcntl", "grp", "pty", "pwd", "resource", "termios", "tty"):
    sys.modules[name] = None  # importing it raises ImportError
for name in ("fork", "geteuid", "getpgid", "getuid", "killpg", "sched_getaffinity", "setsid", "sysconf"):
    delattr(os, name)
for name in ("SIGHUP", "SIGPIPE", "SIGQUIT", "pthread_kill"):
    delattr(signal, name)
"""
"""A ``sitecustomize.py`` that takes away what Windows' Python lacks."""

RUN = """
import json, sys, warnings
from vrm.cli import main
warnings.filterwarnings("error", category=EncodingWarning, module=r"vrm\\.")  # text is UTF-8 everywhere
codes = []
for line in json.loads(sys.argv[1]):
    sys.argv[1:] = line
    try:
        main.main()
    except SystemExit as ended:
        codes.append(ended.code)
print(json.dumps(codes))
"""


def test_nothing_that_only_posix_has_is_needed(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(WINDOWS)
    (tmp_path / "clip").mkdir()
    for t in range(3):
        frame = np.random.default_rng(0).integers(0, 255, (48, 64 + t, 3), dtype=np.uint8)[:, t:]
        cv2.imwrite(str(tmp_path / "clip" / f"{t:05d}.png"), frame)
    cv2.imwrite(str(tmp_path / "m.png"), np.pad(np.full((9, 9), 255, np.uint8), ((20, 19), (20, 35))))
    (tmp_path / "jobs.csv").write_text("input,mask,output\nclip,m.png,b\nclip,m.png,c\n")
    quick = ["--static-mask", "--preset", "fast", "--threads", "2"]
    lines = [
        ["info", "clip"],
        ["remove", "clip", "--mask", "m.png", "-o", "a", "--resume", "--report", "a.html", *quick],
        ["remove", "--manifest", "jobs.csv", "--jobs", "2", *quick],
        ["track", "clip", "--mask", "m.png", "-o", "masks"],
        ["clean", "--all"],
    ]
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "site"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-X", "warn_default_encoding", "-c", RUN, json.dumps(lines)],
        cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [0] * len(lines), done.stderr
    assert len(list((tmp_path / "c").iterdir())) == 3


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_what_a_system_does_not_say_is_unknown(system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.delattr(os, "sysconf")
    monkeypatch.setitem(sys.modules, "resource", None)
    monkeypatch.setitem(sys.modules, "torch", None)
    real = Path.read_text
    monkeypatch.setattr(
        Path, "read_text", lambda p, *a, **k: real(Path("/nothing") if p.parts[1] == "proc" else p, *a, **k)
    )
    configure_process()
    assert memory.c_library_call("malloc_trim") is None
    memory.give_back()
    assert memory.resident() is None
    assert memory.peak_mb() == 0
    assert memory.bounded(lambda *told: None, 1.0)("fill", 0, 1) is None
    assert gpus.count_gpus() == 0
    facts = machine()
    assert (facts["gpu"], facts["memory"]) == ("none", "unknown")
    assert int(facts["cores"]) >= 1


def test_a_signal_that_windows_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    handled = {}
    monkeypatch.delattr(signal, "SIGHUP")
    monkeypatch.setattr(signal, "signal", lambda number, handler: handled.setdefault(number, handler))
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.SIG_DFL)  # SIGINT is ignored behind a shell's &
    monkeypatch.setattr(cli, "run", lambda line: 3)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 3
    assert list(handled) == [signal.SIGTERM, signal.SIGINT]


def test_scratch_where_nobody_has_a_number_and_open_folders_cannot_be_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delattr(os, "getuid")
    real = Path.rename

    def rename(path: Path, target: Path) -> Path:
        claim = scratch.Claim.on(path)
        if claim is None:
            raise PermissionError(13, "a file in it is open")
        claim.release()
        return real(path, target)

    monkeypatch.setattr(Path, "rename", rename)
    with scratch.scratch_folder() as folder:
        (folder / "frames").mkdir()
        assert [entry.state for entry in scratch.entries()] == ["running"]
    assert not folder.exists()
    assert scratch.entries() == []


FRAME, CLIP = r"C:\clips\a.png", r"D:\clips\a=b.mp4"


def test_drive_letters(tmp_path: Path) -> None:
    options = build_options(mask=FRAME, engine="keyframe", keyframe=[f"4={FRAME}"], point=["10,20@12"])
    assert options.mask.path == Path(FRAME)
    assert options.engine.keyframes == ((4, Path(FRAME)),)
    assert place_paths({"keyframe": [f"4={CLIP}"]}, lambda path: path, READ) == {"keyframe": [f"4={CLIP}"]}
    assert plain({4: Path(CLIP)}) == [f"4={CLIP}"]
    assert is_folder("C:\\clips\\")
    assert not is_repository("C:/clips")
    (tmp_path / "jobs.csv").write_text(f"input,output,keyframe\n{CLIP},{FRAME},7={FRAME}\n")
    (row,) = read_manifest(tmp_path / "jobs.csv")
    assert (row.input.name, row.output) == (CLIP, FRAME)  # one name here, a path there
    assert PureWindowsPath(row.input.name).name == "a=b.mp4"
    assert row.words["keyframe"] == [f"7={FRAME}"] or row.words["keyframe"] == [f"7={tmp_path / FRAME}"]
