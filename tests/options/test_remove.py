from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from vrm.errors import UsageError
from vrm.options.build import build_options
from vrm.options.remove import EngineOptions, MaskOptions, OutputOptions, RemoveOptions
from vrm.options.values import Moment, frame_rate


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("120f", Moment(frame=120)),
        ("4.5", Moment(seconds=Fraction(9, 2))),
        ("0", Moment(seconds=Fraction(0))),
        ("1:02:03.25", Moment(seconds=Fraction(3723) + Fraction(1, 4))),
        ("02:10", Moment(seconds=Fraction(130))),
    ],
)
def test_moments(text, moment):
    assert Moment.parse(text) == moment


@pytest.mark.parametrize("text", ["", "f", "-1", "1:2:3:4", "2 s", "1e3", "12F"])
def test_what_is_not_a_moment(text):
    with pytest.raises(UsageError, match="not a time"):
        Moment.parse(text)


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: MaskOptions(frame=-1), "--mask-frame"),
        (lambda: MaskOptions(grow=-2), "--grow"),
        (lambda: MaskOptions(grow=2, feather=3), "--feather"),
        (lambda: MaskOptions(objects=(1,), invert=True), "--object"),
        (lambda: EngineOptions(engine="magic"), "--engine"),
        (lambda: EngineOptions(preset="quick"), "--preset"),
        (lambda: EngineOptions(device="gpu"), "--device"),
        (lambda: EngineOptions(dtype="int8"), "--dtype"),
        (lambda: EngineOptions(threads=0), "--threads"),
        (lambda: EngineOptions(memory_gb=0.1), "--memory"),
        (lambda: EngineOptions(engine="internal", preset="paper", prefill=True), "--prefill"),
        (lambda: OutputOptions(lossless=True, crf=3), "--lossless"),
        (lambda: OutputOptions(crf=99), "--crf"),
        (lambda: RemoveOptions(report=Path("x.txt")), "--report"),
    ],
)
def test_contradictions_name_the_option(make, word):
    with pytest.raises(UsageError, match=word) as raised:
        make()
    assert raised.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "rate"),
    [("24", 24), (12.5, Fraction(25, 2)), ("29.97", Fraction(30000, 1001)), ("24000/1001", Fraction(24000, 1001))],
)
def test_frame_rates(text, rate):
    assert frame_rate(text) == rate


@pytest.mark.parametrize("text", ["0", "-5", "fast", "1/0", "5000"])
def test_what_is_no_frame_rate(text):
    with pytest.raises(UsageError, match="--fps"):
        frame_rate(text)


def test_the_paper_s_preset_computes_in_single_precision_unless_told_otherwise():
    assert EngineOptions(engine="savit", preset="paper").dtype == "fp32"
    assert EngineOptions(engine="savit", preset="paper", dtype="bf16").dtype == "bf16"
    assert replace(EngineOptions(engine="savit", preset="paper"), device="cpu", dtype="auto").dtype == "fp32"
    assert build_options(mask="m.png", engine="savit", preset="paper", dtype="auto").engine.dtype == "fp32"
    assert EngineOptions(engine="savit", preset="best").dtype == "auto"
