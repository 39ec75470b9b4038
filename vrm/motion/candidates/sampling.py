"""The candidates of one frame at full size and in colour, each sampled once from its source frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vrm.motion.candidates.distant_frames import Pick
from vrm.motion.frames import WorkingFrames, unit
from vrm.motion.fusion.fusion import (
    Guess,
    Kind,
    Trust,
    distant_prior,
    judge,
    length_scale,
    spatial_prior,
    trajectory_prior,
)
from vrm.motion.fusion.gradient_domain import own_differences
from vrm.motion.fusion.spatial import spatial_fill
from vrm.motion.poisson import Array
from vrm.motion.trajectories.foreground import Sorted, Things
from vrm.motion.trajectories.tracker import MARGIN, Tracks, box_around, gather, look_up
from vrm.types import Bool, Box


@dataclass
class FrameGuesses:
    """All guesses at the hole of one frame, full size.

    Attributes:
        box: the part of the frame worked on.
        part: float32 ``(h, w, 3)``: that part, the hole filled spatially.
        inside: bool ``(h, w)``: the hole there, N pixels.
        index: int64 ``(N,)``: flat indices in the frame.
        guesses: by name.
        source: int32 ``(N,)`` by name: the source frame, -1 where there is none.
        place: int32 ``(N,)`` by name: flat index of the pixel there.
    """

    box: Box
    part: Array
    inside: Bool
    index: np.ndarray
    guesses: dict[str, Guess]
    source: dict[str, np.ndarray]
    place: dict[str, np.ndarray]


_Seen = dict[str, tuple[Kind, np.ndarray, Array, Array]]
"""By name: kind, source frames, places in them, and priors."""

_DOUBT = np.float32(0.7)
"""Added to the log expected error of what was taken for a thing where nothing else is seen."""

_PIECE = np.float32(0.3)
"""Taken from that of a thing that moved as one piece: its expected difference is measured on the thing itself."""


def _sorted(seen: _Seen, apart: Sorted, t: int) -> _Seen:
    """The background without things in front of it, and the things; where nothing would be left, all that was seen."""
    background = {name: apart.background(source, xy) for name, (_, source, xy, _) in seen.items()}
    things: _Seen = {
        name: ("trajectory", source, xy, trajectory_prior(drift, np.abs(source - t)))
        for name, (source, xy, drift) in apart.things.items()
    }
    things |= {
        name: ("distant", source, xy, distant_prior(error) - _PIECE) for name, (source, xy, error) in apart.held.items()
    }
    left = np.any([s >= 0 for s in (*background.values(), *(thing[1] for thing in things.values()))], axis=0)
    out: _Seen = {}
    for name, (kind, source, xy, prior) in seen.items():
        kept = np.where(left, background[name], source)
        out[name] = kind, kept, xy, np.where(left, prior, prior + _DOUBT)
    first = {name: one for name, one in out.items() if one[0] == "trajectory"}
    return {**first, **things, **out}


class Grid:
    """A frame's hole pixels at full size, and the working pixel each belongs to."""

    def __init__(self, frames: WorkingFrames, index: np.ndarray) -> None:
        self.scale, (height, width) = frames.scale, frames.shot.size
        self.limit = np.array([width - 1, height - 1], np.float32)
        rows, cols = np.divmod(index, width)
        h, w = frames.size
        self.rows = np.minimum(((rows + 0.5) * h / height).astype(np.int64), h - 1)
        self.cols = np.minimum(((cols + 0.5) * w / width).astype(np.int64), w - 1)
        self.here = np.stack([cols, rows], -1).astype(np.float32)
        self.near = np.stack([self.cols, self.rows], -1).astype(np.float32)

    def place(self, xy: Array) -> Array:
        """Places in a source frame at full size, from those of the working pixels."""
        full: Array = (xy - self.near) / np.float32(self.scale) + self.here
        return np.clip(full, 0, self.limit)


def frame_guesses(
    frames: WorkingFrames,
    t: int,
    tracks: Tracks,
    picked: Pick | None,
    bound: float,
    trust: Trust,
    hole: Bool | None = None,
    things: Things | None = None,
) -> FrameGuesses:
    """Collect what trajectories, far frames and the frame itself say about the hole of frame t.

    Args:
        frames: the working frames, which know the shot.
        t: a frame whose hole is not empty.
        tracks: with trails of frame t.
        picked: far frames for the hole's working pixels, or None.
        bound: trajectories of more drift than this many working pixels are not used.
        trust: how errors are in this clip.
        hole: bool ``(H, W)``, the pixels asked for; the shot's hole by default.
        things: with trails of what moves by itself, or None.
    """
    shot = frames.shot
    whole = shot.hole(t)
    hole = whole if hole is None else hole
    index = np.flatnonzero(hole)
    at = Grid(frames, index)
    y0, x0, y1, x1 = box = box_around(whole, round(MARGIN / frames.scale))
    missing = np.ascontiguousarray(whole[y0:y1, x0:x1])
    inside = np.ascontiguousarray(hole[y0:y1, x0:x1])
    part = spatial_fill(unit(shot.frame(t)[y0:y1, x0:x1]), missing)
    guesses: dict[str, Guess] = {}
    sources: dict[str, np.ndarray] = {}
    places: dict[str, np.ndarray] = {}

    def add(name: str, kind: Kind, source: np.ndarray, xy: Array, prior: Array) -> None:
        full = at.place(xy)
        colour, differences = gather(
            lambda s, b: unit(shot.frame(s)[b[0] : b[2], b[1] : b[3]]), shot.size, source, full, 3
        )
        guesses[name] = Guess(kind, colour, differences, source >= 0, prior)
        near = np.rint(full).astype(np.int32)
        sources[name], places[name] = source.astype(np.int32), near[:, 1] * shot.size[1] + near[:, 0]

    seen: dict[str, tuple[Kind, np.ndarray, Array, Array]] = {}
    for name, trail in (("backward", tracks.backward.get(t)), ("forward", tracks.forward.get(t))):
        source, xy, drift = look_up(trail, at.rows, at.cols, bound)
        seen[name] = "trajectory", source, xy, trajectory_prior(drift, np.abs(source - t))
    if picked is not None:
        number = np.full(frames.size, -1, np.int64)
        number[frames.hole(t)] = np.arange(picked.source.shape[1])
        column = number[at.rows, at.cols]
        for k in range(len(picked.source)):
            source = np.where(column >= 0, picked.source[k][column], -1)
            seen[f"distant{k}"] = "distant", source, picked.xy[k][column], distant_prior(picked.error[k])[column]
    if things is not None:
        seen = _sorted(seen, things.sort(t, at.rows, at.cols, bound), t)
    for name, (kind, source, xy, prior) in seen.items():
        add(name, kind, source, xy, prior)
    everywhere = np.ones(len(index), np.bool_)
    scale = length_scale(shot.size)
    prior = spatial_prior(part, missing, scale)[inside[missing]]
    guesses["spatial"] = Guess("spatial", part[inside], own_differences(part, inside), everywhere, prior)
    judge(list(guesses.values()), inside, scale, trust)
    return FrameGuesses(box, part, inside, index, guesses, sources, places)
