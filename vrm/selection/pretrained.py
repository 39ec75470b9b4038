"""Models of transformers from a local folder: nothing is downloaded, nothing but tensors read, nothing made up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vrm.errors import WeightsError
from vrm.weights.convert.checkpoint import read_tensors

_PICKLED = "pytorch_model.bin"


def model_type(folder: Path) -> str:
    """What ``config.json`` in a folder calls its model.

    Raises:
        WeightsError: no such file, or not readable.
    """
    path = folder / "config.json"
    try:
        return str(json.loads(path.read_text(encoding="utf-8")).get("model_type", ""))
    except (OSError, ValueError, AttributeError) as error:
        raise WeightsError(
            f"{folder} holds no readable config.json.", "Give a model folder of transformers, with all its files."
        ) from error


def loaded(kind: Any, folder: Path, **more: Any) -> Any:
    """``from_pretrained`` of a local folder.

    Raises:
        WeightsError: a file is missing, damaged, or of another model.
    """
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        return kind.from_pretrained(folder, local_files_only=True, **more)
    except Exception as error:  # each file has errors of its own
        names = ", ".join(sorted(p.name for p in folder.iterdir())) or "nothing"
        why = (str(error).strip().splitlines() or [type(error).__name__])[0][:300].rstrip(".")
        raise WeightsError(
            f"The model folder {folder} cannot be loaded: {why}.",
            f"It holds {names}; needed are config.json, model.safetensors and preprocessor_config.json.",
        ) from error
    finally:
        logging.set_verbosity(verbosity)


def loaded_net(kind: Any, folder: Path) -> Any:
    """The network of a folder, ready to be used. transformers fills what the file lacks with random numbers: we refuse.

    Raises:
        WeightsError: see ``loaded``; or the weights are not all of this network's.
    """
    pickled = (folder / _PICKLED).is_file() and not any(folder.glob("*.safetensors"))
    if pickled:
        read_tensors(folder / _PICKLED)  # refuses clearly what holds more than tensors
    more = {"use_safetensors": not pickled, "weights_only": True}
    net, said = loaded(kind, folder, output_loading_info=True, **more)
    own = {name for name, _ in net.named_parameters()}
    lacking = sorted(own & {str(name) for name in said["missing_keys"]})
    if lacking:
        raise WeightsError(
            f"The weights in {folder} are not its model's: {len(lacking)} of {len(own)} tensors are missing, "
            f"such as {lacking[0]}.",
            "Give the model folder as it was published.",
        )
    return net.eval()
