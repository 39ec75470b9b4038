"""Engines and baselines over cases: filled, timed and scored, each clip in a process of its own; resumable."""

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
from vrm.evaluate.runs.records import Records
from vrm.evaluate.scoring.feature_sets import Features, load_features, save_features, set_distances
from vrm.evaluate.scoring.score import MetricSetup, ScoreOptions, case_masks, find_cases, score_results
from vrm.events import Events
from vrm.metrics.clip import ClipScore


@dataclass(frozen=True)
class RunOptions:
    """What is run.

    Attributes:
        methods: see ``choose_methods``.
        score: what is measured, on which clips and frames.
        overwrite: start anew instead of going on where an earlier run ended.
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
        """The methods that are run on a clip of a folder of cases."""
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
class Row:
    """One method on one clip.

    Attributes:
        cases, method, clip: names.
        frames, seconds, peak_mb: filled frames, seconds of work, peak memory of the process that filled them.
        score: or None where it failed.
        error: what went wrong, in words.
        needs: the weights that are missing, in words; then it was not run.
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
        networks: by cases and method: measures of all clips together, from networks; a text says what is missing.
        needs: by measure: what it would need.
    """

    rows: list[Row]
    machine: dict[str, str]
    cases: dict[str, Path]
    flow: str
    out: Path
    command: str = ""
    text: str = ""
    networks: dict[tuple[str, str], dict[str, float | str]] = field(default_factory=dict)
    needs: dict[str, str] = field(default_factory=dict)

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
            faults = {name: text for name, text in (("error", row.error), ("needs", row.needs)) if text}
            rows.append(facts | faults)
        sets = [{"cases": cases, "method": method, **found} for (cases, method), found in self.networks.items()]
        facts = {"machine": self.machine, "command": self.command, "flow": self.flow, "needs": self.needs}
        return facts | {"rows": rows, "sets": sets}

    def complete(self) -> None:
        """Raise BatchError if some failed, all of them named; WeightsError if no engine asked for had its weights."""
        failed = [f"{row.method} on {row.cases}/{row.clip}: {row.error}" for row in self.rows if row.error]
        if failed:
            raise BatchError(f"{len(failed)} of {len(self.rows)} failed: {'; '.join(failed)}")
        engines = [row for row in self.rows if "baseline" not in row.settings]
        if engines and all(row.needs for row in engines):
            raise WeightsError(engines[0].needs)


def run_methods(cases: list[Path], out: Path, options: RunOptions, events: Events, setup: MetricSetup) -> Run:
    """Fill, time and score every case by every method; what an earlier run of the same settings did is kept.

    Args:
        cases: folders of cases.
        out: results go to ``OUT/results/CASES/METHOD/CLIP``, records beside them.
        options: see ``RunOptions``.
        events: hears of progress and failures.
        setup: what is measured with.

    Raises:
        VrmError: cases that cannot be read (before anything is filled); OUT holds something else.
    """
    found = {path.resolve().name: find_cases(path, options.score.clips) for path in cases}
    if len(found) < len(cases):
        raise UsageError("Two folders of cases have the same name.", "Rename one: its name is in the table.")
    names = sorted({clip.name for clips in found.values() for clip in clips})
    placed = [f"{folder}/{clip.name}" for folder, clips in found.items() for clip in clips]
    for pattern, wanted in options.only:
        for there, slash in ((names, False), (placed, True)):
            choose(there, tuple(one for one in wanted if ("/" in one) == slash), f"the cases, for --only {pattern},")
    for clips in found.values():
        for clip in clips:
            case_masks(clip, options.score)
    records = Records(out, options.score, setup)
    records.prepare(options.overwrite)
    paths = {path.resolve().name: path for path in cases}
    run = Run([], machine(), paths, setup.flow, out, needs=setup.needs)
    events.stage(
        "run", sum(len(options.methods_on(name, clip.name)) for name, clips in found.items() for clip in clips)
    )
    lacking: dict[tuple[str, str], str] = {}
    features: dict[tuple[str, str], list[Features]] = {}
    for name, clips in found.items():
        for clip in clips:
            methods = options.methods_on(name, clip.name)
            held = _filled_by_all(name, clip, methods, records, events, lacking)
            _score(name, paths[name], clip, methods, held, records, setup)
            for method in methods:
                run.rows.append(_row(name, method, clip, held[method.name]))
                if kept := load_features(records.features(name, method, clip)):
                    features.setdefault((name, method.name), []).append(kept)
    run.networks = {key: set_distances(clips) for key, clips in features.items()} if setup.networks else {}
    return run


def _filled_by_all(
    name: str, clip: Clip, methods: list[Method], records: Records, events: Events, lacking: dict[tuple[str, str], str]
) -> dict[str, dict[str, Any]]:
    """The record of each method on one clip, filled now where that was not done yet.

    A method in ``lacking`` has no weights, and is not tried again.
    """
    held: dict[str, dict[str, Any]] = {}
    for method in methods:
        key = records.key(clip, method)
        record = records.known(name, method, clip, key)
        if record is None:
            if (name, method.name) in lacking:
                done: dict[str, Any] = {"needs": lacking[name, method.name]}
            else:
                done = _filled(name, clip, method, records, events)
            # A clip may lack what another has: its truth's keyframes.
            if "needs" in done and not (method.given_every and clip.truth is not None):
                lacking[name, method.name] = done["needs"]
            record = {"key": key, "settings": method.settings, **done}
            records.write(name, method, clip, record)
        held[method.name] = record
        events.advance("run")
    return held


def _filled(name: str, clip: Clip, method: Method, records: Records, events: Events) -> dict[str, Any]:
    """Fill in a fresh process, so that memory and failures are its own."""
    target = records.results(name, method) / clip.name
    shutil.rmtree(target, ignore_errors=True)
    records.features(name, method, clip).unlink(missing_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    begin = time.perf_counter()
    done = fill_in_process(FillTask(method, clip, target, records.score.frames, records.score.invert))
    if "error" in done and done.pop("everywhere", False):
        done = {"needs": done["error"]}
        events.note(f"{method.name} needs weights: {done['needs']}")
    elif "error" in done:
        events.note(f"{method.name} failed on {name}/{clip.name}: {done['error']}")
    return done | {"wall_seconds": time.perf_counter() - begin}


def _score(
    name: str,
    cases: Path,
    clip: Clip,
    methods: list[Method],
    held: dict[str, dict[str, Any]],
    records: Records,
    setup: MetricSetup,
) -> None:
    """Score what has no score of the same truth, masks, results and measures yet; methods that judge the same frames
    in one pass."""
    waiting = []
    for method in methods:
        record = held[method.name]
        if "error" not in record and "needs" not in record:
            how = records.how(name, cases, method, clip)
            if record.get("how") != how:
                waiting.append((method, how))
    for every in dict.fromkeys(method.given_every for method, _ in waiting):
        alike = [(method, how) for method, how in waiting if method.given_every == every]
        only = replace(records.score, clips=(clip.name,), skip_every=every)
        folders = [records.results(name, method) for method, _ in alike]
        results = score_results(cases, folders, only, Events(), setup)
        for (method, how), result in zip(alike, results, strict=True):
            if clip.name in result.features:
                save_features(records.features(name, method, clip), result.features[clip.name])
            held[method.name] |= {"how": how, "score": vars(result.clips[clip.name])}
            records.write(name, method, clip, held[method.name])


def _row(name: str, method: Method, clip: Clip, record: dict[str, Any]) -> Row:
    settings = record["settings"]
    if "error" in record or "needs" in record:
        faults = {"error": record.get("error", ""), "needs": record.get("needs", "")}
        return Row(name, method.name, clip.name, **faults, settings=settings)
    return Row(
        name,
        method.name,
        clip.name,
        record["frames"],
        record["seconds"],
        record["peak_mb"],
        ClipScore(**record["score"]),
        settings=settings | {k: record["report"][k] for k in ("device", "dtype") if k in record["report"]},
    )
