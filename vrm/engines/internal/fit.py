"""The paper's own way: networks fitted to the known pixels of the video, nothing propagated (Ouyang et al. 2021).

A coarse network memorises the surroundings of the hole at a size that minutes can hold; where they are larger than
that, finer ones follow, each twice the size, that take the enlarged result so far as a further input (Section 4.1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import nn

from vrm.engines.base import Shot
from vrm.engines.internal.batches import TrainingRegion, describe, draw, memory_loss
from vrm.engines.tiling import in_tiles
from vrm.events import Progress
from vrm.job.checkpoints import HalfFit, Kept
from vrm.nets.internal.features import GaborFeatures, VggFeatures
from vrm.nets.internal.gated import CoarseToFineNetwork
from vrm.nets.lsuv import unit_variance
from vrm.shots.windows import Window
from vrm.system.device import Compute
from vrm.train.fit import fit
from vrm.types import F32, U8, Bool, Box, Patch, Pixels, bounding_box, grow_box, union_box
from vrm.weights.cards import fetched

FRAMES = 80
"""Most frames one fit sees (the paper's quality falls with length: 48.8, 45.3, 41.2 dB at 5, 20, 80 frames)."""

COARSE = 320
"""The coarse network works on the crop around the mask at no more than this on its longer side, in pixels (the paper:
600, or 960 before 2K and 4K)."""

FIELD_BYTES = 200_000_000
"""Most that the frames of one fine fit may take; fewer frames are learned from beyond it."""

SECOND_STAGE = 0.25
"""Share of the steps that the regularising losses take part in (the paper: 20,000 of 80,000)."""

RATE = 2e-4
"""Adam's learning rate, as in the paper; half of it in the finer fits (Appendix A.2)."""

TILE = 640

VGG_FILE = "vgg19.safetensors"


@dataclass(frozen=True)
class Place:
    """The part of the frame that is memorised."""

    box: Box

    @property
    def native(self) -> tuple[int, int]:
        """Its height and width."""
        return self.box[2] - self.box[0], self.box[3] - self.box[1]

    def sizes(self) -> list[tuple[int, int]]:
        """The sizes it is worked on at, coarse to fine: doubling up to its own."""
        h, w = self.native
        scale = min(1.0, COARSE / max(h, w))
        found = []
        while scale < 1:
            found.append((max(1, round(h * scale)), max(1, round(w * scale))))
            # A last step of less than half an octave is not worth a network of its own.
            scale = scale * 2 if scale * 2 < 0.75 else 1.0
        return [*found, (h, w)]

    def frame(self, image: Pixels, size: tuple[int, int]) -> F32:
        """This part of a frame at ``size``, averaged; float32 ``(h, w, 3)`` in [-1, 1]."""
        y0, x0, y1, x1 = self.box
        part = image[y0:y1, x0:x1].astype(np.float32) / np.float32(np.iinfo(image.dtype).max / 2) - 1
        return resized(part, size)

    def hole(self, mask: Bool, size: tuple[int, int]) -> Bool:
        """This part of a mask at ``size``: wherever any pixel is set."""
        y0, x0, y1, x1 = self.box
        part = mask[y0:y1, x0:x1]
        if part.shape == size:
            return part
        return cv2.resize(part.astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA) > 0


def resized(image: F32, size: tuple[int, int]) -> F32:
    """Averaged where it shrinks, cubic where it grows."""
    if image.shape[:2] == size:
        return image
    how = cv2.INTER_AREA if size[0] < image.shape[0] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, size[::-1], interpolation=how), np.float32).reshape(*size, 3)


def place_of(shot: Shot) -> Place | None:
    """The union of all holes with half its size around it, or None where the shot has no hole."""
    around = union_box(bounding_box(shot.hole(t)) for w in shot.windows() for t in range(w.start, w.stop))
    if around is None:
        return None
    by = max(48, max(around[2] - around[0], around[3] - around[1]) // 2)
    return Place(grow_box(around, by, shot.size))


@dataclass
class Level:
    """One network of the cascade and the size it works at."""

    net: CoarseToFineNetwork
    size: tuple[int, int]


def fit_memory(
    shot: Shot, compute: Compute, steps: int, width: int, seed: int, progress: Progress,
    half: Callable[[int], HalfFit] | None = None,
) -> MemorySession:  # fmt: skip
    """Fit the coarse-to-fine network, and finer ones where the field is large, to frames of a shot.

    Args:
        shot: motion is never asked.
        compute: where.
        steps: of each network; the paper takes 80,000.
        width: of the networks.
        seed: of the crops and masks.
        progress: told about the fit.
        half: gives for each network, by number, where its fit is kept half way and gone on from.
    """
    place = place_of(shot)
    if place is None:
        return MemorySession(shot, None, [], compute)
    features = ambiguity_features()
    compute.place(features)
    session = MemorySession(shot, place, [], compute, (f"The ambiguity loss compares {features.name}.",))
    rng = np.random.default_rng(seed)
    sizes = place.sizes()
    times = [t for w in shot.windows() for t in range(w.start, w.stop)]
    for k, size in enumerate(sizes):
        most = max(4, min(FRAMES, FIELD_BYTES // (6 * size[0] * size[1]))) if k else FRAMES
        learned = memorised(session, spread(times, most), size)
        pieces = learned.pieces() if k else []
        net = CoarseToFineNetwork(width, 4 if learned.prior is None else 7)
        compute.place(net)
        unit_variance(net, compute.put(draw(learned, pieces, rng, compute).x))
        first = steps - round(SECOND_STAGE * steps)

        def step_loss(
            net: nn.Module,
            step: int,
            learned: TrainingRegion = learned,
            pieces: list[Bool] = pieces,
            first: int = first,
        ) -> torch.Tensor:
            regularised = features if step > first else None
            return memory_loss(net, draw(learned, pieces, rng, compute), compute, regularised, rng)

        done = k * steps
        fit(
            net,
            step_loss,
            steps,
            RATE / 2 if k else RATE,
            compute,
            lambda n, _, done=done: progress("fit", done + n, len(sizes) * steps),  # type: ignore[misc]
            None if half is None else half(k),
            (rng,),
        )
        session.levels.append(Level(net, size))
    return session


def ambiguity_features() -> VggFeatures | GaborFeatures:
    """VGG-19 where its weights are present, fixed filters elsewhere."""
    path = fetched(VGG_FILE)
    return GaborFeatures() if path is None else VggFeatures(path)


def spread(times: list[int], most: int) -> list[int]:
    """At most so many of the frames, evenly spread."""
    return sorted({times[i] for i in np.linspace(0, len(times) - 1, min(most, len(times))).round().astype(int)})


def memorised(session: MemorySession, times: list[int], size: tuple[int, int]) -> TrainingRegion:
    """What the next network of the cascade learns from."""
    shot, place = session.shot, session.place
    assert place is not None
    frames = [place.frame(shot.frame(t), size) for t in times]
    holes = np.stack([place.hole(shot.hole(t), size) for t in times])
    prior = None
    if session.levels:
        with torch.inference_mode():
            prior = np.stack([_eight_bit(resized(session.result(t), size)) for t in times])
    return TrainingRegion(np.stack([_eight_bit(f) for f in frames]), holes, prior)


def _eight_bit(image: F32) -> U8:
    eight: U8 = np.clip(np.rint((image + 1) * 127.5), 0, 255).astype(np.uint8)
    return eight


class MemorySession:
    """The fitted networks alone fill the hole, each frame by itself.

    Attributes:
        place: what was memorised; None where nothing is masked.
        levels: coarse to fine.
        notes: what the user should know.
    """

    def __init__(
        self, shot: Shot, place: Place | None, levels: list[Level], compute: Compute, notes: tuple[str, ...] = ()
    ) -> None:
        self.shot, self.place, self.levels, self.compute, self.notes = shot, place, levels, compute, notes

    def state(self) -> Kept:
        """The fit, to be kept."""
        tensors = {f"{k}.{n}": v for k, level in enumerate(self.levels) for n, v in level.net.state_dict().items()}
        place = None if self.place is None else self.place.box
        widths = [level.net.width for level in self.levels]
        sizes = [level.size for level in self.levels]
        return Kept({"box": place, "sizes": sizes, "widths": widths, "notes": list(self.notes)}, tensors)

    @classmethod
    def restored(cls, shot: Shot, kept: Kept, compute: Compute) -> MemorySession:
        """A session with a fit that was kept; a box around holes that lie elsewhere now is worked on alike."""
        place, levels = place_of(shot), []
        for k, (width, size) in enumerate(zip(kept.about["widths"], kept.about["sizes"], strict=True)):
            net = CoarseToFineNetwork(width, 7 if k else 4)
            own = {n.partition(".")[2]: v for n, v in kept.tensors.items() if n.startswith(f"{k}.")}
            net.load_state_dict(own)
            compute.place(net.eval())
            if place is not None and list(place.box) != kept.about["box"]:
                y0, x0, y1, x1 = kept.about["box"]
                size = [round(n * max(size) / max(y1 - y0, x1 - x0)) for n in place.native]
            levels.append(Level(net, (max(1, size[0]), max(1, size[1]))))
        return cls(shot, place, levels, compute, kept.notes)

    def fill(self, window: Window) -> dict[int, Patch]:
        """Patches of the window's frames that have a hole."""
        patches: dict[int, Patch] = {}
        if self.place is None:
            return patches
        with self.compute.running(0), torch.inference_mode():
            for t in range(window.start, window.stop):
                box = bounding_box(self.shot.hole(t))
                if box is not None:
                    patches[t] = self._patch(t, box, self.place)
        return patches

    def result(self, t: int) -> F32:
        """The field of frame t as the finest network so far makes it, float32 ``(h, w, 3)`` in [-1, 1]."""
        assert self.place is not None
        found: F32 | None = None
        for level in self.levels:
            frame = self.place.frame(self.shot.frame(t), level.size)
            hole = self.place.hole(self.shot.hole(t), level.size)
            found = self._run(level.net, frame, hole, None if found is None else resized(found, level.size))
        assert found is not None
        return found

    def _run(self, net: nn.Module, frame: F32, hole: Bool, prior: F32 | None) -> F32:
        """One network on the whole field, in overlapping tiles (the paper's grid inference)."""

        def render(part: Box) -> F32:
            at = np.s_[part[0] : part[2], part[1] : part[3]]
            x = describe(
                _channels(frame[at]),
                _channels(hole[at][..., None].astype(np.float32)),
                None if prior is None else _channels(prior[at]),
            )
            with self.compute.autocast():
                fine, _ = net(self.compute.put(x))
            return np.ascontiguousarray(fine[0].float().cpu().numpy().transpose(1, 2, 0))

        h, w = hole.shape
        made = in_tiles((0, 0, h, w), TILE, render)
        return np.where(hole[..., None], made, frame).astype(np.float32)

    def _patch(self, t: int, box: Box, place: Place) -> Patch:
        frame, hole = self.shot.frame(t), self.shot.hole(t)
        rgb = (resized(self.result(t), place.native) + 1) / 2
        out = frame[box[0] : box[2], box[1] : box[3]].copy()
        inside = hole[box[0] : box[2], box[1] : box[3]]
        y0, x0 = place.box[:2]
        part = rgb[box[0] - y0 : box[2] - y0, box[1] - x0 : box[3] - x0]
        top = np.iinfo(frame.dtype).max
        out[inside] = np.clip(np.rint(part[inside] * top), 0, top).astype(frame.dtype)
        return Patch(box, out)


def _channels(image: F32) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]
