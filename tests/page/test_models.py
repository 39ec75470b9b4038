"""Text, a SAM and a class: what goes by a network, asked for on the page."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from selection.text import overlays

from page import made
from page.conftest import Tab, ended, opened
from vrm.cli.main import run
from vrm.options.remove import EngineOptions
from vrm.page.runs import DONE
from vrm.page.state import PageState
from vrm.selection.prompts.base import Prompt
from vrm.selection.prompts.registry import create_prompter


def test_text_goes_and_its_lines_are_listed(tmp_path: Path) -> None:
    pytest.importorskip("rapidocr", reason="needs the extra text")
    pytest.importorskip("starlette", reason="needs the extra page")
    line = overlays.drawn("Good night")
    film = overlays.film(10, lambda t: float(2 <= t <= 7), line)
    page = opened(overlays.write(film, tmp_path / "talk.mkv"), tmp_path)
    tab = Tab(page)
    try:
        assert " --text overlays " in tab.edit(do="name", kind="text")["commands"]["shell"]
        tab.edit(do="set", settings={"preset": "fast", "threads": 1})
        tab.post("api/run", {"kind": "follow"})
        assert ended(page, "follow").state == DONE, page.runs["follow"].error
        found = tab.get("api/state").json()["followed"]
        assert found["lines"] == [["Good night", 2, 7, True]]
        assert page.followed is not None
        mask = page.followed.mask(4)
        assert mask is not None
        assert mask[line[1]].mean() > 0.9
        assert page.followed.mask(9) is None or not page.followed.mask(9).any()
    finally:
        page.close()


def test_a_sam_outlines_what_is_clicked(tab: Tab, page: PageState, tmp_path: Path) -> None:
    """The network has random weights: what counts is that its mask is the one of ``vrm track --sam``."""
    pytest.importorskip("segment_anything", reason="needs the extra torch")
    from selection import models

    path, _ = models.sam(tmp_path / "sam.pth")
    page.edit({"do": "point", "frame": 3, "x": 30, "y": 40})
    page.edit({"do": "set", "settings": {"sam": str(path), "threads": 1}})
    overlay = tab.get("api/overlay/3").json()
    assert overlay["source"] == "said"
    prompter = create_prompter(str(path), EngineOptions(threads=1), page.frames.frame, (0, made.FRAMES))
    mask = prompter.outline(3, page.frames.frame(3), Prompt([(30.5, 40.5)])).mask
    assert np.array_equal(page.mask(3), mask)
    assert overlay["area"] == pytest.approx(mask.mean(), abs=1e-4)
    assert f"--sam {path} " in tab.get("api/state").json()["commands"]["shell"]
    tab.edit(do="toggle", thing=1, on=False)
    assert "--sam" not in tab.edit(do="box", frame=5, box=[0, 0, 30, 10], every=True)["commands"]["shell"]


def test_all_of_a_class_goes(tab: Tab, page: PageState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network has random weights: what counts is that its masks are those of ``vrm track --class``."""
    pytest.importorskip("transformers", reason="needs the extra panoptic")
    from selection import models

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert tab.get("api/choices").json()["classes"] is False
    models.mask2former(tmp_path / "cache" / "vrm" / "weights" / "tiny")
    assert tab.get("api/choices").json()["classes"] is True
    words = ["--threads", "1", "--class", "building,person,tree,car,road,grass", "--start", "0f", "--end", "3f"]
    code = run(["track", str(page.info.path), *words, "-o", str(tmp_path / "masks")])
    tab.edit(do="name", kind="class", name=words[3])
    tab.edit(do="set", settings={"threads": 1, "start": "0f", "end": "3f", "effects": "none"})
    assert f"--class {words[3]}" in tab.get("api/state").json()["commands"]["shell"]
    tab.post("api/run", {"kind": "follow"})
    assert ended(page, "follow").state == DONE, page.runs["follow"].error
    assert (code, page.followed is not None) == (0, True)
    for t in range(3):
        by_command = cv2.imread(str(tmp_path / "masks" / f"{t:05d}.png"), cv2.IMREAD_GRAYSCALE) > 0
        assert np.array_equal(page.followed.mask(t), by_command)
