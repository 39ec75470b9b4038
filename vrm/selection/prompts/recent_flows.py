"""Optical flow between frames near one that was pointed at: the next click there asks for the same again."""

from __future__ import annotations

import threading
import zlib
from collections import OrderedDict

import numpy as np

from vrm.motion.flow.estimators import DisFlow
from vrm.types import U8, Array

_MOST = 40
"""Flows that are kept: those of one frame, about 40 MB."""

_estimator = DisFlow()
_kept: OrderedDict[tuple[int, int, tuple[int, ...]], Array] = OrderedDict()
_lock = threading.Lock()


def recent_flow(first: U8, second: U8) -> Array:
    """Flow as ``DisFlow`` estimates it, read-only; that of the same two pictures is remembered for a while."""
    key = _sum(first), _sum(second), first.shape
    with _lock:
        found = _kept.get(key)
        if found is not None:
            _kept.move_to_end(key)
            return found
    flow = _estimator(first, second)
    flow.flags.writeable = False
    with _lock:
        _kept[key] = flow
        while len(_kept) > _MOST:
            _kept.popitem(last=False)
    return flow


def _sum(picture: U8) -> int:
    """64 bits of checksums."""
    data = np.ascontiguousarray(picture).data
    return zlib.crc32(data) << 32 | zlib.adler32(data)
