"""Prompts and tracking by SAM 2 (Ravi et al., 2024) as transformers has it: image and video models."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vrm.errors import WeightsError
from vrm.events import Progress, no_progress
from vrm.selection.pretrained import from_folder, model_type, net_from_folder
from vrm.selection.prompts.base import Outline, Prompt
from vrm.selection.prompts.click import correct
from vrm.selection.tracking.features import GetFrame
from vrm.selection.tracking.tracker import Tracked, paths
from vrm.types import U8, Bool, Masks, Pixels, eight_bits

if TYPE_CHECKING:
    from vrm.system.device import Compute

_STRETCH = 48
"""Frames that are tracked with one memory; the next begins with the last mask, so that memory stays bounded."""
KINDS = ("sam2", "sam2_video")
"""Model types of transformers' config.json that are taken."""


class Sam2:
    """A SAM 2 model; a video model also tracks. Raises WeightsError: files are missing or no SAM 2.

    The folder holds config.json, weights in safetensors, and the processor's configuration.
    """

    name = "SAM 2"

    def __init__(self, folder: Path, compute: Compute) -> None:
        kind = model_type(folder)
        if kind not in KINDS:
            raise WeightsError(f"{folder} holds a '{kind}' model.", f"--sam takes: {', '.join(KINDS)}, or a SAM file.")
        import transformers as library

        self.tracks = kind == "sam2_video"
        net = library.Sam2VideoModel if self.tracks else library.Sam2Model
        processor = library.Sam2VideoProcessor if self.tracks else library.Sam2Processor
        self._compute = compute
        self._net: Any = net_from_folder(net, folder).to(compute.device)
        self._processor: Any = from_folder(processor, folder)
        self._encoded: tuple[int, Any] | None = None

    def outline(self, t: int, frame: Pixels, prompt: Prompt) -> Outline:
        rgb = np.ascontiguousarray(eight_bits(frame))
        return self._in_video(t, rgb, prompt) if self.tracks else self._in_image(t, rgb, prompt)

    def _in_image(self, t: int, rgb: U8, prompt: Prompt) -> Outline:
        import torch

        inputs = self._processor(images=rgb, return_tensors="pt", **_words(prompt)).to(self._compute.device)
        pixels, sizes = inputs.pop("pixel_values"), inputs.pop("original_sizes")
        inputs.pop("reshaped_input_sizes", None)
        with torch.no_grad():
            if self._encoded is None or self._encoded[0] != t:
                with self._compute.autocast():
                    self._encoded = t, [level.float() for level in self._net.get_image_embeddings(pixels)]
            if prompt.mask is not None:
                inputs["input_masks"] = self._mask_prompt(prompt.mask)
            found = self._net(image_embeddings=self._encoded[1], multimask_output=prompt.ambiguous, **inputs)
        masks = self._processor.post_process_masks(found.pred_masks.float().cpu(), sizes.cpu())[0][0]
        scores = found.iou_scores.float().cpu().numpy().reshape(-1)
        best = int(scores.argmax())
        return Outline(masks[best].numpy().astype(np.bool_), float(np.clip(scores[best], 0, 1)))

    def _mask_prompt(self, mask: Bool) -> Any:
        """A mask as the low-resolution log odds that the prompt encoder takes, ``(1, 1, n, n)``."""
        import torch

        side = self._net.config.prompt_encoder_config.image_size // 4
        field = torch.from_numpy(mask.astype(np.float32))[None, None].to(self._compute.device)
        return 20 * torch.nn.functional.interpolate(field, size=(side, side), mode="area") - 10

    def _in_video(self, t: int, rgb: U8, prompt: Prompt) -> Outline:
        # A session takes a mask or points, not both: the mask that is there already is corrected piece by piece.
        if prompt.mask is not None and not prompt.points:
            return Outline(correct(rgb, prompt.mask, prompt.negative_points), 1.0)
        session = self._session(t)
        mask, score = next(self._session_masks(session, [rgb], _words(prompt)))
        self._encoded = t, session.cache.get_vision_features(0)
        return Outline(mask if prompt.mask is None else mask | prompt.mask, score)

    def _session(self, t: int) -> Any:
        """A session that begins at frame t; it is given the frame's features if that was encoded last."""
        session = self._processor.init_video_session(inference_device=self._compute.device)
        if self._encoded is not None and self._encoded[0] == t:
            session.cache.cache_vision_features(0, self._encoded[1])
        return session

    def _session_masks(self, session: Any, frames: Iterable[U8], words: dict[str, Any]) -> Iterator[tuple[Bool, float]]:
        """Masks of frames in order, of what the words say about the first; and how sure the model is, 0 to 1."""
        import torch

        for k, rgb in enumerate(frames):
            inputs = self._processor(images=rgb, return_tensors="pt").to(self._compute.device)
            size = inputs["original_sizes"][0]
            if k == 0:
                self._processor.add_inputs_to_inference_session(session, 0, 1, original_size=size, **words)
            with torch.no_grad(), self._compute.autocast():
                found = self._net(inference_session=session, frame=inputs["pixel_values"][0])
            odds = self._processor.post_process_masks(
                [found.pred_masks.float().cpu()], original_sizes=[[int(v) for v in size]], binarize=False
            )[0]
            present = found.object_score_logits
            sure = 1.0 if present is None else float(torch.sigmoid(present.float()).reshape(-1)[0])
            yield (odds.reshape(odds.shape[-2:]) > 0).numpy(), sure

    def track(
        self, frame: GetFrame, annotated: dict[int, Bool], start: int, stop: int, *, without: Container[int] = (),
        progress: Progress = no_progress,
    ) -> Tracked:  # fmt: skip
        """Track with the model's memory; arguments and result as of ``vrm.selection.tracking.tracker.track_mask``."""
        times = [t for t in range(start, stop) if t not in without]
        known = sorted(set(times).intersection(annotated))
        masks, confidence = Masks(annotated[known[0]].shape, stop), dict.fromkeys(known, 1.0)
        for t in known:
            masks[t] = annotated[t]
        for path in paths(known, times):
            for n, mask, sure in self._along(frame, annotated[path[0]], path):
                masks[n], confidence[n] = mask, sure
                progress("follow", len(confidence), len(times))
        return Tracked(masks, confidence)

    def _along(self, frame: GetFrame, mask: Bool, path: Sequence[int]) -> Iterator[tuple[int, Bool, float]]:
        """The frames after the first of a path, stretch by stretch."""
        for begin in range(0, max(0, len(path) - 1), _STRETCH):
            if not mask.any():
                return
            part = path[begin : begin + _STRETCH + 1]
            session = self._session(part[0])
            pictures = (np.ascontiguousarray(eight_bits(frame(n))) for n in part)
            found = self._session_masks(session, pictures, {"input_masks": [mask]})
            next(found)  # the first frame's mask is known
            for n, (mask, sure) in zip(part[1:], found, strict=True):
                yield n, mask, sure


def _words(prompt: Prompt) -> dict[str, Any]:
    clicks, labels = prompt.clicks
    words: dict[str, Any] = {"input_points": [[clicks]], "input_labels": [[labels]]} if clicks else {}
    return words if prompt.corners is None else words | {"input_boxes": [[prompt.corners]]}
