"""Errors of every library put into the words of ours."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from vrm.errors import OutOfMemory, OutputError, UsageError, VrmError
from vrm.system.extras import missing_package
from vrm.system.files import FREE, FULL, disk_error, path_error
from vrm.system.memory import is_shortage


@contextlib.contextmanager
def translate_errors() -> Iterator[None]:
    """Raise what ``translated`` makes of an error; what is a bug stays what it is."""
    try:
        yield
    except VrmError:
        raise
    except Exception as error:
        known = translated(error)
        if known is None:
            raise
        raise known from error


def translated(error: Exception) -> VrmError | None:
    """An error that no place further in has put into words; None if it is a bug.

    Shortages of memory (OutOfMemory) and of disk (OutputError), paths that lead nowhere (UsageError), packages that are
    not installed (MissingPackage).
    """
    if isinstance(error, VrmError):
        return error
    if is_shortage(error):
        fix = "Give --memory GB, a smaller range, or --device cpu where the GPU's was too small."
        return OutOfMemory("The machine ran out of memory.", fix)
    if (words := path_error(error)) is not None:
        return UsageError(words, "Check the path and its permissions.")
    if (reason := disk_error(error, FULL)) is not None:
        at = f" {error.filename}" if isinstance(error, OSError) and error.filename else ""
        return OutputError(f"Writing{at} failed: {reason}.", FREE)
    return missing_package(error, "This") if isinstance(error, ModuleNotFoundError) else None
