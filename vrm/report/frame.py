"""What is said of one frame that was written as a picture."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class FrameReport:
    """One frame as a PNG.

    Attributes:
        input, output: paths as given.
        frame: its number.
        time: seconds after the first frame; None where that is not known.
        size: ``(height, width)`` as displayed.
        masked: share of it that the mask laid over it covers; None without a mask.
        unsure: the mask comes from a click that ``vrm remove`` would stop at without ``--yes``.
    """

    input: str
    output: str
    frame: int = 0
    time: float | None = None
    size: tuple[int, int] = (0, 0)
    masked: float | None = None
    unsure: bool = False
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def text(self) -> str:
        """One line."""
        height, width = self.size
        time = "" if self.time is None else f" at {self.time:.2f} s"
        mask = "" if self.masked is None else f"; the mask covers {self.masked:.1%} of it"
        return f"{self.output}: frame {self.frame}{time}, {width}x{height}{mask}"
