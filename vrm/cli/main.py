"""The command ``vrm``: its commands, and how each way of ending looks and what exit code it has."""

import _thread
import io
import math
import os
import platform
import signal
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from vrm.cli.clean import clean
from vrm.cli.evaluate import evaluate
from vrm.cli.frame import frame
from vrm.cli.help_pages import Command
from vrm.cli.info import info
from vrm.cli.options import refuse_spaces, with_values
from vrm.cli.pick import pick
from vrm.cli.remove import remove
from vrm.cli.segment import segment
from vrm.cli.track import track
from vrm.cli.train import train
from vrm.cli.weights import weights
from vrm.errors import UsageError, VrmError
from vrm.events import JsonEvents, printable
from vrm.options.build import REMOVED
from vrm.system.failures import translate_errors
from vrm.system.process import configure_process
from vrm.version import __version__

app = typer.Typer(
    name="vrm",
    epilog="Exit codes: 0 done, 1 a bug, 2 wrong usage, 3 video unreadable, 4 mask does not fit, 5 weights, "
    "6 memory or engine, 7 some of many failed, 8 output cannot be written, 130 interrupted.",
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (remove, track, pick, frame, segment, info, clean):
    app.command(cls=Command)(command)
for name, group in (("train", train), ("weights", weights), ("evaluate", evaluate)):
    app.add_typer(group, name=name)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vrm {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Remove objects from videos; nothing but the object changes."""


def main() -> None:
    for sent in (signal.SIGTERM, signal.SIGINT, getattr(signal, "SIGHUP", signal.SIGTERM)):  # Windows has no SIGHUP
        if signal.getsignal(sent) != signal.SIG_IGN:  # nohup
            signal.signal(sent, _Interrupt())
    sys.unraisablehook = _raise_again
    configure_process()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # names that are no text come out as the bytes they are
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _hush()
    sys.exit(code)


class _Interrupt:
    """A handler that raises KeyboardInterrupt, but once where a signal comes from a terminal and is handed on too."""

    _last = -math.inf

    def __call__(self, number: int, frame: FrameType | None) -> None:
        before, _Interrupt._last = _Interrupt._last, time.monotonic()
        if _Interrupt._last - before <= _AT_ONCE:
            return
        if number != signal.SIGINT:  # clearing up is not interrupted by the next of many
            signal.signal(number, signal.SIG_IGN)
            _stopped.append(signal.Signals(number))
        raise KeyboardInterrupt


_AT_ONCE = 0.5
"""Seconds within which signals are one."""
_stopped: list[signal.Signals] = []
"""The signal that ended the work, where it was not Ctrl-C."""


def _raise_again(lost: Any) -> None:
    """Send an interrupt once more that met a destructor, where Python drops exceptions; show all others as usual."""
    if lost.exc_type is not KeyboardInterrupt or threading.current_thread() is not threading.main_thread():
        sys.__unraisablehook__(lost)
        return
    number = _stopped.pop() if _stopped else signal.SIGINT
    _Interrupt._last = -math.inf
    signal.signal(number, _Interrupt())
    main = threading.get_ident()

    def send() -> None:
        if os.name == "posix":
            signal.pthread_kill(main, number)
        else:
            _thread.interrupt_main(number)

    threading.Timer(_BEHIND, send).start()


_BEHIND = 0.05
"""Seconds after which a destructor is left."""


def run(args: Sequence[str]) -> int:
    """Run one command line (without the program's name; none is --help), say how it ended, return the exit code."""
    as_json = "--json" in args
    try:
        _refuse_empty(args)
        with translate_errors():
            refuse_spaces(args)
            code = app(with_values(args) or ["--help"], prog_name="vrm", standalone_mode=False)
    except SystemExit as ended:
        if not ended.code:  # a completion was shown or installed
            return 0
        _hush()  # typer's only other one here: the reader of our output has gone
        return 141  # as a shell says of SIGPIPE
    except VrmError as error:
        return refuse(error, as_json)
    except TyperException as error:
        usage = UsageError(f"{error.format_message().rstrip('.')}.", "See vrm --help.")
        return refuse(_removed(args) or usage, as_json)
    except Exception:
        return _bug()
    if code == 130:
        text = _interrupted(args)
        _say(text, "yellow")
        if as_json:
            JsonEvents().error(text, "", 130)
    return code or 0


def _refuse_empty(args: Sequence[str]) -> None:
    """Refuse an empty word, which mostly is a shell's variable that is not set, and would mean the folder one is in."""
    for before, word in zip(("", *args), args, strict=False):
        if not word or (word.startswith("--") and word.endswith("=")):
            option = word[:-1] or (before if before.startswith("-") else "")
            what = f"{option} has an empty value" if option else "An argument is empty"
            raise UsageError(f"{what}.", "Write a value, or leave it out. Is a variable of your shell not set?")


def _interrupted(args: Sequence[str]) -> str:
    how = f"stopped by {_stopped[0].name}" if _stopped else "interrupted"
    command = args[0] if args else ""
    if command == "train":
        return how if "--resume" in args else f"{how}; --resume goes on from what is kept"
    if "--resume" in args:
        return f"{how}; the same command goes on from what is finished"
    if command == "remove":
        return f"{how}, nothing was written; with --resume the next run would have gone on from here"
    return f"{how}, nothing was written" if command in ("track", "segment") else how


def _removed(args: Sequence[str]) -> UsageError | None:
    """What to say of a line that does not parse where an option or command in it was removed."""
    for shown in (*(arg.partition("=")[0] for arg in args if arg.startswith("--")), " ".join(["vrm", *args[:2]])):
        word = shown.removeprefix("--").removeprefix("vrm ").replace("-", "_").replace(" ", "_")
        if word in REMOVED:
            return UsageError(f"There is no {shown} any more.", REMOVED[word])
    return None


def refuse(error: VrmError, as_json: bool) -> int:
    """One red line on stderr; with --json also an event."""
    _say(f"vrm: {error}", "red")
    if as_json:
        JsonEvents().error(error.what, error.fix, error.exit_code)
    return error.exit_code


def _bug() -> int:
    """The only traceback a user ever sees, and what to do with it. Called from an except clause."""
    traceback.print_exc()
    _say(
        f"vrm: this is a bug in vrm {__version__} (Python {platform.python_version()}, {platform.platform()}). "
        "Please report it with the lines above, the command, and what vrm info says of the input.",
        "red",
    )
    return 1


def _say(text: str, style: str) -> None:
    from rich.console import Console
    from rich.text import Text

    Console(file=sys.stderr, highlight=False).print(Text(printable(" ".join(text.split())), style), soft_wrap=True)


def _hush() -> None:
    """Send what is still buffered nowhere, so that Python's own exit says nothing about the broken pipe."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
