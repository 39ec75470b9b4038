"""Panoptic models of transformers: Mask2Former, MaskFormer, OneFormer, EoMT; from a local folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vrm.errors import WeightsError
from vrm.selection.labels.base import PanopticMap, Segment
from vrm.selection.labels.taxonomy import TAXONOMIES, VOID, Taxonomy, taxonomy, taxonomy_of
from vrm.selection.pretrained import from_folder, model_type, net_from_folder
from vrm.types import U8, Pixels, eight_bits

if TYPE_CHECKING:
    from vrm.system.device import Compute

KINDS = ("mask2former", "maskformer", "oneformer", "eomt", "eomt_dinov3")
"""Model types of config.json that are taken."""
_INPUTS = ("pixel_values", "pixel_mask", "task_inputs")


class HuggingFaceSegmenter:
    """A panoptic segmentation model of transformers. Raises WeightsError: files are missing, or it is another model.

    The folder holds config.json, model.safetensors, preprocessor_config.json (and the tokenizer's files for OneFormer).
    """

    def __init__(self, folder: Path, compute: Compute) -> None:
        kind = model_type(folder)
        if kind not in KINDS:
            raise WeightsError(f"{folder} holds a '{kind}' model.", f"Segmenters are: {', '.join(KINDS)}.")
        import transformers as library

        self._compute = compute
        # OneFormer is given its task in words: its processor also holds a tokenizer.
        self._task = {"task_inputs": ["panoptic"]} if kind == "oneformer" else {}
        if self._task:
            # It would download a list of class names that only its training needs.
            pictures = from_folder(library.OneFormerImageProcessor, folder, class_info_file="")
            self._processor: Any = library.OneFormerProcessor(pictures, from_folder(library.CLIPTokenizer, folder))
        else:
            self._processor = from_folder(library.AutoImageProcessor, folder)
        net = net_from_folder(library.AutoModelForUniversalSegmentation, folder)
        self._net = net.to(compute.device)
        self.name = f"{net.config.model_type} ({folder.name})"
        self.device, self.dtype = compute.names
        names = [str(net.config.id2label[i]) for i in range(len(net.config.id2label))]
        self.taxonomy, self._table = _own_classes(names, folder.name)
        things = self.taxonomy.things
        stuff = {i for i in range(len(names)) if self._table[i] == VOID or not things[self._table[i]]}
        # Without this list, transformers fuses nothing: every query of the sky would be a segment of its own.
        self._fused: dict[str, Any] = {"label_ids_to_fuse": stuff}
        if "eomt" in net.config.model_type:
            self._fused = {"stuff_classes": sorted(stuff)}

    def label(self, frame: Pixels, t: int = 0) -> PanopticMap:
        import torch

        rgb = np.ascontiguousarray(eight_bits(frame))
        inputs = self._processor(images=rgb, return_tensors="pt", **self._task)
        inputs.pop("patch_offsets", None)
        inputs = inputs.to(self._compute.device)
        with torch.inference_mode():
            with self._compute.autocast():
                outputs = self._net(**{k: v for k, v in inputs.items() if k in _INPUTS})
            for key, value in list(outputs.items()):
                if torch.is_tensor(value) and value.is_floating_point():
                    outputs[key] = value.float()
            post = getattr(self._processor, "image_processor", self._processor)
            found = post.post_process_panoptic_segmentation(outputs, target_sizes=[rgb.shape[:2]], **self._fused)[0]
        return _panoptic_map(found["segmentation"].cpu().numpy(), found["segments_info"], self._table)


def _panoptic_map(ids: np.ndarray, infos: list[dict[str, Any]], table: U8) -> PanopticMap:
    """Segments with ids from 1, each once: transformers lists a fused one once for each query it was fused of."""
    known: dict[int, dict[str, Any]] = {}
    for info in infos:
        best = known.get(info["id"])
        if best is None or info.get("score", 0) > best.get("score", 0):
            known[info["id"]] = info
    out = np.zeros(ids.shape, np.int32)
    segments: list[Segment] = []
    for info in known.values():
        where = ids == info["id"]
        label = int(table[info["label_id"]])
        if label != VOID and where.any():
            segments.append(Segment(len(segments) + 1, label, info.get("score")))
            out[where] = len(segments)
    return PanopticMap(out, tuple(segments))


def _own_classes(names: list[str], title: str) -> tuple[Taxonomy, U8]:
    """The taxonomy of a model's classes, and the table from its labels to the classes."""
    for known in map(taxonomy, TAXONOMIES):
        try:
            return known, known.translate(names)
        except ValueError:
            continue
    table = np.full(max(256, len(names)), VOID, np.uint8)  # maps have 8 bits: what lies beyond is void
    own = names[:VOID]
    table[: len(own)] = np.arange(len(own))
    return taxonomy_of(own, title), table
