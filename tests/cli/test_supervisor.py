"""A crash in a process that works, faked where FFmpeg would be called, ends in a sentence and an exit code."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from vrm.batch import local
from vrm.batch.run import plan, run_batch
from vrm.errors import BatchError
from vrm.events import Events
from vrm.options.batch import BatchOptions

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")

DECODER_CRASHES = """
import ctypes, sys
from vrm.media.read import decode
real = decode.decoder_of
class Crashing:
    def decode(self, packet):
        ctypes.string_at(0)
def decoder_of(stream, path, **more):
    return Crashing() if path.stem.startswith("crash") else real(stream, path, **more)
decode.decoder_of = decoder_of
"""
THREAD_OF_THE_DECODER_CRASHES = """
import ctypes, signal
from vrm.media.read import decode
library = ctypes.CDLL(None)
library.pthread_create(ctypes.byref(ctypes.c_ulong()), None, library.pause, None)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})  # so that it reaches that thread alone
library.signal(signal.SIGALRM, library.abort)
library.sleep.argtypes = [type("Packet", (), {"from_param": classmethod(lambda cls, packet: ctypes.c_int(20))})]
class Waiting:
    decode = library.sleep
def decoder_of(*_, **__):
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    return Waiting
decode.decoder_of = decoder_of
"""
ENGINE_CRASHES = """
import ctypes
from vrm import pipeline
pipeline.preflight = lambda *_: ctypes.string_at(0)
"""
KILLED = """
import os, signal
from vrm import pipeline
pipeline.preflight = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
"""
WAITS = """
import os, sys, time
from vrm import pipeline
def wait(*_):
    print(os.getpid(), flush=True)
    time.sleep(60)
pipeline.preflight = wait
"""


def supervised(folder: Path, patch: str, *words: object) -> list[str]:
    """The command line, its working process changed by a piece of program."""
    program = folder / "program.py"
    program.write_text(f"{patch}\nfrom vrm.cli.supervisor import work\nwork()\n")
    code = f"import sys; from vrm.cli.supervisor import supervise; sys.exit(supervise([sys.executable, {str(program)!r}"
    return [sys.executable, "-c", f"{code}, *sys.argv[1:]]))", *map(str, words)]


def end(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def crashing(make_video, tmp_path):
    cv2.imwrite(str(tmp_path / "mask.png"), np.eye(48, 64, dtype=np.uint8) * 255)
    return make_video(tmp_path / "crash.mp4")


def remove(source):
    return ("remove", source, "--mask", source.with_name("mask.png"), "--static-mask", "--preset", "fast")


def test_a_crash_of_the_decoder_names_the_file(tmp_path, crashing):
    done = end(supervised(tmp_path, DECODER_CRASHES, "info", crashing, "--json"))
    assert done.returncode == 3
    assert done.stderr.startswith(f"vrm: {crashing} cannot be read: the decoder crashed on it (SIGSEGV).")
    assert len(done.stderr.splitlines()) == 1
    event = json.loads(done.stdout)
    assert (event["event"], event["exit_code"]) == ("error", 3)
    assert str(crashing) in event["text"]


def test_so_does_one_in_a_thread_of_the_decoder_itself(tmp_path, crashing):
    done = end(supervised(tmp_path, THREAD_OF_THE_DECODER_CRASHES, "info", crashing))
    assert done.returncode == 3
    assert done.stderr.startswith(f"vrm: {crashing} cannot be read: the decoder crashed on it (SIGABRT).")


def test_a_crash_elsewhere_is_not_blamed_on_the_file(tmp_path, crashing):
    done = end(supervised(tmp_path, ENGINE_CRASHES, *remove(crashing)))
    assert done.returncode == 6
    assert "The process crashed by SIGSEGV while it worked on" in done.stderr
    assert "cannot be read" not in done.stderr


def test_a_crash_leaves_nothing_half_written(tmp_path, crashing):
    before = {path.name for path in tmp_path.iterdir()} | {"program.py"}
    patch = """
import ctypes
from vrm.media.write.remux import Remuxer
Remuxer.finish = lambda *_: ctypes.string_at(0)
"""
    done = end(supervised(tmp_path, patch, *remove(crashing)))
    assert done.returncode == 6
    assert {path.name for path in tmp_path.iterdir()} == before


def test_a_process_that_was_killed_ends_with_words_too(tmp_path, crashing):
    done = end(supervised(tmp_path, KILLED, *remove(crashing)))
    assert done.returncode == 6
    assert "was killed (SIGKILL). Mostly that is for want of memory" in done.stderr


def test_exit_codes_and_output_are_those_of_the_command(tmp_path):
    done = end([sys.executable, "-m", "vrm", "--version"])
    assert (done.returncode, done.stdout[:4], done.stderr) == (0, "vrm ", "")
    assert end([sys.executable, "-m", "vrm", "info", str(tmp_path / "no.mp4")]).returncode == 3
    assert end([sys.executable, "-m", "vrm", "nonsense"]).returncode == 2


def waiting(tmp_path: Path, source: Path) -> tuple[subprocess.Popen[str], int]:
    heard = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    command = supervised(tmp_path, WAITS, *remove(source))
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, text=True, start_new_session=True, preexec_fn=heard, **pipes)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("whole_group", [True, False])
def test_a_signal_interrupts_once_whether_it_reaches_one_process_or_both(tmp_path, crashing, sent, whole_group):
    process, _ = waiting(tmp_path, crashing)
    with process:
        (os.killpg if whole_group else os.kill)(process.pid, sent)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    said = "interrupted" if sent == signal.SIGINT else "stopped by SIGTERM"
    assert (
        " ".join(err.split()) == f"{said}, nothing was written; with --resume the next run would have gone on from here"
    )


DROPS = """
import time
from vrm.cli import main

class Dropped:
    def __del__(self):
        raise KeyboardInterrupt

def run(args):
    try:
        Dropped()
        time.sleep(20)
        return 0
    except KeyboardInterrupt:
        return 130

main.run = run
main.main()
"""


def test_an_interrupt_that_meets_a_destructor_is_not_lost():
    heard = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    done = subprocess.run([sys.executable, "-c", DROPS], preexec_fn=heard, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "")


def test_no_process_outlives_the_one_that_was_killed(tmp_path, crashing):
    process, worker = waiting(tmp_path, crashing)
    process.kill()
    process.communicate(timeout=20)
    for _ in range(100):
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return
        if " Z " in Path(f"/proc/{worker}/stat").read_text():
            return
        time.sleep(0.1)
    pytest.fail("it still runs")


def test_in_a_batch_it_is_one_failed_row(make_video, tmp_path, crashing, monkeypatch):
    make_video(tmp_path / "good.mp4")
    program = tmp_path / "worker.py"
    program.write_text(f"{DECODER_CRASHES}\nfrom vrm.batch.worker import main\nmain()\n")
    monkeypatch.setattr(local, "WORKER", (sys.executable, str(program)))
    words = {"mask": str(tmp_path / "mask.png"), "static_mask": True, "preset": "fast", "threads": 1}
    jobs = plan([str(crashing), str(tmp_path / "good.mp4")], str(tmp_path / "out"), words, BatchOptions(), Events())
    with pytest.raises(BatchError, match="1 of 2 failed") as raised:
        run_batch(jobs, words, BatchOptions(), Events())
    failed, done = raised.value.summary.outcomes
    assert (failed.status, done.status) == ("failed", "done")
    assert failed.error["exit_code"] == 3
    assert failed.error["text"] == f"{crashing} cannot be read: the decoder crashed on it (SIGSEGV)."
