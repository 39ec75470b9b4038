"""Checkpoints of other code bases: read without running code in them, their tensors renamed strictly."""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vrm.errors import WeightsError
from vrm.weights.convert.inert import holds_tensors, read_inert

_COUNTER = "num_batches_tracked"

_NAMED = 6
"""How many names an error message lists."""


def read_checkpoint(path: Path, tensors_alone: bool = True) -> dict[str, Any]:
    """What a checkpoint holds: its tensors by name, or parts that hold them.

    Safetensors are read as such; everything else by torch with ``weights_only=True``, so that no code in it runs. Not
    ``tensors_alone``: a file of torch that holds more is read too, see ``vrm.weights.convert.inert``; that runs none
    either.

    Raises WeightsError: the file is missing, damaged, or holds more than tensors and plain values.
    """
    if not path.is_file():
        raise WeightsError(f"{path} is not there.", "Give the checkpoint file that you downloaded.")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickles that it refuses all the same
            try:
                found = torch.load(path, map_location="cpu", weights_only=True)
            except pickle.UnpicklingError:
                if tensors_alone or not holds_tensors(path):
                    raise
                found = read_inert(path)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path} holds more than tensors{_culprit(error)}, so it was not loaded: a pickle can run programs.",
            "Save its state_dict alone with torch.save where it comes from, or give .safetensors.",
        ) from error
    except Exception as error:  # each format has errors of its own
        raise WeightsError(
            f"{path} cannot be read as a checkpoint: it is damaged, or something else.",
            "Get it again, or give another.",
        ) from error
    if not isinstance(found, Mapping):
        raise WeightsError(f"{path} holds a {type(found).__name__}, not tensors by name.")
    return dict(found)


def _culprit(error: pickle.UnpicklingError) -> str:
    """What a pickle would have called, if torch names it; the rest of its long text tells how to run it anyway."""
    named = re.search(r"GLOBAL (\S+)", str(error))
    return f" ({named[1]})" if named else ""


def read_tensors(path: Path, *parts: str) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name: those of the first of ``parts`` that it has, else all of it.

    Raises WeightsError: see ``read_checkpoint``; or it does not hold tensors alone there.
    """
    held = read_checkpoint(path)
    try:
        return state_of(held, *parts)
    except WeightsError as error:
        raise WeightsError(f"{path} holds no table of tensors.", "Give a file of weights.") from error


def state_of(held: Mapping[str, Any], *parts: str) -> dict[str, Tensor]:
    """The tensors by name: those of the first of ``parts`` that is there, else all; ``module.`` prefixes dropped.

    Raises WeightsError: what is there is not all tensors.
    """
    inner: Any = next((held[part] for part in parts if part in held), held)
    if not isinstance(inner, Mapping) or not inner or not all(isinstance(v, Tensor) for v in inner.values()):
        raise WeightsError("The checkpoint does not hold tensors by name where they are expected.")
    return {name.removeprefix("module."): value for name, value in inner.items()}


def rename(
    state: Mapping[str, Tensor], ours: Callable[[str], str | None], expected: Mapping[str, Tensor], what: str
) -> dict[str, Tensor]:
    """The tensors under our names; strict: every name and shape must be accounted for.

    Counters of batches, which some versions of torch keep and nothing reads, are zero in the result.

    Args:
        state: by foreign names.
        ours: foreign name to ours; None for one that is unknown.
        expected: our names, with tensors of the right shapes (of a network on the meta device).
        what: what the checkpoint is meant to be, for messages.

    Raises WeightsError, which names the tensors that are unknown, missing, or of another shape.
    """
    found = {name: torch.zeros((), dtype=torch.long) for name in expected if name.endswith(_COUNTER)}
    unknown = []
    for name, tensor in state.items():
        own = ours(name)
        if own in found and name.endswith(_COUNTER):
            continue
        if own is None or own not in expected:
            unknown.append(name)
            continue
        if tensor.shape != expected[own].shape:
            raise WeightsError(
                f"This is not {what}: {name} is {tuple(tensor.shape)} where {tuple(expected[own].shape)} is expected."
            )
        found[own] = tensor
    missing = [name for name in expected if name not in found]
    for names, verb in ((unknown, "has unknown tensors"), (missing, "lacks tensors")):
        if names:
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            raise WeightsError(f"This is not {what}: it {verb}: {', '.join(names[:_NAMED])}{more}.")
    return found


def same_names(
    held: Mapping[str, Any], build: Callable[[], nn.Module], what: str, without: str | None = None
) -> dict[str, Tensor]:
    """The tensors of a network whose published names are ours. Raises WeightsError: see ``rename``.

    Tensors whose names begin with ``without`` are left out, of the checkpoint and of the network that ``build`` makes.
    """

    def kept(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: value for name, value in tensors.items() if without is None or not name.startswith(without)}

    with torch.device("meta"):
        expected = kept(build().state_dict())
    return rename(kept(state_of(held)), lambda name: name, expected, what)
