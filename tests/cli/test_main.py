"""How the command line ends: exit codes, one clear line, and never a traceback but for a bug."""

from __future__ import annotations

import errno
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from vrm import errors, pipeline
from vrm.cli.main import run
from vrm.options.build import REMOVED, build_options


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Stands for the work: remembers how it was called, and raises ``job.error`` if there is one."""
    state = SimpleNamespace(error=None, calls=[])

    def work(source: Path, target: Path, options: object, events: object) -> None:
        state.calls.append((source, target, options))
        if state.error is not None:
            raise state.error

    monkeypatch.setattr(pipeline, "remove", work)
    return state


def every_error(base: type[errors.VrmError] = errors.VrmError) -> list[type[errors.VrmError]]:
    return [kind for child in base.__subclasses__() for kind in (child, *every_error(child))]


@pytest.mark.parametrize("kind", [kind for kind in every_error() if kind.__module__ == "vrm.errors"])
def test_errors_are_one_line_with_their_code(
    kind: type[errors.VrmError], job: SimpleNamespace, capfd: pytest.CaptureFixture[str]
) -> None:
    job.error = kind("The thing in [brackets] is wrong\nin two lines.", "Mend it.")
    assert run(["remove", "a.mp4", "--mask", "m.png"]) == kind.exit_code
    out, err = capfd.readouterr()
    assert out == ""
    assert err == "vrm: The thing in [brackets] is wrong in two lines. Mend it.\n"


def test_errors_are_events_too(job: SimpleNamespace, capfd: pytest.CaptureFixture[str]) -> None:
    job.error = errors.MaskError("No.", "Yes.")
    assert run(["remove", "a.mp4", "--mask", "m.png", "--json"]) == 4
    assert json.loads(capfd.readouterr().out) == {"event": "error", "text": "No.", "fix": "Yes.", "exit_code": 4}


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (KeyboardInterrupt(), 130, "interrupted, nothing was written"),
        (MemoryError(), 6, "memory"),
        (OSError(errno.ENOSPC, "No space left on device", "x.mp4"), 8, "disk is full"),
    ],
)
def test_ends_that_are_not_bugs(
    error: BaseException, code: int, words: str, job: SimpleNamespace, capfd: pytest.CaptureFixture[str]
) -> None:
    job.error = error
    assert run(["remove", "a.mp4", "--mask", "m.png"]) == code
    err = capfd.readouterr().err
    assert words in err
    assert "Traceback" not in err


def test_a_bug_shows_where_and_how_to_report_it(job: SimpleNamespace, capfd: pytest.CaptureFixture[str]) -> None:
    job.error = ZeroDivisionError("by zero")
    assert run(["remove", "a.mp4", "--mask", "m.png"]) == 1
    err = capfd.readouterr().err
    assert "ZeroDivisionError: by zero" in err
    assert "Please report it" in err


@pytest.mark.parametrize(
    "line", ["remove", "remov a.mp4", "remove a.mp4 --mesk m.png", "remove a.mp4 --grow wide", "info", "track a.mp4"]
)
def test_lines_that_do_not_parse(line: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(line.split()) == 2
    err = capfd.readouterr().err
    assert err.startswith("vrm: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "line",
    [
        "remove a.mp4",
        "remove a.mp4 --mask m.png --preset slow",
        "remove a.mp4 --mask m.png --start 1x",
        "remove a.mp4 --mask m.png --object 1,b",
        "remove a.mp4 --mask m.png --object 0",
        "remove a.mp4 --mask m.png --lossless --crf 3",
        "remove a.mp4 --mask m.png --grow 2 --feather 3",
        "remove a.mp4 --mask m.png --device gpu",
        "remove a.mp4 --mask m.png --report r.pdf",
        "remove a.mp4 --mask m.png --preset paper --prefill",
        "remove a.mp4 --mask m.png --memory nan",
        "remove a.mp4 --mask m.png --memory inf",
        "remove a.mp4 --mask m.png --memory 0.5",
        "remove a.mp4 --mask m.png --seed -1",
        "remove a.mp4 --mask m.png --seed 99999999999999999999",
        "remove a.mp4 --mask m.png --threads 1000000",
        "remove a.mp4 --mask m.png --max-frames -1",
        "remove a.mp4 --mask m.png --max-pixels 0",
        "segment a.mp4 -o x --max-frames 0",
        "track a.mp4 -o masks",
    ],
)
def test_options_that_mean_nothing(line: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(line.split()) == 2
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("line", ["remove a.mp4 --prior none", "remove a.mp4 --prior=x", "train internal a -o b"])
def test_words_that_are_gone_say_what_took_their_place(line: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(line.split()) == 2
    err = capfd.readouterr().err
    assert "any more. " in err
    assert any(sentence in err for sentence in REMOVED.values())


LONG = "a" * 300


@pytest.mark.parametrize(
    "line",
    [
        f"remove {LONG}.mp4 --mask m.png",
        f"remove {LONG}.mp4 b.mp4 --mask m.png -o out",
        f"remove a.mp4 b.mp4 --mask {LONG} -o out",
        f"remove a.mp4 b.mp4 --mask m.png -o {LONG}/",
        f"track {LONG}.mp4 --mask m.png -o out",
        f"info {LONG}.mp4",
    ],
)
def test_a_name_that_the_system_refuses(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.mp4", "b.mp4"):
        Path(name).touch()
    assert run(line.split()) in (2, 3, 8)
    err = capfd.readouterr().err
    assert "Traceback" not in err
    assert "too long" in err.lower()
    assert len(err.splitlines()) == 1


def test_help_of_everything(capfd: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    assert run(["--help"]) == 0
    first, second = capfd.readouterr().out.split("Usage:")[1:]
    assert first == second
    assert run(["-h"]) == 0
    for command in ("remove", "track", "info"):
        assert command in first
        assert run([command, "--help"]) == 0


def test_words_arrive(job: SimpleNamespace) -> None:
    line = "remove a.mp4 -o b.mkv --mask m.png --engine internal --no-prefill --object 1,2 --lossless --end 300f"
    assert run(line.split()) == 0
    ((input, output, options),) = job.calls
    assert (input, output) == (Path("a.mp4"), Path("b.mkv"))
    assert options.mask.path == Path("m.png")
    assert options.mask.objects == (1, 2)
    assert options.engine.prefill is False
    assert options.output.lossless
    assert options.end is not None
    assert options.end.frame == 300


def test_defaults_are_those_of_the_options(job: SimpleNamespace) -> None:
    run(["remove", "a.mp4", "--mask", "m.png"])
    assert job.calls[0][2] == build_options(mask="m.png")


def test_colour_only_where_wanted(
    job: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    job.error = errors.VideoError("No.")
    monkeypatch.setenv("FORCE_COLOR", "1")
    run(["remove", "a.mp4", "--mask", "m.png"])
    assert "\x1b[31m" in capfd.readouterr().err
    monkeypatch.setenv("NO_COLOR", "1")
    run(["remove", "a.mp4", "--mask", "m.png"])
    assert "\x1b[31m" not in capfd.readouterr().err


def vrm_process(code: str, **pipes: int) -> subprocess.Popen[str]:
    # Whoever starts the tests in the background may have had interrupts ignored, which children inherit.
    heard = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen([sys.executable, "-c", code], text=True, stderr=subprocess.PIPE, preexec_fn=heard, **pipes)


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_interrupts(sent: signal.Signals) -> None:
    code = (
        "import sys, time; from vrm import pipeline; from vrm.cli.main import main\n"
        "def work(*a, **k): print('ready', flush=True); time.sleep(30)\n"
        "pipeline.remove = work; sys.argv = ['vrm', 'remove', 'a.mp4', '--mask', 'm.png']; main()"
    )
    with vrm_process(code, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.1)
        process.send_signal(sent)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    how = "interrupted" if sent == signal.SIGINT else "stopped by SIGTERM"
    assert err == f"{how}, nothing was written; with --resume the next run would have gone on from here\n"


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_second_signal_does_not_disturb_the_clearing_up() -> None:
    code = (
        "import sys, time; from vrm import pipeline; from vrm.cli.main import main\n"
        "def work(*a, **k):\n"
        "    try: print('ready', flush=True); time.sleep(30)\n"
        "    finally: print('clearing', flush=True); time.sleep(0.5); print('cleared', flush=True)\n"
        "pipeline.remove = work; sys.argv = ['vrm', 'remove', 'a.mp4', '--mask', 'm.png', '--resume']; main()"
    )
    with vrm_process(code, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for said in ("ready\n", "clearing\n"):
            assert process.stdout.readline() == said
            process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "cleared\n")
    assert err == "stopped by SIGTERM; the same command goes on from what is finished\n"


def test_an_interrupt_is_an_event_too(job: SimpleNamespace, capfd: pytest.CaptureFixture[str]) -> None:
    job.error = KeyboardInterrupt()
    assert run(["remove", "a.mp4", "--mask", "m.png", "--json"]) == 130
    record = json.loads(capfd.readouterr().out)
    assert (record["event"], record["exit_code"]) == ("error", 130)
    assert "--resume" in record["text"]


def test_a_reader_that_leaves_hears_nothing() -> None:
    code = (
        "import sys; from vrm import pipeline; from vrm.cli.main import main\n"
        "def work(source, target, options, events):\n    for i in range(100000): events.note('x' * 100)\n"
        "pipeline.remove = work; sys.argv = ['vrm', 'remove', 'a.mp4', '--mask', 'm.png', '--json']; main()"
    )
    with vrm_process(code, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert process.returncode == 141


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-o", ""], "vrm: -o has an empty value."),
        (["--output="], "vrm: --output has an empty value."),
        (["--mask", ""], "vrm: --mask has an empty value."),
        (["-o", "b.mp4", ""], "vrm: An argument is empty."),
    ],
)
def test_an_empty_word_is_refused(words: list[str], said: str, job: SimpleNamespace, capfd) -> None:
    """It is what a variable that is not set leaves, and as a path it would be the folder one is in."""
    assert run(["remove", "a.mp4", "--mask", "m.png", *words]) == 2
    assert capfd.readouterr().err.startswith(said)


@pytest.mark.parametrize("many", [[], ["--jobs", "2"], ["b.mp4"]])
@pytest.mark.parametrize("address", ["https://example.org/walk.mp4", "rtsp://example.org/live", "file://tmp/a.mp4"])
def test_an_address_is_no_file_and_nothing_is_downloaded(
    address: str, many: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(socket, "socket", lambda *args, **kwargs: pytest.fail("the net was used"))
    Path("b.mp4").touch()
    assert run(["remove", address, *many, "--mask", "m.png", "-o", "out"]) == 3
    assert f"vrm: {address} is an address, and vrm reads files" in capfd.readouterr().err
    assert run(["info", address]) == 3
