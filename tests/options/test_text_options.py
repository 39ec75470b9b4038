"""What ``--text`` takes, and how a command line without its value is read."""

import builtins
from typing import Any

import pytest

from vrm.cli.options import with_values
from vrm.errors import MissingPackage, UsageError
from vrm.options.build import build_options
from vrm.options.text import TextArea


def test_text_alone_means_overlays() -> None:
    assert with_values(["remove", "a.mp4", "--text"])[-2:] == ["--text", "overlays"]
    assert with_values(["remove", "--text", "a.mp4"]) == ["remove", "--text", "overlays", "a.mp4"]
    assert with_values(["remove", "--text", "all", "a.mp4"]) == ["remove", "--text", "all", "a.mp4"]
    assert with_values(["remove", "--", "--text"]) == ["remove", "--", "--text"]


@pytest.mark.parametrize(("value", "kind"), [(True, "overlays"), ("yes", "overlays"), ("all", "all"), (False, None)])
def test_text_in_python_and_manifests(value: Any, kind: str | None) -> None:
    assert build_options(text=value).mask.text.kind == kind


def test_areas() -> None:
    assert TextArea.parse("bottom").within(300, 400) == pytest.approx((0, 200, 400, 300))
    assert TextArea.parse("top").within(300, 400) == (0, 0, 400, 100)
    assert build_options(text=True, text_area=(1, 2, 30, 40)).mask.text.area == TextArea(None, (1, 2, 30, 40))
    for wrong in ("left", "1,2,3", "5,5,5,9", "1,2,x,4"):
        with pytest.raises(UsageError, match="--text-area"):
            TextArea.parse(wrong)


@pytest.mark.parametrize("words", [{"text_match": "a"}, {"text_keep": "a"}, {"text_area": "top"}, {"srt": "a.srt"}])
def test_nothing_of_text_without_text(words: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="without --text"):
        build_options(box="1,2,3,4", **words)


def test_patterns() -> None:
    options = build_options(text=True, text_match="good|bad", text_keep="NOT").mask.text
    assert options.says("A Good day")
    assert not options.says("not a good day")
    assert not options.says("")
    with pytest.raises(UsageError, match="no regular expression"):
        build_options(text=True, text_keep="[")


def test_without_the_extra_the_line_to_type_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "rapidocr":
            raise ModuleNotFoundError("No module named 'rapidocr'", name="rapidocr")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    from vrm.selection.text.reader import TextReader

    with pytest.raises(MissingPackage, match="--text needs rapidocr") as caught:
        TextReader(1)
    assert 'pip install "vrm[text]"' in caught.value.fix
    assert caught.value.exit_code == 5
