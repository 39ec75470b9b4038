"""The tables of the page: which way is better, which is best, and what each measure is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vrm.evaluate.page.summary import clip_sets, costs, measures, methods
from vrm.evaluate.runs.run import RunRow
from vrm.evaluate.scoring.tables import cell
from vrm.metrics.clip import HIGHER_IS_BETTER
from vrm.metrics.means import mean

_NEAR_ONE = ("sharp", "sharp_around", "seam")
_NO_WAY = ("ewarp_truth", "effect_input")
WHAT = {
    "psnr": "error over whole frames, in decibels",
    "hole_psnr": "error in the holes alone, in decibels: what the eye is on",
    "ssim": "likeness of structure over whole frames, 1 = the same",
    "hole_ssim": "likeness of structure in the holes alone",
    "ssim_gauss11": "SSIM with a Gaussian window of 11 pixels",
    "ssim_65": "SSIM with a window of 65 pixels, as the code of several papers has it",
    "ssim_devil": "SSIM as DEVIL computes it, which is inflated",
    "dt": "flicker: error of the change from frame to frame in the holes, in levels of 255",
    "sharp": "fine detail in the holes, over the truth's: below 1 is blurred, above 1 noisy",
    "sharp_around": "fine detail in the holes, over that around them",
    "seam": "steps across the border of the holes, over those beside it",
    "ewarp": "warping error: change along the motion, over whole frames",
    "ewarp_hole": "warping error of pixels in the holes",
    "ewarp_truth": "warping error of the truth itself: a result below it is smoother than the truth",
    "ewarp_own": "warping error along the result's own motion: needs no truth",
    "ewarp_own_hole": "the same, of pixels in the holes",
    "effect_psnr": "error where the object's shadow or reflection was, in decibels",
    "effect_input": "the same of what was given, so of doing nothing there",
    "effect_gain": "the difference of these two",
    "thing_psnr": "error in what the holes hide of a thing that moves, in decibels",
    "pcons": "likeness of patches from frame to frame, in decibels",
    "lpips_alex": "distance as a network sees it (AlexNet)",
    "lpips_vgg": "distance as a network sees it (VGG-16)",
    "pvcs": "distance of short windows as a video network sees it",
}
"""What the measures are, in a few words; docs/evaluate.md says how each is computed."""


@dataclass(frozen=True)
class PageCell:
    """One number, as it is printed."""

    text: str
    spread: str = ""
    best: bool = False


@dataclass(frozen=True)
class PageRow:
    """One method. ``given``: it was given some of the truth, and is best of nothing."""

    method: str
    clips: str
    cells: tuple[PageCell, ...]
    given: bool = False


@dataclass(frozen=True)
class PageTable:
    """Measures by name, and a row for each method, those that were given some of the truth last."""

    title: str
    measures: tuple[str, ...]
    rows: tuple[PageRow, ...]


def was_given(row: RunRow) -> bool:
    """Whether the method saw the truth of some frames."""
    return bool(row.settings.get("given_every"))


def in_order(rows: Sequence[RunRow]) -> list[str]:
    """Methods as they are shown: engines that were given nothing true, baselines, engines that were."""
    kind = {row.method: 2 if was_given(row) else int("baseline" in row.settings) for row in rows}
    return sorted(methods(rows), key=lambda method: kind[method])


def way(name: str) -> str:
    """Which way is better: an arrow, "≈ 1", or nothing where no way is."""
    return "" if name in _NO_WAY else "≈ 1" if name in _NEAR_ONE else "↑" if name in HIGHER_IS_BETTER else "↓"


def page_tables(rows: list[RunRow]) -> list[PageTable]:
    return [page_table(title, own, len(clips)) for title, own, clips in clip_sets(rows)]


def page_table(title: str, rows: list[RunRow], clips: int) -> PageTable:
    """Means over so many clips with their spread; the best of each measure is of methods given nothing true."""
    names = measures(rows)
    found: dict[str, tuple[list[RunRow], list[PageCell]]] = {}
    for method in in_order(rows):
        mine = [row for row in rows if row.method == method]
        own = [row for row in mine if row.score is not None]
        if not own or len(mine) < clips:
            continue
        means = [mean(row.value(name) for row in own) for name in names]
        cells = [
            PageCell(cell(name, one.value), "" if one.spread is None else cell(name, one.spread))
            for name, one in zip(names, means, strict=True)
        ]
        found[method] = own, cells
    for k, name in enumerate(names):
        fair = [cells[k].text for own, cells in found.values() if not was_given(own[0])]
        best = _best(name, fair)
        for own, cells in found.values():
            if cells[k].text == best and not was_given(own[0]):
                cells[k] = PageCell(cells[k].text, cells[k].spread, True)
    return PageTable(
        title,
        tuple(names),
        tuple(
            PageRow(method, str(len(own)), (*cells, *map(PageCell, costs(own))), was_given(own[0]))
            for method, (own, cells) in found.items()
        ),
    )


def headline(rows: list[RunRow]) -> str:
    """How the best engine that was given nothing true compares with OpenCV's inpainting, in a sentence."""
    name = next((name for name in ("hole_psnr", "psnr") if name in measures(rows)), "")
    if not name:
        return ""
    level = {m: mean(row.value(name) for row in rows if row.method == m).value for m in methods(rows)}
    own = {row.method for row in rows if "baseline" not in row.settings and not was_given(row)}
    known = {m: value for m, value in level.items() if m in own and value is not None and math.isfinite(value)}
    if not known:
        return ""
    title = {"hole_psnr": "PSNR in the holes", "psnr": "PSNR"}[name]
    best = max(known, key=lambda method: known[method])
    said = f"{best} is best of the engines that were given nothing true: {known[best]:.1f} dB of {title}"
    telea = level.get("telea")
    if telea is None or not math.isfinite(telea):
        return f"{said}."
    return f"{said}, {known[best] - telea:+.1f} dB against OpenCV's inpainting (Telea) of single frames."


def _best(name: str, texts: list[str]) -> str | None:
    """The best of numbers as they are printed: what looks equal is equal."""
    known = [text for text in texts if text not in ("-", "inf")]
    if len(known) < 2 or name in _NO_WAY:
        return None
    if name in _NEAR_ONE:
        return min(known, key=lambda text: abs(float(text) - 1))
    return (max if name in HIGHER_IS_BETTER else min)(known, key=float)
