"""What a run has done so far, kept beside its results so that it can go on: one file for each method and clip."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vrm.errors import OutputError
from vrm.evaluate.cases.clips import Clip
from vrm.evaluate.cases.pictures import Pictures, open_pictures
from vrm.evaluate.runs.methods import Method
from vrm.evaluate.scoring.score import MetricSetup, ScoreOptions, scored_frames
from vrm.evaluate.scoring.tables import write_text
from vrm.version import __version__
from vrm.weights import cards as weights

MARK = "run.json"


@dataclass(frozen=True)
class Records:
    """The folder of a run.

    Attributes:
        out: holds ``results/CASES/METHOD/CLIP``, and ``records/CASES/METHOD/CLIP.json`` (and ``.npz``: features).
        score: what is measured, and on which frames.
        setup: what it is measured with.
    """

    out: Path
    score: ScoreOptions
    setup: MetricSetup

    def prepare(self, overwrite: bool) -> None:
        """Make the folder, or check that it is an earlier run's. Raises OutputError."""
        mark = self.out / MARK
        if self.out.exists() and not self.out.is_dir():
            raise OutputError(f"{self.out} is a file; a run needs a folder.", "Choose another name.")
        if self.out.exists() and any(self.out.iterdir()) and not mark.is_file():
            raise OutputError(f"{self.out} exists and is not the folder of a run.", "Choose another name.")
        if overwrite:
            for name in ("results", "records"):
                shutil.rmtree(self.out / name, ignore_errors=True)
        write_text(mark, json.dumps({"made_by": f"vrm {__version__}"}) + "\n")

    def results(self, name: str, method: Method) -> Path:
        """Where a method's results for some cases lie, a folder for each clip."""
        return self.out / "results" / name / method.name

    def features(self, name: str, method: Method, clip: Clip) -> Path:
        """Where the features of a clip lie, if a network made some."""
        return self.out / "records" / name / method.name / f"{clip.name}.npz"

    def write(self, name: str, method: Method, clip: Clip, record: dict[str, Any]) -> None:
        """Keep a record, whole or not at all."""
        write_text(self._path(name, method, clip), json.dumps(record, indent=1) + "\n")

    def known(self, name: str, method: Method, clip: Clip, key: str) -> dict[str, Any] | None:
        """An earlier record of the same clip and settings whose results are all there; failures are tried again."""
        try:
            record: dict[str, Any] = json.loads(self._path(name, method, clip).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if not isinstance(record, dict) or record.get("key") != key or not {"frames", "report"} <= record.keys():
            return None
        folder = self.results(name, method) / clip.name
        there = len([p for p in folder.iterdir() if p.suffix == ".png" and p.name[0] != "."]) if folder.is_dir() else 0
        return record if there == record["frames"] else None

    def key(self, clip: Clip, method: Method) -> str:
        """What a result depends on: the clip's files (its truth where some of it is given), the method's settings,
        the weights that are here, the version."""
        read = (clip.frames, clip.masks, clip.truth if method.given_every else None)
        trained = [] if method.baseline else [(card.name, card.sha256) for card, _ in weights.known()]
        return _digest(_files(read), method.settings, trained, self.score.frames, self.score.invert, __version__)

    def how(self, name: str, cases: Path, method: Method, clip: Clip) -> dict[str, Any]:
        """What a score depends on besides the result's settings: measures, networks, and every file that is read."""
        result = open_pictures(self.results(name, method), clip.name)
        files = _files((clip.frames, clip.masks, clip.truth, result))
        only = sorted(scored_frames(cases).get(clip.name, ()))
        return {
            "measures": list(self.score.names(clip.truth is not None)),
            "flow": self.setup.flow,
            "networks": list(self.setup.networks),
            "files": _digest(files, only, self.score.frames, self.score.invert),
        }

    def _path(self, name: str, method: Method, clip: Clip) -> Path:
        return self.out / "records" / name / method.name / f"{clip.name}.json"


def _files(several: Iterable[Pictures | None]) -> list[list[tuple[str, int, int]]]:
    """Name, size and time of every file."""
    return [
        []
        if pictures is None
        else [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in pictures.listed or (pictures.path,)]
        for pictures in several
    ]


def _digest(*facts: Any) -> str:
    return hashlib.sha256(json.dumps(facts, default=str).encode()).hexdigest()
