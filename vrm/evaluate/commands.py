"""The commands as calls: from words to options, one call each, and what they report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vrm.errors import WeightsError
from vrm.evaluate.cases.make import make_cases
from vrm.evaluate.cases.protocols import PROTOCOLS
from vrm.evaluate.page.page import write_page
from vrm.evaluate.page.summary import run_csv, run_json, run_markdown, run_text
from vrm.evaluate.runs.methods import choose_methods
from vrm.evaluate.runs.run import EvaluationRun, RunOptions, run_methods
from vrm.evaluate.scoring.labels import FlickerTable, label_flicker
from vrm.evaluate.scoring.masks import MaskTable, compare_masks
from vrm.evaluate.scoring.score import MetricSetup, ScoreOptions, score_results
from vrm.evaluate.scoring.tables import ScoreTable, check_table, write_file
from vrm.events import Events, counted
from vrm.motion.flow.estimators import DisFlow, RaftFlow
from vrm.options.build import build
from vrm.options.evaluate import CasesCommand, LabelsCommand, MasksCommand, RunCommand, ScoreCommand
from vrm.options.remove import EngineOptions
from vrm.report.tables import text_table
from vrm.system.extras import needed_by
from vrm.system.forecast import Forecast, Piece
from vrm.types import FlowEstimator


def cases(folder: Path, out: Path, events: Events, **words: Any) -> list[str]:
    asked = build(CasesCommand, words)
    made = make_cases(folder, out, asked, events)
    events.note(f"In {out}: {counted(len(made), 'case')} of the protocol {asked.protocol}.")
    return made


def score(folder: Path, results: Sequence[Path], events: Events, **words: Any) -> ScoreTable:
    asked = build(ScoreCommand, words)
    measures = asked.measures or ("standard",)
    options = ScoreOptions(asked.clips, measures, asked.skip_every, asked.frames, asked.invert_mask, asked.masks)
    if asked.table is not None:
        check_table(asked.table, asked.overwrite)
    found = score_results(folder, list(results), options, events, metric_setup(asked, options))
    done = ScoreTable(tuple(found))
    if asked.table is not None:
        done.save(asked.table, asked.overwrite)
    return done


def masks(truth: Path, results: Sequence[Path], events: Events, **words: Any) -> MaskTable:
    asked = build(MasksCommand, words)
    return compare_masks(
        truth, list(results), events, clips=asked.clips, skip=frozenset(asked.skip), invert=asked.invert_mask
    )


def labels(video: Path, folders: Sequence[Path], events: Events, **words: Any) -> FlickerTable:
    asked = build(LabelsCommand, words)
    return label_flicker(video, list(folders), events, *flow_estimator(asked.flow, asked.engine.device))


def run(folders: Sequence[Path], out: Path, events: Events, command: str = "", **words: Any) -> EvaluationRun:
    """Run engines over cases and write ``OUT/{table.md,table.csv,results.json,index.html}``.

    ``words`` of ``RunCommand``; ``command`` is what the user typed, for the page.
    """
    asked = build(RunCommand, words)
    common = {name: getattr(asked.engine, name) for name in ("device", "dtype", "threads", "seed", "memory_gb")}
    methods = choose_methods(asked.engines, asked.presets, common, asked.keyframes_every)
    score_options = ScoreOptions(asked.clips, asked.measures or ("standard",), 0, asked.frames, asked.invert_mask)
    options = RunOptions(tuple(methods), score_options, asked.overwrite, asked.only)
    told = Forecast(events, [Piece({"run": 60.0}), *([Piece({"page": 1.0})] if asked.page else [])])
    done = run_methods(list(folders), out, options, told, metric_setup(asked, score_options))
    done.command = command or f"vrm evaluate run {' '.join(path.name for path in folders)}"
    done.text = run_text(done)
    write_file(out / "table.md", run_markdown(done))
    write_file(out / "table.csv", run_csv(done))
    write_file(out / "results.json", run_json(done))
    places = {"tables": out / "table.md"}
    if asked.page:
        write_page(done, options.score, told)
        places["page"] = out / "index.html"
    told.over()
    done.text += "".join(f"{what}: {place}\n" for what, place in places.items())
    return done


def protocol_list() -> str:
    return text_table([(p.name, f"{p.what} ({p.source})") for p in PROTOCOLS.values()], header=False).removesuffix("\n")


def metric_setup(asked: ScoreCommand | RunCommand, options: ScoreOptions) -> MetricSetup:
    """What is measured with; weights are loaded.

    Raises WeightsError, also where a measure that is asked for by its name has no weights, or UsageError.
    """
    from vrm.evaluate.scoring.networks import open_networks

    device = asked.engine.device
    with needed_by("A measure that runs a network", "metrics"):
        networks = open_networks(asked.lpips, asked.fid, asked.i3d, device, options.measures)
    if lacking := [f"{name} {networks.needs[name]}" for name in options.measures if name in networks.needs]:
        raise WeightsError(
            f"A measure that is asked for has no weights: {'; '.join(lacking)}.", "Import them, or leave it out."
        )
    return MetricSetup(*flow_estimator(asked.flow, device), networks.metrics, networks.names, networks.needs)


def flow_estimator(weights: str | Path | None, device: str = "auto") -> tuple[FlowEstimator, str]:
    """RAFT with the weights given (a file, or the name of a card), or else DIS; and its name. Raises WeightsError."""
    if weights is None:
        return DisFlow(), "DIS"
    from vrm.evaluate.scoring.networks import read_weights

    with needed_by("--flow"):
        from vrm.system.device import choose
        from vrm.weights.convert.metric_networks import raft

        tensors = raft(read_weights(str(weights), "raft", "--flow")).tensors
        compute = choose(EngineOptions(device=device, dtype="fp32"))
        return RaftFlow(tensors, device=str(compute.device)), f"RAFT ({Path(weights).name})"
