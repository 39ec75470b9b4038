"""What a run says of itself while one waits: the plan, how far the whole is, and what an interrupted one left."""

from __future__ import annotations

import io
import json

import cv2
import numpy as np
import pytest

from vrm import api
from vrm.batch.run import _Relay
from vrm.cli.main import run as command
from vrm.errors import BatchError
from vrm.events import Events, JsonEvents, Overall, Plan
from vrm.options.batch import BatchOptions
from vrm.shots.patch_store import PatchStore

SIZE, FRAMES = (64, 80), 44
WORDS = {"grow": 3, "feather": 0, "preset": "fast", "threads": 1, "lossless": True}


class Heard(Events):
    def __init__(self) -> None:
        self.said: list[Overall | Plan | str] = []

    def overall(self, overall: Overall) -> None:
        self.said.append(overall)

    def plan(self, plan: Plan) -> None:
        self.said.append(plan)

    def note(self, text: str) -> None:
        self.said.append(text)

    @property
    def overalls(self) -> list[Overall]:
        return [each for each in self.said if isinstance(each, Overall)]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "vrm" / "scratch"


@pytest.fixture
def case(make_video, tmp_path, cache):
    """A clip, and masks in two stretches that need a window each; how large they are when grown."""
    source = make_video(tmp_path / "in.mp4", size=SIZE, frames=FRAMES)
    masks = tmp_path / "masks"
    masks.mkdir()
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
    shares = []
    for t in range(FRAMES):
        picture = np.zeros(SIZE, np.uint8)
        if t < 6 or 26 <= t < 32:
            picture[20:36, 12 + t : 26 + t + (t >= 26) * 4] = 255
            shares.append(float(np.mean(cv2.dilate(picture, disc) > 0)))
        cv2.imwrite(str(masks / f"{t:05d}.png"), picture)
    return source, masks, shares


def test_the_plan_is_right_and_comes_before_the_work(case, tmp_path):
    source, masks, shares = case
    heard = Heard()
    report = api.remove(source, tmp_path / "out.mkv", mask=masks, events=heard, **WORDS)
    (at,) = [n for n, each in enumerate(heard.said) if isinstance(each, Plan)]
    plan = heard.said[at]
    assert (plan.frames, plan.masked_frames) == (FRAMES, 12)
    assert plan.hole == pytest.approx(np.mean(shares), rel=0.05)
    assert plan.largest_hole == pytest.approx(max(shares), rel=0.05)
    assert plan.seconds > 0
    assert report.plan["masked_frames"] == report.masked_frames == 12
    before = {each.stage for each in heard.said[:at] if isinstance(each, Overall)}
    assert before <= {"", "look for cuts"}


def test_one_share_that_never_falls_from_the_first_stage_to_the_last(case, tmp_path):
    source, masks, _ = case
    heard = Heard()
    api.remove(source, tmp_path / "out.mkv", mask=masks, events=heard, **WORDS)
    shares = [each.done for each in heard.overalls]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] == 1
    assert 1 not in shares[:-1], "it is done when the output is in place"
    assert [each.stage for each in heard.overalls if each.stage == "motion"]
    assert heard.overalls[-1].stage == "write"


def test_masks_that_are_followed_are_part_of_the_whole(make_video, tmp_path, cache):
    source, mask = make_video(tmp_path / "in.mp4", size=SIZE, frames=20), np.zeros(SIZE, np.uint8)
    mask[21:31, 2:12] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    heard = Heard()
    api.track_masks(source, tmp_path / "masks", mask=tmp_path / "mask.png", events=heard, threads=1)
    shares = [each.done for each in heard.overalls]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert max(each.done for each in heard.overalls if each.stage == "look for cuts") < 0.2, "following is the work"


def test_a_dry_run_writes_nothing(case, tmp_path, capfd):
    source, masks, _ = case
    before = sorted(tmp_path.rglob("*"))
    line = ["remove", str(source), "--mask", str(masks), "-o", str(tmp_path / "o.mkv"), "--grow", "3", "--dry-run"]
    more = ["--report", str(tmp_path / "r.html"), "--save-masks", str(tmp_path / "m")]
    assert command([*line, *more]) == 0
    out, err = capfd.readouterr()
    assert out.startswith(f"12 of {FRAMES} frames to fill; hole ")
    assert err == ""
    assert [path for path in sorted(tmp_path.rglob("*")) if "cache" not in path.parts] == before
    assert command([*line, "--json"]) == 0
    records = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [each["masked_frames"] for each in records if each["event"] == "plan"] == [12]
    assert "done" not in {each["event"] for each in records}


def test_a_dry_run_of_many(case, tmp_path):
    source, masks, _ = case
    heard, logo = Heard(), masks / "00000.png"
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    words = WORDS | {"mask": logo, "static_mask": True, "dry_run": True}
    with pytest.raises(BatchError, match="1 of 2 failed") as caught:
        api.remove_batch([source, tmp_path / "bad.mp4"], tmp_path / "out", batch=BatchOptions(), events=heard, **words)
    outcomes = caught.value.summary.outcomes
    assert [outcome.status for outcome in outcomes] == ["planned", "failed"]
    assert (outcomes[0].frames, outcomes[0].masked_frames) == (FRAMES, FRAMES)
    assert outcomes[0].seconds > 0
    assert f"{source} -> {tmp_path / 'out' / 'in.mkv'}, mask {logo}" in heard.said
    assert not (tmp_path / "out").exists()


class Stop(BaseException):
    """As sudden as Ctrl-C."""


def test_a_run_that_goes_on_says_how_much_it_found(case, tmp_path, cache, monkeypatch):
    source, masks, _ = case
    target, words = tmp_path / "out.mkv", WORDS | {"mask": masks, "resume": True}
    real = PatchStore.add

    def add(self, window, patches, extra=None):
        real(self, window, patches, extra)
        raise Stop

    monkeypatch.setattr(PatchStore, "add", add)
    with pytest.raises(Stop):
        api.remove(source, target, **words)
    monkeypatch.setattr(PatchStore, "add", real)
    found = "Resumed: 1 window with 6 filled frames of an interrupted run will be used."
    for events in (first := Heard(), second := Heard()):
        api.remove(source, target, events=events, **words | {"dry_run": True})
        assert found in events.said
    assert [each.name[:6] for each in cache.iterdir()] == ["resume"], "a dry run takes nothing away"
    (one,) = [each for each in first.said if isinstance(each, Plan)]
    assert one.masked_frames == 12
    heard = Heard()
    api.remove(source, target, events=heard, **words)
    assert found in heard.said
    assert target.exists()
    assert not any(each.shot > 1 for each in second.overalls)


def test_what_a_worker_tells_arrives_whole():
    told, heard = [Overall(0.25, "motion", 12.5, 2, 3), Overall(0.5, "write", None)], Heard()
    plan = Plan(10, 5, 0.1, 0.2, 30.0)
    out = io.StringIO()
    worker, relay = JsonEvents(out, interval=0), _Relay(heard)
    for each in told:
        worker.overall(each)
    worker.plan(plan)
    for line in out.getvalue().splitlines():
        relay.tell(json.loads(line))
    assert heard.said == [*told, plan]
