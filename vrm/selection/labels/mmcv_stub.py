"""mmsegmentation imports compiled operations that mmcv-lite does not have; only models that use none are offered.

A stand-in for ``mmcv._ext`` lets the import pass. Whatever needs an operation of it says so when it is called.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from vrm.errors import UsageError

_NAME = "mmcv._ext"


def allow_mmseg() -> None:
    """Make ``import mmseg.apis`` possible. Raises UsageError where it is not installed."""
    if find_spec("mmseg") is None or find_spec("mmcv") is None:
        raise UsageError(
            "This segmenter needs mmsegmentation, which is not installed.", "Install it: pip install 'vrm[mmseg]'."
        )
    if _NAME in sys.modules or find_spec(_NAME) is not None:
        return

    def lookup(name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)

        def missing(*args: Any, **kwargs: Any) -> Any:
            raise UsageError(
                f"This model needs the compiled operation '{name}' of mmcv, which is not installed.",
                "Choose a model without it, such as SegFormer, DeepLabV3 or PSPNet.",
            )

        return missing

    module = ModuleType(_NAME)
    module.__spec__ = ModuleSpec(_NAME, None)
    module.__getattr__ = lookup  # type: ignore[method-assign]
    sys.modules[_NAME] = module
