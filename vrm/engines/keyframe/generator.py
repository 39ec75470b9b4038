"""Keyframes made by the two-stream network: a grid of frames, each completed from others up to 80 frames away.

Esser et al. 2022, Section 4 and Appendix A: every 20th frame is generated from context at fixed offsets; what context
frames give does not depend on the target and is computed once (``TwoStreamGenerator.key_features``). With prealignment
the target's hole is first filled where motion saw the background reliably, which leaves the network the rest.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vrm.engines.base import Progress, Shot, as_float
from vrm.engines.coverage import coverage_map
from vrm.motion.fill_cache import FrameFolder
from vrm.motion.flow.context import context_flow, square, square_hole
from vrm.motion.flow.estimators import DisFlow, FlowEstimator
from vrm.nets.two_stream.model import KeyFeatures, TwoStreamConfig, TwoStreamGenerator, padded
from vrm.report.model import GIVEN, NEVER
from vrm.shots.highlights import KEYFRAME_GRID
from vrm.shots.kept_frames import KeptFrames
from vrm.shots.windows import Window
from vrm.system.device import Compute
from vrm.types import U8, Bool, Masks, Pixels
from vrm.weights.cards import find, load_into

OFFSETS = {"few": (10, 20, 40), "many": (5, 10, 15, 20, 40, 60, 80)}
"""Frames either way that context is taken from: 6 and 14 frames in all. The preset fast takes the few."""

_GAP = KEYFRAME_GRID // 2
"""Frames without a hole that do not end a passage."""

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


def load_generator(name: str, compute: Compute, preset: str = "balanced") -> Generator | None:
    """The two-stream network by name or path; "auto" is the first that is present, None where none is.

    The preset decides how many context frames it looks at.

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
    return Generator(net, compute, OFFSETS["few" if preset == "fast" else "many"])


@dataclass(frozen=True, eq=False)
class Keyframes(Mapping[int, Pixels]):
    """Whole frames by number, each read from where it is kept when it is asked for."""

    kept: Mapping[int, Mapping[int, Pixels]]

    def __getitem__(self, t: int) -> Pixels:
        return self.kept[t][t]

    def __contains__(self, t: object) -> bool:
        return t in self.kept

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self.kept))

    def __len__(self) -> int:
        return len(self.kept)


@dataclass
class Made:
    """Generated keyframes, and the coverage map of each, by number; both lie in files where there is a folder."""

    frames: MutableMapping[int, Pixels] = field(default_factory=dict)
    origins: MutableMapping[int, Pixels] = field(default_factory=dict)


class Origins(Mapping[int, U8]):
    """Coverage maps of all keyframes: what lies in the hole of the user's is given."""

    def __init__(self, shot: Shot, given: Collection[int], made: Mapping[int, Pixels]) -> None:
        self._shot, self._given, self._made = shot, given, made

    def __getitem__(self, t: int) -> U8:
        if t in self._made:
            return self._made[t].astype(np.uint8, copy=False)
        if t in self._given:
            return self._shot.hole(t).astype(np.uint8) * np.uint8(GIVEN)
        raise KeyError(t)

    def __contains__(self, t: object) -> bool:
        return t in self._made or t in self._given

    def __iter__(self) -> Iterator[int]:
        return iter(sorted({*self._made, *self._given}))

    def __len__(self) -> int:
        return len({*self._made, *self._given})


def grid_times(start: int, stop: int, holed: Callable[[int], bool], given: Collection[int]) -> list[int]:
    """Frames to generate, ascending.

    Every 20th of the shot that has a hole, and the middle one of a passage of holes between two of them; but for those
    near a frame that was given in the same passage.

    Args:
        start, stop: the shot.
        holed: whether a frame has a hole.
        given: keyframes there are already.
    """
    times = []
    for first, last in _passages(t for t in range(start, stop) if holed(t)):
        inside = range(first, last + 1)
        own = [t for t in range(start, stop, KEYFRAME_GRID) if t in inside and holed(t)]
        if not own:
            frames = [t for t in inside if holed(t)]
            own = [frames[len(frames) // 2]]
        near = [k for k in given if k in inside]
        times += [t for t in own if not any(abs(t - k) < KEYFRAME_GRID for k in near)]
    return times


def masked_times(start: int, stop: int, holes: Masks, given: Collection[int]) -> list[int]:
    """``grid_times`` for the masks of a video."""
    return grid_times(start, stop, lambda t: holes.box(t) is not None, given)


def _passages(holed: Iterable[int]) -> list[tuple[int, int]]:
    """First and last frame of each run of frames, short gaps closed."""
    found: list[tuple[int, int]] = []
    for t in holed:
        if found and t - found[-1][1] <= _GAP:
            found[-1] = found[-1][0], t
        else:
            found.append((t, t))
    return found


def network_size(size: tuple[int, int]) -> tuple[int, int]:
    """The (height, width) the network works at, for frames of a size."""
    scale = min(1.0, (WORK_PIXELS / (size[0] * size[1])) ** 0.5)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def context_times(t: int, start: int, stop: int, offsets: tuple[int, ...]) -> list[int]:
    """Frames at the offsets either way, clipped to the shot's first and last frame, each once, t left out."""
    wanted = (t + sign * offset for offset in offsets for sign in (-1, 1))
    return sorted({min(max(k, start), stop - 1) for k in wanted} - {t})


def generate_keyframes(
    shot: Shot, given: Mapping[int, Pixels], generator: Generator, prealign: bool, progress: Progress,
    keep: Path | None = None,
) -> Made:  # fmt: skip
    """Complete a grid of frames; each is context for the next, and so are the user's own.

    Args:
        shot: the frames.
        given: keyframes there are already.
        generator: the network.
        prealign: let motion fill what it saw reliably, first.
        progress: told about the frames.
        keep: a folder that they are kept in, and taken from if they are there already.

    Returns:
        Whole frames of the shot's depth, as far as a window may need them.
    """
    near = [range(w.start - w.stop + KEYFRAME_GRID) for w in shot.windows()]
    times = grid_times(shot.start, shot.stop, lambda t: bool(shot.hole(t).any()), given)
    times = [t for t in times if any(t in frames for frames in near)]
    made = _made(shot, keep)
    origins = Origins(shot, given, made.origins)
    kept: dict[int, Mapping[int, Pixels]] = dict.fromkeys(given, given)
    work = _Work(shot, Keyframes(kept), generator)
    with generator.compute.running(0), torch.inference_mode():
        for i, t in enumerate(times):
            progress("keyframes", i, len(times))
            if t not in made.frames or t not in made.origins:
                origin = np.where(shot.hole(t), np.uint8(NEVER), np.uint8(0))
                seen = _prealigned(shot, t, Keyframes(kept), origins, origin) if prealign else None
                made.origins[t] = origin
                made.frames[t] = work.complete(t, seen)
            kept[t] = made.frames
            work.settle(t)
    if times:
        progress("keyframes", len(times), len(times))
    return made


def _made(shot: Shot, keep: Path | None) -> Made:
    if keep is not None:
        nothing = np.zeros(shot.size, np.uint8)
        frames = KeptFrames(keep / "frames", shot.frame, shot.hole)
        return Made(frames, KeptFrames(keep / "origins", lambda t: nothing, shot.hole))
    return Made() if shot.scratch is None else Made(FrameFolder(shot.scratch), FrameFolder(shot.scratch))


def _prealigned(
    shot: Shot, t: int, given: Mapping[int, Pixels], origins: Origins, origin: U8
) -> tuple[np.ndarray, np.ndarray] | None:
    """Flat indices of the hole's pixels that motion saw reliably, and their colours. ``origin`` is told where from."""
    around = min(shot.windows(), key=lambda w: max(w.start - t, t - w.stop + 1, 0))
    if not around.context_start <= t < around.context_stop:
        return None
    window = Window(t, t + 1, around.context_start, around.context_stop)
    fill = shot.propagation(window, given=given).fills.get(t)
    if fill is None:
        return None
    sure = fill.seen & (fill.confidence >= RELIABLE)
    index = fill.index[sure]
    origin.reshape(-1)[index] = coverage_map(fill, shot.size, origins).reshape(-1)[index]
    return index, fill.rgb[sure]


class _Work:
    """Frames, features and flows of one shot at the network's size."""

    def __init__(self, shot: Shot, whole: Mapping[int, Pixels], generator: Generator) -> None:
        self.shot, self.whole, self.generator = shot, whole, generator
        self.flow: FlowEstimator = DisFlow()
        self.size = network_size(shot.size)
        self._features: OrderedDict[int, KeyFeatures] = OrderedDict()

    def settle(self, t: int) -> None:
        """Frame t is known whole from now on."""
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
        if self.size != self.shot.size:
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
