"""The clock of a recording that was joined from parts: found by reading its packets once, and made to go on.

Each part of such a file (``cat a.ts b.ts``, ad breaks, the cells of a DVD) counts time from a start of its own. Its
streams jump together, though not at the same byte, and one of them may go on with the old clock for a while.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from av.packet import Packet
from av.stream import Stream

from vrm.media.read.container import is_cover
from vrm.types import ClockRestart

_JUMP = Fraction(1, 10)
_JUMP_DERIVED = Fraction(1)
"""Seconds backwards from which times are no mere disorder; more where FFmpeg derives the decoding times itself."""
_GAP = 60
"""Seconds forwards, without a packet of any stream, that are another clock and no pause."""
_NEVER = 1 << 62
"""A byte that no file has: where a stream jumps that does not."""


class _Part:
    """A stretch with one clock. Per stream: where it begins, its last dts, first pts and end, in units of the stream.

    ``now`` is the time in seconds of the packet that was read last.
    """

    def __init__(self) -> None:
        self.positions: dict[int, int] = {}
        self.last: dict[int, int] = {}
        self.first: dict[int, int] = {}
        self.end: dict[int, int] = {}
        self.now = 0.0

    def add(self, index: int, dts: int, pts: int, duration: int, seconds: float) -> None:
        self.last[index] = dts
        self.first[index] = min(pts, self.first.get(index, pts))
        self.end[index] = max(pts + duration, self.end.get(index, pts))
        self.now = seconds

    def time_of(self, index: int, base: Fraction) -> float:
        """What the clock last said to a stream, or else to any other."""
        return float(self.last[index] * base) if index in self.last else self.now


class ClockScan:
    """Given all packets of a file in their order, says where its clock starts again.

    Args:
        main: index of the video stream whose frames are to follow on one another.
        own_clock: the format's times are a broadcaster's (``has_own_clock``), which may also jump forwards.
    """

    def __init__(self, main: int, *, own_clock: bool) -> None:
        self._main = main
        self._own_clock = own_clock
        self._jump = _JUMP if own_clock else _JUMP_DERIVED
        self._parts = [_Part()]
        self._at: dict[int, int] = {}
        self._position: dict[int, int] = {}
        self._bases: dict[int, Fraction] = {}

    def add(self, packet: Packet[Any]) -> None:
        """The next packet; only sound and video tell the time."""
        dts, pts = packet.dts, packet.pts if packet.pts is not None else packet.dts
        if dts is None or pts is None or not _tells_time(packet.stream):
            return
        index = packet.stream_index
        self._bases[index] = packet.time_base
        if packet.pos is not None:
            self._position[index] = packet.pos
        seconds = float(dts * packet.time_base)
        at = self._at.get(index, 0)
        entered = self._part_of(index, at, dts, seconds)
        if entered != at:
            self._parts[entered].positions.setdefault(index, self._position.get(index, 0))
            self._at[index] = entered
        self._parts[entered].add(index, dts, pts, packet.duration or 0, seconds)

    def _part_of(self, index: int, at: int, dts: int, seconds: float) -> int:
        """The part that a packet belongs to; a new one where its stream jumps first."""
        later = range(at, len(self._parts))
        if len(later) > 1:  # another stream has jumped already: whichever clock this one is nearer to
            return max(later, key=lambda k: (-abs(seconds - self._parts[k].time_of(index, self._bases[index])), k))
        last = self._parts[at].last.get(index)
        if last is None:
            return at
        ahead = (dts - last) * self._bases[index]
        if at and self._returns(index, at, ahead, seconds):
            self._parts.pop()
            return at - 1
        gap = self._own_clock and ahead > _GAP and seconds - self._parts[at].now > _GAP
        if ahead < -self._jump or gap:
            self._parts.append(_Part())
            return at + 1
        return at

    def _returns(self, index: int, at: int, ahead: Fraction, seconds: float) -> bool:
        """Whether the jump before was a slip of this stream alone, and here it goes on as before it."""
        part, before = self._parts[at], self._parts[at - 1]
        if set(part.last) != {index} or index not in before.last:
            return False
        back = (before.last[index] - part.first[index]) * self._bases[index]
        return 2 * ahead > abs(back) and abs(seconds - before.now) < abs(ahead) / 2

    def restarts(self) -> tuple[ClockRestart, ...]:
        """Where the clock starts again, and what brings each part's times behind those of the part before."""
        found: list[ClockRestart] = []
        ends: dict[int, Fraction] = {}
        shifts: dict[int, Fraction] = {}
        for part in self._parts:
            known = [s for s in part.first if s in ends]
            guide = self._main if self._main in known else next(iter(known), None)
            shift = Fraction(0)
            if guide is not None:
                shift = ends[guide] - part.first[guide] * self._bases[guide]
                if abs(shift - shifts[guide]) < self._jump:  # this stream did not jump
                    shift = shifts[guide]
            for s in part.first:
                ends[s], shifts[s] = part.end[s] * self._bases[s] + shift, shift
            if part is not self._parts[0]:
                positions = {s: part.positions.get(s, _NEVER) for s in self._bases}
                found.append(ClockRestart(shift, positions, part.positions.get(self._main)))
        return tuple(found) if any(r.shift for r in found) else ()


def _tells_time(stream: Stream) -> bool:
    return stream.type in ("audio", "video") and not is_cover(stream)


class Clock:
    """Makes the times of packets go on where the file's clock starts again; packets are given in their file's order."""

    def __init__(self, restarts: tuple[ClockRestart, ...]) -> None:
        self._restarts = restarts
        self._position: dict[int, int] = {}

    def continue_times(self, packet: Packet[Any]) -> int:
        """Change a packet's times in place, in any time base; returns which part of the recording it belongs to."""
        index = packet.stream_index
        if packet.pos is not None:  # of several packets that lie in one, only the first has a position
            self._position[index] = packet.pos
        place = self._position.get(index, -1)
        for part in range(len(self._restarts), 0, -1):
            if self._restarts[part - 1].holds(index, place):
                move(packet, self._restarts[part - 1].shift)
                return part
        return 0


def move(packet: Packet[Any], seconds: Fraction) -> None:
    """Shift a packet's times in place, by a whole number of its units."""
    units = round(seconds / packet.time_base)
    packet.pts = packet.pts + units if packet.pts is not None else None
    packet.dts = packet.dts + units if packet.dts is not None else None
