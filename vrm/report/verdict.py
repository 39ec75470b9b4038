"""What a report comes to, in sentences."""

from __future__ import annotations

from vrm.report.coverage import in_words, look_at, moving_runs
from vrm.report.model import RemoveReport

_LITTLE, _MUCH = 0.1, 0.5
"""Shares of the filled pixels that are doubtful: up to the first little, from the second on most."""


def verdict(report: RemoveReport) -> str:
    """How far the result can be trusted, and where to look."""
    if not report.masked_frames:
        return "Nothing was masked: the result is a copy."
    doubtful = report.unsure + report.synthesised
    if doubtful >= _MUCH:
        said = "Most of the filling is synthesised or unsure: look at it before you use it."
    elif doubtful >= _LITTLE:
        said = "Most of what the mask covers was found in other frames; the rest needs a look."
    else:
        said = "Nearly all that the mask covers was found in other frames."
    where = look_at(report.covered)
    return f"{said} Look first at {in_words(where)}." if where else said


def moving_warning(report: RemoveReport) -> str | None:
    """What to say where the surroundings of holes move by themselves: nothing found there is known to fit."""
    runs = moving_runs(report.covered)
    if not runs:
        return None
    return (
        f"Around the hole the picture moves by itself, or too fast to follow, on {in_words(runs)} (water, leaves, a "
        "crowd, a fast pan). What other frames show there was used, but nothing tells whether it fits: it counts as "
        "unsure."
    )
