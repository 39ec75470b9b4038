"""Packages that only some options need: which extra brings each, and what to type where it is missing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from vrm.errors import MissingPackage

EXTRAS = {
    "torch": "torch",
    "torchvision": "torch",
    "segment_anything": "torch",
    "transformers": "panoptic",
    "huggingface_hub": "panoptic",
    "mmseg": "mmseg",
    "mmcv": "mmseg",
    "mmengine": "mmseg",
    "lpips": "metrics",
    "ray": "ray",
    "starlette": "page",
    "uvicorn": "page",
    "rapidocr": "text",
    "onnxruntime": "text",
}
"""The extra of pyproject.toml that brings an optional package, by the name it is imported by."""


@contextlib.contextmanager
def needed_by(what: str, extra: str | None = None) -> Iterator[None]:
    """Around code that imports optional packages: a missing one becomes MissingPackage, with the lines to type.

    Args:
        what: begins the message: "--engine savit".
        extra: the one that brings all that ``what`` needs; None = the one that brings the missing package.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = missing_package(error, what, extra)
        if missing is None:
            raise
        raise missing from error


def missing_package(error: ModuleNotFoundError, what: str, extra: str | None = None) -> MissingPackage | None:
    """See ``needed_by``; None if it is no optional package that was not found."""
    package = (error.name or "").partition(".")[0]
    if package not in EXTRAS:
        return None
    extra = extra or EXTRAS[package]
    return MissingPackage(
        f"{what} needs {package}, which is not installed.",
        f'Install it: pip install "vrm[{extra}]" or uv pip install "vrm[{extra}]"; '
        f"in a clone: uv run --extra {extra} vrm ...",
    )
