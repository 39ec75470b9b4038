"""One job in a process of its own: its time, memory and failures are nobody else's."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
from multiprocessing.connection import Connection
from typing import Any

from vrm.errors import VrmError, WeightsError
from vrm.evaluate.runs.methods import FillTask, fill
from vrm.system.memory import is_shortage

_PATIENCE = 20
"""Seconds that an interrupted job has for clearing its scratch away."""


def fill_in_process(job: FillTask) -> dict[str, Any]:
    """What ``fill`` gives, or ``{"error": words}``. An interrupt is passed on, and waited for.

    With "everywhere" true the error has nothing to do with the clip: no other need be tried.
    """
    start = multiprocessing.get_context("spawn")
    receiving, sending = start.Pipe(duplex=False)
    process = start.Process(target=_child, args=(job, sending))
    process.start()
    sending.close()
    try:
        done: dict[str, Any] = receiving.recv()
    except EOFError:
        process.join()
        done = {"error": f"its process ended with code {process.exitcode}; if that is -9, for want of memory"}
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid or 0, signal.SIGINT)
        process.join(_PATIENCE)
        process.kill()
        raise
    process.join()
    return done


def _child(job: FillTask, sending: Connection) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        done = fill(job)
    except KeyboardInterrupt:
        sys.exit(130)
    except VrmError as error:
        done = {"error": str(error), "everywhere": isinstance(error, WeightsError)}
    except Exception as error:
        done = {"error": "not enough memory" if is_shortage(error) else f"{type(error).__name__}: {error}"}
    sending.send(done)
