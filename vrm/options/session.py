"""What was said in ``vrm pick``: things, by boxes, clicks or painted masks, and options; kept as a small JSON file.

A session says nothing that the command line cannot: ``PickSession.words`` are the words of ``vrm remove``, and
``vrm remove --session FILE`` takes them from the file. Paths in a file are relative to its folder.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from vrm.errors import UsageError, VideoError

VERSION = 1
OBJECT, RECTANGLE, CLASS, TEXT = KINDS = ("object", "rectangle", "class", "text")
"""Kinds of things: followed from where they were pointed at; a rectangle of every frame; all of a class; burned-in
text."""
SETTINGS = ("engine", "preset", "effects", "sam", "start", "end", "yes", "grow", "seed", "threads")
"""Options of ``vrm remove`` that a session may hold beside what goes."""
MOST_PLACES, MOST_THINGS, MOST_BYTES = 1000, 100, 4 << 20
"""Clicks and boxes of a session, its things, and the size of its file."""


@dataclass(frozen=True)
class Thing:
    """One thing that goes. Places are those of ``--box``, ``--point`` and ``--not-point``, with the frame at the end.

    ``masks`` are the painted frames and their PNGs, ``on`` is False where it stays for now. ``keeps`` are the lines of
    text that stay, as they were read.
    """

    id: int
    name: str
    colour: str
    kind: str = OBJECT
    on: bool = True
    boxes: tuple[tuple[float, ...], ...] = ()
    points: tuple[tuple[float, ...], ...] = ()
    not_points: tuple[tuple[float, ...], ...] = ()
    masks: Mapping[int, str] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    keeps: tuple[str, ...] = ()

    @property
    def places(self) -> tuple[tuple[float, ...], ...]:
        return (*self.boxes, *self.points, *self.not_points)

    @property
    def frames(self) -> set[int]:
        """The frames that something is said of."""
        return {int(place[-1]) for place in self.places} | set(self.masks)

    def without(self, t: int) -> Thing:
        """The same, with nothing said of frame t."""

        def others(places: tuple[tuple[float, ...], ...]) -> tuple[tuple[float, ...], ...]:
            return tuple(place for place in places if place[-1] != t)

        masks = {frame: path for frame, path in self.masks.items() if frame != t}
        return replace(
            self,
            boxes=others(self.boxes), points=others(self.points), not_points=others(self.not_points), masks=masks,
        )  # fmt: skip

    def only(self, t: int) -> Thing:
        """The same, with nothing said of other frames than t."""
        kept = self
        for other in self.frames - {t}:
            kept = kept.without(other)
        return kept


@dataclass(frozen=True)
class PickSession:
    """Everything that was said of one video; a new one with each change.

    Attributes:
        video: its path.
        size, frames, bytes: displayed ``(height, width)``, how many frames, and the size of the file; by these another
            video is told.
        settings: words of ``SETTINGS``.
    """

    video: str
    size: tuple[int, int]
    frames: int
    bytes: int
    things: tuple[Thing, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def active(self) -> list[Thing]:
        return [thing for thing in self.things if thing.on and (thing.places or thing.masks or thing.kind in _BY_NAME)]

    @property
    def rectangles(self) -> list[Thing]:
        """What goes on every frame as it is."""
        return [thing for thing in self.active if thing.kind == RECTANGLE]

    @property
    def without_rectangles(self) -> PickSession:
        return replace(self, things=tuple(thing for thing in self.things if thing.kind != RECTANGLE))

    def thing(self, number: int) -> Thing:
        """Raises UsageError: there is none of that number."""
        found = next((thing for thing in self.things if thing.id == number), None)
        if found is None:
            raise UsageError(f"There is no thing {number} any more.", "Choose one from the list.")
        return found

    @property
    def within_range(self) -> PickSession:
        """The same without what is said of frames outside the range, which would be refused there."""
        first, last = (_frame_number(self.settings.get(word)) for word in ("start", "end"))
        if first is None and last is None:
            return self
        kept = range(first or 0, self.frames if last is None else last)

        def inside(thing: Thing) -> Thing:
            outside = () if thing.kind == RECTANGLE else [t for t in thing.frames if t not in kept]
            for t in outside:
                thing = thing.without(t)
            return thing

        return replace(self, things=tuple(map(inside, self.things)))

    def words(self) -> dict[str, Any]:
        """The words of ``vrm remove`` that say all this."""
        said = self.within_range
        active, followed = said.active, said.without_rectangles.active
        words: dict[str, Any] = {key: value for key, value in self.settings.items() if key in SETTINGS}
        masks = {t: path for thing in active for t, path in thing.masks.items()}
        if masks:
            words["mask"] = [f"{path}@{t}" for t, path in sorted(masks.items())]
        for word, kind in (("box", "boxes"), ("point", "points"), ("not_point", "not_points")):
            if places := [place_text(place) for thing in followed for place in getattr(thing, kind)]:
                words[word] = list(dict.fromkeys(places))
        if still := [place_text(place[:4]) for thing in said.rectangles for place in thing.boxes]:
            words["static_box"] = list(dict.fromkeys(still))
        if not any(word in words for word in ("box", "point", "not_point")):
            words.pop("sam", None)  # there is nothing to outline
        if classes := [name for thing in active for name in thing.classes]:
            words["class_"] = [",".join(dict.fromkeys(classes))]
        if texts := [thing for thing in active if thing.kind == TEXT]:
            words["text"] = "overlays"
            if keeps := [_SPECIAL.sub(r"\\\1", line) for thing in texts for line in thing.keeps]:
                words["text_keep"] = f"^({'|'.join(dict.fromkeys(keeps))})$"
        return words

    def to_json(self, folder: Path) -> str:
        """The text of its file in ``folder``."""
        record = asdict(self)
        record["video"] = _relative(self.video, folder)
        for thing in record["things"]:
            thing["masks"] = {str(t): _relative(path, folder) for t, path in thing["masks"].items()}
        return json.dumps({"vrm_session": VERSION, **record}, indent=1, ensure_ascii=False) + "\n"


_BY_NAME, _SIDES = (CLASS, TEXT), 4
_SPECIAL = re.compile(r"([\\^$.|?*+()\[\]{}])")
"""What means something in a pattern: spaces and the like, which ``re.escape`` escapes too, are left readable."""


def _frame_number(time: Any) -> int | None:
    """Of ``120f``, as the page writes the ends of its range; None: there is none, or it is a time."""
    found = re.fullmatch(r"(\d+)f", str(time))
    return int(found[1]) if found else None


def place_text(place: tuple[float, ...]) -> str:
    """``(9, 8, 310, 400, 12)`` as it is typed: ``9,8,310,400@12``; four numbers are on every frame."""
    numbers, t = (place, 0) if len(place) == _SIDES else (place[:-1], int(place[-1]))
    text = ",".join(f"{number:.10g}" for number in numbers)
    return f"{text}@{t}" if t else text


def read_session(path: Path) -> PickSession:
    """A session from its file. Raises UsageError: it is none, or of a later version."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UsageError(f"{path} is too large for a session.", "vrm pick saves a few kilobytes.")
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"The session {path} does not exist.", "vrm pick VIDEO begins one.") from None
    except OSError as error:
        raise UsageError(f"The session {path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict) or "vrm_session" not in record:
        raise UsageError(f"{path} is no session of vrm pick.", "vrm pick VIDEO begins one.")
    if record["vrm_session"] != VERSION:
        raise UsageError(f"{path} was saved by another version of vrm.", "Save it anew with this one.")
    try:
        return _from_record(record, path.parent)
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{path} is damaged: {error}.", "vrm pick VIDEO begins a new one.") from error


def session_words(path: Path) -> dict[str, Any]:
    """The words of ``vrm remove`` that a session's file says."""
    return read_session(path).words()


def session_video(path: Path) -> Path:
    """The video that a session's file is about. Raises VideoError: it is gone, or another has taken its place."""
    session = read_session(path)
    video = Path(session.video)
    if not video.exists():
        raise VideoError(f"{video}, which {path} is about, does not exist.", "Put it back, or name the video.")
    if size_of(video) != session.bytes:
        raise VideoError(
            f"{video} is not the video that {path} is about: it is {size_of(video):,} bytes long, not "
            f"{session.bytes:,}.",
            f"Name the video to work on it all the same: vrm remove VIDEO --session {path}",
        )
    return video


def size_of(video: Path) -> int:
    """Bytes of a file; of a folder 0, whose files may be written anew."""
    return video.stat().st_size if video.is_file() else 0


def _from_record(record: dict[str, Any], folder: Path) -> PickSession:
    things = tuple(_thing(each, folder) for each in record["things"])
    if len(things) > MOST_THINGS or sum(len(thing.places) for thing in things) > MOST_PLACES:
        raise ValueError("it holds too many things or places")
    height, width = (int(n) for n in record["size"])
    settings = {key: value for key, value in dict(record["settings"]).items() if key in SETTINGS}
    video = _absolute(str(record["video"]), folder)
    return PickSession(video, (height, width), int(record["frames"]), int(record["bytes"]), things, settings)


def _thing(record: dict[str, Any], folder: Path) -> Thing:
    known = {each.name for each in fields(Thing)}
    values = {key: value for key, value in record.items() if key in known}
    for key, length in (("boxes", 5), ("points", 3), ("not_points", 3)):
        values[key] = tuple(tuple(float(n) for n in place) for place in record.get(key, ()))
        if any(len(place) != length for place in values[key]):
            raise ValueError(f"{key} have {length} numbers each")
    for key in ("classes", "keeps"):
        values[key] = tuple(str(name) for name in record.get(key, ()))
    values["masks"] = {int(t): _absolute(str(path), folder) for t, path in dict(record.get("masks", {})).items()}
    if values.get("kind", OBJECT) not in KINDS or not re.fullmatch(r"#[0-9a-f]{6}", values["colour"]):
        raise ValueError("a thing has an unknown kind or colour")
    values["id"], values["name"] = int(values["id"]), str(values["name"])[:80]
    return Thing(**values)


def _relative(path: str, folder: Path) -> str:
    return os.path.relpath(path, folder)


def _absolute(path: str, folder: Path) -> str:
    """A path of a session's file, as short as it can be written from where the command was typed."""
    return str(folder / path) if not Path(path).is_absolute() else path
