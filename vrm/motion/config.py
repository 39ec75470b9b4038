"""The settings of motion, and what the presets make of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vrm.errors import UsageError

_SMALLEST = 400
"""Working frames are not halved below this, in pixels on the longer side: flow on them would be too coarse."""


@dataclass(frozen=True)
class MotionConfig:
    """How motion works.

    Attributes:
        rounds: flow is estimated this many times, each time on better filled frames.
        longest: longer side of the working frames, on which flow is estimated, in pixels.
        max_error: trajectories whose accumulated forward-backward error is larger, in working pixels, are dropped.
        screening: weight of the sampled colours against the sampled gradients in gradient-domain blending.
        sharpness: candidates are weighted by their expected error to the power of minus this, see ``fusion.fusion``.
        nonlocal_frames: how many non-local frames are aligned directly with each frame; 0 = none.
        nonlocal_candidates: how many of them become candidates at each pixel.
        calibrate: correct the level of expected errors for the clip at hand, on held-out pixels.
        filter_strength: share of neighbour frames in the temporal filter where nothing was seen; 0 = no filter.
        filter_power: that share goes with ``(1 - confidence)`` to this power.
        bidirectional: move the trajectories of both directions to where they agree.
        keyframe_blend: share of a keyframe in the frames next to it, 0..1; 0 = no blending.
        own_motion: what moves by itself behind the holes is followed as a layer, and nearby frames are asked what lay
            beside such surroundings.
    """

    rounds: int = 3
    longest: int = 960
    max_error: float = 8.0
    screening: float = 0.003
    sharpness: float = 4.0
    nonlocal_frames: int = 0
    nonlocal_candidates: int = 2
    calibrate: bool = True
    filter_strength: float = 1.0
    filter_power: float = 1.0
    bidirectional: bool = False
    keyframe_blend: float = 0.9
    own_motion: bool = False

    def with_keyframes(self) -> MotionConfig:
        """For a shot with keyframes: the same, tuned for the least error.

        What keyframes show is seen from both directions and several times, but not always exactly where it should be:
        averaging more candidates and more neighbour frames has less error there than choosing one.
        """
        return replace(
            self,
            bidirectional=True,
            nonlocal_candidates=4,
            sharpness=2.5,
            filter_power=0.25,
            own_motion=False,
        )

    def __post_init__(self) -> None:
        if not 1 <= self.rounds <= 10:
            raise UsageError(f"{self.rounds} rounds of motion are not 1 to 10.")
        if self.longest < 64:
            raise UsageError(f"Flow on frames of {self.longest} pixels is too coarse.", "Give at least 64.")
        counts = (self.screening, self.nonlocal_frames, self.nonlocal_candidates, self.filter_strength)
        if self.max_error <= 0 or min(counts) < 0:
            raise UsageError("Motion takes a positive max_error, and nothing negative.")
        if not 0 <= self.keyframe_blend <= 1:
            raise UsageError(f"A share of {self.keyframe_blend} is not 0 to 1.")

    def sizes(self, size: tuple[int, int]) -> list[int]:
        """The longer side of the working frames of each round, for a shot of ``(height, width)``.

        They double from round to round, from no less than ``_SMALLEST``: before the last round coarse flow does.
        """
        last = min(self.longest, max(size))
        halved = [last >> k for k in range(self.rounds) if k == 0 or last >> k >= _SMALLEST]
        return [halved[min(k, len(halved) - 1)] for k in reversed(range(self.rounds))]

    @classmethod
    def for_preset(cls, preset: str) -> MotionConfig:
        """The settings of a preset: "fast", "balanced" or "best"."""
        presets = {
            "fast": cls(rounds=2, longest=640, nonlocal_frames=3, calibrate=False),
            "balanced": cls(rounds=2, nonlocal_frames=14, nonlocal_candidates=4, sharpness=3.0, own_motion=True),
            "best": cls(rounds=4, nonlocal_frames=24, nonlocal_candidates=4, sharpness=3.0, own_motion=True),
        }
        if preset not in presets:
            raise UsageError(f"Motion knows no preset '{preset}'.", "Use fast, balanced or best.")
        return presets[preset]
