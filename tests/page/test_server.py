"""How the page begins and ends."""

from __future__ import annotations

import functools
import http.client
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest

from page import made
from page.conftest import Tab
from vrm.cli.main import run
from vrm.errors import OutputError
from vrm.page import server


def test_it_ends_some_time_after_its_last_tab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_IDLE", 0.05)
    looks = iter([0, 0, 1, 1])
    opened: list[int] = []

    class Opened:
        def end(self) -> None:
            opened.append(-1)

        @property
        def open(self) -> int:
            opened.append(next(looks, 0))
            return opened[-1]

    ended: Any = SimpleNamespace(should_exit=False)
    server.end_when_left(ended, Opened(), SimpleNamespace(busy=False), pause=0.01)  # type: ignore[arg-type]
    assert ended.should_exit
    assert opened[-1] == -1, "its tabs are let go"
    assert opened[:4] == [0, 0, 1, 1], "before the first tab it waits longer"
    assert len(opened) > 5


def test_it_does_not_end_while_something_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_AT_FIRST", 0.0)
    looks = iter([True] * 5)
    ended: Any = SimpleNamespace(should_exit=False)

    class Working:
        looked = 0

        @property
        def busy(self) -> bool:
            Working.looked += 1
            return next(looks, False)

    monkeypatch.setattr(server, "_IDLE", 0.0)
    left: list[str] = []
    tabs = SimpleNamespace(open=0, end=lambda: left.append("told"))
    server.end_when_left(ended, tabs, Working(), pause=0.001)  # type: ignore[arg-type]
    assert Working.looked >= 6
    assert left == ["told"]


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_ends_it_in_peace_while_a_tab_is_open(tmp_path: Path) -> None:
    pytest.importorskip("uvicorn", reason="needs the extra page")
    video = made.write(tmp_path / "square.mp4")
    command = [sys.executable, "-m", "vrm", "pick", str(video), "--no-browser", "--port", "18537"]
    heard = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # background jobs are deaf to it
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, preexec_fn=heard) as program:
        assert program.stdout is not None
        address = urlsplit(program.stdout.readline().strip())
        tab = http.client.HTTPConnection(address.netloc, timeout=60)
        tab.request("GET", f"{address.path}api/events")
        answer = tab.getresponse()
        assert answer.fp.readline()
        program.send_signal(signal.SIGINT)
        _, complaints = program.communicate(timeout=60)
        answer.close()
    assert (program.returncode, complaints) == (0, "")


def test_no_browser_is_opened_without_a_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(server.sys, "platform", "linux")
    monkeypatch.setattr(server.webbrowser, "open", lambda address: pytest.fail("it would take over the terminal"))
    assert not server.opens("http://127.0.0.1:1/")


def test_no_port_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_TRIED", 0)
    with pytest.raises(OutputError, match="No port from 9000 on is free"):
        server.bound(9000)


@pytest.mark.parametrize(("name", "text"), [("no.mp4", None), ("bad.mp4", "no video"), ("bad.json", "{}")])
def test_what_cannot_be_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str | None) -> None:
    pytest.importorskip("uvicorn", reason="needs the extra page")
    if text is not None:
        (tmp_path / name).write_text(text)
    assert run(["pick", str(tmp_path / name), "--no-browser"]) in (2, 3)
    assert name in capsys.readouterr().err


def test_an_unsure_click_is_said_to_be_and_the_command_goes_on(tab: Tab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vrm.selection.prompts.prompted_masks.UNSURE_CLICK", 1.1)
    state = tab.edit(do="point", frame=3, x=110, y=80)
    assert "--yes" not in state["commands"]["shell"]
    overlay = tab.get("api/overlay/3").json()
    assert "unsure of the outline" in " ".join(overlay["notes"])
    assert "--yes" in tab.get("api/state").json()["commands"]["shell"]
