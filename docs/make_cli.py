"""Write docs/cli.md from the command line's own help: ``python docs/make_cli.py``. A test compares the two."""

import contextlib
import io
import os
from pathlib import Path

from vrm.cli.main import run

COMMANDS = (
    (),
    ("remove",),
    ("track",),
    ("frame",),
    ("segment",),
    ("info",),
    ("clean",),
    ("train", "savit"),
    ("train", "keyframe"),
    ("evaluate", "cases"),
    ("evaluate", "protocols"),
    ("evaluate", "score"),
    ("evaluate", "run"),
    ("evaluate", "masks"),
    ("evaluate", "labels"),
    ("weights", "list"),
    ("weights", "fetch"),
    ("weights", "import"),
    ("weights", "verify"),
)


def page() -> str:
    """The whole page, as the help pages are printed on a terminal of 80 columns."""
    parts = ["# The command line\n\nWritten by `python docs/make_cli.py`; do not edit.\n"]
    for command in COMMANDS:
        out = io.StringIO()
        before = os.environ.get("COLUMNS")
        os.environ["COLUMNS"] = "80"
        try:
            with contextlib.redirect_stdout(out):
                run([*command, "--help"])
        finally:
            if before is None:
                del os.environ["COLUMNS"]
            else:
                os.environ["COLUMNS"] = before
        parts.append(f"## {' '.join(('vrm', *command))}\n\n```text\n{out.getvalue().rstrip()}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    (Path(__file__).parent / "cli.md").write_text(page(), encoding="utf-8")
