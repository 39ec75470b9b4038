"""Shell habits: loops, pipes, lists, completion, colour. Real commands in a real shell."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from vrm.cli.main import run
from vrm.media.read.probe import probe
from vrm.weights.cards import write

SIZE = (48, 64)
pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


@pytest.fixture
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_video: Callable[..., Path]) -> Path:
    """A folder to be in: ``in/a b.mp4``, ``in/c.mp4``, ``in/-d.mp4``, a mask of each, and an empty mask."""
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    Path("masks").mkdir()
    mask = np.zeros(SIZE, np.uint8)
    cv2.imwrite("empty.png", mask)
    mask[10:20, 20:30] = 255
    for name in ("a b", "c", "-d"):
        make_video(Path("in") / f"{name}.mp4", frames=4, size=SIZE)
        cv2.imwrite(f"masks/{name}.png", mask)
    return tmp_path


def names(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def shell(script: str, **words: str) -> subprocess.CompletedProcess[str]:
    """Run a script in which ``vrm`` is this project's."""
    head = f'set -u; vrm() {{ {sys.executable} -P -m vrm "$@"; }}\n'
    surroundings = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])} | words
    return subprocess.run(["bash", "-c", head + script], capture_output=True, text=True, env=surroundings, timeout=120)


def test_a_loop_that_reads_names_keeps_its_input(clips: Path) -> None:
    done = shell('ls in | while read -r f; do vrm remove "in/$f" --mask empty.png --static-mask -o "$f" || exit; done')
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in clips.glob("*.mp4")) == ["-d.mp4", "a b.mp4", "c.mp4"]
    assert len(done.stdout.splitlines()) == 3


def test_a_loop_over_names_and_one_that_begins_with_a_dash(clips: Path) -> None:
    words = "--mask ../empty.png --static-mask -o ../out/"
    done = shell(f'cd in; for f in *.mp4; do vrm remove {words} -- "$f" || exit; done')
    assert done.returncode == 0, done.stderr
    assert names("out") == ["-d.mp4", "a b.mp4", "c.mp4"]


def test_the_loops_of_the_manual_do_no_harm_and_no_work_twice(clips: Path) -> None:
    """Run twice as they stand in docs/batches.md: the second time nothing is made, changed or called an error."""
    page = (Path(__file__).parents[2] / "docs" / "batches.md").read_text()
    loops = re.findall(r"^(?:for|ls) .*; done$", page, re.M)
    assert len(loops) == 2
    for loop in loops:
        shutil.rmtree("loop", ignore_errors=True)
        Path("loop/masks").mkdir(parents=True)
        for name in ("a b", "c"):
            shutil.copy(f"in/{name}.mp4", "loop")
            shutil.copy("empty.png", f"loop/masks/{name}.png")
        shutil.copy("empty.png", "loop/logo.png")
        before = {}
        for _ in range(2):
            done = shell(f"cd loop; {loop}")
            assert done.returncode == 0, done.stderr
            files = {path: path.stat().st_mtime_ns for path in Path("loop").rglob("*")}
            assert names("loop/clean") == ["a b.mp4", "c.mp4"]
            assert sorted(path.name for path in Path("loop").glob("*.mp4")) == ["a b.mp4", "c.mp4"]
            assert not before or files == before
            before = files


def test_a_list_from_a_pipe_worked_on_by_real_processes(clips: Path) -> None:
    options = "--mask masks --static-mask --preset fast -o out --jobs 2 --threads 2 --json"
    Path("queue.py").write_text("raise SystemExit('what lies here was imported')")
    done = shell(f"find in -name '*.mp4' ! -name -d.mp4 -print0 | sort -z | vrm remove - {options} | cat")
    assert done.stderr == ""
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(job["output"], job["status"]) for job in events[-1]["jobs"]] == [
        ("out/a b.mp4", "done"),
        ("out/c.mp4", "done"),
    ]
    single = shell("vrm remove in/c.mp4 --mask masks/c.png --static-mask --preset fast --threads 1 -o one.mp4")
    assert single.returncode == 0, single.stderr
    assert Path("one.mp4").read_bytes() == Path("out/c.mp4").read_bytes()


def test_a_name_that_is_no_text_comes_out_as_it_is(clips: Path) -> None:
    line = f"{sys.executable} -P -m vrm remove in/c.mp4 --mask empty.png --static-mask -o".split()
    surroundings = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONIOENCODING": "utf-8:strict"}
    done = subprocess.run([*map(os.fsencode, line), b"\xff.mp4"], capture_output=True, env=surroundings)
    assert done.stdout.startswith(b"\xff.mp4: 4 frames")
    assert done.returncode == 0


def test_one_that_fails_ends_the_command_with_seven(clips: Path) -> None:
    Path("in/c.mp4").write_bytes(b"not a video")
    done = shell("vrm remove in -o out --mask empty.png --static-mask; echo $?")
    assert done.stdout.splitlines()[-1] == "7"
    assert names("out") == ["-d.mp4", "a b.mp4"]
    assert "\x1b" not in done.stderr
    assert "\r" not in done.stderr
    assert probe(Path("out/a b.mp4")).n_frames == 4


def test_colour_is_a_choice(clips: Path) -> None:
    script = "vrm remove none.mp4 none2.mp4 --mask empty.png -o out"
    assert "\x1b" in shell(script, FORCE_COLOR="1").stderr
    assert "\x1b" not in shell(script, FORCE_COLOR="1", NO_COLOR="1").stderr


def completed(line: str, **words: str) -> list[str]:
    """What bash is offered for the last word of a line."""
    return shell(
        "vrm", COMP_WORDS=line, COMP_CWORD=str(len(line.split(" ")) - 1), _VRM_COMPLETE="complete_bash", **words
    ).stdout.split()


def test_completion_knows_commands_options_and_values() -> None:
    assert completed("vrm re") == ["remove"]
    assert completed("vrm remove --skip") == ["--skip-existing"]
    assert completed("vrm remove a.mp4 --preset b") == ["balanced", "best"]
    assert completed("vrm remove --engine s") == ["savit"]


def test_completion_knows_weights_protocols_and_engines(tmp_path: Path) -> None:
    words = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    mine = tmp_path / "cache" / "vrm" / "weights"
    write({"a": torch.zeros(2)}, mine, name="mine", licence="CC0-1.0", network="savit")
    assert completed("vrm remove a.mp4 --weights m", **words) == ["mine"]
    assert completed("vrm remove a.mp4 --weights no", **words) == ["none"]
    assert completed("vrm weights import gu", **words) == ["guided-inpainting"]
    assert completed("vrm weights fetch sam-vit-", **words) == ["sam-vit-b", "sam-vit-l", "sam-vit-h"]
    assert completed("vrm weights verify m", **words) == ["mine"]
    assert completed("vrm evaluate cases in out --protocol fi") == ["fixed"]
    assert completed("vrm evaluate run in --engines motion,k") == ["motion,keyframe"]
    assert completed("vrm evaluate run in --presets b") == ["balanced", "best"]


def test_completion_is_installed_where_the_shell_looks(tmp_path: Path) -> None:
    done = shell("vrm --install-completion; echo $?", HOME=str(tmp_path))
    assert done.stdout.splitlines()[-1] == "0", done.stderr
    assert "completion installed in" in done.stdout
    assert ".bash_completions" in (tmp_path / ".bashrc").read_text()
    (script,) = (tmp_path / ".bash_completions").iterdir()
    assert "_VRM_COMPLETE" in script.read_text()


def test_completion_is_shown(capfd: pytest.CaptureFixture[str]) -> None:
    done = shell("vrm --show-completion; echo $?")
    assert "complete -o default" in done.stdout
    assert done.stdout.splitlines()[-1] == "0"


def test_nothing_to_work_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["remove"]) == 2
    done = shell("true | vrm remove - --mask m.png -o out; echo $?")
    assert done.stdout == "2\n"
    assert "nothing to work on" in done.stderr


def test_no_shell_is_ever_called() -> None:
    """A file's name is an argument, never a piece of a script."""
    root = Path(__file__).parents[2] / "vrm"
    for path in root.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for words in ("shell=True", "os.system", "os.popen", "subprocess.getoutput", "getstatusoutput"):
            assert words not in text, f"{path}: {words}"


def test_a_name_that_would_be_a_command(clips: Path) -> None:
    shutil.move("in/c.mp4", "in/$(touch hacked);.mp4")
    cv2.imwrite("masks/$(touch hacked);.png", cv2.imread("empty.png"))
    assert run(["remove", "in", "--mask", "masks", "--static-mask", "-o", "out", "--preset", "fast"]) == 0
    assert Path("out/$(touch hacked);.mp4").exists()
    assert not Path("hacked").exists()
