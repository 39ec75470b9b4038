"""Keyframes made by the two-stream network: a grid of frames, each completed from others up to 80 frames away.

Esser et al. 2022, Section 4 and Appendix A: every 20th frame is generated from context at fixed offsets; what context
frames give does not depend on the target and is computed once (``TwoStreamGenerator.key_features``). With prealignment
the target's hole is first filled where motion saw the background reliably, which leaves the network the rest.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vrm.engines.base import Progress, Shot, Window, as_float
from vrm.motion.context_flow import context_flow, square, square_hole
from vrm.motion.flow import DisFlow, FlowEstimator
from vrm.nets.two_stream import KeyFeatures, TwoStreamConfig, TwoStreamGenerator, padded
from vrm.train.device import Compute
from vrm.types import Bool, Pixels
from vrm.weights import find, load_into

GRID = 20
"""Every so many frames one is generated."""

OFFSETS = {"few": (10, 20, 40), "many": (5, 10, 15, 20, 40, 60, 80)}
"""Frames either way that context is taken from: 6 and 14 frames in all."""

WORK_PIXELS = 512 * 288
"""The network works on frames of at most so many pixels; larger ones are reduced."""

RELIABLE = 0.7
"""Confidence of motion above which prealignment fills in what it saw."""

_KEPT = 40
"""Context frames whose features are kept."""


@dataclass(frozen=True)
class Generator:
    """A loaded network, where it runs, and how far it looks."""

    net: TwoStreamGenerator
    compute: Compute
    offsets: tuple[int, ...] = OFFSETS["many"]


def load_generator(name: str, compute: Compute) -> Generator | None:
    """The two-stream network by name or path; "auto" is the first that is present, None where none is.

    Raises:
        WeightsError: there is none of that name, or it does not fit.
    """
    if name == "none":
        return None
    found = find(name, "two-stream")
    if found is None:
        return None
    card, folder = found
    net = TwoStreamGenerator(TwoStreamConfig.from_settings(card.settings))
    load_into(net, card, folder)
    compute.place(net.eval())
    return Generator(net, compute)


def grid_times(shot: Shot, given: Mapping[int, Pixels]) -> list[int]:
    """Frames to generate: every 20th of the shot that has a hole, but for those near a frame that was given."""
    times = [t for t in range(shot.start, shot.stop, GRID) if shot.hole(t).any()]
    holed = [t for t in range(shot.start, shot.stop) if shot.hole(t).any()]
    if not times and holed:
        times = [holed[len(holed) // 2]]
    return [t for t in times if not any(abs(t - k) < GRID for k in given)]


def context_times(t: int, start: int, stop: int, offsets: tuple[int, ...]) -> list[int]:
    """Frames at the offsets either way, clipped to the shot's first and last frame, each once, t left out."""
    wanted = (t + sign * offset for offset in offsets for sign in (-1, 1))
    return sorted({min(max(k, start), stop - 1) for k in wanted} - {t})


def generate_keyframes(
    shot: Shot, given: Mapping[int, Pixels], generator: Generator, prealign: bool, progress: Progress
) -> dict[int, Pixels]:
    """Complete a grid of frames; each is context for the next, and so are the user's own.

    Args:
        shot: the frames.
        given: keyframes there are already.
        generator: the network.
        prealign: let motion fill what it saw reliably, first.
        progress: told about the frames.

    Returns:
        Whole frames by number, of the shot's depth.
    """
    times = grid_times(shot, given)
    work = _Work(shot, dict(given), generator)
    made: dict[int, Pixels] = {}
    with generator.compute.running(0), torch.inference_mode():
        for i, t in enumerate(times):
            progress("keyframes", i, len(times))
            seen = _prealigned(shot, t, {**given, **made}) if prealign else None
            made[t] = work.complete(t, seen)
            work.settle(t, made[t])
    if times:
        progress("keyframes", len(times), len(times))
    return made


def _prealigned(shot: Shot, t: int, given: Mapping[int, Pixels]) -> tuple[np.ndarray, np.ndarray] | None:
    """Flat indices of the hole's pixels that motion saw reliably, and their colours."""
    near = [w for w in shot.windows() if w.start <= t < w.stop]
    if not near:
        return None
    around = near[0]
    window = Window(t, t + 1, around.context_start, around.context_stop)
    fill = shot.propagation(window, given=given).fills.get(t)
    if fill is None:
        return None
    sure = fill.seen & (fill.confidence >= RELIABLE)
    return fill.index[sure], fill.rgb[sure]


class _Work:
    """Frames, features and flows of one shot at the network's size."""

    def __init__(self, shot: Shot, whole: dict[int, Pixels], generator: Generator) -> None:
        self.shot, self.whole, self.generator = shot, whole, generator
        self.flow: FlowEstimator = DisFlow()
        h, w = shot.size
        self.scale = min(1.0, (WORK_PIXELS / (h * w)) ** 0.5)
        self.size = max(1, round(h * self.scale)), max(1, round(w * self.scale))
        self._features: OrderedDict[int, KeyFeatures] = OrderedDict()

    def settle(self, t: int, frame: Pixels) -> None:
        """Frame t is known whole from now on."""
        self.whole[t] = frame
        self._features.pop(t, None)

    def complete(self, t: int, seen: tuple[np.ndarray, np.ndarray] | None) -> Pixels:
        """Frame t, its hole filled."""
        frame, hole = as_float(self.shot.frame(t)), self.shot.hole(t)
        left = hole.copy()
        if seen is not None:
            frame = frame.copy()
            frame.reshape(-1, 3)[seen[0]] = seen[1]
            left.reshape(-1)[seen[0]] = False
        if left.any():
            frame = self._generated(t, frame, hole, left)
        top = np.iinfo(self.shot.frame(t).dtype).max
        out = self.shot.frame(t).copy()
        out[hole] = np.clip(np.rint(frame[hole] * top), 0, top).astype(out.dtype)
        return out

    def _generated(self, t: int, frame: np.ndarray, hole: Bool, left: Bool) -> np.ndarray:
        compute, net = self.generator.compute, self.generator.net
        keys = context_times(t, self.shot.start, self.shot.stop, self.generator.offsets)
        features = [self._key(k) for k in keys] if net.config.takes_keys else []
        flows = [self._flow(t, k) for k in keys]
        flow = torch.stack([f for f, _ in flows]) if flows else torch.zeros(0, 2, *self._padded_size())
        error = torch.stack([e for _, e in flows]) if flows else torch.zeros(0, 1, *self._padded_size())
        target = self._tensor(frame, left)
        with compute.autocast():
            joined = KeyFeatures.join(features) if features else None
            rgb = net.complete(compute.put(target), joined, flow.to(compute.device), error.to(compute.device))
        small = rgb[0, :, : self.size[0], : self.size[1]].float().cpu()
        full = F.interpolate(small[None], size=self.shot.size, mode="bilinear", align_corners=False)[0]
        out = frame.copy()
        out[left] = full.permute(1, 2, 0).numpy()[left]
        return out

    def _key(self, t: int) -> KeyFeatures:
        """Features of a context frame, kept."""
        if t not in self._features:
            x = self._tensor(as_float(self._frame(t)), self._hole(t))
            with self.generator.compute.autocast():
                self._features[t] = self.generator.net.key_features(self.generator.compute.put(x))
            while len(self._features) > _KEPT:
                self._features.popitem(last=False)
        self._features.move_to_end(t)
        return self._features[t]

    def _tensor(self, frame: np.ndarray, hole: Bool) -> Tensor:
        """``(1, 4, h, w)``: the frame without its hole, and the hole, at the network's size."""
        mask = hole.astype(np.float32)
        if self.scale < 1:
            frame = cv2.resize(frame, self.size[::-1], interpolation=cv2.INTER_AREA)
            mask = (cv2.resize(mask, self.size[::-1], interpolation=cv2.INTER_AREA) > 0).astype(np.float32)
        x = np.concatenate([frame * (1 - mask[..., None]), mask[..., None]], -1)
        return padded(torch.from_numpy(np.ascontiguousarray(x.transpose(2, 0, 1)))[None])

    def _padded_size(self) -> tuple[int, int]:
        h, w = padded(torch.zeros(1, 1, *self.size)).shape[-2:]
        return int(h), int(w)

    def _flow(self, t: int, k: int) -> tuple[Tensor, Tensor]:
        """Flow from t to k and its forward-backward error, interpolated in the holes: ``(2, h, w)``, ``(1, h, w)``."""
        ends = [(square(self._frame(n)), square_hole(self._hole(n))) for n in (t, k)]
        (here, hole), (there, other) = ends
        flow, error = (torch.from_numpy(a)[None] for a in context_flow(self.flow, here, there, hole, other, self.size))
        return padded(flow)[0], padded(error)[0]

    def _frame(self, t: int) -> Pixels:
        return self.whole[t] if t in self.whole else self.shot.frame(t)

    def _hole(self, t: int) -> Bool:
        return np.zeros(self.shot.size, np.bool_) if t in self.whole else self.shot.hole(t)
