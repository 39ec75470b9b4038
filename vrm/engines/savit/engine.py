"""The engine savit: the semantic-aware video inpainting transformer (Lee et al. 2023); its backbone without labels.

Streaming: the network runs around centres along the shot; what the encoder finds in a frame is kept while frames near
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
from vrm.engines.savit.region import CropRegion, field_around, whole_field
from vrm.engines.savit.schedule import SCHEDULES, FrameSchedule
from vrm.errors import UsageError, WeightsError
from vrm.events import Progress
from vrm.motion.refinement.detail import restore_detail
from vrm.nets.e2fgvi.flow_guided import reduced
from vrm.nets.fuseformer.tokens import Grid
from vrm.nets.savit.model import Savit, SavitConfig
from vrm.nets.savit.partial import cells_for, last_block, render
from vrm.nets.savit.semantic import CATEGORIES, CELL, SemanticLinear, histograms, one_hot
from vrm.options.remove import EngineOptions
from vrm.shots.windows import Window
from vrm.system.device import Compute, choose
from vrm.types import F32, U8, Bool, Box, Masks, Patch, bounding_box
from vrm.weights.cards import find, load_into

GROUP = 40
"""Frames whose runs share one crop, so that the encoder's work on a frame is used again."""

KEPT_BYTES = 400_000_000
"""Most that the encoder's results may take (in proportion less under a bound on memory below 3 GB)."""

_TILE = 8  # pixels of a token in a picture of the routing

SURE, DOUBTFUL = 0.5, 0.25
"""Confidence of motion from which its colours are taken as they are, and up to which not at all."""


class SavitEngine:
    """See the module. Attributes ``device`` and ``dtype`` say what was chosen, in words."""

    name = "savit"
    generates = True
    keeps = False

    def __init__(self, options: EngineOptions) -> None:
        self.options = options
        self.compute = choose(options)
        self.device, self.dtype = self.compute.names
        self.net = at_rest(load_network(options.weights).eval(), self.compute.dtype)
        self.compute.place(self.net)
        self.labelled = bool(self.net.config.experts)

    def prepare(self, shot: Shot, progress: Progress) -> Session:
        """Check the labels, if the network needs any, and return the session that fills the shot."""
        preset = self.options.preset
        prefill = preset != "paper" if self.options.prefill is None else self.options.prefill
        share = min(1.0, (self.options.memory_gb or 3) / 3)
        return SavitSession(shot, self.net, SCHEDULES[preset], self.compute, prefill, int(KEPT_BYTES * share), progress)


def load_network(name: str) -> Savit:
    """The network of weights by name or path; "auto" is the first that is here.

    Raises:
        WeightsError: there are none, or they do not fit.
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


def at_rest(net: Savit, dtype: torch.dtype) -> Savit:
    """The network with its layers' weights in the format they are multiplied in, so that no run converts them anew."""
    exact = set() if net.guide is None else set(net.guide.modules())  # flow needs single precision
    for module in net.modules():
        if isinstance(module, torch.nn.Linear | torch.nn.Conv2d | SemanticLinear) and module not in exact:
            module.to(dtype)
    return net


@dataclass(frozen=True)
class Seen:
    """A frame as the network gets it, at work.

    Attributes:
        features: the encoder's, ``(1, C, h, w)``.
        tokens: ``(1, tokens, width)``.
        histogram: ``(1, tokens, C)``, or None.
        small: what flow is found from, where features are passed on, see ``vrm.nets.e2fgvi.flow_guided.reduced``.
    """

    features: Tensor
    tokens: Tensor
    histogram: Tensor | None
    small: Tensor | None = None

    @property
    def nbytes(self) -> int:
        """Bytes it takes."""
        held = (self.features, self.tokens, self.histogram, self.small)
        return sum(x.numel() * x.element_size() for x in held if x is not None)


_Key = tuple[int, CropRegion, Window | None]


@dataclass(frozen=True)
class Guess:
    """What one run made of a frame: an image in [0, 1] of a box at work."""

    field: CropRegion
    at: Box
    image: F32


class SavitSession:
    """Fills a shot's holes window by window.

    Attributes:
        notes: what the user should know.
    """

    def __init__(
        self, shot: Shot, net: Savit, schedule: FrameSchedule, compute: Compute, prefill: bool, kept_bytes: int,
        progress: Progress,
    ) -> None:  # fmt: skip
        self.shot, self.net, self.schedule, self.compute = shot, net, schedule, compute
        self.prefill, self._kept_bytes, self._progress = prefill, kept_bytes, progress
        self.notes: tuple[str, ...] = ()
        self._labels = shot.labels if net.config.experts else None
        self._seen: OrderedDict[_Key, Seen] = OrderedDict()
        self._fields: dict[int, CropRegion | None] = {}
        self._routing: dict[int, np.ndarray] = {}
        self._runs: OrderedDict[tuple[int, Window | None], dict[int, Guess]] = OrderedDict()
        self._check()

    def _check(self) -> None:
        """Refuse missing labels before any work, and note what the user should know."""
        windows = self.shot.windows()
        if not windows:
            return
        first = windows[0].start
        self._field(self.schedule.centres_of(first, self.shot.start, self.shot.stop)[0])  # for its note
        if not self.net.config.experts:
            return
        if self._labels is None:
            raise UsageError(
                "These weights were trained with label maps, and the video has none.",
                "Give them with --labels DIR (vrm segment makes them), or take weights that need none.",
            )
        self._label(first)

    def fill(self, window: Window) -> dict[int, Patch]:
        """Patches of the window's frames that have a hole."""
        work = _Unknown(self.shot, window, self.prefill)
        start, stop = self.shot.start, self.shot.stop
        wanted = [t for t in range(window.start, window.stop) if work.hole(t).any()]
        self._routing = {t: maps for t, maps in self._routing.items() if t >= window.start}
        patches: dict[int, Patch] = {}
        waiting: dict[int, list[tuple[float, Guess]]] = {}
        with self.compute.running(0), torch.inference_mode():
            for n, t in enumerate(wanted):
                if work.unknown(t).any():
                    for centre, share in self.schedule.shares(t, start, stop).items():
                        waiting.setdefault(t, []).append((share, self._run(centre, work)[t]))
                patches[t] = work.patch(t, waiting.pop(t, []))
                self._progress("inpaint", n + 1, len(wanted))
        return patches

    def views(self, t: int) -> list[tuple[str, U8]]:
        """What the first semantic-aware block mixed in frame t, one map an expert, bright = much (Fig. 8)."""
        if t not in self._routing:
            return []
        maps = self._routing[t]
        names = CATEGORIES if maps.shape[-1] == len(CATEGORIES) else [f"expert {c}" for c in range(maps.shape[-1])]
        shades = np.clip(maps * 127.5, 0, 255).astype(np.uint8).repeat(_TILE, 0).repeat(_TILE, 1)
        return [(f"routing: {name}", shades[..., c : c + 1].repeat(3, 2)) for c, name in enumerate(names)]

    def _run(self, centre: int, work: _Unknown) -> dict[int, Guess]:
        """What the network makes of the frames around a centre; the latest runs are kept."""
        key = centre, work.key
        if key not in self._runs:
            self._runs[key] = self._predict(centre, work)
            while len(self._runs) > 2 * (2 * self.schedule.reach // self.schedule.stride + 1):
                self._runs.popitem(last=False)
        self._runs.move_to_end(key)
        return self._runs[key]

    def _predict(self, centre: int, work: _Unknown) -> dict[int, Guess]:
        schedule, (start, stop) = self.schedule, (self.shot.start, self.shot.stop)
        near = schedule.neighbours(centre, start, stop)
        field = self._field(centre)
        boxes = {t: box for t in near if work.fills(t) and (box := bounding_box(work.unknown(t))) is not None}
        if field is None or not boxes:
            return {}
        grid = Grid(*field.cells)
        frames = [*near, *schedule.looked_at(centre, start, stop)]
        seen = self._look(frames, field, work)
        net = self.net
        with self.compute.autocast():
            seen = self._passed_on(seen, len(near), grid)
            tokens = torch.cat([s.tokens for s in seen], 1)
            shares = [s.histogram for s in seen if s.histogram is not None]
            histogram = torch.cat(shares, 1) if shares else None
            tokens, routing, _ = net.transform(tokens, grid, histogram, blocks=net.config.blocks - 1)
            if routing:
                maps = routing[0].reshape(len(frames), grid.rows, grid.cols, -1).float().cpu().numpy()
                self._routing |= {t: maps[k] for k, t in enumerate(near)}
            places = {t: self._place(field, box, grid) for t, box in boxes.items()}
            asked = [(t - near.start, tokens_box) for t, (_, _, tokens_box) in places.items()]
            parts = last_block(net.blocks[-1], tokens, grid, histogram, asked)
            made = {}
            for part, (t, (at, cells, box)) in zip(parts, places.items(), strict=True):
                image = render(net, part, seen[t - near.start].features, grid, box, cells, at)
                made[t] = Guess(field, at, _as_image(image))
        return made

    def _passed_on(self, seen: list[Seen], count: int, grid: Grid) -> list[Seen]:
        """The same, the first ``count`` with what each learns of the others, where the network passes features on."""
        if self.net.guide is None:
            return seen
        images = torch.stack([s.small for s in seen[:count] if s.small is not None], 1)
        passed = self.net.guide(torch.stack([s.features for s in seen[:count]], 1), images).unbind(1)
        own = [replace(s, features=f, tokens=self.net.tokens(f, grid)) for s, f in zip(seen, passed, strict=False)]
        return own + seen[count:]

    def _place(self, field: CropRegion, hole: Box, grid: Grid) -> tuple[Box, Box, Box]:
        """For the hole's box in the frame: its pixels at work, and the cells and tokens behind them."""
        at = field.at_work(hole)
        cells = cells_for(at, grid)
        return at, cells, grid.cover(cells)

    def _field(self, centre: int) -> CropRegion | None:
        """What is worked on around a centre; the same for neighbouring centres."""
        config, schedule = self.net.config, self.schedule
        trained = config.field[0] * CELL, config.field[1] * CELL
        if not schedule.crop:
            return whole_field(self.shot.size, trained)
        start, stop = self.shot.start, self.shot.stop
        group = (centre - start) // GROUP
        if group not in self._fields:
            first = start + group * GROUP
            times = range(max(start, first - schedule.reach), min(stop, first + GROUP + schedule.reach))
            holes = (self.shot.hole(t) for t in times)
            self._fields[group] = field_around(holes, self.shot.size, schedule.area * trained[0] * trained[1])
            field = self._fields[group]
            if field is not None and field.size[0] < 0.95 * field.native[0] and not self.notes:
                (h, w), (nh, nw) = field.size, field.native
                self.notes = (f"Part of what the network fills is made at {w}x{h} and enlarged to {nw}x{nh}.",)
        return self._fields[group]

    def _look(self, frames: list[int], field: CropRegion, work: _Unknown) -> list[Seen]:
        """Frames through the encoder, each once while it is kept."""
        keys = [(t, field, work.key_of(t)) for t in frames]
        found = []
        for key in keys:
            if key not in self._seen:
                self._seen[key] = self._encode(key, work)
            self._seen.move_to_end(key)
            found.append(self._seen[key])
        most = max(len(frames), self._kept_bytes // found[0].nbytes)
        while len(self._seen) > most:
            self._seen.popitem(last=False)
        return found

    def _encode(self, key: _Key, work: _Unknown) -> Seen:
        """One frame through the encoder; alone, so that the result does not depend on its company."""
        t, field, _ = key
        classes = histogram = None
        if self.net.config.experts:
            labels = torch.from_numpy(field.labels(self._label(t))[None]).to(self.compute.device)
            classes = one_hot(labels, self.net.config.experts)
            histogram = histograms(classes)
        image = np.ascontiguousarray(work.image(t, field).transpose(2, 0, 1)[None])
        with self.compute.autocast():
            frame = self.compute.put(torch.from_numpy(image))
            features = self.net.encode(frame, classes).contiguous()
            small = None if self.net.guide is None else reduced(frame)
            return Seen(features, self.net.tokens(features, Grid(*field.cells)), histogram, small)

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


class _Unknown:
    """One window's frames with what motion is sure of filled in, and what is left for the network."""

    def __init__(self, shot: Shot, window: Window, prefill: bool) -> None:
        self.shot, self.window, self.prefill = shot, window, prefill
        self.key = window if prefill else None
        self._fills = shot.propagation(window).fills if prefill else {}
        self._left = Masks(shot.size, shot.stop)
        self._known: set[int] = set()

    def fills(self, t: int) -> bool:
        """True if the result for frame t is of use: with motion, other windows fill their frames themselves."""
        return not self.prefill or self.window.start <= t < self.window.stop

    def key_of(self, t: int) -> Window | None:
        """Tells frames that motion has filled apart from the same frames as they are."""
        return self.key if t in self._fills else None

    def hole(self, t: int) -> Bool:
        """The whole hole of frame t."""
        return self.shot.hole(t)

    def unknown(self, t: int) -> Bool:
        """The part of the hole that is left for the network."""
        if t not in self._fills:
            return self.shot.hole(t)
        if t not in self._known:  # what motion found may lie in a file: it is read once
            fill = self._fills[t]
            hole = self.shot.hole(t).copy()
            hole.reshape(-1)[fill.index[fill.confidence >= SURE]] = False
            self._left[t] = hole
            self._known.add(t)
        return self._left[t]

    def image(self, t: int, field: CropRegion) -> F32:
        """Frame t as the network gets it: float32 ``(h, w, 3)`` in [-1, 1], 0 where it is unknown."""
        image = self.shot.frame(t)
        if t in self._fills:
            fill = self._fills[t]
            image = image.copy()
            top = np.iinfo(image.dtype).max
            image.reshape(-1, 3)[fill.index] = np.clip(np.rint(fill.rgb * np.float32(top)), 0, top)
        x = field.image(image) * 2 - 1
        x[field.mask(self.unknown(t))] = 0
        return x

    def patch(self, t: int, guesses: list[tuple[float, Guess]]) -> Patch:
        """The patch of frame t from the network's predictions, joined by their shares, and from motion's."""
        frame, hole = self.shot.frame(t), self.shot.hole(t)
        box = bounding_box(hole)
        assert box is not None
        y0, x0, y1, x1 = box
        rgb = np.zeros((y1 - y0, x1 - x0, 3), np.float32)
        if guesses:
            inner = bounding_box(self.unknown(t))
            assert inner is not None
            part = rgb[inner[0] - y0 : inner[2] - y0, inner[1] - x0 : inner[3] - x0]
            for share, guess in guesses:
                part += np.float32(share) * guess.field.back(guess.image, guess.at, inner)
        if t in self._fills:
            fill = self._fills[t]
            rows, cols = np.divmod(fill.index, frame.shape[1])
            at = rows - y0, cols - x0
            sure = np.clip((fill.confidence - DOUBTFUL) / (SURE - DOUBTFUL), 0, 1)[:, None]
            if not guesses:
                sure = np.ones_like(sure)
            motion = restore_detail(fill, fill.rgb, frame.shape[:2])
            rgb[at] = sure * motion + (1 - sure) * rgb[at]
        out = frame[y0:y1, x0:x1].copy()
        top = np.iinfo(frame.dtype).max
        inside = hole[y0:y1, x0:x1]
        out[inside] = np.clip(np.rint(rgb[inside] * np.float32(top)), 0, top).astype(frame.dtype)
        return Patch(box, out)


def _as_image(made: Tensor) -> F32:
    """``(1, 3, H, W)`` in [-1, 1] to ``(H, W, 3)`` in [0, 1]."""
    return np.ascontiguousarray(((made[0].float() + 1) / 2).cpu().numpy().transpose(1, 2, 0))
