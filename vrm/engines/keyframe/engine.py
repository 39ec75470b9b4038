"""The keyframe engine: a few frames are clean, the rest follows from them (Esser et al. 2022).

Keyframes are the user's own (``--keyframe``), or made by the two-stream network where its weights are present
(``vrm.engines.keyframe.generator``). The frames between are propagated by motion from the keyframes on both sides and
from wherever else the background is seen, mixed by expected error.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import pairwise

from vrm.engines.base import Given, Progress, Session, Shot
from vrm.engines.coverage import coverage_map
from vrm.engines.keyframe.generator import (
    Generator,
    Keyframes,
    Made,
    Origins,
    generate_keyframes,
    load_generator,
    masked_times,
    network_size,
)
from vrm.engines.motion import to_patch
from vrm.errors import WeightsError
from vrm.motion.refinement.detail import restore_detail
from vrm.motion.result import Propagation
from vrm.options.remove import EngineOptions
from vrm.shots.windows import Window
from vrm.system.device import choose
from vrm.types import U8, Masks, Patch, Pixels, bounding_box

_DETAIL = 1.25
"""Detail is strengthened at most so many times: what is gone further was lost because the candidates disagree, and
would come back in the wrong place."""


class KeyframeEngine:
    """See the module. Attributes ``device`` and ``dtype`` say what was chosen, in words.

    Attributes:
        generates: whether a network makes the keyframes that the user did not give.
        keeps: whether it keeps those.
    """

    name = "keyframe"
    labelled = False

    def __init__(self, options: EngineOptions) -> None:
        self.options = options
        self.compute = choose(options)
        self.device, self.dtype = self.compute.names
        self.generator: Generator | None = load_generator(options.weights, self.compute, options.preset)
        self.generates = self.keeps = self.generator is not None

    def joints(self, start: int, stop: int, holes: Masks, given: Collection[int]) -> list[int]:
        """The keyframes of a shot, the user's and those that will be generated."""
        own = {t for t in given if start <= t < stop and holes.box(t) is not None}
        return sorted(own.union(masked_times(start, stop, holes, own) if self.generates else ()))

    def prepare(self, shot: Shot, progress: Progress) -> Session:
        """Generate the keyframes that are missing, if there is a network, and return the session that fills the rest.

        Raises:
            WeightsError: there is neither a network nor a keyframe in the shot.
        """
        own = [t for t in shot.keyframes if shot.start <= t < shot.stop and shot.hole(t).any()]
        given = Keyframes(dict.fromkeys(own, shot.keyframes))
        made, notes = Made(), []
        if self.generator is not None and shot.windows():
            alone = self.options.preset == "paper" or self.options.prefill is False
            keep = None
            if self.options.fits is not None:
                keep = self.options.fits / f"keyframes-{shot.start}-{self.compute.device.type}-{self.dtype}"
            made = generate_keyframes(shot, given, self.generator, not alone, progress, keep)
            if made.frames:
                notes.append(f"{len(made.frames)} keyframes were generated, {len(given)} are yours.")
                notes += self._enlarged(shot.size)
        elif not given and shot.windows():
            raise WeightsError(
                f"The shot of frames {shot.start} to {shot.stop - 1} has no keyframe, and there are no weights.",
                "Give a clean frame with --keyframe FRAME=IMAGE.",
            )
        kind = ChunkSession if self.options.preset == "paper" else KeyframeSession
        return kind(shot, given, made, tuple(notes))

    @staticmethod
    def _enlarged(size: tuple[int, int]) -> list[str]:
        """A note where what the network makes has less detail than the video."""
        h, w = network_size(size)
        if (h, w) == size:
            return []
        return [
            f"The network works at {w}x{h}: what it makes up is enlarged to {size[1]}x{size[0]} and softer than the "
            "rest. What motion sees elsewhere keeps the video's own size."
        ]


class KeyframeSession:
    """Propagation from keyframes and from everything else that is seen.

    Args:
        shot: the frames.
        own: the user's keyframes.
        made: the generated ones.
        notes: what the user should know.
    """

    def __init__(self, shot: Shot, own: Mapping[int, Pixels], made: Made, notes: tuple[str, ...] = ()) -> None:
        self.shot, self.notes = shot, notes
        self.given = Keyframes(dict.fromkeys(made.frames, made.frames) | dict.fromkeys(own, own))
        self.view = Given(shot, self.given)
        self._origins = Origins(shot, own, made.origins)
        self._found: list[Propagation] = []

    def fill(self, window: Window) -> dict[int, Patch]:
        """Patches of the window's frames that have a hole."""
        self._found = []
        patches = {t: self._key(t) for t in self.given if window.start <= t < window.stop}
        for part in self._parts(window):
            found = self.shot.propagation(part, given=self.given)
            self._found.append(found)
            for t, fill in found.fills.items():
                if part.start <= t < part.stop and fill.index.size:
                    rgb = restore_detail(fill, fill.rgb, found.size, _DETAIL)
                    patches[t] = to_patch(self.shot.frame(t), fill.index, rgb)
        return patches

    def origin(self, t: int) -> U8 | None:
        """The coverage map of a frame of the window that was filled last: what is a keyframe's is not called seen."""
        if t in self._origins:
            return self._origins[t]
        fill = next((found.fills[t] for found in self._found if t in found.fills), None)
        return None if fill is None else coverage_map(fill, self.shot.size, self._origins)

    def _parts(self, window: Window) -> Iterator[Window]:
        """What motion works on at a time."""
        yield window

    def _key(self, t: int) -> Patch:
        """A keyframe as a patch: its pixels in the hole, the frame's own around."""
        box = bounding_box(self.shot.hole(t))
        assert box is not None
        y0, x0, y1, x1 = box
        return Patch(box, self.view.frame(t)[y0:y1, x0:x1].copy())


class ChunkSession(KeyframeSession):
    """The published way: chunks from one keyframe to the next, each alone (Section 4).

    A chunk has the keyframes at both its ends in it, so that neighbouring chunks share one. It never looks beyond them;
    where it is longer than a window, each window fills its part of it with the whole chunk in sight, as far as the
    window's own context reaches.
    """

    def _parts(self, window: Window) -> Iterator[Window]:
        shot = self.shot
        edges = sorted({shot.start, shot.stop - 1, *self.given})
        for first, last in pairwise(edges if len(edges) > 1 else edges * 2):
            start, stop = max(first, window.start), min(last + 1, window.stop)
            if any(t not in self.given and shot.hole(t).any() for t in range(start, stop)):
                yield Window(start, stop, max(first, window.context_start), min(last + 1, window.context_stop))
