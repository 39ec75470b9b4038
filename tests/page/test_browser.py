"""The page in a real browser, in a process of its own.

A browser that does not start, or never ends, must not hold up the tests beside it: it, the page's server and the driver
between them are one group of processes, which is ended in every case.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="needs playwright, which drives the browser")
pytest.importorskip("uvicorn")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
LIMIT = 200
"""Seconds for all of it; it takes 25 of a free machine."""


@pytest.mark.slow
@pytest.mark.skipif(not any(map(shutil.which, BROWSERS)), reason="needs a browser: Debian's chromium, say")
@pytest.mark.skipif(os.name != "posix", reason="ends the page by a signal")
def test_a_person_in_a_browser(tmp_path: Path) -> None:
    steps = Path(__file__).with_name("in_browser.py")
    command = [sys.executable, "-m", "pytest", str(steps), "-n0", "-x", "-rs", "--tb=short", "-o", "timeout=150"]
    with (tmp_path / "said.txt").open("w+") as said:  # a file: whoever holds a pipe open would be waited for
        program = subprocess.Popen(
            [*command, f"--basetemp={tmp_path}/t"],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        try:
            code = program.wait(LIMIT)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)
            program.wait(10)
        said.seek(0)
        text = said.read()[-6000:]
    assert code == 0, text if code is not None else f"not done within {LIMIT} seconds\n{text}"
