"""Errors of every library put into the words of ours."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from vrm.errors import OutOfMemory, OutputError, UsageError, VrmError
from vrm.system.files import FREE, FULL, disk_error, path_error
from vrm.system.memory import is_shortage


@contextlib.contextmanager
def translate_errors() -> Iterator[None]:
    """What no place further in has put into words: shortages of memory (OutOfMemory) and of disk (OutputError), paths
    that lead nowhere (UsageError)."""
    try:
        yield
    except VrmError:
        raise
    except Exception as error:
        if is_shortage(error):
            fix = "Give --memory GB, a smaller range, or --device cpu where the GPU's was too small."
            raise OutOfMemory("The machine ran out of memory.", fix) from error
        if (words := path_error(error)) is not None:
            raise UsageError(words, "Check the path and its permissions.") from error
        reason = disk_error(error, FULL)
        if reason is None:
            raise
        at = f" {error.filename}" if isinstance(error, OSError) and error.filename else ""
        raise OutputError(f"Writing{at} failed: {reason}.", FREE) from error
