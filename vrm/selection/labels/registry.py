"""Which segmenter a folder or a name means, and which one is taken where none is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vrm.errors import UsageError, WeightsError
from vrm.options.remove import EngineOptions
from vrm.selection.cpu_fallback import CpuFallback, Note, silent
from vrm.selection.labels.base import PanopticMap, Segmenter
from vrm.selection.labels.hugging_face import KINDS
from vrm.selection.labels.openmmlab import allow_mmseg, is_mmdet, is_openmmlab
from vrm.selection.pretrained import model_type
from vrm.system.extras import needed_by
from vrm.types import Pixels
from vrm.weights.cards import located, own_folder


class MovableSegmenter:
    """A segmenter that falls back to the processor."""

    def __init__(self, make: Callable[[EngineOptions], Segmenter], options: EngineOptions, note: Note) -> None:
        self._fallback = CpuFallback(make, options, note)
        model = self._fallback.model
        self.name, self.taxonomy, self.device, self.dtype = model.name, model.taxonomy, model.device, model.dtype

    def label(self, frame: Pixels, t: int = 0) -> PanopticMap:
        found = self._fallback.use(lambda model: model.label(frame, t))
        self.device, self.dtype = self._fallback.model.device, self._fallback.model.dtype
        return found


def create_segmenter(name: str | None, options: EngineOptions, note: Note = silent) -> Segmenter:
    """The segmenter that ``--segmenter`` names, or the first of the user's weights; ``note`` is told which.

    Raises UsageError: none is named and there is none; WeightsError: there is no such segmenter, files are missing, or
    it is of another kind; MissingPackage: see ``vrm.system.extras``.
    """
    if name is None:
        name = first_of_own()
        note(f"Labelled by {name}, the first segmenter among your weights; --segmenter chooses another.")
    path = located(name, "segmenter", "--segmenter")
    if not path.is_dir():
        raise WeightsError(
            f"--segmenter {name} is a file.", "Give the folder with the model's configuration and weights."
        )
    with needed_by("--segmenter", "mmseg" if is_openmmlab(path) else "panoptic"):
        return MovableSegmenter(lambda options: _from_folder(path, options), options, note)


def first_of_own() -> str:
    """The name of the first segmenter among the user's weights. Raises UsageError: there is none."""
    for folder in sorted(path for path in own_folder().glob("[!.]*") if path.is_dir()):
        try:
            if is_openmmlab(folder) or model_type(folder) in KINDS:
                return folder.name
        except WeightsError:
            continue
    raise UsageError(
        "Nothing says how to label the video.",
        "Give --segmenter (a model's folder or name) or --labels (a folder of label maps); or get a model once and for "
        "all: vrm weights fetch facebook/mask2former-swin-tiny-coco-panoptic",
    )


def _from_folder(path: Path, options: EngineOptions) -> Segmenter:
    from vrm.selection.labels.hugging_face import HuggingFaceSegmenter
    from vrm.selection.labels.mmdet import MmdetSegmenter
    from vrm.selection.labels.mmseg import MmsegSegmenter
    from vrm.system.device import choose

    if not is_openmmlab(path):
        return HuggingFaceSegmenter(path, choose(options))
    allow_mmseg()
    return (MmdetSegmenter if is_mmdet(path) else MmsegSegmenter)(path, choose(options))
