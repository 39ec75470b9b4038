"""What a person does, in a real browser: box, outline, follow, correct, try, remove, compare.

``test_browser.py`` runs these tests in a process of their own; by hand: ``pytest -n0 tests/page/in_browser.py``.
"""

from __future__ import annotations

import functools
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import playwright.sync_api as playwright
import pytest

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
EXAMPLE = Path(__file__).parents[2] / "examples" / "crab.mp4"
CRAB = (26, 64, 107, 136)
SIZE, FRAMES = (320, 180), 6
LONG = 50_000
"""Milliseconds that a run may take on a busy machine."""
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions",
    "--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0",
)  # fmt: skip


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The beginning of the example at half its size, which takes a seventh of the time."""
    path = tmp_path_factory.mktemp("browser") / "crab.mp4"
    with av.open(str(EXAMPLE)) as source, av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height = SIZE
        stream.pix_fmt, stream.options = "yuv420p", {"crf": "14"}
        for _, frame in zip(range(FRAMES), source.decode(video=0), strict=False):
            rgb = frame.reformat(*SIZE, format="rgb24").to_ndarray()
            out.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, "rgb24")))
        out.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def address(video: Path) -> Iterator[str]:
    """Where ``vrm pick`` serves the page; it ends with Ctrl-C, and says nothing of an error."""
    command = [sys.executable, "-m", "vrm", "pick", str(video), "--no-browser", "--port", "18437"]
    said = video.with_suffix(".txt")
    heard = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # background jobs are deaf to it
    with said.open("w") as complaints:
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=complaints, text=True, preexec_fn=heard)
    try:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.send_signal(signal.SIGINT)
        server.wait(40)
    finally:
        server.kill()
        server.wait(10)
    assert "Traceback" not in said.read_text()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One browser for all tests. What it prints goes nowhere: Playwright would keep all of it in memory."""
    profile = tmp_path_factory.mktemp("profile")
    command = [str(BROWSER), *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
    program = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        port = _port(program, profile / "DevToolsActivePort")
        with playwright.sync_playwright() as driver:
            opened = driver.chromium.connect_over_cdp(f"http://127.0.0.1:{port}", timeout=30_000)
            yield opened
            opened.close()
    finally:
        program.kill()
        program.wait(10)


def _port(program: subprocess.Popen[bytes], written: Path) -> str:
    for _ in range(300):
        if program.poll() is not None:
            break
        if written.is_file() and (lines := written.read_text().split()):
            return lines[0]
        time.sleep(0.1)
    pytest.fail(f"{BROWSER} does not start")


@pytest.fixture
def tab(browser: Any, address: str) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(20_000)
    tab = context.new_page()
    wrong: list[str] = []
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    tab.goto(address)
    playwright.expect(tab.locator("#facts")).to_contain_text("frames", timeout=20_000)
    playwright.expect(tab.locator("#engine option")).not_to_have_count(0, timeout=20_000)
    playwright.expect(tab.locator("#command")).not_to_have_text("", timeout=20_000)
    yield tab
    context.close()
    assert not wrong


class Stage:
    """Where places of the video are on the screen."""

    def __init__(self, tab: Any) -> None:
        box = tab.locator("#canvas").bounding_box()
        self._scale = min(box["width"] / SIZE[0], box["height"] / SIZE[1])
        self._left = box["x"] + (box["width"] - SIZE[0] * self._scale) / 2
        self._top = box["y"] + (box["height"] - SIZE[1] * self._scale) / 2

    def at(self, x: float, y: float) -> tuple[float, float]:
        return self._left + x * self._scale, self._top + y * self._scale


def pixel(tab: Any, x: float, y: float) -> tuple[int, int, int]:
    """The colour that the screen shows at a place of the video."""
    import cv2
    import numpy as np

    shown = cv2.imdecode(np.frombuffer(tab.screenshot(), np.uint8), cv2.IMREAD_COLOR)
    px, py = Stage(tab).at(x, y)
    patch = shown[round(py) - 3 : round(py) + 4, round(px) - 3 : round(px) + 4].reshape(-1, 3).mean(0)
    return round(patch[2]), round(patch[1]), round(patch[0])


def test_a_person_removes_the_crab(tab: Any, video: Path) -> None:
    expect = playwright.expect
    stage = Stage(tab)
    expect(tab.locator("#facts")).to_contain_text(f"{SIZE[0]}×{SIZE[1]} · {FRAMES} frames")
    tab.mouse.move(*stage.at(*CRAB[:2]))
    tab.mouse.down()
    tab.mouse.move(*stage.at(60, 100), steps=3)
    tab.mouse.move(*stage.at(*CRAB[2:]), steps=3)
    tab.mouse.up()
    expect(tab.locator("#sure")).to_contain_text("% sure here", timeout=LONG)
    expect(tab.locator("#things li")).to_have_count(1)
    ground, crab = pixel(tab, 300, 60), pixel(tab, 66, 105)
    tab.locator("#show-mask").uncheck()
    tab.wait_for_timeout(300)
    assert pixel(tab, 300, 60) == ground, "nothing is laid over what stays"
    assert pixel(tab, 66, 105) != crab, "the outline lies over the crab"
    tab.locator("#show-mask").check()

    tab.select_option("#preset", "fast")
    tab.select_option("#effects", "none")
    tab.click("#follow")
    expect(tab.locator("#follow")).to_have_text("Follow anew", timeout=LONG)
    expect(tab.locator("#problems li")).not_to_have_count(0)
    tab.locator("#canvas").focus()
    for _ in range(3):
        tab.keyboard.press("ArrowRight")
    expect(tab.locator("#frame")).to_have_value("3")
    expect(tab.locator("#sure")).to_contain_text("Following is", timeout=LONG)

    tab.keyboard.press("s")
    tab.mouse.click(*stage.at(28, 66))
    expect(tab.locator("#follow-said")).to_have_text("Something was said since.")
    expect(tab.locator("#command")).to_contain_text("--not-point")
    tab.click("#follow")
    expect(tab.locator("#follow-said")).to_have_text("", timeout=LONG)

    tab.click("#try")
    expect(tab.locator("[data-mode=try]")).to_have_attribute("aria-selected", "true", timeout=LONG)
    copied = shlex.split(tab.locator("#command").text_content())
    tab.click("#remove")
    expect(tab.locator("[data-mode=remove]")).to_have_attribute("aria-selected", "true", timeout=LONG)
    path = Path(tab.locator("#result-path").text_content())
    assert str(path) == copied[-1]
    expect(tab.locator("#result-facts")).to_contain_text("outside the mask 0 pixels differ")
    tab.locator("#frame").fill("0")
    tab.locator("#frame").press("Enter")
    tab.wait_for_timeout(800)
    tab.locator("#wipe").evaluate("slider => { slider.value = 1000; slider.dispatchEvent(new Event('input')); }")
    tab.wait_for_timeout(300)
    before = pixel(tab, 66, 105)
    tab.locator("#wipe").evaluate("slider => { slider.value = 0; slider.dispatchEvent(new Event('input')); }")
    tab.wait_for_timeout(300)
    after = pixel(tab, 66, 105)
    assert before[0] - before[2] > 100, "the crab is red"
    assert after[0] - after[2] < 80, "the shore is not"
    tab.click("#report")
    report = tab.frame_locator("#report-frame")
    expect(report.locator("h1")).to_have_text(re.compile(re.escape(path.name)), timeout=LONG)
    tab.keyboard.press("Escape")

    made = path.read_bytes()
    path.unlink()
    path.with_suffix(".html").unlink()
    subprocess.run([sys.executable, "-m", "vrm", *copied[1:]], check=True, capture_output=True, timeout=50)
    assert path.read_bytes() == made


def test_two_tabs_show_the_same(tab: Any, address: str) -> None:
    other = tab.context.new_page()
    other.goto(address)
    playwright.expect(other.locator("#facts")).to_contain_text("frames")
    count = other.locator("#things li").count()
    other.keyboard.press("r")
    stage = Stage(other)
    other.mouse.move(*stage.at(200, 20))
    other.mouse.down()
    other.mouse.move(*stage.at(260, 50), steps=3)
    other.mouse.up()
    expect = playwright.expect
    expect(tab.locator("#things li").filter(has_text="on every frame")).to_have_count(1, timeout=20_000)
    tab.keyboard.press("Control+z")
    expect(other.locator("#things li").filter(has_text="on every frame")).to_have_count(0, timeout=20_000)
    assert count <= 1


def test_keys_and_zoom(tab: Any) -> None:
    expect = playwright.expect
    tab.keyboard.press("End")
    expect(tab.locator("#frame")).to_have_value(str(FRAMES - 1))
    tab.keyboard.press("Shift+ArrowLeft")
    expect(tab.locator("#frame")).to_have_value(str(max(0, FRAMES - 11)))
    tab.keyboard.press("p")
    expect(tab.locator("[data-tool=brush]")).to_have_attribute("aria-pressed", "true")
    tab.keyboard.press("+")
    expect(tab.locator("#zoom")).to_have_text("140 %")
    tab.keyboard.press("0")
    expect(tab.locator("#zoom")).to_have_text("100 %")
    tab.keyboard.press("?")
    expect(tab.locator("#keys")).to_be_visible()
    tab.keyboard.press("Escape")
    expect(tab.locator("#keys")).to_be_hidden()
    tab.keyboard.press(" ")
    expect(tab.locator("#frame")).to_have_value(str(FRAMES - 1), timeout=30_000)


CONTRAST = """() => {
  const paper = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (css) => {
    paper.clearRect(0, 0, 1, 1); paper.fillStyle = css; paper.fillRect(0, 0, 1, 1);
    return [...paper.getImageData(0, 0, 1, 1).data];
  };
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const found = rgba(getComputedStyle(e).backgroundColor);
      if (found[3] === 255) return found;
    }
    return [255, 255, 255, 255];
  };
  const said = (e) => e.matches('input, select') || [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
  return [...document.querySelectorAll('body *')].filter((e) => said(e) && e.checkVisibility() && !e.disabled
    && !e.matches('input[type=checkbox], input[type=range], option, .stage *')).map((e) => {
      const style = getComputedStyle(e);
      return { what: e.id || e.className || e.textContent.slice(0, 30), size: parseFloat(style.fontSize),
        text: rgba(style.color), ground: ground(e) };
    });
}"""


def luminance(colour: list[int]) -> float:
    """Relative luminance of an sRGB colour, as WCAG 2 defines it."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (n / 255 for n in colour[:3])]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_the_contrast_of_wcag_aa(tab: Any, scheme: str) -> None:
    tab.emulate_media(color_scheme=scheme)
    tab.keyboard.press("?")
    found = tab.evaluate(CONTRAST)
    assert len(found) > 30
    assert {each["ground"][0] > 128 for each in found if each["what"] == "facts"} == {scheme == "light"}
    for each in found:
        light, dark = sorted((luminance(each["text"]), luminance(each["ground"])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, each


def test_the_tab_key_goes_through_all_controls_in_their_order(tab: Any) -> None:
    """Of a group of modes or tools, too, each button can be reached; and what has the focus can be seen."""
    tab.evaluate(
        "() => { window.all = [...document.querySelectorAll('button, input, select, [tabindex]')]"
        ".filter((e) => e.checkVisibility() && !e.closest('dialog')); document.activeElement.blur(); }"
    )
    seen: list[int] = []
    for _ in range(100):
        tab.keyboard.press("Tab")
        found = tab.evaluate("all.indexOf(document.activeElement)")
        if seen and found <= seen[-1]:
            break
        outline = tab.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert (found >= 0, outline) == (True, "solid"), tab.evaluate("document.activeElement.outerHTML")[:200]
        seen.append(found)
    enabled = tab.evaluate("[...all.keys()].filter((n) => !all[n].disabled)")
    assert len(enabled) > 20
    assert set(enabled) == set(seen)


def test_every_control_has_a_name(tab: Any) -> None:
    nameless = tab.locator("button, input, select, canvas").evaluate_all(
        "all => all.filter(e => !(e.textContent.trim() || e.ariaLabel || e.title || e.labels?.length))"
        ".map(e => e.outerHTML)"
    )
    assert nameless == []
