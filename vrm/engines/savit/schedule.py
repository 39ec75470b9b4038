"""Which frames SAVIT's network sees together, and how its overlapping predictions are averaged."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FrameSchedule:
    """The runs of the network over a shot."""

    stride: int = 5  # frames between the centres of two runs
    reach: int = 5  # a run fills the frames up to this distance from its centre
    every: int = 10  # distance of the shot's reference frames, which a run sees and does not fill
    references: int = 8  # most of a run, the nearest ones, so that memory does not grow with the shot
    area: float = 1.0  # pixels the network works on, as a multiple of those it was trained on
    # work on the surroundings of the hole, at native size where ``area`` allows; else on the whole frame at the size of
    # training
    crop: bool = True
    halves: bool = False  # average predictions as published: each new one counts as much as all before it

    def centres(self, start: int, first: int, last: int) -> list[int]:
        """The centres, counted from the shot's start, of the runs that fill a frame of ``first..last-1``."""
        lowest = max(0, -(-(first - self.reach - start) // self.stride))
        return [start + k * self.stride for k in range(lowest, (last - 1 + self.reach - start) // self.stride + 1)]

    def centres_of(self, t: int, start: int, stop: int) -> list[int]:
        """The centres of the runs that fill frame t: inside the shot, unless only one beyond it reaches t."""
        centres = self.centres(start, t, t + 1)
        return [c for c in centres if c < stop] or centres

    def neighbours(self, centre: int, start: int, stop: int) -> range:
        return range(max(start, centre - self.reach), min(stop, centre + self.reach + 1))

    def references_of(self, centre: int, start: int, stop: int) -> list[int]:
        """The reference frames of a run, ascending: the nearest ones that are not its neighbours."""
        near = self.neighbours(centre, start, stop)
        found = [t for t in range(start, stop, self.every) if t not in near]
        return sorted(sorted(found, key=lambda t: (abs(t - centre), t))[: self.references])

    def weights(self, t: int, start: int, stop: int) -> dict[int, float]:
        """The weight of each centre's prediction in frame t; they sum to 1, whatever the order of the runs."""
        centres = self.centres_of(t, start, stop)
        if self.halves:
            n = len(centres)
            return {c: 0.5 ** (n - max(k, 1)) for k, c in enumerate(centres)}
        closeness = {c: self.reach + 1 - abs(t - c) for c in centres}
        total = sum(closeness.values())
        return {c: value / total for c, value in closeness.items()}


SCHEDULES = {
    "fast": FrameSchedule(stride=10, reach=6, every=20, references=3, area=0.5),
    "balanced": FrameSchedule(references=8),
    "best": FrameSchedule(references=16, area=2.0),
    "paper": FrameSchedule(references=24, crop=False, halves=True),
}
"""By preset. As published there is no bound on the references; 24 is more than any clip of DAVIS or YouTube-VOS has."""
