"""The effects of an object through one shot: plates, evidence, whose it is; in stretches, so that memory is bounded."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from vrm.events import Progress, no_progress
from vrm.motion.frames import closed, dilate
from vrm.selection.effects.association import associated, supported
from vrm.selection.effects.cast_shadow import cast_shadow, find_light
from vrm.selection.effects.evidence import Evidence, evidence
from vrm.selection.effects.placement import placements
from vrm.selection.effects.plates import plate
from vrm.selection.effects.working_frames import EffectFrames
from vrm.selection.tracking.features import GetFrame
from vrm.types import Bool, Masks

_STRETCH = 96
"""Frames that are looked at together."""


def find_shadows(frame: GetFrame, objects: Masks, start: int, stop: int, progress: Progress = no_progress) -> Masks:
    """The shadows of what the masks hold on the frames of one shot, ``start`` to ``stop - 1``; empty elsewhere."""
    frames = EffectFrames(frame, objects, start, stop)
    out = Masks(objects.size, objects.n_frames)
    for first in range(start, stop, _STRETCH):
        times = [t for t in range(first, min(first + _STRETCH, stop)) if objects.box(t) is not None]
        for t, mask in _joined(_stretch(frames, times), frames):
            out[t] = _full_size(mask, objects.size)
    return out


def _stretch(frames: EffectFrames, times: list[int]) -> dict[int, Bool]:
    seen: dict[int, Evidence] = {}
    for t in times:
        ground = plate(frames, t)
        if ground is not None:
            seen[t] = evidence(frames.rgb(t), frames.hidden(t), ground)
    outlines = {t: frames.object(t) for t in times}
    places = placements(outlines)
    support = supported(seen, places)
    light = find_light(seen, support, outlines, places)
    found = {}
    for t in times:
        region = np.zeros(frames.size, np.bool_)
        if t in support:
            region |= associated(seen[t], support[t])
        if light is not None and t in places and t in seen:
            region |= cast_shadow(light, seen[t], outlines[t], places[t])
        found[t] = region
    return found


def _joined(found: dict[int, Bool], frames: EffectFrames) -> Iterator[tuple[int, Bool]]:
    """Each with its neighbours' and without gaps: an effect does not come and go within a frame."""
    for t in found:
        near = [found[u] for u in (t - 1, t, t + 1) if u in found]
        region = np.logical_or.reduce(near)
        if region.any():
            yield t, dilate(closed(region, 7), 2) & ~frames.object(t)


def _full_size(mask: Bool, size: tuple[int, int]) -> Bool:
    if mask.shape == size:
        return mask
    return np.asarray(cv2.resize(mask.astype(np.float32), size[::-1], interpolation=cv2.INTER_LINEAR) > 0.5)
