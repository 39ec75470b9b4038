"""What keeps the page to the one who started it: everything else on the machine, and in the browser, gets a 403.

Three things have to be right: the token that the address begins with, the Host (a foreign name that leads to this
machine is DNS rebinding), and, of what changes something, the Origin. No CORS header is ever sent.
"""

from __future__ import annotations

import hmac
import json
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
REPORT_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'; sandbox allow-scripts"
)
"""Of a report, which is one file with its scripts in it: it runs where it can reach nothing."""
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
MOST_BODY = 256 << 10
"""Bytes of a request's body."""


class OnlyForYou:
    """An application that answers only requests with the token, to this host and port, from its own pages.

    Args:
        app: the application behind it, which sees paths without the token.
        token: the first part of every path.
        port: that the server listens on.
    """

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self._app, self._prefix = app, f"/{token}"
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await _guarded(refusal, scope, receive, send)
            return
        scope = {**scope, "path": scope["path"][len(self._prefix) :]}
        scope.pop("raw_path", None)
        await _guarded(self._app, scope, _Limited(receive), send)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers, path = Headers(scope=scope), scope["path"]
        begin, rest = path[: len(self._prefix)], path[len(self._prefix) :]
        if not hmac.compare_digest(begin.encode(), self._prefix.encode()) or not rest.startswith("/"):
            return _no(403, "The address lacks the token that vrm pick printed.")
        if headers.getlist("host") != [headers.get("host", "")] or headers.get("host") not in self._hosts:
            return _no(403, "This page answers to 127.0.0.1 only.")
        origin = headers.get("origin")
        if origin is not None and origin.removeprefix("http://") not in self._hosts:
            return _no(403, "Another page asked.")
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return _no(403, "Another page asked.")
        if scope["method"] not in ("GET", "HEAD"):
            if origin is None or headers.get("content-type", "").partition(";")[0] != "application/json":
                return _no(403, "Only this page may ask for changes.")
            if not headers.get("content-length", "").isdecimal() or int(headers["content-length"]) > MOST_BODY:
                return _no(413, "That is more than a page needs to say.")
        return None


class _Limited:
    """A request's body, which ends where it is larger than it may be, whatever its header said."""

    def __init__(self, receive: Receive) -> None:
        self._receive, self._left = receive, MOST_BODY

    async def __call__(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        return message if self._left >= 0 else {"type": "http.disconnect"}


def _no(status: int, why: str) -> JSONResponse:
    return JSONResponse({"error": why}, status)


async def _guarded(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the headers that hold for everything."""

    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = {name.lower() for name, _ in message["headers"]}
            more = _HEADERS | {"Content-Security-Policy": POLICY}
            named = [(name.lower().encode(), value.encode()) for name, value in more.items()]
            message["headers"] += [(name, value) for name, value in named if name not in own]
        await send(message)

    await app(scope, receive, with_headers)


def read_json(body: bytes) -> dict[str, Any]:
    """The object that a request's body holds; an empty one where it holds none."""
    try:
        record = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}
