"""From the words a user gives, on any of the faces of vrm, to checked options; and the paths that options name."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from vrm.errors import UsageError
from vrm.options.declare import MODEL, READ, WRITTEN, Option, Options, options_of
from vrm.options.remove import RemoveOptions
from vrm.options.session import session_words
from vrm.options.values import listed

Built = TypeVar("Built", bound=Options)
Function = TypeVar("Function", bound=Callable[..., Any])

REMOVED = {
    "prior": "No trained start is needed: engine motion has no network, and engine internal fits one to your video.",
    "train_internal": "Engine internal fits itself to each video, untrained; "
    "vrm train savit and vrm train keyframe train the networks of those engines.",
}
"""Words that are gone, as Python spells them, and what took their place."""


def build_options(**words: Any) -> RemoveOptions:
    """The options of ``vrm remove`` from words: ``--mask-frame`` is ``mask_frame``. Raises UsageError."""
    return build(RemoveOptions, words)


def build(kind: type[Built], words: Mapping[str, Any], only: tuple[str, ...] | None = None) -> Built:
    """Options of a class from words, ``only`` those named; what is left out, or None, has its default.

    Raises UsageError where there is no such option, or its value is none.
    """
    known = {word: each for word, each in options_of(kind).items() if only is None or word in only}
    for word in words:
        if word not in known:
            raise unknown(word, known)
    given = {word: value for word, value in words.items() if value is not None}
    if "session" in given:
        given = {**session_words(Path(given["session"])), **_said(given, known)}
    return _filled(kind, given, known)


def _said(words: Mapping[str, Any], known: Mapping[str, Option]) -> dict[str, Any]:
    """The words that say something: a flag that was not given, and an empty list, do not."""
    defaults = {word: one.inverted != one.default if one.type is bool else one.default for word, one in known.items()}
    return {word: value for word, value in words.items() if value not in ([], ()) and value != defaults[word]}


def _filled(kind: type[Built], words: Mapping[str, Any], allowed: Mapping[str, Option]) -> Built:
    values: dict[str, Any] = {}
    for each in fields(kind):
        if "group" in each.metadata:
            values[each.name] = _filled(each.metadata["group"], words, allowed)
    for word, declared in options_of(kind, nested=False).items():
        if word in words and word in allowed:
            value = declared.read(words[word])
            values[declared.field] = values[declared.field] + value if declared.field in values else value
    return kind(**values)


def unknown(word: str, known: Iterable[str], what: str = "option") -> UsageError:
    """The refusal of a word: it is gone, and what took its place, or else the nearest of those that are known."""
    shown = word[:80].rstrip("_")
    if word in REMOVED:
        return UsageError(f"There is no {what} '{shown}' any more.", REMOVED[word])
    near = get_close_matches(word, list(known), 1)
    return UsageError(f"There is no {what} '{shown}'.", f"Did you mean '{near[0].rstrip('_')}'?" if near else "")


def words_of(kind: type[Options], words: Mapping[str, Any]) -> dict[str, Any]:
    return {word: value for word, value in words.items() if word in options_of(kind)}


def as_typed(kind: type[Options], words: Mapping[str, Any]) -> list[str]:
    """Words of a command as they are typed; what is left out, or has its default, is not."""
    typed: list[str] = []
    for word, declared in options_of(kind).items():
        value, flag = words.get(word), declared.flag or f"--{declared.name}"
        if value is None or (declared.parse is None and value == declared.default):
            continue
        if isinstance(value, bool):
            typed.append(flag)
        else:
            typed += [text for each in (value if isinstance(value, list) else [value]) for text in (flag, str(each))]
    return typed


def of_kind(*kinds: str) -> dict[str, Option]:
    """The options of ``vrm remove`` of these kinds (``READ``, ``WRITTEN``, ``MODEL``), by word."""
    return {word: each for word, each in options_of(RemoveOptions).items() if each.kind in kinds}


def paths_read(options: Options) -> list[tuple[str, Path]]:
    """Every path that options name to be read, with what it is in words; models that are files or folders too."""
    found = []
    for declared, value in _named(options):
        if declared.kind == READ:
            values = [value] if isinstance(value, Path) else [Path(path) for _, path in value]
            found += [(declared.noun, path) for path in values]
    return found + [("model", path) for path in model_paths(options)]


def paths_written(options: Options) -> dict[str, Path]:
    """Every path that options name to be written, by the option: ``--report``."""
    return {f"--{declared.name}": value for declared, value in _named(options) if declared.kind == WRITTEN}


def model_paths(options: Options) -> list[Path]:
    """Models that are given as files or folders, not by a card's name."""
    return [Path(value) for declared, value in _named(options) if declared.kind == MODEL and _exists(Path(value))]


def _exists(path: Path) -> bool:
    try:
        return path.exists() or path.is_symlink()
    except OSError:  # a name that is too long for a path is no path
        return False


def _named(options: Options) -> Iterator[tuple[Option, Any]]:
    """Options that name something on the disk, and what they name."""
    for each in fields(options):
        if "group" in each.metadata:
            yield from _named(getattr(options, each.name))
    for declared in options_of(type(options), nested=False).values():
        value = getattr(options, declared.field)
        if declared.kind and value is not None:
            yield declared, value


def place_paths(words: Mapping[str, Any], place: Callable[[Path], Path], *kinds: str) -> dict[str, Any]:
    """Words of ``vrm remove`` with ``place`` applied to the paths among them; models by name stay names."""
    placed = dict(words)
    for word, declared in of_kind(*kinds).items():
        value = words.get(word)
        if value is None:
            continue
        if declared.several and "=" in declared.metavar:
            pairs = value.items() if isinstance(value, Mapping) else [_pair(text) for text in listed(value)]
            placed[word] = [f"{number}{'=' if str(number) else ''}{place(Path(path))}" for number, path in pairs]
        elif declared.several and not isinstance(value, str | Path):  # a frame behind an @ stays where it is
            texts = [f"{path}@{at}" for at, path in value.items()] if isinstance(value, Mapping) else listed(value)
            placed[word] = [str(place(Path(text))) for text in texts]
        elif declared.kind != MODEL or _exists(place(Path(value))):
            placed[word] = place(Path(value))
    return placed


def _pair(text: str) -> tuple[str, str]:
    """``40=clean.png`` as ``("40", "clean.png")``; a folder alone has no number."""
    number, equals, path = text.partition("=")
    return (number, path) if equals else ("", text)


def keywords(kind: type[Options], only: tuple[str, ...] | None = None) -> Callable[[Function], Function]:
    """Give a function that takes ``**words`` a signature that names them: options as keywords, typed, with defaults.

    Its docstring says what each means. A keyword that the function has by itself stays as it is.
    """

    def decorate(function: Function) -> Function:
        declared = [each for word, each in options_of(kind).items() if only is None or word in only]
        own = inspect.signature(function)
        named = [_keyword(each) for each in declared if each.word not in own.parameters]
        meanings = "\n".join(f"    {each.word}: {each.help}" for each in declared)
        function.__doc__ = f"{inspect.cleandoc(function.__doc__ or '')}\n\nOptions:\n{meanings}"
        return with_parameters(function, own, named)

    return decorate


def with_parameters(function: Function, own: inspect.Signature, named: list[inspect.Parameter]) -> Function:
    """Let a function's signature have the parameters ``named`` in place of ``**words``."""
    kept = [each for each in own.parameters.values() if each.kind is not each.VAR_KEYWORD]
    first = next((i for i, each in enumerate(kept) if each.kind is each.KEYWORD_ONLY), len(kept))
    function.__signature__ = own.replace(parameters=[*kept[:first], *named, *kept[first:]])  # type: ignore[attr-defined]
    return function


def _keyword(declared: Option) -> inspect.Parameter:
    annotation, default = declared.type, declared.default
    if declared.parse is not None:
        taken = next(iter(inspect.signature(declared.parse).parameters))
        annotation, default = typing.get_type_hints(declared.parse)[taken], None
    elif declared.inverted:
        default = not default
    elif declared.type is Path or declared.kind == MODEL:
        annotation = str | Path
    if default is None:
        annotation |= None
    return inspect.Parameter(declared.word, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
