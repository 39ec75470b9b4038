"""The effects of objects through a video: plates, evidence, whose it is; in stretches, so that memory is bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np

from vrm.events import Progress, counted, no_progress
from vrm.motion.frames import closed, dilate
from vrm.selection.effects.association import associated, supported
from vrm.selection.effects.cast_shadow import DOUBTFUL, STEADY, SWAYING, cast_shadow, find_light
from vrm.selection.effects.evidence import Evidence, evidence
from vrm.selection.effects.mirror import FoundMirror, find_mirror, looked_at, reflection
from vrm.selection.effects.plates import Plate, plate
from vrm.selection.effects.stance import own_motion, stances
from vrm.selection.effects.working_frames import EffectFrames
from vrm.selection.tracking.features import GetFrame
from vrm.types import Bool, Masks

_STRETCH = 96
"""Frames that are looked at together: one light, one average."""

_SEAM = 9
"""Pixels, at working size, between a thing and its effect that belong to both, or between two effects."""
_ENCLOSED = 0.03
"""What the two enclose belongs to them up to this share of the thing."""


@dataclass(frozen=True)
class FoundEffects:
    """What objects leave on their surroundings.

    Attributes:
        masks: without the objects.
        shadows: of the masks those that are shadows alone.
        mirrors: what reflections are explained by.
        notes: for the user.
    """

    masks: Masks
    shadows: Masks
    mirrors: list[FoundMirror]
    notes: list[str]


@dataclass
class _Outcome:
    """What looking came to.

    Attributes:
        looked, blind: frames with an object, and those of them on which nothing tells whether it has a shadow.
        suspected: frames on which there may be a shadow, too unsure to be taken.
        with_shadow, with_reflection: frames on which one was found.
    """

    effects: Masks
    mirrors: list[FoundMirror] = field(default_factory=list)
    looked: list[int] = field(default_factory=list)
    blind: list[int] = field(default_factory=list)
    suspected: list[int] = field(default_factory=list)
    with_shadow: list[int] = field(default_factory=list)
    with_reflection: list[int] = field(default_factory=list)


def find_effects(
    frame: GetFrame, objects: Masks, shots: list[tuple[int, int]], told: range, kinds: str,
    progress: Progress = no_progress,
) -> FoundEffects:  # fmt: skip
    """The effects of what the masks hold, with notes about the frames ``told``.

    Args:
        frame: upright as displayed; called with t in ascending order, but for the last hundred.
        objects: bool masks of the same size.
        shots: ``(start, stop)``; each is looked at alone.
        kinds: "shadows", "reflections" or "all".
    """
    out = _Outcome(Masks(objects.size, objects.n_frames))
    shadows = Masks(objects.size, objects.n_frames)
    total = sum(stop - start for start, stop in shots)
    done = 0
    for start, stop in shots:
        frames = EffectFrames(frame, objects, start, stop)
        for first in range(start, stop, _STRETCH):
            times = [t for t in range(first, min(first + _STRETCH, stop)) if objects.box(t) is not None]

            def step(n: int, before: int = done + first - start) -> None:
                progress("effects", before + n, total)

            for t, mask in _joined(_stretch(frames, times, kinds, out, step), frames):
                effect = _full_size(mask, objects.size) & ~objects[t]
                out.effects[t] = effect
                if not {t - 1, t, t + 1} & set(out.with_reflection):
                    shadows[t] = effect
        done += stop - start
    return FoundEffects(out.effects, shadows, out.mirrors, _notes(out, told, kinds))


def _stretch(
    frames: EffectFrames, times: list[int], kinds: str, out: _Outcome, step: Callable[[int], None]
) -> dict[int, Bool]:
    """The effects on some frames of a shot, bool ``(h, w)`` at working size."""
    mirrored = set(looked_at(frames, times)) if kinds != "shadows" else set()
    plates: dict[int, Plate | None] = {}
    seen: dict[int, Evidence] = {}
    for n, t in enumerate(times):
        if kinds != "reflections" or t in mirrored:
            ground = plate(frames, t)
            if t in mirrored:
                plates[t] = ground
            if ground is not None:
                seen[t] = evidence(frames.rgb(t), frames.hidden(t), ground)
        step(n + 1)
    out.looked += times
    mirror = find_mirror(frames, plates, times) if mirrored else None
    reflections: dict[int, Bool] = {}
    if mirror is not None:
        out.mirrors.append(FoundMirror(times[0], times[-1] + 1, mirror))
        reflections = {t: reflection(mirror, frames, t) for t in times}
        seen = {t: one.without(dilate(reflections[t], _SEAM)) for t, one in seen.items()}
    found: dict[int, Bool] = {}
    if kinds != "reflections":
        found, suspected = _shadows(frames, times, seen, mirror is not None)
        out.suspected += times if suspected else []
    out.blind += [t for t in times if t not in found]
    out.with_shadow += [t for t, region in found.items() if region.any()]
    for t, region in reflections.items():
        if region.any():
            out.with_reflection.append(t)
            found[t] = found[t] | region if t in found else region
    return found


def _shadows(
    frames: EffectFrames, times: list[int], seen: dict[int, Evidence], mirrored: bool
) -> tuple[dict[int, Bool], bool]:
    """The shadow, perhaps empty, on each frame that can tell; and whether one is suspected where none is found.

    ``mirrored``: the ground reflects. Such a ground shows little of a shadow: one is taken only if its light is sure.
    """
    outlines = {t: frames.object(t) for t in times}
    places, middles = stances(outlines), stances(outlines, middle=True)
    support = supported(seen, places, own_motion(frames, places))
    steady = supported(seen, middles, own_motion(frames, middles), steady=True)
    light = find_light(seen, steady, outlines, middles)
    doubtful = light is not None and DOUBTFUL < light.score <= STEADY
    if light is None or light.score <= STEADY:
        if mirrored:
            return {t: np.zeros(frames.size, np.bool_) for t in support}, doubtful
        light = find_light(seen, support, outlines, places)
        light = light if light is not None and light.score > SWAYING else None
    found = {}
    for t in {**support, **steady}:
        region = np.zeros(frames.size, np.bool_)
        if t in support:
            region = associated(seen[t], support[t], outlines[t], places[t])
        found[t] = region if light is None else cast_shadow(light, seen[t], outlines[t], places[t], region)
    return found, doubtful and not any(region.any() for region in found.values())


def _joined(found: dict[int, Bool], frames: EffectFrames) -> Iterator[tuple[int, Bool]]:
    """Each with its neighbours' and without gaps: an effect does not come and go within a frame.

    Where a thing touches the ground it is darkest, and its rim hides the seam from all evidence: what lies between the
    thing and its effect goes too.
    """
    for t in found:
        region = np.logical_or.reduce([found[u] for u in (t - 1, t, t + 1) if u in found])
        if region.any():
            effect, thing = dilate(closed(region, 7), 2), frames.object(t)
            near = dilate(effect, _SEAM)
            between = closed(effect | thing, _SEAM) & near & ~thing
            enclosed = _enclosed(effect | between | thing, round(_ENCLOSED * int(thing.sum())))
            yield t, effect | between | (enclosed & near)


def _enclosed(mask: Bool, most: int) -> Bool:
    """What a mask encloses, up to ``most`` pixels each."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats((~mask).astype(np.uint8), connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] <= most
    small[0] = False  # the mask itself
    return np.asarray(small[labels])


def _full_size(mask: Bool, size: tuple[int, int]) -> Bool:
    if mask.shape == size:
        return mask
    return np.asarray(cv2.resize(mask.astype(np.float32), size[::-1], interpolation=cv2.INTER_LINEAR) > 0.5)


def _notes(out: _Outcome, told: range, kinds: str) -> list[str]:
    looked, blind = ([t for t in times if t in told] for times in (out.looked, out.blind))
    notes = []
    if kinds != "reflections" and looked and len(blind) == len(looked):
        notes.append(
            "The object's shadow could not be looked for: no other frame shows what lies around the object, or the "
            "object hardly moves against it. Where it has one, give masks that hold it too."
        )
    suspected = [t for t in out.suspected if t in told]
    if suspected:
        notes.append(
            f"What may be the object's shadow was left alone on {counted(len(suspected), 'frame')}, for it is not sure "
            "enough. If it is one, give masks that hold it too."
        )
    found = [
        what
        for what, times in (("shadow", out.with_shadow), ("reflection", out.with_reflection))
        if any(t in told for t in times)
    ]
    if found:
        here = sorted({t for t in (*out.with_shadow, *out.with_reflection) if t in told})
        share = 100 * float(np.mean([out.effects[t].mean() for t in here]))
        were, go, them = ("were", "go", "them") if len(found) > 1 else ("was", "goes", "it")
        notes.append(
            f"The object's {' and '.join(found)} {were} found and {go} too, on {counted(len(here), 'frame')} "
            f"({share:.1f}% of the frame). --effects none leaves {them}."
        )
    return notes
