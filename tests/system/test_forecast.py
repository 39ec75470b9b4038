"""How far a whole job is: never back, never wrong about what was measured, whatever was expected."""

from __future__ import annotations

import pytest

from vrm.events import Events, Overall, counted, duration, span
from vrm.report.model import RemoveReport
from vrm.system.forecast import Forecast, Piece


class Heard(Events):
    def __init__(self):
        self.told: list[Overall] = []
        self.stages = []

    def overall(self, overall):
        self.told.append(overall)

    def stage(self, name, total):
        self.stages.append((name, total))

    def advance(self, name, n=1):
        self.stages.append((name, n))


class Job:
    """A forecast, its listener, and time that passes as it is told to."""

    def __init__(self, pieces=()):
        self.now, self.heard = 0.0, Heard()
        self.forecast = Forecast(self.heard, pieces, clock=lambda: self.now)

    def work(self, stage, steps, seconds):
        self.forecast.stage(stage, steps)
        for _ in range(steps):
            self.now += seconds / steps
            self.forecast.advance(stage)

    @property
    def last(self):
        return self.heard.told[-1]


def windows(*seconds):
    return [Piece({"motion": s}, "fill", n, n + 1) for n, s in enumerate(seconds)]


def test_one_share_for_the_whole_job():
    job = Job([Piece({"look for cuts": 10.0}), *windows(20.0, 60.0), Piece({"write": 10.0})])
    shares = {}
    for stage, key, seconds in (("look for cuts", None, 10), ("motion", 0, 20), ("motion", 1, 60), ("write", None, 10)):
        if key is not None:
            job.forecast.begin(key)
        job.work(stage, 10, seconds)
        shares[stage, key] = round(job.last.done, 3)
    assert shares == {("look for cuts", None): 0.1, ("motion", 0): 0.3, ("motion", 1): 0.9, ("write", None): 0.999}
    done = [told.done for told in job.heard.told]
    assert done == sorted(done)
    assert {(told.shot, told.shots) for told in job.heard.told if told.stage == "motion"} == {(1, 2), (2, 2)}
    job.forecast.done(RemoveReport("a", "b"))
    assert job.last.done == 1


@pytest.mark.parametrize("slow", [0.25, 1.0, 8.0])
def test_time_left_goes_by_the_jobs_own_pace(slow):
    job = Job([Piece({"look for cuts": 10.0}), *windows(100.0, 100.0), Piece({"write": 50.0})])
    job.work("look for cuts", 10, 10 * slow)
    job.forecast.begin(0)
    job.work("motion", 50, 100 * slow)
    assert job.last.left == pytest.approx(150 * slow, rel=0.05)


def test_what_is_expected_anew_takes_nothing_back():
    job = Job([Piece({"look for cuts": 10.0}), Piece({"fill": 10.0})])
    job.work("look for cuts", 10, 10)
    before = job.last.done
    job.forecast.expect([*windows(1000.0), Piece({"write": 1000.0})])
    assert job.last.done == before == 0.5
    job.forecast.begin(0)
    job.work("motion", 10, 1000)
    assert job.last.done == pytest.approx(0.75)


def test_what_was_not_needed_says_nothing_of_the_pace():
    job = Job([*windows(100.0, 100.0, 100.0), Piece({"write": 1.0})])
    job.forecast.begin(2)  # an earlier run had filled the others
    job.work("motion", 10, 200)
    assert job.last.done == pytest.approx(300 / 301)
    assert job.forecast.seconds(windows(100.0)) == pytest.approx(200, rel=0.02)


def test_pieces_that_others_finish_in_any_order():
    job = Job([*windows(100.0, 100.0, 100.0, 100.0), Piece({"write": 100.0})])
    for n, key in enumerate((3, 0, 2, 1)):
        job.now += 30
        job.forecast.finish(key)
        assert job.last.done == pytest.approx((n + 1) / 5)
    assert job.last.left == pytest.approx(30, rel=0.05), "four processes: a hundred seconds of work pass in thirty"


def test_pieces_that_others_are_at():
    job = Job([Piece({"motion": 75.0, "inpaint": 25.0}, "fill", n) for n in range(2)])
    job.now += 30
    job.forecast.reach(1, "motion", 2, 3)
    job.forecast.reach(0, "inpaint", 1, 5)
    assert job.last.done == pytest.approx((0.5 + 0.8) / 2)
    job.forecast.reach(1, "motion", 1, 3)  # late news
    job.forecast.reach(1, "label", 1, 3)
    assert job.last.done == pytest.approx((0.5 + 0.8) / 2)


def test_stages_within_a_piece():
    job = Job([Piece({"motion": 60.0, "inpaint": 40.0}, "fill", "w"), Piece({"write": 100.0})])
    job.forecast.begin("w")
    job.work("motion", 6, 60)
    assert job.last.done == pytest.approx(0.3)
    job.work("motion", 6, 60)  # once more, for another window's frames: not back
    assert job.last.done == pytest.approx(0.3)
    job.work("inpaint", 4, 40)
    assert job.last.done == pytest.approx(0.5)


def test_a_stage_in_no_piece_is_passed_on():
    job = Job([Piece({"write": 1.0})])
    job.work("label", 2, 5)
    assert job.heard.stages == [("label", 2), ("label", 1), ("label", 1)]
    assert job.last == Overall(0.0, "label", job.last.left)


def test_without_pieces_nothing_is_said_of_the_whole():
    job = Job()
    job.work("train", 3, 5)
    assert job.heard.told == []


def test_words():
    assert [counted(n, "frame") for n in (0, 1, 2)] == ["0 frames", "1 frame", "2 frames"]
    assert counted(2, "class", "classes") == "2 classes"
    assert [span(5, 5), span(5, 9)] == ["frame 5", "frames 5 to 9"]
    assert [duration(s) for s in (0, 8.4, 100, 3599.6, 7500)] == ["0:00", "0:08", "1:40", "1:00:00", "2:05:00"]
    rough = [duration(s, rough=True) for s in (0.2, 8.4, 43, 57, 100, 3400, 5400, 40000)]
    assert rough == ["1 s", "8 s", "45 s", "1 min", "2 min", "0.9 h", "1.5 h", "11 h"]
