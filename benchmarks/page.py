"""How quick the page of ``vrm pick`` is, asked as a browser asks: first frame, stepping, jumps, outlines, memory.

    python benchmarks/page.py VIDEO [--box X0,Y0,X1,Y1] [--at FRAME] [--repeat N]

The server is a process of its own. ``--repeat N`` makes a video of N copies of the file's packets and measures on that:
an hour from some minutes. Memory is the largest resident size of the server after twenty jumps all over the video.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import av
import numpy as np
from turns import where

_STEPS = 60
_REST = 3.0
"""Seconds that somebody looks at a frame before a box on it is drawn."""


class Browser:
    """One tab: it asks for one thing after another."""

    def __init__(self, address: str) -> None:
        found = urlsplit(address)
        self._host, self._root = found.netloc, found.path
        self._connection = http.client.HTTPConnection(self._host)

    def get(self, path: str) -> bytes:
        self._connection.request("GET", self._root + path)
        return self._connection.getresponse().read()

    def edit(self, **asked: object) -> None:
        headers = {"Origin": f"http://{self._host}", "Content-Type": "application/json"}
        self._connection.request("POST", self._root + "api/edit", json.dumps(asked), headers)
        answer = self._connection.getresponse()
        assert answer.status == 200, answer.read()
        answer.read()


def repeated(video: Path, times: int, target: Path) -> Path:
    """A video of so many copies of a file's video packets, one after another."""
    with av.open(str(target), "w") as out:
        stream, offset = None, 0
        for _ in range(times):
            with av.open(str(video)) as source:
                given = source.streams.video[0]
                stream = stream or out.add_stream_from_template(given)
                last = 0
                for packet in source.demux(given):
                    if packet.pts is None or packet.dts is None:
                        continue
                    last = max(last, packet.pts + (packet.duration or 1))
                    packet.pts, packet.dts, packet.stream = packet.pts + offset, packet.dts + offset, stream
                    out.mux(packet)
                offset += last
    return target


def processes(pid: int) -> list[str]:
    """Of the server: the process that waits, and the one that works."""
    return [str(pid), *Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def resident_mb(pid: int) -> float:
    pages = [int(Path(f"/proc/{each}/statm").read_text().split()[1]) for each in processes(pid)]
    return max(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6


class Watch:
    """Seconds by the clock and of the processor since it was made."""

    def __init__(self, pid: int, begun: float | None = None) -> None:
        self._pid, self._begun = pid, time.perf_counter() if begun is None else begun
        self._used = 0.0 if begun is not None else self._processor()

    def _processor(self) -> float:
        spent = [Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split() for each in processes(self._pid)]
        return sum(int(fields[11]) + int(fields[12]) for fields in spent) / os.sysconf("SC_CLK_TCK")

    def read(self) -> tuple[float, float]:
        return time.perf_counter() - self._begun, self._processor() - self._used

    def text(self) -> str:
        return "{:6.2f} s, of the processor {:5.2f} s".format(*self.read())


def measure(video: Path, box: str, at: int) -> None:
    begin = time.perf_counter()
    command = [sys.executable, "-m", "vrm", "pick", str(video), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            browser = Browser(server.stdout.readline().strip())
            since = Watch(server.pid, begin)
            print(f"{'from the command to the address':40} {since.text()}")
            browser.get("")
            about = json.loads(browser.get("api/video"))
            browser.get("api/picture/0?size=1280")
            print(f"{'from the command to the first frame':40} {since.text()}")
            print(f"{about['width']}x{about['height']}, {about['frames']} frames, {about['codec']}")
            steps = min(_STEPS, about["frames"] - 1)
            since = Watch(server.pid)
            for t in range(1, steps + 1):
                browser.get(f"api/picture/{t}?size=1280")
            clock, processor = since.read()
            print(
                f"{'frames stepped through in a second':40} {steps / clock:6.1f}, in one of the processor"
                f" {steps / processor:.1f}"
            )
            jumps = []
            for t in np.random.default_rng(0).integers(0, about["frames"], 20):
                begin = time.perf_counter()
                browser.get(f"api/picture/{t}?size=1280")
                jumps.append(time.perf_counter() - begin)
            print(f"{'jump anywhere: median, longest':40} {np.median(jumps):6.2f} s {max(jumps):6.2f} s")
            print(f"{'resident after the jumps':40} {resident_mb(server.pid):6.0f} MB")
            outlines(browser, server.pid, [float(n) for n in box.split(",")], at)
            print(f"{'resident at the end':40} {resident_mb(server.pid):6.0f} MB; load {os.getloadavg()[0]:.1f}")
        finally:
            server.send_signal(signal.SIGINT)


def outlines(browser: Browser, pid: int, box: list[float], at: int) -> None:
    """A box as it is drawn first, and as it is moved by a pixel twice."""
    browser.get(f"api/picture/{at}?size=1280")
    time.sleep(_REST)
    for n in range(3):
        browser.edit(do="box", frame=at, box=[box[0] + n, *box[1:]])
        since = Watch(pid)
        browser.get(f"api/overlay/{at}?rough=1")
        print(f"{'rough outline of a box':40} {since.text()}")
        found = json.loads(browser.get(f"api/overlay/{at}"))
        what = found.get("error") or f"{found['area']:.1%} of the picture, sure {found['sure']:.0%}"
        print(f"{'its outline in the end':40} {since.text()}; {what}")
        browser.edit(do="undo")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("--box", default="20,20,120,120")
    parser.add_argument("--at", type=int, default=0)
    parser.add_argument("--repeat", type=int, default=1)
    options = parser.parse_args()
    print(where())
    with tempfile.TemporaryDirectory() as folder:
        video = options.video
        if options.repeat > 1:
            video = repeated(video, options.repeat, Path(folder) / "repeated.mp4")
        measure(video.absolute(), options.box, options.at)


if __name__ == "__main__":
    main()
