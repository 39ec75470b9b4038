"""What a shell completes the beginning of a value to; the shell itself completes paths."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from vrm.options.declare import MODEL, Option

Complete = Callable[[str], list[str]]


def among(words: Callable[[], Iterable[str]], several: bool = False) -> Complete:
    """Completes to one of the words, which are looked up when they are asked for; or to ``several``, with commas."""

    def complete(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",") if several else ("", "", incomplete)
        return [f"{before}{comma}{word}" for word in dict.fromkeys(words()) if word.startswith(last)]

    return complete


def values_of(declared: Option) -> Complete | None:
    if declared.choices:
        return among(lambda: declared.choices)
    if declared.offers:
        return among(lambda: declared.offers, several=True)
    if declared.word in _LOOKED_UP:
        return among(_LOOKED_UP[declared.word])
    return among(installed) if declared.kind == MODEL else None


def installed() -> list[str]:
    """Names of weights and models that are known here."""
    from vrm.weights.cards import known, models

    return [card.name for card, _ in known()] + [model.name for model, _ in models()]


def fetchable() -> list[str]:
    from vrm.weights.cards import known
    from vrm.weights.convert.registry import MODELS, OFFERED

    return [*(card.name for card, _ in known() if card.url), *OFFERED, *MODELS]


def convertible() -> list[str]:
    from vrm.weights.convert.registry import FOREIGN

    return list(FOREIGN)


def _protocols() -> list[str]:
    from vrm.evaluate.cases.protocols import PROTOCOLS

    return list(PROTOCOLS)


_LOOKED_UP: dict[str, Callable[[], Iterable[str]]] = {
    "protocol": _protocols,
    "weights": lambda: ("auto", "none", *installed()),
    "lpips": installed,
}
