"""Panoptic models of mmdetection 3 (Mask2Former, MaskFormer on COCO), from a folder with a config and a checkpoint."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from vrm.errors import UsageError, WeightsError
from vrm.selection.labels.base import Panoptic, Segment
from vrm.selection.labels.mmcv_stub import allow_mmseg
from vrm.selection.labels.mmseg import checkpoint_in, config_in, quiet
from vrm.selection.labels.taxonomy import taxonomy
from vrm.system.device import Compute
from vrm.types import Pixels, eight_bits
from vrm.weights.convert.checkpoint import read_tensors

_PER_THING = 1000
"""mmdetection writes a thing as its class plus this times its number from 1; stuff as its class alone."""


class MmdetSegmenter:
    """A panoptic model of mmdetection whose classes are COCO's 133.

    Args:
        folder: as for ``vrm.selection.labels.mmseg.MmsegSegmenter``.
        compute: where it runs.

    Raises:
        WeightsError: files are missing, do not fit one another, or make no panoptic model of COCO.
        UsageError: mmdetection is not installed.
    """

    def __init__(self, folder: Path, compute: Compute) -> None:
        config, checkpoint = config_in(folder), checkpoint_in(folder)
        if find_spec("mmdet") is None:
            raise UsageError(
                f"{config} is a config of mmdetection, which is not installed.",
                "Install it (pip install mmdet==3.3.0), or take a model of transformers or mmsegmentation.",
            )
        state = read_tensors(checkpoint, "state_dict")
        allow_mmseg()  # the same stand-in for compiled operations
        with quiet():
            from mmdet.apis import inference_detector, init_detector
            from mmengine.config import Config

            try:
                words = Config.fromfile(str(config))
                pipeline = words.test_dataloader.dataset.pipeline
                # There is nothing annotated: only the picture is loaded.
                words.test_dataloader.dataset.pipeline = [s for s in pipeline if "Annotations" not in str(s["type"])]
                net: Any = init_detector(words, None, device=str(compute.device))
            except Exception as error:  # whatever a foreign config does
                raise WeightsError(f"{config} builds no model: {error}", "Give a config of mmdetection 3.3.") from error
        try:
            net.load_state_dict(state, strict=True)
        except RuntimeError as error:
            raise WeightsError(f"{checkpoint} does not fit {config.name}: {str(error)[:300]}") from error
        self.taxonomy = taxonomy("coco-panoptic")
        count = getattr(getattr(net, "panoptic_fusion_head", None), "num_classes", 0)
        if count != len(self.taxonomy.classes):
            raise WeightsError(
                f"{config} is no panoptic model of COCO's {len(self.taxonomy.classes)} classes.",
                "Give a Mask2Former or MaskFormer that was trained on COCO panoptic.",
            )
        self._net, self._infer, self._compute = net.eval(), inference_detector, compute
        self.name = f"mmdetection ({folder.name})"
        self.device, self.dtype = compute.names

    def label(self, frame: Pixels, t: int = 0) -> Panoptic:
        """See ``vrm.selection.labels.base.Segmenter``. mmdetection gives no score for a segment of a panoptic map."""
        import torch

        rgb = eight_bits(frame)
        with torch.no_grad(), self._compute.autocast(), quiet():
            found = self._infer(self._net, np.ascontiguousarray(rgb[..., ::-1]))
        return from_mmdet(found.pred_panoptic_seg.sem_seg[0].cpu().numpy(), len(self.taxonomy.classes))


def from_mmdet(numbers: np.ndarray, classes: int) -> Panoptic:
    """A panoptic map of mmdetection: ``(H, W)`` of class + 1000 * number of the thing; ``classes`` itself is void."""
    there, where = np.unique(numbers, return_inverse=True)
    ids = np.zeros(len(there), np.int32)
    segments: list[Segment] = []
    for k, number in enumerate(there):
        label = int(number) % _PER_THING
        if label < classes:
            segments.append(Segment(len(segments) + 1, label))
            ids[k] = len(segments)
    return Panoptic(ids[where].reshape(numbers.shape), tuple(segments))


def is_mmdet(folder: Path) -> bool:
    """True for a config in the folder that says it is mmdetection's."""
    with quiet():
        from mmengine.config import Config

        try:
            return bool(Config.fromfile(str(config_in(folder))).get("default_scope") == "mmdet")
        except Exception:  # what is wrong with it is told when it is used
            return False
