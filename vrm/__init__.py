"""Remove objects from videos; nothing but the object changes.

>>> import vrm
>>> report = vrm.remove("walk.mp4", "clean.mp4", mask="dog.png")  # doctest: +SKIP
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vrm.api import evaluate_cases as evaluate_cases
    from vrm.api import evaluate_labels as evaluate_labels
    from vrm.api import evaluate_masks as evaluate_masks
    from vrm.api import evaluate_run as evaluate_run
    from vrm.api import evaluate_score as evaluate_score
    from vrm.api import info as info
    from vrm.api import remove as remove
    from vrm.api import remove_batch as remove_batch
    from vrm.api import segment_video as segment_video
    from vrm.api import track_masks as track_masks
    from vrm.api import train_savit as train_savit
    from vrm.errors import VrmError as VrmError
    from vrm.events import Events as Events
    from vrm.options.batch import BatchOptions as BatchOptions

from vrm.version import __version__ as __version__

_PUBLIC = {
    "BatchOptions": "vrm.options.batch",
    "Events": "vrm.events",
    "VrmError": "vrm.errors",
    "evaluate_cases": "vrm.api",
    "evaluate_labels": "vrm.api",
    "evaluate_masks": "vrm.api",
    "evaluate_run": "vrm.api",
    "evaluate_score": "vrm.api",
    "info": "vrm.api",
    "remove": "vrm.api",
    "remove_batch": "vrm.api",
    "segment_video": "vrm.api",
    "track_masks": "vrm.api",
    "train_keyframe": "vrm.api",
    "train_savit": "vrm.api",
}
__all__ = [
    "BatchOptions",
    "Events",
    "VrmError",
    "__version__",
    "evaluate_cases",
    "evaluate_labels",
    "evaluate_masks",
    "evaluate_run",
    "evaluate_score",
    "info",
    "remove",
    "remove_batch",
    "segment_video",
    "track_masks",
    "train_keyframe",
    "train_savit",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for, so that ``import vrm`` stays cheap."""
    if name not in _PUBLIC:
        from vrm.options.build import REMOVED

        gone = f" any more. {REMOVED[name]}" if name in REMOVED else ""
        raise AttributeError(f"module 'vrm' has no attribute '{name}'{gone}", name=name, obj=None)
    from importlib import import_module

    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return __all__
