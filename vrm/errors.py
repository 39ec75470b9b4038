"""Every error a user can cause or meet, each with the exit code the command line ends with.

VrmError
├── UsageError      2  contradictory or unknown options
├── VideoError      3  the video cannot be read (missing, no video stream, nothing decodes)
├── MaskError       4  the mask does not fit the video
├── WeightsError    5  weights missing, wrong or damaged
│   └── MissingPackage 5  a package that only some options need is not installed
├── EngineError     6  the engine failed
│   └── OutOfMemory 6  not enough memory within the bound that was asked for
├── BatchError      7  some of many inputs failed
├── OutputError     8  the output cannot be written (exists, read-only, disk full, no encoder)
└── Interrupted   130  Ctrl-C while some of many inputs were not done yet

A message says what is wrong, where, and how to put it right. Anything that is not a ``VrmError`` is a bug.
"""

from __future__ import annotations

from typing import ClassVar


class VrmError(Exception):
    """Base of all errors meant for the user.

    Args:
        what: one sentence: what is wrong, and where (file, frame, option).
        fix: one sentence: what the user can do about it, or empty.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.what} {self.fix}".strip()


class UsageError(VrmError):
    """Options that contradict each other or mean nothing."""

    exit_code = 2


class VideoError(VrmError):
    """The video cannot be read."""

    exit_code = 3


class MaskError(VrmError):
    """The mask cannot be read or does not fit the video."""

    exit_code = 4


class WeightsError(VrmError):
    """Weights are missing, of another configuration, or damaged."""

    exit_code = 5


class MissingPackage(WeightsError):
    """A package that only some options need is not installed (``vrm.system.extras``)."""


class EngineError(VrmError):
    """The engine could not do its work."""

    exit_code = 6


class OutOfMemory(EngineError):
    """The work does not fit the memory bound."""


class BatchError(VrmError):
    """Some of many inputs failed.

    Args:
        what, fix: as in every error.
        summary: what became of each (``vrm.batch.summary.Summary``), where the work was ``vrm.remove_batch``.
    """

    exit_code = 7

    def __init__(self, what: str, fix: str = "", summary: object = None) -> None:
        super().__init__(what, fix)
        self.summary = summary


class OutputError(VrmError):
    """The output cannot be written."""

    exit_code = 8


class Interrupted(VrmError):
    """The user stopped work on many inputs; what is done stays."""

    exit_code = 130
