"""Clips to measure with: their frames, masks and truth, in the layouts of ``vrm.media.read.clips`` and of data sets."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from vrm.errors import UsageError, VideoError
from vrm.evaluate.cases.sequence import ImageSequence, open_sequence
from vrm.media.read.clips import ClipPath, clip_paths
from vrm.media.read.frame_folder import frame_files

_TRUTH = "*_gt.png"  # DEVIL's layout


@dataclass(frozen=True)
class Clip:
    """One clip, named after its folder or file.

    Attributes:
        masks: what marks an object or a hole, if it is there.
        truth: the same frames without the object, if they are there.
        effect: how much of the ground's light the object's shadow or reflection takes, 0 to 255, if that is known.
        thing: what the masks hide of something that moves and stays, if that is known.
        missing_is_black: 0 is what is missing (DEVIL's convention).
    """

    name: str
    frames: ImageSequence
    masks: ImageSequence | None = None
    truth: ImageSequence | None = None
    effect: ImageSequence | None = None
    thing: ImageSequence | None = None
    missing_is_black: bool = False

    def count(self, most: int | None) -> int:
        """Its frames, or ``most`` of them."""
        return min(len(self.frames), most or len(self.frames))


def find_clips(folder: Path, wanted: tuple[str, ...] = ()) -> list[Clip]:
    """The clips of a folder, by name.

    Layouts: ``NAME/{frames,masks[,truth,effect,thing]}`` (folders or videos; a single video in NAME is its frames), the
    data sets' ``JPEGImages/[480p/]NAME`` beside ``Annotations/[480p/]NAME``, DEVIL's
    ``NAME/frame_0000_{gt,mask}.png``, and videos side by side (``a.mkv`` beside ``a.mp4`` keep their endings in their
    names). A composite's truth may be another clip's frames: ``NAME/meta.json`` says which, as
    ``{"gt": "OTHER/frames", "bg_offset": 0}`` (from the folder of clips; frame t of NAME is frame t + offset there).

    Args:
        wanted: names or patterns (``davis-*``) in the order wanted; empty = all.

    Raises:
        VideoError: no such folder, no clips in it, or two clips of one name among those wanted.
        UsageError: a name that is not there; all of them are listed.
    """
    if not folder.is_dir():
        raise VideoError(f"{folder} is not a folder.", "Give a folder of clips.")
    found: dict[str, list[ClipPath]] = {}
    for place in clip_paths(folder, bare=False):
        if place.frames is not None or place.error is not None or any(place.path.glob(_TRUTH)):
            found.setdefault(place.name, []).append(place)
    if not found:
        raise VideoError(
            f"No clips were found in {folder}.",
            "A clip is NAME/frames with NAME/masks, JPEGImages/NAME with Annotations/NAME, or a video.",
        )
    names = choose(sorted(found), wanted, str(folder)) if wanted else sorted(found)
    return [_only(found[name], folder) for name in names]


def _only(places: list[ClipPath], folder: Path) -> Clip:
    clips = [_clip(place) for place in places]
    if len(clips) > 1:
        paths = ", ".join(str(clip.frames.path.relative_to(folder)) for clip in clips)
        raise VideoError(f"{folder} holds clips of one name: {paths}.", "Rename one, or name others with --clips.")
    return clips[0]


def choose(names: list[str], wanted: tuple[str, ...], where: str) -> list[str]:
    """The names that the patterns ask for, in the order of the patterns, each once.

    Raises UsageError for patterns that match nothing; all such are listed.
    """
    chosen = dict.fromkeys(name for pattern in wanted for name in names if fnmatchcase(name, pattern))
    if missing := [p for p in wanted if not any(fnmatchcase(name, p) for name in names)]:
        raise UsageError(f"No clip in {where} is called {', '.join(missing)}.", f"There are: {', '.join(names)}.")
    return list(chosen)


def _clip(place: ClipPath) -> Clip:
    folder = place.path
    if folder.is_file():
        return Clip(place.name, ImageSequence(folder))
    if truths := tuple(sorted(folder.glob(_TRUTH))):
        inverted = tuple(sorted(folder.glob("*_mask.png")))
        masks = ImageSequence(folder, inverted) if inverted else None
        return Clip(place.name, ImageSequence(folder, truths), masks, missing_is_black=True)
    if place.error is not None:
        raise place.error
    assert place.frames is not None
    frames = ImageSequence(place.frames)
    masks = open_sequence(folder, "masks", "mask") if place.masks is None else ImageSequence(place.masks)
    truth = open_sequence(folder, "truth", "gt") or _background(folder, frames)
    return Clip(place.name, frames, masks, truth, open_sequence(folder, "effect"), open_sequence(folder, "thing"))


def _background(folder: Path, frames: ImageSequence) -> ImageSequence | None:
    """The frames that a composite was made over, where it says so; if some are missing, reading them says so."""
    path = folder / "meta.json"
    if not path.is_file():
        return None
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        if "gt" not in about:
            return None
        there, first = folder.parent / str(about["gt"]), int(about.get("bg_offset", 0))
        if first < 0:
            raise ValueError(f"bg_offset {first} is negative")
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise VideoError(f"{path} cannot be read: {error}.", 'Write {"gt": "OTHER/frames", "bg_offset": 0}.') from error
    if not there.is_dir():
        return ImageSequence(there)
    return ImageSequence(there, tuple(frame_files(there)[first : first + len(frames)]))
