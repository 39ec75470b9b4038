"""The figures of every engine and preset for RESULTS.md, in one command: cases of both protocols, beside the baselines.

    python benchmarks/results.py CLIPS OUT [--presets fast,balanced,best] [--only METHOD=CLIPS ...] [--clips 'davis-*']

Writes OUT/cases/{object,fixed}, and OUT/bench/{table.md,table.csv,results.json,index.html}; table.md is a section of
RESULTS.md as it is. Started again it goes on where it ended: a clip is filled anew only if its files, the settings, the
weights that are here or the version changed.

Engines without weights are listed as such. The engine keyframe is given the truth of frames 0, 20, 40, ... and scored
on the others; its rows say so. ``--only '*-best=davis-goat,davis-camel'`` runs a preset on fewer clips: such methods
have a table of their own, with all others on the same clips. On 2 cores a clip of 40 frames at 432x240 takes about 10 s
with fast, 70 s with balanced and several minutes with best, so without ``--only`` the whole takes hours.

It is ``vrm evaluate cases`` twice and ``vrm evaluate run`` once.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from pathlib import Path

from vrm import api
from vrm.cli.progress import listener
from vrm.errors import VrmError
from vrm.options.remove import ENGINES
from vrm.system.process import configure_process

PROTOCOLS = ("object", "fixed")


def checked(cases: Path, asked: dict[str, object]) -> bool:
    """Whether the cases are there; ends the program if they were made with other options."""
    if not cases.exists():
        return False
    made = json.loads((cases / "protocol.json").read_text(encoding="utf-8")).get("asked")
    if made != asked:
        raise SystemExit(f"{cases} was made with {made}, not {asked}: choose another OUT.")
    return True


def command(args: argparse.Namespace, parser: argparse.ArgumentParser) -> str:
    """How to do it again; where the folders are means nothing on another machine."""
    words = ["python", "benchmarks/results.py", "CLIPS", "OUT"]
    for name in ("engines", "presets", "clips", "frames", "threads"):
        if getattr(args, name) != parser.get_default(name):
            words += [f"--{name}", str(getattr(args, name))]
    for text in args.only or ():
        words += ["--only", text]
    return shlex.join(words)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips_folder", type=Path, metavar="CLIPS")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--presets", default="fast,balanced,best")
    parser.add_argument(
        "--only", action="append", metavar="METHOD=CLIPS", help="run methods on fewer clips; repeatable"
    )
    parser.add_argument("--clips", default="davis-*")
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--no-page", action="store_true")
    args = parser.parse_args()
    configure_process()
    with listener(False) as events:
        for protocol in PROTOCOLS:
            asked = {"clips": [name.strip() for name in args.clips.split(",")], "frames": args.frames}
            if not checked(args.out / "cases" / protocol, asked):
                words = {"protocol": protocol, "clips": args.clips, "frames": args.frames}
                api.evaluate_cases(args.clips_folder, args.out / "cases" / protocol, events=events, **words)
        done = api.evaluate_run(
            [args.out / "cases" / protocol for protocol in PROTOCOLS],
            args.out / "bench",
            engines=args.engines,
            presets=args.presets,
            only=args.only,
            threads=args.threads,
            page=not args.no_page,
            command=command(args, parser),
            events=events,
        )
    print(done.text, end="")
    failed = [f"{row.method} on {row.cases}/{row.clip}: {row.error}" for row in done.rows if row.error]
    print("\n".join(failed), file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except VrmError as error:
        sys.exit(f"error: {error}")
