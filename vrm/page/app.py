"""The application of the page: what each address answers. No path of the file system is ever taken from a request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from importlib.resources import files
from typing import Any

from anyio.to_thread import run_sync
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from vrm.errors import VrmError
from vrm.page.facts import choices, facts_of_video, state_of
from vrm.page.security import REPORT_POLICY, read_json
from vrm.page.state import FIRST_SIZE, PageState

_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html"}
_PAUSE = 0.12
"""Seconds between two messages to a tab, at least."""
_SIZES = (640, FIRST_SIZE, 1920, 3840)
"""Longer sides that pictures are sent with."""
_THUMBNAIL = 54


class Tabs:
    """The tabs that are open: how many, and a way to tell them all that something has changed."""

    def __init__(self) -> None:
        self._events: set[asyncio.Event] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = False

    @property
    def open(self) -> int:
        return len(self._events)

    def tell(self) -> None:
        """From any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake)

    def end(self) -> None:
        """From any thread: tell them no more. A server that waits for its answers to end can end then."""
        self._ended = True
        self.tell()

    def _wake(self) -> None:
        for event in self._events:
            event.set()

    async def messages(self, state: Callable[[], dict[str, Any]]) -> AsyncIterator[str]:
        """Server-sent events: the state now, and after each change."""
        self._loop = asyncio.get_running_loop()
        event = asyncio.Event()
        self._events.add(event)
        try:
            while not self._ended:
                event.clear()
                yield f"data: {json.dumps(await run_sync(state))}\n\n"
                await asyncio.sleep(_PAUSE)
                while not event.is_set() and not self._ended:
                    try:
                        await asyncio.wait_for(event.wait(), 15)
                    except TimeoutError:
                        yield ": still here\n\n"  # so that a tab that has gone is noticed
        finally:
            self._events.discard(event)


class Pages:
    """What each address answers; errors for users become a 409 with a sentence."""

    def __init__(self, page: PageState, tabs: Tabs) -> None:
        self._page, self._tabs, self._static = page, tabs, static_files()

    def _state(self) -> dict[str, Any]:
        return state_of(self._page)

    async def index(self, request: Request) -> Response:
        return HTMLResponse(self._static["index.html"])

    async def file(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self._static:
            return _error("There is no such file.", 404)
        return Response(self._static[name], media_type=_TYPES["." + name.rpartition(".")[2]])

    async def video(self, request: Request) -> Response:
        return JSONResponse(facts_of_video(self._page.info))

    async def choices(self, request: Request) -> Response:
        return JSONResponse(await run_sync(choices))

    async def state(self, request: Request) -> Response:
        return JSONResponse(await run_sync(self._state))

    async def events(self, request: Request) -> Response:
        await run_sync(self._page.survey)  # the first frame is there by now
        return StreamingResponse(self._tabs.messages(self._state), media_type="text/event-stream")

    async def picture(self, request: Request) -> Response:
        t, longest = request.path_params["t"], _size(request)
        self._page.check_source()
        return await _jpeg(lambda: self._page.frames.picture(t, longest))

    async def thumbnail(self, request: Request) -> Response:
        t = request.path_params["t"]
        self._page.check_source()
        return await _jpeg(lambda: self._page.frames.thumbnail(t, _THUMBNAIL))

    async def overlay(self, request: Request) -> Response:
        t, effects = request.path_params["t"], request.query_params.get("effects") != "0"
        rough = request.query_params.get("rough") == "1"
        self._page.check_source()
        return JSONResponse(await run_sync(lambda: self._page.overlay(t, effects, rough).to_dict()))

    async def result(self, request: Request) -> Response:
        store = self._page.results.get(request.path_params["kind"])
        if store is None:
            return _error("There is no result yet.", 404)
        t, longest = request.path_params["t"], _size(request)
        return await _jpeg(lambda: store.picture(t, longest))

    async def report(self, request: Request) -> Response:
        if self._page.report is None:
            return _error("There is no report yet.", 404)
        text = await run_sync(self._page.report.read_bytes)
        return Response(text, media_type="text/html", headers={"Content-Security-Policy": REPORT_POLICY})

    async def edit(self, request: Request) -> Response:
        asked = read_json(await request.body())
        await run_sync(lambda: self._page.edit(asked))
        return await self.state(request)

    async def run(self, request: Request) -> Response:
        asked = read_json(await request.body())
        kind = str(asked.get("kind"))
        await run_sync(lambda: self._page.cancel() if kind == "cancel" else self._page.start(kind, asked))
        return await self.state(request)

    async def save(self, request: Request) -> Response:
        asked = read_json(await request.body())
        return JSONResponse({"path": str(await run_sync(lambda: self._page.save(str(asked.get("what")))))})


def application(page: PageState, tabs: Tabs) -> Starlette:
    """The page's addresses, as ``vrm.page.security`` lets them through."""
    page.changed = tabs.tell
    of = Pages(page, tabs)
    routes = [
        Route("/", of.index), Route("/static/{name}", of.file), Route("/api/video", of.video),
        Route("/api/choices", of.choices),
        Route("/api/events", of.events), Route("/api/state", of.state), Route("/api/picture/{t:int}", of.picture),
        Route("/api/thumbnail/{t:int}", of.thumbnail), Route("/api/overlay/{t:int}", of.overlay),
        Route("/api/result/{kind}/{t:int}", of.result), Route("/api/report", of.report),
        Route("/api/edit", of.edit, methods=["POST"]), Route("/api/run", of.run, methods=["POST"]),
        Route("/api/save", of.save, methods=["POST"]),
    ]  # fmt: skip
    return Starlette(routes=routes, exception_handlers={VrmError: _refused, ClientDisconnect: _too_much})


def _error(text: str, status: int) -> Response:
    return JSONResponse({"error": text}, status)


async def _jpeg(make: Callable[[], bytes]) -> Response:
    return Response(await run_sync(make), media_type="image/jpeg")


async def _refused(request: Request, error: Exception) -> Response:
    return _error(str(error), 409)


async def _too_much(request: Request, error: Exception) -> Response:
    return _error("That is more than a page needs to say.", 413)


def _size(request: Request) -> int:
    asked = request.query_params.get("size", "")
    return int(asked) if asked in map(str, _SIZES) else FIRST_SIZE


def static_files() -> dict[str, bytes]:
    """The files of the page by name, with the stylesheet that all pages of vrm share."""
    found = {path.name: path.read_bytes() for path in files("vrm.page").joinpath("static").iterdir() if path.is_file()}
    return found | {"shared.css": files("vrm.report").joinpath("templates", "style.css").read_bytes()}
