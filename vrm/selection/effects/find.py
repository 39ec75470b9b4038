"""The effects of objects through a video: plates, evidence, whose it is; in stretches, so that memory is bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np

from vrm.events import Progress, counted, no_progress
from vrm.motion.frames import closed, dilate
from vrm.selection.effects.association import associated, supported
from vrm.selection.effects.cast_shadow import cast_shadow, find_light
from vrm.selection.effects.evidence import Evidence, evidence
from vrm.selection.effects.plates import plate
from vrm.selection.effects.stance import own_motion, stances
from vrm.selection.effects.working_frames import EffectFrames
from vrm.selection.tracking.features import GetFrame
from vrm.types import Bool, Masks

_STRETCH = 96
"""Frames that are looked at together: one light, one average."""


@dataclass
class _Outcome:
    """What looking came to.

    Attributes:
        looked, blind: frames with an object, and those of them whose surroundings no other frame shows.
    """

    effects: Masks
    looked: list[int] = field(default_factory=list)
    blind: list[int] = field(default_factory=list)


def find_effects(
    frame: GetFrame, objects: Masks, shots: list[tuple[int, int]], told: range, kinds: str,
    progress: Progress = no_progress,
) -> tuple[Masks, list[str]]:  # fmt: skip
    """The effects of what the masks hold, and notes about those on the frames ``told``.

    Args:
        frame: called with t in ascending order, but for the last hundred.
        objects: bool masks of the video's size.
        shots: ``(start, stop)``; each is looked at alone.
        kinds: "shadows", "reflections" or "all".
    """
    out = _Outcome(Masks(objects.size, objects.n_frames))
    total = sum(stop - start for start, stop in shots)
    done = 0
    for start, stop in shots:
        frames = EffectFrames(frame, objects, start, stop)
        for first in range(start, stop, _STRETCH):
            times = [t for t in range(first, min(first + _STRETCH, stop)) if objects.box(t) is not None]

            def step(n: int, before: int = done + first - start) -> None:
                progress("effects", before + n, total)

            for t, mask in _joined(_stretch(frames, times, out, step), frames):
                full = _full_size(mask, objects.size) & ~objects[t]
                out.effects[t] = full
        done += stop - start
    return out.effects, _notes(out, told, kinds)


def _stretch(frames: EffectFrames, times: list[int], out: _Outcome, step: Callable[[int], None]) -> dict[int, Bool]:
    """The shadows on some frames of a shot, bool ``(h, w)`` at working size."""
    seen: dict[int, Evidence] = {}
    for n, t in enumerate(times):
        ground = plate(frames, t)
        if ground is not None:
            seen[t] = evidence(frames.rgb(t), frames.hidden(t), ground)
        step(n + 1)
    out.looked += times
    out.blind += [t for t in times if t not in seen]
    outlines = {t: frames.object(t) for t in times}
    places = stances(outlines)
    support = supported(seen, places, own_motion(frames, places))
    light = find_light(seen, support, outlines, places)
    found = {}
    for t in support:
        found[t] = associated(seen[t], support[t])
        if light is not None:
            found[t] |= cast_shadow(light, seen[t], outlines[t], places[t])
    return found


def _joined(found: dict[int, Bool], frames: EffectFrames) -> Iterator[tuple[int, Bool]]:
    """Each with its neighbours' and without gaps: an effect does not come and go within a frame."""
    for t in found:
        near = [found[u] for u in (t - 1, t, t + 1) if u in found]
        region = np.logical_or.reduce(near)
        if region.any():
            yield t, dilate(closed(region, 7), 2)


def _full_size(mask: Bool, size: tuple[int, int]) -> Bool:
    if mask.shape == size:
        return mask
    return np.asarray(cv2.resize(mask.astype(np.float32), size[::-1], interpolation=cv2.INTER_LINEAR) > 0.5)


def _notes(out: _Outcome, told: range, kinds: str) -> list[str]:
    looked, blind = ([t for t in times if t in told] for times in (out.looked, out.blind))
    if looked and len(blind) == len(looked):
        return [
            "No other frame shows what lies around the object, so its shadow could not be looked for. Where it has "
            "one, give masks that hold it too."
        ]
    found = out.effects.within(told)
    times = list(found.frames())
    if not times:
        return []
    share = float(np.mean([found[t].mean() for t in times]))
    return [
        f"A shadow was found and goes too, on {counted(len(times), 'frame')}, {100 * share:.1f}% of each. "
        "--effects none leaves it."
    ]
