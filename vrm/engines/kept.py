"""Fits kept between runs: what a network learned of one video, to be used again (``--resume``)."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vrm.errors import OutputError

if TYPE_CHECKING:
    import torch

_ENDS = 1 << 20


@dataclass(frozen=True)
class Kept:
    """One fit.

    Attributes:
        about: what the networks are built with, plain JSON values.
        tensors: their weights by name, in full precision, so that a fit used again gives the same bytes.
    """

    about: dict[str, Any]
    tensors: dict[str, torch.Tensor]


class FitFolder:
    """The fits of one video.

    Args:
        folder: where they lie; made when the first is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, kind: str, start: int) -> Kept | None:
        """The fit of that kind to the shot that starts at ``start``, else to the nearest one; None if there is none.

        A file that cannot be read counts as none.
        """
        from safetensors import SafetensorError, safe_open

        found = {int(path.stem.rpartition("-")[2]): path for path in self.folder.glob(f"{kind}-*.safetensors")}
        for at in sorted(found, key=lambda at: abs(at - start)):
            try:
                with safe_open(found[at], "pt") as file:
                    about = json.loads(file.metadata()["about"])
                    return Kept(about, {name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
            except (OSError, SafetensorError, KeyError, TypeError, ValueError):
                continue
        return None

    def keep(self, kind: str, start: int, kept: Kept) -> None:
        """Keep a fit; one of the same kind and shot is replaced. Raises OutputError."""
        from safetensors.torch import save_file

        path = self.folder / f"{kind}-{start}.safetensors"
        partial = path.with_suffix(".part")
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in kept.tensors.items()}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            save_file(tensors, partial, {"about": json.dumps(kept.about)})
            partial.replace(path)
        except OSError as error:
            raise OutputError(f"The fit cannot be kept in {self.folder}: {error.strerror}.", "Free space.") from error


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
