"""The public Python calls of ``vrm evaluate``, part of ``vrm.api``: nothing is imported before it is needed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vrm.events import Events

if TYPE_CHECKING:
    from vrm.evaluate.runs.run import Run
    from vrm.evaluate.scoring.labels import FlickerTable
    from vrm.evaluate.scoring.masks import MaskTable
    from vrm.evaluate.scoring.tables import ScoreTable

PathLike = str | Path


def evaluate_cases(folder: PathLike, output: PathLike, *, events: Events | None = None, **words: Any) -> list[str]:
    """Write test cases with known truth; the words of ``vrm evaluate cases``. See ``vrm.evaluate.cases.make``."""
    from vrm.evaluate.commands import cases

    return cases(Path(folder), Path(output), events or Events(), **words)


def evaluate_protocols() -> str:
    """The protocols of ``evaluate_cases``, a line each."""
    from vrm.evaluate.commands import protocol_list

    return protocol_list()


def evaluate_score(
    folder: PathLike, results: Iterable[PathLike], *, events: Events | None = None, **words: Any
) -> ScoreTable:
    """Score folders of results; the words of ``vrm evaluate score``. See ``vrm.evaluate.scoring.score``."""
    from vrm.evaluate.commands import score

    return score(Path(folder), [Path(path) for path in results], events or Events(), **words)


def evaluate_masks(
    truth: PathLike, results: Iterable[PathLike], *, events: Events | None = None, **words: Any
) -> MaskTable:
    """J and F of folders of masks; the words of ``vrm evaluate masks``. See ``vrm.evaluate.scoring.masks``."""
    from vrm.evaluate.commands import masks

    return masks(Path(truth), [Path(path) for path in results], events or Events(), **words)


def evaluate_labels(
    video: PathLike, labels: Iterable[PathLike], *, events: Events | None = None, **words: Any
) -> FlickerTable:
    """Flicker of label maps; the words of ``vrm evaluate labels``. See ``vrm.evaluate.scoring.labels``."""
    from vrm.evaluate.commands import labels as flicker

    return flicker(Path(video), [Path(path) for path in labels], events or Events(), **words)


def evaluate_run(cases: Iterable[PathLike], output: PathLike, *, events: Events | None = None, **words: Any) -> Run:
    """Run engines and baselines over cases; the words of ``vrm evaluate run``. See ``vrm.evaluate.runs.run``."""
    from vrm.evaluate.commands import run

    return run([Path(path) for path in cases], Path(output), events or Events(), **words)
