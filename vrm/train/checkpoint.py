"""The state of a training on disk, from which ``--resume`` goes on."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from vrm.errors import WeightsError
from vrm.system.files import DAMAGED, atomic_write, writing


class Checkpoint:
    """One file with the state of a training, replaced as a whole.

    ``identity``, plain values by name, must be the same for a training to go on from it.
    """

    def __init__(self, path: Path, identity: Mapping[str, object]) -> None:
        self.path, self.identity = path, dict(identity)

    def exists(self) -> bool:
        return self.path.exists()

    def write(self, state: Mapping[str, Any]) -> None:
        """Replace the state: plain tensors, numbers and text. Raises OutputError."""
        data = io.BytesIO()
        torch.save({"identity": self.identity, "state": dict(state)}, data)
        what = f"The checkpoint cannot be written to {self.path}"
        with writing(what):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(self.path, data.getbuffer(), what, durable=True)

    def restore(self, load: Callable[[dict[str, Any]], None], device: torch.device) -> None:
        """Hand the state to ``load`` (a trainer's ``load_state_dict``), its tensors on the device.

        Raises WeightsError: it is of another training, or damaged.
        """
        try:
            found = torch.load(self.path, map_location=device, weights_only=True)
            changed = [name for name, value in self.identity.items() if found["identity"].get(name) != value]
            if changed:
                raise WeightsError(
                    f"The checkpoint {self.path} is of another training: {', '.join(changed)} differ.",
                    "Give the same options, or train into another folder.",
                )
            load(found["state"])
        except DAMAGED as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise WeightsError(
                f"The checkpoint {self.path} is damaged: {reason}.",
                "Start over: leave out --resume and give another folder or --name.",
            ) from error
