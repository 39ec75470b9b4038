"""Optical flow estimators behind one protocol."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vrm.errors import WeightsError
from vrm.types import U8, Array

_SMALLEST = 32


def _padded(image: Array, multiple: int) -> Array:
    h, w = image.shape
    bottom = max(_SMALLEST, -(-h // multiple) * multiple) - h
    right = max(_SMALLEST, -(-w // multiple) * multiple) - w
    if bottom or right:
        image = cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(image)


class DisFlow:
    """Dense inverse search (Kroeger et al., ECCV 2016), OpenCV's preset "medium".

    Its faster presets give other flow when called again on the same frames (OpenCV 5.0), so they are not offered.

    ``coarse`` takes half the time, for surroundings that move nearly alike: a mean of a tenth of a pixel off.
    """

    def __init__(self, coarse: bool = False) -> None:
        self._coarse = coarse
        self._own = threading.local()  # OpenCV's estimator keeps buffers: one for each thread

    def __call__(self, first: U8, second: U8) -> Array:
        h, w = first.shape
        one, two = _padded(first, 1), _padded(second, 1)
        if not hasattr(self._own, "dis"):
            self._own.dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
            if self._coarse:
                self._own.dis.setPatchStride(4)
                self._own.dis.setGradientDescentIterations(12)
                self._own.dis.setVariationalRefinementIterations(3)
        flow: Array = self._own.dis.calc(one, two, np.zeros((*one.shape, 2), np.float32))[:h, :w]
        return flow if cv2.checkRange(flow)[0] else np.nan_to_num(flow, nan=0.0, posinf=0.0, neginf=0.0)


class RaftFlow:
    """RAFT (Teed and Deng, ECCV 2020) as torchvision has it. For measuring: motion itself works with ``DisFlow``.

    Args:
        weights: of ``raft_small`` or ``raft_large``: a safetensors file or its tensors by name; None for an untrained
            network (tests).
        large: which of the two.
    """

    def __init__(
        self, weights: Path | Mapping[str, Any] | None, large: bool = True, iterations: int = 12, device: str = "cpu"
    ) -> None:
        import torch
        from torchvision.models.optical_flow import raft_large, raft_small  # type: ignore[import-untyped]

        torch.manual_seed(0)
        model: Any = (raft_large if large else raft_small)(weights=None)
        if weights is not None:
            from safetensors.torch import load_file

            try:
                state = load_file(weights) if isinstance(weights, Path) else weights
                model.load_state_dict(state, strict=True)
            except Exception as fault:
                name, what = "raft_large" if large else "raft_small", weights if isinstance(weights, Path) else "It"
                raise WeightsError(f"{what} does not hold the weights of {name}: {fault}.") from fault
        self._model = model.eval().to(device)
        self._device, self._iterations = device, iterations

    def __call__(self, first: U8, second: U8) -> Array:
        """Frames are padded to multiples of 8 and at least 128 pixels, as RAFT needs."""
        import torch

        h, w = first.shape

        def tensor(grey: Array) -> Any:
            grey = _padded(grey, 8)
            extra = [max(0, 128 - n) for n in grey.shape]
            grey = cv2.copyMakeBorder(grey, 0, extra[0], 0, extra[1], cv2.BORDER_REPLICATE)
            x = torch.from_numpy(grey).to(self._device)[None, None].float() / 127.5 - 1
            return x.expand(1, 3, *x.shape[2:])

        with torch.no_grad():
            flow = self._model(tensor(first), tensor(second), num_flow_updates=self._iterations)[-1]
        return np.ascontiguousarray(flow[0, :, :h, :w].permute(1, 2, 0).float().cpu().numpy())
