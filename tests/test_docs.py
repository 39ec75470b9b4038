"""What README and docs show is true: commands parse, Python runs, links lead somewhere, tables match the code."""

from __future__ import annotations

import contextlib
import importlib
import re
import runpy
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import vrm
from vrm import errors, pipeline
from vrm.batch import run as batch
from vrm.cli.main import run
from vrm.evaluate import commands as evaluation
from vrm.job import clean as housekeeping
from vrm.media.read import probe as probing
from vrm.options.build import build_options
from vrm.options.remove import RemoveOptions
from vrm.options.session import PickSession, Thing
from vrm.options.values import Moment
from vrm.page import server
from vrm.selection import frame_picture, hub, preview_mask, resolve
from vrm.selection.labels import taxonomy, video
from vrm.train import commands as training
from vrm.weights import download as bring

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("weights/*.md")])
README = (ROOT / "README.md").read_text(encoding="utf-8")
FIRST = "pip install uv && uv run vrm remove examples/crab.mp4 --mask examples/crab.png -o clean.mp4"
SECOND = "pip install uv && uv run --all-extras --group dev pytest"


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)


def shell_lines() -> list[tuple[str, list[str]]]:
    """Every ``vrm`` call of the pages: where it stands, and its words after ``vrm``."""
    found = []
    for page in PAGES:
        for block in blocks(page, "sh"):
            for line in block.replace("\\\n", " ").splitlines():
                for part in re.split(r"&& | \| ", line):
                    words = shlex.split(part, comments=True)
                    if words[:2] == ["uv", "run"]:
                        words = words[2:]
                    if words[:1] == ["vrm"]:
                        found.append((f"{page.name}: {part.strip()}", words[1:]))
    return found


def python_blocks() -> list[tuple[str, str]]:
    return [(f"{page.name} {k}", code) for page in PAGES for k, code in enumerate(blocks(page, "python"))]


@pytest.fixture
def beside_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder in which ``examples/`` is found."""
    (tmp_path / "examples").symlink_to(ROOT / "examples", target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Videos are worked on with the fast preset and for ten frames, unless something else is asked for."""
    real: Callable[..., Any] = pipeline.remove

    def remove(source: Path, target: Path, options: RemoveOptions, *more: Any) -> Any:
        engine = options.engine
        if engine.preset == "balanced":
            engine = replace(engine, preset="fast")
        return real(source, target, replace(options, engine=engine, end=options.end or Moment(frame=10)), *more)

    monkeypatch.setattr(pipeline, "remove", remove)


class Reached(BaseException):
    """A command whose result the command line goes on with was parsed and called."""


@pytest.mark.parametrize(("where", "words"), [pytest.param(*line, id=line[0]) for line in shell_lines()])
def test_every_command_parses(where: str, words: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    calls: list[object] = []

    def accept(*args: object, **words: object) -> None:
        calls.append(args)

    def reached(*args: object, **words: object) -> None:
        raise Reached

    def plan(inputs: Any, output: object, words: dict[str, Any], batch: object, events: object) -> None:
        calls.append(build_options(**{k: v for k, v in words.items() if k != "report"}))

    monkeypatch.setattr(pipeline, "remove", accept)
    monkeypatch.setattr(resolve, "track", accept)
    monkeypatch.setattr(preview_mask, "preview_mask", reached)
    monkeypatch.setattr(frame_picture, "write_frame", reached)
    monkeypatch.setattr(batch, "plan", plan)
    monkeypatch.setattr(batch, "run_batch", accept)
    # The pages' folders are not there: what ends in a slash stands for a folder of videos, frames/ for one of frames.
    monkeypatch.setattr(batch, "stands_for_many", lambda text: text in ("-", "clips/"))
    monkeypatch.setattr(bring, "import_weights", reached)
    monkeypatch.setattr(bring, "fetch_weights", reached)
    monkeypatch.setattr(hub, "fetch_model", reached)
    for name in ("make_cases", "score_results", "run_methods", "compare_masks", "label_flicker", "metric_setup"):
        monkeypatch.setattr(evaluation, name, reached)
    for name in ("train_savit", "train_keyframe"):
        monkeypatch.setattr(training, name, reached)
    monkeypatch.setattr(training, "clips_to_label", reached)
    monkeypatch.setattr(video, "segment", accept)
    monkeypatch.setattr(taxonomy, "listing", lambda *args: calls.append(args) or "")
    monkeypatch.setattr(probing, "probe", reached)
    monkeypatch.setattr(housekeeping, "listing", reached)
    monkeypatch.setattr(server, "pick", accept)
    if "walk-pick.json" in words:
        Path("walk.mp4").write_bytes(b"any")
        session = PickSession("walk.mp4", (90, 160), 50, 3, (Thing(1, "dog", "#e0527a", boxes=((9, 8, 31, 40, 0),)),))
        Path("walk-pick.json").write_text(session.to_json(Path()))
    try:
        assert run(words) == 0, where
    except Reached:
        calls.append(words)
    assert calls or "--help" in words


def test_there_are_commands_and_code() -> None:
    assert len(shell_lines()) > 20
    assert len(python_blocks()) >= 2


@pytest.mark.parametrize(("where", "code"), [pytest.param(*block, id=block[0]) for block in python_blocks()])
def test_every_python_block_runs(where: str, code: str, beside_examples: Path, quick: None) -> None:
    script = beside_examples / "block.py"
    script.write_text(code, encoding="utf-8")
    runpy.run_path(str(script))
    if "vrm.remove(" in code:
        assert vrm.info("clean.mp4").n_frames == 100, where


def test_the_first_command(beside_examples: Path, quick: None) -> None:
    assert FIRST in README.splitlines()
    words = shlex.split(FIRST.split("&&")[1])[3:]
    assert run(words) == 0
    before, after = vrm.info("examples/crab.mp4"), vrm.info("clean.mp4")
    for fact in ("codec", "profile", "pix_fmt", "size", "time_base", "frame_rate", "n_frames", "duration", "colour"):
        assert getattr(before, fact) == getattr(after, fact), fact
    assert [s.codec for s in before.streams] == [s.codec for s in after.streams]


def test_the_second_command_is_what_ci_runs() -> None:
    assert SECOND in README.splitlines()
    assert SECOND in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith("http"):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.M)
            assert anchor in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}, target


@pytest.mark.parametrize("page", [*PAGES, ROOT / "benchmarks" / "RESULTS.md"], ids=lambda page: page.name)
def test_what_pages_name_in_the_code_is_there(page: Path) -> None:
    pytest.importorskip("torch")
    text = page.read_text(encoding="utf-8")
    for name in set(re.findall(r"`(vrm(?:\.\w+)+)`", text)) - {"vrm.train_internal"}:  # of a release that had it
        found: Any = vrm
        for k, part in enumerate(name.split(".")[1:], 2):
            with contextlib.suppress(ImportError):
                importlib.import_module(".".join(name.split(".")[:k]))
            assert hasattr(found, part) or part in getattr(found, "__annotations__", {}), name
            found = getattr(found, part, None)
    for path in set(re.findall(r"`(vrm/[\w/]+(?:\.py)?)`", text)):
        assert (ROOT / path).exists(), path


def test_every_page_is_listed() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    for page in (ROOT / "docs").rglob("*.md"):
        if page.name != "index.md":
            assert f"({page.relative_to(ROOT / 'docs').as_posix()})" in index


def test_the_help_page_is_fresh() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "make_cli.py"))["page"]()
    assert made == (ROOT / "docs" / "cli.md").read_text(encoding="utf-8"), "run: python docs/make_cli.py"


def test_the_manual_page_is_fresh() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "make_man.py"))["page"]()
    assert made == (ROOT / "docs" / "vrm.1").read_text(encoding="utf-8"), "run: python docs/make_man.py"


def test_the_types_of_the_public_calls_are_fresh() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "make_stub.py"))["stub"]()
    assert made == (ROOT / "vrm" / "__init__.pyi").read_text(encoding="utf-8"), "run: python docs/make_stub.py"


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_the_manual_page_is_well_formed() -> None:
    page = ROOT / "docs" / "vrm.1"
    done = subprocess.run(["groff", "-man", "-Tascii", "-ww", str(page)], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    shown = re.sub(".\x08", "", done.stdout)
    assert "--skip-existing" in shown
    assert "VRM EVALUATE RUN" in shown


def test_exit_codes_are_those_of_the_errors() -> None:
    table = {int(code) for code in re.findall(r"^\| (\d+) \|", README, re.M)}
    kinds = [errors.UsageError, errors.VideoError, errors.MaskError, errors.WeightsError, errors.EngineError]
    assert table == {0, 1, 130, errors.BatchError.exit_code, errors.OutputError.exit_code} | {
        kind.exit_code for kind in kinds
    }


def test_versions_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == vrm.__version__
    assert f"## [{vrm.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert "Copyright 2026 vrm contributors" in text
