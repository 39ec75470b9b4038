"""Masks as one block of bytes, with a check sum: to be kept in a file, or sent to another process."""

from __future__ import annotations

import json
import zlib
from typing import Any

from vrm.types import Masks

_HEAD = 8


def pack(masks: Masks, about: Any) -> bytes:
    frames, parts, at = [], [], 0
    for t in masks.frames():
        packed = masks.packed(t)
        assert packed is not None
        frames.append((t, packed[0], at, at + len(packed[1])))
        parts.append(packed[1])
        at += len(packed[1])
    bits = b"".join(parts)
    index = json.dumps({"frames": frames, "about": about, "crc": zlib.crc32(bits)}).encode()
    return len(index).to_bytes(_HEAD, "little") + index + bits


def unpack(data: bytes, size: tuple[int, int], n_frames: int) -> tuple[Masks, Any] | None:
    """What ``pack`` was given; None if the bytes are damaged, or not of masks of this size and number."""
    masks = Masks(size, n_frames)
    try:
        length = int.from_bytes(data[:_HEAD], "little")
        index = json.loads(data[_HEAD : _HEAD + length])
        bits = memoryview(data)[_HEAD + length :]
        if zlib.crc32(bits) != index["crc"]:
            return None
        for t, (y0, x0, y1, x1), start, stop in index["frames"]:
            masks.put_packed(t, (y0, x0, y1, x1), bytes(bits[start:stop]))
        return masks, index["about"]
    except (ValueError, KeyError, TypeError, IndexError, zlib.error):
        return None
