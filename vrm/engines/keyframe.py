"""The keyframe engine: a few frames are clean, the rest follows from them (Esser et al. 2022).

Keyframes are the user's own (``--keyframe``), or made by the two-stream network where its weights are present
(``vrm.engines.generate``). The frames between are propagated by motion from the keyframes on both sides and from
wherever else the background is seen, mixed by expected error.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from vrm.engines.base import Given, Progress, Session, Shot, Window
from vrm.engines.generate import GRID, Generator, generate_keyframes, load_generator
from vrm.engines.internal import to_patch
from vrm.errors import WeightsError
from vrm.motion.detail import restore_detail
from vrm.options import EngineOptions
from vrm.train.device import choose
from vrm.types import Patch, Pixels, bounding_box


class KeyframeEngine:
    """See the module. Attributes ``device`` and ``dtype`` say what was chosen, in words.

    Attributes:
        generates: whether a network makes the keyframes that the user did not give.
    """

    name = "keyframe"
    labelled = False

    def __init__(self, options: EngineOptions) -> None:
        self.options = options
        self.compute = choose(options)
        self.device, self.dtype = self.compute.names
        self.generator: Generator | None = load_generator(options.weights, self.compute)
        self.generates = self.generator is not None

    def prepare(self, shot: Shot, progress: Progress) -> Session:
        """Generate the keyframes that are missing, if there is a network, and return the session that fills the rest.

        Raises:
            WeightsError: there is neither a network nor a keyframe in the shot.
        """
        given = {t: image for t, image in shot.keyframes.items() if shot.start <= t < shot.stop and shot.hole(t).any()}
        notes: tuple[str, ...] = ()
        if self.generator is not None:
            alone = self.options.preset == "paper" or self.options.prefill is False
            made = generate_keyframes(shot, given, self.generator, not alone, progress)
            notes = (f"{len(made)} keyframes were generated, {len(given)} are yours.",) if made else ()
            given = made | given
        elif not given and shot.windows():
            raise WeightsError(
                f"The shot of frames {shot.start} to {shot.stop - 1} has no keyframe, and there are no weights.",
                "Give a clean frame with --keyframe FRAME=IMAGE.",
            )
        if self.options.preset == "paper":
            return ChunkSession(shot, given, notes)
        return KeyframeSession(shot, given, notes)


class KeyframeSession:
    """Propagation from keyframes and from everything else that is seen."""

    def __init__(self, shot: Shot, given: Mapping[int, Pixels], notes: tuple[str, ...] = ()) -> None:
        self.shot, self.given, self.notes = shot, given, notes
        self.view = Given(shot, given)

    def fill(self, window: Window) -> dict[int, Patch]:
        """Patches of the window's frames that have a hole."""
        patches = {t: self._key(t) for t in self.given if window.start <= t < window.stop}
        found = self.shot.propagation(window, given=self.given)
        for t, fill in found.fills.items():
            if window.start <= t < window.stop and fill.index.size:
                patches[t] = to_patch(self.shot.frame(t), fill.index, restore_detail(fill, fill.rgb, found.size))
        return patches

    def _key(self, t: int) -> Patch:
        """A keyframe as a patch: its pixels in the hole, the frame's own around."""
        box = bounding_box(self.shot.hole(t))
        assert box is not None
        y0, x0, y1, x1 = box
        return Patch(box, self.view.frame(t)[y0:y1, x0:x1].copy())


class ChunkSession(KeyframeSession):
    """The published way: chunks from one keyframe to the next, each alone (Section 4).

    A chunk ends at, and has in it, the keyframe that the next one begins with.
    """

    def fill(self, window: Window) -> dict[int, Patch]:
        """Patches of the window's frames that have a hole."""
        edges = sorted({window.start, window.stop, *(t for t in self.given if window.start < t < window.stop)})
        patches: dict[int, Patch] = {}
        for start, stop in pairwise(edges):
            last = min(stop + 1, self.shot.stop)
            first = max([t for t in self.given if t <= start], default=max(self.shot.start, start - GRID))
            chunk = Window(start, stop, max(first, window.context_start), min(last, window.context_stop))
            patches |= super().fill(chunk)
        return patches
