"""Keyframes made by the two-stream network: a grid of frames, each completed from others up to 80 frames away.

Esser et al. 2022, Section 4 and Appendix A: every 20th frame is generated from context at fixed offsets. What context
frames give does not depend on the target and is computed once (``TwoStreamGenerator.key_features``). With prealignment
the target's hole is first filled where motion saw the background reliably, which leaves the network the rest.

This module needs torch; ``vrm.engines.keyframe.engine`` imports it only where there are weights.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vrm.engines.base import Shot
from vrm.engines.coverage import coverage_map
from vrm.engines.keyframe.keyframes import GeneratedKeyframes, KeyframeOrigins, KnownFrames, grid_times
from vrm.engines.pixels import as_float, from_float
from vrm.events import Progress
from vrm.motion.flow.context import context_flow, square, square_hole
from vrm.motion.flow.estimators import DisFlow
from vrm.nets.two_stream.model import KeyFeatures, TwoStreamConfig, TwoStreamGenerator, padded
from vrm.report.coverage import NEVER
from vrm.shots.frame_cache import durable_frames
from vrm.shots.highlights import KEYFRAME_GRID
from vrm.shots.windows import Window
from vrm.system.array_folder import ArrayFolder
from vrm.system.device import Compute
from vrm.types import U8, Bool, Pixels
from vrm.weights.cards import WeightCard, load_into

OFFSETS = {"few": (10, 20, 40), "many": (5, 10, 15, 20, 40, 60, 80)}
"""Distances, both ways, of the frames that context is taken from: 6 and 14 frames. The preset fast takes the few."""

WORK_PIXELS = 512 * 288
"""Most pixels of the frames that the network works on; larger frames are reduced."""

RELIABLE = 0.7
"""Confidence of motion above which prealignment fills in what it saw."""

_CACHED = 40
"""Context frames whose features stay in memory."""


@dataclass(frozen=True)
class KeyframeGenerator:
    """A loaded network, where it runs, and the offsets of its context frames."""

    net: TwoStreamGenerator
    compute: Compute
    offsets: tuple[int, ...] = OFFSETS["many"]


def load_generator(card: WeightCard, folder: Path, compute: Compute, preset: str = "balanced") -> KeyframeGenerator:
    """The network of a card; the preset decides how many context frames it looks at. Raises WeightsError."""
    net = TwoStreamGenerator(TwoStreamConfig.from_settings(card.settings))
    load_into(net, card, folder)
    compute.place(net.eval())
    return KeyframeGenerator(net, compute, OFFSETS["few" if preset == "fast" else "many"])


def network_size(size: tuple[int, int]) -> tuple[int, int]:
    """The (height, width) the network works at, for frames of a size."""
    scale = min(1.0, (WORK_PIXELS / (size[0] * size[1])) ** 0.5)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def context_times(t: int, start: int, stop: int, offsets: tuple[int, ...]) -> list[int]:
    """Frames at the offsets either way, clipped to the shot's first and last frame, each once, t left out."""
    wanted = (t + sign * offset for offset in offsets for sign in (-1, 1))
    return sorted({min(max(k, start), stop - 1) for k in wanted} - {t})


def generate_keyframes(
    shot: Shot, given: Mapping[int, Pixels], generator: KeyframeGenerator, prealign: bool, progress: Progress,
    folder: Path | None = None,
) -> GeneratedKeyframes:  # fmt: skip
    """Complete a grid of frames; each is context for the next, and so are the user's own.

    Args:
        given: keyframes that exist already.
        prealign: let motion fill what it saw reliably, first.
        folder: the frames are kept in it, and taken from it if they are there already.

    Returns:
        Complete frames of the shot's depth, as far as a window may need them.
    """
    near = [range(w.start - KEYFRAME_GRID, w.stop + KEYFRAME_GRID) for w in shot.windows()]
    times = grid_times(shot.start, shot.stop, lambda t: bool(shot.hole(t).any()), given)
    times = [t for t in times if any(t in frames for frames in near)]
    generated = _stores(shot, folder)
    origins = KeyframeOrigins(shot, given, generated.origins)
    stores: dict[int, Mapping[int, Pixels]] = dict.fromkeys(given, given)
    completion = _Completion(shot, KnownFrames(stores), generator)
    with generator.compute.running(0), torch.inference_mode():
        for i, t in enumerate(times):
            progress("keyframes", i, len(times))
            if t not in generated.frames or t not in generated.origins:
                origin = np.where(shot.hole(t), np.uint8(NEVER), np.uint8(0))
                seen = _prealigned(shot, t, KnownFrames(stores), origins, origin) if prealign else None
                generated.origins[t] = origin
                generated.frames[t] = completion.complete(t, seen)
            stores[t] = generated.frames
            completion.forget(t)
    if times:
        progress("keyframes", len(times), len(times))
    return generated


def _stores(shot: Shot, folder: Path | None) -> GeneratedKeyframes:
    """Where keyframes go: a folder that outlives the run, scratch files, or memory."""
    if folder is not None:
        nothing = np.zeros(shot.size, np.uint8)
        frames = durable_frames(folder / "frames", shot.frame, shot.hole)
        return GeneratedKeyframes(frames, durable_frames(folder / "origins", lambda t: nothing, shot.hole))
    if shot.scratch is None:
        return GeneratedKeyframes()
    return GeneratedKeyframes(ArrayFolder(shot.scratch), ArrayFolder(shot.scratch))


def _prealigned(
    shot: Shot, t: int, given: Mapping[int, Pixels], origins: KeyframeOrigins, origin: U8
) -> tuple[np.ndarray, np.ndarray] | None:
    """Flat indices ``(N,)`` of the hole's pixels that motion saw reliably, and their colours ``(N, 3)`` in [0, 1].

    Where those pixels come from is written into ``origin``, the coverage map of frame t.
    """
    nearest = min(shot.windows(), key=lambda w: max(w.start - t, t - w.stop + 1, 0))
    if not nearest.context_start <= t < nearest.context_stop:
        return None
    window = Window(t, t + 1, nearest.context_start, nearest.context_stop)
    fill = shot.propagation(window, given=given).fills.get(t)
    if fill is None:
        return None
    sure = fill.seen & (fill.confidence >= RELIABLE)
    index = fill.index[sure]
    origin.reshape(-1)[index] = coverage_map(fill, shot.size, origins).reshape(-1)[index]
    return index, fill.rgb[sure]


class _Completion:
    """Frames of one shot completed at the network's size; features of context frames are cached."""

    def __init__(self, shot: Shot, known: Mapping[int, Pixels], generator: KeyframeGenerator) -> None:
        self.shot, self.known, self.generator = shot, known, generator
        self.flow = DisFlow()
        self.size = network_size(shot.size)
        self._features: OrderedDict[int, KeyFeatures] = OrderedDict()

    def forget(self, t: int) -> None:
        """Drop the features of frame t, which has become a known frame."""
        self._features.pop(t, None)

    def complete(self, t: int, seen: tuple[np.ndarray, np.ndarray] | None) -> Pixels:
        """Frame t, its hole filled from ``seen`` (see ``_prealigned``) and by the network."""
        frame, hole = as_float(self.shot.frame(t)), self.shot.hole(t)
        left = hole.copy()
        if seen is not None:
            frame = frame.copy()
            frame.reshape(-1, 3)[seen[0]] = seen[1]
            left.reshape(-1)[seen[0]] = False
        if left.any():
            frame = self._generated(t, frame, left)
        out = self.shot.frame(t).copy()
        out[hole] = from_float(frame[hole], out)
        return out

    def _generated(self, t: int, frame: np.ndarray, left: Bool) -> np.ndarray:
        compute, net = self.generator.compute, self.generator.net
        keys = context_times(t, self.shot.start, self.shot.stop, self.generator.offsets)
        features = [self._key(k) for k in keys] if net.config.takes_keys else []
        target = self._tensor(frame, left)
        flow, error = target.new_zeros(0, 2, *target.shape[-2:]), target.new_zeros(0, 1, *target.shape[-2:])
        if keys:
            pairs = [self._flow(t, k) for k in keys]
            flow, error = torch.cat([f for f, _ in pairs]), torch.cat([e for _, e in pairs])
        with compute.autocast():
            joined = KeyFeatures.join(features) if features else None
            rgb = net.complete(compute.put(target), joined, flow.to(compute.device), error.to(compute.device))
        small = rgb[..., : self.size[0], : self.size[1]].float().cpu()  # (1, 3, h, w) without the padding
        full = F.interpolate(small, size=self.shot.size, mode="bilinear", align_corners=False)[0]
        out = frame.copy()
        out[left] = full.permute(1, 2, 0).numpy()[left]
        return out

    def _key(self, t: int) -> KeyFeatures:
        if t not in self._features:
            x = self._tensor(as_float(self._frame(t)), self._hole(t))
            with self.generator.compute.autocast():
                self._features[t] = self.generator.net.key_features(self.generator.compute.put(x))
            while len(self._features) > _CACHED:
                self._features.popitem(last=False)
        self._features.move_to_end(t)
        return self._features[t]

    def _tensor(self, frame: np.ndarray, hole: Bool) -> Tensor:
        """``(1, 4, h, w)``: the frame without its hole, and the hole, at the network's size, padded."""
        mask = hole.astype(np.float32)
        if self.size != self.shot.size:
            frame = cv2.resize(frame, self.size[::-1], interpolation=cv2.INTER_AREA)
            mask = (cv2.resize(mask, self.size[::-1], interpolation=cv2.INTER_AREA) > 0).astype(np.float32)
        x = np.concatenate([frame * (1 - mask[..., None]), mask[..., None]], -1)  # (h, w, 4)
        return padded(torch.from_numpy(np.ascontiguousarray(x.transpose(2, 0, 1)))[None])

    def _flow(self, t: int, k: int) -> tuple[Tensor, Tensor]:
        """Padded flow from t to k ``(1, 2, h, w)`` and its forward-backward error ``(1, 1, h, w)``."""
        target, key = square(self._frame(t)), square(self._frame(k))
        flow, error = context_flow(self.flow, target, key, square_hole(self._hole(t)), self.size)
        return padded(torch.from_numpy(flow)[None]), padded(torch.from_numpy(error)[None])

    def _frame(self, t: int) -> Pixels:
        return self.known[t] if t in self.known else self.shot.frame(t)

    def _hole(self, t: int) -> Bool:
        return np.zeros(self.shot.size, np.bool_) if t in self.known else self.shot.hole(t)
