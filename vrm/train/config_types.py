"""Config validation: values from a file or a caller against the types of a configuration's fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args, get_origin, get_type_hints

from vrm.errors import UsageError

_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def check_types(config: type, values: Mapping[str, object], where: str = "") -> None:
    """Check that every value has its field's type; only fields of numbers, text and lists are checked.

    Names that are no field of the dataclass ``config`` are not checked here; ``where`` is the table that they belong
    to, for the message: "[training]". Raises UsageError, which names the key, the value and the type.
    """
    hints = get_type_hints(config)
    for name, value in values.items():
        if name in hints and not _is(hints[name], value):
            raise UsageError(f"{where} {name} is {value!r}.".lstrip(), f"It must be {_words(hints[name])}.")


def _is(kind: Any, value: object) -> bool:
    if kind in (int, float):
        return isinstance(value, int if kind is int else (int, float)) and not isinstance(value, bool)
    if kind in (bool, str):
        return isinstance(value, kind)
    if get_origin(kind) is tuple:
        inner = get_args(kind)
        if not isinstance(value, (list, tuple)):
            return False
        kinds = [inner[0]] * len(value) if inner[-1] is Ellipsis else list(inner)
        return len(kinds) == len(value) and all(_is(k, v) for k, v in zip(kinds, value, strict=True))
    return True


def _words(kind: Any) -> str:
    if kind in _WORDS:
        return _WORDS[kind]
    inner = get_args(kind)
    count = "" if inner[-1] is Ellipsis else f"{len(inner)} "
    plural = {int: "whole numbers", float: "numbers"}.get(inner[0], "values")
    return f"a list of {count}{plural}"
