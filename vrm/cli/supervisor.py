"""The program ``vrm``: the command line in a process of its own, whose crash ends in a sentence and an exit code.

This process does nothing but wait, so it imports nearly nothing and costs a twentieth of a second. Signals are handed
on; where this process is killed, the other ends at once.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from vrm.system.crash import CrashBox, attach, fault
from vrm.system.lifeline import end_with_starter, lifeline
from vrm.system.worker import command


def main() -> None:
    """Run the command line of this process in another, and end as it does."""
    sys.exit(supervise([*command("vrm.cli.supervisor", "work"), *sys.argv[1:]]))


def work() -> None:
    """The other process."""
    attach()
    end_with_starter()
    from vrm.cli.main import main as run

    run()


def supervise(program: Sequence[str]) -> int:
    """Start a program, the arguments of ``vrm`` at its end, and wait for it; returns the exit code for this one."""
    end_with_starter(lambda: os.kill(os.getpid(), signal.SIGTERM))
    given, _kept, environment = lifeline()
    box = CrashBox(program, (given,), env=environment)
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
