"""The classes of COCO panoptic, COCO-Stuff and ADE20K, and which of eight super-categories each belongs to.

The super-categories are those of SAVIT (Lee et al., ICCV 2023, Sec. 3.1): five of foreground, two of background by
their texture, and the rest, to which pixels without a class (void) count. The tables lie in ``data/``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path

import numpy as np

from vrm.errors import UsageError
from vrm.events import counted
from vrm.types import U8

CATEGORIES = ("person", "animal", "vehicle", "sports", "plants", "plain", "patterned", "etc")
"""The super-categories; in a map of them, a pixel's value is the index into this."""
ETC = CATEGORIES.index("etc")
VOID = 255
"""The value of a pixel without a class in a map of classes."""
TAXONOMIES = ("coco-panoptic", "coco-stuff", "ade20k")

_FOLDER = Path(__file__).parent / "data"
_LISTED = 40
"""Classes of a user's own list that a message names, at most."""
_COLOURS = (
    (220, 40, 60), (255, 160, 30), (60, 110, 240), (200, 80, 220),
    (50, 170, 70), (150, 190, 220), (170, 130, 90), (110, 110, 110),
)  # fmt: skip
"""RGB of each super-category in previews and palettes."""


@dataclass(frozen=True)
class Taxonomy:
    """A list of classes; a class is its index.

    Attributes:
        name: as in ``data/``, or of a user's own list.
        categories: the super-category of each class, an index into ``CATEGORIES``.
        things: whether instances of the class can be counted.
    """

    name: str
    classes: tuple[str, ...]
    categories: tuple[int, ...]
    things: tuple[bool, ...]

    def __post_init__(self) -> None:
        if not 0 < len(self.classes) <= VOID:
            raise ValueError(f"{self.name} has {len(self.classes)} classes, expected 1 to {VOID}")
        if not len(self.classes) == len(self.categories) == len(self.things):
            raise ValueError(f"{self.name}: {len(self.classes)} classes, but {len(self.categories)} categories")
        if not all(0 <= c < len(CATEGORIES) for c in self.categories):
            raise ValueError(f"{self.name} names a super-category that there is not")

    @property
    def table(self) -> U8:
        """uint8 ``(256,)``: the super-category of each class; "etc" for what is no class, void included."""
        table = np.full(256, ETC, np.uint8)
        table[: len(self.categories)] = self.categories
        return table

    @property
    def palette(self) -> U8:
        """uint8 ``(256, 3)`` RGB: each class in a shade of its super-category's colour, void black."""
        palette = np.zeros((256, 3), np.uint8)
        base = category_palette()
        for i, category in enumerate(self.categories):
            shade = 0.6 + 0.4 * ((i * 0.618034) % 1.0)
            palette[i] = np.round(base[category] * shade).astype(np.uint8)
        return palette

    def find(self, names: Iterable[str]) -> tuple[int, ...]:
        """The classes that the names given to ``--class`` mean, sorted; a super-category means all classes of it.

        Raises UsageError: there is no such class; the nearest are named.
        """
        chosen: set[int] = set()
        for name in names:
            found = self._one(name)
            if not found:
                raise UsageError(f"--class {name} is no class of {self.name}.", self._nearest(name) + self._where_all())
            chosen.update(found)
        return tuple(sorted(chosen))

    def _one(self, name: str) -> list[int]:
        key = _key(name)
        exact = [i for i, c in enumerate(self.classes) if _key(c) == key]
        if exact:
            return exact
        if key in CATEGORIES:
            return [i for i, c in enumerate(self.categories) if CATEGORIES[c] == key]
        return [i for i, c in enumerate(self.classes) if _short(c) == key]

    def _nearest(self, name: str) -> str:
        known = {_key(c): c for c in self.classes} | {_short(c): c for c in self.classes}
        near = list(dict.fromkeys(known[k] for k in get_close_matches(_key(name), known, 4, 0.5)))
        return f"Nearest: {', '.join(near)}. " if near else ""

    def _where_all(self) -> str:
        """Where all classes are listed; those of a user's own list, here."""
        if self.name in TAXONOMIES:
            return f"All of them: vrm segment --classes {self.name}"
        more = f" and {len(self.classes) - _LISTED} more" if len(self.classes) > _LISTED else ""
        return f"It has: {', '.join(self.classes[:_LISTED])}{more}."

    def translate(self, names: Sequence[str]) -> U8:
        """uint8 ``(256,)``: the class of each name of a model's own list, void where this taxonomy has none.

        Raises ValueError: fewer than half of the names are classes here: the list is of another taxonomy.
        """
        known = {_key(c): i for i, c in enumerate(self.classes)}
        table = np.full(256, VOID, np.uint8)
        hits = 0
        for i, name in enumerate(names[:VOID]):
            if _key(name) in known:
                table[i] = known[_key(name)]
                hits += 1
        if 2 * hits < len(names):
            raise ValueError(f"only {hits} of {len(names)} names are classes of {self.name}")
        return table


def _key(name: str) -> str:
    """A name as names are compared: lower case, one space between words."""
    return " ".join(name.lower().replace("-", " ").replace("_", " ").replace(",", " ").split())


def _short(name: str) -> str:
    """A name without the endings that data sets add ("tree-merged", "water-other")."""
    words = _key(name).split()
    while len(words) > 1 and words[-1] in ("merged", "other", "stuff"):
        words.pop()
    return " ".join(words)


@cache
def taxonomy(name: str) -> Taxonomy:
    """One of ``TAXONOMIES`` by name. Raises UsageError."""
    if name not in TAXONOMIES:
        raise UsageError(f"There are no classes called '{name}'.", f"Choose from: {', '.join(TAXONOMIES)}.")
    record = json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    rows = record["classes"]
    names, things = (tuple(row[key] for row in rows) for key in ("name", "thing"))
    return Taxonomy(name, names, tuple(CATEGORIES.index(row["category"]) for row in rows), things)


def taxonomy_of(names: Sequence[str], title: str) -> Taxonomy:
    """The taxonomy with these class names in this order: a known one, or a new one with this title.

    In a new one, a class that no known taxonomy has belongs to "etc".
    """
    for known in map(taxonomy, TAXONOMIES):
        if [_key(n) for n in names] == [_key(c) for c in known.classes]:
            return known
    facts: dict[str, tuple[int, bool]] = {}
    for known in map(taxonomy, TAXONOMIES):
        for label, category, thing in zip(known.classes, known.categories, known.things, strict=True):
            facts.setdefault(_key(label), (category, thing))
    facts |= {c: (i, False) for i, c in enumerate(CATEGORIES) if c not in facts}
    rows = [facts.get(_key(name), (ETC, False)) for name in names]
    return Taxonomy(title, tuple(names), tuple(c for c, _ in rows), tuple(t for _, t in rows))


def categories_only() -> Taxonomy:
    """The super-categories as classes, for maps that hold nothing finer."""
    count = len(CATEGORIES)
    return Taxonomy("categories", CATEGORIES, tuple(range(count)), (False,) * count)


def category_palette() -> U8:
    """uint8 ``(256, 3)`` RGB: the colours of maps of super-categories."""
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(_COLOURS)] = _COLOURS
    return palette


def listing(name: str) -> str:
    known = taxonomy(name)
    lines = [f"{name}: {counted(len(known.classes), 'class', 'classes')}"]
    for i, category in enumerate(CATEGORIES):
        members = [c for c, k in zip(known.classes, known.categories, strict=True) if k == i]
        lines.append(f"  {category} ({len(members)}): {', '.join(members)}")
    return "\n".join(lines)
