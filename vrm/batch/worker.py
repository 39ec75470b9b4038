"""The process that works on one task of a batch after another, started by ``vrm.batch.local``."""

from __future__ import annotations

import os
from typing import Any, TextIO

from vrm.events import JsonEvents
from vrm.system.process import configure_process
from vrm.system.worker import serve


def main() -> None:
    """Serve until the input ends."""
    configure_process()
    from vrm.batch.tasks import TaskPerformer

    performer = TaskPerformer(f"process-{os.getpid()}")

    def perform(work: dict[str, Any], out: TextIO) -> dict[str, Any]:
        return performer.perform(work, JsonEvents(out))

    serve(perform)
