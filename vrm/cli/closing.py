"""The last words of a command: what was done, in one line of a terminal, and where everything lies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vrm.events import Result, counted
from vrm.report.coverage import in_words
from vrm.report.tables import duration

WIDTH = 80
"""Columns that the line fits."""


def summary(report: Result) -> str:
    """One line: file, frames, time, how much was synthesised, and on which frames to look.

    Where that is too long, fewer frames are named, then the file without its folder; then what is unsure is left out,
    and at last the file's name is cut in the middle.
    """
    facts = report.to_dict()
    path, runs = facts["output"], facts.get("look_at", [])
    looks = [f": see {in_words(runs[:k])}" for k in range(len(runs), 0, -1)] or [""]
    looks += [look.replace("see frames ", "see ") for look in looks[-1:]]
    said = [_done(facts, True) + look for look in looks]
    shortest = _done(facts, False) + looks[-2]
    lines = [f"{name}: {one}" for name in (path, Path(path).name) for one in said] + [f"{Path(path).name}: {shortest}"]
    found = next((line for line in lines if len(line) <= WIDTH), None)
    return found or f"{_cut(Path(path).name, WIDTH - len(shortest) - 2)}: {shortest}"


def places(report: Result) -> list[str]:
    """Where what was written beside the video lies, a line each; the video too, where its line had no room for it."""
    facts = report.to_dict()
    options = facts.get("options", {})
    written = [
        ("report", options.get("report")),
        ("masks", options.get("mask", {}).get("save_to")),
        ("cleaned frames", options.get("export_keyframes")),
        ("overlay", facts.get("overlay")),
    ]
    if not summary(report).startswith(f"{facts['output']}: "):
        written.insert(0, ("masks" if _tracked(facts) else "video", facts["output"]))
    return [f"  {what}: {place}" for what, place in written if place]


def _done(facts: dict[str, Any], whole: bool) -> str:
    frames = counted(facts["frames"], "frame")
    took = f"in {duration(facts['seconds'])}"
    if not facts["masked_frames"]:
        return f"{frames}, nothing masked, {took}"
    if facts["masked_frames"] < facts["frames"]:
        frames = f"{facts['masked_frames']} of {frames}"
    if _tracked(facts):
        return f"{frames} masked {took}"
    parts = [f"{_percent(facts['synthesised'])} synthesised"] if facts["synthesised"] else []
    parts += [f"{_percent(facts['unsure'])} unsure"] if facts["unsure"] and (whole or not parts) else []
    return f"{frames} {took}; {', '.join(parts) or 'nothing synthesised'}"


def _tracked(facts: dict[str, Any]) -> bool:
    """Whether masks alone were written, and no video."""
    return bool(facts["masked_frames"]) and not facts.get("shots", True)


def _cut(name: str, length: int) -> str:
    """A name without its middle, of at least eight letters."""
    half = (max(8, length) - 1) // 2
    return name if len(name) <= 2 * half + 1 else f"{name[:half]}…{name[-half:]}"


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.005 else "under 1%"
