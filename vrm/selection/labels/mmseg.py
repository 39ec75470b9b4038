"""Semantic models of mmsegmentation 1.2: COCO-Stuff 164k and ADE20K, from a folder with a config and a checkpoint."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from vrm.errors import WeightsError
from vrm.selection.labels.base import Panoptic, from_classes
from vrm.selection.labels.mmcv_stub import allow_mmseg
from vrm.selection.labels.taxonomy import taxonomy
from vrm.system.device import Compute
from vrm.types import Pixels, eight_bits
from vrm.weights.convert.checkpoint import read_tensors

_CLASSES = {171: "coco-stuff", 150: "ade20k"}
"""Which classes a model has, told by their number."""


class MmsegSegmenter:
    """A model of mmsegmentation.

    Args:
        folder: one config (.py, .json or .yaml; a .py is a program and is run, so use only those you trust) and one
            checkpoint (.pth or .safetensors; never run).
        compute: where it runs.

    Raises:
        WeightsError: files are missing or do not fit one another.
        UsageError: mmsegmentation is not installed.
    """

    def __init__(self, folder: Path, compute: Compute) -> None:
        config, checkpoint = config_in(folder), checkpoint_in(folder)
        state = read_tensors(checkpoint, "state_dict")
        allow_mmseg()
        with quiet():
            from mmseg.apis import inference_model, init_model

            try:
                net = init_model(str(config), None, device=str(compute.device))
            except Exception as error:  # whatever a foreign config does
                raise WeightsError(
                    f"{config} builds no model: {error}", "Give a config of mmsegmentation 1.2."
                ) from error
        try:
            net.load_state_dict(state, strict=True)
        except RuntimeError as error:
            raise WeightsError(f"{checkpoint} does not fit {config.name}: {str(error)[:300]}") from error
        count = int(getattr(net, "num_classes", 0))  # of its last head, where it has several
        if count not in _CLASSES:
            raise WeightsError(
                f"{config} has {count} classes.", "Models of COCO-Stuff 164k (171) and ADE20K (150) are known."
            )
        self._net, self._infer, self._compute = net.eval(), inference_model, compute
        self.taxonomy = taxonomy(_CLASSES[count])
        self.name = f"mmsegmentation ({folder.name})"
        self.device, self.dtype = compute.names

    def label(self, frame: Pixels, t: int = 0) -> Panoptic:
        """See ``vrm.selection.labels.base.Segmenter``. A segment is all of a class; its score the mean probability."""
        import torch

        rgb = eight_bits(frame)
        with torch.no_grad(), self._compute.autocast(), quiet():
            result: Any = self._infer(self._net, np.ascontiguousarray(rgb[..., ::-1]))
        classes = result.pred_sem_seg.data[0].cpu().numpy()
        chances = result.seg_logits.data.float().softmax(0).amax(0).cpu().numpy()
        return from_classes(classes, chances)


def is_mmseg(folder: Path) -> bool:
    """A folder that looks like ours: a checkpoint beside a Python config."""
    return any(folder.glob("*.py")) or (any(folder.glob("*.pth")) and not (folder / "config.json").exists())


def config_in(folder: Path) -> Path:
    """The one config of a model's folder. Raises WeightsError."""
    return _only(folder, (".py", ".json", ".yaml", ".yml"), "config")


def checkpoint_in(folder: Path) -> Path:
    """The one checkpoint of a model's folder. Raises WeightsError."""
    return _only(folder, (".safetensors", ".pth"), "checkpoint")


def _only(folder: Path, endings: tuple[str, ...], what: str) -> Path:
    found = sorted(p for p in folder.iterdir() if p.suffix in endings)
    if len(found) != 1:
        raise WeightsError(
            f"{folder} holds {len(found)} files that can be its {what} ({', '.join(endings)}).",
            "A folder for mmsegmentation or mmdetection holds one config and one checkpoint.",
        )
    return found[0]


@contextlib.contextmanager
def quiet() -> Any:
    """The libraries print and warn about what is no user's business."""
    logger = logging.getLogger("mmengine")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
