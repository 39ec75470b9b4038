"""Freed memory goes back to the system, also after large blocks have come and gone."""

import os
import subprocess
import sys

import pytest

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
