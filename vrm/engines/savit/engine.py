"""The engine savit: the semantic-aware video inpainting transformer (Lee et al. 2023); its backbone without labels.

Streaming: the network runs around centres along the shot. What the encoder finds in a frame is cached while runs near
it need it; the last block, the composition and the decoder work only where the hole is. ``--preset paper`` is the
published inference alone; the others see the surroundings of the hole, and let motion fill first what it is sure of.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from vrm.engines.base import Session, Shot
from vrm.engines.savit.frames import Prediction, PrefilledFrames
from vrm.engines.savit.region import CropRegion, region_around
from vrm.engines.savit.schedule import SCHEDULES, FrameSchedule
from vrm.errors import UsageError, WeightsError
from vrm.events import Progress
from vrm.nets.e2fgvi.flow_guided import reduced
from vrm.nets.fuseformer.tokens import Grid
from vrm.nets.savit.model import Savit, SavitConfig
from vrm.nets.savit.partial import cells_for, last_block, render
from vrm.nets.savit.semantic import CATEGORIES, CELL, SemanticLinear, histograms, one_hot
from vrm.options.remove import EngineOptions
from vrm.shots.windows import Window
from vrm.system.device import Compute, choose
from vrm.types import F32, U8, Box, Patch, bounding_box
from vrm.weights.cards import find, load_into

GROUP = 40
"""Frames whose runs share one crop, so that the encoder's work on a frame is used again."""

CACHE_BYTES = 400_000_000
"""Most that the encoder's results may take (in proportion less under a bound on memory below 3 GB)."""

_TILE = 8  # pixels of a token in a picture of the routing


class SavitEngine:
    """See the module; attributes as in ``vrm.engines.base.Engine``."""

    name = "savit"
    generates = True
    keeps = False

    def __init__(self, options: EngineOptions) -> None:
        self.options = options
        self.compute = choose(options)
        self.device, self.dtype = self.compute.names
        self.net = in_working_format(load_network(options.weights).eval(), self.compute.dtype)
        self.compute.place(self.net)
        self.labelled = bool(self.net.config.experts)

    def prepare(self, shot: Shot, progress: Progress) -> Session:
        preset = self.options.preset
        prefill = preset != "paper" if self.options.prefill is None else self.options.prefill
        share = min(1.0, (self.options.memory_gb or 3) / 3)
        return SavitSession(
            shot, self.net, SCHEDULES[preset], self.compute, prefill, int(CACHE_BYTES * share), progress
        )


def load_network(name: str) -> Savit:
    """The network of weights by name or path; "auto" is the first that is here.

    Raises WeightsError: there are none, or they do not fit.
    """
    found = find(name, "savit")
    if found is None:
        raise WeightsError(
            "The engine savit needs weights, and none are here.",
            "Train some: vrm train savit CLIPS -o DIR; or convert FuseFormer's published checkpoint, which needs no "
            "labels: vrm weights import fuseformer FILE. Then --weights NAME or FILE.",
        )
    card, folder = found
    net = Savit(SavitConfig.from_settings(card.settings))
    load_into(net, card, folder)
    return net


def in_working_format(net: Savit, dtype: torch.dtype) -> Savit:
    """The network, its layers' weights converted once to the number format they are multiplied in."""
    exact = set() if net.guide is None else set(net.guide.modules())  # flow needs single precision
    for module in net.modules():
        if isinstance(module, torch.nn.Linear | torch.nn.Conv2d | SemanticLinear) and module not in exact:
            module.to(dtype)
    return net


@dataclass(frozen=True)
class EncodedFrame:
    """What the encoder makes of a frame."""

    features: Tensor  # (1, C, h, w)
    tokens: Tensor  # (1, tokens, width)
    histogram: Tensor | None  # (1, tokens, C)
    # the frame that flow is estimated on (``vrm.nets.e2fgvi.flow_guided.reduced``); None without flow
    small: Tensor | None = None

    @property
    def nbytes(self) -> int:
        held = (self.features, self.tokens, self.histogram, self.small)
        return sum(x.numel() * x.element_size() for x in held if x is not None)


_Key = tuple[int, CropRegion, Window | None]


class SavitSession:
    """Fills a shot's holes window by window."""

    def __init__(
        self, shot: Shot, net: Savit, schedule: FrameSchedule, compute: Compute, prefill: bool, cache_bytes: int,
        progress: Progress,
    ) -> None:  # fmt: skip
        self.shot, self.net, self.schedule, self.compute = shot, net, schedule, compute
        self.prefill, self._cache_bytes, self._progress = prefill, cache_bytes, progress
        self.notes: tuple[str, ...] = ()
        self._labels = shot.labels if net.config.experts else None
        self._encoded: OrderedDict[_Key, EncodedFrame] = OrderedDict()
        self._regions: dict[int, CropRegion | None] = {}
        self._routing: dict[int, np.ndarray] = {}
        self._runs: OrderedDict[tuple[int, Window | None], dict[int, Prediction]] = OrderedDict()
        self._check()

    def _check(self) -> None:
        """Refuse missing labels before any work, and note what the user should know."""
        windows = self.shot.windows()
        if not windows:
            return
        first = windows[0].start
        self._region(self.schedule.centres_of(first, self.shot.start, self.shot.stop)[0])  # for its note
        if not self.net.config.experts:
            return
        if self._labels is None:
            raise UsageError(
                "These weights were trained with label maps, and the video has none.",
                "Give them with --labels DIR (vrm segment makes them), or take weights that need none.",
            )
        self._label(first)

    def fill(self, window: Window) -> dict[int, Patch]:
        frames = PrefilledFrames(self.shot, window, self.prefill)
        start, stop = self.shot.start, self.shot.stop
        wanted = [t for t in range(window.start, window.stop) if self.shot.hole(t).any()]
        self._routing = {t: maps for t, maps in self._routing.items() if t >= window.start}
        patches: dict[int, Patch] = {}
        with self.compute.running(0), torch.inference_mode():
            for n, t in enumerate(wanted):
                weights = self.schedule.weights(t, start, stop) if frames.unknown(t).any() else {}
                predictions = [(weight, self._run(centre, frames)[t]) for centre, weight in weights.items()]
                patches[t] = frames.patch(t, predictions)
                self._progress("inpaint", n + 1, len(wanted))
        return patches

    def views(self, t: int) -> list[tuple[str, U8]]:
        """The first semantic-aware block's mixture weights in frame t, a map for each expert, bright = large."""
        if t not in self._routing:
            return []
        maps = self._routing[t]
        names = CATEGORIES if maps.shape[-1] == len(CATEGORIES) else [f"expert {c}" for c in range(maps.shape[-1])]
        shades = np.clip(maps * 127.5, 0, 255).astype(np.uint8).repeat(_TILE, 0).repeat(_TILE, 1)
        return [(f"routing: {name}", shades[..., c : c + 1].repeat(3, 2)) for c, name in enumerate(names)]

    def _run(self, centre: int, frames: PrefilledFrames) -> dict[int, Prediction]:
        """The network's predictions of the frames around a centre; the latest runs are cached."""
        key = centre, frames.key
        if key not in self._runs:
            self._runs[key] = self._predict(centre, frames)
            while len(self._runs) > 2 * (2 * self.schedule.reach // self.schedule.stride + 1):
                self._runs.popitem(last=False)
        self._runs.move_to_end(key)
        return self._runs[key]

    def _predict(self, centre: int, frames: PrefilledFrames) -> dict[int, Prediction]:
        schedule, (start, stop) = self.schedule, (self.shot.start, self.shot.stop)
        near = schedule.neighbours(centre, start, stop)
        region = self._region(centre)
        boxes = {t: box for t in near if frames.is_wanted(t) and (box := bounding_box(frames.unknown(t))) is not None}
        if region is None or not boxes:
            return {}
        grid = Grid(*region.cells)
        times = [*near, *schedule.references_of(centre, start, stop)]
        encoded = self._encode_all(times, region, frames)
        net = self.net
        with self.compute.autocast():
            encoded = self._propagated(encoded, len(near), grid)
            tokens = torch.cat([s.tokens for s in encoded], 1)
            shares = [s.histogram for s in encoded if s.histogram is not None]
            histogram = torch.cat(shares, 1) if shares else None
            tokens, routing, _ = net.transform(tokens, grid, histogram, blocks=net.config.blocks - 1)
            if routing:
                maps = routing[0].reshape(len(times), grid.rows, grid.cols, -1).float().cpu().numpy()
                self._routing |= {t: maps[k] for k, t in enumerate(near)}
            places = {t: self._place(region, box, grid) for t, box in boxes.items()}
            asked = [(t - near.start, tokens_box) for t, (_, _, tokens_box) in places.items()]
            parts = last_block(net.blocks[-1], tokens, grid, histogram, asked)
            made = {}
            for part, (t, (at, cells, box)) in zip(parts, places.items(), strict=True):
                image = render(net, part, encoded[t - near.start].features, grid, box, cells, at)
                made[t] = Prediction(region, at, _to_image(image))
        return made

    def _propagated(self, encoded: list[EncodedFrame], count: int, grid: Grid) -> list[EncodedFrame]:
        """The same, with features propagated among the first ``count`` frames, if the network does that (E2FGVI)."""
        if self.net.guide is None:
            return encoded
        images = torch.stack([s.small for s in encoded[:count] if s.small is not None], 1)
        propagated = self.net.guide(torch.stack([s.features for s in encoded[:count]], 1), images).unbind(1)
        own = [
            replace(s, features=f, tokens=self.net.tokens(f, grid)) for s, f in zip(encoded, propagated, strict=False)
        ]
        return own + encoded[count:]

    def _place(self, region: CropRegion, hole: Box, grid: Grid) -> tuple[Box, Box, Box]:
        """Of a hole's box in the frame: its box in pixels of the network, and the cells and tokens that it needs."""
        at = region.to_network(hole)
        cells = cells_for(at, grid)
        return at, cells, grid.cover(cells)

    def _region(self, centre: int) -> CropRegion | None:
        """The region of the runs around a centre; None where nothing is masked. Neighbouring centres share one."""
        config, schedule = self.net.config, self.schedule
        trained = config.field[0] * CELL, config.field[1] * CELL
        if not schedule.crop:
            return CropRegion((0, 0, *self.shot.size), trained)
        start, stop = self.shot.start, self.shot.stop
        group = (centre - start) // GROUP
        if group not in self._regions:
            first = start + group * GROUP
            times = range(max(start, first - schedule.reach), min(stop, first + GROUP + schedule.reach))
            holes = (self.shot.hole(t) for t in times)
            self._regions[group] = region_around(holes, self.shot.size, schedule.area * trained[0] * trained[1])
            region = self._regions[group]
            if region is not None and region.size[0] < 0.95 * region.native[0] and not self.notes:
                (h, w), (nh, nw) = region.size, region.native
                self.notes = (f"Part of what the network fills is made at {w}x{h} and enlarged to {nw}x{nh}.",)
        return self._regions[group]

    def _encode_all(self, times: list[int], region: CropRegion, frames: PrefilledFrames) -> list[EncodedFrame]:
        """Frames through the encoder, each once while it is cached."""
        keys = [(t, region, frames.key_of(t)) for t in times]
        found = []
        for key in keys:
            if key not in self._encoded:
                self._encoded[key] = self._encode(key, frames)
            self._encoded.move_to_end(key)
            found.append(self._encoded[key])
        most = max(len(times), self._cache_bytes // found[0].nbytes)
        while len(self._encoded) > most:
            self._encoded.popitem(last=False)
        return found

    def _encode(self, key: _Key, frames: PrefilledFrames) -> EncodedFrame:
        """One frame through the encoder; alone, so that the result does not depend on the batch."""
        t, region, _ = key
        classes = histogram = None
        if self.net.config.experts:
            labels = torch.from_numpy(region.labels(self._label(t))[None]).to(self.compute.device)
            classes = one_hot(labels, self.net.config.experts)
            histogram = histograms(classes)
        image = np.ascontiguousarray(frames.image(t, region).transpose(2, 0, 1)[None])
        with self.compute.autocast():
            frame = self.compute.put(torch.from_numpy(image))
            features = self.net.encode(frame, classes).contiguous()
            small = None if self.net.guide is None else reduced(frame)
            return EncodedFrame(features, self.net.tokens(features, Grid(*region.cells)), histogram, small)

    def _label(self, t: int) -> U8:
        """The labels of frame t. Raises UsageError where they do not fit."""
        assert self._labels is not None
        labels = self._labels(t)
        if labels.shape != self.shot.size:
            (h, w), given = self.shot.size, "x".join(str(n) for n in labels.shape[::-1])
            raise UsageError(f"The labels of frame {t} are {given}, the video is {w}x{h}.", "Make them for this video.")
        if labels.max() > 7:
            raise UsageError(
                f"The labels of frame {t} hold {labels.max()}; super-categories run from 0 to 7.",
                "Give maps of super-categories, as vrm segment writes them.",
            )
        return labels


def _to_image(made: Tensor) -> F32:
    """``(1, 3, H, W)`` in [-1, 1] to ``(H, W, 3)`` in [0, 1]."""
    return np.ascontiguousarray(((made[0].float() + 1) / 2).cpu().numpy().transpose(1, 2, 0))
