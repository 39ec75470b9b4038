"""What a run has done so far: a record beside the results for each method and clip, so that it can be resumed."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from vrm.errors import OutputError
from vrm.evaluate.cases.clips import Clip
from vrm.evaluate.cases.sequence import ImageSequence, open_sequence
from vrm.evaluate.runs.methods import Method
from vrm.evaluate.scoring.score import MetricSetup, ScoreOptions, scored_frames
from vrm.evaluate.scoring.tables import write_file
from vrm.version import __version__
from vrm.weights import cards as weights

MARK = "run.json"


@dataclass(frozen=True)
class Records:
    """The folder of a run.

    ``out`` holds ``results/CASES/METHOD/CLIP``, and ``records/CASES/METHOD/CLIP.json`` (and ``.npz``: features).
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
        write_file(mark, json.dumps({"made_by": f"vrm {__version__}"}) + "\n")


@dataclass
class ClipRecord:
    """What is known of one method on one clip; kept in a file, so that a run can be resumed.

    ``cases`` is the name of the folder of cases; ``record`` is empty until it is read or written.
    """

    records: Records
    cases: str
    method: Method
    clip: Clip
    record: dict[str, Any] = field(default_factory=dict)

    @property
    def results(self) -> Path:
        return self.records.out / "results" / self.cases / self.method.name

    @property
    def features(self) -> Path:
        return self._path(".npz")

    @property
    def filled(self) -> bool:
        """Whether the clip was filled: no failure, and no weights missing."""
        return "error" not in self.record and "needs" not in self.record

    def read(self) -> bool:
        """Read an earlier record of the same clip and settings, if its results are complete; failures do not count."""
        try:
            record: dict[str, Any] = json.loads(self._path(".json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        if not isinstance(record, dict) or record.get("key") != self._key or not {"frames", "report"} <= record.keys():
            return False
        folder = self.results / self.clip.name
        if not folder.is_dir() or len([*folder.glob("[!.]*.png")]) != record["frames"]:
            return False
        self.record = record
        return True

    def write(self, facts: dict[str, Any]) -> None:
        self.record = {"key": self._key, **self.record, **facts}
        write_file(self._path(".json"), json.dumps(self.record, indent=1) + "\n")

    @cached_property
    def _key(self) -> str:
        """What a result depends on: the clip's files (its truth where some of it is given), the method's settings,
        the weights that are present, the version."""
        clip, method, score = self.clip, self.method, self.records.score
        read = (clip.frames, clip.masks, clip.truth if method.given_every else None)
        trained = [] if method.baseline else [(card.name, card.sha256) for card, _ in weights.known()]
        return _digest(_files(read), method.settings, trained, score.frames, score.invert, __version__)

    def score_key(self, cases: Path) -> dict[str, Any]:
        """What a score depends on besides the result's settings: measures, networks, and every file that is read."""
        clip, score, setup = self.clip, self.records.score, self.records.setup
        case = clip.frames, clip.masks, clip.truth, clip.effect, clip.thing
        files = _files((*case, open_sequence(self.results, clip.name)))
        only = sorted(scored_frames(cases).get(clip.name, ()))
        return {
            "measures": list(score.names(clip)),
            "flow": setup.flow,
            "networks": list(setup.networks),
            "files": _digest(files, only, score.frames, score.invert),
        }

    def _path(self, ending: str) -> Path:
        return self.records.out / "records" / self.cases / self.method.name / f"{self.clip.name}{ending}"


def _files(several: Iterable[ImageSequence | None]) -> list[list[tuple[str, int, int]]]:
    """Name, size and time of change of every file."""
    return [
        []
        if pictures is None
        else [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in pictures.listed or (pictures.path,)]
        for pictures in several
    ]


def _digest(*facts: Any) -> str:
    return hashlib.sha256(json.dumps(facts, default=str).encode()).hexdigest()
