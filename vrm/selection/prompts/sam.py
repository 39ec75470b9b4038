"""Prompts answered by Segment Anything (Kirillov et al., ICCV 2023): the original checkpoints, of any size."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vrm.errors import WeightsError
from vrm.selection.prompts.base import Outline, Prompt
from vrm.types import Bool, Pixels, eight_bits
from vrm.weights.convert.checkpoint import read_tensors

if TYPE_CHECKING:
    from vrm.system.device import Compute

_ENCODER = "image_encoder."


class Sam:
    """One SAM checkpoint. The picture of each frame goes through the encoder once, however many prompts follow.

    It is one of ``segment_anything`` (vit_b, vit_l, vit_h, or any other size, by its shapes); ``compute`` is of the
    encoder only. Raises WeightsError: unreadable, no SAM, or tensors missing.
    """

    name = "SAM"

    def __init__(self, path: Path, compute: Compute) -> None:
        from segment_anything import SamPredictor

        self._compute = compute
        state = read_tensors(path, "model")
        try:
            net = _network(state)
            net.load_state_dict(state, strict=True)
        except (KeyError, IndexError, RuntimeError, ValueError, ZeroDivisionError) as error:
            raise WeightsError(
                f"{path} is not a whole SAM checkpoint: {str(error).splitlines()[0]}",
                "Give sam_vit_b, _l or _h as published, or a folder of a SAM 2 model.",
            ) from error
        self._predictor = SamPredictor(net.eval().to(compute.device))
        self._encoded: int | None = None

    def outline(self, t: int, frame: Pixels, prompt: Prompt) -> Outline:
        import torch

        if self._encoded != t:
            with self._compute.autocast():
                self._predictor.set_image(np.ascontiguousarray(eight_bits(frame)))
            self._predictor.features = self._predictor.features.float()  # the decoder does not take bf16
            self._encoded = t
        clicks, labels = prompt.clicks
        corners = prompt.corners
        with torch.no_grad():
            masks, scores, _ = self._predictor.predict(
                np.array(clicks, np.float32) if clicks else None,
                np.array(labels) if clicks else None,
                None if corners is None else np.array(corners, np.float32),
                None if prompt.mask is None else self._mask_prompt(prompt.mask),
                multimask_output=prompt.ambiguous,
            )
        best = int(np.argmax(scores))
        return Outline(np.asarray(masks[best], np.bool_), float(np.clip(scores[best], 0, 1)))

    def _mask_prompt(self, mask: Bool) -> np.ndarray:
        """A mask as the low-resolution log odds that the prompt encoder takes, ``(1, n, n)``."""
        import cv2

        predictor = self._predictor
        side = 4 * predictor.features.shape[-1]
        height, width = predictor.input_size
        longest = predictor.model.image_encoder.img_size
        size = max(1, round(width * side / longest)), max(1, round(height * side / longest))
        small = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        odds = np.full((1, side, side), -10.0, np.float32)
        odds[0, : size[1], : size[0]] = 20 * small - 10
        return odds


def _network(state: dict[str, Any]) -> Any:
    from functools import partial

    from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, TwoWayTransformer
    from segment_anything.modeling import Sam as Net
    from torch import nn

    width, _, patch, _ = state[f"{_ENCODER}patch_embed.proj.weight"].shape
    grid = state[f"{_ENCODER}pos_embed"].shape[1]
    depth = 1 + max(int(m[1]) for key in state if (m := re.match(r"image_encoder\.blocks\.(\d+)\.", key)))
    spans = [(state[f"{_ENCODER}blocks.{k}.attn.rel_pos_h"].shape[0] + 1) // 2 for k in range(depth)]
    windows = {span for span in spans if span != grid}
    across = state[f"{_ENCODER}neck.0.weight"].shape[0]
    encoder = ImageEncoderViT(
        img_size=grid * patch,
        patch_size=patch,
        embed_dim=width,
        depth=depth,
        num_heads=width // state[f"{_ENCODER}blocks.0.attn.rel_pos_h"].shape[1],
        mlp_ratio=state[f"{_ENCODER}blocks.0.mlp.lin1.weight"].shape[0] / width,
        out_chans=across,
        qkv_bias=f"{_ENCODER}blocks.0.attn.qkv.bias" in state,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        use_rel_pos=True,
        window_size=windows.pop() if windows else 14,
        global_attn_indexes=tuple(k for k, span in enumerate(spans) if span == grid),
    )
    layers = "mask_decoder.transformer.layers."
    decoder = MaskDecoder(
        num_multimask_outputs=state["mask_decoder.mask_tokens.weight"].shape[0] - 1,
        transformer=TwoWayTransformer(
            depth=1 + max(int(key[len(layers) :].split(".")[0]) for key in state if key.startswith(layers)),
            embedding_dim=across,
            mlp_dim=state[f"{layers}0.mlp.lin1.weight"].shape[0],
            num_heads=8,
        ),
        transformer_dim=across,
        iou_head_depth=sum(bool(re.match(r"mask_decoder\.iou_prediction_head\.layers\.\d+\.weight", k)) for k in state),
        iou_head_hidden_dim=state["mask_decoder.iou_prediction_head.layers.0.weight"].shape[0],
    )
    prompts = PromptEncoder(
        embed_dim=across,
        image_embedding_size=(grid, grid),
        input_image_size=(grid * patch, grid * patch),
        mask_in_chans=state["prompt_encoder.mask_downscaling.3.weight"].shape[0],
    )
    return Net(image_encoder=encoder, prompt_encoder=prompts, mask_decoder=decoder)
