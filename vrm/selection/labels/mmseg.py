"""Semantic models of mmsegmentation 1.2: COCO-Stuff 164k and ADE20K, from a folder with a config and a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vrm.errors import WeightsError
from vrm.events import counted
from vrm.selection.labels.base import PanopticMap, from_classes
from vrm.selection.labels.openmmlab import allow_mmseg, config_in, net_from_config, quiet
from vrm.selection.labels.taxonomy import taxonomy
from vrm.types import Pixels, eight_bits

if TYPE_CHECKING:
    from vrm.system.device import Compute

_CLASSES = {171: "coco-stuff", 150: "ade20k"}
"""The taxonomy of a model, by its number of classes."""


class MmsegSegmenter:
    """A model of mmsegmentation, from a folder as of ``openmmlab.net_from_config``, with its errors."""

    def __init__(self, folder: Path, compute: Compute) -> None:
        allow_mmseg()
        with quiet():
            from mmseg.apis import inference_model, init_model

        def build(config: str) -> Any:
            return init_model(config, None, device=str(compute.device))

        self._net = net_from_config(folder, "mmsegmentation 1.2", build)
        count = int(getattr(self._net, "num_classes", 0))  # of its last head, where it has several
        if count not in _CLASSES:
            raise WeightsError(
                f"{config_in(folder)} has {counted(count, 'class', 'classes')}.",
                "Models of COCO-Stuff 164k (171) and ADE20K (150) are known.",
            )
        self._infer, self._compute = inference_model, compute
        self.taxonomy = taxonomy(_CLASSES[count])
        self.name = f"mmsegmentation ({folder.name})"
        self.device, self.dtype = compute.names

    def label(self, frame: Pixels, t: int = 0) -> PanopticMap:
        """A segment is all pixels of a class; its score is their mean probability."""
        import torch

        with torch.no_grad(), self._compute.autocast(), quiet():
            result: Any = self._infer(self._net, np.ascontiguousarray(eight_bits(frame)[..., ::-1]))
        classes = result.pred_sem_seg.data[0].cpu().numpy()
        chances = result.seg_logits.data.float().softmax(0).amax(0).cpu().numpy()
        return from_classes(classes, chances)
