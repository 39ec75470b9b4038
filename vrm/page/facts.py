"""The state of a page in the words that its tabs read."""

from __future__ import annotations

from typing import Any

import numpy as np

from vrm.errors import VrmError
from vrm.media.frame.tone_map import is_hdr
from vrm.options.declare import options_of
from vrm.options.remove import EFFECTS, ENGINES, PRESETS, RemoveOptions
from vrm.options.session import PickSession
from vrm.page.commands import track_words
from vrm.page.followed import Followed
from vrm.page.frames import FrameStore, shown_size
from vrm.page.state import REMOVE, PageState
from vrm.report.coverage import FrameCoverage
from vrm.selection.labels.registry import first_of_own
from vrm.types import VideoInfo
from vrm.weights.cards import models

_BARS = 600
"""Bars of the timeline, at most."""


def facts_of_video(info: VideoInfo) -> dict[str, Any]:
    """What does not change."""
    height, width = info.display_size
    tall, wide = shown_size(info)
    return {
        "name": info.path.name, "path": str(info.path), "width": width, "height": height, "shown_width": wide,
        "shown_height": tall, "frames": info.n_frames, "rate": float(info.frame_rate), "codec": info.codec,
        "depth": info.bit_depth, "notes": notes_of(info),
    }  # fmt: skip


def notes_of(info: VideoInfo) -> list[str]:
    """What the pictures on the page do not show as it is."""
    notes = []
    if is_hdr(info.colour):
        notes.append("HDR: tone-mapped here for the eye, kept in the result.")
    if info.sample_aspect not in (0, 1):
        notes.append("Shown with square pixels; boxes and clicks are counted in the video's own.")
    if info.interlaced:
        notes.append("Interlaced: whole frames are shown.")
    return notes


def choices() -> dict[str, Any]:
    """What the page offers: engines and presets, models that are installed, and options that this vrm has."""
    return {
        "engines": list(ENGINES), "presets": list(PRESETS), "effects": list(EFFECTS),
        "sams": [model.name for model, _ in models() if model.network == "sam"],
        "classes": _has_segmenter(), "text": "text" in options_of(RemoveOptions),
    }  # fmt: skip


def _has_segmenter() -> bool:
    try:
        return bool(first_of_own())
    except VrmError:
        return False


def state_of(page: PageState) -> dict[str, Any]:
    """Everything that changes."""
    session = page.session
    return {
        "version": page.version, "said": page.said,
        "things": [thing_of(session, number) for number in range(len(session.things))],
        "settings": dict(session.settings),
        "undo": page.history.can_undo, "redo": page.history.can_redo,
        "runs": {kind: run.to_dict() for kind, run in page.runs.items()},
        "followed": followed_of(page.followed, session),
        "shots": page.shots or (page.followed.shots if page.followed else []),
        "commands": page.commands(),
        "results": {kind: result_of(page, kind, store) for kind, store in page.results.items()},
        "saved": str(page.saved or ""),
    }  # fmt: skip


def thing_of(session: PickSession, number: int) -> dict[str, Any]:
    thing = session.things[number]
    return {
        "id": thing.id, "name": thing.name, "colour": thing.colour, "kind": thing.kind, "on": thing.on,
        "boxes": thing.boxes, "points": thing.points, "not_points": thing.not_points, "painted": sorted(thing.masks),
        "frames": sorted(thing.frames), "keeps": thing.keeps,
    }  # fmt: skip


def followed_of(followed: Followed | None, session: PickSession) -> dict[str, Any] | None:
    """The states of all frames as runs, their areas as bars, and whether something was said since."""
    if followed is None:
        return None
    try:
        stale = track_words(session.words()) != track_words(followed.said)
    except VrmError:
        stale = True
    runs: list[list[Any]] = []
    for t, state in enumerate(followed.states):
        if runs and runs[-1][2] == state:
            runs[-1][1] = t + 1
        else:
            runs.append([t, t + 1, state])
    bars = np.array_split(np.array(followed.areas), min(_BARS, max(1, len(followed.areas))))
    return {
        "stale": stale, "runs": [run for run in runs if run[2]], "areas": [round(float(bar.max()), 4) for bar in bars],
        "notes": followed.notes, "lines": followed.lines,
    }  # fmt: skip


def result_of(page: PageState, kind: str, store: FrameStore) -> dict[str, Any]:
    """A result that can be looked at; of the whole video also where its pixels come from, and its report."""
    tall, wide = shown_size(store.info)
    report = page.runs[kind].report
    found = {"path": str(store.info.path), "frames": store.info.n_frames, "wide": wide, "tall": tall}
    found |= {key: report.get(key) for key in ("coverage", "unsure", "synthesised", "masked_frames", "changed_outside")}
    if kind == REMOVE:
        found["bars"] = _bars([FrameCoverage(**frame) for shot in report["shots"] for frame in shot["frames"]], page)
        found["report"] = page.report is not None
    return found


def _bars(frames: list[FrameCoverage], page: PageState) -> list[list[float]]:
    """Of each bar its place, 0 to 1, and the shares found, unsure, synthesised and given."""
    n = page.info.n_frames
    step = max(1, len(frames) // _BARS)
    return [
        [round(each.frame / n, 5), *(round(share, 3) for share in (each.seen, each.unreliable, each.never, each.given))]
        for each in frames[::step]
    ]
