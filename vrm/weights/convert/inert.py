"""Checkpoints that hold more than tensors, read without running anything in them.

A pickle names functions and classes, and reading it calls them. Here each name that tensors do not need stands for a
placeholder which does nothing: the hyper-parameters and callbacks that PyTorch Lightning puts beside the tensors are
read past, and so is whatever a hostile file would call.
"""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_DTYPES = {
    "DoubleStorage": torch.float64, "FloatStorage": torch.float32, "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32,
    "ShortStorage": torch.int16, "CharStorage": torch.int8, "ByteStorage": torch.uint8, "BoolStorage": torch.bool,
}  # fmt: skip
"""What the classes of ``torch`` that storages are named by hold."""


class Placeholder:
    """Stands for a class or function that is not read: may be called, filled and given a state, and keeps nothing."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Placeholder:
        return super().__new__(cls)

    def _ignore(self, *args: Any) -> None:
        pass

    __setstate__ = __setitem__ = append = extend = add = _ignore


def holds_tensors(path: Path) -> bool:
    """Whether a file is a zip as ``torch.save`` writes it since torch 1.6, with a tensor in it."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any("/data/" in name for name in archive.namelist())


def read_inert(path: Path) -> Any:
    """What such a file holds, on the CPU; all but plain values and tensors are placeholders.

    Raises whatever a damaged file does.
    """
    with zipfile.ZipFile(path) as archive:
        inside = next((name for name in archive.namelist() if name.endswith("/data.pkl")), "data.pkl")
        with archive.open(inside) as file:
            return _Unpickler(file, archive, inside.removesuffix("data.pkl")).load()


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: Any, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(file)
        self.archive, self.folder = archive, folder
        self.storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Every name a pickle holds comes through here, and none is imported."""
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        known = _known().get((module, name))
        return known or type(name, (Placeholder,), {"__module__": module})

    def persistent_load(self, pid: tuple[str, torch.dtype, str, str, int]) -> Tensor:
        """The flat tensor of a storage; its bytes are a member of the archive."""
        _, dtype, key, _, count = pid
        if key not in self.storages:
            held = bytearray(self.archive.read(f"{self.folder}data/{key}"))
            self.storages[key] = torch.frombuffer(held, dtype=dtype, count=count) if count else torch.empty(0).to(dtype)
        return self.storages[key]


def _known() -> dict[tuple[str, str], Callable[..., Any]]:
    """The only names that stand for what they say. The functions are new ones each time: a pickle can set attributes
    on what it is given."""
    return {
        ("collections", "OrderedDict"): OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): lambda flat, offset, size, stride, *_: flat.as_strided(
            size, stride, offset
        ),
        ("torch._utils", "_rebuild_parameter"): lambda data, *_: data,
    }
