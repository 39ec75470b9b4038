"""Cases with known truth, for any tool to be run on: ``OUT/NAME/{frames,masks,truth}/00000.png``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vrm.errors import MaskError, OutputError, UsageError, VideoError, VrmError
from vrm.evaluate.cases.clips import Clip, choose, find_clips
from vrm.evaluate.cases.protocols import Protocol
from vrm.evaluate.cases.sequence import ImageSequence, doubt, load_masks, same_shape
from vrm.evaluate.cases.sizing import centred_box, fitted, grown, resized, stretched
from vrm.evaluate.cases.views import view
from vrm.events import Events
from vrm.media.read.frame_folder import PICTURE_ENDINGS
from vrm.media.write.png import write_png
from vrm.system.files import atomic_folder
from vrm.train.data.masks import ShapeMotion, free_form_shape, placed, scaled_to_cover
from vrm.types import U8, Bool, Masks, Pixels, eight_bits
from vrm.version import __version__

RECORD = "protocol.json"
GREY = 128
"""Written over missing pixels, so that no truth leaks."""


@dataclass(frozen=True)
class CaseOptions:
    """How cases are made.

    Attributes:
        protocol: see ``vrm.evaluate.cases.protocols``.
        clips: names or patterns; empty = the protocol's, or all.
        frames: only the first so many; None = all.
        size: ``(height, width)`` instead of the protocol's.
        seed: of free-form holes and views, and of the order of shuffled masks (0 = each clip takes the next one's).
        masks: a folder of published holes, ``MASKS/NAME/*.png``, instead of drawn ones.
        invert: the masks have the opposite polarity to the protocol's.
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
        if self.seed < 0:
            raise UsageError(f"--seed {self.seed} is negative.")
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
        """``(height, width)`` of the cases; None = the clips' own."""
        return self.size or self.protocol.size


@dataclass(frozen=True)
class _CaseSource:
    """A clip, and the masks that the protocol needs of it or for it."""

    clip: Clip
    masks: Masks | None = None

    @property
    def loaded(self) -> Masks:
        """The masks, for a protocol that needs them."""
        assert self.masks is not None
        return self.masks


@dataclass
class _Case:
    """One case to be written.

    Attributes:
        frames, holes: in order.
        truth: where it is not the frames themselves.
        about: what the record says of it.
        hide: write over the missing pixels; the frames are the truth.
    """

    frames: Iterator[U8 | Pixels]
    holes: Iterator[Bool]
    truth: Iterator[Pixels] | None = None
    about: dict[str, Any] = field(default_factory=dict)
    hide: bool = True


def make_cases(folder: Path, out: Path, options: CaseOptions, events: Events) -> list[str]:
    """Write the cases of a protocol.

    Args:
        folder: the clips (see ``find_clips``), or images for the guided protocol.
        out: it appears when it is complete.
        options: see ``CaseOptions``.
        events: told of progress and of clips that are left out.

    Returns:
        The names of the cases.

    Raises:
        VrmError: clips or masks are missing, unreadable or of different sizes, or OUT exists.
    """
    out = out.resolve()
    _check_output(out, options.overwrite)
    guided = options.protocol.holes == "guided"
    sources = _images(folder, options) if guided else _clips(folder, options, events)
    record: dict[str, Any] = {}
    events.stage("cases", len(sources))
    with atomic_folder(out, "Cases") as partial:
        for k, source in enumerate(sources):
            case = _guided_case(source.clip, options) if guided else _case(sources, k, options)
            count = _write(partial / source.clip.name, case)
            record[source.clip.name] = {"source": source.clip.frames.path.name, "frames": count, **case.about}
            events.advance("cases")
        _record(partial, options, record)
    return list(record)


def _check_output(out: Path, overwrite: bool) -> None:
    """Refuse to replace anything but cases. Raises OutputError."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not overwrite:
        raise OutputError(f"{out} exists.", "Choose another name or give --overwrite.")
    if not (out / RECORD).is_file():
        raise OutputError(f"{out} does not hold cases (no {RECORD}), so it is not replaced.", "Choose another name.")


def _record(folder: Path, options: CaseOptions, clips: dict[str, Any]) -> None:
    size = options.case_size
    facts = {
        "protocol": options.protocol.name,
        "what": options.protocol.what,
        "published": options.protocol.source,
        "size": None if size is None else f"{size[1]}x{size[0]}",
        "seed": options.seed,
        "asked": {"clips": list(options.clips), "frames": options.frames},
        "made_by": f"vrm {__version__}",
        "clips": clips,
    }
    (folder / RECORD).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def _clips(folder: Path, options: CaseOptions, events: Events) -> list[_CaseSource]:
    """The clips that the protocol can be run on; others are named and left out, or refused if they were asked for."""
    protocol = options.protocol
    if options.clips:
        clips = find_clips(folder, options.clips)
    elif protocol.clips:
        clips = find_clips(folder)
        there = {clip.name: clip for clip in clips}
        if missing := [name for name in protocol.clips if name not in there]:
            which = f": {', '.join(missing)}" if len(missing) < len(protocol.clips) else ""
            raise VideoError(
                f"{len(missing)} of the {len(protocol.clips)} clips of the protocol {protocol.name} are not in "
                f"{folder}{which}.",
                "Name the clips you want with --clips; the result is then not comparable with published tables.",
            )
        clips = [there[name] for name in protocol.clips]
    else:
        clips = find_clips(folder)
    usable = []
    faults: list[VrmError] = []
    needs_masks = protocol.holes in ("shuffled", "own", "object")
    bare = [] if options.clips or not needs_masks else [clip.name for clip in clips if clip.masks is None]
    if bare:
        events.note(f"Left out, for they have no masks: {', '.join(bare)}.")
    for clip in (clip for clip in clips if clip.name not in bare):
        try:
            usable.append(_usable(clip, options))
            inverted = _inverted(clip, options)
            if usable[-1].masks is not None and (said := doubt(usable[-1].masks, clip.name, inverted)):
                events.note(said)
        except (MaskError, VideoError) as error:
            if options.clips:
                raise
            faults.append(error)
            events.note(f"Left out. {error}")
    if faults and not usable:
        raise faults[0]
    if len(usable) < (2 if protocol.holes == "shuffled" else 1):
        raise VideoError(f"The protocol {protocol.name} needs two clips or more, and {len(usable)} can be used.")
    return usable


def _usable(clip: Clip, options: CaseOptions) -> _CaseSource:
    """The clip with what the protocol needs of it. Raises MaskError or VideoError."""
    protocol = options.protocol
    masks = None
    if protocol.holes in ("shuffled", "own", "object"):
        if clip.masks is None:
            raise MaskError(f"Clip {clip.name} has no masks, which the protocol {protocol.name} needs.")
        masks = load_masks(clip.masks, clip.frames, clip.name, _inverted(clip, options))
    elif options.masks is not None:
        masks = _published(options.masks, clip)
    if protocol.name == "pairs":
        if clip.truth is None:
            raise VideoError(f"Clip {clip.name} has no truth, which the protocol {protocol.name} needs.")
        same_shape(clip.frames, clip.truth, "frames", "truth", clip.name)
    return _CaseSource(clip, masks)


def _inverted(clip: Clip, options: CaseOptions) -> bool:
    """Whether black is missing in the clip's own masks."""
    return (clip.missing_is_black or options.protocol.missing_is_black) != options.invert


def _case(sources: list[_CaseSource], k: int, options: CaseOptions) -> _Case:
    """The case of clip ``k``."""
    clip, protocol = sources[k].clip, options.protocol
    size = options.case_size or clip.frames.size
    count = min(len(clip.frames), options.frames or len(clip.frames))

    def sized(sequence: ImageSequence) -> Iterator[Pixels]:
        return (resized(f, size, protocol) for f in sequence.stream(count))

    about: dict[str, Any] = {}
    holes: Iterator[Bool]
    if protocol.holes == "shuffled":
        donor = sources[_donors(len(sources), options.seed)[k]]
        masks = donor.loaded
        count = min(count, masks.n_frames)
        about["holes"] = donor.clip.name
        holes = (grown(stretched(masks[t], size), protocol.grow) for t in range(count))
    elif protocol.holes in ("own", "object"):
        masks = sources[k].loaded
        holes = (grown(fitted(masks[t], size, protocol), protocol.grow) for t in range(count))
    elif options.masks is not None:
        masks = sources[k].loaded
        about["holes"] = str(options.masks.name)
        holes = (grown(stretched(masks[min(t, masks.n_frames - 1)], size), protocol.grow) for t in range(count))
    else:
        holes = _drawn(protocol, size, count, _seed(options.seed, clip.name), about)
    truth = None
    if clip.truth is not None and protocol.name == "pairs":
        truth = sized(clip.truth)
    return _Case(sized(clip.frames), holes, truth, about, hide=protocol.holes != "object" and truth is None)


def _drawn(protocol: Protocol, size: tuple[int, int], count: int, seed: int, about: dict[str, Any]) -> Iterator[Bool]:
    """A hole for each frame, drawn."""
    if protocol.holes == "box":
        yield from (centred_box(size) for _ in range(count))
        return
    about["seed"] = seed
    rng = np.random.default_rng(seed)
    shape = free_form_shape(size, rng)
    motion = ShapeMotion((shape.shape[0], shape.shape[1]), size, rng)
    if protocol.share:
        hole = scaled_to_cover(shape, size, motion.at + np.array(shape.shape) / 2, protocol.share)
        yield from (hole for _ in range(count))
        return
    for _ in range(count):
        yield grown(placed(shape, size, motion.at), protocol.grow)
        if protocol.holes == "moving":
            motion.step()


def _donors(n: int, seed: int) -> list[int]:
    """Which clip's masks each clip gets: the next one's, or for another seed those of a random single cycle."""
    order = np.arange(n) if seed == 0 else np.random.default_rng(seed).permutation(n)
    donors = [0] * n
    for k in range(n):
        donors[order[k]] = int(order[(k + 1) % n])
    return donors


def _seed(seed: int, name: str) -> int:
    """The seed of one clip, which does not depend on the other clips."""
    return int(np.random.default_rng([seed, *name.encode()]).integers(2**31))


def _published(folder: Path, clip: Clip) -> Masks:
    """A clip's holes from a folder of published ones: one picture for all frames, or one for each."""
    if not (folder / clip.name).is_dir():
        raise MaskError(f"{folder} has no folder {clip.name}.", "Holes lie in MASKS/NAME/*.png.")
    own = ImageSequence(folder / clip.name)
    return load_masks(own, own, clip.name)


def _images(folder: Path, options: CaseOptions) -> list[_CaseSource]:
    """Clips of one image: the images in a folder, or else the first frame of each clip in it."""
    if folder.is_dir() and (files := sorted(p for p in folder.iterdir() if p.suffix.lower() in PICTURE_ENDINGS)):
        clips = [Clip(p.stem, ImageSequence(folder, (p,))) for p in files]
        if options.clips:
            names = choose([c.name for c in clips], options.clips, str(folder))
            clips = [c for c in clips if c.name in names]
        return [_CaseSource(clip) for clip in clips]
    return [_CaseSource(clip) for clip in find_clips(folder, options.clips)]


def _guided_case(clip: Clip, options: CaseOptions) -> _Case:
    """Frame 0 is the image, the others are views of it, each with its own hole; only frame 0 is scored."""
    size = options.case_size
    assert size is not None
    seed = _seed(options.seed, clip.name)
    rng = np.random.default_rng(seed)
    image = eight_bits(next(iter(clip.frames.stream(1))))
    large = np.asarray(resized(image, (size[0] * 456 // 256, size[1] * 456 // 256), options.protocol), np.uint8)
    y, x = ((large.shape[i] - size[i]) // 2 for i in (0, 1))
    frames = [np.ascontiguousarray(large[y : y + size[0], x : x + size[1]])]
    frames += [view(large, size, rng) for _ in range(options.keyframes)]
    holes = []
    for _ in frames:
        shape = free_form_shape((size[0] * 3 // 4, size[1] * 3 // 4), rng)
        room = np.array([size[0] - shape.shape[0], size[1] - shape.shape[1]])
        holes.append(placed(shape, size, rng.uniform(0, 1, 2) * room))
    return _Case(iter(frames), iter(holes), about={"seed": seed, "scored": [0]})


def _write(folder: Path, case: _Case) -> int:
    """Write a case; returns the number of its frames."""
    kinds = ["frames", "masks"] + (["truth"] if case.hide or case.truth is not None else [])
    for kind in kinds:
        (folder / kind).mkdir(parents=True)
    count = 0
    for t, (frame, hole) in enumerate(zip(case.frames, case.holes, strict=False)):
        name = f"{t:05d}.png"
        if case.hide:
            write_png(folder / "truth" / name, frame)
            frame = frame.copy()
            frame[hole] = GREY if frame.dtype == np.uint8 else GREY * 257
        elif case.truth is not None:
            write_png(folder / "truth" / name, next(case.truth))
        write_png(folder / "frames" / name, frame)
        write_png(folder / "masks" / name, hole.astype(np.uint8) * 255)
        count = t + 1
    return count
