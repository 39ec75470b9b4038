"""Work on several frames at once: numpy and OpenCV let other Python threads run while they compute."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import cv2

Item = TypeVar("Item")
Result = TypeVar("Result")


def parallel_map(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """``function`` of each item, in order, on as many threads as OpenCV may use (``cv2.setNumThreads``).

    It must be safe to call from several threads. When the caller stops early, the items not begun are dropped.
    """
    work = list(items)
    threads = min(cv2.getNumThreads(), len(work))
    if threads < 2:
        yield from map(function, work)
        return
    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(function, work)
