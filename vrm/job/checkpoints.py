"""Fits kept between runs: what a network learned of one video, whole or half way, to go on from (``--resume``)."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vrm.system.files import atomic_file, atomic_write, writing

if TYPE_CHECKING:
    import torch

_ENDS = 1 << 20
_EARLIER = "earlier"

APART = 15.0
"""Seconds between two checkpoints of a fit, at least: what a kill costs. No result depends on it."""


@dataclass(frozen=True)
class Kept:
    """One fit.

    Attributes:
        about: what the networks are built with, plain JSON values.
        tensors: their weights by name, in full precision, so that a fit used again gives the same bytes.
        lent: it is another job's.
    """

    about: dict[str, Any]
    tensors: dict[str, torch.Tensor]
    lent: bool = False

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of a session with this fit."""
        told = tuple(self.about.get("notes", ()))
        return (*told, "The fit of an earlier run was used.") if self.lent else told


class FitFolder:
    """The fits of one job; the folder is made when the first is kept.

    A job's own fits come first, each for its own shot. Those that were lent (``lend``) are other jobs' on the same
    video and object: of these the nearest shot's will do. They are copied when a job begins, so that a job that goes
    on after an interruption finds what it found at first.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, kind: str, start: int) -> Kept | None:
        """The job's own fit of that kind to the shot from ``start``, else the nearest lent; skips unreadable files."""
        own = self._read(self.folder / f"{kind}-{start}.safetensors")
        if own is not None:
            return own
        lent = self._numbered(self.folder / _EARLIER, kind)
        for at in sorted(lent, key=lambda at: abs(at - start)):
            found = self._read(lent[at])
            if found is not None:
                return replace(found, lent=True)
        return None

    @staticmethod
    def _numbered(folder: Path, kind: str) -> dict[int, Path]:
        return {int(path.stem.rpartition("-")[2]): path for path in folder.glob(f"{kind}-*.safetensors")}

    @staticmethod
    def _read(path: Path) -> Kept | None:
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, "pt") as file:
                about = json.loads(file.metadata()["about"])
                return Kept(about, {name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
        except (OSError, SafetensorError, KeyError, TypeError, ValueError):
            return None

    def keep(self, kind: str, start: int, kept: Kept) -> None:
        """Keep a fit in place of its checkpoints and of an older one of its kind and shot. Raises OutputError."""
        from safetensors.torch import save

        data = save(
            {name: tensor.detach().cpu().contiguous() for name, tensor in kept.tensors.items()},
            {"about": json.dumps(kept.about)},
        )
        what = f"The fit cannot be kept in {self.folder}"
        with writing(what):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.folder / f"{kind}-{start}.safetensors"
        atomic_write(path, data, what, durable=True)
        for half in self.folder.glob(f"{kind}-{start}-*.half"):
            half.unlink(missing_ok=True)

    def half(self, kind: str, start: int, part: int = 0) -> HalfFit:
        """Where the fit of that kind to that shot is kept half way; ``part`` counts networks fitted one by one."""
        return HalfFit(self.folder / f"{kind}-{start}-{part}.half")

    def lend(self, others: Path) -> None:
        """Take copies of another folder's fits, to be used where this job has none of its own."""
        to = self.folder / _EARLIER
        with writing(f"Fits cannot be copied to {to}"):
            for path in sorted(others.glob("*.safetensors")):
                to.mkdir(parents=True, exist_ok=True, mode=0o700)
                shutil.copy(path, to / path.name)

    def publish(self, to: Path) -> None:
        """Copy this job's own fits to a folder that later jobs are lent from."""
        with writing(f"The fit cannot be kept in {to}"):
            for path in sorted(self.folder.glob("*.safetensors")):
                to.mkdir(parents=True, exist_ok=True, mode=0o700)
                with atomic_file(to / path.name) as partial:
                    shutil.copy(path, partial)


class HalfFit:
    """One fit's checkpoint: plain tensors and numbers, written now and then, read when the fit begins again."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self._clock = clock
        self._last = clock()

    def read(self) -> dict[str, Any] | None:
        """What was written last; None where there is nothing, or it is damaged."""
        import torch

        try:
            found = torch.load(io.BytesIO(self.path.read_bytes()), map_location="cpu", weights_only=True)
        except FileNotFoundError:
            return None
        except Exception:  # a damaged file can raise anything: the fit begins again
            return None
        return found if isinstance(found, dict) else None

    @property
    def due(self) -> bool:
        return self._clock() - self._last >= APART

    def write(self, state: dict[str, Any]) -> None:
        """Replace it, whole. Raises OutputError."""
        import torch

        data = io.BytesIO()
        torch.save(state, data)
        what = f"The fit cannot be kept in {self.path.parent}"
        with writing(what):
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        atomic_write(self.path, data.getbuffer(), what, durable=True)
        self._last = self._clock()


def video_key(source: Path) -> str:
    """Tells videos apart by content, cheaply: sizes, and the ends of a file or the names in a folder of frames."""
    digest = hashlib.sha256()
    if source.is_dir():
        for path in sorted(p for p in source.iterdir() if p.is_file()):
            digest.update(f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}\n".encode())
    else:
        size = source.stat().st_size
        digest.update(str(size).encode())
        with source.open("rb") as file:
            digest.update(file.read(_ENDS))
            file.seek(max(0, size - _ENDS), os.SEEK_SET)
            digest.update(file.read(_ENDS))
    return digest.hexdigest()[:24]
