"""Label maps put to use: the masks of the classes a user names, and the labels that engines ask for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from vrm.errors import MaskError
from vrm.job.context import Job
from vrm.selection.labels.inside_hole import complete_frame
from vrm.selection.labels.maps import ABOUT, LabelMaps
from vrm.selection.labels.taxonomy import CATEGORIES
from vrm.selection.labels.video import label_video
from vrm.selection.masks.load import LoadedMasks
from vrm.types import U8, Masks


def load_classes(job: Job) -> LoadedMasks:
    """Every pixel of the classes that ``--class`` names, frame by frame, drop-outs not yet closed.

    Raises VrmError: an unknown class, labels that do not fit, weights that are missing.
    """
    names, maps = job.options.mask.classes, _maps(job)
    if not maps.stated:
        _check_categories(job, maps, names)
    table = np.zeros(256, np.bool_)
    table[list(maps.taxonomy.find(names))] = True
    masks = Masks(job.info.size, job.info.n_frames)
    present = np.zeros(256, np.bool_)
    job.events.stage("read labels", job.last - job.first)
    for t in range(job.first, job.last):
        plane = maps(t)
        masks[t] = table[plane]
        present[np.unique(plane)] = True
        job.events.advance("read labels")
    if not masks.empty:
        return LoadedMasks(masks)
    there = ", ".join(c for c, found in zip(maps.taxonomy.classes, present, strict=False) if found) or "nothing known"
    note = f"--class {','.join(names)} is on no frame: the video passes through. On it are: {there}."
    return LoadedMasks(masks, (note,))


def check_labels(job: Job) -> None:
    """Look at the label maps that engines will ask for before there is any work. Raises MaskError: they do not fit."""
    if job.options.mask.labels is not None:
        _maps(job)


def _check_categories(job: Job, maps: LabelMaps, names: tuple[str, ...]) -> None:
    """Label maps that do not say what their values mean are of super-categories: refuse other names."""
    without = f"{maps.folder} has no {ABOUT}, so its values are taken for the super-categories 0 to 7"
    unknown = [name for name in names if name.lower() not in CATEGORIES]
    if unknown:
        raise MaskError(
            f"{without}, and '{unknown[0]}' is none of them ({', '.join(CATEGORIES)}).",
            f'Say what the values mean in {maps.folder / ABOUT}: {{"taxonomy": "coco-panoptic"}} or '
            '{"classes": [names]}.',
        )
    job.note(f"{without} ({', '.join(CATEGORIES)}).")


def _maps(job: Job) -> LabelMaps:
    return LabelMaps(job.options.mask.labels or label_video(job), job.info, (job.first, job.last))


def labels_for_engine(job: Job, holes: Masks) -> Callable[[int], U8] | None:
    """The labels that engines ask a shot for, or None where the user gave neither labels nor a segmenter.

    ``labels(t)`` gives the super-categories of frame t, 0 to 7, uint8 ``(H, W)`` in the stored orientation. In the
    holes, grown masks, the labels around replace those of what is removed.

    Raises VrmError: labels that do not fit, weights that are missing.
    """
    if job.options.mask.labels is None and job.options.mask.segmenter is None:
        return None
    maps = _maps(job)
    if job.options.mask.oracle_labels:
        job.note("Labels in the hole are taken as they are (--oracle-labels): an oracle, not a result to be compared.")
        return lambda t: maps.taxonomy.table[maps(t)]
    return lambda t: complete_frame(maps.taxonomy.table[maps(t)], holes[t])
