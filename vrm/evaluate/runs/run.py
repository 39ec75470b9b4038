"""Engines and baselines over cases: filled in a process for each clip, timed and scored; a run can be resumed."""

from __future__ import annotations

import math
import shutil
import time
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from vrm.errors import BatchError, UsageError, WeightsError
from vrm.evaluate.cases.clips import Clip, choose
from vrm.evaluate.runs.machine import machine
from vrm.evaluate.runs.methods import FillTask, Method
from vrm.evaluate.runs.process import fill_in_process
from vrm.evaluate.runs.records import ClipRecord, Records
from vrm.evaluate.scoring.feature_sets import Features, load_features, save_features, set_distances
from vrm.evaluate.scoring.score import MetricSetup, ScoreOptions, case_masks, find_cases, score_results
from vrm.events import Events
from vrm.metrics.clip import ClipScore


@dataclass(frozen=True)
class RunOptions:
    """What is run.

    Attributes:
        overwrite: start again instead of resuming an earlier run.
        only: patterns of methods, each with patterns of the clips that such methods are run on: CLIP, or CASES/CLIP for
            one of several folders of cases.
    """

    methods: tuple[Method, ...]
    score: ScoreOptions = field(default_factory=ScoreOptions)
    overwrite: bool = False
    only: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def __post_init__(self) -> None:
        names = [method.name for method in self.methods]
        for pattern, clips in self.only:
            if not any(fnmatchcase(name, pattern) for name in names):
                raise UsageError(f"--only {pattern}: no method is called so.", f"There are: {', '.join(names)}.")
            if not clips:
                raise UsageError(f"--only {pattern} names no clips.", "Write --only 'METHOD=CLIP,CLIP'.")

    def methods_on(self, cases: str, clip: str) -> list[Method]:
        return [
            method
            for method in self.methods
            if all(
                any(fnmatchcase(f"{cases}/{clip}" if "/" in one else clip, one) for one in clips)
                for pattern, clips in self.only
                if fnmatchcase(method.name, pattern)
            )
        ]


@dataclass(frozen=True)
class RunRow:
    """One method on one clip, by the names of the folder of cases, the method and the clip.

    Attributes:
        frames, seconds, peak_mb: frames filled, how long that took, and the peak memory of the process.
        score: None where filling failed.
        error: why it failed, in words.
        needs: which weights are missing, in words; then it was not run.
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
    needs: str = ""
    settings: dict[str, Any] = field(default_factory=dict)

    def value(self, measure: str) -> float | None:
        return None if self.score is None else self.score.values.get(measure)

    def to_dict(self) -> dict[str, Any]:
        """Plain values; infinite ones are the text "inf"."""
        names = ("cases", "method", "clip", "frames", "seconds", "peak_mb", "settings")
        facts: dict[str, Any] = {name: getattr(self, name) for name in names}
        if score := self.score:
            facts |= {name: "inf" if value == math.inf else value for name, value in score.values.items()}
            facts |= {"scored": score.scored, "infinite": score.infinite, "outside_max": score.outside_max}
        return facts | {name: text for name, text in (("error", self.error), ("needs", self.needs)) if text}


@dataclass
class EvaluationRun:
    """A whole run.

    Attributes:
        rows: every method on every clip, in order.
        cases: path of each folder of cases, by name.
        flow: name of the estimator for E_warp.
        command: how it was started.
        text: tables of means, for the terminal.
        networks: by cases and method, measures of all clips together, from networks; a text says why there is none.
        needs: by measure, what is missing for it.
    """

    rows: list[RunRow]
    machine: dict[str, str]
    cases: dict[str, Path]
    flow: str
    out: Path
    command: str = ""
    text: str = ""
    networks: dict[tuple[str, str], dict[str, float | str]] = field(default_factory=dict)
    needs: dict[str, str] = field(default_factory=dict)

    def rows_of(self, cases: str) -> list[RunRow]:
        return [row for row in self.rows if row.cases == cases]

    def to_dict(self) -> dict[str, Any]:
        facts = {"machine": self.machine, "command": self.command, "flow": self.flow, "needs": self.needs}
        sets = [{"cases": cases, "method": method, **found} for (cases, method), found in self.networks.items()]
        return facts | {"rows": [row.to_dict() for row in self.rows], "sets": sets}

    def complete(self) -> None:
        failed = [f"{row.method} on {row.cases}/{row.clip}: {row.error}" for row in self.rows if row.error]
        if failed:
            raise BatchError(f"{len(failed)} of {len(self.rows)} failed: {'; '.join(failed)}")
        engines = [row for row in self.rows if "baseline" not in row.settings]
        if engines and all(row.needs for row in engines):
            raise WeightsError(engines[0].needs)


def run_methods(cases: list[Path], out: Path, options: RunOptions, events: Events, setup: MetricSetup) -> EvaluationRun:
    """Fill, time and score every case by every method; what an earlier run with the same settings did is kept.

    Results go to ``OUT/results/CASES/METHOD/CLIP``, records beside them.

    Raises:
        VrmError: cases cannot be read (before anything is filled), or OUT holds something else.
    """
    paths = {path.resolve().name: path for path in cases}
    if len(paths) < len(cases):
        raise UsageError("Two folders of cases have the same name.", "Rename one: its name is in the table.")
    found = {name: find_cases(path, options.score.clips) for name, path in paths.items()}
    _check_only(options, found)
    for clip in (clip for clips in found.values() for clip in clips):
        case_masks(clip, options.score)
    records = Records(out, options.score, setup)
    records.prepare(options.overwrite)
    run = EvaluationRun([], machine(), paths, setup.flow, out, needs=setup.needs)
    tasks = {
        (name, clip.name): [ClipRecord(records, name, method, clip) for method in options.methods_on(name, clip.name)]
        for name, clips in found.items()
        for clip in clips
    }
    events.stage("run", sum(map(len, tasks.values())))
    missing: dict[tuple[str, str], str] = {}
    features: dict[tuple[str, str], list[Features]] = {}
    for (name, _), own in tasks.items():
        for task in own:
            _fill(task, events, missing)
            events.advance("run")
        _score(paths[name], own)
        for task in own:
            run.rows.append(_row(task))
            if stored := load_features(task.features):
                features.setdefault((name, task.method.name), []).append(stored)
    run.networks = {key: set_distances(clips) for key, clips in features.items()} if setup.networks else {}
    return run


def _check_only(options: RunOptions, found: dict[str, list[Clip]]) -> None:
    """Refuse patterns of ``--only`` that match no clip. Raises UsageError."""
    names = sorted({clip.name for clips in found.values() for clip in clips})
    placed = [f"{cases}/{clip.name}" for cases, clips in found.items() for clip in clips]
    for pattern, wanted in options.only:
        for there, slash in ((names, False), (placed, True)):
            choose(there, tuple(one for one in wanted if ("/" in one) == slash), f"the cases, for --only {pattern},")


def _fill(task: ClipRecord, events: Events, missing: dict[tuple[str, str], str]) -> None:
    """Fill a clip in a new process, so that memory and failures are its own, unless that was done before.

    ``missing``: by cases and method, the weights that are not here; such methods are not tried again.
    """
    if task.read():
        return
    method, clip, key = task.method, task.clip, (task.cases, task.method.name)
    begin = time.perf_counter()
    done: dict[str, Any] = {"needs": missing[key]} if key in missing else _filled(task)
    if "error" in done and done.pop("everywhere", False):
        done = {"needs": done["error"]}
        events.note(f"{method.name} needs weights: {done['needs']}")
    elif "error" in done:
        events.note(f"{method.name} failed on {task.cases}/{clip.name}: {done['error']}")
    # A clip may lack what another has: its truth's keyframes.
    if "needs" in done and not (method.given_every and clip.truth is not None):
        missing[key] = done["needs"]
    task.write({"settings": method.settings, **done, "wall_seconds": time.perf_counter() - begin})


def _filled(task: ClipRecord) -> dict[str, Any]:
    score = task.records.score
    shutil.rmtree(task.results / task.clip.name, ignore_errors=True)
    task.features.unlink(missing_ok=True)
    task.results.mkdir(parents=True, exist_ok=True)
    return fill_in_process(FillTask(task.method, task.clip, task.results / task.clip.name, score.frames, score.invert))


def _score(cases: Path, tasks: list[ClipRecord]) -> None:
    """Score what has no score with the same truth, masks, results and measures yet; in one pass over the clip, for
    methods of which the same frames count."""
    waiting = [(task, task.score_key(cases)) for task in tasks if task.filled]
    waiting = [(task, key) for task, key in waiting if task.record.get("how") != key]
    for every in dict.fromkeys(task.method.given_every for task, _ in waiting):
        same = [(task, key) for task, key in waiting if task.method.given_every == every]
        records, clip = same[0][0].records, same[0][0].clip.name
        options = replace(records.score, clips=(clip,), skip_every=every)
        results = score_results(cases, [task.results for task, _ in same], options, Events(), records.setup)
        for (task, key), result in zip(same, results, strict=True):
            if clip in result.features:
                save_features(task.features, result.features[clip])
            task.write({"how": key, "score": vars(result.clips[clip])})


def _row(task: ClipRecord) -> RunRow:
    record, row = task.record, RunRow(task.cases, task.method.name, task.clip.name, settings=task.record["settings"])
    if not task.filled:
        return replace(row, error=record.get("error", ""), needs=record.get("needs", ""))
    return replace(
        row,
        frames=record["frames"],
        seconds=record["seconds"],
        peak_mb=record["peak_mb"],
        score=ClipScore(**record["score"]),
        settings=row.settings | {k: record["report"][k] for k in ("device", "dtype") if k in record["report"]},
    )
