"""Writing that happens whole or not at all, and every library's way of saying that a disk takes no more, in one."""

from __future__ import annotations

import contextlib
import errno
import os
import pickle
import shutil
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import BinaryIO

from vrm.errors import OutputError

DISK = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EACCES: "it may not be written to",
    errno.EPERM: "it may not be written to",
    errno.EROFS: "it is read-only",
    errno.EFBIG: "the file grew too large for the file system",
    errno.EIO: "the disk reports an error",
}
"""What stops writing, in words."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
"""Of these, what only writing meets."""

_LIBRARIES_SAY = ("No space left on device", "requested and", "PytorchStreamWriter", "inline_container")
"""How safetensors, NumPy (an OSError without a number) and torch word a write that was cut short."""

DAMAGED = (OSError, KeyError, ValueError, TypeError, AttributeError, EOFError, RuntimeError, pickle.UnpicklingError)
"""What reading a damaged file of tensors or of plain values can raise."""

FREE = "Free some space, or set another place: XDG_CACHE_HOME for scratch, -o for the output."

_VANISHED = "Its folder has vanished: run again, and let nothing else tidy up there meanwhile."


def disk_error(error: BaseException | None, among: Collection[int] = tuple(DISK)) -> str | None:
    """Why a disk took no more, in words, if that is what an error is about (or what it came from); else None.

    Args:
        error: any.
        among: the system's numbers of errors that count.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in among and error.errno in DISK:
            return DISK[error.errno]
        wordless = isinstance(error, OSError) and error.errno is None
        if wordless or type(error).__name__ in ("SafetensorError", "RuntimeError"):
            said = str(error)
            if any(words in said for words in _LIBRARIES_SAY):
                return DISK[errno.ENOSPC]
        error = error.__cause__ or error.__context__
    return None


NO_WAY = (errno.ENAMETOOLONG, errno.EACCES, errno.ELOOP, errno.ENOTDIR, errno.ESTALE, errno.EHOSTDOWN)
"""What the system says of a path that leads nowhere, whatever was to be done there."""


def path_error(error: BaseException) -> str | None:
    """One sentence on a path that could not even be looked at; None where an error is about something else."""
    if isinstance(error, OSError) and error.errno in NO_WAY and error.filename is not None:
        return f"{os.fsdecode(error.filename)} cannot be used: {error.strerror}."
    return None


@contextlib.contextmanager
def writing(what: str) -> Iterator[None]:
    """Turn what fails inside for the disk's sake into an OutputError that begins with ``what`` ("X cannot be kept")."""
    try:
        yield
    except OutputError:
        raise
    except Exception as error:
        reason = disk_error(error)
        if reason is None:
            if not isinstance(error, OSError):
                raise
            reason = error.strerror or str(error)
        fix = _VANISHED if isinstance(error, FileNotFoundError) else FREE
        raise OutputError(f"{what}: {reason}.", fix) from error


def write_whole(path: Path, make: Callable[[BinaryIO], object], what: str, *, durable: bool = False) -> None:
    """Let ``make`` fill a file that appears under its name when it is whole.

    Args:
        path: replaced if it is there.
        make: given the open file.
        what: begins the error's sentence.
        durable: on the disk, not only in the system's memory, before it appears.

    Raises:
        OutputError: the disk is full, or may not be written to; nothing is left behind.
    """
    partial = path.with_name(f"{path.name}.part")
    with writing(what):
        try:
            with partial.open("wb") as file:
                make(file)
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            partial.replace(path)
            if durable:
                sync_folder(path.parent)
        except BaseException:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
            raise


def sync_folder(folder: Path) -> None:
    """Bring a folder's names to the disk; a file system that cannot is left in peace."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def existing(place: Path) -> Path:
    """A folder, or the nearest one above it that is there."""
    while not place.exists() and place != place.parent:
        place = place.parent
    return place


def free_bytes(place: Path) -> int:
    """Bytes that may still be written where ``place`` is, or will be."""
    return shutil.disk_usage(existing(place)).free
