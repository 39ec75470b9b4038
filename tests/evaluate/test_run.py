"""Runs: baselines and engines over cases, records that are taken up again, failures, tables and the page."""

from __future__ import annotations

import base64
import csv
import json
import re
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from vrm.cli.main import run
from vrm.errors import OutputError, UsageError, WeightsError
from vrm.evaluate.cases.clips import find_clips
from vrm.evaluate.cases.sequence import load_masks
from vrm.evaluate.commands import run as evaluate_run
from vrm.evaluate.page.filmstrips import frames_per_strip
from vrm.evaluate.page.page import write_page
from vrm.evaluate.page.published import TABLES, tables_for
from vrm.evaluate.page.summary import run_csv, run_json, run_markdown
from vrm.evaluate.page.tables import headline, page_table, way
from vrm.evaluate.runs import process
from vrm.evaluate.runs.baselines import BASELINES, ClipShot, temporal_median
from vrm.evaluate.runs.methods import FillTask, Method, choose_methods, fill
from vrm.evaluate.runs.process import fill_in_process
from vrm.evaluate.runs.run import RunOptions, RunRow, run_methods
from vrm.evaluate.scoring.score import MetricSetup, ScoreOptions
from vrm.events import Events
from vrm.metrics.clip import ClipScore
from vrm.motion.flow.estimators import DisFlow
from vrm.options.remove import EngineOptions
from vrm.types import Masks

from .made import read

DIS = MetricSetup(DisFlow())


def pictures_of(page: str) -> list[np.ndarray]:
    """The pictures of a page, all of them in the page itself."""
    found = re.findall(r'(?:data-picture|data-error|src)="([^"]+)"', page)
    assert all(url.startswith("data:image/webp;base64,") for url in found)
    data = [base64.b64decode(url.split(",")[1]) for url in found]
    return [cv2.imdecode(np.frombuffer(one, np.uint8), cv2.IMREAD_COLOR) for one in data]


def two_methods() -> RunOptions:
    methods = tuple(m for m in choose_methods((), (), {"threads": 1}) if m.name in ("telea", "temporal-median"))
    return RunOptions(methods)


@pytest.mark.parametrize("name", BASELINES)
def test_baselines_fill_the_hole_and_nothing_else(name: str, cases: Path, tmp_path: Path) -> None:
    done = fill(FillTask(Method(name, name, EngineOptions(threads=1)), find_clips(cases)[0], tmp_path / "out"))
    given, masks, filled = read(cases / "ape" / "frames"), read(cases / "ape" / "masks"), read(tmp_path / "out")
    assert np.array_equal(filled[~masks], given[~masks])
    assert (filled[masks] != 128).mean() > 0.9
    assert done["frames"] == 5
    assert done["seconds"] > 0
    assert done["peak_mb"] > 10


def test_the_temporal_median_is_the_median_of_what_is_known(cases: Path) -> None:
    clip = find_clips(cases)[0]
    masks = load_masks(clip.masks, clip.frames, "ape")  # type: ignore[arg-type]
    given, holes = read(cases / "ape" / "frames"), read(cases / "ape" / "masks")
    filled = np.stack(list(BASELINES["temporal-median"](clip.frames, masks, 5)))
    known = np.where(holes[..., None], np.nan, given.astype(float))
    y, x = np.argwhere(holes[0] & (~holes).any(0))[0]
    assert filled[0, y, x] == pytest.approx(np.floor(np.nanmedian(known[:, y, x], axis=0) + 0.5))


def test_a_run_and_the_same_run_again(cases: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = run_methods([cases], out, two_methods(), Events(), DIS)
    assert [(row.method, row.clip) for row in first.rows] == [
        (method, clip) for clip in ("ape", "bee") for method in ("telea", "temporal-median")
    ]
    assert all(row.score is not None and row.seconds > 0 and row.peak_mb > 10 for row in first.rows)
    pictures = [
        cv2.inpaint(f, m.astype(np.uint8), 5, cv2.INPAINT_TELEA)
        for f, m in zip(
            np.ascontiguousarray(read(cases / "ape" / "frames")), read(cases / "ape" / "masks"), strict=True
        )
    ]
    assert np.array_equal(read(out / "results" / "cases" / "telea" / "ape"), np.stack(pictures))
    made = {p: p.stat().st_mtime_ns for p in (out / "results").rglob("*.png")}
    again = run_methods([cases], out, two_methods(), Events(), DIS)
    assert {p: p.stat().st_mtime_ns for p in made} == made, "nothing was filled twice"
    assert again.rows == first.rows
    # A case that changed is done again, and only it.
    mask = cases / "bee" / "masks" / "00000.png"
    cv2.imwrite(str(mask), cv2.dilate(cv2.imread(str(mask)), np.ones((3, 3))))
    run_methods([cases], out, two_methods(), Events(), DIS)
    redone = {p.parent.name for p in made if p.stat().st_mtime_ns != made[p]}
    assert redone == {"bee"}


def test_the_temporal_median_holds_as_much_as_it_is_told(cases: Path) -> None:
    clip = find_clips(cases)[0]
    masks = load_masks(clip.masks, clip.frames, "ape")  # type: ignore[arg-type]
    whole = list(temporal_median(clip.frames, masks, 5))
    in_parts = list(temporal_median(clip.frames, masks, 5, held=5 * 3 * 40))
    assert np.array_equal(np.stack(whole), np.stack(in_parts))


def test_motion_gets_its_frames_in_bounded_memory(cases: Path) -> None:
    clip = find_clips(cases)[0]
    given = read(cases / "ape" / "frames")
    shot = ClipShot(clip.frames, Masks((48, 64), 5), 5, held=2 * given[0].nbytes)
    for t in (0, 4, 1, 0, 2, 3, 4):
        assert np.array_equal(shot.frame(t), given[t])
        assert len(shot._frames) <= 2


def test_what_was_scored_is_scored_again_when_truth_masks_or_results_change(cases: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def psnr() -> dict[tuple[str, str], float | None]:
        done = run_methods([cases], out, two_methods(), Events(), DIS)
        return {(row.method, row.clip): row.score.values["psnr"] if row.score else None for row in done.rows}

    first = psnr()
    truth = cases / "ape" / "truth" / "00001.png"
    cv2.imwrite(str(truth), cv2.imread(str(truth)) // 2)
    second = psnr()
    assert second["telea", "ape"] != first["telea", "ape"]
    assert second["telea", "bee"] == first["telea", "bee"]
    # A result that was edited is judged as it is now; one that was removed is made again.
    edited = out / "results" / "cases" / "telea" / "bee" / "00001.png"
    cv2.imwrite(str(edited), cv2.imread(str(edited)) // 2)
    shutil.rmtree(out / "results" / "cases" / "temporal-median" / "ape")
    (out / "results" / "cases" / "temporal-median" / "bee" / "00002.png").unlink()
    third = psnr()
    assert third["telea", "bee"] != first["telea", "bee"]
    assert third["temporal-median", "ape"] == second["temporal-median", "ape"]
    assert third["temporal-median", "bee"] == first["temporal-median", "bee"]
    assert len(read(out / "results" / "cases" / "temporal-median" / "bee")) == 5
    (out / "records" / "cases" / "telea" / "ape.json").write_text("[1, 2")
    assert psnr() == third


def test_keyframes_are_cut_from_the_truth_and_not_scored(cases: Path, tmp_path: Path) -> None:
    methods = choose_methods(("keyframe",), ("fast",), {"threads": 1}, given_every=3)
    method = methods[-1]
    assert method.name == "keyframe-fast-every3"
    done = run_methods([cases], tmp_path / "out", RunOptions((methods[0], method)), Events(), DIS)
    assert [row.error + row.needs for row in done.rows] == [""] * 4
    truth, masks = read(cases / "ape" / "truth"), read(cases / "ape" / "masks")
    filled = read(tmp_path / "out" / "results" / "cases" / method.name / "ape")
    for t in (0, 3):
        assert np.array_equal(filled[t][masks[t]], truth[t][masks[t]])
    score = {row.method: row.score for row in done.rows if row.clip == "ape"}
    assert score["telea"].scored == 4, "frame 2 has no hole"
    assert score[method.name].scored == 2, "frames 1 and 4"
    assert "keyframe-fast-every3 was given the truth of frames 0, 3, 6" in run_markdown(done)
    with pytest.raises(UsageError, match="--keyframes-every"):
        evaluate_run([cases], tmp_path / "out", Events(), keyframes_every=-1)


def test_a_method_may_be_run_on_fewer_clips(cases: Path, tmp_path: Path) -> None:
    methods = two_methods().methods
    options = RunOptions(methods, only=(("temporal-*", ("b*",)),))
    done = run_methods([cases], tmp_path / "out", options, Events(), DIS)
    assert [(row.method, row.clip) for row in done.rows] == [
        ("telea", "ape"),
        ("telea", "bee"),
        ("temporal-median", "bee"),
    ]
    text = run_markdown(done)
    whole, fewer = text.split("All methods on bee alone.")
    assert "| telea | 2 |" in whole
    assert "| temporal-median |" not in whole
    assert "| telea | 1 |" in fewer
    assert "| temporal-median | 1 |" in fewer
    assert "temporal-median was run on 1 of 2 clips: bee." in text
    with pytest.raises(UsageError, match="no method"):
        RunOptions(methods, only=(("magic", ("bee",)),))
    with pytest.raises(UsageError, match="cow"):
        run_methods([cases], tmp_path / "out", RunOptions(methods, only=(("telea", ("cow",)),)), Events(), DIS)


def test_a_method_may_be_run_on_clips_of_one_of_several_folders(cases: Path, tmp_path: Path) -> None:
    shutil.copytree(cases, tmp_path / "other")
    methods = two_methods().methods
    both = [cases, tmp_path / "other"]
    options = RunOptions(methods, only=(("temporal-*", ("other/b*",)),))
    done = run_methods(both, tmp_path / "out", options, Events(), DIS)
    assert [(row.cases, row.clip) for row in done.rows if row.method == "temporal-median"] == [("other", "bee")]
    assert sum(row.method == "telea" for row in done.rows) == 4
    assert run_markdown(done).count("| temporal-median | 1 |") == 1
    with pytest.raises(UsageError, match="third/bee"):
        run_methods(both, tmp_path / "new", RunOptions(methods, only=(("telea", ("third/bee",)),)), Events(), DIS)
    assert not (tmp_path / "new").exists()


def test_one_failure_does_not_end_the_run(cases: Path, tmp_path: Path, capsys) -> None:
    broken = cases / "bee" / "frames" / "00002.png"
    broken.write_bytes(broken.read_bytes()[:200])
    done = run_methods([cases], tmp_path / "out", two_methods(), Events(), DIS)
    failed = [row for row in done.rows if row.error]
    assert {row.clip for row in failed} == {"bee"}
    assert "00002.png" in failed[0].error
    assert all(row.score for row in done.rows if row.clip == "ape")
    assert "| bee | telea | failed |" in run_markdown(done)
    assert any(row["error"] for row in csv.DictReader(run_csv(done).splitlines()))
    with pytest.raises(Exception, match="2 of 4 failed"):
        done.complete()


def test_an_engine_without_its_weights_is_tried_once(cases: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    method = Method("savit-none", engine=EngineOptions(engine="savit", weights="no-such-weights", threads=1))
    notes: list[str] = []
    events = Events()
    events.note = notes.append  # type: ignore[method-assign]
    done = run_methods([cases], tmp_path / "out", RunOptions((method,)), events, DIS)
    assert [row.clip for row in done.rows if "no-such-weights" in row.needs] == ["ape", "bee"]
    assert not any(row.error for row in done.rows)
    assert len(notes) == 1
    assert "| savit-none | needs weights |" in run_markdown(done)
    with pytest.raises(WeightsError, match="no-such-weights"):
        done.complete()


def test_a_killed_process_is_one_failure(cases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed = (sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    monkeypatch.setattr(process, "WORKER", killed)
    task = FillTask(Method("telea", "telea", EngineOptions(threads=1)), find_clips(cases)[0], tmp_path / "out")
    assert "was killed (SIGKILL)" in fill_in_process(task)["error"]


def test_a_process_measures_its_own_memory(cases: Path, tmp_path: Path) -> None:
    held = np.ones(300 << 20, np.uint8)  # of the process that started it, which does not count
    task = FillTask(Method("telea", "telea", EngineOptions(threads=1)), find_clips(cases)[0], tmp_path / "out")
    done = fill_in_process(task)
    assert done["frames"] == 5
    assert 10 < done["peak_mb"] < held.nbytes / 1e6


def test_the_command_writes_tables_and_a_page(cases: Path, tmp_path: Path, capsys) -> None:
    record = {"protocol": "fixed", "what": "A box.", "size": "64x48", "clips": {}}
    (cases / "protocol.json").write_text(json.dumps(record))
    out = tmp_path / "out"
    words = ["evaluate", "run", str(cases), "-o", str(out), "--clips", "ape", "--frames", "3", "--presets", "fast"]
    assert run([*words, "--threads", "1"]) == 0
    assert "motion-fast" in capsys.readouterr().out
    text = (out / "table.md").read_text(encoding="utf-8")
    own, published = text.split("### Published, under")
    assert [line.split(" | ")[0] for line in own.splitlines() if line.startswith("| motion")] == ["| motion-fast"]
    assert "processor" in own
    assert "numpy: " in own
    assert "Ouyang" in published
    closest, others = published.split("### Published, on other protocols")
    assert "Ouyang" in closest
    assert "SAVIT" not in closest, "the tables that belong to the protocol come first"
    assert "SAVIT" in others
    rows = json.loads((out / "results.json").read_text())["rows"]
    engine = next(row for row in rows if row["method"] == "motion-fast")
    assert engine["settings"]["seed"] == 0
    assert engine["settings"]["device"] == "cpu"
    assert engine["outside_max"] == 0
    page = (out / "index.html").read_text(encoding="utf-8")
    shapes = [picture.shape for picture in pictures_of(page)]
    assert shapes.count((2 * 48, 64, 3)) == 1 + 1 + 5 * 2, (
        "given, truth, and of each method: the two frames with a hole"
    )
    assert shapes.count((120, 64, 3)) == 1 + 5, "slices through time"
    assert "http" not in page
    assert not (out / "page").exists()
    assert "motion-fast is best of the engines that were given nothing true" in page


def test_what_is_refused(cases: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--engine"):
        choose_methods(("magic",), ("fast",), {})
    with pytest.raises(UsageError, match="twice"):
        choose_methods(("internal",), ("fast", "fast"), {})
    with pytest.raises(OutputError, match="not the folder of a run"):
        run_methods([cases], cases, two_methods(), Events(), DIS)
    (tmp_path / "file.md").write_text("mine")
    with pytest.raises(OutputError, match="is a file"):
        run_methods([cases], tmp_path / "file.md", two_methods(), Events(), DIS)
    assert (tmp_path / "file.md").read_text() == "mine"
    with pytest.raises(UsageError, match="--only"):
        evaluate_run([cases], tmp_path / "out", Events(), only="best")
    with pytest.raises(UsageError, match="same name"):
        run_methods([cases, cases], tmp_path / "out", two_methods(), Events(), DIS)


def test_published_tables() -> None:
    assert [table.title for table in tables_for({"devil"})] == [TABLES[3].title]
    assert tables_for(set()) == list(TABLES)
    assert all(table.conditions for table in TABLES)
    for table in TABLES:
        assert {len(row) for row in table.rows} == {len(table.rows[0])}, table.title


def test_the_best_is_of_methods_that_were_given_nothing_true() -> None:
    def row(method: str, psnr: float, ewarp: float, sharp: float, **settings: object) -> RunRow:
        values = {"hole_psnr": psnr, "ewarp": ewarp, "ewarp_truth": 0.001, "sharp": sharp}
        return RunRow("cases", method, "ape", 3, 1.0, 100.0, ClipScore(3, 3, values), settings=settings)

    rows = [
        row("helped", 40.0, 0.001, 1.0, given_every=20),
        row("telea", 20.0, 0.002, 0.5, baseline="telea"),
        row("motion", 25.004, 0.004, 1.2),
        row("again", 25.001, 0.004, 1.6),
    ]
    table = page_table("", rows, 1)
    assert table.measures == ("hole_psnr", "ewarp", "ewarp_truth", "sharp")
    assert [way(name) for name in table.measures] == ["↑", "↓", "", "≈ 1"]
    assert [(one.method, one.given) for one in table.rows] == [
        ("motion", False), ("again", False), ("telea", False), ("helped", True),
    ]  # fmt: skip
    bold = [[cell.best for cell in one.cells[:4]] for one in table.rows]
    assert bold[0] == [True, False, False, True]
    assert bold[1] == [True, False, False, False], "equal as printed"
    assert bold[2] == [False, True, False, False]
    assert not any(bold[3])
    assert headline(rows).startswith(
        "motion is best of the engines that were given nothing true: 25.0 dB of PSNR in the holes, +5"
    )


def test_pages_of_large_runs_show_fewer_frames() -> None:
    assert [frames_per_strip(strips) for strips in (1, 100, 300, 10_000)] == [10, 10, 4, 3]


def test_a_run_without_truth_has_a_page(clips: Path, tmp_path: Path) -> None:
    from vrm.evaluate.commands import cases as make

    name = "a<script>#%20'&\""
    (clips / "ape").rename(clips / name)
    make(clips, tmp_path / "removal", Events(), protocol="removal", clips="a*")
    done = run_methods([tmp_path / "removal"], tmp_path / "out", two_methods(), Events(), DIS)
    write_page(done, ScoreOptions(), Events())
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "difference from what was given" in page
    assert page.count("<script>") == 1, "only the page's own"
    assert len(pictures_of(page)) == 1 + 2 * 3
    assert "ewarp_own" in run_json(done)
