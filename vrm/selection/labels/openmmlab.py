"""What models of mmsegmentation and mmdetection share: a folder with a config and a checkpoint, and quiet libraries."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from vrm.errors import UsageError, WeightsError
from vrm.events import counted

_COMPILED = "mmcv._ext"


def allow_mmseg() -> None:
    """Make ``import mmseg.apis`` possible: it imports compiled operations that mmcv-lite does not have.

    A stand-in for them lets the import pass, and says so when one is called: only models that use none are offered.
    """
    if _COMPILED in sys.modules or find_spec(_COMPILED) is not None:
        return

    def lookup(name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)

        def missing(*args: Any, **kwargs: Any) -> Any:
            raise UsageError(
                f"This model needs the compiled operation '{name}' of mmcv, which is not installed.",
                "Choose a model without it, such as SegFormer, DeepLabV3 or PSPNet.",
            )

        return missing

    module = ModuleType(_COMPILED)
    module.__spec__ = ModuleSpec(_COMPILED, None)
    module.__getattr__ = lookup  # type: ignore[method-assign]
    sys.modules[_COMPILED] = module


def is_openmmlab(folder: Path) -> bool:
    """Whether a model's folder holds a Python config, or a checkpoint but no config of transformers."""
    return any(folder.glob("*.py")) or (any(folder.glob("*.pth")) and not (folder / "config.json").exists())


def is_mmdet(folder: Path) -> bool:
    with quiet():
        from mmengine.config import Config

        try:
            return bool(Config.fromfile(str(config_in(folder))).get("default_scope") == "mmdet")
        except Exception:  # what is wrong with it is said when it is used
            return False


def config_in(folder: Path) -> Path:
    """The one config of a model's folder. Raises WeightsError."""
    return _only(folder, (".py", ".json", ".yaml", ".yml"), "config")


def _only(folder: Path, endings: tuple[str, ...], what: str) -> Path:
    found = sorted(p for p in folder.iterdir() if p.suffix in endings)
    if len(found) != 1:
        raise WeightsError(
            f"{folder} holds {counted(len(found), 'file')} that can be its {what} ({', '.join(endings)}).",
            "A folder for mmsegmentation or mmdetection holds one config and one checkpoint.",
        )
    return found[0]


def net_from_config(folder: Path, library: str, build: Callable[[str], Any]) -> Any:
    """The network that ``build`` makes of the config's path, with the weights of the checkpoint beside it.

    The folder holds one config (.py, .json or .yaml; a .py is a program and is run, so use only those you trust) and
    one checkpoint (.pth or .safetensors; never run). ``library`` is its name and version, for messages.

    Raises WeightsError: files are missing or do not fit one another.
    """
    from vrm.weights.convert.checkpoint import read_tensors

    config, checkpoint = config_in(folder), _only(folder, (".safetensors", ".pth"), "checkpoint")
    state = read_tensors(checkpoint, "state_dict")
    try:
        with quiet():
            net = build(str(config))
    except Exception as error:  # whatever a foreign config does
        raise WeightsError(f"{config} builds no model: {error}", f"Give a config of {library}.") from error
    try:
        net.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise WeightsError(f"{checkpoint} does not fit {config.name}: {str(error)[:300]}") from error
    return net.eval()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without what the libraries print and warn about, which is of no use to users."""
    logger = logging.getLogger("mmengine")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
