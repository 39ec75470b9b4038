"""Cases with known truth, written so that any tool can be run on them: ``OUT/NAME/{frames,masks,truth}/00000.png``."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np

from vrm import __version__
from vrm.errors import MaskError, OutputError, UsageError, VideoError
from vrm.evaluate.clips import Clip, find_clips
from vrm.evaluate.freeform import Drift, blob, place
from vrm.evaluate.guided import view
from vrm.evaluate.pictures import Pictures, load_masks, same_shape
from vrm.evaluate.protocols import YOUTUBE_VOS_TEST, Protocol
from vrm.events import Events
from vrm.media.folder import ENDINGS as IMAGES
from vrm.media.stills import write_png
from vrm.types import U8, Bool, Masks, Pixels

RECORD = "protocol.json"
GREY = 128
"""What is written over missing pixels, so that no truth leaks."""


@dataclass(frozen=True)
class CaseOptions:
    """How cases are made.

    Attributes:
        protocol: see ``vrm.evaluate.protocols``.
        clips: names or patterns; empty = those of the protocol that are there, or all.
        frames: only the first so many; None = all.
        size: ``(height, width)`` instead of the protocol's.
        seed: of free-form holes and views, and of the order of shuffled masks (0 = each clip takes the next one's).
        masks: a folder of published holes, ``MASKS/NAME/*.png``, instead of drawn ones.
        invert: the other polarity than the protocol's in masks that are read.
        keyframes: views beside each image (guided).
        overwrite: replace OUT.
    """

    protocol: Protocol
    clips: tuple[str, ...] = ()
    frames: int | None = None
    size: tuple[int, int] | None = None
    seed: int = 0
    masks: Path | None = None
    invert: bool = False
    keyframes: int = 4
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.frames is not None and self.frames < 1:
            raise UsageError(f"--frames {self.frames} is less than one.")
        if self.size is not None and min(self.size) < 16:
            raise UsageError(f"--size {self.size[1]}x{self.size[0]} is smaller than 16 pixels.")
        if not 1 <= self.keyframes <= 16:
            raise UsageError(f"--keyframes {self.keyframes} is outside 1..16.")
        if self.masks is not None and self.protocol.holes not in ("still", "moving"):
            raise UsageError(f"--masks has no meaning for the protocol {self.protocol.name}.")

    @property
    def case_size(self) -> tuple[int, int] | None:
        """``(height, width)`` of the cases, or None for the clips' own."""
        return self.size or self.protocol.size


@dataclass
class _Maker:
    """One clip's case under way: its frames and holes, and what the record says of it."""

    frames: Iterator[U8 | Pixels]
    holes: Iterator[Bool]
    truth: Iterator[Pixels] | None
    about: dict[str, Any] = field(default_factory=dict)
    hide: bool = True


def make_cases(folder: Path, out: Path, options: CaseOptions, events: Events) -> list[str]:
    """Write the cases of a protocol.

    Args:
        folder: the clips (see ``find_clips``), or images for the guided protocol.
        out: made; it appears when it is complete.
        options: see ``CaseOptions``.
        events: hears of progress and of clips that are left out.

    Returns:
        The names of the cases.

    Raises:
        VrmError: clips or masks missing, unreadable or of other sizes; OUT exists.
    """
    if out.exists() and not options.overwrite and not (out.is_dir() and not any(out.iterdir())):
        raise OutputError(f"{out} exists.", "Choose another name or give --overwrite.")
    clips = _images(folder, options) if options.protocol.holes == "guided" else _clips(folder, options, events)
    partial = out.with_name(f".{out.name}.part")
    shutil.rmtree(partial, ignore_errors=True)
    record: dict[str, Any] = {}
    events.stage("cases", len(clips))
    try:
        for k, clip in enumerate(clips):
            maker = _guided(clip, k, options) if options.protocol.holes == "guided" else _maker(clips, k, options)
            count = _write(partial / clip.name, maker)
            record[clip.name] = {"source": clip.frames.path.name, "frames": count, **maker.about}
            events.advance("cases")
        _record(partial, options, record)
        if out.exists():
            shutil.rmtree(out)
        out.parent.mkdir(parents=True, exist_ok=True)
        partial.rename(out)
    except OSError as error:
        raise OutputError(f"Cases cannot be written to {out}: {error.strerror}.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return list(record)


def _record(folder: Path, options: CaseOptions, clips: dict[str, Any]) -> None:
    size = options.case_size
    facts = {
        "protocol": options.protocol.name,
        "what": options.protocol.what,
        "published": options.protocol.source,
        "size": None if size is None else f"{size[1]}x{size[0]}",
        "seed": options.seed,
        "made_by": f"vrm {__version__}",
        "clips": clips,
    }
    (folder / RECORD).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def _clips(folder: Path, options: CaseOptions, events: Events) -> list[Clip]:
    """The clips that the protocol can be run on; what lacks masks or truth is named and left out."""
    protocol = options.protocol
    if options.clips:
        clips = find_clips(folder, options.clips)
    elif protocol.clips:
        clips = find_clips(folder)
        there = {clip.name: clip for clip in clips}
        if missing := [name for name in protocol.clips if name not in there]:
            raise VideoError(
                f"{len(missing)} of the {len(protocol.clips)} clips of the protocol {protocol.name} are not in "
                f"{folder}: {', '.join(missing)}.",
                "Name the clips you want with --clips; the result is then not comparable with published tables.",
            )
        clips = [there[name] for name in protocol.clips]
    else:
        clips = find_clips(folder)
    if protocol.name == "youtube-vos" and len(clips) != YOUTUBE_VOS_TEST:
        events.note(f"{len(clips)} clips, not the {YOUTUBE_VOS_TEST} of the test set: not comparable with tables.")
    needs_masks = protocol.holes in ("shuffled", "own", "object")
    usable = [c for c in clips if _usable(c, needs_masks, protocol.name == "pairs", events)]
    least = 2 if protocol.holes == "shuffled" else 1
    if len(usable) < least:
        raise VideoError(
            f"The protocol {protocol.name} needs {least} or more clips with masks; {folder} has {len(usable)}."
        )
    return usable


def _usable(clip: Clip, needs_masks: bool, needs_truth: bool, events: Events) -> bool:
    lacks = ""
    if needs_masks:
        if clip.masks is None:
            lacks = "masks"
        elif clip.masks.listed and len(clip.masks) not in (1, len(clip.frames)):
            lacks = f"a mask for each frame: it has {len(clip.masks)} for {len(clip.frames)}"
    if needs_truth and clip.truth is None:
        lacks = "truth"
    if lacks:
        events.note(f"Clip {clip.name} is left out, for it lacks {lacks}.")
    return not lacks


def _maker(clips: list[Clip], k: int, options: CaseOptions) -> _Maker:
    """Frames and holes of one clip."""
    clip, protocol = clips[k], options.protocol
    size = options.case_size or clip.frames.size
    count = min(len(clip.frames), options.frames or len(clip.frames))

    def resized(pictures: Pictures) -> Iterator[Pixels]:
        return (_resized(f, size, protocol) for f in pictures.stream(count))

    about: dict[str, Any] = {}
    holes: Iterator[Bool]
    if protocol.holes == "shuffled":
        donor = clips[_donors(len(clips), options.seed)[k]]
        masks = _read_masks(donor, options)
        count = min(count, masks.n_frames)
        about["holes"] = donor.name
        holes = (_grown(_stretched(masks[t], size), protocol.grow) for t in range(count))
    elif protocol.holes in ("own", "object"):
        masks = _read_masks(clip, options)
        holes = (_grown(_fitted(masks[t], size, protocol), protocol.grow) for t in range(count))
    elif options.masks is not None:
        masks = _published(options.masks, clip)
        about["holes"] = str(options.masks.name)
        holes = (_grown(_stretched(masks[min(t, masks.n_frames - 1)], size), protocol.grow) for t in range(count))
    else:
        holes = _drawn(protocol, size, count, _seed(options.seed, clip.name), about)
    truth = None
    if clip.truth is not None and protocol.name == "pairs":
        same_shape(clip.frames, clip.truth, "frames", "truth", clip.name)
        truth = resized(clip.truth)
    return _Maker(resized(clip.frames), holes, truth, about, hide=protocol.holes != "object" and truth is None)


def _drawn(protocol: Protocol, size: tuple[int, int], count: int, seed: int, about: dict[str, Any]) -> Iterator[Bool]:
    """Holes that need no file."""
    if protocol.holes == "box":
        yield from (centred_box(size) for _ in range(count))
        return
    about["seed"] = seed
    rng = np.random.default_rng(seed)
    shape = blob(size, rng)
    drift = Drift((shape.shape[0], shape.shape[1]), size, rng)
    for _ in range(count):
        yield _grown(place(shape, size, drift.at), protocol.grow)
        if protocol.holes == "moving":
            drift.step()


def centred_box(size: tuple[int, int]) -> Bool:
    """A box of a quarter of height and width in the middle of the frame."""
    height, width = size
    h, w = height // 4, width // 4
    y0, x0 = (height - h) // 2, (width - w) // 2
    mask = np.zeros(size, np.bool_)
    mask[y0 : y0 + h, x0 : x0 + w] = True
    return mask


def _donors(n: int, seed: int) -> list[int]:
    """Whose masks each clip gets: the next one's, or for another seed those of a random single cycle."""
    order = np.arange(n) if seed == 0 else np.random.default_rng(seed).permutation(n)
    donors = [0] * n
    for k in range(n):
        donors[order[k]] = int(order[(k + 1) % n])
    return donors


def _seed(seed: int, name: str) -> int:
    """A seed of its own for each clip, the same whichever clips are beside it."""
    return int(np.random.default_rng([seed, *name.encode()]).integers(2**31))


def _read_masks(clip: Clip, options: CaseOptions) -> Masks:
    assert clip.masks is not None
    black = clip.missing_is_black or options.protocol.missing_is_black
    return load_masks(clip.masks, clip.frames, clip.name, black != options.invert)


def _published(folder: Path, clip: Clip) -> Masks:
    """The hole of a clip from a folder of published ones: one picture for all frames, or one for each."""
    if not (folder / clip.name).is_dir():
        raise MaskError(f"{folder} has no folder {clip.name}.", "Holes lie in MASKS/NAME/*.png.")
    own = Pictures(folder / clip.name)
    return load_masks(own, own, clip.name)


def _resized(frame: Pixels, size: tuple[int, int], protocol: Protocol) -> Pixels:
    """A frame at the size of the cases."""
    if frame.shape[:2] == size:
        return frame
    if not protocol.cover:
        return _resample(frame, size, protocol.resample)
    covering, (y, x) = _covering((frame.shape[0], frame.shape[1]), size)
    return _resample(frame, covering, protocol.resample)[y : y + size[0], x : x + size[1]]


def _resample(frame: Pixels, size: tuple[int, int], how: str) -> Pixels:
    if frame.shape[:2] == size:
        return frame
    if how == "area" or frame.dtype != np.uint8:
        return cast(Pixels, cv2.resize(frame, size[::-1], interpolation=cv2.INTER_AREA))
    from PIL import Image

    # Pillow's bicubic filter widens when it shrinks; OpenCV's does not.
    return np.asarray(Image.fromarray(frame).resize(size[::-1], Image.Resampling.BICUBIC), np.uint8)


def _covering(frame: tuple[int, int], size: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """The size that covers ``size`` with the frame's aspect, and the corner of the middle part."""
    scale = max(size[0] / frame[0], size[1] / frame[1])
    covering = max(size[0], round(frame[0] * scale)), max(size[1], round(frame[1] * scale))
    return covering, ((covering[0] - size[0]) // 2, (covering[1] - size[1]) // 2)


def _fitted(mask: Bool, size: tuple[int, int], protocol: Protocol) -> Bool:
    if not protocol.cover or mask.shape == size:
        return _stretched(mask, size)
    covering, (y, x) = _covering((mask.shape[0], mask.shape[1]), size)
    return np.asarray(_stretched(mask, covering)[y : y + size[0], x : x + size[1]])


def _stretched(mask: Bool, size: tuple[int, int]) -> Bool:
    if mask.shape == size:
        return mask
    return np.asarray(cv2.resize(mask.astype(np.uint8), size[::-1], interpolation=cv2.INTER_NEAREST) > 0)


def _grown(mask: Bool, how: str) -> Bool:
    if not how:
        return mask
    if how == "ellipse":
        kernel, rounds = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9)), 1
    else:
        kernel, rounds = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)), 4
    return np.asarray(cv2.dilate(mask.astype(np.uint8), kernel, iterations=rounds) > 0)


def _images(folder: Path, options: CaseOptions) -> list[Clip]:
    """Single images as clips: those of the folder, or else the first frame of each clip in it."""
    if folder.is_dir() and (files := sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGES)):
        clips = [Clip(p.stem, Pictures(folder, (p,))) for p in files]
        if options.clips:
            from vrm.evaluate.clips import choose

            names = choose([c.name for c in clips], options.clips, str(folder))
            clips = [c for c in clips if c.name in names]
        return clips
    return find_clips(folder, options.clips)


def _guided(clip: Clip, k: int, options: CaseOptions) -> _Maker:
    """Frame 0 is the image, the others are views of it; each has a hole of its own, and only frame 0 is scored."""
    size = options.case_size
    assert size is not None
    seed = _seed(options.seed, clip.name)
    rng = np.random.default_rng(seed)
    image = next(iter(clip.frames.stream(1)))
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    large = np.asarray(_resized(image, (size[0] * 456 // 256, size[1] * 456 // 256), options.protocol), np.uint8)
    y, x = ((large.shape[i] - size[i]) // 2 for i in (0, 1))
    frames = [np.ascontiguousarray(large[y : y + size[0], x : x + size[1]])]
    frames += [view(large, size, rng) for _ in range(options.keyframes)]
    holes = []
    for _ in frames:
        shape = blob((size[0] * 3 // 4, size[1] * 3 // 4), rng)
        room = np.array([size[0] - shape.shape[0], size[1] - shape.shape[1]])
        holes.append(place(shape, size, rng.uniform(0, 1, 2) * room))
    return _Maker(iter(frames), iter(holes), None, {"seed": seed, "scored": [0]})


def _write(folder: Path, maker: _Maker) -> int:
    """Write one case, frame by frame; returns how many."""
    kinds = ["frames", "masks"] + (["truth"] if maker.hide or maker.truth is not None else [])
    for kind in kinds:
        (folder / kind).mkdir(parents=True)
    count = 0
    for t, (frame, hole) in enumerate(zip(maker.frames, maker.holes, strict=False)):
        name = f"{t:05d}.png"
        if maker.hide:
            write_png(folder / "truth" / name, frame)
            frame = frame.copy()
            frame[hole] = GREY if frame.dtype == np.uint8 else GREY * 257
        elif maker.truth is not None:
            write_png(folder / "truth" / name, next(maker.truth))
        write_png(folder / "frames" / name, frame)
        write_png(folder / "masks" / name, hole.astype(np.uint8) * 255)
        count = t + 1
    return count
