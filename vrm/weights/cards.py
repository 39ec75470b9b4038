"""Weights: a card for each, verified and loaded strictly; fetched only when asked.

A card is ``<name>.json`` beside ``<file>`` (safetensors). What ships lies in ``weights/`` of a checkout, in an
installed package in ``vrm/_weights``; what the user fetched or converted lies in ``<cache>/vrm/weights``. A card
without its file names the place it can be fetched from. A model of several files is a folder there, with a card in it
(``vrm.json``) if vrm fetched it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from platformdirs import user_cache_path

from vrm.errors import OutputError, WeightsError
from vrm.system.files import atomic_file, atomic_write

if TYPE_CHECKING:
    import torch

FOREIGN = (".pth", ".pt", ".ckpt", ".bin", ".tar")
"""Endings of checkpoints of other code bases, which ``vrm weights import`` converts."""

CardT = TypeVar("CardT", "WeightCard", "ModelCard")

MODEL_CARD = "vrm.json"
"""The card of a model that is a folder of files, among them."""


@dataclass(frozen=True)
class WeightCard:
    """What is known about a file of weights; everything without a default must be on the card."""

    name: str  # what the user calls it
    file: str  # name of the safetensors file beside the card
    sha256: str  # of the file, in hex
    bytes: int  # of the file
    licence: str  # SPDX identifier of the weights
    network: str  # which network they belong to: "savit", "two-stream", "lpips", ...
    settings: Mapping[str, Any] = field(default_factory=dict)  # what that network is built with, plain JSON values
    data: str = ""  # what they were trained on, each with its licence
    training: str = ""  # steps, hardware in words, date
    notes: str = ""  # anything else worth knowing
    url: str = ""  # where ``vrm weights fetch`` gets the file
    paper: str = ""  # what they were published with

    def __post_init__(self) -> None:
        if not (self.name and self.licence and self.network):
            raise WeightsError(f"The card of '{self.name or self.file}' lacks its name, licence or network.")
        if len(self.sha256) != 64 or self.bytes < 1 or Path(self.file).name != self.file:
            raise WeightsError(f"The card of '{self.name}' has a broken file name, size or checksum.")


@dataclass(frozen=True)
class ModelCard:
    """What is known about a model of several files that was fetched."""

    name: str  # of its folder
    repository: str  # where it was fetched from
    revision: str  # a commit
    licence: str  # as stated there, or NOASSERTION
    network: str  # what it is good for: "segmenter", "sam"
    files: Mapping[str, str]  # sha256, in hex, of each file by name
    bytes: int  # of all files

    def __post_init__(self) -> None:
        if not (self.name and self.licence and self.network and self.files):
            raise WeightsError(f"The card of the model '{self.name}' lacks its name, licence, network or files.")
        if any(Path(file).name != file or len(digest) != 64 for file, digest in self.files.items()):
            raise WeightsError(f"The card of the model '{self.name}' has a broken file name or checksum.")


def models() -> list[tuple[ModelCard, Path]]:
    """The cards of fetched models and their folders, by name; folders that the user put there have none."""
    found = []
    for path in sorted(own_folder().glob(f"*/{MODEL_CARD}")):
        with contextlib.suppress(WeightsError):
            found.append((read_model_card(path.parent), path.parent))
    return found


def read_model_card(folder: Path) -> ModelCard:
    """The card in a model's folder. Raises WeightsError: there is none, or it lacks something."""
    return _read(ModelCard, folder / MODEL_CARD)


def verify_model(card: ModelCard, folder: Path) -> None:
    """Hold a model's files against their checksums. Raises WeightsError."""
    for name, digest in card.files.items():
        path = folder / name
        again = f"Get it again: vrm weights fetch {card.repository} --overwrite"
        try:
            with path.open("rb") as file:
                same = hashlib.file_digest(file, "sha256").hexdigest() == digest
        except OSError as error:
            raise WeightsError(f"{path} cannot be read: {error.strerror}.", again) from error
        if not same:
            raise WeightsError(f"{path} is damaged: its checksum is not the card's.", again)


def weights_folder() -> Path | None:
    """Where the weights that ship lie, or None where there are none."""
    package = Path(__file__).parents[1]
    for folder in (package / "_weights", package.parent / "weights"):
        if any(folder.glob("*.json")):
            return folder
    return None


def own_folder() -> Path:
    """Where the user's own weights lie, fetched or converted; made when the first arrives."""
    return user_cache_path("vrm") / "weights"


def fetched(file: str) -> Path | None:
    """A file of weights that the user put into vrm's cache folder (``<cache>/vrm/weights``), or None."""
    path = own_folder() / file
    return path if path.is_file() else None


def known() -> list[tuple[WeightCard, Path]]:
    """Every card and the folder it lies in, by name: of what ships, then the user's own.

    Files in the user's own folder that are no cards are left alone. Raises WeightsError: a card that ships is broken.
    """
    ships, own = weights_folder(), own_folder()
    found = [(read_card(path), ships) for path in sorted(ships.glob("*.json"))] if ships is not None else []
    for path in sorted(own.glob("*.json")):
        with contextlib.suppress(WeightsError):
            found.append((read_card(path), own))
    return found


def named(name: str) -> tuple[WeightCard, Path]:
    """The card of that name, or beside the safetensors file of that path, and the folder that the file lies in.

    Raises WeightsError: no card has that name, or its file is not here.
    """
    path = Path(name)
    is_path = path.suffix in (*FOREIGN, ".safetensors") or len(path.parts) > 1
    if path.is_dir() and is_path:
        inside = ", ".join(str(one) for one in sorted(path.glob("*.safetensors"))) or "it holds none"
        raise WeightsError(f"{name} is a folder.", f"Give the .safetensors file in it: {inside}.")
    if is_path and not path.is_file():
        raise WeightsError(f"The weights file {name} does not exist.", "Check the path, or see vrm weights list.")
    if path.suffix in FOREIGN:
        raise WeightsError(
            f"{name} is not safetensors, so vrm does not run it as it is.",
            "Convert it once: vrm weights import NAME FILE; vrm weights list shows the names.",
        )
    if path.suffix == ".safetensors":
        beside = path.with_suffix(".json")
        if not beside.is_file():
            raise WeightsError(
                f"{name} has no card: {beside} does not exist.",
                "vrm writes one beside weights that it trains or imports; keep the two together.",
            )
        return read_card(beside), path.parent
    for card, place in known():
        if card.name == name:
            holder = next((p for p in (place, own_folder()) if (p / card.file).is_file()), None)
            if holder is None:
                way = f"Get them: vrm weights fetch {name}" if card.url else f"Put {card.file} into {place}."
                raise WeightsError(f"The weights '{name}' are not here.", way)
            return card, holder
    names = ", ".join(card.name for card, _ in known()) or "none"
    raise WeightsError(
        f"There are no weights named '{name}'.", f"Known: {names}; vrm weights list says what can be fetched."
    )


def find(name: str, network: str) -> tuple[WeightCard, Path] | None:
    """The card ``named`` so; for "auto" the first for the network whose file is here, or None.

    Raises WeightsError: see ``named``; or they belong to another network.
    """
    if name == "auto":
        here = (one for one in known() if one[0].network == network and (one[1] / one[0].file).is_file())
        return next(here, None)
    card, place = named(name)
    if card.network != network:
        raise WeightsError(f"The weights '{name}' belong to the network '{card.network}', not '{network}'.")
    return card, place


def located(name: str, network: str, option: str) -> Path:
    """Where the weights lie that a word of the command line means; nothing is fetched without being asked for.

    Args:
        name: a path to a file or folder; the name of a folder among the user's weights (``<cache>/vrm/weights/NAME``),
            as models of several files are kept; or the name of a card for ``network``.
        network: as cards call it: "segmenter", "sam", "lpips", ...
        option: the word, for messages.

    Raises WeightsError: it is none of these, or damaged.
    """
    path = Path(name)
    if path.exists():
        return path
    own = own_folder() / name
    if len(path.parts) == 1 and own.is_dir():
        if (own / MODEL_CARD).is_file():
            verify_model(read_model_card(own), own)
        return own
    if path.suffix or len(path.parts) > 1:
        raise WeightsError(f"{option} {name} does not exist.", "Give a file, a folder, or a name of vrm weights list.")
    try:
        found = find(name, network)
    except WeightsError as error:
        raise WeightsError(
            f"{option} {name} is neither a file or folder nor the name of weights that fit. {error.what}", error.fix
        ) from error
    if found is None:
        raise WeightsError(f"{option} {name} is not here.", "Give a file or folder.")
    card, folder = found
    verify(card, folder)
    return folder / card.file


def load(card: WeightCard, folder: Path) -> dict[str, torch.Tensor]:
    """The tensors of a card's file, after size and checksum have been verified.

    Raises WeightsError: the file is missing, damaged or not safetensors.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load as parse

    path = folder / card.file
    verify(card, folder)
    try:
        return parse(path.read_bytes())
    except SafetensorError as error:
        raise WeightsError(f"{path} is not a safetensors file: {error}.") from error


def verify(card: WeightCard, folder: Path) -> None:
    """Hold a card's file against its size and checksum. Raises WeightsError."""
    path = folder / card.file
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = path.stat().st_size
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}.") from error
    if size != card.bytes or digest != card.sha256:
        again = f"Get it again: vrm weights fetch {card.name} --overwrite" if card.url else "Install vrm again."
        raise WeightsError(f"{path} is damaged: its size or checksum is not the card's.", again)


def load_into(net: torch.nn.Module, card: WeightCard, folder: Path) -> None:
    """Load a card's weights into a network, strictly. Raises WeightsError: see ``load``; or names or shapes differ."""
    state = {name: tensor.float() for name, tensor in load(card, folder).items()}
    try:
        net.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise WeightsError(f"The weights '{card.name}' do not fit their network: {error}") from error


def save(net: torch.nn.Module, folder: Path, **about: Any) -> WeightCard:
    """Write a network's weights in half precision, and their card, see ``write``."""
    import torch

    return write({k: v.detach().to(torch.float16) for k, v in net.state_dict().items()}, folder, **about)


def write(tensors: Mapping[str, torch.Tensor], folder: Path, **about: Any) -> WeightCard:
    """Write tensors as they are, and their card; files appear whole or not at all, and the folder is made if need be.

    ``about`` are the card's fields but file, sha256 and bytes. Raises OutputError: the folder cannot be written.
    """
    from safetensors.torch import save as serialise

    data = serialise({k: v.detach().cpu().contiguous() for k, v in tensors.items()})
    file = f"{about['name']}.safetensors"
    card = WeightCard(file=file, sha256=hashlib.sha256(data).hexdigest(), bytes=len(data), **about)
    put_card(card, folder, lambda partial: partial.write_bytes(data))
    return card


def put_card(card: WeightCard, folder: Path, make: Callable[[Path], object]) -> None:
    """Let ``make`` write a card's file under a temporary name, then rename it and write the card beside it.

    Raises OutputError: the folder cannot be written.
    """
    path = folder / card.file
    shown = {name: value for name, value in asdict(card).items() if value or name not in ("url", "paper")}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as partial:
            make(partial)
        atomic_write(folder / f"{card.name}.json", json.dumps(shown, indent=2) + "\n")
    except OSError as error:
        raise OutputError(f"The weights cannot be written to {folder}: {error.strerror}.") from error


def read_card(path: Path) -> WeightCard:
    """The card in a file. Raises WeightsError: it cannot be read, or lacks something."""
    return _read(WeightCard, path)


def _read(kind: type[CardT], path: Path) -> CardT:
    try:
        return kind(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise WeightsError(f"The card {path} cannot be read: {error}.") from error
