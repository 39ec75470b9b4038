"""Which part of one video comes next: a shot's windows wait until it is prepared."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from vrm.engines.window_tasks import Part


class Schedule:
    """Parts in order, those whose shot is not prepared yet left out.

    Args:
        parts: with ``window`` None those of preparing.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self._unprepared = {part.shot for part in parts if part.window is None}
        self._waiting = deque(sorted(parts, key=lambda part: part.window is not None))
        self._under_way: set[Part] = set()

    def next(self) -> Part | None:
        """A part that can be begun now, which then counts as under way."""
        for part in self._waiting:
            if part.window is None or part.shot not in self._unprepared:
                self._waiting.remove(part)
                self._under_way.add(part)
                return part
        return None

    def done(self, part: Part) -> None:
        """A part is over, for good or ill."""
        self._under_way.discard(part)
        if part.window is None:
            self._unprepared.discard(part.shot)

    def leave(self, part: Part) -> None:
        """A part cannot be done; if it was to prepare a shot, its windows cannot either."""
        self.done(part)
        if part.window is None:
            self._waiting = deque(other for other in self._waiting if other.shot != part.shot)

    def again(self, part: Part) -> None:
        """A part was lost and comes first now."""
        self._under_way.discard(part)
        self._waiting.appendleft(part)

    @property
    def open(self) -> bool:
        """Something is waiting or under way."""
        return bool(self._waiting or self._under_way)
