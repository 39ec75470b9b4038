"""The keyframe engine: a few frames are clean, the rest follows from them (Esser et al. 2022).

Keyframes are the user's own (``--keyframe``), or made by the two-stream network where its weights are present
(``vrm.engines.keyframe.generator``; only then torch is needed). The frames between are propagated by motion from the
keyframes on both sides and from wherever else the background is seen, mixed by expected error.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

from vrm.engines.base import Session, Shot
from vrm.engines.coverage import coverage_map
from vrm.engines.keyframe.keyframes import GeneratedKeyframes, KeyframeOrigins, KnownFrames, grid_times
from vrm.engines.motion import to_patch
from vrm.engines.shot import KeyframedShot
from vrm.errors import WeightsError
from vrm.events import Progress, counted, span
from vrm.motion.refinement.detail import restore_detail
from vrm.motion.result import Propagation
from vrm.options.remove import EngineOptions
from vrm.shots.windows import Window
from vrm.types import U8, Masks, Patch, Pixels, bounding_box
from vrm.weights.cards import find

if TYPE_CHECKING:
    from vrm.engines.keyframe.generator import KeyframeGenerator

_DETAIL = 1.25
"""Most that detail is strengthened: what is weaker than that was lost because the candidates disagree, and would come
back in the wrong place."""


class KeyframeEngine:
    """See the module; attributes as in ``vrm.engines.base.Engine``.

    Device and dtype are the network's, or the processor's where there is none; a network makes the keyframes that the
    user did not give (``generates``), which are kept for other processes (``keeps``).
    """

    name = "keyframe"
    labelled = False
    device, dtype = "cpu", "fp32"

    def __init__(self, options: EngineOptions) -> None:
        self.options = options
        self.generator: KeyframeGenerator | None = None
        network = None if options.weights == "none" else find(options.weights, "two-stream")
        if network is not None:
            from vrm.engines.keyframe.generator import load_generator
            from vrm.system.device import choose

            self.generator = load_generator(*network, choose(options), options.preset)
            self.device, self.dtype = self.generator.compute.names
        self.generates = self.keeps = self.generator is not None

    def split_points(self, start: int, stop: int, holes: Masks, given: Collection[int]) -> list[int]:
        """The keyframes of a shot, the user's and those that will be generated."""
        own = {t for t in given if start <= t < stop and holes.box(t) is not None}
        generated = grid_times(start, stop, lambda t: holes.box(t) is not None, own) if self.generates else []
        return sorted(own.union(generated))

    def prepare(self, shot: Shot, progress: Progress) -> Session:
        """Generate the keyframes that are missing, if there is a network, and return the session that fills the rest.

        Raises WeightsError: there is neither a network nor a keyframe in the shot.
        """
        own = [t for t in shot.keyframes if shot.start <= t < shot.stop and shot.hole(t).any()]
        given = KnownFrames(dict.fromkeys(own, shot.keyframes))
        generated, notes = GeneratedKeyframes(), []
        if self.generator is not None and shot.windows():
            from vrm.engines.keyframe.generator import generate_keyframes, network_size

            prealign = self.options.preset != "paper" and self.options.prefill is not False
            folder = None
            if self.options.fits is not None:
                folder = self.options.fits / f"keyframes-{shot.start}-{self.generator.compute.device.type}-{self.dtype}"
            generated = generate_keyframes(shot, given, self.generator, prealign, progress, folder)
            if generated.frames:
                made = counted(len(generated.frames), "keyframe was", "keyframes were")
                notes.append(f"{made} generated, {len(given)} are yours.")
                (h, w), size = network_size(shot.size), shot.size
                if (h, w) != size:
                    notes.append(
                        f"The network works at {w}x{h}: what it synthesises is enlarged to {size[1]}x{size[0]} and "
                        "softer than the rest. What motion finds in other frames keeps the video's own size."
                    )
        elif not given and shot.windows():
            raise WeightsError(
                f"The shot of {span(shot.start, shot.stop - 1)} has no keyframe, and there are no weights.",
                "Give a clean frame with --keyframe FRAME=IMAGE.",
            )
        kind = ChunkSession if self.options.preset == "paper" else KeyframeSession
        return kind(shot, given, generated, tuple(notes))


class KeyframeSession:
    """Propagation from keyframes, the user's ``own`` and the generated, and from everything else that is seen."""

    def __init__(
        self, shot: Shot, own: Mapping[int, Pixels], generated: GeneratedKeyframes, notes: tuple[str, ...] = ()
    ) -> None:
        self.shot, self.notes = shot, notes
        self.keyframes = KnownFrames(dict.fromkeys(generated.frames, generated.frames) | dict.fromkeys(own, own))
        self.view = KeyframedShot(shot, self.keyframes)
        self._origins = KeyframeOrigins(shot, own, generated.origins)
        self._found: list[Propagation] = []

    def fill(self, window: Window) -> dict[int, Patch]:
        self._found = []
        patches = {t: self._patch(t) for t in self.keyframes if window.start <= t < window.stop}
        for part in self._parts(window):
            found = self.shot.propagation(part, given=self.keyframes)
            self._found.append(found)
            for t, fill in found.fills.items():
                if part.start <= t < part.stop and fill.index.size:
                    rgb = restore_detail(fill, fill.rgb, found.size, _DETAIL)
                    patches[t] = to_patch(self.shot.frame(t), fill.index, rgb)
        return patches

    def origin(self, t: int) -> U8 | None:
        """The coverage map of a frame of the window that was filled last; a keyframe's pixels do not count as seen."""
        if t in self._origins:
            return self._origins[t]
        fill = next((found.fills[t] for found in self._found if t in found.fills), None)
        return None if fill is None else coverage_map(fill, self.shot.size, self._origins)

    def _parts(self, window: Window) -> Iterator[Window]:
        """The windows that motion fills one after the other."""
        yield window

    def _patch(self, t: int) -> Patch:
        """A keyframe as a patch: its pixels in the hole, the frame's own around."""
        box = bounding_box(self.shot.hole(t))
        assert box is not None
        y0, x0, y1, x1 = box
        return Patch(box, self.view.frame(t)[y0:y1, x0:x1].copy())


class ChunkSession(KeyframeSession):
    """The published way: chunks from one keyframe to the next, each alone (Section 4).

    A chunk holds the keyframes at both its ends, so that neighbouring chunks share one. Nothing beyond them is used;
    where it is longer than a window, each window fills its part of it with the whole chunk as context, as far as the
    window's own context reaches.
    """

    def _parts(self, window: Window) -> Iterator[Window]:
        shot = self.shot
        edges = sorted({shot.start, shot.stop - 1, *self.keyframes})
        for first, last in pairwise(edges if len(edges) > 1 else edges * 2):
            start, stop = max(first, window.start), min(last + 1, window.stop)
            if any(t not in self.keyframes and shot.hole(t).any() for t in range(start, stop)):
                yield Window(start, stop, max(first, window.context_start), min(last + 1, window.context_stop))
