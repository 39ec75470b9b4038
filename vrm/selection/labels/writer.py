"""The folder that ``vrm segment`` writes: maps, segments, a preview, and a summary by class."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vrm.media.frame.frame import Frame
from vrm.media.frame.pixel_layout import layout_of
from vrm.media.write.plan import plan_output
from vrm.media.write.png import write_index, write_png
from vrm.media.write.preview import preview_frame, preview_plan
from vrm.media.write.threaded import ThreadedWriter
from vrm.options.remove import OutputOptions
from vrm.selection.labels.maps import ABOUT
from vrm.selection.labels.segment_ids import SegmentIds
from vrm.selection.labels.taxonomy import CATEGORIES, VOID, Taxonomy, category_palette
from vrm.selection.labels.temporal_vote import LabelledFrame
from vrm.types import U8, VideoInfo

_LEGEND = 26
"""Rows of the preview's legend."""


@dataclass
class ClassSummary:
    """Where a class is in the video: first and last frame of each unbroken stretch, and ids of its things.

    ``total`` and ``largest`` are its share of the frame, summed over its frames, and at most. Stuff has one id.
    """

    frames: int = 0
    spans: list[list[int]] = field(default_factory=list)
    total: float = 0.0
    largest: float = 0.0
    ids: set[int] = field(default_factory=set)


class LabelWriter:
    """Fills an empty folder frame by frame: maps as PNGs or lossless video, ``preview.mp4``; used as a context."""

    def __init__(self, folder: Path, info: VideoInfo, ids: SegmentIds, *, video: bool, preview: bool) -> None:
        self.seen: dict[int, ClassSummary] = {}
        self._folder, self._info, self._taxonomy, self._ids = folder, info, ids.taxonomy, ids
        self._video, self._preview = video, preview
        self._palettes = {"classes": ids.taxonomy.palette, "categories": category_palette()}
        self._open = ExitStack()
        self._streams: dict[str, ThreadedWriter] = {}

    def __enter__(self) -> LabelWriter:
        (self._folder / "segments").mkdir()
        for name in self._palettes:
            if self._video:
                grey = replace(self._info, pix_fmt="gray", bit_depth=8)
                options = OutputOptions(lossless=True)
                plan = plan_output(grey, self._folder / f"{name}.mkv", options, copy_streams=False)
                self._streams[name] = self._open.enter_context(ThreadedWriter(plan))
            else:
                (self._folder / name).mkdir()
        return self

    def __exit__(self, *exc: Any) -> None:
        self._open.__exit__(*exc)

    def add(self, frame: LabelledFrame, source: Frame) -> None:
        """Write one frame; ``source`` gives its times."""
        classes = self._ids.classes(frame.voted)
        for name, plane in (("classes", classes), ("categories", self._taxonomy.table[classes])):
            if self._video:
                times = source.index, source.pts, source.duration, source.time_base
                self._streams[name].add(Frame.from_planes((plane,), layout_of("gray"), *times))
            else:
                write_index(self._folder / name / f"{frame.t:05d}.png", self._shown(plane), self._palettes[name])
        values, segments = self._segments(frame)
        write_png(self._folder / "segments" / f"{frame.t:05d}.png", values)
        text = json.dumps({"frame": frame.t, "segments": segments})
        (self._folder / "segments" / f"{frame.t:05d}.json").write_text(text + "\n", encoding="utf-8")
        if self._preview:
            self._add_preview(frame, source)

    def _shown(self, plane: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.rot90(plane, -self._info.rotation // 90))

    def _segments(self, frame: LabelledFrame) -> tuple[np.ndarray, list[dict[str, Any]]]:
        """Segments as a uint16 map of values from 1, and facts of each; boxes are x, y, width, height."""
        from scipy.ndimage import find_objects  # slow to import, and vrm remove does without

        shown = self._shown(frame.voted)
        counts = np.bincount(shown.ravel())
        numbers = [int(n) for n in np.flatnonzero(counts) if n]
        table = np.zeros(len(counts), np.uint16)
        table[numbers] = np.arange(1, len(numbers) + 1)
        values = table[shown]
        segments = []
        for k, (number, place) in enumerate(zip(numbers, find_objects(values), strict=True), 1):
            label = self._ids.class_of(number)
            rows, columns = place
            box = [columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start]
            names = {"class": self._taxonomy.classes[label], "category": self._category(label)}
            score, area = frame.scores.get(number), int(counts[number])
            segments.append({"id": k, "track": number, **names, "score": score, "box": box, "area": area})
            self._count(label, number, frame.t, float(counts[number]) / shown.size)
        return values, segments

    def _category(self, label: int) -> str:
        return CATEGORIES[self._taxonomy.categories[label]]

    def _count(self, label: int, number: int, t: int, share: float) -> None:
        seen = self.seen.setdefault(label, ClassSummary())
        last = seen.spans[-1][1] if seen.spans else -2
        if last != t:
            seen.frames += 1
        if last < t - 1:
            seen.spans.append([t, t])
        seen.spans[-1][1] = t
        seen.total += share
        seen.largest = max(seen.largest, share)
        seen.ids.add(number)

    def _add_preview(self, frame: LabelledFrame, source: Frame) -> None:
        picture = self._shown(overlay(frame.shown, frame.after, self._taxonomy))
        stored = np.ascontiguousarray(np.rot90(_with_legend(picture), self._info.rotation // 90))
        if "preview" not in self._streams:
            plan = preview_plan(self._info, self._folder / "preview.mp4", stored.shape[:2])
            self._streams["preview"] = self._open.enter_context(ThreadedWriter(plan))
        self._streams["preview"].add(preview_frame(stored, source))

    def finish(self, about: dict[str, Any]) -> None:
        """Write ``labels.json``: what the values mean, ``about``, and a summary by class."""
        record = {
            "taxonomy": self._taxonomy.name, "classes": self._taxonomy.classes, "void": VOID,
            "categories": CATEGORIES, "category_of_class": self._taxonomy.categories,
            **about, "seen": list(self.rows()),
        }  # fmt: skip
        (self._folder / ABOUT).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")

    def rows(self) -> Iterator[dict[str, Any]]:
        """A row for each class, largest first; ``area`` is its mean share of the frames that it is on."""
        for label, seen in sorted(self.seen.items(), key=lambda item: -item[1].total):
            yield {
                "class": self._taxonomy.classes[label], "category": self._category(label), "frames": seen.frames,
                "first": seen.spans[0][0], "last": seen.spans[-1][1], "spans": seen.spans,
                "things": len(seen.ids) if self._taxonomy.things[label] else 0,
                "area": seen.total / seen.frames, "largest": seen.largest,
            }  # fmt: skip


def overlay(shown: U8, classes: U8, taxonomy: Taxonomy) -> U8:
    """A picture ``(h, w, 3)`` with its classes laid over it in their super-categories' colours, borders drawn."""
    height, width = shown.shape[:2]
    labels = cv2.resize(classes, (width, height), interpolation=cv2.INTER_NEAREST)
    colours = category_palette()[taxonomy.table[labels]]
    mixed = cv2.addWeighted(shown, 0.55, colours, 0.45, 0)
    borders = np.zeros(labels.shape, np.bool_)
    borders[1:] |= labels[1:] != labels[:-1]
    borders[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    mixed[borders] = 255
    return np.asarray(mixed, np.uint8)


def _with_legend(picture: np.ndarray) -> np.ndarray:
    """The picture above a row of the super-categories' names, of even size."""
    height, width = (n + n % 2 for n in picture.shape[:2])
    out = np.zeros((height + _LEGEND, width, 3), np.uint8)
    out[: picture.shape[0], : picture.shape[1]] = picture
    step = width / len(CATEGORIES)
    for k, name in enumerate(CATEGORIES):
        x = round(k * step)
        out[height:, x : round((k + 1) * step)] = category_palette()[k]
        size = min(0.45, step / 190)
        cv2.putText(out, name, (x + 3, height + 18), cv2.FONT_HERSHEY_SIMPLEX, size, (255, 255, 255), 1, cv2.LINE_AA)
    return out
