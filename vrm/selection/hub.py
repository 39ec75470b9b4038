"""Models of several files, fetched from the Hugging Face hub into the user's own folder when asked, and only then.

huggingface_hub downloads the files of one commit and compares them with the checksums that the hub lists for it. The
folder appears complete or not at all, with a card (``vrm.weights.cards.ModelCard``) for later checks.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vrm.errors import OutputError, VrmError, WeightsError
from vrm.events import Progress, no_progress
from vrm.selection.labels import hugging_face
from vrm.selection.labels.openmmlab import is_openmmlab
from vrm.selection.pretrained import model_type
from vrm.selection.prompts import sam2
from vrm.system.extras import needed_by
from vrm.system.files import atomic_folder, disk_error
from vrm.weights.cards import MODEL_CARD, ModelCard, own_folder

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
_SETTINGS = re.compile(r"\w[\w-]*(\.\w[\w-]*)*\.(json|txt)")
"""Configurations, tables of names and of shards, a tokenizer's files; in the repository's top folder only."""
_TENSORS = re.compile(r"model(-\d{5}-of-\d{5})?\.safetensors")
_PICKLE = "pytorch_model.bin"
_KINDS = {"segmenter": hugging_face.KINDS, "sam": sam2.KINDS}


def is_repository(name: str) -> bool:
    """Whether it is OWNER/NAME, as the hub names its repositories, and no path of a card."""
    return _REPOSITORY.fullmatch(name) is not None and not name.endswith(".json") and not Path(name).exists()


def fetch_model(repository: str, overwrite: bool = False, progress: Progress = no_progress) -> tuple[ModelCard, Path]:
    """Download a model for ``--segmenter`` or ``--sam`` into ``<cache>/vrm/weights/NAME``; its card and that folder.

    ``overwrite`` replaces a model that was fetched before; ``progress`` counts bytes.

    Raises WeightsError: there is no such model, it is of another kind, the hub does not answer, or a checksum differs;
    OutputError: a folder of that name exists, or it cannot be written; MissingPackage: there is no huggingface_hub.
    """
    name = repository.rpartition("/")[2]
    target = own_folder() / name
    fetched = (target / MODEL_CARD).is_file()
    if target.exists() and not (overwrite and fetched):
        raise OutputError(
            f"{target} exists.", "Give --overwrite." if fetched else "It was not fetched by vrm: move it away."
        )
    with needed_by(f"vrm weights fetch {repository}"):
        from huggingface_hub import HfApi
    api = HfApi(library_name="vrm")
    with atomic_folder(target, "The model") as folder, _hub_errors(repository):
        info = api.model_info(repository, revision="main", files_metadata=True)
        revision, sizes = str(info.sha), _needed_files(info)
        total = sum(sizes.values())
        bar = _progress_bar(progress, total)
        for files in ({"config.json"}, sizes.keys() - {"config.json"}):  # the kind is known before weights are fetched
            for file in sorted(files):
                api.hf_hub_download(repository, file, revision=revision, local_dir=folder, tqdm_class=bar)
            found = api.verify_repo_checksums(repository, revision=revision, local_dir=folder)
            if wrong := [mismatch["path"] for mismatch in found.mismatches] + found.extra_paths:
                raise WeightsError(f"{wrong[0]} of {repository} has another checksum than the hub lists.", "Try again.")
            network = _network(folder, repository)
        shutil.rmtree(folder / ".cache")  # what huggingface_hub notes for a download that goes on later
        licence = str(info.card_data.license or "NOASSERTION") if info.card_data else "NOASSERTION"
        card = ModelCard(name, repository, revision, licence, network, _checksums(folder), total)
        (folder / MODEL_CARD).write_text(json.dumps(asdict(card), indent=1) + "\n", encoding="utf-8")
    return card, target


@contextlib.contextmanager
def _hub_errors(repository: str) -> Iterator[None]:
    """Turn what huggingface_hub and its HTTP client raise into WeightsError; errors of the disk stay."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        yield
    except VrmError:
        raise
    except RepositoryNotFoundError as error:  # a gated one is such a one too
        raise WeightsError(
            f"The hub has no model '{repository}' that is open to you.",
            "Is the name right? For a gated model: hf auth login.",
        ) from error
    except Exception as error:
        if disk_error(error) is not None:
            raise
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise WeightsError(f"{repository} cannot be fetched: {reason}", "Is this machine online? Try again.") from error


def _needed_files(info: ModelInfo) -> dict[str, int]:
    """Names and sizes of the files that a model consists of; safetensors rather than a pickle. Raises WeightsError."""
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or ()}
    tensors = {name for name in sizes if _TENSORS.fullmatch(name)} or {_PICKLE} & sizes.keys()
    if "config.json" not in sizes or not tensors:
        raise WeightsError(
            f"{info.id} holds no model of transformers.", "Needed are config.json and model.safetensors."
        )
    return {name: size for name, size in sizes.items() if name in tensors or _SETTINGS.fullmatch(name)}


def own_models() -> list[tuple[str, Path]]:
    """Models that the user put among the weights, folders without a card of ours: what each is for, and where it is."""
    found = []
    for folder in sorted(path for path in own_folder().glob("[!.]*") if path.is_dir()):
        if not (folder / MODEL_CARD).is_file():
            with contextlib.suppress(WeightsError):
                found.append(("segmenter" if is_openmmlab(folder) else _network(folder, folder.name), folder))
    return found


def _network(folder: Path, repository: str) -> str:
    """What the model in a folder is for, by its config.json. Raises WeightsError."""
    kind = model_type(folder)
    for network, kinds in _KINDS.items():
        if kind in kinds:
            return network
    raise WeightsError(
        f"{repository} is a '{kind}' model.",
        "; ".join(f"--{network} takes {', '.join(kinds)}" for network, kinds in _KINDS.items()) + ".",
    )


def _checksums(folder: Path) -> dict[str, str]:
    found = {}
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            found[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def _progress_bar(progress: Progress, total: int) -> type[Any]:
    """The class of a progress bar for every file: it shows nothing, and tells ``progress`` the bytes of all files."""
    from huggingface_hub.utils.tqdm import tqdm

    done = 0

    class Bar(tqdm):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options | {"disable": True})  # type: ignore[no-untyped-call]

        def update(self, n: float | None = 1) -> None:
            nonlocal done
            done += int(n or 0)
            progress("fetch", min(done, total), total)

        def update_transfer(self, n: float | None = 1) -> None:
            """Bytes on the network; ``update`` is told when they are written."""

        def set_transfer_postfix_str(self, *args: Any, **options: Any) -> None:
            """The speed."""

    return Bar
