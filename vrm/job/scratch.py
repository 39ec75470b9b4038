"""Scratch folders, private to the user: made, claimed by the process that works in them, listed, swept away.

All lie in ``<cache>/vrm/scratch``. ``job-*`` goes when its work ends; ``resume-*`` is what ``--resume`` goes on from. A
folder is claimed by a lock on the file ``lock`` in it, which the system lets go when the process ends, however it ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platformdirs import user_cache_path

from vrm.errors import OutputError
from vrm.system.files import atomic_write, writing

if TYPE_CHECKING:
    from filelock import BaseFileLock

LOCK, ABOUT, DONE = "lock", "job.json", "done.json"
PRIVATE, KEPT = "job-", "resume-"
_GONE = f"{PRIVATE}gone-"
_DAY = 86_400


def scratch_root() -> Path:
    """The folder of all scratch, made private (0700) if need be. Raises OutputError."""
    root = user_cache_path("vrm") / "scratch"
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = root.stat()
        if hasattr(os, "getuid") and found.st_uid != os.getuid():
            raise OutputError(f"The scratch folder {root} belongs to somebody else.", "Set XDG_CACHE_HOME.")
        if found.st_mode & 0o077:
            root.chmod(0o700)
    except OSError as error:
        raise OutputError(
            f"No scratch folder can be made in {root}: {error.strerror}.", "Set XDG_CACHE_HOME to a writable place."
        ) from error
    return root


class Claim:
    """The right to work in a folder. Held until ``release``, or the end of the process."""

    def __init__(self, folder: Path, lock: BaseFileLock | None) -> None:
        self.folder, self._lock, self.held = folder, lock, True

    @classmethod
    def on(cls, folder: Path) -> Claim | None:
        """Claim a folder that is there; None if another process holds it, or if that cannot be known."""
        lock = _file_lock(folder / LOCK, timeout=0)
        return cls(folder, lock) if _acquired(lock) else None

    def release(self) -> None:
        """Let others have it; may be called twice."""
        self.held = False
        if self._lock is not None:
            self._lock.release()


def _file_lock(path: Path, timeout: float) -> BaseFileLock:
    from filelock import FileLock  # slow to import

    # No soft lock in its place: that is a mere file, which would outlive a process that is killed.
    return FileLock(path, timeout=timeout, mode=0o600, thread_local=False, fallback_to_soft=False)


def _acquired(lock: BaseFileLock) -> bool:
    """Take a lock; False if it is another's when its time is up, or if the file system has none."""
    try:
        lock.acquire()
    except (OSError, NotImplementedError):
        return False
    return True


def _unused(folder: Path) -> Claim | None:
    """Claim a folder whose process has ended; None if it is in use.

    One without a lock is of an older vrm, which took none: it counts as used until it has not changed for a day. Half
    deleted ones are in no use.
    """
    deleted = folder.name.startswith(_GONE)
    if not deleted and not (folder / LOCK).exists() and time.time() - measure(folder)[1] < _DAY:
        return None
    return Claim.on(folder)


@contextlib.contextmanager
def _gate(root: Path) -> Iterator[None]:
    """One process at a time makes, claims or sweeps folders, which have no owner for a moment."""
    lock = _file_lock(root.with_suffix(".lock"), timeout=-1)
    _acquired(lock)  # where the file system has no locks: as well as can be
    try:
        yield
    finally:
        lock.release()


def new_folder(about: dict[str, Any]) -> Claim:
    """A fresh private folder, claimed; ``vrm clean`` shows ``about``: input, output. Raises OutputError."""
    root = scratch_root()
    with writing(f"No scratch folder can be made in {root}"), _gate(root):
        folder = Path(tempfile.mkdtemp(prefix=PRIVATE, dir=root))
        claim = Claim.on(folder)
        describe(folder, about)
        return claim or Claim(folder, None)  # where the file system has no locks


def sweep() -> None:
    """Remove what killed processes left behind and no run can use."""
    root = scratch_root()
    with _gate(root):
        for folder in (*root.glob(f"{PRIVATE}*"), *filter(_done, root.glob(f"{KEPT}*"))):
            left = _unused(folder)
            if left is not None:
                remove(left)


def mark_done(folder: Path, output: Path) -> None:
    """Note in a kept folder that its job is done once ``output``, whatever it is called now, is in its place."""
    facts = output.stat()
    atomic_write(folder / DONE, json.dumps([facts.st_dev, facts.st_ino]))


def _done(folder: Path) -> bool:
    """True if everything a job was to write is in its place: only clearing up was left to do."""
    about = description(folder)
    try:
        facts = Path(about["output"]).stat()
        same = json.loads((folder / DONE).read_text(encoding="utf-8")) == [facts.st_dev, facts.st_ino]
        return same and all(Path(path).exists() for path in about["written"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def kept_folder(name: str, about: dict[str, Any]) -> Claim | None:
    """The folder of that name, made if need be and claimed; None if another process works in it."""
    root = scratch_root()
    folder = root / f"{KEPT}{name}"
    with writing(f"No scratch folder can be made in {root}"), _gate(root):
        made = not folder.exists()
        folder.mkdir(mode=0o700, exist_ok=True)
        claim = Claim.on(folder)
        if claim is not None and made:
            describe(folder, about)
        return claim


def describe(folder: Path, about: dict[str, Any]) -> None:
    """Write down whose folder it is."""
    facts = {**about, "pid": os.getpid(), "host": platform.node(), "began": time.time()}
    atomic_write(folder / ABOUT, json.dumps(facts), f"No scratch folder can be made in {folder.parent}")


def description(folder: Path) -> dict[str, Any]:
    """What ``describe`` wrote; empty where that cannot be read."""
    try:
        found = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def remove(claim: Claim) -> None:
    """Delete a claimed folder and give up the claim. What cannot be deleted stays."""
    # Renamed first: another process finds no half of a job to go on from meanwhile.
    gone = claim.folder.with_name(f"{_GONE}{claim.folder.name}-{os.getpid()}")
    try:
        claim.folder.rename(gone)
    except OSError:
        claim.release()  # Windows renames no folder in which a file is open
        try:
            claim.folder.rename(gone)
        except OSError:
            return
    shutil.rmtree(gone, ignore_errors=True)
    claim.release()


@contextlib.contextmanager
def scratch_folder(about: dict[str, Any] | None = None) -> Iterator[Path]:
    """A private folder for intermediate files, removed at the end whatever happens."""
    claim = new_folder(about or {})
    try:
        yield claim.folder
    finally:
        remove(claim)


@dataclass(frozen=True)
class Entry:
    """One scratch folder.

    Attributes:
        state: "running", "interrupted" (``--resume`` goes on from it) or "abandoned" (its process was killed).
        changed: seconds since the epoch when something in it last changed.
        about: input, output, as far as they are known.
    """

    path: Path
    state: str
    bytes: int
    changed: float
    about: dict[str, Any]


def entries() -> list[Entry]:
    """All scratch folders, oldest first."""
    root = scratch_root()
    found = []
    for folder in root.iterdir():
        if not folder.is_dir() or not folder.name.startswith((PRIVATE, KEPT)):
            continue
        size, changed = measure(folder)
        state = "interrupted" if folder.name.startswith(KEPT) else "abandoned"
        with _gate(root):
            claim = _unused(folder)
            if claim is not None:
                claim.release()
        found.append(Entry(folder, state if claim else "running", size, changed, description(folder)))
    return sorted(found, key=lambda entry: entry.changed)


def measure(folder: Path) -> tuple[int, float]:
    """Bytes in a folder and below, and when something in it last changed; files that vanish meanwhile do not count."""
    size, changed = 0, folder.stat().st_mtime if folder.exists() else 0.0
    for at, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                facts = Path(at, name).lstat()
                size += facts.st_size
                if name != LOCK:
                    changed = max(changed, facts.st_mtime)
    return size, changed


def discard(folder: Path) -> bool:
    """Delete a folder that no process works in; False if one does."""
    with _gate(folder.parent):
        claim = _unused(folder)
        if claim is None:
            return False
        remove(claim)
        return True
