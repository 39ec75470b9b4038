"""Scores as text: tables for the terminal, Markdown, CSV, JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from vrm.errors import BatchError, OutputError, UsageError
from vrm.evaluate.scoring.score import ScoreResult
from vrm.events import counted
from vrm.metrics.means import Mean
from vrm.report.tables import text_table
from vrm.system.files import Content, atomic_write, writing

DIGITS = dict.fromkeys(
    ("ssim", "hole_ssim", "ssim_gauss11", "ssim_65", "ssim_devil", "lpips", "vfid", "pvcs", "effect_extra"), 4
)
PERCENT = ("ewarp", "ewarp_hole", "ewarp_truth", "ewarp_own", "ewarp_own_hole")
"""Printed times 100 in tables, as papers do; JSON holds the value itself."""


@dataclass(frozen=True)
class ScoreTable:
    """What ``vrm evaluate score`` prints: the scores of every folder of results."""

    results: tuple[ScoreResult, ...]

    def lines(self) -> str:
        return "".join(json.dumps(result.to_dict(), ensure_ascii=False) + "\n" for result in self.results)

    def table(self) -> str:
        rows = [self._head(), *(row for result in self.results for row in self._clip_rows(result))]
        rows += [self._mean_row(result, counted(len(result.clips), "clip")) for result in self.results]
        return text_table(rows) + "".join(f"{line}\n" for line in self.remarks())

    def markdown(self) -> str:
        rows = [self._head()]
        for result in self.results:
            spreads = [cell(name, mean.spread) for name, mean in self._means(result)]
            rows += [*self._clip_rows(result), self._mean_row(result, "**mean**")]
            rows.append([result.name, "spread", "", *spreads, ""])
        return markdown(rows) + "\n" + "".join(f"- {line}\n" for line in self.remarks())

    def csv(self) -> str:
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["result", "clip", "frames", *self._names, "outside_max"])
        for result in self.results:
            for clip, score in result.clips.items():
                values = ["" if (v := score.values.get(name)) is None else repr(v) for name in self._names]
                writer.writerow([result.name, clip, score.scored, *values, score.outside_max])
        return out.getvalue()

    def remarks(self) -> list[str]:

        said = []
        for result in self.results:
            for measure, n in result.infinite().items():
                said.append(f"{result.name}: {n} infinite values of {measure} (equal frames) are not in its mean.")
            said += [f"{result.name}: {note}" for note in result.notes]
            if changed := [name for name, score in result.clips.items() if score.outside_max]:
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
        write_file(path, kinds[path.suffix.lower()]())

    def complete(self) -> None:
        if missing := [f"{result.name}: {', '.join(result.missing)}" for result in self.results if result.missing]:
            fix = "Fill them, or name the clips you want with --clips."
            raise BatchError(f"Results are missing: {'; '.join(missing)}.", fix)

    def _json(self) -> str:
        return json.dumps([result.to_dict() for result in self.results], indent=2, ensure_ascii=False) + "\n"

    @cached_property
    def _names(self) -> list[str]:
        return list(dict.fromkeys(name for result in self.results for name in result.means()))

    def _head(self) -> list[str]:
        return ["result", "clip", "frames", *map(heading, self._names), "outside"]

    def _clip_rows(self, result: ScoreResult) -> Iterator[list[str]]:
        for clip, score in result.clips.items():
            values = [cell(name, score.values.get(name)) for name in self._names]
            yield [result.name, clip, str(score.scored), *values, str(score.outside_max)]

    def _means(self, result: ScoreResult) -> list[tuple[str, Mean]]:
        means = result.means()
        return [(name, means.get(name, Mean(None))) for name in self._names]

    def _mean_row(self, result: ScoreResult, title: str) -> list[str]:
        frames = sum(score.scored for score in result.clips.values())
        outside = max((score.outside_max for score in result.clips.values()), default=0)
        values = [cell(name, mean.value) for name, mean in self._means(result)]
        return [result.name, title, str(frames), *values, str(outside)]


def check_table(path: Path, overwrite: bool) -> None:
    """Refuse a table's name before the work starts. Raises OutputError or UsageError."""
    if path.suffix.lower() not in (".md", ".csv", ".json"):
        raise UsageError(f"--table {path} is neither .md, .csv nor .json.", "Choose one of these endings.")
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists.", "Choose another name or give --overwrite.")


def heading(name: str) -> str:
    return name.replace("_", " ") + (" %" if name in PERCENT else "")


def cell(name: str, value: float | None) -> str:
    if value is None or math.isnan(value):
        return "-"
    if name in PERCENT:
        return f"{100 * value:.4f}"
    digits = next((n for key, n in DIGITS.items() if name.startswith(key)), 2)
    return f"{value:.{digits}f}"


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first row is the heading."""
    head, *body = rows
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in body]) + "\n"


def write_file(path: Path, content: Content) -> None:
    """Write a file, and make the folders above it. Raises OutputError."""
    with writing(f"{path} cannot be written"):
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, content)
