"""What is made from the declarations of options: checks, paths, and words with paths in them."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from vrm.errors import UsageError
from vrm.options import batch, evaluate, frame, remove, segment, train
from vrm.options.build import build, build_options, model_paths, paths_read, paths_written, place_paths
from vrm.options.declare import EVERYDAY, MODEL, PANELS, READ, WRITTEN, Options, option, options_of


@dataclass(frozen=True)
class Example(Options):
    count: int = option(3, EVERYDAY, "N", between=(1, 9), unit=" pieces", help="How many.")
    share: float | None = option(None, EVERYDAY, "X", between=(0, None), hint="Give more.", help="Which share.")
    kind: str = option("a", EVERYDAY, choices=("a", "b"), help="Which kind.")
    keep: bool = option(True, EVERYDAY, word="no_keep", inverted=True, help="Throw it away.")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"count": 10}, "--count 10 is outside 1..9 pieces."),
        ({"count": 1.5}, "count is 1.5, not a whole number."),
        ({"count": True}, "count is True, not a whole number."),
        ({"share": -0.5}, "--share -0.5 is less than 0. Give more."),
        ({"share": float("nan")}, "share is nan, not a number."),
        ({"kind": "c"}, "--kind c is unknown. Choose from: a, b."),
        ({"no_keep": "perhaps"}, "no-keep is 'perhaps', not yes or no."),
        ({"knid": "a"}, "There is no option 'knid'. Did you mean 'kind'?"),
        ({"keep": False}, "There is no option 'keep'. Did you mean 'no_keep'?"),
    ],
)
def test_values_are_held_against_their_declaration(words: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError) as raised:
        build(Example, words)
    assert str(raised.value) == said


def test_texts_become_values() -> None:
    assert build(Example, {"count": "4", "share": "0.5", "no_keep": "yes"}) == Example(4, 0.5, keep=False)
    assert build(Example, {"count": None}) == Example()


def test_every_option_has_a_help_and_a_panel() -> None:
    kinds = [
        kind
        for room in (remove, batch, frame, segment, evaluate, train)
        for _, kind in inspect.getmembers(room, inspect.isclass)
        if issubclass(kind, Options) and kind is not Options
    ]
    assert len(kinds) > 10
    for kind in kinds:
        for word, declared in options_of(kind).items():
            assert declared.panel in PANELS, word
            assert declared.help.endswith("."), word
            assert word.rstrip("_").isidentifier()


def test_paths_that_options_name(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").touch()
    options = build_options(
        mask="m.png",
        point="1,2",
        sam="sam-vit-b",
        report="r.json",
        save_masks="used",
        engine="keyframe",
        weights=tmp_path / "w.safetensors",
        keyframe={3: "k.png"},
    )
    assert dict(paths_read(options)) == {
        "mask": Path("m.png"),
        "key frame": Path("k.png"),
        "model": tmp_path / "w.safetensors",
    }
    assert paths_written(options) == {"--save-masks": Path("used"), "--report": Path("r.json")}
    assert model_paths(replace(options, engine=replace(options.engine, weights="none"))) == []


def test_paths_among_words_are_placed(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    words = {
        "mask": "m.png",
        "keyframe": {3: "k.png"},
        "report": "r.html",
        "segmenter": "model",
        "sam": "sam-vit-b",
        "grow": 3,
    }
    placed = place_paths(words, lambda path: tmp_path / path, READ, MODEL)
    assert placed == words | {
        "mask": tmp_path / "m.png",
        "keyframe": [f"3={tmp_path / 'k.png'}"],
        "segmenter": tmp_path / "model",
    }
    for masks in (["a.png@3", "b=c.png@0:04"], {3: "a.png", "0:04": "b=c.png"}):
        placed = place_paths({"mask": masks}, lambda path: tmp_path / path, READ)
        assert placed["mask"] == [f"{tmp_path}/a.png@3", f"{tmp_path}/b=c.png@0:04"]
        assert [path for _, path in paths_read(build_options(**placed))] == [tmp_path / "a.png", tmp_path / "b=c.png"]
    assert place_paths({"report": "r.html"}, Path.absolute, WRITTEN) == {"report": Path("r.html").absolute()}
    assert place_paths({"keyframe": "frames"}, lambda path: tmp_path / path, READ)["keyframe"] == [
        str(tmp_path / "frames")
    ]
