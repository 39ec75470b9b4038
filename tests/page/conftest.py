from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from page import made
from vrm.media.read.probe import probe
from vrm.page.runs import Run
from vrm.page.state import PageState, new_session

TOKEN, PORT = "a-token-of-the-tests", 8437


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return made.write(tmp_path / "square.mp4")


def opened(video: Path, folder: Path) -> PageState:
    """The page of a video; who opens it closes it."""
    scratch = folder / "scratch"
    scratch.mkdir()
    info = probe(video)
    return PageState(info, new_session(info, str(video)), scratch)


def ended(page: PageState, kind: str) -> Run:
    run = page.runs[kind]
    run.wait(60)
    return run


@pytest.fixture
def page(video: Path, tmp_path: Path) -> Iterator[PageState]:
    page = opened(video, tmp_path)
    yield page
    page.close()


class Tab:
    """A tab of the page, as far as it asks for things."""

    def __init__(self, page: PageState) -> None:
        pytest.importorskip("httpx")
        from starlette.testclient import TestClient

        from vrm.page.app import Tabs, application
        from vrm.page.security import OnlyForYou

        app = OnlyForYou(application(page, Tabs()), TOKEN, PORT)
        self.client = TestClient(app, base_url=f"http://127.0.0.1:{PORT}")

    def get(self, path: str, **more: Any) -> Any:
        return self.client.get(f"/{TOKEN}/{path}", **more)

    def post(self, path: str, record: Any, **more: Any) -> Any:
        headers = {"Origin": f"http://127.0.0.1:{PORT}"} | more.pop("headers", {})
        return self.client.post(f"/{TOKEN}/{path}", json=record, headers=headers, **more)

    def edit(self, **asked: Any) -> Any:
        answer = self.post("api/edit", asked)
        assert answer.status_code == 200, answer.json()
        return answer.json()


@pytest.fixture
def tab(page: PageState) -> Tab:
    pytest.importorskip("starlette", reason="needs the extra page")
    return Tab(page)
