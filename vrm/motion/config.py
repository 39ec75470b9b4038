"""What the presets mean for motion."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from vrm.errors import UsageError


@dataclass(frozen=True)
class MotionConfig:
    """How motion works.

    Attributes:
        rounds: flow is estimated this many times, each time on better filled frames.
        longest: longer side of the frames flow is estimated on, pixels.
        raft: weights of torchvision's ``raft_large`` (safetensors), to estimate flow with it; None = DIS.
        bound: chains whose summed forward-backward error passes this many working pixels are dropped.
        anchor: weight of sampled colours against sampled gradients when seams are closed.
        sharpness: weights go with the expected error to the power of minus this, see ``vrm.motion.fusion.fusion``.
        sources: far frames aligned directly with each frame; 0 = none.
        distant: how many of them are kept as candidates at each pixel.
        steady: strength of the averaging over time of what is uncertain; 0 = none.
        doubt: that averaging's share goes with ``(1 - confidence)`` to this power.
        holdback: judge the candidates of the clip on known pixels hidden on purpose.
        meet: move the trajectories of the two sides to where they agree (``vrm.motion.trajectories.bidirectional``).
        fade: share of a frame known whole in the frames next to it, 0..1 (``vrm.motion.refinement.keyframe_blend``); 0
            = none.
    """

    rounds: int = 3
    longest: int = 960
    raft: Path | None = None
    bound: float = 8.0
    anchor: float = 0.003
    sharpness: float = 4.0
    sources: int = 0
    distant: int = 2
    steady: float = 1.0
    doubt: float = 1.0
    holdback: bool = True
    meet: bool = False
    fade: float = 0.9

    def with_keyframes(self) -> MotionConfig:
        """For a shot with frames known whole: both sides meet, and more candidates are averaged.

        The least error is asked for there: what was seen several times, or is not quite where it should be, has less on
        average, over candidates as over neighbour frames.
        """
        return replace(self, meet=True, distant=2 * self.distant, sharpness=2.5, doubt=0.25)

    def __post_init__(self) -> None:
        if not 1 <= self.rounds <= 10:
            raise UsageError(f"{self.rounds} rounds of motion are not 1 to 10.")
        if self.longest < 64:
            raise UsageError(f"Flow on frames of {self.longest} pixels is too coarse.", "Give at least 64.")
        if self.bound <= 0 or self.anchor < 0 or self.sources < 0 or self.distant < 0 or self.steady < 0:
            raise UsageError("Motion takes a positive bound, and nothing negative.")
        if not 0 <= self.fade <= 1:
            raise UsageError(f"A share of {self.fade} is not 0 to 1.")

    @classmethod
    def for_preset(cls, preset: str) -> MotionConfig:
        """The settings of a preset: "fast", "balanced" or "best"."""
        presets = {
            "fast": cls(rounds=3, holdback=False),
            "balanced": cls(rounds=3, sources=14),
            "best": cls(rounds=4, sources=24),
        }
        if preset not in presets:
            raise UsageError(f"Motion knows no preset '{preset}'.", "Use fast, balanced or best.")
        return presets[preset]
