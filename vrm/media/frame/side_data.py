"""The side data of decoded frames (HDR, captions, display matrix), also of kinds that PyAV has no name for."""

from __future__ import annotations

from typing import Any, cast

import av
from av.sidedata.sidedata import SideDataContainer, Type


def _nameless(kind: type[Type], value: int) -> Type:
    """A kind that FFmpeg has and PyAV does not list, such as the view number of MV-HEVC: looking would fail on it."""
    made: Any = object.__new__(kind)
    made._name_, made._value_ = f"KIND_{value}", value
    kind._value2member_map_[value] = made
    return cast(Type, made)


Type._missing_ = classmethod(_nameless)  # type: ignore[assignment]

VIEW_ID = Type(29)
"""The number of the view of a stream that is coded in layers, as spatial video is (MV-HEVC)."""
EXIF = Type(31)


def side_data(frame: av.VideoFrame) -> dict[Type, bytes]:
    """A copy of a frame's side data by kind; of several of a kind the last.

    ``frame.side_data`` would be cached in the frame and refer back to it, which keeps its picture in memory.
    """
    container: Any = SideDataContainer
    return {data.type: bytes(data) for data in container(frame)}
