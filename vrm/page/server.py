"""``vrm pick``: opens a video or a session, serves its page on this machine alone, and ends after its tabs have."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import sys
import threading
import time
import webbrowser
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from vrm.errors import OutputError, UsageError
from vrm.job.scratch import scratch_folder
from vrm.media.read.open_video import open_video
from vrm.options.declare import options_of
from vrm.options.remove import RemoveOptions
from vrm.options.session import PickSession, read_session, session_video
from vrm.page.state import PageState, new_session
from vrm.system.extras import needed_by
from vrm.types import VideoInfo

if TYPE_CHECKING:
    import uvicorn

    from vrm.page.app import Tabs

PORT = 8437
"""The first port that is tried where none is named."""
_TRIED = 40
"""Ports that are tried, each the next."""
_IDLE, _AT_FIRST = 300, 1800
"""Seconds without a tab after which the page ends: after its last one, and before its first one."""


def pick(video: Path, port: int | None, browser: bool, say: Callable[[str], None]) -> None:
    """Serve the page of a video, or of a session's file, until Ctrl-C or some time after its last tab.

    Args:
        port: the first to try; None = ``PORT``.
        browser: open it in the browser, too.
        say: told the address, and how to end.

    Raises VrmError: no video, a session of another video, no port, or packages are missing.
    """
    with needed_by("vrm pick", "page"):
        import uvicorn

        from vrm.page.app import Tabs, application
        from vrm.page.security import OnlyForYou
    info, session, saved = opened(video)
    listening, port = bound(port if port is not None else PORT)
    with (
        listening,
        scratch_folder() as scratch,
        contextlib.closing(PageState(info, session, scratch, saved)) as page,
        contextlib.suppress(KeyboardInterrupt),
    ):
        tabs, token = Tabs(), secrets.token_urlsafe(24)
        address = f"http://127.0.0.1:{port}/{token}/"
        app = OnlyForYou(application(page, tabs), token, port)
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="error", lifespan="off", server_header=False, timeout_graceful_shutdown=3)
        )
        threading.Thread(target=end_when_left, args=(server, tabs, page), daemon=True).start()
        say(address)
        page.begin()
        if browser and not opens(address):
            say("No browser could be opened: open this address yourself.")
        say("Ctrl-C ends it.")
        server.run(sockets=[listening])


def opened(path: Path) -> tuple[VideoInfo, PickSession, Path | None]:
    """The video to pick in, what was said of it, and where that is saved. Raises VrmError."""
    limits = options_of(RemoveOptions)
    most = limits["max_pixels"].default, limits["max_frames"].default
    if path.suffix.lower() != ".json":
        info = open_video(path, *most)
        return info, new_session(info, str(path)), None
    session = read_session(path)
    info = open_video(session_video(path), *most)
    if (info.display_size, info.n_frames) != (session.size, session.frames):
        raise UsageError(
            f"{path} is about a video of {session.size[1]}x{session.size[0]} with {session.frames} frames; "
            f"{info.path} has {info.display_size[1]}x{info.display_size[0]} and {info.n_frames}.",
            f"Begin anew: vrm pick {info.path}",
        )
    return info, replace(session, video=session.video), path


def bound(port: int) -> tuple[socket.socket, int]:
    """A socket on 127.0.0.1 at this port, or at the next that is free. Raises OutputError."""
    for candidate in range(port, min(port + _TRIED, 65536)):
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if sys.platform != "win32":  # there it would let two programs have one port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("127.0.0.1", candidate))
            listening.listen()
            return listening, candidate
        except OSError:
            listening.close()
    raise OutputError(f"No port from {port} on is free.", "Give another with --port.")


def opens(address: str) -> bool:
    """Open the browser; False if there is none. One that would take over the terminal is none."""
    windows = sys.platform in ("win32", "darwin") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if not windows and not os.environ.get("BROWSER"):
        return False
    try:
        return webbrowser.open(address)
    except (webbrowser.Error, OSError):
        return False


def end_when_left(server: uvicorn.Server, tabs: Tabs, page: PageState, pause: float = 0.2) -> None:
    """Thread: end the server when nobody has looked for some time, and nothing runs; then let its tabs go."""
    left, seen = time.monotonic(), False
    while not server.should_exit:
        time.sleep(pause)
        if tabs.open or page.busy:
            left, seen = time.monotonic(), True
        elif time.monotonic() - left > (_IDLE if seen else _AT_FIRST):
            server.should_exit = True
    tabs.end()
