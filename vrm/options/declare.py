"""An option is declared once: as a field of a frozen dataclass of options.

>>> from dataclasses import dataclass
>>> @dataclass(frozen=True)
... class Example(Options):
...     grow: int | None = option(None, SELECTION, "PX", between=(0, 500), help="Enlarge the mask.")

The type and the default are the field's own; ``option`` keeps the rest in its metadata. From these come the check of
every value, the command line (``vrm.cli.options``), the keywords of the Python calls and what builds options from them
(``vrm.options.build``), the columns of manifests, and which paths a job reads and writes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, ClassVar, get_args, get_origin, get_type_hints

from vrm.errors import UsageError

EVERYDAY, SELECTION, FILLING, TRAINING, SCORING, OUTPUT, BATCH, MACHINE = PANELS = (
    "Everyday options", "Selection", "Filling", "Training", "Scoring", "Output", "Batch", "Machine",
)  # fmt: skip
"""The headings that help pages group options under, in their order."""

READ, WRITTEN, MODEL = "a path that is read", "a path that is written", "a model: a name, or the path of one"
"""Kinds of options that name something on the disk."""


@dataclass(frozen=True)
class Option:
    """One option of a command.

    Attributes:
        panel, metavar, help: of the help page; without a metavar, it shows the ``choices``.
        word: in Python and in manifests, and with dashes on the command line; empty = the field's name.
        flag: on the command line, where that is another word.
        kind: ``READ``, ``WRITTEN``, ``MODEL``, or empty.
        noun: how messages call a path: "mask".
        choices: the only texts it may be.
        offers: the names that a shell offers for a list of them.
        between: the smallest and the largest number it may be; None = no bound.
        unit, hint: the end of the message about a value that is neither.
        parse: makes the field's value from what a user gives, whose types its first parameter is annotated with.
        several: it may be given more than once.
        commas: one text may hold several values, with commas between them.
        inverted: the field holds the opposite: ``--no-fallback`` is ``fallback = False``.
        field, type, default: of the dataclass's field, None removed from the type.
    """

    panel: str
    metavar: str = ""
    help: str = ""
    word: str = ""
    flag: str = ""
    kind: str = ""
    noun: str = ""
    choices: tuple[str, ...] = ()
    offers: tuple[str, ...] = ()
    between: tuple[float | None, float | None] = (None, None)
    unit: str = ""
    hint: str = ""
    parse: Callable[[Any], Any] | None = None
    several: bool = False
    commas: bool = False
    inverted: bool = False
    field: str = ""
    type: Any = str
    default: Any = None

    @property
    def name(self) -> str:
        """As users write it: ``mask-frame``, ``class``."""
        return (self.flag or self.word).lstrip("-").rstrip("_").replace("_", "-")

    def read(self, value: Any) -> Any:
        """The field's value from a text, number, truth or list. Raises UsageError."""
        if self.parse is not None:
            return self.parse(value)
        if self.type is bool:
            return self._truth(value) is not self.inverted
        if self.type in (int, float):
            return self._number(value)
        return Path(value) if self.type is Path else str(value)

    def check(self, value: Any) -> None:
        """Raise UsageError if the field's value is none that was declared."""
        if value is None and self.default is None:
            return
        if self.type in (int, float) and (isinstance(value, str) or self._number(value) != value):
            raise self._no_number(value)
        if self.choices and value not in self.choices:
            raise UsageError(f"--{self.name} {value} is unknown.", f"Choose from: {', '.join(self.choices)}.")
        least, most = self.between
        if least is None and most is None:
            return
        text = f"{value:g}" if isinstance(value, float) else str(value)
        if most is None and value < least:
            raise UsageError(f"--{self.name} {text} is less than {least}.", self.hint)
        if most is not None and not (least or 0) <= value <= most:  # what is no number is outside too
            raise UsageError(f"--{self.name} {text} is outside {least or 0}..{most:,}{self.unit}.", self.hint)

    def _truth(self, value: Any) -> bool:
        text = str(value).lower()
        if text not in ("yes", "true", "1", "on", "no", "false", "0", "off"):
            raise UsageError(f"{self.name} is {value!r}, not yes or no.")
        return text in ("yes", "true", "1", "on")

    def _number(self, value: Any) -> int | float:
        try:
            whole = self.type is float or isinstance(value, str) or value == int(value)
            if whole and not isinstance(value, bool):
                number: int | float = self.type(value)
                return number
        except (TypeError, ValueError, OverflowError):
            pass
        raise self._no_number(value)

    def _no_number(self, value: Any) -> UsageError:
        return UsageError(f"{self.name} is {value!r}, not a {'whole ' if self.type is int else ''}number.")


def option(default: Any, panel: str, metavar: str = "", *, also: Option | None = None, **about: Any) -> Any:
    """A field that holds an option; ``about`` as in ``Option``. Values of a second option, ``also``, join the field."""
    options = (Option(panel, metavar, **about), *([] if also is None else [also]))
    return field(default=default, metadata={"options": options})


def group(of: type, only: tuple[str, ...] | None = None) -> Any:
    """A field that holds further options, all of a class or ``only`` those of these words."""
    return field(default_factory=of, metadata={"group": of, "only": only})


class Options:
    """Base of the dataclasses of options: every value is held against its declaration."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def __post_init__(self) -> None:
        for declared in options_of(type(self), nested=False).values():
            declared.check(getattr(self, declared.field))


def options_of(kind: Any, nested: bool = True) -> dict[str, Option]:
    """Every option of a class by its word: first those of the ``nested`` groups in it, then its own."""
    return _options_of(kind, nested)


@cache
def _options_of(kind: Any, nested: bool) -> dict[str, Option]:
    found: dict[str, Option] = {}
    hints = get_type_hints(kind)
    for each in fields(kind) if nested else ():
        if (inner := each.metadata.get("group")) is not None:
            only = each.metadata["only"]
            found |= {word: one for word, one in options_of(inner).items() if only is None or word in only}
    for each in fields(kind):
        default = None if each.default is MISSING else each.default
        for one in each.metadata.get("options", ()):
            word = one.word or each.name
            found[word] = replace(one, word=word, field=each.name, type=_plain(hints[each.name]), default=default)
    return found


def _plain(hint: Any) -> Any:
    if get_origin(hint) is UnionType:
        return next(one for one in get_args(hint) if one is not type(None))
    return hint
