"""Panoptic models of mmdetection 3 (Mask2Former, MaskFormer on COCO), from a folder with a config and a checkpoint."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vrm.errors import UsageError, WeightsError
from vrm.selection.labels.base import PanopticMap, Segment
from vrm.selection.labels.openmmlab import allow_mmseg, config_in, net_from_config, quiet
from vrm.selection.labels.taxonomy import taxonomy
from vrm.types import Pixels, eight_bits

if TYPE_CHECKING:
    from vrm.system.device import Compute

_PER_THING = 1000
"""mmdetection writes a thing as its class plus this times its number from 1; stuff as its class alone."""


class MmdetSegmenter:
    """A panoptic model of mmdetection whose classes are COCO's 133, from a folder as of ``openmmlab.net_from_config``.

    Raises WeightsError as that does, and for any other model; UsageError where mmdetection is not installed.
    """

    def __init__(self, folder: Path, compute: Compute) -> None:
        if find_spec("mmdet") is None:
            raise UsageError(
                f"{config_in(folder)} is a config of mmdetection, which is not installed.",
                "Install it (pip install mmdet==3.3.0), or take a model of transformers or mmsegmentation.",
            )
        allow_mmseg()  # the same stand-in for compiled operations
        with quiet():
            from mmdet.apis import inference_detector, init_detector
            from mmengine.config import Config

        def build(path: str) -> Any:
            config = Config.fromfile(path)
            dataset = config.test_dataloader.dataset
            # Nothing is annotated here: only the picture is loaded.
            dataset.pipeline = [step for step in dataset.pipeline if "Annotations" not in str(step["type"])]
            return init_detector(config, None, device=str(compute.device))

        self._net = net_from_config(folder, "mmdetection 3.3", build)
        self.taxonomy = taxonomy("coco-panoptic")
        count = getattr(getattr(self._net, "panoptic_fusion_head", None), "num_classes", 0)
        if count != len(self.taxonomy.classes):
            raise WeightsError(
                f"{config_in(folder)} is no panoptic model of COCO's {len(self.taxonomy.classes)} classes.",
                "Give a Mask2Former or MaskFormer that was trained on COCO panoptic.",
            )
        self._infer, self._compute = inference_detector, compute
        self.name = f"mmdetection ({folder.name})"
        self.device, self.dtype = compute.names

    def label(self, frame: Pixels, t: int = 0) -> PanopticMap:
        """mmdetection gives no score for a segment of a panoptic map."""
        import torch

        with torch.no_grad(), self._compute.autocast(), quiet():
            found = self._infer(self._net, np.ascontiguousarray(eight_bits(frame)[..., ::-1]))
        return _panoptic_map(found.pred_panoptic_seg.sem_seg[0].cpu().numpy(), len(self.taxonomy.classes))


def _panoptic_map(numbers: np.ndarray, classes: int) -> PanopticMap:
    """From mmdetection's form, ``(H, W)`` of class + 1000 * number of the thing; ``classes`` itself is void."""
    values, where = np.unique(numbers, return_inverse=True)
    ids = np.zeros(len(values), np.int32)
    segments: list[Segment] = []
    for k, value in enumerate(values):
        label = int(value) % _PER_THING
        if label < classes:
            segments.append(Segment(len(segments) + 1, label))
            ids[k] = len(segments)
    return PanopticMap(ids[where].reshape(numbers.shape), tuple(segments))
