"""What a job has done so far, and what it depends on: ``--resume`` goes on from one run's state in the next.

A state is a scratch folder that is named after everything that shapes the result: the video, the masks, all options,
the versions, the machine's instruction set. What was interrupted is found again by that name alone; a state of the
same video and output under another name is stale, and goes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import cv2
from platformdirs import user_cache_path

from vrm.errors import OutputError, UsageError
from vrm.events import counted
from vrm.job.checkpoints import FitFolder, video_key
from vrm.job.packed_masks import pack, unpack
from vrm.job.scratch import (
    KEPT,
    Claim,
    describe,
    description,
    discard,
    kept_folder,
    mark_done,
    new_folder,
    remove,
    scratch_root,
)
from vrm.options.build import model_paths, paths_written
from vrm.options.remove import RemoveOptions
from vrm.system.files import atomic_write, remove_partial
from vrm.types import Masks, VideoInfo
from vrm.weights.cards import known, models

LIBRARIES = ("vrm", "torch", "numpy", "av", "opencv-python-headless")

MASKS, EFFECTS, SHADOWS, TEXT = "masks.bin", "effects.bin", "shadows.bin", "text.bin"
MIRRORS, TEXT_LINES, SHOTS, STEPS = "mirrors.json", "text.json", "shots.json", "steps.json"
MOVED, WINDOWS = "moved.json", "windows"
_DURABLE = (WINDOWS, "fits", MASKS, EFFECTS, SHADOWS, MIRRORS, TEXT, TEXT_LINES, SHOTS, STEPS, MOVED)
"""What a run that goes on can use; the rest of the folder is deleted."""


@dataclass
class JobFolder:
    """One job's scratch folder.

    Attributes:
        path: private, claimed by this process.
        kept: a run with ``--resume`` goes on from what it holds.
        notes: what the user should know of it.
        common: where fits and windows lie, if not in ``path``: several processes work on one video.
    """

    path: Path
    kept: bool = False
    notes: list[str] = field(default_factory=list)
    common: Path | None = None

    @property
    def fits(self) -> Path:
        """Where the engine keeps what it learns."""
        return (self.common or self.path) / "fits"

    @property
    def windows(self) -> Path:
        """Where finished windows are kept."""
        return (self.common or self.path) / WINDOWS

    def read_json(self, name: str) -> Any:
        """What ``write_json`` wrote; None where there is nothing, or it is damaged."""
        try:
            return json.loads((self.path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def write_json(self, name: str, value: Any) -> None:
        """Keep plain values, where anything is kept. Raises OutputError."""
        if self.kept:
            what = f"Scratch cannot be written in {self.path}"
            atomic_write(self.path / name, json.dumps(value), what, durable=True)

    def ready(self, output: Path) -> None:
        """The output is complete, and about to get its name."""
        if self.kept:
            mark_done(self.path, output)

    def read_masks(self, name: str, size: tuple[int, int], n_frames: int) -> tuple[Masks, list[str]] | None:
        """The masks that ``write_masks`` kept, and the notes that go with them; None as in ``read_json``."""
        try:
            found = unpack((self.path / name).read_bytes(), size, n_frames)
        except OSError:
            return None
        return None if found is None else (found[0], list(found[1]))

    def write_masks(self, name: str, masks: Masks, notes: list[str]) -> None:
        """Keep masks that took work to find. Raises OutputError."""
        if self.kept:
            what = f"Scratch cannot be written in {self.path}"
            atomic_write(self.path / name, pack(masks, notes), what, durable=True)


@contextlib.contextmanager
def open_folder(info: VideoInfo, target: Path, options: RemoveOptions) -> Iterator[JobFolder]:
    """The job's folder: fresh, or with ``--resume`` the one an earlier run left.

    It goes when the work is done. Where a run with ``--resume`` ends otherwise, what it finished stays.

    Raises OutputError: there is no place for it; UsageError: another process works on the same job.
    """
    about = {
        "input": str(info.path.absolute()),
        "output": str(target.absolute()),
        "written": [str(path.absolute()) for path in (target, *paths_written(options).values())],
    }
    claim, job = _resumed(info, options, about) if options.resume else (None, None)
    if claim is None or job is None:
        claim = new_folder(about)
        notes = ["Another process works on the same video in the same way: nothing is kept of this run."]
        job = JobFolder(claim.folder, notes=notes if options.resume else [])
    try:
        yield job
        if job.kept and options.dry_run:  # what it looked up, and an interrupted run before it, is for the next
            if _tidied(job.path):
                claim.release()
        elif job.kept:
            with contextlib.suppress(OutputError):  # the result is there; fits for later runs are an extra
                FitFolder(job.fits).publish(_shared_fits(info, options))
    except BaseException:
        if job.kept and _tidied(job.path):
            claim.release()
        raise
    finally:
        if claim.held:
            remove(claim)


def _resumed(info: VideoInfo, options: RemoveOptions, about: dict[str, Any]) -> tuple[Claim | None, JobFolder | None]:
    facts = shaping(info, options)
    claim = kept_folder(fingerprint(facts), about)
    if claim is None:
        there = description(scratch_root() / f"{KEPT}{fingerprint(facts)}")
        if there.get("output") == about["output"]:
            raise UsageError(
                f"{info.path} is being worked on already, for the same output, by process {there.get('pid')}.",
                "Wait for it, or give another output.",
            )
        return None, None
    job = JobFolder(claim.folder, kept=True)
    before = description(claim.folder)
    _sweep_leftovers(before)
    if job.read_json("facts.json") == facts:
        if _tidied(claim.folder):
            job.notes.append(f"Resumed: {_found(claim.folder)} of an interrupted run will be used.")
    else:
        _empty(claim.folder)
        if (claim.folder / "lock").exists() and before.get("facts"):
            job.notes.append("What an earlier run left could not be read, and was discarded.")
        job.write_json("facts.json", facts)
        FitFolder(job.fits).lend(_shared_fits(info, options))
    describe(claim.folder, {**about, "facts": True})
    job.notes += [] if options.dry_run else _discard_stale(claim.folder, facts, about)
    return claim, job


def _discard_stale(own: Path, facts: dict[str, Any], about: dict[str, Any]) -> list[str]:
    """Remove states of the same video and output that other facts shaped; say what changed."""
    notes = []
    for folder in sorted(scratch_root().glob(f"{KEPT}*")):
        there = description(folder)
        if folder == own or any(there.get(name) != about[name] for name in ("input", "output")):
            continue
        old = JobFolder(folder).read_json("facts.json")
        _sweep_leftovers(there)
        if discard(folder):
            changed = [k for k in facts if old.get(k) != facts[k]] if isinstance(old, dict) else ["what it was"]
            notes.append(f"What an interrupted run left is discarded: changed since: {', '.join(changed)}.")
    return notes


def _tidied(folder: Path) -> bool:
    """Remove what no later run can use; True if anything is left that one can."""
    _empty(folder, keep=_DURABLE)
    return any(path.is_file() for name in ("windows", "fits") for path in (folder / name).rglob("*")) or any(
        (folder / name).exists() for name in _DURABLE if "." in name
    )


def _found(folder: Path) -> str:
    """What an interrupted run left, in words."""
    parts = ["the masks"] if (folder / MASKS).exists() else []
    windows = [path.stem.split("-") for path in (folder / WINDOWS).glob("window-*.npz")]
    if windows:
        filled = {t for _, start, stop, *_ in windows for t in range(int(start), int(stop))}
        parts.append(f"{counted(len(windows), 'window')} with {counted(len(filled), 'filled frame')}")
    fits, halves = (list((folder / "fits").rglob(kind)) for kind in ("*.safetensors", "*.half"))
    if fits or halves:
        parts.append(f"{counted(len(fits), 'fit')}" + (f" and {len(halves)} begun" if halves else ""))
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:]))) or "the cuts"


def _empty(folder: Path, keep: tuple[str, ...] = ()) -> None:
    for path in folder.iterdir():
        if path.name in ("lock", "job.json", *(("facts.json",) if keep else ()), *keep):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _sweep_leftovers(there: dict[str, Any]) -> None:
    """Remove the half outputs of a process of this machine that was killed: it could not do so itself."""
    if there.get("host") != platform.node() or there.get("pid") == os.getpid():
        return
    for name in there.get("written", ()):
        remove_partial(Path(name), there["pid"])


def fingerprint(facts: dict[str, Any]) -> str:
    """A name for facts; others have another name."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:24]


def shaping(info: VideoInfo, options: RemoveOptions) -> dict[str, Any]:
    """Everything the filled pixels depend on, by name, ready for JSON; what is written from them does not count."""
    mask = asdict(options.mask)
    engine = asdict(options.engine)
    for name in ("path", "save_to", "labels"):
        mask.pop(name)
    for name in ("fits", "keyframes", "fallback"):
        engine.pop(name, None)
    pictures = [(t, _identity(path)) for t, path in options.engine.keyframes]
    facts = {
        "the video": [_identity(info.path), info.stream],
        "the mask": [[str(at), _identity(path)] for at, path in options.mask.key_masks],
        "the label maps": _identity(options.mask.labels),
        "key frames": pictures,
        "options for the mask": mask,
        "options for the engine": engine | {"threads": options.engine.cpu_threads},
        "the range": [options.start, options.end, options.preview],
        "weights": [[card.name, card.sha256] for card, _ in known()] + [_identity(p) for p in model_paths(options)],
        "models": [[card.name, card.revision] for card, _ in models()],
        "versions": versions(),
        "the machine": [platform.machine(), cv2.getCPUFeaturesLine()],
    }
    found: dict[str, Any] = json.loads(json.dumps(facts, default=str))
    return found


def versions() -> dict[str, str]:
    """Versions of vrm and of the libraries that shape the result."""
    found = {}
    for name in LIBRARIES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _identity(path: Path | None) -> list[Any]:
    """Tells contents apart: sizes, times of change, and the ends of a file."""
    if path is None or not path.exists():
        return []
    if path.is_dir():
        inside = sorted(p for p in path.rglob("*") if p.is_file())
        text = "\n".join(f"{p.relative_to(path)} {p.stat().st_size} {p.stat().st_mtime_ns}" for p in inside)
        return [hashlib.sha256(text.encode()).hexdigest()]
    return [video_key(path), path.stat().st_mtime_ns]


def _shared_fits(info: VideoInfo, options: RemoveOptions) -> Path:
    """Where fits to this video and this object lie for later jobs."""
    # A network that learned the video with another object hidden has learned to paint this one.
    mask = options.mask
    goes = f"{mask.objects}{mask.invert}{mask.frame}{mask.static}"
    goes += "".join(f"{at or ''}{video_key(path)}" for at, path in mask.key_masks)
    if mask.points or mask.boxes or mask.classes or mask.rectangles:
        goes += "".join(map(str, mask.rectangles))
        goes += f"{mask.points}{mask.boxes}{mask.classes}{mask.labels}{mask.segmenter}{mask.sam}"
    name = f"{video_key(info.path)}-{hashlib.sha256(goes.encode()).hexdigest()[:12]}"
    return user_cache_path("vrm") / "fits" / name
