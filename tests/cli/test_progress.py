"""What is shown while work goes on: bars on a terminal, words elsewhere, JSON on request."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest

from vrm.batch.summary import Outcome, Summary
from vrm.batch.tasks import failure
from vrm.cli.bars import BatchProgress, JobProgress
from vrm.cli.closing import places, summary
from vrm.cli.progress import TerminalEvents, listener
from vrm.errors import MaskError, OutputError
from vrm.events import Events, JsonEvents, Overall, Plan
from vrm.report.coverage import FrameCoverage
from vrm.report.model import RemoveReport, ShotReport

REPORT = RemoveReport(
    "in.mp4",
    "out.mp4",
    frames=10,
    masked_frames=2,
    shots=[ShotReport(0, 10, (FrameCoverage(0, 0.1, 1.0), FrameCoverage(1, 0.1, 0.5, 0.1, 0.4)))],
    timings={"masks": 1.0, "write": 2.5},
)


def play(events: Events) -> None:
    events.stage("motion", 3)
    events.advance("motion", 2)
    events.note("one [thing] to know")
    events.advance("motion")
    events.stage("motion", 3)
    events.stage("fit", 0)
    events.done(REPORT)


def test_silence(capfd: pytest.CaptureFixture[str]) -> None:
    play(Events())
    assert capfd.readouterr() == ("", "")


def test_json_lines_have_stable_keys() -> None:
    out = io.StringIO()
    play(JsonEvents(out, interval=0))
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert lines[:6] == [
        {"event": "stage", "stage": "motion", "total": 3},
        {"event": "progress", "stage": "motion", "done": 2, "total": 3},
        {"event": "note", "text": "one [thing] to know"},
        {"event": "progress", "stage": "motion", "done": 3, "total": 3},
        {"event": "stage", "stage": "motion", "total": 3},
        {"event": "stage", "stage": "fit", "total": 0},
    ]
    assert lines[6] == {"event": "done", "report": REPORT.to_dict()}


def test_json_is_not_a_flood() -> None:
    out = io.StringIO()
    events = JsonEvents(out, interval=60)
    events.stage("write", 1000)
    for _ in range(1000):
        events.advance("write")
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert len(lines) <= 3
    assert lines[-1]["done"] == 1000


def test_words_without_a_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    with listener(json=False) as events:
        play(events)
    out, err = capfd.readouterr()
    assert err == "note: one [thing] to know\n"
    assert out == summary(REPORT) + "\n"
    assert out == ("out.mp4: 2 of 10 frames in 3.5 s; 20% synthesised, 5% unsure: see frame 1\n")


@pytest.mark.parametrize("name", ["a.mp4", "folder/" * 6 + "a.mp4", "x" * 30 + ".mp4"])
def test_the_last_line_fits_80_columns(name: str) -> None:
    times = (t + k for t in (1000, 2000, 3000) for k in range(100))
    frames = [FrameCoverage(t, 0.1, 0.2, 0.3, 0.5) for t in times]
    report = RemoveReport(
        "in.mp4", name, frames=12000, masked_frames=300, shots=[ShotReport(0, 12000, tuple(frames))],
        timings={"fill": 5000.0}, options={"report": "r.html", "mask": {"save_to": "m"}, "export_keyframes": None},
    )  # fmt: skip
    line = summary(report)
    assert len(line) <= 80
    assert line.endswith("300 of 12000 frames in 1:23:20 h; 50% synthesised: see frames 1000-1099")
    hidden = [f"  video: {name}"] if not line.startswith(f"{name}:") else []
    assert places(report) == [*hidden, "  report: r.html", "  masks: m"]


def test_tracking_says_where_masks_and_overlay_lie() -> None:
    folder = "folder/" * 9 + "masks"
    report = RemoveReport("in.mp4", folder, frames=10, masked_frames=8, timings={"follow": 2.0}, overlay="look.png")
    assert summary(report) == "masks: 8 of 10 frames masked in 2.0 s"
    assert places(report) == [f"  masks: {folder}", "  overlay: look.png"]


def test_what_is_unsure_is_said_before_the_word_frames() -> None:
    shots = [ShotReport(0, 50, tuple(FrameCoverage(t, 0.1, 0.0, 0.25, 0.75) for t in range(10, 15)))]
    report = RemoveReport("a", "swan.mp4", frames=50, masked_frames=5, shots=shots, timings={"fill": 48.3})
    assert summary(report) == "swan.mp4: 5 of 50 frames in 48.3 s; 75% synthesised, 25% unsure: see 10-14"


def test_the_last_line_of_other_ends() -> None:
    assert summary(RemoveReport("a", "b.mp4", frames=1)) == "b.mp4: 1 frame, nothing masked, in 0.0 s"
    sure = ShotReport(0, 2, (FrameCoverage(0, 0.1, 1.0),))
    assert summary(RemoveReport("a", "b.mp4", frames=1, masked_frames=1, shots=[sure])).endswith(
        "; nothing synthesised"
    )
    assert summary(RemoveReport("a", "m/", frames=5, masked_frames=4)) == "m/: 4 of 5 frames masked in 0.0 s"


def test_bars_on_a_terminal(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with listener(json=False) as events:
        play(events)
    err = capfd.readouterr().err
    assert "filling" in err
    assert "note: one [thing] to know" in err
    assert err.rstrip().endswith("\x1b[?25h"), "the cursor is back"


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


class Clock:
    """Stands for the time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr("time.monotonic", lambda: self.now)


def test_one_line_for_the_whole_job(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, job = Clock(monkeypatch), JobProgress()
    job.hear(Overall(0.4, "motion", 100.0, 3, 6))
    assert job.text() == "shot 3 of 6 · filling · 1:40 left"
    clock.now += 30
    assert job.text() == "shot 3 of 6 · filling · 1:10 left", "time passes while nothing is told"
    job.hear(Overall(0.4, "motion", 100.0, 1, 1))
    job.stage("motion", 7)  # a further window: what was told of the whole stays
    assert job.text() == "filling · 1:40 left"
    clock.now += 45
    job.hear(Overall(1.0, "write", 0.0))
    assert job.text() == "done · took 1:15"


def test_a_stage_alone_is_the_whole_job(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, job = Clock(monkeypatch), JobProgress()
    job.stage("train", 1000)
    assert job.text() == "training"
    job.advance("train", 900)  # kept by an earlier run
    for _ in range(20):
        clock.now += 3
        job.advance("train", 1)
    assert job.text() == "training · 4:00 left", "80 steps of 3 s; those of the earlier run took no time here"


def test_failures_are_no_fast_videos(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, batch = Clock(monkeypatch), BatchProgress(12)
    for index in range(4):
        batch.started(index)
        clock.now += 60 if index < 2 else 0.1
        batch.over(index, "done" if index < 2 else "failed")
    batch.over(4, "skipped")
    assert batch.text() == "5 of 12 videos · 2 failed · 7:00 left"
    batch.started(5), batch.started(6)  # two at a time from here on
    clock.now += 30
    assert batch.left == (2 * 30 + 5 * 60) / 2
    for index in range(5, 12):
        batch.over(index, "skipped")
    assert batch.text() == "12 of 12 videos · 2 failed · took 2:30"


def test_what_is_not_over_has_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, batch = Clock(monkeypatch), BatchProgress(3)
    job = batch.started(0)
    job.hear(Overall(0.5, "motion", 30.0))
    clock.now += 20
    for each in (batch, job):
        each.stopped = True
    assert batch.text() == "0 of 3 videos · stopped after 0:20"
    assert job.text() == "stopped after 0:20"


def test_lines_in_a_log(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    clock = Clock(monkeypatch)
    with listener(json=False) as events:
        for seconds, done in ((1, 0.15), (1.5, 0.16), (1, 0.2), (3, 0.25), (4, 0.27), (6, 0.3), (3, 0.9)):
            clock.now += seconds
            events.overall(Overall(done, "motion", 60.0, 2, 3))
    lines = capfd.readouterr().err.splitlines()
    what = "shot 2 of 3 · filling · 1:00 left"
    shares = [16, 27, 90]
    assert lines[0] == f" 16% · {what}", "10 %, but not within two seconds"
    assert [int(line.split("%")[0]) for line in lines] == shares, "10 % more, or 10 s later"


def test_quiet_prints_the_result_alone(capfd: pytest.CaptureFixture[str]) -> None:
    with listener(json=False, quiet=True) as events:
        play(events)
    assert capfd.readouterr() == (summary(REPORT) + "\n", "")
    with listener(json=False, quiet=True) as events:
        play_batch(events)
    out, err = capfd.readouterr()
    assert out == summary(REPORT) + "\n"
    assert err == "failed: long name.mp4: No mask [fits]. Try.\n"


def test_verbose_prints_what_each_stage_took(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    clock = Clock(monkeypatch)
    with listener(json=False, verbose=True) as events:
        events.stage("motion", 3)
        events.advance("motion", 3)
        clock.now += 1.5
        events.stage("write", 1)
        events.advance("write")
        events.done(REPORT)
    assert capfd.readouterr().err == "filling: 3 steps, 1.5 s\nwriting: 1 step, 0.0 s\n"


@pytest.mark.parametrize("dry_run", [False, True])
def test_the_plan(dry_run: bool, capfd: pytest.CaptureFixture[str]) -> None:
    with listener(json=False, dry_run=dry_run) as events:
        events.plan(Plan(100, 40, 0.0458, 0.0491, 108.0))
        events.plan(Plan(1, 1, 0.01, 0.02, 4.2))
    out, err = capfd.readouterr()
    assert (out if dry_run else err).splitlines() == [
        "40 of 100 frames to fill; hole 4.6% of the frame; about 2 min",
        "1 of 1 frame to fill; hole 1.0% of the frame, up to 2.0%; about 4 s",
    ]
    assert (err if dry_run else out) == ""


def test_of_a_single_video_one_bar_says_all(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_INTERACTIVE", "1")
    with listener(False) as events:
        events.batch(1)
        one = events.job(0, "a.mp4", "out.mp4")
        one.overall(Overall(0.5, "motion", 10.0))
        one.overall(Overall(1.0, "write", 0.0))
        one.done(REPORT)
        events.ended(BATCH.outcomes[0])
    err = plain(capfd.readouterr().err)
    assert "videos" not in err
    assert err.rstrip().endswith("100% done · took 0:00")


@pytest.mark.parametrize("columns", [80, 120])
def test_no_bar_is_as_wide_as_the_terminal(
    columns: int, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_INTERACTIVE", "1")
    with listener(False) as events:
        events.batch(1000)
        one = events.job(0, "a long name that says very much.mp4", "out.mp4")
        one.overall(Overall(0.5, "a stage whose name is longer than anybody would think", 36000.0, 100, 200))
    drawn = [line for line in re.split(r"[\r\n]", plain(capfd.readouterr().err)) if "━" in line]
    assert drawn
    assert max(map(len, drawn)) < columns - 2, "what is shown of Ctrl-C fits beside it"


def test_bars_stop_when_the_work_fails(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")

    def fail() -> None:
        with listener(json=False) as events:
            assert isinstance(events, TerminalEvents)
            events.stage("motion", 3)
            raise ValueError

    with pytest.raises(ValueError):
        fail()
    assert "\x1b[?25h" in capfd.readouterr().err


BATCH = Summary(
    (
        Outcome(0, "a.mp4", "out/a.mp4", "done", 12.34, 100, 90, 0.5, 0.25, 0.25, tries=1),
        Outcome(
            1, "long name.mp4", "out/long name.mp4", "failed", 1.0, error=failure(MaskError("No mask [fits].", "Try."))
        ),
        Outcome(2, "c.mp4", "out/c.mp4", "skipped"),
    ),
    13.4,
)


def play_batch(events: Events) -> None:
    events.batch(3)
    one, two = events.job(0, "in/a.mp4", "out/a.mp4"), events.job(1, "in/b.mp4", "out/b.mp4")
    one.stage("motion", 3)
    two.stage("motion", 0)
    two.note("one [thing]")
    one.advance("motion", 2)
    one.done(REPORT)
    for outcome in BATCH.outcomes:
        events.ended(outcome)
    events.summary(BATCH)


@pytest.mark.parametrize("terminal", [False, True])
def test_many_videos(terminal: bool, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TTY_INTERACTIVE", "1")
    with listener(False) as events:
        play_batch(events)
    out, err = (plain(text) for text in capfd.readouterr())
    assert out.splitlines() == [summary(REPORT)]
    assert "note: b.mp4: one [thing]" in err
    assert "failed: long name.mp4: No mask [fits]. Try." in err
    table = [line.split() for line in err.splitlines()[-6:]]
    assert table[0] == ["seconds", "frames", "found"]
    assert table[1] == ["done", "12.3", "100", "50%", "out/a.mp4"]
    assert table[2] == ["failed", "long", "name.mp4"]
    assert table[3] == ["No", "mask", "[fits]."]
    assert table[4] == ["skipped", "c.mp4"]
    assert err.splitlines()[-1] == "1 done, 1 skipped, 1 failed; 13.4 s"
    assert ("0 of 3 videos" in err) == terminal
    assert bool(re.search(r"a\.mp4 +━+ +0% filling", err)) == terminal


@pytest.mark.parametrize("terminal", [False, True])
def test_names_that_would_steer_the_terminal(
    terminal: bool, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TTY_INTERACTIVE", "1")
    name = "[b]\x1b]0;mine\x07\n.mp4"
    with listener(False) as events:
        events.batch(2)
        one = events.job(0, name, "out")
        one.stage("motion", 3)
        one.note("a note")
        outcome = Outcome(0, name, "out", "failed", error={"text": f"{name} is bad.", "fix": ""})
        events.ended(outcome)
        events.summary(Summary((outcome,), 1.0))
    err = capfd.readouterr().err
    assert "\x1b]0" not in err
    assert "\x07" not in err
    assert "note: [b]\\x1b]0;mine\\x07\\x0a.mp4: a note" in err
    assert ("[b]\\x1b]0;mine\\…" in err) == terminal, "a name is cut so that its bar fits"
    assert err.splitlines()[-3].startswith("failed")


def test_a_summary_as_json(tmp_path: Path) -> None:
    BATCH.write(tmp_path / "s.json")
    record = json.loads((tmp_path / "s.json").read_text())
    assert record == BATCH.to_dict()
    assert [path.name for path in tmp_path.iterdir()] == ["s.json"]
    with pytest.raises(OutputError):
        BATCH.write(tmp_path / "none" / "s.json")
