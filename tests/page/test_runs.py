"""Follow, try and remove run as commands of their own; the result is that of the copied command, byte for byte."""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import filelock
import numpy as np
import pytest

import vrm
from page import made
from page.conftest import Tab, ended
from vrm.cli.main import run
from vrm.errors import VrmError
from vrm.page.followed import Followed
from vrm.page.runs import CANCELLED, DONE, FAILED, Run
from vrm.page.state import PageState


def quietly(run: Run) -> None:
    """Told of a run, and does nothing."""


def script(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def test_follow_correct_and_remove(tab: Tab, page: PageState, video: Path) -> None:
    tab.edit(do="box", frame=0, box=[8, 28, 36, 56])
    tab.edit(do="set", settings={"preset": "fast", "threads": 1, "effects": "none"})
    assert tab.post("api/run", {"kind": "follow"}).status_code == 200
    assert tab.post("api/run", {"kind": "remove"}).status_code == 409
    assert ended(page, "follow").state == DONE, page.runs["follow"].error
    state = tab.get("api/state").json()
    assert state["followed"]["stale"] is False
    assert state["shots"] == [[0, made.FRAMES]]
    assert page.followed is not None
    for t in (0, 9, 19):
        x0, y0, x1, y1 = made.square(t)
        truth = np.zeros(made.SIZE, bool)
        truth[y0:y1, x0:x1] = True
        mask = page.followed.mask(t)
        assert mask is not None
        assert (mask & truth).sum() / (mask | truth).sum() > 0.7, t
    overlay = tab.get("api/overlay/9").json()
    assert overlay["source"] == "followed"
    assert 0 < overlay["sure"] <= 1
    masks = Path(tab.post("api/save", {"what": "masks"}).json()["path"])
    assert len(list(masks.glob("*.png"))) == made.FRAMES

    state = tab.edit(do="point", frame=9, thing=1, x=made.square(9)[0] + 2, y=40, stays=True)
    assert state["followed"]["stale"] is True
    assert tab.get("api/overlay/9").json()["source"] == "said"
    tab.edit(do="undo")

    copied = shlex.split(tab.get("api/state").json()["commands"]["shell"])
    assert tab.post("api/run", {"kind": "remove"}).status_code == 200
    run = ended(page, "remove")
    assert run.state == DONE, run.error
    result = tab.get("api/state").json()["results"]["remove"]
    first = Path(result["path"])
    assert copied[-1] == str(first)
    assert result["changed_outside"] == 0
    assert result["report"]
    assert len(result["bars"]) == result["masked_frames"]
    assert tab.get("api/report").headers["content-security-policy"].endswith("sandbox allow-scripts")

    bytes_of_page = first.read_bytes()
    first.unlink()
    first.with_suffix(".html").unlink()
    vrm = [sys.executable, "-m", "vrm"]
    subprocess.run([*vrm, *copied[1:]], check=True, capture_output=True, timeout=60)
    assert first.read_bytes() == bytes_of_page
    session = tab.post("api/save", {"what": "session"}).json()["path"]
    other = first.with_name("by-session.mp4")
    subprocess.run(
        [*vrm, "remove", "--session", session, "-o", str(other)], check=True, capture_output=True, timeout=60
    )
    assert other.read_bytes() == bytes_of_page

    before = cv2.imdecode(np.frombuffer(tab.get("api/picture/9").content, np.uint8), cv2.IMREAD_COLOR)
    after = cv2.imdecode(np.frombuffer(tab.get("api/result/remove/9").content, np.uint8), cv2.IMREAD_COLOR)
    x0, y0, x1, y1 = made.square(9)
    assert before[y0 + 4 : y1 - 4, x0 + 4 : x1 - 4, 2].mean() > 200
    assert after[y0 + 4 : y1 - 4, x0 + 4 : x1 - 4, 2].mean() < 150


def test_a_rectangle_goes_beside_what_is_followed(tab: Tab, page: PageState) -> None:
    tab.edit(do="box", frame=5, box=[100, 2, 126, 14], every=True)
    assert "Nothing is there to be followed" in tab.post("api/run", {"kind": "follow"}).json()["error"]
    tab.edit(do="box", frame=0, box=[8, 28, 36, 56])
    state = tab.edit(do="set", settings={"preset": "fast", "threads": 1, "effects": "none", "grow": 0})
    assert "--box 8,28,36,56 --static-box 100,2,126,14 " in state["commands"]["shell"]
    tab.post("api/run", {"kind": "follow"})
    assert ended(page, "follow").state == DONE, page.runs["follow"].error
    assert page.followed is not None
    followed, drawn = page.followed.mask(9), np.zeros(made.SIZE, bool)
    drawn[2:14, 100:126] = True
    assert followed is not None
    assert followed[30:54, 46:70].mean() > 0.7
    assert not (followed & drawn).any()
    state = tab.edit(do="toggle", thing=1, on=False)
    assert state["followed"]["stale"] is False, "a rectangle is not followed"
    tab.edit(do="undo")
    overlay = tab.get("api/overlay/9").json()
    assert overlay["area"] == pytest.approx((followed | drawn).mean(), abs=1e-3)
    saved = Path(tab.post("api/save", {"what": "masks"}).json()["path"])
    masks = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) > 0 for path in sorted(saved.iterdir())]
    assert np.array_equal(masks[9], followed | drawn)
    by_command = saved.with_name("by-command")
    words = ["--box", "8,28,36,56", "--static-box", "100,2,126,14", "--effects", "none", "--threads", "1"]
    assert run(["track", str(page.info.path), *words, "-o", str(by_command)]) == 0
    assert [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE).tolist() for path in sorted(by_command.glob("*.png"))] == [
        (mask * 255).tolist() for mask in masks
    ]


def test_a_rectangle_alone_is_what_static_mask_makes_of_it(video: Path, tmp_path: Path) -> None:
    written = {}
    for name, words in (
        ("box", {"box": "20,10,60,30", "static_mask": True}),
        ("static", {"static_box": "20,10,60,30"}),
    ):
        vrm.remove(video, tmp_path / f"{name}.mkv", preset="fast", threads=1, lossless=True, **words)
        written[name] = (tmp_path / f"{name}.mkv").read_bytes()
    assert written["box"] == written["static"]


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("0,0,128,96", "covers the whole picture"),
        ("10,10,50,50@3", "on every frame"),
        ("300,10,500,50", "lies outside the frame"),
        ("0.1,0.1,0.5,0.5", "--static-box 13,10,64,48"),
    ],
)
def test_rectangles_that_cannot_go(video: Path, tmp_path: Path, place: str, why: str) -> None:
    with pytest.raises(VrmError) as refused:
        vrm.remove(video, tmp_path / "out.mp4", static_box=place)
    assert why in str(refused.value)
    assert not (tmp_path / "out.mp4").exists()


def test_a_range_is_tried(tab: Tab, page: PageState) -> None:
    tab.edit(do="box", frame=4, box=made.square(4))
    tab.edit(do="set", settings={"preset": "fast", "threads": 1, "effects": "none"})
    assert tab.post("api/run", {"kind": "try", "range": [9, 3]}).status_code == 409
    assert tab.post("api/run", {"kind": "try", "range": [3, 9]}).status_code == 200
    run = ended(page, "try")
    assert run.state == DONE, run.error
    result = tab.get("api/state").json()["results"]["try"]
    assert result["wide"] == 2 * made.SIZE[1]
    assert 0 < result["masked_frames"] <= 6
    assert page.scratch in Path(result["path"]).parents


def test_the_borders_of_shots_are_found_meanwhile(tab: Tab, page: PageState, video: Path) -> None:
    with av.open(str(video), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height = made.SIZE[1], made.SIZE[0]
        for t in range(30):
            picture = made.picture(t) if t < 17 else 255 - made.picture(t - 15)[::-1]
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")))
        out.mux(stream.encode())
    page.survey()
    assert ended(page, "survey").state == DONE
    assert tab.get("api/state").json()["shots"] == [[0, 17], [17, 30]]


@pytest.mark.parametrize("kind", ["follow", "try", "remove", "cancel", "format-the-disk"])
def test_what_says_nothing_does_not_run(tab: Tab, page: PageState, kind: str) -> None:
    answer = tab.post("api/run", {"kind": kind})
    assert answer.status_code == (200 if kind == "cancel" else 409)
    assert not page.runs


def test_a_video_that_changed_under_it(tab: Tab, page: PageState, video: Path) -> None:
    tab.edit(do="box", frame=0, box=[8, 28, 36, 56])
    video.unlink()
    for answer in (tab.get("api/picture/3"), tab.post("api/run", {"kind": "follow"}), tab.get("api/overlay/0")):
        assert answer.status_code == 409
        assert "has gone, or was changed" in answer.json()["error"]
    made.write(video, frames=5)
    assert tab.get("api/picture/3").status_code == 409


def test_what_a_command_says_is_heard() -> None:
    events: list[dict[str, Any]] = [
        {"event": "stage", "stage": "write", "total": 3},
        {"event": "overall", "done": 0.5, "stage": "write", "left": 2.0, "shot": 1, "shots": 1},
        {"event": "note", "text": "Something to know."},
        {"event": "done", "report": {"output": "x.mp4"}},
    ]
    heard: list[str] = []
    run = Run("try", script(f"print({chr(10).join(map(json.dumps, events))!r})"), lambda run: heard.append(run.state))
    run.wait(30)
    assert (run.state, run.overall["left"], run.notes) == (DONE, 2.0, ["Something to know."])
    assert run.report == {"output": "x.mp4"}
    assert heard[-1] == DONE


def test_an_error_is_told_with_how_to_mend_it() -> None:
    error = {
        "event": "error",
        "text": "x.mp4 cannot be written: the disk is full.",
        "fix": "Free some.",
        "exit_code": 8,
    }
    run = Run("remove", script(f"print({json.dumps(error)!r}); raise SystemExit(8)"), quietly)
    run.wait(30)
    assert (run.state, run.error) == (FAILED, "x.mp4 cannot be written: the disk is full. Free some.")


@pytest.mark.parametrize(
    "code", ["print('{\"event\"')", "raise SystemExit(3)", "import sys; sys.exit('no such thing')"]
)
def test_a_command_that_ends_without_a_word(code: str) -> None:
    run = Run("remove", script(code), quietly)
    run.wait(30)
    assert (run.state == DONE) == code.startswith("print")
    assert bool(run.error) != (run.state == DONE)


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_killed_command_is_named_and_the_page_goes_on(tab: Tab, page: PageState) -> None:
    run = page.runs["remove"] = Run("remove", script("import time; time.sleep(60)"), quietly)
    os.kill(run.pid, signal.SIGKILL)
    run.wait(30)
    state = tab.get("api/state").json()["runs"]["remove"]
    assert state["state"] == FAILED
    assert "was killed" in state["error"]
    assert tab.edit(do="box", frame=0, box=[8, 28, 36, 56])["things"]


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_what_runs_ends_with_the_page_even_where_that_is_killed(tmp_path: Path) -> None:
    worker = f"""if True:
        import filelock, time
        from vrm.system.lifeline import end_with_starter
        end_with_starter()
        with filelock.FileLock({str(tmp_path / "lock")!r}):
            print('{{"event": "note", "text": "works"}}', flush=True)
            time.sleep(50)
    """
    page = f"""if True:
        import sys, time
        from vrm.page.runs import Run
        run = Run("try", [sys.executable, "-c", {worker!r}], lambda run: print(run.notes, flush=True))
        time.sleep(50)
    """
    with subprocess.Popen(script(page), stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "['works']\n"
        with pytest.raises(filelock.Timeout):
            filelock.FileLock(tmp_path / "lock").acquire(timeout=0.1)
        killed.kill()
    with filelock.FileLock(tmp_path / "lock").acquire(timeout=40):
        pass


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_cancelling_leaves_nothing_behind(tab: Tab, page: PageState, video: Path) -> None:
    tab.edit(do="box", frame=0, box=[8, 28, 36, 56])
    before = set(video.parent.iterdir())
    for _ in range(5):  # on a busy machine it may have ended before it hears of it, and then says so
        tab.post("api/run", {"kind": "remove"})
        wait_until(lambda: bool(page.runs["remove"].overall or page.runs["remove"].state != "running"))
        tab.post("api/run", {"kind": "cancel"})
        if ended(page, "remove").state == CANCELLED:
            break
        for path in set(video.parent.iterdir()) - before:
            path.unlink()
    assert page.runs["remove"].state == CANCELLED
    assert set(video.parent.iterdir()) == before


@pytest.mark.skipif(sys.platform != "linux", reason="sets the limit of another process")
def test_a_disk_that_is_full_while_removing_leaves_nothing_half_written(tab: Tab, page: PageState, video: Path) -> None:
    """As if nothing more could be written: the largest size of a file of the process that removes."""
    import resource

    tab.edit(do="box", frame=0, box=[8, 28, 36, 56])
    tab.edit(do="set", settings={"preset": "fast", "effects": "none"})
    tab.post("api/run", {"kind": "remove"})
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.prlimit(page.runs["remove"].pid, resource.RLIMIT_FSIZE, (2000, hard))
    failed = ended(page, "remove")
    assert failed.state == FAILED
    assert re.search("disk is full|too large", failed.error), failed.error
    assert list(video.parent.glob("square*")) == [video]
    tab.post("api/run", {"kind": "remove"})
    assert ended(page, "remove").state == DONE
    assert sorted(path.name for path in video.parent.glob("square-*")) == ["square-clean.html", "square-clean.mp4"]


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_run_that_has_ended_before_it_hears_of_the_cancel_is_done() -> None:
    program = """if True:
        import signal
        done = '{"event": "done", "report": {"output": "x"}}'
        signal.signal(signal.SIGINT, lambda *_: (print(done), exit(130)))
        print('{"event": "note", "text": "works"}', flush=True)
        signal.pause()
    """
    run = Run("remove", [sys.executable, "-c", program], lambda run: None)
    wait_until(lambda: run.notes == ["works"])
    run.cancel()
    run.wait(30)
    assert (run.state, run.report) == (DONE, {"output": "x"})


def wait_until(true: Callable[[], bool]) -> None:
    for _ in range(600):
        if true():
            return
        time.sleep(0.1)
    raise AssertionError("it never came true")


def test_effects_have_their_own_colour_and_can_be_hidden(tab: Tab, page: PageState, tmp_path: Path) -> None:
    folder = tmp_path / "followed"
    mask, shadow = np.zeros(made.SIZE, np.uint8), np.zeros(made.SIZE, np.uint8)
    mask[20:60, 30:70] = 255
    shadow[50:60, 30:70] = 255
    for name, picture in (("masks", mask), ("effects", shadow)):
        (folder / name).mkdir(parents=True)
        cv2.imwrite(str(folder / name / "00006.png"), picture)
    facts = {"shots": [[0, 20]], "things": [], "areas": [0.0] * 20, "sureness": {"6": 0.9}, "notes": [], "lines": []}
    (folder / "facts.json").write_text(json.dumps(facts))
    page.followed = Followed(folder, {})
    drawn = {}
    for shown in (0, 1):
        png = base64.b64decode(tab.get(f"api/overlay/6?effects={shown}").json()["png"])
        drawn[shown] = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    assert (drawn[0][50:60, 30:70, 3] == 0).all()
    assert (drawn[1][52:58, 32:68, :3] == (0, 170, 255)).all()
    assert (drawn[1][25:45, 35:65] == drawn[0][25:45, 35:65]).all()
    assert (drawn[1][25:45, 35:65, 3] > 0).all()
    assert np.array_equal(page.mask(6), (mask > 0) & (shadow == 0)), "what is painted on is the thing alone"
    tab.edit(do="box", frame=0, box=[10, 30, 34, 54])
    tab.edit(do="point", frame=6, x=2, y=2, stays=True)
    png = base64.b64decode(tab.get("api/overlay/6?effects=1").json()["png"])
    corrected = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    assert (corrected[52:58, 32:68, :3] == (0, 170, 255)).all(), "a click does not make the shadow the thing's"
