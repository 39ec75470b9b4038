"""Scores as text: tables for the terminal, Markdown, CSV, JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vrm.errors import BatchError, OutputError, UsageError
from vrm.evaluate.scoring.score import Result
from vrm.system.files import atomic_write, writing

DIGITS = {"ssim": 4, "hole_ssim": 4, "ssim_gauss11": 4, "ssim_65": 4, "ssim_devil": 4, "lpips": 4, "vfid": 4, "pvcs": 4}
PERCENT = ("ewarp", "ewarp_hole", "ewarp_truth", "ewarp_own", "ewarp_own_hole")
"""Printed times 100 in tables, as papers do; JSON holds the value itself."""


@dataclass(frozen=True)
class ScoreTable:
    """What ``vrm evaluate score`` prints.

    Attributes:
        results: one per result folder.
    """

    results: tuple[Result, ...]

    def lines(self) -> str:
        """One JSON object per line and result folder."""
        return "".join(json.dumps(result.to_dict(), ensure_ascii=False) + "\n" for result in self.results)

    def table(self) -> str:
        """For the terminal: rows of clips, then of means, and remarks."""
        names = self._names()
        rows = [["result", "clip", "frames", *map(heading, names), "outside"]]
        for result in self.results:
            for clip, score in result.clips.items():
                values = [cell(name, score.values.get(name)) for name in names]
                rows.append([result.name, clip, str(score.scored), *values, str(score.outside_max)])
        for result in self.results:
            rows.append([result.name, f"{len(result.clips)} clips", *self._mean_row(result, names)])
        return aligned(rows) + "".join(f"{line}\n" for line in self.remarks())

    def markdown(self) -> str:
        """The same in Markdown, with the spread over clips."""
        names = self._names()
        rows = [["result", "clip", "frames", *map(heading, names), "outside"]]
        for result in self.results:
            for clip, score in result.clips.items():
                values = [cell(name, score.values.get(name)) for name in names]
                rows.append([result.name, clip, str(score.scored), *values, str(score.outside_max)])
            rows.append([result.name, "**mean**", *self._mean_row(result, names)])
            means = result.means()
            spread = [cell(n, means[n].spread if n in means else None) for n in names]
            rows.append([result.name, "spread", "", *spread, ""])
        return markdown(rows) + "\n" + "".join(f"- {line}\n" for line in self.remarks())

    def csv(self) -> str:
        """One row per result and clip, unrounded."""
        names = self._names()
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["result", "clip", "frames", *names, "outside_max"])
        for result in self.results:
            for clip, score in result.clips.items():
                values = ["" if score.values.get(n) is None else repr(score.values[n]) for n in names]
                writer.writerow([result.name, clip, score.scored, *values, score.outside_max])
        return out.getvalue()

    def remarks(self) -> list[str]:
        """What a reader of the numbers has to know."""
        said = []
        for result in self.results:
            for measure, n in result.infinite().items():
                said.append(f"{result.name}: {n} infinite values of {measure} (equal frames) are not in its mean.")
            said += [f"{result.name}: {note}" for note in result.notes]
            changed = [name for name, score in result.clips.items() if score.outside_max]
            if changed:
                said.append(f"{result.name}: pixels outside the hole were changed in {', '.join(changed)}.")
            if result.missing:
                said.append(f"{result.name}: no result for {', '.join(result.missing)}.")
            for name, value in result.networks.items():
                said.append(f"{result.name}: {name} {value if isinstance(value, str) else f'{value:.4f}'}")
        if any(set(PERCENT) & set(result.means()) for result in self.results):
            said.append(f"E_warp in percent, flow by {self.results[0].flow}.")
        needs = dict.fromkeys((name, what) for result in self.results for name, what in result.needs.items())
        return said + [f"{name}: {what}" for name, what in needs]

    def save(self, path: Path, overwrite: bool = False) -> None:
        """Write the table as its ending says. Raises OutputError or UsageError."""
        check_table(path, overwrite)
        kinds = {".md": self.markdown, ".csv": self.csv, ".json": self._json}
        write_text(path, kinds[path.suffix.lower()]())

    def complete(self) -> None:
        """Raise BatchError if clips are missing; all of them are named."""
        missing = [f"{result.name}: {', '.join(result.missing)}" for result in self.results if result.missing]
        if missing:
            raise BatchError(
                f"Results are missing: {'; '.join(missing)}.", "Fill them, or name the clips you want with --clips."
            )

    def _json(self) -> str:
        return json.dumps([result.to_dict() for result in self.results], indent=2, ensure_ascii=False) + "\n"

    def _names(self) -> list[str]:
        return list(dict.fromkeys(name for result in self.results for name in result.means()))

    def _mean_row(self, result: Result, names: Sequence[str]) -> list[str]:
        means = result.means()
        frames = sum(score.scored for score in result.clips.values())
        outside = max((score.outside_max for score in result.clips.values()), default=0)
        return [str(frames), *(cell(n, means[n].value if n in means else None) for n in names), str(outside)]


def check_table(path: Path, overwrite: bool) -> None:
    """Refuse a table's name before work starts. Raises OutputError or UsageError."""
    if path.suffix.lower() not in (".md", ".csv", ".json"):
        raise UsageError(f"--table {path} is neither .md, .csv nor .json.", "Choose one of these endings.")
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists.", "Choose another name or give --overwrite.")


def heading(name: str) -> str:
    """A measure's column heading."""
    return name.replace("_", " ") + (" %" if name in PERCENT else "")


def cell(name: str, value: float | None) -> str:
    """A value as it is printed."""
    if value is None or math.isnan(value):
        return "-"
    if name in PERCENT:
        return f"{100 * value:.4f}"
    digits = next((n for key, n in DIGITS.items() if name.startswith(key)), 2)
    return f"{value:.{digits}f}"


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns for the terminal: the first two to the left, numbers to the right."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [text.ljust(w) if k < 2 else text.rjust(w) for k, (text, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(cells).rstrip() + "\n")
    return "".join(lines)


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first row is the heading."""
    head, *body = rows
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in body]) + "\n"


def write_text(path: Path, text: str) -> None:
    """Write a file, whole or not at all. Raises OutputError."""
    with writing(f"{path} cannot be written"):
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, text)
