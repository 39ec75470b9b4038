"""The program ``vrm``: the command line in a process of its own, whose crash ends in a sentence and an exit code.

This process does nothing but wait, so it imports nearly nothing and costs a twentieth of a second. Signals are handed
on; where this process is killed, the other ends at once.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType

from vrm.system.crash import CrashBox, attach, descriptor, fault, inheritable
from vrm.system.worker import command

_LIFELINE = "VRM_LIFELINE"


def main() -> None:
    """Run the command line of this process in another, and end as it does."""
    sys.exit(supervise([*command("vrm.cli.supervisor", "work"), *sys.argv[1:]]))


def work() -> None:
    """The other process."""
    attach()
    lifeline = os.environ.pop(_LIFELINE, "")
    if lifeline:
        threading.Thread(target=_end_with, args=(descriptor(int(lifeline)),), daemon=True).start()
    from vrm.cli.main import main as run

    run()


def supervise(program: Sequence[str]) -> int:
    """Start a program, the arguments of ``vrm`` at its end, and wait for it; returns the exit code for this one."""
    given, _keep = os.pipe()  # the end that is kept closes when this process ends, however it does
    box = CrashBox(program, (given,), env=os.environ | {_LIFELINE: str(inheritable(given))})
    os.close(given)

    def hand_on(number: int, frame: FrameType | None) -> None:
        if os.name == "posix":  # Windows tells every process of a console itself
            box.process.send_signal(number)

    for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, hand_on)
    box.listen()
    code = box.process.wait()
    if fault(code) is None and code != -getattr(signal, "SIGKILL", 0):
        return code if code >= 0 else 128 - code
    from rich.console import Console

    from vrm.cli.main import refuse

    Console(file=sys.stderr).show_cursor()  # a bar hides it
    return refuse(box.death(code), "--json" in program)


def _end_with(lifeline: int) -> None:
    """Thread: end this process when the other end of a pipe has closed."""
    os.read(lifeline, 1)
    os._exit(137)
