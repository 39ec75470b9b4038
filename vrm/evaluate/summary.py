"""A run as text: Markdown, CSV, JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import Any

from vrm.evaluate.cases import RECORD
from vrm.evaluate.published import PublishedTable, tables_for
from vrm.evaluate.run import Row, Run
from vrm.evaluate.tables import aligned, cell, heading, markdown
from vrm.metrics.means import Mean, mean


def run_markdown(run: Run) -> str:
    """Means with their spread over clips, then every clip, then what others published, apart."""
    parts = ["# Results\n", "\n".join(f"- {name}: {value}" for name, value in run.machine.items()), ""]
    parts += [
        f"- command: `{run.command}`",
        f"- E_warp in percent; flow by {run.flow}; ± is the spread over clips.",
        "",
    ]
    for name in run.cases:
        rows = [row for row in run.rows if row.cases == name]
        parts += [
            f"## {name}: {_what(run, name)}\n",
            markdown(means_rows(rows)),
            "### By clip\n",
            markdown(clip_rows(rows)),
        ]
        parts += [f"- {line}" for line in remarks(rows)]
        parts.append("")
    parts.append("## Published, under other conditions: not comparable with the tables above line by line\n")
    for table in tables_for(run_protocols(run)):
        parts.append(published_markdown(table))
    return "\n".join(parts)


def means_rows(rows: list[Row]) -> list[list[str]]:
    """A heading and a row for each method: means over clips and their spread."""
    names = measured(rows)
    table = [["method", "clips", *map(heading, names), "s/frame", "peak MB"]]
    for method in dict.fromkeys(row.method for row in rows):
        own = [row for row in rows if row.method == method and row.score is not None]
        cells = [_with_spread(name, mean(_value(row, name) for row in own)) for name in names]
        table.append([method, str(len(own)), *cells, *_costs(own)])
    return table


def clip_rows(rows: list[Row]) -> list[list[str]]:
    """A heading and a row for each clip and method."""
    names = measured(rows)
    table = [["clip", "method", *map(heading, names), "s/frame", "peak MB"]]
    for row in sorted(rows, key=lambda row: row.clip):
        if row.score is None:
            table.append([row.clip, row.method, *("failed" for _ in names), "-", "-"])
        else:
            table.append([row.clip, row.method, *(cell(name, _value(row, name)) for name in names), *_costs([row])])
    return table


def remarks(rows: list[Row]) -> list[str]:
    """What a reader of the numbers has to know."""
    said = [f"{row.method} failed on {row.clip}: {row.error}" for row in rows if row.error]
    for method in dict.fromkeys(row.method for row in rows):
        own = [row.score for row in rows if row.method == method and row.score is not None]
        n = sum(sum(score.infinite.values()) for score in own)
        n += sum(v == math.inf for score in own for v in score.values.values())
        if n:
            said.append(f"{method}: {n} infinite values (equal frames) are in no mean.")
    return said


def measured(rows: list[Row]) -> list[str]:
    """The measures that the rows have, in order."""
    return list(dict.fromkeys(name for row in rows if row.score is not None for name in row.score.values))


def published_markdown(table: PublishedTable) -> str:
    """A paper's table and its conditions."""
    conditions = "".join(f"- {text}\n" for text in table.conditions)
    return f"### {table.title}\n\n{conditions}\n{markdown([table.head, *table.rows])}"


def run_csv(run: Run) -> str:
    """One row per case, method and clip, unrounded."""
    names = measured(run.rows)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["cases", "method", "clip", "frames", "seconds", "peak_mb", *names, "outside_max", "error"])
    for row in run.rows:
        values = ["" if (v := _value(row, name)) is None else repr(v) for name in names]
        outside = "" if row.score is None else row.score.outside_max
        facts = [row.cases, row.method, row.clip, row.frames, f"{row.seconds:.3f}", f"{row.peak_mb:.0f}"]
        writer.writerow([*facts, *values, outside, row.error])
    return out.getvalue()


def run_json(run: Run) -> str:
    """Everything; infinite values are the text "inf"."""
    return json.dumps(run.to_dict(), indent=1, ensure_ascii=False) + "\n"


def run_text(run: Run) -> str:
    """The means, for the terminal."""
    return "".join(
        f"{name}\n{aligned(means_rows([row for row in run.rows if row.cases == name]))}" for name in run.cases
    )


def run_protocols(run: Run) -> set[str]:
    """The protocols that the cases say they were made by."""
    return {str(record["protocol"]) for name in run.cases if (record := _protocol(run, name))}


def _what(run: Run, name: str) -> str:
    record = _protocol(run, name)
    return f"{record['what']} {record['size'] or ''}".strip() if record else "cases"


def _protocol(run: Run, name: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((run.cases[name] / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def _value(row: Row, name: str) -> float | None:
    return None if row.score is None else row.score.values.get(name)


def _with_spread(name: str, found: Mean) -> str:
    return cell(name, found.value) + (f" ± {cell(name, found.spread)}" if found.spread is not None else "")


def _costs(rows: list[Row]) -> list[str]:
    frames = sum(row.frames for row in rows)
    if not frames:
        return ["-", "-"]
    return [f"{sum(row.seconds for row in rows) / frames:.3f}", f"{max(row.peak_mb for row in rows):.0f}"]
