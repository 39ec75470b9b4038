"""A plan is refused whole, before anything is done, where one part of it cannot be right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vrm.batch.plan import BatchJob, plan_inputs, plan_manifest
from vrm.errors import MaskError, OutputError, UsageError, VrmError
from vrm.media.write.png import write_png
from vrm.options.batch import BatchOptions


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def planned(
    *inputs: str, output: str | None = "out", batch: dict[str, Any] | None = None, **words: Any
) -> list[BatchJob]:
    options = BatchOptions(**(batch or {}))
    given = {word: value for word, value in ({"mask": "m.png"} | words).items() if value is not None}
    return plan_inputs([Path(name) for name in inputs], output, given, options)[0]


def listed(text: str, output: str | None = "out", batch: dict[str, Any] | None = None, **words: Any) -> list[BatchJob]:
    Path("list").mkdir(exist_ok=True)
    path = Path("list/jobs.csv")
    path.write_text(text, encoding="utf-8")
    return plan_manifest(path, output, words, BatchOptions(manifest=path, **(batch or {})))


def outputs(jobs: list[BatchJob]) -> list[str]:
    return [job.output.as_posix() for job in jobs]


def test_outputs_have_the_inputs_names_in_out_or_lie_beside(here: Path) -> None:
    touch("in/a.mp4", "in/b.wmv", "in/x/a.mp4")
    assert outputs(planned("in")) == ["out/a.mp4", "out/b.mkv"]
    assert outputs(planned("in", output=None)) == ["in/a-clean.mp4", "in/b-clean.mkv"]
    assert outputs(planned("in", batch={"recursive": True})) == ["out/a.mp4", "out/b.mkv", "out/x/a.mp4"]


def test_two_of_one_stem_do_not_meet(here: Path) -> None:
    touch("a.mkv", "a.mp4", "x/a.mp4")
    assert outputs(planned("a.mkv", "a.mp4")) == ["out/a.mkv", "out/a.mp4"]
    with pytest.raises(UsageError, match=r"a\.mkv and a\.mp4 would both be written to out/a\.mkv"):
        planned("a.mkv", "a.mp4", lossless=True)
    with pytest.raises(UsageError, match=r"both be written to out/a\.mp4"):
        planned("a.mp4", "x/a.mp4")


def test_a_source_is_never_an_output(here: Path) -> None:
    touch("in/a.mp4", "in/b.mp4")
    with pytest.raises(UsageError, match=r"is the input of in/a\.mp4"):
        planned("in", output="in", overwrite=True)


def test_one_input_may_name_its_output_and_keeps_its_mask_to_itself(here: Path) -> None:
    touch("a.mp4", "masks/0.png", "masks/1.png", "old/z")
    (job,) = planned("a.mp4", output="b.mkv", mask="masks", batch={"jobs": 2})
    assert (job.output, job.words["mask"]) == (Path("b.mkv"), "masks")
    for folder in ("old", "new/", "new"):
        assert outputs(planned("a.mp4", output=folder, batch={"jobs": 2})) == [f"{folder.rstrip('/')}/a.mp4"]


def test_masks_and_labels_by_name_a_single_mask_for_all(here: Path) -> None:
    touch("in/a.mp4", "in/b.mp4", "masks/a.png", "masks/b.png", "m.png", "labels/a/0.png", "labels/b/0.png")
    assert [job.words["mask"] for job in planned("in", mask="masks")] == [Path("masks/a.png"), Path("masks/b.png")]
    assert [job.words["mask"] for job in planned("in", mask=["masks"])] == [Path("masks/a.png"), Path("masks/b.png")]
    assert [job.words["mask"] for job in planned("in", mask="m.png")] == ["m.png"] * 2
    keys = ["m.png@0", "m.png@30"]
    assert [job.words["mask"] for job in planned("in", mask=keys)] == [keys] * 2
    jobs = planned("in", mask=None, class_="car", labels="labels")
    assert [job.words["labels"] for job in jobs] == [Path("labels/a"), Path("labels/b")]
    Path("masks/b.png").unlink()
    first, second = planned("in", mask="masks")
    assert not first.error
    assert "mask" not in second.words
    assert second.error["exit_code"] == 4
    assert second.error["text"] == "masks holds no mask for in/b.mp4."
    Path("masks/a.png").unlink()
    with pytest.raises(MaskError, match="any of 2 videos: a, b"):
        planned("in", mask="masks")


def test_masks_of_another_shape_are_found_in_the_plan(here: Path, make_video: Any) -> None:
    """By headers alone; a mask that is turned or scaled is not refused, nor one that cannot be read."""
    Path("in").mkdir()
    for name in ("a", "b", "c", "d", "e"):
        make_video(Path("in") / f"{name}.mp4", size=(48, 64), frames=2)
    Path("masks/d").mkdir(parents=True)
    sizes = {"a.png": (48, 64), "b.png": (96, 96), "c.png": (128, 96), "d/000.png": (32, 32)}
    for name, size in sizes.items():
        write_png(Path("masks") / name, np.zeros(size, np.uint8))
    Path("masks/e.png").write_bytes(b"no picture")
    jobs = planned("in", mask="masks")
    assert [job.error.get("exit_code") for job in jobs] == [None, 4, None, 4, None]
    assert jobs[1].error["text"] == "Mask masks/b.png is 96x96, but the video in/b.mp4 is 64x48."
    make_video(Path("big.mp4"), size=(72, 160), frames=2)
    jobs = planned("in/a.mp4", "big.mp4", mask="masks/a.png")
    assert [bool(job.error) for job in jobs] == [False, True], "one mask for all is held against each"


def test_what_is_written_beside_has_a_place_for_each(here: Path) -> None:
    touch("in/a.mp4", "in/b.mp4", "in/b.mkv", "in/x/a.mp4")
    jobs = planned("in", save_masks="grown", report="html", batch={"recursive": True})
    assert [str(job.words["save_masks"]) for job in jobs] == ["grown/a", "grown/b.mkv", "grown/b.mp4", "grown/x/a"]
    assert str(jobs[1].words["report"]) == "out/b.mkv.html"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"mask": None}, "Nothing says what to remove"),
        ({"report": "r.html"}, "--report html"),
        ({"keyframe": ["4=a.png"], "engine": "keyframe"}, "--keyframe belongs to one video"),
        ({"preset": "slow"}, "--preset slow is unknown"),
        ({"overwrite": True, "batch": {"skip_existing": True}}, "cannot be combined"),
        ({"output": "file"}, "is a file, but there are 2 videos"),
    ],
)
def test_words_that_mean_nothing_for_many(here: Path, words: dict[str, Any], said: str) -> None:
    touch("in/a.mp4", "in/b.mp4", "file")
    with pytest.raises(UsageError, match=said):
        planned("in", **words)


def test_outputs_that_are_there(here: Path) -> None:
    touch("in/a.mp4", "in/b.mp4", "out/b.mp4")
    with pytest.raises(OutputError, match=r"1 of 2 outputs exist: out/b\.mp4"):
        planned("in")
    assert [job.exists for job in planned("in", batch={"skip_existing": True})] == [False, True]
    assert [job.exists for job in planned("in", overwrite=True)] == [False, False]


def test_a_preview_is_never_taken_for_the_result(here: Path) -> None:
    touch("in/a.mp4", "list/a.mp4", "list/m.png")
    text = "input,output,mask\na.mp4,b.mp4,m.png\n"
    assert outputs(planned("in", preview=True)) == ["out/a-preview.mp4"]
    assert outputs(planned("in/a.mp4", output="b.mp4", preview=True)) == ["b-preview.mp4"]
    assert outputs(listed(text, preview=True)) == ["out/b-preview.mp4"]
    touch("out/a-preview.mp4", "b-preview.mp4", "out/b-preview.mp4")
    batch = {"skip_existing": True}
    jobs = [*planned("in", batch=batch), *planned("in/a.mp4", output="b.mp4", batch=batch), *listed(text, batch=batch)]
    assert [job.exists for job in jobs] == [False] * 3


def test_a_folder_that_is_not_there_will_be_made(here: Path) -> None:
    touch("a.mp4")
    assert outputs(planned("a.mp4", output="none/deep/b.mp4", batch={"jobs": 1})) == ["none/deep/b.mp4"]
    assert outputs(planned("a.mp4", output="none/deep/", batch={"jobs": 1})) == ["none/deep/a.mp4"]
    assert not Path("none").exists(), "not by the plan"
    with pytest.raises(UsageError, match="empty"):
        planned("a.mp4", output="")


def test_lines_of_a_manifest(here: Path) -> None:
    touch("list/a.mp4", "list/b.mp4", "list/m.png", "list/masks/0.png")
    text = "input,output,mask,class,labels,preset\na.mp4,,m.png,,,best\nb.mp4,x/c.mkv,,car,masks,\n"
    first, second = listed(text, preset="fast", mask="m.png", static_mask=True)
    assert outputs([first, second]) == ["out/a.mp4", "out/x/c.mkv"]
    assert first.words == {"preset": "best", "mask": Path("list/m.png"), "static_mask": True}
    assert second.words == {"preset": "fast", "class_": "car", "labels": Path("list/masks"), "static_mask": True}
    assert outputs(listed(text, output=None)) == ["list/a-clean.mp4", "list/x/c.mkv"]


def test_everything_wrong_in_a_manifest_is_said_at_once(here: Path) -> None:
    touch("list/a.mp4", "list/m.png")
    text = "input,mask,preset\nnone.mp4,m.png,\na.mp4,n.png,\na.mp4,,\na.mp4,m.png,slow\n"
    with pytest.raises(UsageError) as caught:
        listed(text)
    said = str(caught.value)
    for words in (
        "line 2: its input list/none.mp4",
        "line 3: its mask list/n.png",
        "line 4: Nothing says",
        "line 5: --p",
    ):
        assert words in said
    assert not Path("out").exists()


@pytest.mark.parametrize("place", ["../a.mp4", "x/../../a.mp4", "/tmp/vrm-elsewhere.mp4", "link/a.mp4"])
def test_a_manifest_cannot_write_outside(here: Path, place: str) -> None:
    touch("list/a.mp4", "list/m.png", "elsewhere/z")
    Path("out").mkdir()
    Path("out/link").symlink_to(Path("elsewhere").absolute(), target_is_directory=True)
    text = f"input,mask,output\na.mp4,m.png,{place}\n"
    with pytest.raises(UsageError, match="lies outside out"):
        listed(text)
    assert len(listed(text, batch={"allow_outside": True})) == 1


@pytest.mark.parametrize("column", ["report", "save-masks", "export-keyframes"])
def test_nor_anything_else_it_writes(here: Path, column: str) -> None:
    touch("list/a.mp4", "list/m.png")
    with pytest.raises(UsageError, match=f"its {column} .* lies outside"):
        listed(f"input,mask,{column}\na.mp4,m.png,../x.html\n")
    assert listed(f"input,mask,{column}\na.mp4,m.png,x.html\n")[0].words[column.replace("-", "_")] == Path("out/x.html")


def test_what_a_whole_manifest_cannot_share(here: Path) -> None:
    touch("list/a.mp4", "list/m.png")
    with pytest.raises(UsageError, match="--save-masks belongs to one video"):
        listed("input,mask\na.mp4,m.png\n", save_masks="grown")
    with pytest.raises(UsageError, match="line 2 and line 3 would both"):
        listed("input,mask\na.mp4,m.png\na.mp4,m.png\n")


def test_nothing_that_is_read_is_written_over(here: Path) -> None:
    touch(
        "in/a.mp4", "in/b.mp4", "masks/a.mp4", "masks/b.mp4", "list/a.mp4", "list/b.mp4", "list/m.mkv", "a.mp4", "m.mp4"
    )
    with pytest.raises(UsageError, match=r"masks/a\.mp4 of in/a\.mp4 is the mask of in/a\.mp4"):
        planned("in", output="masks", mask="masks", overwrite=True)
    with pytest.raises(UsageError, match=r"output m\.mp4 of a\.mp4 is the mask of a\.mp4"):
        planned("a.mp4", output="m.mp4", mask="m.mp4", overwrite=True, batch={"jobs": 2})
    text = "input,mask,output\na.mp4,m.mkv,c.mp4\nb.mp4,m.mkv,m.mkv\n"
    with pytest.raises(UsageError, match=r"output list/m\.mkv of line 3 is the mask of line 3"):
        listed(text, output=None, overwrite=True)


@pytest.mark.parametrize(("column", "place"), [("report", "r.json"), ("save-masks", "mm"), ("export-keyframes", "k")])
def test_two_lines_have_a_place_each(here: Path, column: str, place: str) -> None:
    touch("list/a.mp4", "list/b.mp4", "list/m.png")
    with pytest.raises(UsageError, match=f"line 2 and line 3 would both be written to out/{place}"):
        listed(f"input,mask,{column}\na.mp4,m.png,{place}\nb.mp4,m.png,{place}\n")


def test_reports_and_masks_that_are_in_the_way(here: Path) -> None:
    touch("in/a.mp4", "in/b.mp4", "out/a.mp4", "out/a.mp4.html", "out/b.mp4.html", "grown/b/0.png")
    with pytest.raises(OutputError, match=r"^out/b\.mp4\.html exists"):
        planned("in", report="html", batch={"skip_existing": True})
    with pytest.raises(OutputError, match=r"^grown/b exists"):
        planned("in", save_masks="grown", batch={"skip_existing": True})
    assert len(planned("in", report="html", save_masks="grown", overwrite=True)) == 2


def test_a_folder_in_a_line_of_a_manifest(here: Path) -> None:
    touch("list/in/a.mp4", "list/a.mp4", "list/m.png", "list/plate/f1.png", "list/plate/f2.png")
    with pytest.raises(UsageError, match="line 2: its input list/in is a folder: name the videos"):
        listed("input,mask\nin,m.png\n")
    text = "input,mask,output\na.mp4,m.png,x/\nplate,m.png,y\na.mp4,m.png,.\n"
    assert outputs(listed(text)) == ["out/x/a.mp4", "out/y", "out/a.mp4"]


@pytest.mark.parametrize(
    "words",
    [{"summary": Path("s.mp4")}, {"jobs": 0}, {"allow_outside": True}, {"manifest": Path("m"), "recursive": True}],
)
def test_options_that_mean_nothing(words: dict[str, Any]) -> None:
    with pytest.raises(VrmError):
        BatchOptions(**words)
