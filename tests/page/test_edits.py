"""What is said on the page becomes words of the command line, can be taken back, and is kept in a session's file."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from page import made
from page.conftest import Tab
from vrm.errors import UsageError, VideoError
from vrm.options.build import build_options
from vrm.options.session import MOST_PLACES, read_session, session_video
from vrm.page.server import opened
from vrm.page.state import PageState


def test_a_box_makes_a_thing_and_the_command_names_it(tab: Tab, video: Path) -> None:
    state = tab.edit(do="box", frame=3, box=[40, 60, 10.04, 20])
    (thing,) = state["things"]
    assert thing["boxes"] == [[10, 20, 40, 60, 3]]
    words = shlex.split(state["commands"]["shell"])
    assert words[:5] == ["vrm", "remove", str(video), "--box", "10,20,40,60@3"]
    assert words[-2:] == ["-o", str(video.with_name("square-clean.mp4"))]
    assert "box='10,20,40,60@3'" in state["commands"]["python"]
    compile(state["commands"]["python"], "shown", "exec")


def test_clicks_belong_to_the_thing_that_is_chosen(tab: Tab) -> None:
    tab.edit(do="box", frame=0, box=[10, 20, 40, 60])
    state = tab.edit(do="point", frame=2, thing=1, x=50.7, y=31.2, stays=True)
    state = tab.edit(do="point", frame=2, thing=None, x=90, y=31)
    assert [thing["not_points"] for thing in state["things"]] == [[[50, 31, 2]], []]
    assert state["things"][1]["points"] == [[90, 31, 2]]
    assert state["things"][0]["colour"] != state["things"][1]["colour"]
    assert "--point 90,31@2 --not-point 50,31@2 --box 10,20,40,60" in state["commands"]["shell"]


def test_a_second_box_on_the_frame_is_another_thing(tab: Tab) -> None:
    tab.edit(do="box", frame=0, box=[10, 20, 40, 60])
    state = tab.edit(do="box", frame=0, thing=1, box=[60, 20, 80, 60])
    assert len(state["things"]) == 2
    state = tab.edit(do="box", frame=9, thing=1, box=[30, 20, 60, 60])
    assert [len(thing["boxes"]) for thing in state["things"]] == [2, 1]


def test_what_is_said_outside_the_range_does_not_count_there(tab: Tab, page: PageState) -> None:
    tab.edit(do="box", frame=0, box=[10, 20, 40, 60])
    tab.edit(do="point", frame=9, thing=1, x=30, y=31)
    tab.edit(do="box", frame=3, box=[1, 2, 30, 40], every=True)
    tab.edit(do="set", settings={"start": "5f", "end": "12f"})
    words = page.session.words()
    assert ("box" in words, words["point"], words["static_box"]) == (False, ["30,31@9"], ["1,2,30,40"])
    tab.edit(do="rename", thing=1, name="the red one")
    tab.edit(do="set", settings={"start": "10f", "end": "12f"})
    error = tab.get("api/state").json()["commands"]["error"]
    assert "Nothing is said of the red one on the frames of the range" in error
    assert "box" in tab.edit(do="set", settings={"start": "", "end": ""})["commands"]["shell"]


def test_undo_and_redo(tab: Tab) -> None:
    tab.edit(do="box", frame=0, box=[10, 20, 40, 60])
    tab.edit(do="toggle", thing=1, on=False)
    state = tab.edit(do="undo")
    assert (state["things"][0]["on"], state["undo"], state["redo"]) == (True, True, True)
    assert tab.edit(do="redo")["things"][0]["on"] is False
    tab.edit(do="undo")
    tab.edit(do="undo")
    state = tab.edit(do="undo")
    assert (state["things"], state["undo"]) == ([], False)


def test_rectangles_go_on_every_frame_beside_what_is_followed(tab: Tab) -> None:
    state = tab.edit(do="box", frame=5, box=[0, 0, 30, 10], every=True)
    assert "--static-box 0,0,30,10" in state["commands"]["shell"]
    assert "@" not in state["commands"]["shell"]
    state = tab.edit(do="box", frame=5, box=[50, 40, 80, 60])
    assert "--box 50,40,80,60@5 --static-box 0,0,30,10" in state["commands"]["shell"]
    assert "static_box='0,0,30,10'" in state["commands"]["python"]
    assert "report='" in state["commands"]["python"]
    assert "static" not in tab.edit(do="toggle", thing=1, on=False)["commands"]["shell"]


def test_a_rectangle_is_the_rectangle(tab: Tab, page: PageState) -> None:
    tab.edit(do="box", frame=5, box=[8, 4, 40, 20], every=True)
    overlay = tab.get("api/overlay/11").json()
    assert overlay["area"] == pytest.approx(32 * 16 / (96 * 128), abs=1e-4)


@pytest.mark.parametrize(
    "asked",
    [
        {"do": "box", "frame": 20, "box": [1, 2, 30, 40]},
        {"do": "box", "frame": -1, "box": [1, 2, 30, 40]},
        {"do": "box", "frame": 0, "box": [5, 5, 5.5, 60]},
        {"do": "box", "frame": 0, "box": [5, 5, "x", 60]},
        {"do": "box", "frame": 0, "box": [5, 5, float("nan"), 60]},
        {"do": "point", "frame": 0, "x": 3},
        {"do": "point", "frame": 0, "x": 3, "y": 3, "stays": True},
        {"do": "point", "frame": 0, "x": 3, "y": 3, "thing": 7},
        {"do": "delete", "thing": 7},
        {"do": "set", "settings": {"engine": "none-of-these"}},
        {"do": "set", "settings": {"save_masks": "/tmp/anywhere"}},
        {"do": "set", "settings": {"preset": ["fast"]}},
        {"do": "stroke", "frame": 0, "points": [], "radius": 4},
        {"do": "stroke", "frame": 0, "points": [[1, 2]], "radius": -1},
        {"do": "stroke", "frame": 0, "points": [[1, 2]] * 6000, "radius": 3},
        {"do": "name", "kind": "class", "name": "  "},
    ],
)
def test_what_cannot_be_said_is_refused_and_changes_nothing(tab: Tab, asked: dict[str, Any]) -> None:
    body = json.dumps(asked)
    headers = {"Origin": "http://127.0.0.1:8437", "Content-Type": "application/json"}
    answer = tab.client.post("/a-token-of-the-tests/api/edit", content=body, headers=headers)
    assert answer.status_code == 409
    assert len(answer.json()["error"]) > 20
    state = tab.get("api/state").json()
    assert (state["things"], state["settings"], state["undo"]) == ([], {}, False)


def test_ten_thousand_clicks_end_in_a_sentence(page: PageState) -> None:
    page.edit({"do": "box", "frame": 0, "box": [10, 20, 40, 60]})

    def click() -> None:
        for n in range(10_000):
            page.edit({"do": "point", "frame": n % 20, "x": n % 128, "y": n % 96, "thing": 1})

    with pytest.raises(UsageError, match="clicks and boxes"):
        click()
    assert len(page.session.things[0].places) == MOST_PLACES


def test_painting_starts_from_what_goes_and_is_the_mask_of_the_command(tab: Tab, page: PageState) -> None:
    tab.edit(do="stroke", frame=4, points=[[40, 40], [60, 40]], radius=5)
    state = tab.edit(do="stroke", frame=4, points=[[60, 40]], radius=3, erase=True, thing=1)
    assert state["things"][0]["painted"] == [4]
    words = shlex.split(state["commands"]["shell"])
    path, at = words[words.index("--mask") + 1].split("@")
    mask = cv2.imread(path, cv2.IMREAD_GRAYSCALE) > 0
    assert at == "4"
    assert mask[40, 50]
    assert not mask[40, 60]
    assert not mask[40, 30]
    y, x = np.mgrid[:96, :128]
    capsule = np.hypot(x - np.clip(x, 40, 60), y - 40) <= 5
    wrong = (mask != (capsule & (np.hypot(x - 60, y - 40) > 3))).sum()
    assert wrong < 0.12 * capsule.sum()
    assert tab.edit(do="clear", thing=1, frame=4)["things"][0]["painted"] == []


def test_painting_takes_boxes_and_clicks_of_the_frame_in(tab: Tab) -> None:
    tab.edit(do="box", frame=4, box=made.square(4))
    tab.edit(do="box", frame=9, thing=1, box=made.square(9))
    state = tab.edit(do="stroke", frame=4, points=[[5, 5]], radius=3, thing=1)
    (thing,) = state["things"]
    assert (thing["painted"], [box[4] for box in thing["boxes"]]) == ([4], [9])
    overlay = tab.get("api/overlay/4").json()
    x0, y0, x1, y1 = made.square(4)
    assert overlay["area"] == pytest.approx(((x1 - x0) * (y1 - y0) + np.pi * 9) / (96 * 128), rel=0.25)


def test_a_saved_session_says_the_same(tab: Tab, page: PageState, video: Path) -> None:
    tab.edit(do="box", frame=4, box=made.square(4))
    tab.edit(do="rename", thing=1, name="  the   red one ")
    tab.edit(do="set", settings={"preset": "fast", "start": "2f"})
    tab.edit(do="stroke", frame=11, points=[[70, 40]], radius=9, thing=1)
    saved = Path(tab.post("api/save", {"what": "session"}).json()["path"])
    assert saved == video.with_name("square-pick.json")
    session = read_session(saved)
    assert session.words() == page.session.words()
    assert session.things[0].name == "the red one"
    by_file, by_words = build_options(session=str(saved)), build_options(**session.words())
    assert (by_file.mask, by_file.engine, by_file.start) == (by_words.mask, by_words.engine, by_words.start)
    assert build_options(session=str(saved), preset="best", static_mask=False).engine.preset == "best"
    assert opened(saved)[1:] == (session, saved)


def test_a_line_of_text_stays_as_it_was_read(tab: Tab, page: PageState) -> None:
    refused = tab.post("api/edit", {"do": "line", "text": "Hello", "on": False})
    assert refused.status_code == 409
    tab.edit(do="name", kind="text", name="text")
    for text in ("Why? (1) Because.", "a|b"):
        tab.edit(do="line", text=text, on=False)
    text = build_options(**page.session.words()).mask.text
    assert [text.says(line) for line in ("Why? (1) Because.", "a|b", "a", "Why", "Hello")] == [False] * 2 + [True] * 3
    saved = Path(tab.post("api/save", {"what": "session"}).json()["path"])
    assert read_session(saved).words() == page.session.words()
    for line in ("a|b", "Why? (1) Because."):
        tab.edit(do="line", text=line, on=True)
    assert page.session.words() == {"text": "overlays"}


def test_a_session_of_another_video_is_refused(tab: Tab, video: Path) -> None:
    tab.edit(do="box", frame=0, box=[10, 20, 40, 60])
    saved = Path(tab.post("api/save", {"what": "session"}).json()["path"])
    assert session_video(saved) == video
    made.write(video, frames=7)
    with pytest.raises(VideoError, match="is not the video that"):
        opened(saved)
    video.unlink()
    with pytest.raises(VideoError, match="does not exist"):
        opened(saved)


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[1]", '{"vrm_session": 99}', '{"vrm_session": 1}', '{"vrm_session": 1, "video": 3, "things": 5}'],
)
def test_what_is_no_session_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "some.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"some\.json"):
        read_session(path)


def test_a_rough_outline_comes_first_and_is_not_taken_for_the_outline(tab: Tab) -> None:
    tab.edit(do="box", frame=4, box=[22, 26, 54, 58])
    rough = tab.get("api/overlay/4?rough=1").json()
    fine = tab.get("api/overlay/4").json()
    x0, y0, x1, y1 = made.square(4)
    for found in (rough, fine):
        assert found["area"] == pytest.approx((x1 - x0) * (y1 - y0) / (96 * 128), rel=0.3)
    assert tab.get("api/overlay/4?rough=1").json() == fine, "once all is known, that is shown at once"
