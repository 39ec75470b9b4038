"""The tables of RESULTS.md, in one command: cases of both protocols, every engine and preset, beside the baselines.

    python benchmarks/results.py CLIPS OUT [--presets fast,balanced,best] [--clips 'davis-*'] [--frames 40]

Writes OUT/cases/{object,fixed}, and OUT/bench/{table.md,table.csv,results.json,index.html}. Started again it goes on
where it ended. It is ``vrm evaluate cases`` twice and ``vrm evaluate run`` once.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from vrm import api
from vrm.cli.progress import listener
from vrm.options import ENGINES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips_folder", type=Path, metavar="CLIPS")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--presets", default="fast,balanced,best")
    parser.add_argument("--clips", default="davis-*")
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--threads", type=int)
    args = parser.parse_args()
    with listener(False) as events:
        for protocol in ("object", "fixed"):
            cases = args.out / "cases" / protocol
            if not cases.exists():
                words = {"protocol": protocol, "clips": args.clips, "frames": args.frames}
                api.evaluate_cases(args.clips_folder, cases, events=events, **words)
        done = api.evaluate_run(
            [args.out / "cases" / protocol for protocol in ("object", "fixed")],
            args.out / "bench",
            engines=args.engines,
            presets=args.presets,
            threads=args.threads,
            command=shlex.join(["python", *sys.argv]),
            events=events,
        )
    print(done.text, end="")
    done.complete()


if __name__ == "__main__":
    main()
