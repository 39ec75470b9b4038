"""``vrm clean``: what vrm keeps in the user's cache folder, shown and removed."""

from __future__ import annotations

import json
import re
import shutil
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from vrm.errors import OutputError, UsageError
from vrm.job.scratch import discard, entries, measure

KINDS = ("scratch", "fits", "weights")
_UNITS = {"m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True)
class Item:
    """One thing in the cache.

    Attributes:
        changed: seconds since the epoch.
        running: a job uses it.
        removed: it is gone now.
    """

    kind: str
    path: Path
    bytes: int
    changed: float
    about: str
    running: bool = False
    removed: bool = False

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"path": str(self.path)}


def age(words: str) -> float:
    """Seconds from ``7d``, ``12h`` or ``30m``. Raises UsageError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([mhd])", words)
    if match is None:
        raise UsageError(f"--older-than {words} is no age.", "Write minutes, hours or days: 30m, 12h, 7d.")
    return float(match[1]) * _UNITS[match[2]]


def listing() -> list[Item]:
    """Everything, kind by kind, oldest first."""
    found = []
    for entry in entries():
        about = f"{entry.state}: {entry.about.get('input', 'unknown')}"
        if entry.about.get("output"):
            about += f" to {entry.about['output']}"
        found.append(Item("scratch", entry.path, entry.bytes, entry.changed, about, running=entry.state == "running"))
    cache = user_cache_path("vrm")
    found += [_item("fits", folder, "what was learned of a video") for folder in _inside(cache / "fits")]
    files = [path for path in _inside(cache / "weights") if _ours(path)]
    found += [_item("weights", path, f"fetched or imported: {path.stem}") for path in files]
    return sorted(found, key=lambda item: (KINDS.index(item.kind), item.changed))


def _ours(path: Path) -> bool:
    """Weights that vrm brought: safetensors, and what it wrote a card for; what the user put there stays."""
    if path.is_dir():
        return (path / "vrm.json").is_file()
    return path.suffix == ".safetensors" or (path.suffix == ".pth" and _card(path) is not None)


def _card(path: Path) -> Path | None:
    """The card that names a file as its own, or None; ``sam_vit_b_01ec64.pth`` has ``sam-vit-b.json``."""
    for card in (path.with_suffix(".json"), *sorted(path.parent.glob("*.json"))):
        try:
            if json.loads(card.read_text(encoding="utf-8")).get("file") == path.name:
                return card
        except (OSError, ValueError, AttributeError):
            continue
    return None


def _inside(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _item(kind: str, path: Path, about: str) -> Item:
    if path.is_dir():
        size, changed = measure(path)
    else:
        facts = path.stat()
        size, changed = facts.st_size, facts.st_mtime
    return Item(kind, path, size, changed, about)


def clear(items: list[Item], kinds: list[str], seconds: float = 0.0, now: float | None = None) -> list[Item]:
    """Remove what is of these kinds, not running, and unchanged for so many seconds; what is gone is marked.

    Raises OutputError: something could not be removed; the rest is.
    """
    now = time.time() if now is None else now
    after, failed = [], []
    for item in items:
        if item.kind not in kinds or item.running or now - item.changed < seconds:
            after.append(item)
            continue
        if item.kind == "scratch" and not discard(item.path):
            after.append(replace(item, running=True))  # begun since it was listed
            continue
        if not _gone(item):
            failed.append(item.path)
        after.append(replace(item, removed=not item.path.exists()))
    if failed:
        raise OutputError(f"{failed[0]} could not be removed ({len(failed)} in all).", "Look at its permissions.")
    return after


def _gone(item: Item) -> bool:
    if item.path.is_dir():
        shutil.rmtree(item.path, ignore_errors=True)
    elif item.kind == "weights":
        card = _card(item.path)
        try:
            item.path.unlink(missing_ok=True)
            item.path.with_suffix(".json").unlink(missing_ok=True)
            if card is not None:
                card.unlink(missing_ok=True)
        except OSError:
            return False
    return not item.path.exists()


def text(items: list[Item]) -> str:
    lines = []
    for kind in KINDS:
        own = [item for item in items if item.kind == kind]
        left = sum(item.bytes for item in own if not item.removed)
        gone = sum(item.bytes for item in own if item.removed)
        freed = f", {_size(gone)} removed" if any(item.removed for item in own) else ""
        lines.append(f"{kind}: {_size(left)}{freed}")
        lines += [f"  {_size(i.bytes):>9}  {'removed: ' if i.removed else ''}{i.about} ({i.path})" for i in own]
    if items and not any(item.removed for item in items):
        lines.append("Remove with --scratch, --fits, --weights or --all; --older-than 7d keeps what is newer.")
    return "\n".join(lines)


def _size(count: int) -> str:
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count} B"
