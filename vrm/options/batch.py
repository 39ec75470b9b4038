"""Everything ``vrm remove`` can be told about many videos."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vrm.errors import UsageError
from vrm.options.declare import BATCH, READ, WRITTEN, Options, option


@dataclass(frozen=True)
class BatchOptions(Options):
    """Which videos are worked on, and where."""

    # fmt: off
    recursive: bool = option(False, BATCH, help="Look into sub-folders of INPUT too, and keep them in OUT.")
    manifest: Path | None = option(None, BATCH, "FILE", kind=READ, noun="manifest",
        help="A list of jobs, .csv or .jsonl; columns are input, output, mask, and any other option.")
    allow_outside: bool = option(False, BATCH, help="The manifest may write to other folders than OUT.")
    skip_existing: bool = option(False, BATCH, help="Leave out videos whose output exists.")
    jobs: int | None = option(None, BATCH, "N", between=(1, None),
        help="Work on N videos at a time, or on N windows of one; they share --threads and --memory. Default: 1.")
    ray: str | None = option(None, BATCH, "auto|local|ADDRESS",
        help="Spread the work over a Ray cluster; each task has --threads (default 1) and --memory for itself.")
    summary: Path | None = option(None, BATCH, "FILE", kind=WRITTEN, help="Write what became of each video, as JSON.")
    # fmt: on

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.allow_outside and self.manifest is None:
            raise UsageError("--allow-outside means nothing without --manifest.")
        if self.summary is not None and self.summary.suffix.lower() != ".json":
            raise UsageError(f"--summary {self.summary} does not end in .json.", "Give a file's name that does.")
        if self.manifest is not None and self.recursive:
            raise UsageError("--recursive means nothing to --manifest.", "Its lines name the videos.")

    @property
    def asked(self) -> bool:
        """Anything that makes even one video a batch."""
        return self != BatchOptions()
