"""Models of several files, fetched from the Hugging Face hub into the user's own folder when asked, and only then.

Every file is held against the checksum that the hub states for one commit of the repository; the folder appears whole
or not at all, with a card (``vrm.weights.cards.ModelCard``) that later checks hold it against.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import urllib.error
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vrm.errors import OutputError, WeightsError
from vrm.selection.labels import hugging_face as hugging
from vrm.selection.pretrained import model_type
from vrm.selection.prompts import sam2
from vrm.weights.cards import MODEL_CARD, ModelCard, own_folder
from vrm.weights.download import coming

HUB = "https://huggingface.co"
_WHOLE = re.compile(r"[\w.-]+/[\w.-]+")
_WORDS = re.compile(r"\w[\w-]*(\.\w[\w-]*)*\.(json|txt)")
"""Configurations, tables of names and of shards, a tokenizer's files; in the repository's first folder only."""
_TENSORS = re.compile(r"model(-\d{5}-of-\d{5})?\.safetensors")
_PICKLED = "pytorch_model.bin"

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class _File:
    """A file of a repository: its size, and its sha256 or, for small ones, git's sha1."""

    name: str
    bytes: int
    sha256: str
    blob: str


def is_repository(name: str) -> bool:
    """OWNER/NAME, as the hub names its repositories; the path of a card is none."""
    return _WHOLE.fullmatch(name) is not None and not name.endswith(".json") and not Path(name).exists()


def fetch_model(
    repository: str, overwrite: bool = False, progress: Progress = lambda stage, done, total: None
) -> tuple[ModelCard, Path]:
    """Download a model for ``--segmenter`` or ``--sam`` into ``<cache>/vrm/weights/NAME``.

    Args:
        repository: OWNER/NAME.
        overwrite: replace a model that was fetched before.
        progress: told ``(stage, bytes done, bytes in all)``.

    Returns:
        The card and the folder.

    Raises:
        WeightsError: there is no such model, it is of another kind, the hub does not answer, or what came is not it.
        OutputError: a folder of that name is there, or it cannot be written.
    """
    name = repository.rpartition("/")[2]
    target = own_folder() / name
    if target.exists() and not (overwrite and (target / MODEL_CARD).is_file()):
        fix = "Give --overwrite." if (target / MODEL_CARD).is_file() else "It was not fetched by vrm: move it away."
        raise OutputError(f"{target} exists.", fix)
    revision, licence, files = _listed(repository)
    aside = target.with_name(f".{name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir(parents=True)
        address = f"{HUB}/{repository}/resolve/{revision}"
        total, done = sum(file.bytes for file in files), 0
        sums: dict[str, str] = {}
        network = ""
        for file in sorted(files, key=lambda file: file.name != "config.json"):
            sums[file.name] = _fetched(f"{address}/{file.name}", file, aside, _onward(progress, done, total))
            done += file.bytes
            network = network or _network(aside, repository)  # the first is config.json: before the weights
        card = ModelCard(name, repository, revision, licence, network, sums, total)
        (aside / MODEL_CARD).write_text(json.dumps(asdict(card), indent=1) + "\n", encoding="utf-8")
        if target.exists():
            shutil.rmtree(target)
        aside.replace(target)
    except OSError as error:
        raise OutputError(f"The model cannot be written to {target}: {error.strerror}.") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return card, target


def _onward(progress: Progress, done: int, total: int) -> Callable[[int], None]:
    """Progress of one file as progress of all."""
    return lambda n: progress("fetch", done + n, total)


def _listed(repository: str) -> tuple[str, str, list[_File]]:
    """The newest commit, the licence, and the files that are needed."""
    url = f"{HUB}/api/models/{repository}/revision/main?blobs=true"
    try:
        about = json.loads(b"".join(coming(url)))
        revision, siblings = str(about["sha"]), [_file(entry) for entry in about["siblings"]]
        licence = str((about.get("cardData") or {}).get("license") or "NOASSERTION")
    except WeightsError as error:
        if isinstance(error.__cause__, urllib.error.HTTPError) and error.__cause__.code in (401, 403, 404):
            raise WeightsError(
                f"{HUB} has no model '{repository}' that is open to all.",
                "Download a gated one by hand and give its folder.",
            ) from error
        raise
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise WeightsError(f"What {url} gave is no list of files.") from error
    if not re.fullmatch(r"[0-9a-f]{40}", revision):
        raise WeightsError(f"What {url} gave names no commit.")
    known = {file.name: file for file in siblings}
    tensors = [name for name in known if _TENSORS.fullmatch(name)] or [name for name in known if name == _PICKLED]
    if "config.json" not in known or not tensors:
        raise WeightsError(
            f"{repository} holds no model of transformers.", "Needed are config.json and model.safetensors."
        )
    return revision, licence, [known[name] for name in known if name in tensors or _WORDS.fullmatch(name)]


def _file(entry: dict[str, Any]) -> _File:
    large = entry.get("lfs") or {}
    return _File(str(entry["rfilename"]), int(entry["size"]), str(large.get("sha256", "")), str(entry["blobId"]))


def _fetched(url: str, file: _File, folder: Path, told: Callable[[int], None]) -> str:
    """Download one file; returns its sha256. Raises WeightsError where it is not the file that was listed."""
    digest, blob, done = hashlib.sha256(), hashlib.sha1(f"blob {file.bytes}\0".encode(), usedforsecurity=False), 0
    with (folder / file.name).open("wb") as out:
        for chunk in coming(url):
            done += len(chunk)
            if done > file.bytes:
                break
            digest.update(chunk)
            blob.update(chunk)
            out.write(chunk)
            told(done)
    right = digest.hexdigest() == file.sha256 if file.sha256 else blob.hexdigest() == file.blob
    if done != file.bytes or not right:
        raise WeightsError(f"What {url} gave is not what the hub lists: its size or checksum differs.", "Try again.")
    return digest.hexdigest()


def _network(folder: Path, repository: str) -> str:
    """What the model in a folder is good for, by its config.json."""
    kind = model_type(folder)
    kinds = {"segmenter": hugging.KINDS, "sam": sam2.KINDS}
    for network, those in kinds.items():
        if kind in those:
            return network
    raise WeightsError(
        f"{repository} is a '{kind}' model.",
        "; ".join(f"--{n} takes {', '.join(those)}" for n, those in kinds.items()) + ".",
    )
