"""What is taken along beside the video: the session, and the masks of all frames; nothing there is overwritten."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from vrm.media.write.png import write_png
from vrm.options.session import PickSession
from vrm.page.followed import MASKS, Followed
from vrm.page.masks import drawn
from vrm.system.files import atomic_folder, atomic_write


def save_session(session: PickSession, saved: Path | None) -> Path:
    """Write a session into its file, or beside its video if it has none yet; returns where. Raises OutputError."""
    video = Path(session.video)
    path = saved or free_path(video.with_name(f"{video.stem}-pick.json"))
    atomic_write(path, session.to_json(path.parent))
    return path


def save_masks(session: PickSession, followed: Followed) -> Path:
    """Write the masks of all frames, with the rectangles, beside the video; returns where. Raises OutputError."""
    video = Path(session.video)
    folder = free_path(video.with_name(f"{video.stem}-masks"))
    with atomic_folder(folder, "Masks") as partial:
        shutil.copytree(followed.folder / MASKS, partial)
        if session.rectangles:
            more = drawn(session.rectangles, session.size)
            for t in range(session.frames):
                mask = followed.mask(t)
                write_png(partial / f"{t:05d}.png", (more if mask is None else mask | more).astype(np.uint8) * 255)
    return folder


def free_path(path: Path) -> Path:
    """This path, or one with a number that nothing has yet."""
    names = [path, *(path.with_name(f"{path.stem}-{n}{path.suffix}") for n in range(2, 1000))]
    return next(each for each in names if not each.exists())
