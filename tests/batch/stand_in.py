"""A worker of the real kind whose work is pretended: what happens goes by the input's name. A program, not a test."""

import os
import signal
import sys
import time
import types
from pathlib import Path

from vrm.errors import MaskError
from vrm.report.model import RemoveReport
from vrm.system.files import partial_path


def remove(
    source: Path, target: Path, options: object, events: object, workers: object = None, at_once: int = 1
) -> RemoveReport:
    aside = partial_path(target)
    aside.touch()
    if source.stem.startswith("kill"):
        os.kill(os.getpid(), signal.SIGKILL)
    try:
        if source.stem.startswith("memory"):
            raise MemoryError
        if source.stem.startswith("bug"):
            raise ZeroDivisionError("by zero")
        if source.stem.startswith("mask"):
            raise MaskError("The mask does not fit.", "Give another.")
        if source.stem.startswith("exit"):
            os._exit(3)
        print("a library prints")
        events.stage("fit", 3)
        events.advance("fit", 2)
        events.note(f"threads {options.engine.threads}, memory {options.engine.memory_gb}, at once {at_once}")
        if source.stem.startswith("wait"):
            (target.parent / "waiting").write_text(str(os.getpid()))
            time.sleep(60)
        aside.write_text(str(os.getpid()))
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)
    report = RemoveReport(str(source), str(target), frames=5, masked_frames=2)
    events.done(report)
    return report


pipeline = types.ModuleType("vrm.pipeline")
pipeline.remove = remove
sys.modules["vrm.pipeline"] = pipeline

if __name__ == "__main__":
    from vrm.batch.worker import main

    main()
