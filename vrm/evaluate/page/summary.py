"""A run as text: Markdown, CSV, JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence

from vrm.evaluate.cases.make import read_record
from vrm.evaluate.page.published import TABLES, PublishedTable, tables_for
from vrm.evaluate.runs.run import EvaluationRun, RunRow
from vrm.evaluate.scoring.tables import cell, heading, markdown
from vrm.events import counted
from vrm.metrics.means import Mean, mean
from vrm.report.tables import text_table


def run_markdown(run: EvaluationRun) -> str:
    """Means with their spread over clips, then every clip; apart from them, published tables."""
    parts = ["## Engines and presets beside baselines\n", "```sh", run.command, "```\n"]
    parts += ["\n".join(f"- {line}" for line in conditions(run)), ""]
    for name in run.cases:
        rows, record = run.rows_of(name), read_record(run.cases[name])
        what = f"{record['what']} {record['size'] or ''}".strip() if record else "cases"
        parts.append(f"### {name}: {what}\n")
        parts += [f"{title}\n\n{markdown(table)}" for title, table in means_tables(rows)]
        parts += [f"- {line}" for line in [*remarks(rows), *set_lines(run, name)]]
        parts += ["", f"Every clip of {name}:\n", markdown(clip_rows(rows))]
    parts.append("### Published, under other conditions: not comparable with the tables above line by line\n")
    closest, others = published_tables(run)
    parts += map(_published_markdown, closest)
    if others:
        parts.append("### Published, on other protocols than those above\n")
        parts += map(_published_markdown, others)
    return "\n".join(parts)


def conditions(run: EvaluationRun) -> list[str]:
    said = [f"{name}: {value}" for name, value in run.machine.items()]
    seconds = sum(row.seconds for row in run.rows)
    for name in ("seed", "threads"):
        if used := sorted({str(row.settings[name]) for row in run.rows if name in row.settings}):
            said.append(f"{name}: {', '.join(used)}")
    said.append(f"the work of all rows took {seconds / 60:.0f} minutes; one run, one seed")
    said.append(
        f"E_warp in percent, flow by {run.flow}; ± is the standard deviation over clips; s/frame is of the work "
        "alone, peak MB the largest resident size of a clip's own process"
    )
    return said + [f"{name}: {what}" for name, what in run.needs.items()]


def means_tables(rows: list[RunRow]) -> list[tuple[str, list[list[str]]]]:
    """Titles and tables of means."""
    return [(title, _means_rows(own, clips)) for title, own, clips in clip_sets(rows)]


def clip_sets(rows: list[RunRow]) -> list[tuple[str, list[RunRow], list[str]]]:
    """A title, rows and clips: of all clips, then of all methods on each set of fewer clips that a method has."""
    clips = {method: _clips(rows, method) for method in methods(rows)}
    every = list(dict.fromkeys(row.clip for row in rows))
    sets = [(f"Means over the {counted(len(every), 'clip')}.", rows, every)]
    for fewer in dict.fromkeys(tuple(own) for own in clips.values() if 0 < len(own) < len(every)):
        on = [row for row in rows if row.clip in fewer]
        sets.append((f"All methods on {', '.join(fewer)} alone.", on, list(fewer)))
    return sets


def _means_rows(rows: list[RunRow], clips: list[str]) -> list[list[str]]:
    """A heading and a row for each method that was run on all the clips or needs weights: means with their spread."""
    names = measures(rows)
    table = [["method", "clips", *map(heading, names), "s/frame", "peak MB"]]
    for method in methods(rows):
        mine = [row for row in rows if row.method == method]
        own = [row for row in mine if row.score is not None]
        if not own and any(row.needs for row in mine):
            table.append([method, "needs weights", *("-" for _ in names), "-", "-"])
            continue
        if 0 < len(mine) < len(clips):
            continue
        cells = [_with_spread(name, mean(row.value(name) for row in own)) for name in names]
        table.append([method, str(len(own)), *cells, *costs(own)])
    return table


def clip_rows(rows: list[RunRow]) -> list[list[str]]:
    """A heading, and a row for each clip and method that has its weights."""
    names = measures(rows)
    table = [["clip", "method", *map(heading, names), "s/frame", "peak MB"]]
    for row in sorted(rows, key=lambda row: row.clip):
        if row.error:
            table.append([row.clip, row.method, *("failed" for _ in names), "-", "-"])
        elif row.score is not None:
            table.append([row.clip, row.method, *(cell(name, row.value(name)) for name in names), *costs([row])])
    return table


def remarks(rows: list[RunRow]) -> list[str]:
    said = [f"{row.method} failed on {row.clip}: {row.error}" for row in rows if row.error]
    every = list(dict.fromkeys(row.clip for row in rows))
    for method in methods(rows):
        mine = [row for row in rows if row.method == method]
        clips = _clips(rows, method)
        if needs := [row for row in mine if row.needs]:
            where = "" if len(needs) == len(mine) else f" on {', '.join(row.clip for row in needs)}"
            said.append(f"{method} needs weights{where}: {needs[0].needs}")
        if 0 < len(clips) < len(every) and len(mine) < len(every):
            said.append(f"{method} was run on {len(clips)} of {counted(len(every), 'clip')}: {', '.join(clips)}.")
        if every_n := next((row.settings["given_every"] for row in mine if "given_every" in row.settings), 0):
            said.append(
                f"{method} was given the truth of frames 0, {every_n}, {2 * every_n}, ... as keyframes; its PSNR, SSIM "
                "and sharpness are of the other frames only, those of other methods of all frames."
            )
        own = [row.score for row in mine if row.score is not None]
        n = sum(sum(score.infinite.values()) for score in own)
        n += sum(v == math.inf for score in own for v in score.values.values())
        if n:
            said.append(f"{method}: {n} infinite values (equal frames) are in no mean.")
        if changed := [row.clip for row in mine if row.score is not None and row.score.outside_max]:
            said.append(f"{method} changed pixels outside the hole in {', '.join(changed)}.")
    return said


def set_lines(run: EvaluationRun, name: str) -> list[str]:
    """Measures of all clips together, a line for each method."""
    return [
        f"{method}: " + ", ".join(f"{k} {v if isinstance(v, str) else f'{v:.4f}'}" for k, v in found.items())
        for (cases, method), found in run.networks.items()
        if cases == name
    ]


def measures(rows: Sequence[RunRow]) -> list[str]:
    return list(dict.fromkeys(name for row in rows if row.score is not None for name in row.score.values))


def published_tables(run: EvaluationRun) -> tuple[list[PublishedTable], list[PublishedTable]]:
    records = [read_record(path) for path in run.cases.values()]
    closest = tables_for({str(record["protocol"]) for record in records if record})
    return closest, [table for table in TABLES if table not in closest]


def _published_markdown(table: PublishedTable) -> str:
    said = "".join(f"- {text}\n" for text in table.conditions)
    return f"#### {table.title}\n\n{said}\n{markdown(table.rows)}"


def run_csv(run: EvaluationRun) -> str:
    """One row per case, method and clip, unrounded."""
    names = measures(run.rows)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["cases", "method", "clip", "frames", "seconds", "peak_mb", *names, "outside_max", "error", "needs"]
    )
    for row in run.rows:
        values = ["" if (v := row.value(name)) is None else repr(v) for name in names]
        outside = "" if row.score is None else row.score.outside_max
        facts = [row.cases, row.method, row.clip, row.frames, f"{row.seconds:.3f}", f"{row.peak_mb:.0f}"]
        writer.writerow([*facts, *values, outside, row.error, row.needs])
    return out.getvalue()


def run_json(run: EvaluationRun) -> str:
    return json.dumps(run.to_dict(), indent=1, ensure_ascii=False) + "\n"


def run_text(run: EvaluationRun) -> str:
    text = ""
    for name in run.cases:
        rows = run.rows_of(name)
        for title, table in means_tables(rows):
            text += f"{name}: {title}\n{text_table(table)}"
        text += "".join(f"{line}\n" for line in [*remarks(rows), *set_lines(run, name)])
    return text + "".join(f"{name}: {what}\n" for name, what in run.needs.items())


def methods(rows: Sequence[RunRow]) -> list[str]:
    return list(dict.fromkeys(row.method for row in rows))


def _clips(rows: list[RunRow], method: str) -> list[str]:
    return [row.clip for row in rows if row.method == method and not row.needs]


def _with_spread(name: str, found: Mean) -> str:
    return cell(name, found.value) + (f" ± {cell(name, found.spread)}" if found.spread is not None else "")


def costs(rows: list[RunRow]) -> list[str]:
    frames = sum(row.frames for row in rows)
    if not frames:
        return ["-", "-"]
    return [f"{sum(row.seconds for row in rows) / frames:.3f}", f"{max(row.peak_mb for row in rows):.0f}"]
