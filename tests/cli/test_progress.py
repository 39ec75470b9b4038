"""What is shown while work goes on: bars on a terminal, words elsewhere, JSON on request."""

from __future__ import annotations

import io
import json

import pytest

from vrm.cli.progress import TerminalEvents, listener, summary
from vrm.events import Events, JsonEvents
from vrm.report.model import FrameCoverage, RemoveReport, ShotReport

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
    assert out == (
        "out.mp4: 10 frames, 2 of them masked; 80% of what is new was seen elsewhere in the video; "
        "samples changed outside the mask: 0; 3.5 s\n"
    )


def test_bars_on_a_terminal(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with listener(json=False) as events:
        play(events)
    err = capfd.readouterr().err
    assert "motion" in err
    assert "note: one [thing] to know" in err
    assert err.rstrip().endswith("\x1b[?25h"), "the cursor is back"


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
