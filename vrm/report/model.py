"""The report of a finished run: what ``--report``, ``--json`` and the Python API return."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from vrm.report.coverage import FrameCoverage, hole_share, look_at


@dataclass(frozen=True)
class ShotReport:
    """One stretch without a cut, frames ``start..stop-1``.

    Attributes:
        frames: coverage of the frames that have a hole, in order.
        detail: what the engine reports (iterations, loss, ...), ready for JSON.
    """

    start: int
    stop: int
    frames: tuple[FrameCoverage, ...] = ()
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def coverage(self) -> float:
        """Share of the shot's hole pixels found reliably in other frames; 1.0 without a hole."""
        return hole_share(self.frames, "seen") if self.frames else 1.0


@dataclass(frozen=True)
class TextLine:
    """A line of text that was found on the picture.

    Attributes:
        text, confidence: what it says, as far as it was read, and how sure that is, 0..1.
        box: ``(x0, y0, x1, y1)`` on its first frame, pixels of the picture as displayed.
        first, last: the frames that show it, both included.
        start, end: the same in seconds.
        kind: "overlay" or "scene".
        removed: it goes.
        why: what told its kind, or keeps it.
        strokes: its strokes are masked; else its box.
    """

    text: str
    confidence: float
    box: tuple[int, int, int, int]
    first: int
    last: int
    start: float
    end: float
    kind: str
    removed: bool
    why: str
    strokes: bool = True


@dataclass
class RemoveReport:
    """The result of one ``vrm remove``.

    Attributes:
        input, output: paths as given.
        date: when it was begun: ISO 8601, local time with its offset.
        source, result: facts of the two videos (``vrm.report.facts.video_facts``).
        frames, masked_frames: frames written, and those of them with a hole that was filled.
        frames_lost: frames of the source that could not be decoded.
        changed_outside: pixels outside the grown mask that differ from the decoder's, counted in all planes; must be 0.
        overlay: where ``vrm track`` has put the picture or video that shows the masks.
        text_lines: the lines of text that ``--text`` found, those that stay too.
        plan: what was about to be done when the masks were known (``vrm.events.Plan``).
        timings: seconds per stage, in order.
        peak_memory_mb: largest resident size of the process, or of one of its workers.
        engine, preset, device, dtype, threads, seed: what was used, after "auto" was decided.
        options: the options as asked for, ready for JSON.
        kept, lost, notes: a line each: what stayed unchanged, what could not, what else to know.
        versions: of vrm and the libraries that shape the result.
    """

    input: str
    output: str
    date: str = ""
    source: dict[str, Any] = field(default_factory=dict)
    result: dict[str, Any] = field(default_factory=dict)
    frames: int = 0
    masked_frames: int = 0
    frames_lost: int = 0
    changed_outside: int = 0
    overlay: str = ""
    text_lines: list[TextLine] = field(default_factory=list)
    shots: list[ShotReport] = field(default_factory=list)
    plan: dict[str, Any] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)
    peak_memory_mb: float = 0.0
    engine: str = ""
    preset: str = ""
    device: str = ""
    dtype: str = ""
    threads: int = 0
    seed: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def coverage(self) -> float:
        """Share of all hole pixels found reliably in other frames, 0..1; 1.0 if nothing was masked."""
        return hole_share(self.covered, "seen") if self.covered else 1.0

    @property
    def unsure(self) -> float:
        """Share of all hole pixels found in other frames, but not reliably."""
        return hole_share(self.covered, "unreliable")

    @property
    def synthesised(self) -> float:
        """Share of all hole pixels that no other frame shows."""
        return hole_share(self.covered, "never")

    @property
    def covered(self) -> list[FrameCoverage]:
        """Coverage of all frames with a hole, in order."""
        return [frame for shot in self.shots for frame in shot.frames]

    @property
    def seconds(self) -> float:
        return sum(self.timings.values())

    def to_dict(self) -> dict[str, Any]:
        record: dict[str, Any] = plain(asdict(self))
        for shot, own in zip(record["shots"], self.shots, strict=True):
            shot["coverage"] = own.coverage
        found = {name: getattr(self, name) for name in ("coverage", "unsure", "synthesised", "seconds")}
        return record | found | {"look_at": look_at(self.covered)}

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n"


def plain(value: Any) -> Any:
    """``value`` as JSON can hold it: fractions as "30000/1001", paths as text, NumPy's values as Python's."""
    if isinstance(value, Fraction):
        return f"{value.numerator}/{value.denominator}"
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return value.tolist()
    return value
