"""Lists of jobs: what a line may say, and that everything wrong is found before anything is done."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from vrm.batch.manifest import read_manifest
from vrm.errors import UsageError


def written(tmp_path: Path, text: str, name: str = "jobs.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def refused(path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        read_manifest(path)
    return str(caught.value)


def test_a_line_of_csv(tmp_path: Path) -> None:
    text = (
        "\ufeffInput,output,mask,mask-frame,static_mask,point,memory\n\n"
        '# later\n"a, b.mp4",x/a.mp4,m.png, 3 ,yes,"1,2@3; 4,5",\n'
    )
    text = text.replace(",memory", ",codec")
    (row,) = read_manifest(written(tmp_path, text))
    assert (row.line, row.input, row.output) == (4, tmp_path / "a, b.mp4", "x/a.mp4")
    assert row.words == {
        "mask": tmp_path / "m.png",
        "mask_frame": 3,
        "static_mask": True,
        "point": ["1,2@3", "4,5"],
    }


def test_masks_of_several_frames_in_a_line(tmp_path: Path) -> None:
    (row,) = read_manifest(written(tmp_path, "input,mask\na.mp4,a.png@0; b.png@30\n"))
    assert row.words == {"mask": [str(tmp_path / "a.png@0"), str(tmp_path / "b.png@30")]}
    (row,) = read_manifest(written(tmp_path, '{"input": "a.mp4", "mask": ["a.png@0", "b.png@30"]}\n'))
    assert row.words == {"mask": [str(tmp_path / "a.png@0"), str(tmp_path / "b.png@30")]}


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_what_spreadsheets_write(tmp_path: Path, delimiter: str) -> None:
    text = f"input{delimiter}box\r\na.mp4{delimiter}1,2,3,4\r\n"
    (row,) = read_manifest(written(tmp_path, text))
    assert row.words == {"box": ["1,2,3,4"]}


def test_a_line_of_json_means_the_same(tmp_path: Path) -> None:
    records = [
        {"input": "/abs/a.mp4", "class": "person,car", "labels": "maps", "grow": 4, "lossless": True, "codec": None},
        {"input": "b.mp4", "engine": "keyframe", "mask": "m", "keyframe": ["40=c.png"], "weights": "w.safetensors"},
    ]
    (tmp_path / "w.safetensors").touch()
    lines = "\n".join(map(json.dumps, records))
    first, second = read_manifest(written(tmp_path, f"\n{lines}\n", "jobs.jsonl"))
    assert first.input == Path("/abs/a.mp4")
    assert first.words == {"class_": "person,car", "labels": tmp_path / "maps", "grow": 4, "lossless": True}
    assert second.words["keyframe"] == [f"40={tmp_path / 'c.png'}"]
    assert second.words["weights"] == tmp_path / "w.safetensors"


def test_a_name_that_is_no_file_stays_a_name(tmp_path: Path) -> None:
    (row,) = read_manifest(written(tmp_path, "input,weights\na.mp4,none\n"))
    assert row.words == {"weights": "none"}


def test_every_wrong_line_is_named_with_what_to_write(tmp_path: Path) -> None:
    text = "input,grow,lossless\na.mp4,wide,\n,1,\nb.mp4,1,perhaps\nc.mp4,1,no,more\n"
    said = refused(written(tmp_path, text))
    assert "line 2: grow is 'wide', not a whole number" in said
    assert "line 3: it names no input" in said
    assert "line 4: lossless is 'perhaps', not yes or no" in said
    assert "line 5: has 4 cells, but there are 3 columns" in said


def test_unknown_columns_are_refused_with_the_nearest_name(tmp_path: Path) -> None:
    assert "There is no column 'maks'. Did you mean 'mask'?" in refused(written(tmp_path, "input,maks\na.mp4,m.png\n"))
    assert "There is no column 'prior' any more. No tr" in refused(written(tmp_path, "input,prior\na.mp4,x\n"))
    assert "--threads holds for the whole manifest" in refused(written(tmp_path, "input,threads\na.mp4,2\n"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "lists nothing"),
        ("input,mask\n", "lists nothing"),
        ('{"input": \n', "line 1: is not JSON"),
        ('{"input": "a.mp4"}\n[1]\n', "line 2: is not a JSON object"),
        ('{"input": 3}\n', "names no input"),
        ('{"input": "a.mp4", "grow": true}\n', "grow is True"),
        ('{"input": "a.mp4", "output": 5}\n', "output is not a path"),
        ('{"input": "a.mp4", "output": " "}\n', "output is not a path"),
        ('{"input": " "}\n', "names no input"),
        ('{"input": "a.mp4", "grow": 1.5}\n', "grow is 1.5, not a whole number"),
        ('{"input": "a.mp4", "grow": Infinity}\n', "grow is inf, not a whole number"),
        ('{"input": "a.mp4", "point": 5}\n', "point is 5, not text"),
        ('{"input": "a.mp4", "class": 5}\n', "class is 5, not text"),
        ('{"input": "a.mp4", "object": [null]}\n', "object is '[None]', not text, a number, or a list of them"),
        ('{"input": "a.mp4", "codec": {"a": 1}}\n', "codec is \"{'a': 1}\", not text"),
        ('{"input": ' + "[" * 100_000 + "]" * 100_000 + "}", "line 1: is not JSON"),
        ('[\n  {"input": "a.mp4"}\n]\n', "one object a line, without the brackets"),
        ("a.mp4,m.png\n", "one of them is 'input'"),
        ("mask,output\nm.png,b.mp4\n", "one of them is 'input'"),
        ("input,mask,Mask\na.mp4,m.png,n.png\n", "has two columns 'mask'"),
        ('input,mask\na.mp4,m.png\n"b.mp4,m.png\n' + "x" * 200_000, "line 3: cannot be read (field larger than"),
        ("input,crf\n../x/a.mp4,70..1\n", "crf is '70..1', not"),
    ],
)
def test_what_is_no_list(tmp_path: Path, text: str, words: str) -> None:
    assert words in refused(written(tmp_path, text))


def test_no_more_than_ten_are_named(tmp_path: Path) -> None:
    said = refused(written(tmp_path, "input,grow\n" + "a.mp4,x\n" * 30))
    assert said.count("not a whole number") == 10
    assert "and 20 more" in said


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    assert "cannot be read" in refused(tmp_path / "none.csv")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    assert "not UTF-8" in refused(tmp_path / "b.csv")


def test_letters_that_end_lines_elsewhere(tmp_path: Path) -> None:
    for text in ('{"input": "a\u2028b.mp4"}\n', "input\na\u2028b.mp4\n", "input\r\na\u2028b.mp4\r\n"):
        (row,) = read_manifest(written(tmp_path, text))
        assert row.input.name == "a\u2028b.mp4"


def test_what_never_ends_or_is_no_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "a pipe or a device" in refused(Path("/dev/zero"))
    os.mkfifo(tmp_path / "p.csv")
    assert "a pipe or a device" in refused(tmp_path / "p.csv")
    monkeypatch.setattr("vrm.batch.manifest.MOST_BYTES", 1 << 20)
    with (tmp_path / "huge.csv").open("wb") as file:
        file.truncate(2 << 20)
    assert "more than 1 MB" in refused(tmp_path / "huge.csv")
