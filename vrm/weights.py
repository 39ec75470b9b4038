"""Weights that ship with the project: a card for each, verified and loaded strictly.

A card is ``weights/<name>.json`` beside ``weights/<file>`` (safetensors). From a checkout they lie in ``weights/``, in
an installed package in ``vrm/_weights``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platformdirs import user_cache_path

from vrm.errors import WeightsError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class WeightCard:
    """What is known about a file of weights; everything without a default must be on the card.

    Attributes:
        name: what the user calls it.
        file: name of the safetensors file beside the card.
        sha256: of the file, in hex.
        bytes: of the file.
        licence: SPDX identifier of the weights.
        network: which network they belong to, "fuser".
        settings: what that network is built with.
        data: what they were trained on, each with its licence.
        training: steps, hardware in words, date.
        notes: anything else worth knowing.
    """

    name: str
    file: str
    sha256: str
    bytes: int
    licence: str
    network: str
    settings: Mapping[str, int] = field(default_factory=dict)
    data: str = ""
    training: str = ""
    notes: str = ""

    def __post_init__(self) -> None:
        if not (self.name and self.licence and self.network):
            raise WeightsError(f"The card of '{self.name or self.file}' lacks its name, licence or network.")
        if len(self.sha256) != 64 or self.bytes < 1 or Path(self.file).name != self.file:
            raise WeightsError(f"The card of '{self.name}' has a broken file name, size or checksum.")


def weights_folder() -> Path | None:
    """Where the weights that ship lie, or None where there are none."""
    package = Path(__file__).parent
    for folder in (package / "_weights", package.parent / "weights"):
        if any(folder.glob("*.json")):
            return folder
    return None


def fetched(file: str) -> Path | None:
    """A file of weights that the user put into vrm's cache folder (``<cache>/vrm/weights``), or None."""
    path = user_cache_path("vrm") / "weights" / file
    return path if path.is_file() else None


def cards(folder: Path | None = None) -> list[WeightCard]:
    """All cards in a folder (default: what ships), by name.

    Raises:
        WeightsError: a card cannot be read or lacks something.
    """
    folder = folder or weights_folder()
    return [_read(path) for path in sorted(folder.glob("*.json"))] if folder is not None else []


def find(name: str, network: str, folder: Path | None = None) -> tuple[WeightCard, Path] | None:
    """The card of that name and the folder it lies in; for "auto" the first that ships for the network, if any.

    A path to a safetensors file with its card beside it is a name as well.

    Raises:
        WeightsError: no card has that name, or it belongs to another network.
    """
    folder = folder or weights_folder()
    own = Path(name)
    if own.suffix == ".safetensors":
        folder, name = own.parent, own.stem
        known = [_read(own.with_suffix(".json"))]
    else:
        known = cards(folder)
    if folder is None:
        return None
    if name == "auto":
        return next(((card, folder) for card in known if card.network == network), None)
    for card in known:
        if card.name == name:
            if card.network != network:
                raise WeightsError(f"The weights '{name}' belong to the network '{card.network}', not '{network}'.")
            return card, folder
    names = ", ".join(card.name for card in known if card.network == network) or "none are here"
    raise WeightsError(f"There are no weights named '{name}'.", f"Known: {names}.")


def load(card: WeightCard, folder: Path | None = None) -> dict[str, torch.Tensor]:
    """The tensors of a card's file, after size and checksum have been verified.

    Raises:
        WeightsError: the file is missing, damaged or not safetensors.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load as parse

    folder = folder or weights_folder()
    if folder is None:
        raise WeightsError(f"The weights '{card.name}' are missing.")
    path = folder / card.file
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}.") from error
    if len(data) != card.bytes or hashlib.sha256(data).hexdigest() != card.sha256:
        raise WeightsError(f"{path} is damaged: its size or checksum is not the card's.", "Install vrm again.")
    try:
        return parse(data)
    except SafetensorError as error:
        raise WeightsError(f"{path} is not a safetensors file: {error}.") from error


def load_into(net: torch.nn.Module, card: WeightCard, folder: Path | None = None) -> None:
    """Load a card's weights into a network, strictly: every name and shape must agree.

    Raises:
        WeightsError: see ``load``; or names or shapes differ.
    """
    state = {name: tensor.float() for name, tensor in load(card, folder).items()}
    try:
        net.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise WeightsError(f"The weights '{card.name}' do not fit their network: {error}") from error


def save(net: torch.nn.Module, folder: Path, **about: Any) -> WeightCard:
    """Write a network's weights in half precision, and their card.

    Args:
        net: its state is written.
        folder: where to.
        about: the card's fields but file, sha256 and bytes.
    """
    import torch
    from safetensors.torch import save as serialise

    data = serialise({k: v.detach().cpu().to(torch.float16).contiguous() for k, v in net.state_dict().items()})
    file = f"{about['name']}.safetensors"
    card = WeightCard(file=file, sha256=hashlib.sha256(data).hexdigest(), bytes=len(data), **about)
    (folder / file).write_bytes(data)
    shown = {f.name: getattr(card, f.name) for f in fields(card)}
    (folder / f"{card.name}.json").write_text(json.dumps(shown, indent=2) + "\n")
    return card


def _read(path: Path) -> WeightCard:
    try:
        return WeightCard(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise WeightsError(f"The card {path} cannot be read: {error}.") from error
