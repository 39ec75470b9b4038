"""Changes to a session, as a page asks for them: each makes a new session, or is refused with a sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from vrm.errors import UsageError
from vrm.options.build import build
from vrm.options.declare import options_of
from vrm.options.remove import RemoveOptions
from vrm.options.session import (
    CLASS,
    KINDS,
    MOST_PLACES,
    MOST_THINGS,
    OBJECT,
    RECTANGLE,
    SETTINGS,
    TEXT,
    PickSession,
    Thing,
)

COLOURS = ("#e0527a", "#3d8bfd", "#2a9d5c", "#a56de2", "#d9822b", "#1aa6a6", "#b5536b", "#7a8b1f")
"""Of things, told apart on light and dark pictures; orange of effects is none of them."""
_LETTERS, _LINES = 500, 200
"""Of a line of text that stays, and such lines, at most."""
_LEAST = 2
"""Pixels of a box's sides."""


def edited(session: PickSession, asked: Mapping[str, Any]) -> PickSession:
    """The session after what a page asks for: ``{"do": "box", "frame": 12, "box": [9, 8, 310, 400]}``.

    Raises UsageError: that cannot be done, or is nothing that is known.
    """
    do = _EDITS.get(str(asked.get("do")))
    if do is None:
        raise UsageError(f"The page asks for {str(asked.get('do'))[:40]!r}, which is not known.", "Reload it.")
    try:
        after = do(session, asked)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise UsageError("The page's request cannot be read.", "Reload it.") from error
    if len(after.things) > MOST_THINGS or sum(len(thing.places) for thing in after.things) > MOST_PLACES:
        raise UsageError(
            f"That is more than {MOST_PLACES} clicks and boxes, or {MOST_THINGS} things.",
            "A few on a few frames say more: delete some, or paint a mask.",
        )
    return after


def _box(session: PickSession, asked: Mapping[str, Any]) -> PickSession:
    t = _frame(session, asked)
    height, width = session.size
    x0, y0, x1, y1 = (float(n) for n in asked["box"])
    xs, ys = sorted((_within(x0, width), _within(x1, width))), sorted((_within(y0, height), _within(y1, height)))
    if xs[1] - xs[0] < _LEAST or ys[1] - ys[0] < _LEAST:
        raise UsageError("That box has hardly any pixels.", "Drag from one corner of the thing to the other.")
    kind = RECTANGLE if asked.get("every") else OBJECT
    thing = _chosen(session, asked, kind)
    if thing is None or t in {int(box[-1]) for box in thing.boxes} or kind == RECTANGLE:
        session, thing = _new(session, kind)
    place = (xs[0], ys[0], xs[1], ys[1], t)
    return _with(session, replace(thing, boxes=(*thing.boxes, place)))


def _point(session: PickSession, asked: Mapping[str, Any]) -> PickSession:
    t = _frame(session, asked)
    height, width = session.size
    place = (math.floor(_within(asked["x"], width - 1)), math.floor(_within(asked["y"], height - 1)), t)
    thing = _chosen(session, asked, OBJECT)
    if asked.get("stays"):
        thing = thing or next((each for each in session.things if each.kind == OBJECT and each.on), None)
        if thing is None:
            raise UsageError("Nothing goes yet, so nothing needs to stay.", "First draw a box or click on what goes.")
        return _with(session, replace(thing, not_points=(*thing.not_points, place)))
    if thing is None:
        session, thing = _new(session, OBJECT)
    return _with(session, replace(thing, points=(*thing.points, place)))


def _by_name(session: PickSession, asked: Mapping[str, Any]) -> PickSession:
    kind = str(asked["kind"])
    if kind not in (CLASS, TEXT):
        raise ValueError(kind)
    if kind == TEXT and "text" not in options_of(RemoveOptions):
        raise UsageError("This vrm has no option --text.")
    session, thing = _new(session, kind)
    name = str(asked.get("name", "text"))[:80].strip()
    if not name:
        raise UsageError("A class needs a name.", "vrm segment --classes lists them.")
    return _with(session, replace(thing, name=name, classes=(name,) if kind == CLASS else ()))


def _paint(session: PickSession, asked: Mapping[str, Any]) -> PickSession:
    """Not from a page: ``vrm.page.state`` has painted frame t, which from now on is as in this PNG."""
    t, thing = _frame(session, asked), _chosen(session, asked, OBJECT)
    if thing is None:
        session, thing = _new(session, OBJECT)
    things = tuple(each.without(t) if each.on and each.kind == OBJECT else each for each in session.things)
    session = replace(session, things=things)
    thing = session.thing(thing.id)
    return _with(session, replace(thing, masks={**thing.masks, t: str(asked["path"])}))


def _clear(session: PickSession, asked: Mapping[str, Any]) -> PickSession:
    t, thing = _frame(session, asked), session.thing(int(asked["thing"]))
    return _with(session, thing.without(t))


def _delete(session: PickSession, asked: Mapping[str, Any]) -> PickSession:
    gone = session.thing(int(asked["thing"]))
    return replace(session, things=tuple(thing for thing in session.things if thing.id != gone.id))


def _rename(session: PickSession, asked: Mapping[str, Any]) -> PickSession:
    name = " ".join(str(asked["name"]).split())[:80]
    return _with(session, replace(session.thing(int(asked["thing"])), name=name)) if name else session


def _toggle(session: PickSession, asked: Mapping[str, Any]) -> PickSession:
    return _with(session, replace(session.thing(int(asked["thing"])), on=bool(asked["on"])))


def _line(session: PickSession, asked: Mapping[str, Any]) -> PickSession:
    """A line of text, as it was read, goes or stays."""
    thing = next((thing for thing in session.things if thing.kind == TEXT), None)
    text = str(asked["text"])[:_LETTERS]
    if thing is None or not text:
        raise UsageError("That line of text is not known any more.", "Follow anew.")
    keeps = tuple(line for line in thing.keeps if line != text)
    return _with(session, replace(thing, keeps=keeps if asked["on"] else (*keeps, text)[-_LINES:]))


def _set(session: PickSession, asked: Mapping[str, Any]) -> PickSession:
    settings = dict(session.settings)
    for word, value in dict(asked["settings"]).items():
        if word not in SETTINGS:
            raise ValueError(word)
        settings.pop(word, None)
        if value not in (None, ""):
            build(RemoveOptions, {word: value} if word != "sam" else {})
            settings[word] = value
    build(RemoveOptions, {word: value for word, value in settings.items() if word != "sam"})
    return replace(session, settings=settings)


_EDITS = {
    "box": _box, "point": _point, "name": _by_name, "clear": _clear, "delete": _delete, "rename": _rename,
    "toggle": _toggle, "line": _line, "set": _set,
}  # fmt: skip


def painted(session: PickSession, t: int, thing: int | None, path: str) -> PickSession:
    """The session with frame t painted as in a PNG; what else was said of it by boxes and clicks is in that."""
    return _paint(session, {"frame": t, "thing": thing, "path": path})


def _chosen(session: PickSession, asked: Mapping[str, Any], kind: str) -> Thing | None:
    number = asked.get("thing")
    found = None if number is None else session.thing(int(number))
    return found if found is not None and found.kind == kind else None


def _new(session: PickSession, kind: str) -> tuple[PickSession, Thing]:
    assert kind in KINDS
    number = max((thing.id for thing in session.things), default=0) + 1
    name = f"{'rectangle' if kind == RECTANGLE else 'thing'} {number}"
    thing = Thing(number, name, COLOURS[(number - 1) % len(COLOURS)], kind)
    return replace(session, things=(*session.things, thing)), thing


def _with(session: PickSession, changed: Thing) -> PickSession:
    return replace(session, things=tuple(changed if each.id == changed.id else each for each in session.things))


def _frame(session: PickSession, asked: Mapping[str, Any]) -> int:
    t = int(asked["frame"])
    if not 0 <= t < session.frames:
        raise UsageError(f"There is no frame {t}.", f"The frames are 0 to {session.frames - 1}.")
    return t


def _within(value: Any, most: float) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return round(min(max(0.0, number), most), 1)
