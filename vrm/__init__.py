"""Remove objects from videos; nothing but the object changes.

>>> import vrm
>>> report = vrm.remove("walk.mp4", "clean.mp4", mask="dog.png")  # doctest: +SKIP

``__init__.pyi`` says the signature of every public call.
"""

from typing import Any

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
    "preview_mask": "vrm.api",
    "remove": "vrm.api",
    "remove_batch": "vrm.api",
    "save_frame": "vrm.api",
    "segment_video": "vrm.api",
    "track_masks": "vrm.api",
    "train_keyframe": "vrm.api",
    "train_savit": "vrm.api",
}
__all__ = sorted([*_PUBLIC, "__version__"])


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
