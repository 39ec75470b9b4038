"""From what the user gave to one ``Masks`` in the stored orientation, checked against the video before work starts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from vrm.errors import MaskError
from vrm.events import counted
from vrm.options.remove import MaskOptions
from vrm.selection.masks.geometry import Placement, placement
from vrm.selection.masks.key_masks import PlacedMasks, place_masks
from vrm.selection.masks.levels import LevelCount, Levels, MaskPicture, Threshold, read_levels, thresholded
from vrm.selection.masks.source import MaskReaders, MaskSource
from vrm.types import Bool, Masks, VideoInfo

MOSTLY = 0.5
"""If more of the picture is masked than this, on average, the mask may be of the other polarity."""


@dataclass(frozen=True)
class LoadedMasks:
    """The user's masks, not yet grown or tracked.

    Attributes:
        masks: one per frame of the video, stored orientation and size.
        annotated: the frames that carry a mask where the others are to be found by tracking; None where the masks
            already say everything.
        range_only: there are masks of the range alone, and nothing says what is hidden outside it.
    """

    masks: Masks
    notes: tuple[str, ...] = ()
    annotated: frozenset[int] | None = None
    range_only: bool = False


@dataclass
class _Reading:
    """What is gathered from the pictures, one at a time, each read once.

    There are masks for each threshold that the levels of the whole sequence may ask for in the end.
    """

    options: MaskOptions
    info: VideoInfo
    masks: dict[Threshold, Masks]
    notes: list[str] = field(default_factory=list)
    count: LevelCount = field(default_factory=LevelCount)
    range_only: bool = False
    placements: dict[tuple[int, int], Placement] = field(default_factory=dict)

    def add(self, t: int, picture: MaskPicture) -> None:
        """Count a picture's levels, turn and scale them, and unite the mask of frame t with them."""
        levels = read_levels(picture, bool(self.options.objects))
        self.count.add(levels)
        size = (levels.values.shape[0], levels.values.shape[1])
        if size not in self.placements:
            self.placements[size] = placement(size, self.info, picture.name)
            if self.placements[size].note:
                self.notes.append(self.placements[size].note)
        levels = Levels(self.placements[size].apply(levels.values), levels.kind, levels.lossy)
        for threshold, masks in self.masks.items():
            masks[t] = masks[t] | self._masked(levels, threshold)

    def _masked(self, levels: Levels, threshold: Threshold) -> Bool:
        if self.options.objects:
            wanted = np.zeros(levels.full + 1, np.bool_)
            wanted[[i for i in self.options.objects if i < wanted.size]] = True
            return np.asarray(wanted[levels.values])
        mask = thresholded(levels, threshold)
        return ~mask if self.options.invert else mask

    def chosen(self) -> Masks:
        """The masks at the threshold that the levels of the whole sequence ask for; a note where it is not obvious."""
        if self.options.objects:
            self._check_objects()
            return self.masks[Threshold.ANY]
        if self.options.invert and self.count.quadmask:
            self.notes.append(
                "The mask has four levels (0 remove, 63 remove and affected, 127 affected, 255 keep): "
                "the first two are removed, what is only affected is kept."
            )
            return self.masks[Threshold.LOW]
        if self.count.grey_is_ids:
            return self.masks[Threshold.ANY]
        if dim := self.count.dim_levels:
            one = len(dim) == 1
            self.notes.append(
                f"The mask is cut at half: its level{'' if one else 's'} {', '.join(map(str, dim))} "
                f"{'counts' if one else 'count'} as black. If {'it is an id' if one else 'they are ids'}, choose with "
                "--object."
            )
        return self.masks[Threshold.HALF]

    def _check_objects(self) -> None:
        wanted, found = set(self.options.objects), self.count.ids
        listed = ", ".join(str(i) for i in sorted(found - {0})[:40]) or "none but 0"
        if not wanted & found:
            raise MaskError(
                f"--object {','.join(map(str, sorted(wanted)))} is nowhere in the mask.", f"Its ids are: {listed}."
            )
        if missing := wanted - found:
            self.notes.append(
                f"Object {', '.join(map(str, sorted(missing)))} is nowhere in the mask; its ids are: {listed}."
            )


def load(
    options: MaskOptions, info: VideoInfo, readers: MaskReaders, span: tuple[int, int] | None = None
) -> LoadedMasks:
    """Read the mask in whatever form it is, in the video's displayed orientation, and check that it fits the video.

    Where only the frames of ``span``, ``(start, stop)``, are worked on, a sequence may be as long as the span instead.

    Raises MaskError: unreadable, of another shape than the video, shorter or longer than it, without the ids asked
    for, or everything masked.
    """
    if options.path is None:
        raise MaskError("There is no mask.", "Give one with --mask.")
    placed = place_masks(options, info, readers, span)
    source, lossy = placed.sources[0], [each for each in placed.sources if each.lossy]
    if options.objects and lossy:
        raise MaskError(
            f"--object needs exact ids, and {lossy[0].path.name} went through a lossy codec.",
            "Give palette PNGs, or leave --object out.",
        )
    possible = [Threshold.ANY]
    if not options.objects:
        possible += [Threshold.HALF, *([Threshold.LOW] if options.invert else [])]
    reading = _Reading(
        options, info, {threshold: Masks(info.size, info.n_frames) for threshold in possible}, [*source.notes]
    )
    annotated = None
    if options.static:
        masks = _static(placed.sources, reading)
    elif placed.frames:
        masks, annotated = _keyed(placed, reading), frozenset(placed.frames)
    elif source.count == 1 and info.n_frames != 1 and (span is None or span[1] - span[0] != 1):
        masks, annotated = _single(source, reading), frozenset({options.frame})
    else:
        if options.frame:
            reading.notes.append(f"--mask-frame {options.frame} is for a single picture; this mask has its own frames.")
        masks = _sequence(source, reading, span)
    fix = "Leave --invert-mask out." if options.invert else "If black marks the object, add --invert-mask."
    odd = check_coverage(masks, masks.n_frames if annotated is None else len(annotated), fix)
    return LoadedMasks(masks, (*reading.notes, *odd), annotated, reading.range_only)


def _static(sources: Iterable[MaskSource], reading: _Reading) -> Masks:
    count = 0
    for source in sources:
        before = count
        for picture in source.pictures():
            reading.add(0, picture)
            count += 1
        if count == before:
            raise MaskError(f"Mask {source.path} has no frames.", "Give a PNG.")
    if count > 1:
        reading.notes.append(f"--static-mask: the {count} pictures of the mask are united and hold for every frame.")
    masks = reading.chosen()
    for t in range(1, masks.n_frames):
        masks.repeat(t, 0)
    return masks


def _keyed(placed: PlacedMasks, reading: _Reading) -> Masks:
    for t, source in zip(placed.frames, placed.sources, strict=True):
        for picture in source.pictures():
            reading.add(t, picture)
    if placed.note:
        reading.notes.append(placed.note)
    return reading.chosen()


def _single(source: MaskSource, reading: _Reading) -> Masks:
    frame, frames = reading.options.frame, reading.info.n_frames
    if frame >= frames:
        raise MaskError(
            f"--mask-frame {frame} is past the end: the video has {counted(frames, 'frame')}, 0 to {frames - 1}."
        )
    for picture in source.pictures():
        reading.add(frame, picture)
    if source.kind == "folder":
        reading.notes.append(f"The mask folder holds one picture: it is taken as the mask of frame {frame} only.")
    return reading.chosen()


def _sequence(source: MaskSource, reading: _Reading, span: tuple[int, int] | None) -> Masks:
    offsets = {reading.info.n_frames: 0}  # by length
    if span is not None:
        offsets.setdefault(span[1] - span[0], span[0])
    if source.count is not None:
        _check_count(source, source.count, offsets)
    longest, count = max(offsets), 0
    for picture in source.pictures():
        if count < longest:  # what is too long is only counted
            reading.add(count, picture)
        count += 1
    _check_count(source, count, offsets)
    offset = offsets[count]
    reading.range_only = bool(offset) or count != reading.info.n_frames
    if reading.range_only:
        reading.notes.append(
            f"The mask has {counted(count, 'frame')}, for the range, from frame {offset} on. No other frames are "
            "looked at, as nothing says what is hidden there."
        )
    masks = reading.chosen()
    if offset == 0:
        return masks
    moved = Masks(masks.size, masks.n_frames)
    for t, mask in masks.items():
        moved[t + offset] = mask
    return moved


def _check_count(source: MaskSource, count: int, offsets: dict[int, int]) -> None:
    if count in offsets:
        return
    frames = max(offsets)
    what = "frame" if source.kind == "video" else "picture"
    if count < frames:
        where = f"The first frame without a mask is {count + offsets[frames]}"
        if source.files:
            where += f" (the last picture is {source.files[-1].name})"
    elif source.files:
        where = f"The first mask without a frame is {source.files[frames].name}"
    else:
        where = f"The first mask frame without a video frame is {frames}"
    also = "".join(f" (or {n} for the chosen range)" for n in offsets if n != frames)
    raise MaskError(
        f"The mask {source.path.name} has {counted(count, what)}, the video has {counted(frames, 'frame')}{also}. "
        f"{where}.",
        "Give one mask per frame, one picture with --static-mask (all frames) or --mask-frame (to be tracked), or "
        "masks of some frames to be tracked from: --mask a.png@0 --mask b.png@30.",
    )


def check_coverage(masks: Masks, expected: int, fix: str) -> Iterator[str]:
    """Say where masks look odd; ``fix`` is what the user may do if they cover too much.

    Raises MaskError: the masks of all the frames that can have one, ``expected``, cover everything.
    """
    shares: list[float] = []  # the masked share of each frame that has a mask
    before = -1
    for t in masks.frames():
        shares.append(shares[-1] if before >= 0 and masks.same(t, before) else float(masks[t].mean()))
        before = t
    covered = sum(share == 1.0 for share in shares)
    if shares and covered >= expected:
        raise MaskError("The mask covers every pixel of every frame, so there is nothing to fill it from.", fix)
    if not shares:
        yield "The mask is empty on every frame: the video passes through."
    elif sum(shares) / len(shares) > MOSTLY:
        yield f"The mask covers {100 * sum(shares) / len(shares):.0f}% of the picture, which is seldom meant. {fix}"
    elif covered:
        yield f"The mask covers everything on {covered} of {counted(masks.n_frames, 'frame')}."
