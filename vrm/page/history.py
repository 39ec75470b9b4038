"""What was said of a video, now and before: changes can be taken back, and made again."""

from __future__ import annotations

from vrm.options.session import PickSession

_MOST = 200
"""Changes that can be taken back, at most."""


class History:
    """The session as it is, and those before and after it. Whoever uses it from several threads locks it."""

    def __init__(self, session: PickSession) -> None:
        self.session = session
        self._before: list[PickSession] = []
        self._after: list[PickSession] = []

    @property
    def can_undo(self) -> bool:
        return bool(self._before)

    @property
    def can_redo(self) -> bool:
        return bool(self._after)

    def keep(self, session: PickSession) -> None:
        """A change, which can be taken back."""
        if session != self.session:
            self._before = [*self._before[1 - _MOST :], self.session]
            self._after = []
            self.session = session

    def undo(self) -> None:
        self._step(self._before, self._after)

    def redo(self) -> None:
        self._step(self._after, self._before)

    def _step(self, source: list[PickSession], target: list[PickSession]) -> None:
        if source:
            target.append(self.session)
            self.session = source.pop()
