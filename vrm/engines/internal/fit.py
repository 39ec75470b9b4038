"""The internal fit: networks fitted to the known pixels of one shot, nothing propagated (Ouyang et al. 2021).

A coarse network is fitted to the surroundings of the hole at a size that minutes can hold. Where they are larger than
that, finer networks follow, each at twice the size, that take the enlarged coarser result as a further input
(Section 4.1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from vrm.engines.base import Shot
from vrm.engines.internal.batches import FitBatch, TrainingRegion, draw_batch, network_input, total_loss
from vrm.engines.motion import to_patch
from vrm.engines.pixels import resized, resized_mask
from vrm.engines.tiling import in_tiles
from vrm.events import Progress
from vrm.job.checkpoints import HalfFit, Kept
from vrm.nets.init import unit_variance
from vrm.nets.internal.features import GaborFeatures, VggFeatures
from vrm.nets.internal.gated import CoarseToFineNetwork
from vrm.shots.windows import Window
from vrm.system.device import Compute
from vrm.train.fit import fit
from vrm.types import F32, U8, Bool, Box, Patch, Pixels, bounding_box, grow_box, union_box
from vrm.weights.cards import fetched

MOST_FRAMES = 80
"""Most frames one fit sees (the paper's quality falls with length: 48.8, 45.3, 41.2 dB at 5, 20, 80 frames)."""

COARSE_SIDE = 320
"""Longest side of the region that the coarse network works on, in pixels (the paper: 600, or 960 before 2K and 4K)."""

REGION_BYTES = 200_000_000
"""Most that the frames of one fine fit may take; beyond it the fit sees fewer frames."""

SECOND_STAGE = 0.25
"""Share of the steps that the regularising losses take part in (the paper: 20,000 of 80,000)."""

RATE = 2e-4
"""Adam's learning rate, as in the paper; half of it in the finer fits (Appendix A.2)."""

TILE = 640

VGG_FILE = "vgg19.safetensors"


@dataclass(frozen=True)
class FittedRegion:
    """The part of the frame that networks are fitted to."""

    box: Box

    @property
    def native(self) -> tuple[int, int]:
        return self.box[2] - self.box[0], self.box[3] - self.box[1]

    def sizes(self) -> list[tuple[int, int]]:
        """The sizes that networks work on, coarse to fine: doubling up to its own."""
        h, w = self.native
        scale = min(1.0, COARSE_SIDE / max(h, w))
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
        """This part of a mask at ``size``: set wherever any pixel is."""
        y0, x0, y1, x1 = self.box
        return resized_mask(mask[y0:y1, x0:x1], size)


def fitted_region(shot: Shot) -> FittedRegion | None:
    """The union of all holes with half its size around it, or None where the shot has no hole."""
    holes = union_box(bounding_box(shot.hole(t)) for w in shot.windows() for t in range(w.start, w.stop))
    if holes is None:
        return None
    around = max(48, max(holes[2] - holes[0], holes[3] - holes[1]) // 2)
    return FittedRegion(grow_box(holes, around, shot.size))


@dataclass
class FittedNetwork:
    """One network of the coarse-to-fine sequence and the size it works on."""

    net: CoarseToFineNetwork
    size: tuple[int, int]


def fit_shot(
    shot: Shot, compute: Compute, steps: int, width: int, seed: int, progress: Progress,
    checkpoint: Callable[[int], HalfFit] | None = None,
) -> InternalSession:  # fmt: skip
    """Fit a coarse network, and finer ones where the region is large, to frames of a shot; motion is never asked.

    Args:
        steps: of each network; the paper takes 80,000.
        seed: of the crops and masks.
        checkpoint: gives for each network, by number, where its unfinished fit is kept and resumed from.
    """
    region = fitted_region(shot)
    if region is None:
        return InternalSession(shot, None, [], compute)
    features = ambiguity_features()
    compute.place(features)
    session = InternalSession(shot, region, [], compute, (f"The ambiguity loss compares {features.name}.",))
    rng = np.random.default_rng(seed)
    sizes = region.sizes()
    times = [t for w in shot.windows() for t in range(w.start, w.stop)]
    for k, size in enumerate(sizes):
        most = max(4, min(MOST_FRAMES, REGION_BYTES // (6 * size[0] * size[1]))) if k else MOST_FRAMES
        net = CoarseToFineNetwork(width, 7 if k else 4)
        compute.place(net)
        loss = _Loss(session.training_region(spread(times, most), size), features, steps, rng, compute)
        unit_variance(net, compute.put(loss.batch().x))
        kept = None if checkpoint is None else checkpoint(k)
        fit(
            net, loss, steps, RATE / 2 if k else RATE, compute,
            lambda done, _, before=k * steps: progress("fit", before + done, len(sizes) * steps),  # type: ignore[misc]
            kept, (rng,),
        )  # fmt: skip
        session.networks.append(FittedNetwork(net, size))
    return session


class _Loss:
    """The loss of each step of one fit, on a batch of its own."""

    def __init__(
        self, region: TrainingRegion, features: nn.Module, steps: int, rng: np.random.Generator, compute: Compute
    ) -> None:
        self.region, self.features, self.rng, self.compute = region, features, rng, compute
        self.pieces = region.grid_masks() if region.coarser is not None else []
        self.first_stage = steps - round(SECOND_STAGE * steps)

    def batch(self) -> FitBatch:
        return draw_batch(self.region, self.pieces, self.rng, self.compute)

    def __call__(self, net: nn.Module, step: int) -> torch.Tensor:
        features = self.features if step > self.first_stage else None
        return total_loss(net, self.batch(), self.compute, features, self.rng)


def ambiguity_features() -> VggFeatures | GaborFeatures:
    """VGG-19 where its weights are present, fixed filters elsewhere."""
    path = fetched(VGG_FILE)
    return GaborFeatures() if path is None else VggFeatures(path)


def spread(times: list[int], most: int) -> list[int]:
    """At most so many of the frames, evenly spread."""
    return sorted({times[i] for i in np.linspace(0, len(times) - 1, min(most, len(times))).round().astype(int)})


class InternalSession:
    """The fitted networks alone fill the hole, each frame by itself.

    ``region`` is what they are fitted to, None where nothing is masked; ``networks`` are in order, coarse to fine.
    """

    def __init__(
        self, shot: Shot, region: FittedRegion | None, networks: list[FittedNetwork], compute: Compute,
        notes: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        self.shot, self.region, self.networks, self.compute, self.notes = shot, region, networks, compute, notes

    def state(self) -> Kept:
        nets = [network.net for network in self.networks]
        tensors = {f"{k}.{name}": value for k, net in enumerate(nets) for name, value in net.state_dict().items()}
        about = {
            "box": None if self.region is None else self.region.box,
            "sizes": [network.size for network in self.networks],
            "widths": [net.width for net in nets],
            "notes": list(self.notes),
        }
        return Kept(about, tensors)

    @classmethod
    def restored(cls, shot: Shot, kept: Kept, compute: Compute) -> InternalSession:
        """A session with a fit that was kept; where the holes lie elsewhere now, their region is worked on alike."""
        region, networks = fitted_region(shot), []
        for k, (width, size) in enumerate(zip(kept.about["widths"], kept.about["sizes"], strict=True)):
            net = CoarseToFineNetwork(width, 7 if k else 4)
            net.load_state_dict({n.partition(".")[2]: v for n, v in kept.tensors.items() if n.startswith(f"{k}.")})
            compute.place(net.eval())
            if region is not None and list(region.box) != kept.about["box"]:
                y0, x0, y1, x1 = kept.about["box"]
                size = [round(n * max(size) / max(y1 - y0, x1 - x0)) for n in region.native]
            networks.append(FittedNetwork(net, (max(1, size[0]), max(1, size[1]))))
        return cls(shot, region, networks, compute, kept.notes)

    def training_region(self, times: list[int], size: tuple[int, int]) -> TrainingRegion:
        """What the next network is fitted to: those frames at a size, with the result of the networks so far."""
        shot, region = self.shot, self.region
        assert region is not None
        frames = np.stack([_eight_bit(region.frame(shot.frame(t), size)) for t in times])
        holes = np.stack([region.hole(shot.hole(t), size) for t in times])
        coarser = None
        if self.networks:
            with torch.inference_mode():
                coarser = np.stack([_eight_bit(resized(self.result(t), size)) for t in times])
        return TrainingRegion(frames, holes, coarser)

    def fill(self, window: Window) -> dict[int, Patch]:
        patches: dict[int, Patch] = {}
        if self.region is None:
            return patches
        with self.compute.running(0), torch.inference_mode():
            for t in range(window.start, window.stop):
                if self.shot.hole(t).any():
                    patches[t] = self._patch(t, self.region)
        return patches

    def result(self, t: int) -> F32:
        """The region of frame t, filled by the finest network so far, float32 ``(h, w, 3)`` in [-1, 1]."""
        assert self.region is not None
        found: F32 | None = None
        for network in self.networks:
            frame = self.region.frame(self.shot.frame(t), network.size)
            hole = self.region.hole(self.shot.hole(t), network.size)
            found = self._run(network.net, frame, hole, None if found is None else resized(found, network.size))
        assert found is not None
        return found

    def _run(self, net: nn.Module, frame: F32, hole: Bool, coarser: F32 | None) -> F32:
        """One network on the whole region, in overlapping tiles (the paper's grid inference)."""

        def render(part: Box) -> F32:
            at = np.s_[part[0] : part[2], part[1] : part[3]]
            x = network_input(
                _channels(frame[at]),
                _channels(hole[at][..., None].astype(np.float32)),
                None if coarser is None else _channels(coarser[at]),
            )
            with self.compute.autocast():
                fine, _ = net(self.compute.put(x))
            return np.ascontiguousarray(fine[0].float().cpu().numpy().transpose(1, 2, 0))

        h, w = hole.shape
        made = in_tiles((0, 0, h, w), TILE, render)
        return np.where(hole[..., None], made, frame).astype(np.float32)

    def _patch(self, t: int, region: FittedRegion) -> Patch:
        index = np.flatnonzero(self.shot.hole(t))
        rgb = (resized(self.result(t), region.native) + 1) / 2
        rows, cols = np.divmod(index, self.shot.size[1])
        return to_patch(self.shot.frame(t), index, rgb[rows - region.box[0], cols - region.box[1]])


def _eight_bit(image: F32) -> U8:
    """[-1, 1] to uint8."""
    eight: U8 = np.clip(np.rint((image + 1) * 127.5), 0, 255).astype(np.uint8)
    return eight


def _channels(image: F32) -> torch.Tensor:
    """``(h, w, C)`` to ``(1, C, h, w)``."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]
