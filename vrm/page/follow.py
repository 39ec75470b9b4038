"""The process that follows what was said through the video, as ``vrm track`` does, for the page to show.

Run with a JSON file: the video, the words of ``vrm track``, the session and a folder, into which go ``masks/``,
``effects/`` (what of the masks is shadow or reflection), ``things/`` (which thing is nearest, where there are several)
and ``facts.json``: the shots, the lines of text, and of each frame how large its mask is, and how sure following was.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from vrm.errors import VrmError
from vrm.events import JsonEvents
from vrm.job.context import Job
from vrm.job.side_outputs import FolderOutput, write_masks
from vrm.options.build import build
from vrm.options.remove import TRACK, RemoveOptions
from vrm.options.session import PickSession, read_session
from vrm.page.belonging import followed_things, labels_of
from vrm.page.followed import EFFECTS, FACTS, MASKS, THINGS
from vrm.report.model import TextLine
from vrm.selection.resolve import Selection, track
from vrm.selection.text.select import KEPT
from vrm.system.files import atomic_write
from vrm.system.lifeline import end_with_starter
from vrm.system.process import configure_process


def main() -> None:
    """Follow, say events as lines of JSON, and end with the exit code of ``vrm track``."""
    end_with_starter()
    configure_process()
    task = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    events = JsonEvents()
    try:
        follow(Path(task["video"]), task["words"], read_session(Path(task["session"])), Path(task["folder"]), events)
    except VrmError as error:
        events.error(error.what, error.fix, error.exit_code)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


def follow(video: Path, words: dict[str, Any], session: PickSession, folder: Path, events: JsonEvents) -> None:
    """See the module. Raises VrmError as ``vrm.selection.resolve.track``."""
    options = build(RemoveOptions, words | {"yes": True, "overwrite": True}, only=TRACK)

    def keep(job: Job, selection: Selection) -> None:
        if not selection.effects.empty:
            with FolderOutput(folder / EFFECTS, "Effects") as out:
                write_masks(job.info, selection.effects, out)
        masks = selection.masks.objects
        things = followed_things(session.within_range)
        if len(things) > 1:
            with FolderOutput(folder / THINGS, "Labels") as out:
                for t, labels in labels_of(masks, job.info, things):
                    out.add(f"{t:05d}.png", labels)
        facts = {
            "shots": selection.shots,
            "things": [thing.id for thing in things],
            "areas": [round(float(masks[t].mean()), 5) if masks.box(t) else 0.0 for t in range(masks.n_frames)],
            "sureness": {str(t): round(sure, 3) for t, sure in sorted(job.sureness.items())},
            "notes": job.report.notes,
            "lines": [[line.text, line.first, line.last, _may_go(line)] for line in job.report.text_lines],
        }
        atomic_write(folder / FACTS, json.dumps(facts))

    track(video, folder / MASKS, options, events, observe=keep)


def _may_go(line: TextLine) -> bool:
    """Whether a line goes, or would if nobody had said that it stays."""
    return line.removed or line.why == KEPT
