"""Each pixel of a followed mask is coloured as the thing that it came from."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import cv2
import numpy as np

from page import made
from page.conftest import Tab
from vrm.media.read.probe import probe
from vrm.options.session import PickSession, Thing
from vrm.page.belonging import followed_things, labels_of
from vrm.page.followed import FACTS, MASKS, Followed
from vrm.page.state import PageState
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
    assert followed_things(session) == list(things)
    found = dict(labels_of(masks, info, followed_things(session)))
    assert sorted(found) == list(range(made.FRAMES))
    for t in (10, 12, 19):
        assert (found[t][tops[t]] == 1).all(), t
        assert (found[t][lows[t]] == 2).all(), t
    for t in (0, 4):
        assert (found[t][tops[t]] == 1).all(), t
        assert (found[t][lows[t]] == 2).all(), t


def test_a_thing_that_begins_on_a_frame_hides_nothing_that_was_followed_to_it(
    tab: Tab, page: PageState, tmp_path: Path
) -> None:
    x0, y0, x1, y1 = made.square(6)
    mask = np.zeros(made.SIZE, np.uint8)
    mask[y0:y1, x0:x1] = 255
    (tmp_path / MASKS).mkdir()
    cv2.imwrite(str(tmp_path / MASKS / "00006.png"), mask)
    facts = {"shots": [[0, 20]], "things": [1], "areas": [0.0] * 20, "sureness": {}, "notes": [], "lines": []}
    (tmp_path / FACTS).write_text(json.dumps(facts))
    tab.edit(do="box", frame=0, box=made.square(0))
    page.followed = Followed(tmp_path, page.session.words())
    tab.edit(do="box", frame=6, box=[90, 60, 110, 80])
    shown = cv2.imdecode(
        np.frombuffer(base64.b64decode(tab.get("api/overlay/6").json()["png"]), np.uint8), cv2.IMREAD_UNCHANGED
    )
    first, second = (colour_of(thing.colour) for thing in page.session.things)
    assert (shown[y0 + 5 : y1 - 5, x0 + 5 : x1 - 5, :3] == first).all()
    there = shown[..., 3] > 0
    there[y0:y1, x0:x1] = False
    assert there.any()
    assert (shown[there][:, :3] == second).all()
    assert page.mask(6)[y0:y1, x0:x1].all()


def colour_of(text: str) -> tuple[int, ...]:
    """Blue, green and red."""
    return tuple(int(text[k : k + 2], 16) for k in (5, 3, 1))
