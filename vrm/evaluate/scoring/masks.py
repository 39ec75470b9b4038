"""Masks of objects compared with true ones: J and F of DAVIS, by clip, object and frame."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vrm.errors import BatchError, MaskError, VideoError
from vrm.evaluate.cases.clips import choose, find_clips
from vrm.evaluate.cases.sequence import NEARLY_ALL, ImageSequence, open_sequence, same_shape
from vrm.events import Events, counted
from vrm.media.read.clips import clip_paths
from vrm.media.read.frame_folder import PICTURE_ENDINGS
from vrm.media.read.stills import read_mask
from vrm.metrics.means import mean
from vrm.metrics.regions import contour_accuracy, region_similarity
from vrm.report.tables import text_table
from vrm.types import U8

VOID = 255
"""In palette masks with several ids: neither object nor background."""


@dataclass(frozen=True)
class ClipAgreement:
    """J and F of each object of one clip by id (1 where masks have none), as means over the frames compared."""

    frames: int
    objects: dict[int, tuple[float, float]]

    @property
    def means(self) -> tuple[float, float]:
        j, f = (sum(pair[k] for pair in self.objects.values()) / len(self.objects) for k in (0, 1))
        return j, f


@dataclass
class MaskResult:
    """J and F of one folder of masks, by clip; ``missing`` are the clips without masks."""

    name: str
    clips: dict[str, ClipAgreement] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """The object of ``--json``; J, F and J&F are means over clips, in ``over_objects`` over all objects."""
        objects = [pair for clip in self.clips.values() for pair in clip.objects.values()]
        return {
            "name": self.name,
            "clips": len(self.clips),
            **_j_and_f([clip.means for clip in self.clips.values()]),
            "over_objects": {"objects": len(objects), **_j_and_f(objects)},
            "missing": self.missing,
            "per_clip": {
                name: {"frames": clip.frames, "objects": len(clip.objects), **_j_and_f([clip.means])}
                for name, clip in self.clips.items()
            },
        }


@dataclass(frozen=True)
class MaskTable:
    """What ``vrm evaluate masks`` prints: J and F of every folder of masks."""

    results: tuple[MaskResult, ...]

    def lines(self) -> str:
        return "".join(json.dumps(result.to_dict(), ensure_ascii=False) + "\n" for result in self.results)

    def table(self) -> str:
        rows = [["result", "clip", "frames", "objects", "J", "F", "J&F"]]
        means = []
        for result in self.results:
            for name, clip in result.clips.items():
                counts = [str(clip.frames), str(len(clip.objects))]
                rows.append([result.name, name, *counts, *_cells(_j_and_f([clip.means]))])
            objects = sum(len(clip.objects) for clip in result.clips.values())
            frames = sum(clip.frames for clip in result.clips.values())
            counts = [counted(len(result.clips), "clip"), str(frames), str(objects)]
            means.append([result.name, *counts, *_cells(result.to_dict())])
        return text_table([*rows, *means])

    def complete(self) -> None:
        if missing := [f"{result.name}: {', '.join(result.missing)}" for result in self.results if result.missing]:
            raise BatchError(f"Masks are missing: {'; '.join(missing)}.", "Name the clips you want with --clips.")


def compare_masks(
    truth: Path,
    results: list[Path],
    events: Events,
    *,
    clips: tuple[str, ...] = (),
    skip: frozenset[int] = frozenset(),
    invert: bool = False,
) -> MaskTable:
    """J and F of folders of masks.

    Where both sides are palette PNGs, they are compared id by id (255 is void), else as one object, thresholded at
    half of the largest value.

    Args:
        truth: clips with masks (see ``find_clips``), or a folder of ``NAME/00000.png``.
        results: folders of ``NAME.mp4``, or in the layouts of ``truth``.
        clips: names or patterns; empty = all.
        skip: frames that were given and do not count; negative ones count from the end.
        invert: 0 is the object.

    Raises:
        VideoError: folders are unreadable, or their counts or sizes differ (before anything is compared).
        MaskError: nearly everything is masked, or no frame is left to compare.
        UsageError: there is no such clip.
    """
    references = _references(truth)
    names = choose(sorted(references), clips, str(truth)) if clips else sorted(references)
    found = [MaskResult(path.resolve().name) for path in results]
    pairs = []
    for path, result in zip(results, found, strict=True):
        if not path.is_dir():
            raise VideoError(f"{path} is not a folder.", "Masks lie in RESULTS/NAME/00000.png or RESULTS/NAME.mp4.")
        annotated = {place.name: place.masks for place in clip_paths(path) if place.masks is not None}
        for name in names:
            own = open_sequence(path / name, "masks", "mask") or open_sequence(path, name)
            if own is None and name in annotated:
                own = ImageSequence(annotated[name])
            if own is None:
                result.missing.append(name)
                continue
            same_shape(own, references[name], f"the result {result.name}", "the truth", name)
            pairs.append((result, name, own))
    events.stage("masks", len(pairs))
    for result, name, own in pairs:
        result.clips[name] = _compared(references[name], own, name, skip, invert)
        events.advance("masks")
    return MaskTable(tuple(found))


def _references(truth: Path) -> dict[str, ImageSequence]:
    if not truth.is_dir():
        raise VideoError(f"{truth} is not a folder.", "Give a folder of clips with masks.")
    plain = {
        path.name: ImageSequence(path)
        for path in sorted(truth.iterdir())
        if path.is_dir() and any(p.suffix.lower() in PICTURE_ENDINGS for p in path.iterdir())
    }
    if plain:
        return plain
    masked = {clip.name: clip.masks for clip in find_clips(truth) if clip.masks is not None and not clip.masks.files}
    if not masked:
        raise VideoError(f"No masks were found in {truth}.", "They lie in NAME/masks, Annotations/NAME or NAME.")
    return masked


def _compared(truth: ImageSequence, own: ImageSequence, name: str, skip: frozenset[int], invert: bool) -> ClipAgreement:
    count = len(truth)
    skipped = {t % count for t in skip if -count <= t < count}
    if len(skipped) == count:
        raise MaskError(f"Clip {name}: each of its {counted(count, 'frame')} is left out.")
    by_id = not invert and _has_ids(truth) and _has_ids(own)
    sums = {k: np.zeros(2) for k in (_ids(truth) if by_id else [1])}
    masked = np.zeros(2)
    for t, (x, y) in enumerate(zip(_planes(truth, by_id, invert), _planes(own, by_id, invert), strict=True)):
        masked += [(x > 0).mean(), (y > 0).mean()]
        if t not in skipped:
            for k in sums:
                pair = (y == k, x == k)
                sums[k] += region_similarity(*pair), contour_accuracy(*pair)
    for what, share in zip(("truth", "result"), masked / count, strict=True):
        if share > NEARLY_ALL:
            raise MaskError(
                f"Clip {name}: {100 * share:.0f}% of the {what} is masked.",
                "White is the object; if black is, give --invert-mask.",
            )
    used = count - len(skipped)
    return ClipAgreement(used, {k: (float(s[0]) / used, float(s[1]) / used) for k, s in sums.items()})


def _has_ids(masks: ImageSequence) -> bool:
    return bool(masks.listed) and read_mask(masks.listed[0])[1]


def _ids(masks: ImageSequence) -> list[int]:
    """The ids in a clip; 255 is an object if it is the only one."""
    found = {int(k) for path in masks.listed for k in np.unique(read_mask(path)[0])} - {0}
    return sorted(found - {VOID} or found or {1})


def _planes(masks: ImageSequence, by_id: bool, invert: bool) -> Iterator[U8]:
    """Uint8 ``(H, W)`` of each frame: ids, or 1 in the object."""
    if not masks.listed:
        for frame in masks.stream():
            grey = frame.max(2) > np.iinfo(frame.dtype).max // 2
            yield (grey != invert).astype(np.uint8)
        return
    for path in masks.listed:
        pixels, indexed = read_mask(path)
        plane = pixels if pixels.ndim == 2 else pixels[..., :3].max(2)
        if by_id:
            yield np.asarray(plane, np.uint8)
            continue
        marked = plane > (0 if indexed else np.iinfo(plane.dtype).max // 2)
        yield (marked != invert).astype(np.uint8)


def _j_and_f(pairs: list[tuple[float, float]]) -> dict[str, float | None]:
    j, f = (mean(pair[k] for pair in pairs).value for k in (0, 1))
    return {"j": j, "f": f, "jf": None if j is None or f is None else (j + f) / 2}


def _cells(values: dict[str, Any]) -> list[str]:
    return ["-" if values[key] is None else f"{values[key]:.3f}" for key in ("j", "f", "jf")]
