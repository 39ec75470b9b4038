"""Points, boxes and following through SAM 2 (Ravi et al., 2024) as transformers has it: image and video models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vrm.errors import UsageError, WeightsError
from vrm.selection.pretrained import loaded, loaded_net, model_type
from vrm.selection.prompts.box import Outline
from vrm.selection.prompts.click import correct
from vrm.selection.tracking.tracker import Tracked
from vrm.system.device import Compute
from vrm.types import Bool, Box, Masks, Pixels, eight_bits

_STRETCH = 48
"""Frames that one memory follows; the next starts from the last mask, so that memory stays bounded."""
KINDS = ("sam2", "sam2_video")
"""Model types of transformers' config.json that are taken."""


class Sam2:
    """A SAM 2 model. With a video model it also follows.

    Args:
        folder: config.json, weights in safetensors, processor configuration.
        compute: where it runs.

    Raises:
        WeightsError: files are missing or no SAM 2.
        UsageError: transformers is not installed.
    """

    name = "SAM 2"

    def __init__(self, folder: Path, compute: Compute) -> None:
        kind = model_type(folder)
        if kind not in KINDS:
            raise WeightsError(f"{folder} holds a '{kind}' model.", f"--sam takes: {', '.join(KINDS)}, or a SAM file.")
        try:
            import transformers
        except ImportError as error:
            raise UsageError(
                "SAM 2 needs transformers, which is not installed.", "Install it: pip install 'vrm[panoptic]'."
            ) from error
        self.video = kind == "sam2_video"
        net = transformers.Sam2VideoModel if self.video else transformers.Sam2Model
        processor = transformers.Sam2VideoProcessor if self.video else transformers.Sam2Processor
        self._compute = compute
        self._net: Any = loaded_net(net, folder).to(compute.device)
        self._processor: Any = loaded(processor, folder)
        self._seen: tuple[int, Any] | None = None

    def outline(
        self,
        t: int,
        frame: Pixels,
        points: Sequence[tuple[float, float]] = (),
        not_points: Sequence[tuple[float, float]] = (),
        box: Box | None = None,
        before: Bool | None = None,
    ) -> Outline:
        """The thing that was pointed at; arguments as for ``vrm.selection.prompts.sam.Sam.outline``."""
        clicks = [[float(x), float(y)] for x, y in (*points, *not_points)]
        kinds = [1] * len(points) + [0] * len(not_points)
        edges = None if box is None else [float(box[1]), float(box[0]), float(box[3]), float(box[2])]
        ask = self._in_video if self.video else self._in_image
        return ask(t, np.ascontiguousarray(eight_bits(frame)), clicks, kinds, edges, before)

    def _in_image(
        self,
        t: int,
        rgb: np.ndarray,
        clicks: list[Any],
        kinds: list[int],
        edges: list[float] | None,
        before: Bool | None,
    ) -> Outline:
        import torch

        prompts: dict[str, Any] = {}
        if clicks:
            prompts |= {"input_points": [[clicks]], "input_labels": [[kinds]]}
        if edges is not None:
            prompts["input_boxes"] = [[edges]]
        inputs = self._processor(images=rgb, return_tensors="pt", **prompts).to(self._compute.device)
        pixels, sizes = inputs.pop("pixel_values"), inputs.pop("original_sizes")
        inputs.pop("reshaped_input_sizes", None)
        with torch.no_grad():
            if self._seen is None or self._seen[0] != t:
                with self._compute.autocast():
                    self._seen = t, [level.float() for level in self._net.get_image_embeddings(pixels)]
            several = len(clicks) == 1 and edges is None and before is None
            if before is not None:
                inputs["input_masks"] = self._odds(before)
            found = self._net(image_embeddings=self._seen[1], multimask_output=several, **inputs)
        masks = self._processor.post_process_masks(found.pred_masks.float().cpu(), sizes.cpu())[0][0]
        scores = found.iou_scores.float().cpu().numpy().reshape(-1)
        best = int(scores.argmax())
        return Outline(masks[best].numpy().astype(np.bool_), float(np.clip(scores[best], 0, 1)))

    def _odds(self, mask: Bool) -> Any:
        import torch

        side = self._net.config.prompt_encoder_config.image_size // 4
        field = torch.from_numpy(mask.astype(np.float32))[None, None].to(self._compute.device)
        return 20 * torch.nn.functional.interpolate(field, size=(side, side), mode="area") - 10

    def _in_video(
        self,
        t: int,
        rgb: np.ndarray,
        clicks: list[Any],
        kinds: list[int],
        edges: list[float] | None,
        before: Bool | None,
    ) -> Outline:
        # The session takes a mask or points, not both: what is there already is corrected piece by piece.
        if before is not None and 1 not in kinds:
            return Outline(correct(rgb, before, [(x, y) for x, y in clicks]), 1.0)
        prompts: dict[str, Any] = {}
        if clicks:
            prompts |= {"input_points": [[clicks]], "input_labels": [[kinds]]}
        if edges is not None:
            prompts["input_boxes"] = [[edges]]
        session = self._session(t)
        mask, score = next(self._session_masks(session, [rgb], prompts))
        self._seen = t, session.cache.get_vision_features(0)
        if before is not None:
            mask = mask | before
        return Outline(mask, score)

    def _session(self, t: int) -> Any:
        """A session that begins at frame t; it knows the picture's features where this frame was the last looked at."""
        session = self._processor.init_video_session(inference_device=self._compute.device)
        if self._seen is not None and self._seen[0] == t:
            session.cache.cache_vision_features(0, self._seen[1])
        return session

    def _session_masks(
        self, session: Any, frames: Sequence[np.ndarray] | Iterator[np.ndarray], prompts: dict[str, Any]
    ) -> Iterator[tuple[Bool, float]]:
        """Masks of frames in order, of what the prompts say about the first; and how sure the model is, 0 to 1."""
        import torch

        for k, rgb in enumerate(frames):
            inputs = self._processor(images=rgb, return_tensors="pt").to(self._compute.device)
            size = inputs["original_sizes"][0]
            if k == 0:
                self._processor.add_inputs_to_inference_session(session, 0, 1, original_size=size, **prompts)
            with torch.no_grad(), self._compute.autocast():
                found = self._net(inference_session=session, frame=inputs["pixel_values"][0])
            odds = self._processor.post_process_masks(
                [found.pred_masks.float().cpu()], original_sizes=[[int(v) for v in size]], binarize=False
            )[0]
            present = found.object_score_logits
            sure = 1.0 if present is None else float(torch.sigmoid(present.float()).reshape(-1)[0])
            yield (odds.reshape(odds.shape[-2:]) > 0).numpy(), sure

    def follow(
        self,
        frame: Callable[[int], Pixels],
        annotated: dict[int, Bool],
        start: int,
        stop: int,
        *,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> Tracked:
        """Follow with the model's memory; arguments and result as of ``vrm.selection.tracking.tracker.track_mask``."""
        known = sorted(t for t in annotated if start <= t < stop)
        masks, confidence = Masks(annotated[known[0]].shape, stop), dict.fromkeys(known, 1.0)
        for t in known:
            masks[t] = annotated[t]
        for i, t in enumerate(known):
            last = (t + known[i + 1]) // 2 if i + 1 < len(known) else stop - 1
            first = (known[i - 1] + t) // 2 + 1 if i else start
            for path in (range(t, last + 1), range(t, first - 1, -1)):
                for n, mask, sure in self._along(frame, annotated[t], path):
                    masks[n], confidence[n] = mask, sure
                    if progress is not None:
                        progress("follow", len(confidence), stop - start)
        return Tracked(masks, confidence, ())

    def _along(self, frame: Callable[[int], Pixels], mask: Bool, path: range) -> Iterator[tuple[int, Bool, float]]:
        """The frames after the first of a path, stretch by stretch."""
        for begin in range(0, max(0, len(path) - 1), _STRETCH):
            if not mask.any():
                return
            part = path[begin : begin + _STRETCH + 1]
            session = self._session(part[0])
            pictures = (np.ascontiguousarray(eight_bits(frame(n))) for n in part)
            found = self._session_masks(session, pictures, {"input_masks": [mask]})
            for n, (there, sure) in zip(part, found, strict=True):
                if n != part[0]:
                    yield n, there, sure
                mask = there if n != part[0] else mask
