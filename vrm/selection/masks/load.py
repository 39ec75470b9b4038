"""From what the user gave to one ``Masks`` in the stored orientation, checked against the video before work starts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from vrm.errors import MaskError
from vrm.options.remove import MaskOptions
from vrm.selection.masks.geometry import Fit, fit
from vrm.selection.masks.levels import Cut, LevelCount, Levels, Picture, cut, read_levels
from vrm.selection.masks.source import MaskSource, Readers, open_source
from vrm.types import Bool, Masks, VideoInfo

MOSTLY = 0.9
"""More of the picture masked than this, on average, is probably a mask of the other polarity."""


@dataclass(frozen=True)
class LoadedMasks:
    """The user's masks, not yet grown or united.

    Attributes:
        masks: one per frame of the video, stored orientation and size.
        notes: what the user should know (scaled, inverted by the look of it, empty, ...), a sentence each.
        annotated: the frames that carry a mask where the others are to be found by tracking; None where the masks
            already say everything.
    """

    masks: Masks
    notes: tuple[str, ...] = ()
    annotated: frozenset[int] | None = None


@dataclass
class _Reading:
    """What is gathered while the pictures pass by, once, one at a time."""

    options: MaskOptions
    info: VideoInfo
    masks: dict[Cut, Masks]
    notes: list[str] = field(default_factory=list)
    count: LevelCount = field(default_factory=LevelCount)
    fits: dict[tuple[int, int], Fit] = field(default_factory=dict)
    chosen_met: set[int] = field(default_factory=set)

    def levels(self, picture: Picture) -> Levels:
        """The counted, turned and scaled levels of a picture."""
        levels = read_levels(picture, bool(self.options.objects))
        self.count.add(levels)
        size = (levels.values.shape[0], levels.values.shape[1])
        if size not in self.fits:
            self.fits[size] = fit(size, self.info, picture.name)
            if self.fits[size].note:
                self.notes.append(self.fits[size].note)
        return Levels(self.fits[size].apply(levels.values), levels.nature, levels.lossy)

    def masked(self, levels: Levels, where: Cut) -> Bool:
        """What goes, by the user's choice of ids and polarity."""
        if self.options.objects:
            return self._chosen(levels.values)
        mask = cut(levels, where)
        return ~mask if self.options.invert else mask

    def _chosen(self, values: npt.NDArray[Any]) -> Bool:
        table = np.zeros(int(np.iinfo(values.dtype).max) + 1, np.bool_)
        table[[i for i in self.options.objects if i < table.size]] = True
        return np.asarray(table[values])

    def put(self, t: int, levels: Levels) -> None:
        """Keep a picture's mask for frame t, once for each cut that may be chosen in the end."""
        for where, masks in self.masks.items():
            masks[t] = self.masked(levels, where)

    def unite(self, t: int, levels: Levels) -> None:
        """Add a picture's mask to that of frame t."""
        for where, masks in self.masks.items():
            masks[t] = masks[t] | self.masked(levels, where)

    def choose(self) -> Masks:
        """The masks cut where the levels of the whole sequence say, and a note where that is not obvious."""
        if self.options.objects:
            self._check_objects()
            return self.masks[Cut.ANY]
        if self.options.invert and self.count.quadmask:
            self.notes.append(
                "The mask has four levels (0 remove, 63 remove and affected, 127 affected, 255 keep): "
                "the first two go, what is only affected stays."
            )
            return self.masks[Cut.LOW]
        if self.count.grey_is_ids:
            return self.masks[Cut.ANY]
        if dim := self.count.dim_levels:
            self.notes.append(
                f"The mask is cut at half: its levels {', '.join(map(str, dim))} are kept in the video. "
                "If they are ids, choose with --object."
            )
        return self.masks[Cut.HALF]

    def _check_objects(self) -> None:
        wanted, met = set(self.options.objects), self.count.ids
        listed = ", ".join(str(i) for i in sorted(met - {0})[:40]) or "none but 0"
        if not wanted & met:
            raise MaskError(
                f"--object {','.join(map(str, sorted(wanted)))} is nowhere in the mask.", f"Its ids are: {listed}."
            )
        if missing := wanted - met:
            self.notes.append(
                f"Object {', '.join(map(str, sorted(missing)))} is nowhere in the mask; its ids are: {listed}."
            )


def load(options: MaskOptions, info: VideoInfo, readers: Readers, span: tuple[int, int] | None = None) -> LoadedMasks:
    """Read the mask in whatever form it is, and check that it fits the video.

    Args:
        options: what the user said about the mask; ``path`` must be given.
        info: the video. Masks are in its displayed orientation.
        readers: how pictures and mask videos are opened.
        span: ``(start, stop)`` if only these frames are worked on; a sequence may be as long as the span instead of
            the whole video.

    Raises:
        MaskError: unreadable, of another shape than the video, shorter or longer than it, without the ids asked for,
            or everything masked.
    """
    if options.path is None:
        raise MaskError("There is no mask.", "Say what goes with --mask.")
    source = open_source(options.path, readers)
    if options.objects and source.lossy:
        raise MaskError(
            f"--object needs exact ids, and {source.path.name} went through a lossy codec.",
            "Give palette PNGs, or leave --object out.",
        )
    cuts = [Cut.ANY] if options.objects else [Cut.ANY, Cut.HALF, *([Cut.LOW] if options.invert else [])]
    reading = _Reading(options, info, {where: Masks(info.size, info.n_frames) for where in cuts})
    if options.static:
        return _judged(_static(source, reading), reading, None)
    if source.count == 1 and info.n_frames != 1 and (span is None or span[1] - span[0] != 1):
        return _judged(_single(source, reading), reading, frozenset({options.frame}))
    if options.frame:
        reading.notes.append(f"--mask-frame {options.frame} is for a single picture; this mask has its own frames.")
    return _judged(_sequence(source, reading, span), reading, None)


def _static(source: MaskSource, reading: _Reading) -> Masks:
    seen = 0
    for picture in source.pictures():
        reading.unite(0, reading.levels(picture))
        seen += 1
    if seen == 0:
        raise MaskError(f"Mask {source.path} has no frames.", "Give a PNG.")
    if seen > 1:
        reading.notes.append(f"--static-mask: the {seen} pictures of the mask are united and hold for every frame.")
    masks = reading.choose()
    for t in range(1, masks.n_frames):
        masks.repeat(t, 0)
    return masks


def _single(source: MaskSource, reading: _Reading) -> Masks:
    frame, frames = reading.options.frame, reading.info.n_frames
    if frame >= frames:
        raise MaskError(f"--mask-frame {frame} is past the end: the video has {frames} frames, 0 to {frames - 1}.")
    for picture in source.pictures():
        reading.put(frame, reading.levels(picture))
    if source.kind == "folder":
        reading.notes.append(f"The mask folder holds one picture: it is taken as the mask of frame {frame} only.")
    return reading.choose()


def _sequence(source: MaskSource, reading: _Reading, span: tuple[int, int] | None) -> Masks:
    """A picture for each frame of the video, or of the span."""
    lengths = {reading.info.n_frames: 0}
    if span is not None:
        lengths.setdefault(span[1] - span[0], span[0])
    if source.count is not None:
        _check_count(source, source.count, lengths)
    levels = _counted(source, reading, max(lengths))
    seen = 0
    for t, plane in enumerate(levels):
        seen = t + 1
        if plane is not None:
            reading.put(t, plane)
    _check_count(source, seen, lengths)
    offset = lengths[seen]
    if offset or seen != reading.info.n_frames:
        reading.notes.append(f"The mask has {seen} frames: they belong to the range, from frame {offset} on.")
    return _moved(reading.choose(), offset)


def _counted(source: MaskSource, reading: _Reading, longest: int) -> Iterator[Levels | None]:
    """The levels in order; past the longest length that fits, frames are only counted."""
    for t, picture in enumerate(source.pictures()):
        yield reading.levels(picture) if t < longest else None


def _moved(masks: Masks, offset: int) -> Masks:
    if offset == 0:
        return masks
    moved = Masks(masks.size, masks.n_frames)
    for t in masks.frames():
        moved[t + offset] = masks[t]
    return moved


def _check_count(source: MaskSource, count: int, lengths: dict[int, int]) -> None:
    if count in lengths:
        return
    frames = max(lengths)
    what = {"folder": "pictures", "video": "frames", "image": "picture"}[source.kind]
    offset = lengths[frames]
    if count < frames:
        first = f"The first frame without a mask is {count + offset}"
        if source.files:
            first += f" (the last picture is {source.files[-1].name})"
        where = f"{first}."
    elif source.files:
        where = f"The first mask without a frame is {source.files[frames].name}."
    else:
        where = f"The first mask frame without a video frame is {frames}."
    also = "".join(f" (or {n} for the chosen range)" for n in lengths if n != frames)
    raise MaskError(
        f"The mask {source.path.name} has {count} {what}, the video has {frames} frames{also}. {where}",
        "Give one mask per frame, or one picture with --static-mask (all frames) or --mask-frame (to be followed).",
    )


def _judged(masks: Masks, reading: _Reading, annotated: frozenset[int] | None) -> LoadedMasks:
    expected = len(annotated) if annotated is not None else masks.n_frames
    turn = "Leave --invert-mask out." if reading.options.invert else "If black is what goes, add --invert-mask."
    return LoadedMasks(masks, (*reading.notes, *judge(masks, expected, turn)), annotated)


def judge(masks: Masks, expected: int, turn: str) -> Iterator[str]:
    """Say where masks look odd, wherever they come from.

    Args:
        masks: of a video.
        expected: how many frames can have a mask.
        turn: what may be done about too much of it.

    Raises:
        MaskError: all of them cover everything.
    """
    shares = _shares(masks)
    covered = sum(share == 1.0 for share in shares)
    if shares and covered >= expected:
        raise MaskError("The mask covers every pixel of every frame, so there is nothing to fill it from.", turn)
    if not shares:
        yield "The mask is empty on every frame: the video passes through."
    elif sum(shares) / len(shares) > MOSTLY:
        yield f"The mask covers {100 * sum(shares) / len(shares):.0f}% of the picture. {turn}"
    elif covered:
        yield f"The mask covers everything on {covered} of {masks.n_frames} frames."


def _shares(masks: Masks) -> list[float]:
    """The masked share of each frame that has a mask."""
    shares: list[float] = []
    before = -1
    for t in masks.frames():
        shares.append(shares[-1] if before >= 0 and masks.same(t, before) else float(masks[t].mean()))
        before = t
    return shares
