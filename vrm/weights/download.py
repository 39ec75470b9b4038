"""``vrm weights import`` and ``fetch``: bring weights into the user's own folder, or another."""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from vrm.errors import OutputError, WeightsError
from vrm.events import Progress, no_progress
from vrm.version import __version__
from vrm.weights.cards import WeightCard, known, own_folder, put_card, read_card, write
from vrm.weights.convert.registry import FOREIGN, MODELS, OFFERED, converter

_CHUNK = 1 << 20
_SECONDS = 60.0


def import_weights(kind: str, file: Path, out: Path | None = None, overwrite: bool = False) -> tuple[WeightCard, Path]:
    """Convert a foreign checkpoint once; safetensors and their card are written. Gives the card and its folder.

    Args:
        kind: what it is, a name of ``registry.FOREIGN``.
        file: the checkpoint.
        out: a ``.safetensors`` file or a folder; None = the user's own folder, under the name of the kind.
        overwrite: replace weights that are there.

    Raises:
        WeightsError: the kind is unknown, or the file is damaged or something else.
        OutputError: weights of that name are there, or cannot be written.
    """
    convert = converter(kind)  # first: an unknown kind is refused before anything is read
    folder, name = _place(kind, out)
    _refuse(folder, name, overwrite)
    from vrm.weights.convert.checkpoint import read_checkpoint

    made = convert(read_checkpoint(file, tensors_alone=False))
    about = FOREIGN[kind]
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    card = write(
        made.tensors, folder, name=name, licence=about.licence, network=made.network, settings=made.settings,
        paper=about.paper, data="see the paper",
        training=f"by the paper's authors; converted by vrm {__version__} from {file.name}, sha256 {digest}",
    )  # fmt: skip
    return card, folder


def fetch_weights(name: str, overwrite: bool = False, progress: Progress = no_progress) -> tuple[WeightCard, Path]:
    """Download the file of a card into the user's own folder; it is kept only if size and checksum are the card's.

    Args:
        name: of a known card, or the path of a card (``.json``).
        overwrite: replace a file that is there.
        progress: told ``(stage, bytes done, bytes in all)``.

    Raises:
        WeightsError: there is no such card, it names no place, the place does not answer, or what came is not it.
        OutputError: the file is there, or cannot be written.
    """
    card = _card(name)
    if not card.url:
        ways = f" It is converted, not fetched: vrm weights import {name} FILE." if name in FOREIGN else ""
        raise WeightsError(f"The card of '{card.name}' names no place to fetch it from.{ways}")
    if not card.url.startswith("https://"):
        raise WeightsError(f"The card of '{card.name}' names a place that is not https: {card.url}.")
    folder = own_folder()
    _refuse(folder, card.name, overwrite, card.file)
    put_card(card, folder, lambda partial: _download(card, partial, progress))
    return card, folder


def _card(name: str) -> WeightCard:
    """The card of that name or path. Raises WeightsError."""
    if name.endswith(".json"):
        return read_card(Path(name))
    all_cards = [*(card for card, _ in known()), *OFFERED.values()]
    found = next((card for card in all_cards if card.name == name), None)
    if found is None and name in FOREIGN:
        raise WeightsError(
            f"'{name}' cannot be fetched: {FOREIGN[name].source}.",
            f"Download it there, then: vrm weights import {name} FILE",
        )
    if found is None:
        names = ", ".join(dict.fromkeys([*(card.name for card in all_cards if card.url), *MODELS]))
        raise WeightsError(f"There is no card named '{name}'.", f"To be fetched: {names}, or the path of a card.")
    return found


def _download(card: WeightCard, partial: Path, progress: Progress) -> None:
    digest, done = hashlib.sha256(), 0
    with partial.open("wb") as out:
        for chunk in coming(card.url):
            digest.update(chunk)
            done += len(chunk)
            if done > card.bytes:
                break
            out.write(chunk)
            progress("fetch", done, card.bytes)
    if done != card.bytes or digest.hexdigest() != card.sha256:
        raise WeightsError(f"What {card.url} gave is not '{card.name}': its size or checksum is not the card's.")


def coming(url: str) -> Iterator[bytes]:
    """What an address gives, piece by piece. Raises WeightsError, also where the connection breaks on the way."""
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS) as answer:
            while True:
                chunk: bytes = answer.read(_CHUNK)
                if not chunk:
                    return
                yield chunk
    except (OSError, http.client.HTTPException) as error:  # a URLError is an OSError, and so are TLS's
        reason = getattr(error, "reason", None) or str(error) or type(error).__name__
        raise WeightsError(f"{url} does not answer: {reason}.", "Is this machine online?") from error


def _place(kind: str, out: Path | None) -> tuple[Path, str]:
    if out is None:
        return own_folder(), kind
    if out.suffix == ".safetensors":
        return out.parent, out.stem
    if out.suffix:
        raise OutputError(f"{out} is neither a folder nor a .safetensors file.", "Converted weights are safetensors.")
    return out, kind


def _refuse(folder: Path, name: str, overwrite: bool, file: str = "") -> None:
    for path in (folder / (file or f"{name}.safetensors"), folder / f"{name}.json"):
        if path.exists() and not overwrite:
            raise OutputError(f"{path} exists.", "Choose another name or give --overwrite.")
