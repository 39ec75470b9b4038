"""What the process is set to: freed memory goes back to the system; encoders leave no real-time threads."""

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from vrm.media.write.encoders import PictureFormat, add_encoder
from vrm.types import Colour

PROGRAM = """
import numpy as np
from vrm.system.process import configure_process
if {on}: configure_process()

def resident():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * 4096 / 2**20

before = resident()
block = np.ones(30 << 20, np.uint8)  # freed, it raises glibc's own threshold, if it may
del block
frames, pins = [], []
for _ in range(10):
    frames.append(np.ones(20 << 20, np.uint8))
    pins.append(np.ones(200_000, np.uint8))
del frames
print(resident() - before)
"""


def kept(on: bool) -> float:
    """Megabytes a process still holds after 200 were freed between small blocks that stay."""
    command = [sys.executable, "-c", PROGRAM.format(on=on)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


TRIMMED = """
import numpy as np
from vrm.system.memory import give_back

def resident():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * 4096 / 2**20

before = resident()
small, pins = [], []
for _ in range(5000):
    small.append(np.ones(20000, np.uint8))
    pins.append(np.ones(100, np.uint8))
held = resident() - before
del small
free = resident() - before
give_back()
print(held, free, resident() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_free_pages_between_those_in_use_go_back() -> None:
    done = subprocess.run([sys.executable, "-c", TRIMMED], check=True, capture_output=True, text=True)
    held, free, trimmed = map(float, done.stdout.split())
    assert held > 80
    if free < 50:
        pytest.skip("this C library gives memory back by itself")
    assert trimmed < 0.6 * free


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_freed_frames_go_back_to_the_system() -> None:
    if kept(on=False) < 100:
        pytest.skip("this C library gives memory back by itself")
    assert kept(on=True) < 40


def test_linear_algebra_takes_one_thread_unless_the_user_says_otherwise() -> None:
    code = (
        "import os; from vrm.system.process import configure_process; configure_process(); "
        "print(os.environ['OPENBLAS_NUM_THREADS'])"
    )

    def found(**more: str) -> str:
        own = {k: v for k, v in os.environ.items() if k != "OPENBLAS_NUM_THREADS"} | more
        return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=own).stdout

    assert found() == "1\n"
    assert found(OPENBLAS_NUM_THREADS="3") == "3\n"


@pytest.mark.skipif(not hasattr(os, "sched_setscheduler") or os.geteuid() != 0, reason="only root becomes real-time")
def test_an_av1_encoder_leaves_no_real_time_threads(tmp_path):
    """SVT-AV1, opened by root, makes the thread that opens it and its own ones SCHED_FIFO."""
    rate = Fraction(25)
    picture = PictureFormat((64, 64), "yuv420p", Colour(), Fraction(1), rate, 1 / rate)
    with av.open(str(tmp_path / "a.mkv"), "w") as out:
        stream = add_encoder(out, "libsvtav1", picture, {"preset": "12"})
        threads = [int(thread.name) for thread in Path("/proc/self/task").iterdir()]
        assert len(threads) > 1
        assert {os.sched_getscheduler(thread) for thread in threads} == {os.SCHED_OTHER}
        frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")
        out.mux(stream.encode(frame.reformat(format="yuv420p")))
        out.mux(stream.encode(None))
