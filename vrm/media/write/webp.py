"""What FFmpeg's writer of animated WebP leaves to be said: each frame replaces the one before."""

from __future__ import annotations

import struct
from pathlib import Path

_ANIMATION_FRAME, _FLAGS = b"ANMF", 15
"""A frame's chunk, and where in it the flags are; by the WebP container specification, as are the bits."""
_REPLACES = 0b10


def whole_frames(path: Path) -> None:
    """State in a written file that frames are not blended over those before, which would show through alpha."""
    with path.open("rb+") as file:
        file.seek(12)
        while len(head := file.read(8)) == 8:
            name, size = struct.unpack("<4sI", head)
            start = file.tell()
            if name == _ANIMATION_FRAME:
                file.seek(start + _FLAGS)
                file.write(bytes([_REPLACES]))
            file.seek(start + size + size % 2)
