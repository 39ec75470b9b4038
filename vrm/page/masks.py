"""What goes on one frame, as a picture to lay over it: outlines of what was said there, or what was followed to it."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from vrm.errors import MaskError
from vrm.options.build import build_options
from vrm.options.remove import RemoveOptions
from vrm.options.session import OBJECT, PickSession, Thing
from vrm.page.edits import COLOURS
from vrm.page.followed import Followed
from vrm.page.frames import FrameStore, RecentlyUsed, encoded, fitted
from vrm.report.html import EFFECT
from vrm.selection.prompts.base import Prompter
from vrm.types import U8, Bool, VideoInfo

if TYPE_CHECKING:
    from vrm.selection.preview_mask import OutlinedFrame
    from vrm.selection.prompts.registry import ColourAndMotion

_LONGEST = 1600
"""Longer side of an overlay."""
_TINT, _LINE = 105, 255
"""Opacity of a mask and of its border."""
_OUTLINES = 64 << 20
_INSTEAD = "Draw a tighter box, click on the thing, or paint it; Rectangle takes a rectangle as it is."


@dataclass(frozen=True)
class Overlay:
    """What is laid over one frame.

    Attributes:
        png: RGBA as displayed, with square pixels; empty where nothing goes.
        sure: how sure the outlines are, or following is, 0 (a guess) to 1; None where it is certain.
        source: "said" (outlined on this frame), "followed", or empty.
        notes: a sentence each.
        area: share of the frame.
    """

    png: bytes
    sure: float | None
    source: str
    notes: tuple[str, ...]
    area: float

    def to_dict(self) -> dict[str, Any]:
        png = base64.b64encode(self.png).decode()
        about = {"sure": self.sure, "source": self.source, "notes": list(self.notes), "area": round(self.area, 5)}
        return {"png": png, **about}


class Outliner:
    """Outlines of what a session says on a frame; each is found once. One at a time."""

    def __init__(self, frames: FrameStore) -> None:
        self._frames, self.info = frames, frames.info
        self._kept: RecentlyUsed[str] = RecentlyUsed(_OUTLINES)
        self._prompters: dict[str, Prompter] = {}
        self._own: tuple[int, ColourAndMotion] | None = None
        self._lock = threading.Lock()

    def close(self) -> None:
        """Wait for the outline that is being looked for; no other is begun."""
        self._lock.acquire(timeout=20)

    def found(
        self, session: PickSession, t: int, before: Bool | None = None, rough: bool = False
    ) -> OutlinedFrame | None:
        """What is said on frame t alone; None where nothing is. ``before`` is as displayed. Raises VrmError."""
        from vrm.selection.preview_mask import outline_frame  # the first frame is shown before that is imported

        things = [thing.only(t) for thing in session.active if thing.kind == OBJECT]
        if not any(thing.places or thing.masks for thing in things):
            return None
        settings = {key: value for key, value in session.settings.items() if key in ("sam", "seed", "threads")}
        words = replace(session, things=tuple(things), settings=settings).words()
        key = json.dumps([words, t, before is not None and hash(before.tobytes())], sort_keys=True)
        with self._lock:
            kept: OutlinedFrame | None = self._kept.get(key)
            if rough and kept is None:
                key += " at once"
                kept = self._kept.get(key)
            if kept is None:
                options = build_options(**words)
                if before is not None:
                    before = np.ascontiguousarray(np.rot90(before, self.info.rotation // 90))
                prompter = self._prompter(options, t, rough)
                try:
                    kept = outline_frame(self.info, options, t, self._frames.near(t), before, prompter)
                except MaskError as error:
                    if options.mask.path is not None:
                        raise
                    raise MaskError(error.what, _INSTEAD) from error
                self._kept.put(key, kept, kept.mask.nbytes)
        return kept

    def _prompter(self, options: RemoveOptions, t: int, rough: bool) -> Prompter:
        """What outlines on frame t; it is kept: a model stays loaded, and a click corrects what was found."""
        from vrm.selection.prompts.registry import ColourAndMotion, FirstCut, create_prompter

        sam, span = options.mask.sam, (0, self.info.n_frames)
        if sam is None:
            if self._own is None or self._own[0] != t:
                self._own = t, ColourAndMotion(self._frames.near(t).frame, span)
            return FirstCut(self._own[1]) if rough else self._own[1]
        if sam not in self._prompters:
            self._prompters[sam] = create_prompter(sam, options.engine, self._frames.frame, span)
        return self._prompters[sam]


Layers = list[tuple[Bool, str]]
"""Masks as displayed, and their colours."""


def overlay(
    session: PickSession,
    t: int,
    outliner: Outliner,
    followed: Followed | None,
    show_effects: bool = True,
    rough: bool = False,
) -> Overlay:
    """What goes on frame t: what is said there, else what was followed to it, and rectangles. Raises VrmError.

    ``rough``: by one cut of each box, at once; what is found with all evidence may differ.
    """
    layers, found = _things(session.without_rectangles, t, outliner, followed, rough)
    sure = min((each.confidence for each in found if each.confidence is not None), default=None)
    source = "said" if found else "followed" if layers else ""
    if followed is not None and source == "followed":
        sure = followed.sureness.get(t)
    effects = followed.effects(t) if followed is not None and show_effects else None
    if effects is not None:
        layers = [*layers, (effects, "#{:02x}{:02x}{:02x}".format(*EFFECT))]
    if session.rectangles:
        drawn_here = [(drawn([thing], session.size), thing.colour) for thing in session.rectangles]
        layers, source = [*layers, *drawn_here], source or "said"
    area = float(np.mean(np.any([mask for mask, _ in layers], 0))) if layers else 0.0
    notes = tuple(note for each in found for note in each.notes)
    return Overlay(_painted(layers, outliner.info) if area else b"", sure, source if area else "", notes, area)


def goes(session: PickSession, t: int, outliner: Outliner, followed: Followed | None) -> Bool:
    """All things that go on frame t, as displayed, without rectangles and effects. Raises VrmError."""
    layers, _ = _things(session.without_rectangles, t, outliner, followed, False)
    return np.asarray(np.any([mask for mask, _ in layers], 0)) if layers else np.zeros(session.size, np.bool_)


def _things(
    session: PickSession, t: int, outliner: Outliner, followed: Followed | None, rough: bool
) -> tuple[Layers, list[OutlinedFrame]]:
    """The things on frame t, and what had to be outlined for them.

    Following begins on a thing's first frame, so nothing that was followed to it counts there. What is said of a thing
    on further frames corrects what was followed to them.
    """
    there = None if followed is None else followed.things_alone(t)
    said = [thing for thing in session.active if t in thing.frames]
    begun = [thing for thing in said if _adds(thing, t) and (there is None or t == min(thing.frames))]
    layers: Layers = []
    found: list[OutlinedFrame | None] = []

    def mask_of(things: list[Thing], before: Bool | None = None) -> Bool | None:
        found.append(outliner.found(replace(session, things=tuple(things)), t, before, rough))
        return None if found[-1] is None else np.rot90(found[-1].mask, -outliner.info.rotation // 90)

    if there is not None and followed is not None:
        numbers = {thing.id for thing in begun}
        rest = [part for part, number in followed.by_thing(t, there) if number not in numbers]
        mask: Bool | None = np.asarray(np.any(rest, 0)) if rest else np.zeros(there.shape, np.bool_)
        if corrects := [thing for thing in said if thing not in begun]:
            mask = mask_of(corrects, mask)
        if mask is not None and mask.any():
            layers += _coloured(session, followed, t, mask)
    layers += [(mask, thing.colour) for thing in begun if (mask := mask_of([thing])) is not None]
    return layers, [each for each in found if each is not None]


def _adds(thing: Thing, t: int) -> bool:
    """Whether it says of frame t that something goes, not only what stays."""
    here = thing.only(t)
    return bool(here.boxes or here.points or here.masks)


def drawn(rectangles: Iterable[Thing], size: tuple[int, int]) -> Bool:
    """Things' boxes as the rectangles they are, as displayed."""
    mask = np.zeros(size, np.bool_)
    for x0, y0, x1, y1, _ in (box for thing in rectangles for box in thing.boxes):
        mask[int(y0) : max(int(y0) + 1, round(y1)), int(x0) : max(int(x0) + 1, round(x1))] = True
    return mask


def _coloured(session: PickSession, followed: Followed, t: int, mask: Bool) -> Layers:
    """A mask of frame t, by the things that were followed there."""
    colours = {thing.id: thing.colour for thing in session.things}
    usual = next((thing.colour for thing in session.active), COLOURS[0])
    return [(part, colours.get(number or 0, usual)) for part, number in followed.by_thing(t, mask)]


def _painted(layers: Layers, info: VideoInfo) -> bytes:
    """Masks as displayed, each in its colour inside a line of it, as a PNG with transparency."""
    shown = replace(info, rotation=0, height=layers[0][0].shape[0], width=layers[0][0].shape[1])
    if info.rotation in (90, 270) and info.sample_aspect > 0:
        shown = replace(shown, sample_aspect=1 / info.sample_aspect)
    out: U8 | None = None
    for mask, colour in layers:
        small = fitted(mask.astype(np.uint8) * 255, shown, _LONGEST, cv2.INTER_AREA) > 127
        if out is None:
            out = np.zeros((*small.shape, 4), np.uint8)
        width = max(1, round(max(small.shape) / 800))
        rgb = [int(colour[k : k + 2], 16) for k in (5, 3, 1)]
        out[small] = (*rgb, _TINT)
        rim = small & (cv2.erode(small.astype(np.uint8), np.ones((2 * width + 1,) * 2, np.uint8), borderValue=1) == 0)
        out[rim] = (*rgb, _LINE)
    assert out is not None
    return encoded(
        ".png", out, (cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE)
    )
