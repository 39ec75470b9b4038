"""What the core dependencies alone do: nothing of it asks for torch; what needs it says so, and what to type."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import cv2
import pytest
from selection.scene import Scene

from vrm.errors import MissingPackage
from vrm.system.extras import EXTRAS, needed_by

ROOT = Path(__file__).parents[1]

WITHOUT = """
import importlib.abc, sys

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {packages}:
            with open(r"{asked}", "a") as file:
                file.write(name + "\\n")
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
"""
"""A ``sitecustomize.py``, for a process and those that it starts: optional packages are missing, and whoever asks for
one is noted."""

RUN = """
import json, sys
from vrm.cli.main import run
print(json.dumps([run(line) for line in json.loads(sys.argv[1])]))
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A clip of six frames, its masks and labels, one of its frames cleaned, and cases with results."""
    scene = Scene(6)
    scene.save(tmp_path / "clip")
    scene.save_labels(tmp_path / "labels")
    for folder in ("masks", "cases/dog/masks"):
        (tmp_path / folder).mkdir(parents=True)
        for t, mask in enumerate(scene.masks):
            cv2.imwrite(str(tmp_path / folder / f"{t:05d}.png"), mask.astype("uint8") * 255)
    for folder in ("cases/dog/frames", "cases/dog/truth", "results/dog"):
        scene.save(tmp_path / folder)
    cv2.imwrite(str(tmp_path / "key.png"), cv2.GaussianBlur(scene.frames[2], (0, 0), 9)[..., ::-1])
    (tmp_path / "jobs.csv").write_text("input,mask,output\nclip,masks,one\nclip,masks/00000.png,two\n")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        WITHOUT.format(asked=tmp_path / "asked", packages=tuple(EXTRAS))
    )
    return tmp_path


def run_without(home: Path, lines: list[list[str]]) -> tuple[list[int], str]:
    """The exit codes of command lines where no optional package is installed, and what they say on stderr."""
    env = {
        **os.environ,
        "PYTHONPATH": str(home / "site"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps(lines)], cwd=home, env=env, capture_output=True, text=True, timeout=300
    )
    assert done.stdout, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


def test_the_core_asks_for_no_optional_package(home: Path) -> None:
    quick = ["--preset", "fast", "--threads", "1"]
    lines = [
        ["info", "clip"],
        ["remove", "clip", "--mask", "masks", "-o", "a", "--report", "a.html", *quick],
        ["remove", "clip", "--mask", "masks/00000.png", "-o", "b.mkv", *quick],
        ["remove", "clip", "--box", "28,40,74,100", "-o", "c", *quick],
        ["remove", "clip", "--point", "50,70", "-o", "d", *quick],
        ["remove", "clip", "--class", "dog", "--labels", "labels", "-o", "e", *quick],
        ["remove", "clip", "--mask", "masks", "-o", "f", "--engine", "internal", *quick],
        ["remove", "clip", "--mask", "masks", "-o", "g", "--engine", "keyframe", "--keyframe", "2=key.png", *quick],
        ["remove", "--manifest", "jobs.csv", "--jobs", "2", *quick],
        ["track", "clip", "--mask", "masks/00000.png", "-o", "tracked/dog", "--threads", "1"],
        ["evaluate", "score", "cases", "results"],
        ["evaluate", "masks", "cases", "tracked"],
        ["weights", "list"],
        ["clean"],
    ]
    codes, said = run_without(home, lines)
    wrong = [" ".join(line) for line, code in zip(lines, codes, strict=True) if code]
    assert not wrong, said
    asked = home / "asked"
    assert not asked.exists(), asked.read_text()


def test_what_needs_an_optional_package_says_what_to_type(home: Path) -> None:
    (home / "sam.pth").write_bytes(b"0")
    (home / "model").mkdir()
    (home / "model" / "config.json").write_text('{"model_type": "mask2former"}')
    out = ["-o", "out", "--threads", "1"]
    wanted = {
        "torch": [
            ["remove", "clip", "--mask", "masks", "--engine", "savit", *out],
            ["remove", "clip", "--mask", "masks", "--engine", "internal", "--preset", "paper", *out],
            ["remove", "clip", "--point", "50,70", "--sam", "sam.pth", *out],
            ["evaluate", "score", "cases", "results", "--flow", "sam.pth"],
            ["weights", "import", "fuseformer", "sam.pth"],
            ["train", "savit", "clip", "-o", "run"],
        ],
        "panoptic": [["segment", "clip", "--segmenter", "model", "-o", "out"]],
        "metrics": [["evaluate", "score", "cases", "results", "--lpips", "sam.pth"]],
        "ray": [["remove", "--manifest", "jobs.csv", "--ray", "local"]],
    }
    lines = [line for group in wanted.values() for line in group]
    codes, said = run_without(home, lines)
    assert codes == [MissingPackage.exit_code] * len(lines), said
    for extra, group in wanted.items():
        typed = f'pip install "vrm[{extra}]" or uv pip install "vrm[{extra}]"; in a clone: uv run --extra {extra} vrm'
        assert said.count(typed) == len(group), said
    assert "This needs" not in said
    assert not (home / "out").exists()


def test_every_optional_package_has_an_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(EXTRAS.values()) == set(project["optional-dependencies"])
    core = {line.split(">")[0].split("[")[0].split("=")[0].replace("-", "_") for line in project["dependencies"]}
    assert not core & set(EXTRAS)


def test_only_optional_packages_are_missing_ones() -> None:
    with pytest.raises(ModuleNotFoundError, match="nothing_of_that_name"), needed_by("--engine savit"):
        import nothing_of_that_name  # type: ignore[import-not-found]  # noqa: F401
    with pytest.raises(MissingPackage, match=r"--sam needs torch.*vrm\[panoptic\]"), needed_by("--sam", "panoptic"):
        raise ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn")
