"""Which frames of a shot become keyframes, and the keyframes that are known by number. Nothing here needs torch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field

import numpy as np

from vrm.engines.base import Shot
from vrm.report.coverage import GIVEN
from vrm.shots.highlights import KEYFRAME_GRID
from vrm.types import U8, Pixels

_GAP = KEYFRAME_GRID // 2
"""Frames without a hole that do not end a passage of holes."""


@dataclass(frozen=True, eq=False)
class KnownFrames(Mapping[int, Pixels]):
    """Complete frames by number, each read from its own store when it is asked for."""

    stores: Mapping[int, Mapping[int, Pixels]]  # for each frame number the mapping that holds the frame

    def __getitem__(self, t: int) -> Pixels:
        return self.stores[t][t]

    def __contains__(self, t: object) -> bool:
        return t in self.stores

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self.stores))

    def __len__(self) -> int:
        return len(self.stores)


@dataclass
class GeneratedKeyframes:
    """Generated frames and their coverage maps, by number; both are on disk where the shot has a folder for them."""

    frames: MutableMapping[int, Pixels] = field(default_factory=dict)
    origins: MutableMapping[int, Pixels] = field(default_factory=dict)


class KeyframeOrigins(Mapping[int, U8]):
    """Coverage maps (``vrm.engines.coverage``) of all keyframes: the hole of a user's keyframe is ``GIVEN``."""

    def __init__(self, shot: Shot, own: Collection[int], generated: Mapping[int, Pixels]) -> None:
        self._shot, self._own, self._generated = shot, own, generated

    def __getitem__(self, t: int) -> U8:
        if t in self._generated:
            return self._generated[t].astype(np.uint8, copy=False)
        if t in self._own:
            return self._shot.hole(t).astype(np.uint8) * np.uint8(GIVEN)
        raise KeyError(t)

    def __contains__(self, t: object) -> bool:
        return t in self._generated or t in self._own

    def __iter__(self) -> Iterator[int]:
        return iter(sorted({*self._generated, *self._own}))

    def __len__(self) -> int:
        return len({*self._generated, *self._own})


def grid_times(start: int, stop: int, holed: Callable[[int], bool], given: Collection[int]) -> list[int]:
    """Frames to generate, ascending: every 20th of the shot ``start..stop-1`` that has a hole.

    A passage of holes between two of these gets its middle frame. Frames near a keyframe that was given in the same
    passage are left out.
    """
    times = []
    for first, last in _passages(t for t in range(start, stop) if holed(t)):
        passage = range(first, last + 1)
        found = [t for t in range(start, stop, KEYFRAME_GRID) if t in passage and holed(t)]
        if not found:
            frames = [t for t in passage if holed(t)]
            found = [frames[len(frames) // 2]]
        near = [k for k in given if k in passage]
        times += [t for t in found if not any(abs(t - k) < KEYFRAME_GRID for k in near)]
    return times


def _passages(holed: Iterable[int]) -> list[tuple[int, int]]:
    """First and last frame of each run of frames, short gaps closed."""
    found: list[tuple[int, int]] = []
    for t in holed:
        if found and t - found[-1][1] <= _GAP:
            found[-1] = found[-1][0], t
        else:
            found.append((t, t))
    return found
