"""Each pixel of a followed mask is coloured as the thing that it came from."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from page import made
from vrm.media.read.probe import probe
from vrm.options.session import PickSession, Thing
from vrm.page.belonging import coloured_things, labels_of
from vrm.types import Masks


def test_two_things_that_change_sides(tmp_path: Path) -> None:
    """One goes right along the top, one left along the bottom; in the end each is where the other began."""
    info = probe(made.write(tmp_path / "square.mp4"))
    masks = Masks(made.SIZE, made.FRAMES)
    tops = [np.s_[10:30, 5 + 5 * t : 25 + 5 * t] for t in range(made.FRAMES)]
    lows = [np.s_[60:80, 100 - 5 * t : 120 - 5 * t] for t in range(made.FRAMES)]
    for t in range(made.FRAMES):
        mask = np.zeros(made.SIZE, bool)
        mask[tops[t]] = mask[lows[t]] = True
        masks[t] = mask
    things = (
        Thing(4, "top", "#e0527a", boxes=((45.0, 8.0, 67.0, 32.0, 8.0),)),
        Thing(9, "low", "#3d8bfd", points=((50.0, 70.0, 10.0),)),
    )
    session = PickSession("any.mp4", made.SIZE, made.FRAMES, 0, things)
    assert coloured_things(session) == list(things)
    found = dict(labels_of(masks, info, coloured_things(session)))
    assert sorted(found) == list(range(made.FRAMES))
    for t in (10, 12, 19):
        assert (found[t][tops[t]] == 1).all(), t
        assert (found[t][lows[t]] == 2).all(), t
    for t in (0, 4):
        assert (found[t][tops[t]] == 1).all(), t
        assert (found[t][lows[t]] == 2).all(), t


def test_one_thing_needs_no_telling_apart() -> None:
    session = PickSession(
        "any.mp4", (96, 128), 20, 0, (Thing(1, "one", "#e0527a", boxes=((1.0, 2.0, 30.0, 40.0, 0.0),)),)
    )
    assert coloured_things(session) == []
