"""The last words of a command: what was done, in one line of a terminal, and where everything lies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vrm.events import Result
from vrm.report.coverage import in_words

WIDTH = 80
"""Columns that the line fits, if the name of the file leaves room at all."""


def summary(report: Result) -> str:
    """One line: file, frames, time, how much was synthesised, and on which frames to look."""
    facts = report.to_dict()
    done, runs = _done(facts), facts.get("look_at", [])
    looks = [f": see {in_words(runs[:k])}" for k in range(len(runs), 0, -1)] or [""]
    names = [facts["output"], Path(facts["output"]).name]
    lines = [f"{name}: {done}{look}" for name in names for look in looks]
    return next((line for line in lines if len(line) <= WIDTH), lines[0])


def places(report: Result) -> list[str]:
    """Where what was written beside the video lies, a line each; the video too, where its line had no room for it."""
    facts = report.to_dict()
    options = facts.get("options", {})
    written = {
        "report": options.get("report"),
        "masks": options.get("mask", {}).get("save_to"),
        "cleaned frames": options.get("export_keyframes"),
    }
    if not summary(report).startswith(f"{facts['output']}: "):
        written = {"video": facts["output"]} | written
    return [f"  {what}: {place}" for what, place in written.items() if place]


def _done(facts: dict[str, Any]) -> str:
    frames = f"{facts['frames']} frame{'s' if facts['frames'] != 1 else ''}"
    if not facts["masked_frames"]:
        return f"{frames}, nothing masked, in {duration(facts['seconds'])}"
    if facts["masked_frames"] < facts["frames"]:
        frames = f"{facts['masked_frames']} of {frames}"
    if not facts.get("shots", True):  # masks alone
        return f"{frames} masked in {duration(facts['seconds'])}"
    parts = [f"{_percent(facts[what])} {what}" for what in ("synthesised", "unsure") if facts[what]]
    return f"{frames} in {duration(facts['seconds'])}; {', '.join(parts) or 'nothing synthesised'}"


def duration(seconds: float) -> str:
    """``"12.3 s"``, ``"2:10 min"``, ``"1:02:30 h"``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} h" if hours else f"{minutes}:{rest:02} min"


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.005 else "under 1%"
