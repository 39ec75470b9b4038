"""Models of transformers from a local folder: nothing is downloaded, and nothing but tensors is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vrm.errors import WeightsError

_PICKLED = "pytorch_model.bin"


def model_type(folder: Path) -> str:
    """What ``config.json`` in a folder calls its model. Raises WeightsError where there is no such file to read."""
    path = folder / "config.json"
    try:
        return str(json.loads(path.read_text(encoding="utf-8")).get("model_type", ""))
    except (OSError, ValueError, AttributeError) as error:
        raise WeightsError(
            f"{folder} holds no readable config.json.", "Give a model folder of transformers, with all its files."
        ) from error


def from_folder(kind: Any, folder: Path, **more: Any) -> Any:
    """``kind.from_pretrained(folder)``, no downloads. Raises WeightsError: files are missing, broken or foreign."""
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


def net_from_folder(kind: Any, folder: Path) -> Any:
    """The network of a folder in evaluation mode. Raises WeightsError as ``from_folder`` does.

    transformers fills missing weights with random numbers: that is a WeightsError here.
    """
    pickled = (folder / _PICKLED).is_file() and not any(folder.glob("*.safetensors"))
    if pickled:
        from vrm.weights.convert.checkpoint import read_tensors

        read_tensors(folder / _PICKLED)  # refuses clearly what holds more than tensors
    more = {"use_safetensors": not pickled, "weights_only": True}
    net, info = from_folder(kind, folder, output_loading_info=True, **more)
    own = {name for name, _ in net.named_parameters()}
    lacking = sorted(own & {str(name) for name in info["missing_keys"]})
    if lacking:
        raise WeightsError(
            f"The weights in {folder} are not its model's: {len(lacking)} of {len(own)} tensors are missing, "
            f"such as {lacking[0]}.",
            "Give the model folder as it was published.",
        )
    return net.eval()
