"""How far a whole job is, and how long the rest takes: told beside the stages that its parts go through.

A job is a list of pieces (find cuts, follow the mask, each window, write), each with the seconds it should take. The
share that is done is counted in these seconds; what is left, in how long they really took so far. Expectations may be
wrong by a factor that the first minutes correct; what is told never goes back.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field

from vrm.events import Events, Overall, Plan, Result

_TRUSTED = 1.0
"""Seconds of expected work that weigh as much as what was measured."""


@dataclass(eq=False)
class Piece:
    """A part of a job.

    Attributes:
        stages: the seconds that each stage of it should take, in order; stages are as in ``Events.stage``.
        kind: pieces of one kind take equally longer, or less long, than expected.
        key: names it for ``Forecast.begin`` and ``finish``; others begin with their first stage.
        shot: the shot that it belongs to, from 1; 0 = to none.
        done: share of it that is done, 0 to 1.
    """

    stages: dict[str, float]
    kind: str = ""
    key: Hashable = None
    shot: int = 0
    done: float = 0.0
    seconds: float = field(init=False)

    def __post_init__(self) -> None:
        self.seconds = sum(self.stages.values())
        self.kind = self.kind or next(iter(self.stages))

    def share(self, stage: str, part: float) -> float:
        """The share of the piece that is done with so large a part of a stage of it, those before being over."""
        before = sum(list(self.stages.values())[: list(self.stages).index(stage)])
        return (before + part * self.stages[stage]) / self.seconds if self.seconds else 0.0


class Forecast(Events):
    """Passes on to a listener what it is told, and adds how far the whole job is.

    Args:
        pieces: all that is to be done, as far as it is known; ``expect`` says it anew.
        clock: seconds, from any beginning.
    """

    def __init__(
        self, listener: Events, pieces: Iterable[Piece] = (), clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._listener, self._clock = listener, clock
        self._pieces: list[Piece] = []
        self._at: Piece | None = None
        self._stage, self._step, self._steps = "", 0, 0
        self._spent, self._worked = defaultdict[str, float](float), defaultdict[str, float](float)
        self._base = self._shown = 0.0
        self._last = clock()
        if pieces := list(pieces):
            self.expect(pieces)

    def expect(self, pieces: Iterable[Piece]) -> None:
        """All that is still to be done, from now on."""
        self._count_time()
        self._base, self._pieces, self._at = self._shown, list(pieces), None
        self._tell()

    def begin(self, key: Hashable) -> None:
        """The piece of this key is worked on; those before it are over, or were not needed."""
        self._enter(next((piece for piece in self._pieces if piece.key == key), None))

    def finish(self, key: Hashable) -> None:
        """The piece of this key is done, perhaps by others, and in any order."""
        for piece in self._pieces:
            if piece.key == key:
                self._at = piece
                self._count_time()
                self._raise(piece, 1.0)
        self._tell()

    def reach(self, key: Hashable, stage: str, done: int, total: int) -> None:
        """Others have come so far in a stage of the piece of this key."""
        for piece in self._pieces:
            if piece.key == key and stage in piece.stages and total:
                self._at, self._stage = piece, stage
                self._count_time()
                self._raise(piece, piece.share(stage, min(1.0, done / total)))
        self._tell()

    def seconds(self, pieces: Iterable[Piece]) -> float:
        """How long pieces will take, by the pace so far."""
        return sum((1 - piece.done) * piece.seconds * self._pace(piece.kind) for piece in pieces)

    def stage(self, name: str, total: int) -> None:
        self._listener.stage(name, total)
        self._stage, self._step, self._steps = name, 0, total
        if self._at is None or name not in self._at.stages or self._at.done >= 1:
            after = self._pieces[self._pieces.index(self._at) + 1 :] if self._at in self._pieces else self._pieces
            self._enter(next((piece for piece in after if name in piece.stages and piece.key is None), None))
        self._tell()

    def advance(self, name: str, n: int = 1) -> None:
        self._listener.advance(name, n)
        self._count_time()
        self._step += n
        piece = self._at
        if piece is not None and name in piece.stages and self._steps:
            self._raise(piece, piece.share(name, min(1.0, self._step / self._steps)))
        self._tell()

    def plan(self, plan: Plan) -> None:
        self._listener.plan(plan)

    def note(self, text: str) -> None:
        self._listener.note(text)

    def done(self, report: Result) -> None:
        self.over()
        self._listener.done(report)

    def over(self) -> None:
        """Everything is done."""
        if self._pieces:
            self._pieces = []
            self._listener.overall(Overall(1.0, self._stage, 0.0))

    def _enter(self, piece: Piece | None) -> None:
        if piece is None:
            return
        self._count_time()
        for before in self._pieces[: self._pieces.index(piece)]:
            if before is self._at:
                self._raise(before, 1.0)
            before.done = 1.0  # what was not needed says nothing about the pace
        self._at = piece

    def _raise(self, piece: Piece, share: float) -> None:
        if share > piece.done:
            self._worked[piece.kind] += (share - piece.done) * piece.seconds
            piece.done = share

    def _count_time(self) -> None:
        now = self._clock()
        if self._at is not None:
            self._spent[self._at.kind] += now - self._last
        self._last = now

    def _pace(self, kind: str) -> float:
        """Seconds that pass for each that was expected: of this kind of work, or else of all others."""
        overall = (sum(self._spent.values()) + _TRUSTED) / (sum(self._worked.values()) + _TRUSTED)
        return (self._spent[kind] + _TRUSTED * overall) / (self._worked[kind] + _TRUSTED)

    def _tell(self) -> None:
        if not self._pieces:
            return
        total = sum(piece.seconds for piece in self._pieces)
        share = sum(piece.done * piece.seconds for piece in self._pieces) / total if total else 0.0
        self._shown = max(self._shown, min(0.999, self._base + (1 - self._base) * share))
        shots = max(piece.shot for piece in self._pieces)
        shot = 0 if self._at is None else self._at.shot
        left = self.seconds(self._pieces)
        self._listener.overall(Overall(self._shown, self._stage, left, shot, shots if shot else 0))
