"""Engines and baselines over cases: filled, timed and scored, each clip in a process of its own; resumable."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vrm import __version__
from vrm.errors import BatchError, OutputError, UsageError
from vrm.evaluate.clips import Clip
from vrm.evaluate.machine import machine
from vrm.evaluate.methods import Job, Method
from vrm.evaluate.pictures import load_masks
from vrm.evaluate.process import in_process
from vrm.evaluate.score import ScoreOptions, find_cases, score_results
from vrm.evaluate.tables import write_text
from vrm.events import Events
from vrm.metrics.clip import ClipScore
from vrm.metrics.warping import FlowEstimator


@dataclass(frozen=True)
class RunOptions:
    """What is run.

    Attributes:
        methods: see ``choose_methods``.
        score: what is measured, on which clips and frames.
        overwrite: start anew instead of going on where an earlier run ended.
    """

    methods: tuple[Method, ...]
    score: ScoreOptions = field(default_factory=ScoreOptions)
    overwrite: bool = False


@dataclass(frozen=True)
class Row:
    """One method on one clip.

    Attributes:
        cases, method, clip: names.
        frames, seconds, peak_mb: filled frames, seconds of work, peak memory of the process that filled them.
        score: or None where it failed.
        error: what went wrong, in words.
        settings: what shaped the result.
    """

    cases: str
    method: str
    clip: str
    frames: int = 0
    seconds: float = 0.0
    peak_mb: float = 0.0
    score: ClipScore | None = None
    error: str = ""
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass
class Run:
    """A whole run.

    Attributes:
        rows: every method on every clip, in order.
        machine: what it was run on.
        command: how it was started.
        text: the means, for the terminal.
        cases: by name of a cases folder: its path.
        flow: which estimator E_warp is by.
        out: where everything lies.
    """

    rows: list[Row]
    machine: dict[str, str]
    cases: dict[str, Path]
    flow: str
    out: Path
    command: str = ""
    text: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values; infinite ones are the text "inf"."""
        rows = []
        for row in self.rows:
            facts: dict[str, Any] = {"cases": row.cases, "method": row.method, "clip": row.clip}
            facts |= {"frames": row.frames, "seconds": row.seconds, "peak_mb": row.peak_mb, "settings": row.settings}
            if row.score is not None:
                score = row.score
                facts |= {name: "inf" if value == math.inf else value for name, value in score.values.items()}
                facts |= {"scored": score.scored, "infinite": score.infinite, "outside_max": score.outside_max}
            rows.append(facts | ({"error": row.error} if row.error else {}))
        return {"machine": self.machine, "command": self.command, "flow": self.flow, "rows": rows}

    def complete(self) -> None:
        """Raise BatchError if some failed; all of them are named."""
        failed = [f"{row.method} on {row.cases}/{row.clip}: {row.error}" for row in self.rows if row.error]
        if failed:
            raise BatchError(f"{len(failed)} of {len(self.rows)} failed: {'; '.join(failed)}")


def run_methods(
    cases: list[Path], out: Path, options: RunOptions, events: Events, flow: tuple[FlowEstimator, str]
) -> Run:
    """Fill, time and score every case by every method; what an earlier run of the same settings did is kept.

    Args:
        cases: folders of cases.
        out: results go to ``OUT/results/CASES/METHOD/CLIP``, records beside them.
        options: see ``RunOptions``.
        events: hears of progress and failures.
        flow: estimator of optical flow for E_warp, and its name.

    Raises:
        VrmError: cases that cannot be read (before anything is filled); OUT holds something else.
    """
    found = {path.resolve().name: find_cases(path, options.score.clips) for path in cases}
    if len(found) < len(cases):
        raise UsageError("Two folders of cases have the same name.", "Rename one: its name is in the table.")
    for clips in found.values():
        for clip in clips:
            assert clip.masks is not None
            load_masks(clip.masks, clip.frames, clip.name, options.score.invert)
    _prepare(out, options.overwrite)
    paths = {path.resolve().name: path for path in cases}
    run = Run([], machine(), paths, flow[1], out)
    events.stage("run", sum(len(clips) for clips in found.values()) * len(options.methods))
    hopeless: dict[str, dict[str, Any]] = {}
    for name, clips in found.items():
        for clip in clips:
            run.rows += _clip(name, paths[name], clip, out, options, events, flow, hopeless)
    return run


def _prepare(out: Path, overwrite: bool) -> None:
    """Make OUT, or check that it is an earlier run's."""
    mark = out / "run.json"
    if out.exists() and any(out.iterdir()) and not mark.is_file():
        raise OutputError(f"{out} exists and is not the folder of a run.", "Choose another name.")
    if overwrite:
        for name in ("results", "records"):
            shutil.rmtree(out / name, ignore_errors=True)
    write_text(mark, json.dumps({"made_by": f"vrm {__version__}"}) + "\n")


def _clip(
    name: str,
    cases: Path,
    clip: Clip,
    out: Path,
    options: RunOptions,
    events: Events,
    flow: tuple[FlowEstimator, str],
    hopeless: dict[str, dict[str, Any]],
) -> list[Row]:
    """All methods on one clip, then one pass of scoring for those that have no score yet.

    A method in ``hopeless`` failed for a reason that holds for every clip, and is not tried again.
    """
    records: dict[str, dict[str, Any]] = {}
    for method in options.methods:
        path = _record(out, name, method, clip)
        key = _key(clip, method, options)
        record = _known(path, key)
        if record is None:
            done = hopeless.get(method.name) or _filled(name, clip, method, out, options, events)
            if done.get("everywhere"):
                hopeless[method.name] = done
            record = {"key": key, "settings": method.settings, **done}
            write_text(path, json.dumps(record, indent=1) + "\n")
        records[method.name] = record
        events.advance("run")
    measured = {"measures": list(options.score.names(clip.truth is not None)), "flow": flow[1]}
    waiting = [m for m in options.methods if "error" not in records[m.name] and records[m.name].get("how") != measured]
    if waiting:
        folders = [_results(out, name, method) for method in waiting]
        only = ScoreOptions((clip.name,), options.score.measures, 0, options.score.frames, options.score.invert)
        for method, result in zip(waiting, score_results(cases, folders, only, Events(), *flow), strict=True):
            score = result.clips[clip.name]
            records[method.name] |= {"how": measured, "score": vars(score)}
            write_text(_record(out, name, method, clip), json.dumps(records[method.name], indent=1) + "\n")
    return [_row(name, method, clip, records[method.name]) for method in options.methods]


def _filled(name: str, clip: Clip, method: Method, out: Path, options: RunOptions, events: Events) -> dict[str, Any]:
    """Fill in a fresh process, so that memory and failures are its own."""
    target = _results(out, name, method) / clip.name
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    job = Job(method, clip, target, options.score.frames, options.score.invert)
    begin = time.perf_counter()
    done = in_process(job)
    if "error" in done:
        events.note(f"{method.name} failed on {name}/{clip.name}: {done['error']}")
    return done | {"wall_seconds": time.perf_counter() - begin}


def _known(path: Path, key: str) -> dict[str, Any] | None:
    """An earlier record of the same clip and settings; failures are tried again."""
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if record.get("key") == key and "error" not in record else None


def _key(clip: Clip, method: Method, options: RunOptions) -> str:
    """What a result depends on: the clip's files, the method's settings, the version."""
    files = [
        (path.name, path.stat().st_size, path.stat().st_mtime_ns)
        for pictures in (clip.frames, clip.masks)
        if pictures is not None
        for path in (pictures.listed or (pictures.path,))
    ]
    facts = [files, method.settings, options.score.frames, options.score.invert, __version__]
    return hashlib.sha256(json.dumps(facts, default=str).encode()).hexdigest()


def _row(name: str, method: Method, clip: Clip, record: dict[str, Any]) -> Row:
    if "error" in record:
        return Row(name, method.name, clip.name, error=record["error"], settings=record["settings"])
    return Row(
        name,
        method.name,
        clip.name,
        record["frames"],
        record["seconds"],
        record["peak_mb"],
        ClipScore(**record["score"]),
        settings=record["settings"] | {k: record["report"][k] for k in ("device", "dtype") if k in record["report"]},
    )


def _results(out: Path, name: str, method: Method) -> Path:
    return out / "results" / name / method.name


def _record(out: Path, name: str, method: Method, clip: Clip) -> Path:
    return out / "records" / name / method.name / f"{clip.name}.json"
