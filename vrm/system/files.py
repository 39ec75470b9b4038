"""Writing that happens whole or not at all, and every library's way of saying that a disk takes no more, in one."""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import pickle
import shutil
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import BinaryIO

from vrm.errors import OutputError, VrmError
from vrm.system import crash
from vrm.system.crash import delete

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
    """Why a disk took no more, in words, if an error (or what it came from) has a number ``among`` these; else None."""
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
    except VrmError:
        raise
    except Exception as error:
        if not isinstance(error, OSError) and disk_error(error) is None:
            raise
        raise _refused(what, error) from error


def _refused(what: str, error: Exception) -> OutputError:
    said = (error.strerror if isinstance(error, OSError) else None) or str(error)
    fix = _VANISHED if isinstance(error, FileNotFoundError) else FREE
    return OutputError(f"{what}: {disk_error(error) or said}.", fix)


Content = bytes | memoryview | str | Callable[[BinaryIO], object]


def atomic_write(path: Path, content: Content, what: str = "", *, durable: bool = False) -> None:
    """Write a file that appears under its name when it is complete, or not at all.

    Args:
        path: replaced if it exists.
        content: the bytes, the text (written as UTF-8), or a function that is given the open file.
        what: begins the error's sentence; by default the path cannot be written.
        durable: it outlasts a loss of power from the moment it appears.

    Raises OutputError: the disk is full, or may not be written to; nothing is left behind.
    """
    with (
        writing(what or f"{path} cannot be written"),
        atomic_file(path, durable=durable) as partial,
        partial.open("wb") as file,
    ):
        if callable(content):
            content(file)
        else:
            file.write(content.encode() if isinstance(content, str) else content)


@contextlib.contextmanager
def atomic_file(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Where to write a file that takes the name ``path`` when the block ends well, and is deleted when it does not.

    ``atomic_write`` also words the errors; this is for writers that want a path.
    """
    partial = partial_path(path)
    crash.writing(partial)
    try:
        yield partial
        if durable:
            with partial.open("rb+") as file:  # Windows syncs only what may be written to
                os.fsync(file.fileno())
        partial.replace(path)
        if durable:
            sync_folder(path.parent)
    finally:
        delete(partial)


@contextlib.contextmanager
def atomic_folder(folder: Path, what: str = "", *, merge: bool = False) -> Iterator[Path]:
    """Where to make a folder that takes the name ``folder`` when the block ends well, and is deleted when it does not.

    The path that is yielded does not exist yet; where it is not made, nothing happens.

    Args:
        folder: replaced if it exists; folders above it are made.
        what: it holds, as the subject of a sentence ("Masks"): an OSError in the block becomes an OutputError.
        merge: instead of replacing an existing folder, replace the files in it that have the same names.
    """
    asked, folder = folder, folder.absolute()
    partial = partial_path(_in_existing(folder))
    delete(partial)
    crash.writing(partial)
    try:
        yield partial
        if not partial.exists():
            return
        folder.parent.mkdir(parents=True, exist_ok=True)
        if merge and folder.exists():
            for path in sorted(partial.iterdir()):
                path.replace(folder / path.name)
            return
        if folder.exists():
            shutil.rmtree(folder)
        partial.replace(folder)
        sync_folder(folder.parent)
    except OSError as error:
        if not what:
            raise
        raise _refused(f"{what} cannot be written to {asked}", error) from error
    finally:
        delete(partial)


def partial_path(path: Path, pid: int | str | None = None) -> Path:
    """Where a process, by default this one, writes what will be called ``path``: a hidden name beside it."""
    return path.with_name(f".{path.name}.{os.getpid() if pid is None else pid}.part")


def remove_partial(path: Path, pid: int | str = "*") -> None:
    """Delete what a killed process, or any, has left of a file or a folder ``path``."""
    place = _in_existing(path)
    for partial in place.parent.glob(glob.escape(f".{place.name}.") + f"{pid}.part"):
        delete(partial)


def _in_existing(path: Path) -> Path:
    """A path in the nearest folder that is there, named after all that is missing: ``a/goat`` is not ``b/goat``."""
    above = existing(path.parent)
    return above / "-".join(path.relative_to(above).parts)


def sync_folder(folder: Path) -> None:
    """Bring a folder's names to the disk; does nothing on Windows or where the file system cannot."""
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
