"""Who is let through: only a tab that knows the token, on this host and port, and changes come from its own origin."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from page.conftest import PORT, TOKEN, Tab
from vrm.page.server import bound

pytest.importorskip("starlette", reason="needs the extra page")

from vrm.page.app import static_files
from vrm.page.security import MOST_BODY

OWN = f"http://127.0.0.1:{PORT}"


@pytest.mark.parametrize("path", ["/", "/api/state", "/wrong/api/state", f"/{TOKEN}", f"/{TOKEN}x/", f"/{TOKEN[:-1]}/"])
def test_without_the_token_nothing_is_answered(tab: Tab, path: str) -> None:
    assert tab.client.get(path).status_code == 403


@pytest.mark.parametrize(
    "host", ["evil.example", f"evil.example:{PORT}", "127.0.0.1", "127.0.0.1:80", f"[::1]:{PORT}", ""]
)
def test_a_foreign_host_is_refused(tab: Tab, host: str) -> None:
    assert tab.get("api/state", headers={"Host": host}).status_code == 403


def test_its_own_hosts_are_let_through(tab: Tab) -> None:
    for host in (f"127.0.0.1:{PORT}", f"localhost:{PORT}"):
        assert tab.get("api/state", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:8437", "http://127.0.0.1:1"])
def test_another_origin_is_refused(tab: Tab, origin: str) -> None:
    assert tab.get("api/state", headers={"Origin": origin}).status_code == 403
    assert tab.post("api/edit", {"do": "undo"}, headers={"Origin": origin}).status_code == 403


def test_a_change_needs_an_origin_and_json(tab: Tab) -> None:
    path = f"/{TOKEN}/api/edit"
    assert tab.client.post(path, json={"do": "undo"}).status_code == 403
    plain = {"Origin": OWN, "Content-Type": "text/plain"}
    assert tab.client.post(path, content=b'{"do": "undo"}', headers=plain).status_code == 403
    assert tab.get("api/state", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_no_cors_and_a_strict_policy(tab: Tab) -> None:
    for path in ("", "api/state", "static/app.js", "nothing"):
        headers = tab.get(path, headers={"Origin": OWN}).headers
        assert not [name for name in headers if name.startswith("access-control")]
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
    preflight = tab.client.options(f"/{TOKEN}/api/edit", headers={"Origin": "http://evil.example"})
    assert preflight.status_code == 403


@pytest.mark.parametrize("path", ["../app.py", "..%2fapp.py", "%2e%2e/%2e%2e/app.py", "/etc/passwd", "%2fetc%2fpasswd"])
def test_no_path_leads_out(tab: Tab, path: str) -> None:
    answer = tab.get(f"static/{path}")
    assert answer.status_code in (403, 404)
    assert b"import" not in answer.content


def test_large_bodies_are_refused(tab: Tab) -> None:
    assert tab.post("api/edit", {"do": "x" * MOST_BODY}).status_code == 413
    headers = {"Origin": OWN, "Content-Type": "application/json", "Content-Length": "2"}
    answer = tab.client.post(f"/{TOKEN}/api/edit", content=b"{" * (MOST_BODY + 5), headers=headers)
    assert answer.status_code == 413


@pytest.mark.parametrize("body", [b"", b"[]", b"nonsense", b"[" * 9999, b'{"do": 5}', b'{"do": "box", "frame": "x"}'])
def test_what_is_no_request_is_refused_with_a_sentence(tab: Tab, body: bytes) -> None:
    headers = {"Origin": OWN, "Content-Type": "application/json"}
    answer = tab.client.post(f"/{TOKEN}/api/edit", content=body, headers=headers)
    assert answer.status_code == 409
    assert answer.json()["error"].endswith("Reload it.")


def test_files_of_the_page_name_no_other_place() -> None:
    for name, content in static_files().items():
        text = content.decode().replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text, name
        assert "https:" not in text, name
        assert "//cdn" not in text, name


def test_a_port_that_is_taken_is_passed_over(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        if port > 65000:
            pytest.skip("no room for a next port")
        listening, found = bound(port)
        with listening:
            assert found > port
            assert listening.getsockname()[0] == "127.0.0.1"
