"""The report: its numbers, its JSON, its page, and the facts of a video in words."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from vrm.report.coverage import COLOURS, NEVER, SEEN, FrameCoverage, in_words, look_at
from vrm.report.facts import describe, video_facts
from vrm.report.html import Highlight, coverage_picture, outline, render
from vrm.report.model import RemoveReport, ShotReport
from vrm.report.verdict import moving_warning, verdict
from vrm.types import Colour, StreamInfo, VideoInfo


def a_report() -> RemoveReport:
    return RemoveReport(
        "in <1>.mp4",
        "out.mp4",
        date="2026-01-02T03:04:05+00:00",
        source=video_facts(a_video()),
        result=video_facts(replace(a_video(), pix_fmt="yuv444p10le")),
        frames=1000,
        masked_frames=3,
        shots=[
            ShotReport(0, 500, (FrameCoverage(10, 0.2, 0.5, 0.25, 0.25), FrameCoverage(11, 0.1, 0.0, 0.0, 1.0))),
            ShotReport(500, 1000, (FrameCoverage(999, 0.1, 1.0),), {"iterations": np.int64(40)}),
        ],
        timings={"motion": 130.0, "write": 3.0},
        options={"mask": {"path": Path("m.png"), "grow": None}, "start": Fraction(1, 3)},
        kept=["sound & timing"],
        lost=["closed captions"],
        notes=["<script>alert(1)</script>"],
        versions={"vrm": "0"},
    )


def test_coverage_weighs_by_hole() -> None:
    report = a_report()
    assert report.shots[0].coverage == pytest.approx(0.2 * 0.5 / 0.3)
    assert report.coverage == pytest.approx((0.2 * 0.5 + 0.1) / 0.4)
    assert report.unsure == pytest.approx(0.2 * 0.25 / 0.4)
    assert report.synthesised == pytest.approx((0.2 * 0.25 + 0.1) / 0.4)
    assert RemoveReport("a", "b").coverage == 1.0
    assert report.seconds == 133.0


def test_json_holds_everything() -> None:
    report = a_report()
    record = json.loads(report.to_json())
    assert record == report.to_dict()
    assert record["options"] == {"mask": {"path": "m.png", "grow": None}, "start": "1/3"}
    assert record["shots"][1]["detail"] == {"iterations": 40}
    assert record["shots"][0]["coverage"] == report.shots[0].coverage
    assert record["coverage"] == report.coverage


class Page(HTMLParser):
    """Collects tags, image sources and text, and checks that tags are balanced."""

    VOID = ("meta", "img", "rect", "line", "input")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_is_whole_and_alone() -> None:
    rng = np.random.default_rng(1)
    before, after = rng.integers(0, 255, (2, 700, 1300, 3), np.uint8)
    mask = np.zeros((700, 1300), bool)
    mask[100:200, 300:400] = True
    text = render(
        a_report(), [Highlight(10, before, after, mask, mask.astype(np.uint8)), Highlight(11, before, after, mask)]
    )
    page = Page(text)
    assert page.tags.count("script") == 1, "the page's own"
    assert "in <1>.mp4" in page.text
    assert "2026-01-02 03:04:05" in page.text
    assert "<script>alert(1)</script>" in page.text
    assert len(page.links) == 9, "before and after, whole and cut, of both; one map"
    assert all(link.startswith("data:image/jpeg;base64,") for link in page.links)
    image = cv2.imdecode(np.frombuffer(base64.b64decode(page.links[0].split(",")[1]), np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (689, 1280, 3), "large pictures are scaled to 1280"
    for words in ("3 of 1000", "sound & timing", "closed captions", "2:10 min", "Frame 10", "mask.path"):
        assert words in page.text
    assert text.count('class="differs"') == 1


def test_what_an_engine_shows_is_on_the_page() -> None:
    picture = np.zeros((6, 8, 3), np.uint8)
    view = np.full((3, 4, 3), 200, np.uint8)
    shown = Page(
        render(a_report(), [Highlight(7, picture, picture, np.zeros((6, 8), bool), views=(('routing">', view),))])
    )
    without = Page(render(a_report(), [Highlight(7, picture, picture, np.zeros((6, 8), bool))]))
    assert shown.tags.count("img") == without.tags.count("img") + 1
    assert 'routing">' in shown.text


def test_the_page_of_nothing() -> None:
    page = Page(render(RemoveReport("a", "b", frames=5), []))
    assert "0 of 5" in page.text
    assert "Before and after" not in page.text
    assert "Nothing was masked" in page.text


def test_bars_stand_for_their_frames() -> None:
    text = render(a_report(), [])
    bars = re.findall(r'<rect x="(\d+)" y="([\d.]+)" width="1" height="([\d.]+)" fill="rgb\(([\d,]+)\)"', text)
    first = [(float(y), float(h), rgb) for x, y, h, rgb in bars if x == "6"]
    never = (0.2 * 0.25 + 0.1) / 0.3  # frames 10 and 11 of 1000 share bar 6 of 600
    assert first[0] == (0.0, pytest.approx(100 * never, abs=0.06), ",".join(map(str, COLOURS[NEVER])))
    assert sum(h for _, h, _ in first) == pytest.approx(100, abs=0.2)
    assert [x for x, *_ in bars][-1] == "599"


def test_pictures_show_mask_and_coverage() -> None:
    picture = np.full((40, 60, 3), 100, np.uint8)
    coverage = np.zeros((40, 60), np.uint8)
    coverage[10:20, 10:20], coverage[20:30, 10:20] = SEEN, NEVER
    drawn = coverage_picture(picture, coverage)
    assert tuple(drawn[15, 15]) == COLOURS[SEEN]
    assert tuple(drawn[25, 15]) == COLOURS[NEVER]
    assert len(set(drawn[0, 0].tolist())) == 1, "grey elsewhere"
    lined = outline(picture, coverage > 0)
    assert (lined[20, 15] == 100).all(), "the inside is left alone"
    assert (lined[10, 10:20] != 100).any()
    assert (picture == 100).all()


def test_a_crop_shows_the_hole_in_the_shape_of_the_frame() -> None:
    picture = np.zeros((90, 160, 3), np.uint8)
    mask = np.zeros((90, 160), bool)
    mask[80:90, 2:12] = True
    shown = Highlight(0, picture, picture, mask)
    assert shown.crop == (74, 0, 90, 28), "1.6 times as high as the hole, moved into the frame"
    assert shown.cut(mask).sum() == mask.sum()
    mask[10:80] = True
    assert Highlight(0, picture, picture, mask).crop is None, "nothing new in it"
    assert Highlight(0, picture, picture, np.zeros_like(mask)).crop is None


def doubtful(*shares: float, moving: float = 0.0) -> list[FrameCoverage]:
    return [FrameCoverage(t, 0.1, 1 - share, 0.0, share, moving=moving) for t, share in enumerate(shares)]


def test_frames_to_look_at_are_the_most_doubtful() -> None:
    assert look_at(doubtful(0.0, 0.004)) == [], "too small to be seen"
    assert look_at(doubtful(*[0.1] * 10, 0.8, 0.7, 0.3, 0.9, *[0.2] * 6, 0.6)) == [[10, 13], [20, 20]]
    spread = [1.0 if t % 10 == 0 else 0.0 for t in range(60)]
    spread[30] = 0.5
    assert look_at(doubtful(*spread)) == [[0, 0], [10, 10], [20, 20]], "three at most"
    assert in_words([[0, 0], [10, 12], [20, 20]]) == "frames 0, 10-12 and 20"
    assert in_words([[7, 7]]) == "frame 7"


def test_a_verdict_says_how_much_is_doubtful_and_where() -> None:
    report = RemoveReport("a", "b", frames=3, masked_frames=3)
    for shares, said in (
        ((0.0,) * 3, "Nearly all"),
        ((0.0, 0.6, 0.0), "needs a look"),
        ((0.0, 1.0, 1.0), "before you"),
    ):
        report.shots = [ShotReport(0, 3, tuple(doubtful(*shares)))]
        assert said in verdict(report)
    assert verdict(report).endswith("Look first at frames 1-2.")


def test_moving_surroundings_are_warned_of() -> None:
    report = RemoveReport("a", "b", frames=3, masked_frames=3, shots=[ShotReport(0, 3, tuple(doubtful(0, 0)))])
    assert moving_warning(report) is None
    report.shots.append(ShotReport(3, 5, (FrameCoverage(3, 0.1, 0.0, 1.0, moving=0.7),)))
    assert "on frame 3 (water" in (moving_warning(report) or "")


def test_sizes_must_agree() -> None:
    picture = np.zeros((4, 6, 3), np.uint8)
    with pytest.raises(ValueError, match="mask of frame 7"):
        Highlight(7, picture, picture, np.zeros((6, 4), bool))


def a_video() -> VideoInfo:
    return VideoInfo(
        path=Path("a.mov"),
        container="mp4",
        stream=0,
        codec="hevc",
        profile="Main 10",
        pix_fmt="yuv420p10le",
        height=480,
        width=720,
        rotation=90,
        sample_aspect=Fraction(8, 9),
        bit_depth=10,
        time_base=Fraction(1, 30000),
        frame_rate=Fraction(30000, 1001),
        n_frames=30,
        duration=Fraction(1001, 1000),
        colour=Colour(9, 16, 9, False),
        interlaced=True,
        streams=(StreamInfo(0, "video", "hevc"), StreamInfo(1, "audio", "aac", "eng", "", "2 channels")),
        chapters=2,
        extras=("hdr10",),
        metadata={"title": "A"},
    )


def test_facts_for_people() -> None:
    lines = dict(line.split("  ", 1) for line in describe(a_video()).splitlines())
    facts = {name: value.strip() for name, value in lines.items()}
    assert facts == {
        "file": "a.mov",
        "container": "mp4",
        "video": "stream 0: hevc (Main 10), yuv420p10le, 10 bit",
        "size": "720x480, turned by 90 degrees to 480x720 for display, pixels 8:9",
        "frames": "30 at 30000/1001 per second, 1.001 s (time base 1/30000)",
        "colour": "primaries BT.2020, transfer PQ, matrix BT.2020, limited range",
        "besides": "interlaced, hdr10",
        "audio": "stream 1: aac, eng, 2 channels",
        "chapters": "2",
        "metadata": "title: A",
    }


def test_facts_for_programs() -> None:
    facts = json.loads(json.dumps(video_facts(a_video())))
    assert facts["frame_rate"] == "30000/1001"
    assert facts["sample_aspect"] == "8/9"
    assert facts["display_width"] == 480
    assert facts["colour"] == {"primaries": 9, "transfer": 16, "matrix": 9, "full_range": False}
    assert facts["streams"][1]["language"] == "eng"
