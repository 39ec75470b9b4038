"""The commands as calls: from words to options, one call each, and what they report."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from vrm.errors import UsageError
from vrm.evaluate.cases.make import CaseOptions, make_cases
from vrm.evaluate.cases.protocols import PROTOCOLS, find_protocol
from vrm.evaluate.page.page import write_page
from vrm.evaluate.page.summary import run_csv, run_json, run_markdown, run_text
from vrm.evaluate.runs.methods import choose_methods
from vrm.evaluate.runs.run import Run, RunOptions, run_methods
from vrm.evaluate.scoring.labels import FlickerTable, label_flicker
from vrm.evaluate.scoring.masks import MaskTable, compare_masks
from vrm.evaluate.scoring.score import Instruments, ScoreOptions, score_results
from vrm.evaluate.scoring.tables import ScoreTable, check_table, write_text
from vrm.events import Events
from vrm.motion.flow.estimators import DisFlow, RaftFlow
from vrm.options.remove import EngineOptions
from vrm.types import FlowEstimator

Names = str | Iterable[str] | None


def cases(
    folder: Path,
    out: Path,
    events: Events,
    *,
    protocol: str = "object",
    clips: Names = None,
    frames: int | None = None,
    size: str | None = None,
    keyframes: int = 4,
    seed: int = 0,
    masks: Path | None = None,
    invert_mask: bool = False,
    overwrite: bool = False,
) -> list[str]:
    """See ``vrm.evaluate.cases.make.make_cases``; ``size`` is "432x240"."""
    options = CaseOptions(
        find_protocol(protocol), split(clips), frames, _size(size), seed, masks, invert_mask, keyframes, overwrite
    )
    made = make_cases(folder, out, options, events)
    events.note(f"{len(made)} cases of the protocol {protocol} are in {out}.")
    return made


def score(
    folder: Path,
    results: Sequence[Path],
    events: Events,
    *,
    clips: Names = None,
    measures: Names = "standard",
    skip_every: int = 0,
    frames: int | None = None,
    invert_mask: bool = False,
    flow: str | Path | None = None,
    lpips: Names = None,
    fid: str | None = None,
    i3d: str | None = None,
    device: str = "auto",
    table: Path | None = None,
    overwrite: bool = False,
) -> ScoreTable:
    """See ``vrm.evaluate.scoring.score.score_results``; the table is written where ``table`` says so."""
    options = ScoreOptions(split(clips), split(measures) or ("standard",), skip_every, frames, invert_mask)
    if table is not None:
        check_table(table, overwrite)
    measured = instruments(flow, lpips, fid, i3d, device, options)
    found = score_results(folder, list(results), options, events, measured)
    done = ScoreTable(tuple(found))
    if table is not None:
        done.save(table, overwrite)
    return done


def masks(
    truth: Path,
    results: Sequence[Path],
    events: Events,
    *,
    clips: Names = None,
    skip: str | None = None,
    invert_mask: bool = False,
) -> MaskTable:
    """See ``vrm.evaluate.scoring.masks.compare_masks``; ``skip`` is "0,-1"."""
    try:
        left_out = frozenset(int(t) for t in split(skip))
    except ValueError as error:
        raise UsageError(f"--skip {skip} is not a list of frame numbers.", "Write --skip 0,-1.") from error
    return compare_masks(truth, list(results), events, clips=split(clips), skip=left_out, invert=invert_mask)


def labels(
    video: Path, folders: Sequence[Path], events: Events, *, flow: str | Path | None = None, device: str = "auto"
) -> FlickerTable:
    """See ``vrm.evaluate.scoring.labels.label_flicker``."""
    return label_flicker(video, list(folders), events, *flow_estimator(flow, device))


def run(
    folders: Sequence[Path],
    out: Path,
    events: Events,
    *,
    engines: Names = "motion",
    presets: Names = "balanced",
    only: str | Iterable[str] | None = None,
    keyframes_every: int = 20,
    clips: Names = None,
    frames: int | None = None,
    measures: Names = "standard",
    invert_mask: bool = False,
    flow: str | Path | None = None,
    lpips: Names = None,
    fid: str | None = None,
    i3d: str | None = None,
    page: bool = True,
    overwrite: bool = False,
    command: str = "",
    **common: Any,
) -> Run:
    """See ``vrm.evaluate.runs.run.run_methods``; writes ``OUT/{table.md,table.csv,results.json,index.html}``.

    ``only``: "METHOD=CLIP,CLIP", or several of them. ``common``: ``device``, ``dtype``, ``threads``, ``seed``,
    ``memory_gb`` of every engine.
    """
    given = {word: value for word, value in common.items() if value is not None}
    methods = choose_methods(split(engines), split(presets), given, keyframes_every)
    score_options = ScoreOptions(split(clips), split(measures) or ("standard",), 0, frames, invert_mask)
    options = RunOptions(tuple(methods), score_options, overwrite, _only(only))
    measured = instruments(flow, lpips, fid, i3d, str(given.get("device", "auto")), score_options)
    done = run_methods(list(folders), out, options, events, measured)
    done.command = command or f"vrm evaluate run {' '.join(path.name for path in folders)}"
    done.text = run_text(done)
    write_text(out / "table.md", run_markdown(done))
    write_text(out / "table.csv", run_csv(done))
    write_text(out / "results.json", run_json(done))
    if page:
        write_page(done, options.score, events)
    return done


def _only(words: str | Iterable[str] | None) -> tuple[tuple[str, tuple[str, ...]], ...]:
    found = []
    for word in [words] if isinstance(words, str) else words or ():
        pattern, sign, names = word.partition("=")
        if not sign:
            raise UsageError(f"--only {word} is not METHOD=CLIPS.", "Write --only '*-best=goat,camel'.")
        found.append((pattern.strip(), split(names)))
    return tuple(found)


def protocol_list() -> str:
    """Every protocol, a line each."""
    width = max(map(len, PROTOCOLS))
    return "\n".join(f"{p.name:<{width}}  {p.what} ({p.source})" for p in PROTOCOLS.values())


def instruments(
    flow: str | Path | None, lpips: Names, fid: str | None, i3d: str | None, device: str, options: ScoreOptions
) -> Instruments:
    """What is measured with; weights are loaded. Raises WeightsError or UsageError."""
    from vrm.evaluate.scoring.networks import open_networks

    networks = open_networks(split(lpips), fid, i3d, device, options.measures)
    return Instruments(*flow_estimator(flow, device), networks.gauges, networks.names, networks.needs)


def flow_estimator(weights: str | Path | None, device: str = "auto") -> tuple[FlowEstimator, str]:
    """RAFT with the weights given (a file, or the name of a card), or else DIS; and its name. Raises WeightsError."""
    if weights is None:
        return DisFlow(), "DIS"
    from vrm.evaluate.scoring.networks import read_weights
    from vrm.system.device import choose
    from vrm.weights.convert.metric_networks import raft

    tensors = raft(read_weights(str(weights), "raft", "--flow")).tensors
    compute = choose(EngineOptions(device=device, dtype="fp32"))
    return RaftFlow(tensors, device=str(compute.device)), f"RAFT ({Path(weights).name})"


def split(names: Names) -> tuple[str, ...]:
    """``"a,b"``, ``["a", "b"]`` or None as a tuple."""
    if names is None:
        return ()
    parts = names.split(",") if isinstance(names, str) else names
    return tuple(part.strip() for part in parts if part.strip())


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d+)x(\d+)", text)
    if not found:
        raise UsageError(f"--size {text} is not a size.", "Write width and height: 432x240.")
    return int(found[2]), int(found[1])
