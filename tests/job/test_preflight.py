"""What is read is never written over, and a folder with anything but frames in it is never replaced."""

import cv2
import numpy as np
import pytest

from vrm.errors import OutputError, UsageError
from vrm.events import Events
from vrm.job.preflight import refuse_clashes
from vrm.options.remove import EngineOptions, MaskOptions, OutputOptions, RemoveOptions
from vrm.options.values import Moment
from vrm.pipeline import remove
from vrm.selection.preview_mask import preview_mask
from vrm.selection.resolve import track

SIZE = (48, 64)


@pytest.fixture
def here(tmp_path, monkeypatch, make_video):
    """A clip, a folder of frames, a mask as a picture, a video and a folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path.with_name(f"{tmp_path.name}-cache")))
    make_video(tmp_path / "in.mp4", size=SIZE, frames=3)
    make_video(tmp_path / "mask.mkv", "ffv1", size=SIZE, frames=3)
    mask = np.zeros(SIZE, np.uint8)
    mask[10:20, 10:20] = 255
    for folder in ("shots/frames", "masks"):
        (tmp_path / folder).mkdir(parents=True)
        for t in range(3):
            picture = mask if folder == "masks" else np.full((*SIZE, 3), 40 * t, np.uint8)
            cv2.imwrite(str(tmp_path / folder / f"{t:05d}.png"), picture)
    cv2.imwrite(str(tmp_path / "m.png"), mask)
    return tmp_path


def options(here, mask="m.png", keyframes=(), **more):
    names = {name: here / more.pop(name) for name in ("save_to", "labels") if name in more}
    shaping = {"static": True} if mask == "m.png" else {}
    engine = {"engine": "keyframe", "weights": "none", "keyframes": keyframes} if keyframes else {}
    return RemoveOptions(
        mask=MaskOptions(path=here / mask, **names, **shaping),
        engine=EngineOptions(preset="fast", threads=1, **engine),
        output=OutputOptions(overwrite=True),
        **{name: here / path for name, path in more.items()},
    )


@pytest.mark.parametrize(
    ("target", "words", "said"),
    [
        ("in.mp4", {}, "the input"),
        ("mask.mkv", {"mask": "mask.mkv"}, "the mask"),
        ("out.mp4", {"mask": "masks", "save_to": "masks"}, "--save-masks .* the mask"),
        ("out.mp4", {"mask": "masks/00000.png", "save_to": "masks"}, "--save-masks .* the mask"),
        ("out.mp4", {"export_keyframes": "masks", "keyframes": ((0, "masks/00000.png"),)}, "--export.* the key frame"),
        ("masks", {"mask": "masks"}, "-o .* the mask"),
        ("masks", {"mask": "masks/00000.png"}, "-o .* the mask"),
        ("out.mp4", {"save_to": "x", "export_keyframes": "x"}, "--save-masks and --export-keyframes both go to"),
    ],
)
def test_each_way_to_write_over_what_is_read(here, target, words, said):
    with pytest.raises(UsageError, match=said):
        refuse_clashes(here / "in.mp4", here / target, options(here, **words))


def test_links_are_followed(here):
    (here / "other.mkv").symlink_to("mask.mkv")
    with pytest.raises(UsageError, match="over the mask"):
        refuse_clashes(here / "in.mp4", here / "other.mkv", options(here, mask="mask.mkv"))


def test_what_lies_beside_is_no_clash(here):
    beside = options(here, mask="masks", save_to="masks/grown", report="masks/r.html")
    refuse_clashes(here / "in.mp4", here / "masks/out.mp4", beside)
    refuse_clashes(here / "in.mp4", here, options(here), whole=False)


def test_an_overlay_is_never_written_over_the_mask(here):
    words = {"whole": False, "overlay": here / "mask.mkv"}
    with pytest.raises(UsageError, match=r"--overlay .* would be written over the mask"):
        refuse_clashes(here / "in.mp4", here / "masks", options(here, mask="mask.mkv"), **words)
    keys = ((None, here / "m.png"), (Moment(frame=1), here / "masks/00001.png"))
    one = RemoveOptions(mask=MaskOptions(path=keys), output=OutputOptions(overwrite=True))
    with pytest.raises(UsageError, match=r"--overlay .*00001.png would be written over the mask"):
        preview_mask(here / "in.mp4", keys[1][1], one, Events())


def test_a_mask_survives_overwrite(here):
    before = (here / "mask.mkv").read_bytes()
    with pytest.raises(UsageError, match="over the mask"):
        remove(here / "in.mp4", here / "mask.mkv", options(here, mask="mask.mkv"), Events())
    with pytest.raises(UsageError, match="over the mask"):
        track(here / "in.mp4", here / "masks", options(here, mask="masks/00000.png"), Events())
    assert (here / "mask.mkv").read_bytes() == before


@pytest.mark.parametrize("target", ["shots", ".", "notes"])
def test_a_folder_with_anything_else_in_it_is_not_replaced(here, target):
    (here / "notes").mkdir()
    (here / "notes" / "diary.txt").write_text("dear")
    before = sorted(str(path) for path in here.rglob("*"))
    with pytest.raises(OutputError, match="holds more than frames"):
        remove(here / "shots/frames", here / target, options(here), Events())
    assert sorted(str(path) for path in here.rglob("*")) == before


def test_a_folder_of_frames_is_replaced_as_a_whole(here):
    (here / "old").mkdir()
    cv2.imwrite(str(here / "old" / "00009.png"), np.zeros(SIZE, np.uint8))
    (here / "old" / ".DS_Store").touch()
    remove(here / "shots/frames", here / "old", options(here), Events())
    assert sorted(path.name for path in (here / "old").iterdir()) == ["00000.png", "00001.png", "00002.png"]


def test_saved_masks_appear_with_the_result(here, monkeypatch):
    class Stop(Events):
        def stage(self, name, total):
            if name == "write":
                assert not (here / "grown").exists()
                raise KeyboardInterrupt

    wanted = options(here, save_to="grown")
    with pytest.raises(KeyboardInterrupt):
        remove(here / "in.mp4", here / "out.mp4", wanted, Stop())
    assert not (here / "grown").exists()
    assert not list(here.glob(".*"))
    remove(here / "in.mp4", here / "out.mp4", wanted, Events())
    assert len(list((here / "grown").iterdir())) == 3
