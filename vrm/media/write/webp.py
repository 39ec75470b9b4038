"""What FFmpeg's writer of animated WebP leaves to be said: each frame replaces the one before."""

from __future__ import annotations

import os
from pathlib import Path

from vrm.media.read.animated_webp import chunks

_ANIMATION_FRAME, _FLAGS = b"ANMF", 15
"""A frame's chunk, and where in it the flags are; by the WebP container specification, as are the bits."""
_REPLACES = 0b10


def whole_frames(path: Path) -> None:
    """State in a written file that frames are not blended over those before, which would show through alpha."""
    with path.open("rb+") as file:
        for name in chunks(file):
            if name == _ANIMATION_FRAME:
                file.seek(_FLAGS, os.SEEK_CUR)
                file.write(bytes([_REPLACES]))
