"""Label maps in a folder: made by ``vrm segment``, or a user's own PNGs or label video.

A folder holds one map for each frame, as palette or grey PNGs, either directly or under ``classes/``, or a lossless
video ``classes.mkv``; a pixel's value is its class, 255 is void. ``labels.json`` says what the values mean:
``{"taxonomy": "coco-panoptic"}`` or ``{"classes": ["sky", "dog", ...]}``. Without it the values must be the eight
super-categories, 0 to 7.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vrm.errors import MaskError, VideoError
from vrm.events import counted
from vrm.media.read.frame_folder import natural
from vrm.media.read.probe import probe
from vrm.media.read.reader import Reader
from vrm.media.read.stills import image_facts, read_mask
from vrm.selection.labels.base import PanopticMap, Segment, from_classes
from vrm.selection.labels.taxonomy import CATEGORIES, TAXONOMIES, VOID, Taxonomy, categories_only, taxonomy, taxonomy_of
from vrm.types import U8, Pixels, VideoInfo

ABOUT = "labels.json"
_CHUNK = 16


class LabelMaps:
    """The label map of every frame of a video, read when asked for.

    PNGs are in the video's displayed orientation, a label video in the stored one. There may be maps for the frames of
    the span ``(first, last)`` only.

    ``stated``: the folder says what the values mean.

    Raises MaskError: no maps there, or of another size or count than the video, or values without a meaning.
    """

    def __init__(self, folder: Path, info: VideoInfo, span: tuple[int, int] | None = None) -> None:
        if not folder.is_dir():
            raise MaskError(f"The label folder {folder} does not exist.", "Make one: vrm segment VIDEO -o DIR.")
        self.folder, self._info = folder, info
        self._about = _about(folder)
        video = folder / "classes.mkv"
        self._video = probe(video) if video.is_file() else None
        self._files = [] if self._video is not None else _files(folder)
        self.taxonomy = _stated_taxonomy(self._about, folder)
        self.stated = "classes" in self._about or "taxonomy" in self._about
        count = self._video.n_frames if self._video is not None else len(self._files)
        self._frames = self._covered_frames(count, span)
        self._check_sizes()
        self._cache: OrderedDict[int, U8] = OrderedDict()
        if not self.stated:
            self(self._frames[0])  # values without a meaning are refused before any work

    def __call__(self, t: int) -> U8:
        """The classes of frame t of the video, uint8 ``(H, W)`` in the stored orientation; not to be written to.

        A frame that could not be decoded when the maps were made has those of the next one.
        """
        if t not in self._cache:
            planes = dict(self._read(t))
            if t not in planes:
                planes[t] = planes[min(planes)]
            self._cache |= planes
            while len(self._cache) > 2 * _CHUNK:
                self._cache.popitem(last=False)
        return self._cache[t]

    def _read(self, t: int) -> Iterator[tuple[int, U8]]:
        at = min(bisect_left(self._frames, t), len(self._frames) - 1)
        turns, displayed = self._info.rotation // 90, self._info.display_size
        if self._video is not None:
            with Reader(self._video) as reader:
                for frame in reader.frames(at, at + _CHUNK):
                    classes = self._checked(np.asarray(frame.planes[0]), f"frame {frame.index}")
                    if classes.shape != self._info.size:
                        classes = np.ascontiguousarray(np.rot90(classes, turns))
                    yield self._frames[frame.index], classes
            return
        path = self._files[at]
        try:
            plane, _ = read_mask(path)
        except VideoError as error:
            raise MaskError(f"Label map {path} cannot be read: {error.what}", "Save it again as a PNG.") from error
        if plane.ndim != 2 or plane.dtype != np.uint8:
            raise MaskError(
                f"Label map {path} is a colour or 16-bit picture.", "Save it as a palette or 8-bit grey PNG."
            )
        turned = plane if plane.shape != displayed else np.rot90(plane, turns)
        yield self._frames[at], self._checked(np.ascontiguousarray(turned), path.name)

    def _checked(self, plane: np.ndarray, where: str) -> U8:
        counts = cv2.calcHist([plane], [0], None, [256], [0, 256]).ravel()
        used = np.flatnonzero(counts[:VOID])
        if used.size and used[-1] >= len(self.taxonomy.classes):
            raise MaskError(
                f"Label map {where} in {self.folder} holds the value {used[-1]}, but {self.taxonomy.name} has "
                f"{len(self.taxonomy.classes)} classes{'' if self.stated else f', and there is no {ABOUT} beside it'}.",
                f'Say in {ABOUT} what the values mean: {{"taxonomy": NAME}} ({", ".join(TAXONOMIES)}) or '
                '{"classes": [names]}.',
            )
        return np.asarray(plane, np.uint8)

    def _covered_frames(self, count: int, span: tuple[int, int] | None) -> Sequence[int]:
        """The frames that the maps belong to, in order; those that could not be decoded have none."""
        first, last = span if span is not None else (0, self._info.n_frames)
        stated, missing = self._about.get("first_frame"), self._about.get("missing", ())
        if isinstance(stated, int) and isinstance(missing, Sequence) and all(isinstance(n, int) for n in missing):
            whole = range(stated, stated + count + len(missing))
            if stated <= first and whole.stop >= last:
                return [n for n in whole if n not in set(missing)]
        if count == self._info.n_frames:
            return range(count)
        if count == last - first:
            return range(first, last)
        also = f" (or {last - first} for the chosen range)" if last - first != self._info.n_frames else ""
        raise MaskError(
            f"{self.folder} holds label maps of {counted(count, 'frame')}, the video has {self._info.n_frames}{also}.",
            "Give the maps of this video: vrm segment VIDEO -o DIR.",
        )

    def _check_sizes(self) -> None:
        if self._video is not None and self._video.bit_depth != 8:
            raise MaskError(
                f"The label video {self._video.path} has {self._video.bit_depth} bits.",
                "Its values are classes: save it with 8 bits, losslessly, as vrm segment --label-video does.",
            )
        sizes = [(image_facts(path)[:2], path) for path in self._files]
        for size, path in sizes if self._video is None else [(self._video.size, self._video.path)]:
            if size not in (self._info.size, self._info.display_size):
                (h, w), (height, width) = size, self._info.display_size
                raise MaskError(
                    f"Label map {path} is {w}x{h}, but the video is shown at {width}x{height}.",
                    "Label maps must have the size of the video.",
                )


def _about(folder: Path) -> dict[str, Any]:
    path = folder / ABOUT
    if not path.exists():
        return {}
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MaskError(f"{path} cannot be read: {error}.", "It must be JSON.") from error
    if not isinstance(record, dict):
        raise MaskError(f"{path} is not a JSON object.", 'Write {"taxonomy": "coco-panoptic"} or {"classes": [...]}.')
    return record


def _stated_taxonomy(about: dict[str, Any], folder: Path) -> Taxonomy:
    classes = about.get("classes")
    if isinstance(classes, list) and all(isinstance(name, str) for name in classes) and 0 < len(classes) <= VOID:
        return taxonomy_of(classes, str(about.get("taxonomy") or folder.name))
    if classes is not None:
        raise MaskError(f'"classes" in {folder / ABOUT} is not a list of 1 to {VOID} names.')
    name = about.get("taxonomy")
    if name is None or name == "categories":
        return categories_only()
    if name not in TAXONOMIES:
        raise MaskError(
            f"{folder / ABOUT} names the taxonomy '{name}'.",
            f"Known are {', '.join(TAXONOMIES)} and categories ({', '.join(CATEGORIES)}).",
        )
    return taxonomy(name)


def _files(folder: Path) -> list[Path]:
    inner = folder / "classes"
    where = inner if inner.is_dir() else folder
    files = sorted(where.glob("*.png"), key=natural)
    if not files:
        raise MaskError(f"The label folder {folder} holds no PNGs.", "Make label maps: vrm segment VIDEO -o DIR.")
    return files


class PrecomputedLabels:
    """Label maps that exist already, as a ``vrm.selection.labels.base.Segmenter``."""

    device, dtype = "", ""

    def __init__(self, maps: LabelMaps) -> None:
        self._maps = maps
        self.taxonomy = maps.taxonomy
        self.name = f"labels of {maps.folder.name}"

    def label(self, frame: Pixels, t: int = 0) -> PanopticMap:
        """The map of frame t: each connected area of a class of things is a thing, all stuff of a class one segment."""
        classes = self._maps(t)
        semantic = from_classes(classes)
        ids, segments = semantic.ids.copy(), []
        for segment in semantic.segments:
            if not self.taxonomy.things[segment.label]:
                segments.append(segment)
                continue
            count, pieces = cv2.connectedComponents((classes == segment.label).astype(np.uint8))
            for n in range(1, count):
                number = 1000 + len(segments)
                segments.append(Segment(number, segment.label))
                ids[pieces == n] = number
        return PanopticMap(ids, tuple(segments))
