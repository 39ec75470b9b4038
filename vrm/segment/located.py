"""Where the weights of a model lie that the user named: a file or folder of theirs, or a card's name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vrm import weights
from vrm.errors import WeightsError


def located(name: str, network: str, option: str) -> Path:
    """The file or folder.

    Args:
        name: a path; the name of a folder that lies among the user's weights (``<cache>/vrm/weights/NAME``), as models
            of several files do; or the name of a card for ``network``.
        network: as cards call it: "segmenter" or "sam".
        option: the word of the command line, for messages.

    Raises:
        WeightsError: it is none of these, or damaged; nothing is fetched without being asked for.
    """
    path = Path(name)
    if path.exists():
        return path
    own = weights.own_folder() / name
    if len(path.parts) == 1 and own.is_dir():
        return own
    if path.suffix or len(path.parts) > 1:
        raise WeightsError(f"{option} {name} does not exist.", "Give a file, a folder, or a name of vrm weights list.")
    try:
        found = weights.find(name, network)
    except WeightsError as error:
        raise WeightsError(
            f"{option} {name} is neither a file or folder nor the name of weights that are here.", error.fix
        ) from error
    if found is None:
        raise WeightsError(f"{option} {name} is not here.", "Give a file or folder.")
    card, folder = found
    weights.verify(card, folder)
    return folder / card.file


def tensors(path: Path) -> dict[str, Any]:
    """The tensors of a checkpoint, .safetensors or what torch saves; nothing in it is ever executed.

    Raises:
        WeightsError: unreadable, or it holds other things than tensors.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        import torch

        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise WeightsError(
            f"{path} is no checkpoint of tensors alone, so it was not loaded: {_first_line(error)}",
            "A pickle can run programs. Use a checkpoint that holds only weights, best as .safetensors.",
        ) from error
    for key in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise WeightsError(f"{path} is not a checkpoint: it holds no table of tensors.", "Give a file of weights.")
    return state


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return (text[0] if text else type(error).__name__)[:200]
