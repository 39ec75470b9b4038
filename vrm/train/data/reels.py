"""Clips that training reads frame by frame: YouTube-VOS, DAVIS, or any folder of videos and folders of frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from vrm.errors import UsageError, VideoError
from vrm.media.read.frame_folder import frame_files
from vrm.media.read.probe import probe
from vrm.media.read.stills import read_image, read_mask
from vrm.media.write.containers import CONTAINERS
from vrm.system.files import writing
from vrm.train.data.decoded import at_size, decoded
from vrm.train.data.masks import holes
from vrm.types import U8, Bool

_ROOTS = (
    "train_all_frames/JPEGImages",
    "train/JPEGImages",
    "JPEGImages/480p",
    "JPEGImages/Full-Resolution",
    "JPEGImages",
)
"""Where YouTube-VOS and DAVIS keep the folders of their videos' frames."""

_MOST = 1000  # frames of a video that are decoded ahead


@dataclass(frozen=True)
class Reel:
    """One clip.

    Attributes:
        name: of its folder, or of its file without the ending.
        path: the folder of frames, or the video.
        frames: the pictures in order; none for a video.
        labels: its super-category maps in the same order; none without.
    """

    name: str
    path: Path
    frames: tuple[Path, ...] = ()
    labels: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Sample:
    """Frames of one clip with holes over them.

    Attributes:
        frames: uint8 ``(T, H, W, 3)``.
        holes: bool ``(T, H, W)``.
        labels: uint8 ``(T, H, W)``, super-categories 0..7, or None.
    """

    frames: U8
    holes: Bool
    labels: U8 | None


def find_reels(data: Path, labels: Path | None, least: int) -> list[Reel]:
    """Every clip of a folder that has at least ``least`` frames, by name.

    Args:
        data: YouTube-VOS, DAVIS, or a folder of videos and of folders of frames (or of folders that hold ``frames``).
        labels: a folder with a folder of maps for each clip; None = none are wanted.
        least: frames.

    Raises:
        UsageError: there is none, or a clip has no labels or not as many as frames.
    """
    if not data.is_dir():
        raise UsageError(f"{data} is not a folder.", "Give a folder of videos or of folders of frames.")
    root = next((data / inner for inner in _ROOTS if (data / inner).is_dir()), data)
    found = []
    for path in sorted(root.iterdir()):
        if path.is_file() and path.suffix.lower() in CONTAINERS:
            reel, count = Reel(path.stem, path), probe(path).n_frames
        elif path.is_dir() and path.name != "labels" and (files := _pictures(path)):
            reel, count = Reel(path.name, path, files), len(files)
        else:
            continue
        if count >= least:
            found.append(reel if labels is None else _labelled(reel, labels, count))
    if not found:
        raise UsageError(
            f"{root} holds no clip of at least {least} frames.", "Put videos into it, or folders of frames."
        )
    return found


def _pictures(folder: Path) -> tuple[Path, ...]:
    for place in (folder, folder / "frames"):
        try:
            return tuple(frame_files(place))
        except VideoError:
            continue
    return ()


def _labelled(reel: Reel, labels: Path, count: int) -> Reel:
    maps = _pictures(labels / reel.name / "categories") or _pictures(labels / reel.name)
    if len(maps) != count:
        raise UsageError(
            f"{labels / reel.name} holds {len(maps)} label maps, the clip {count} frames.",
            f"Make them: --segmenter MODEL, or vrm segment {reel.path} -o {labels / reel.name}; "
            "or train a configuration without labels.",
        )
    return Reel(reel.name, reel.path, reel.frames, maps)


class Footage:
    """Samples of clips; equal numbers give equal samples.

    Args:
        reels: at least one.
        size: height and width they are brought to.
        count: frames of a sample.
        seed: of everything random.
        scratch: videos are decoded into this folder once.
        still: samples are looked at, not learned from: consecutive frames of the middle, never flipped.
        local: so many frames, the first ones, always follow one another, the others are from anywhere in the clip, as
            E2FGVI samples; 0 = in half of the samples all follow one another, as FuseFormer samples.
    """

    def __init__(
        self,
        reels: Sequence[Reel],
        size: tuple[int, int],
        count: int,
        seed: int,
        scratch: Path,
        still: bool = False,
        local: int = 0,
    ) -> None:
        self.reels, self.size, self.count, self.seed = list(reels), size, count, seed
        self.scratch, self.still, self.local = scratch, still, local

    def sample(self, index: int) -> Sample:
        """Sample number ``index``. Raises VideoError where a clip cannot be read."""
        rng = np.random.default_rng((self.seed, index))
        reel = self.reels[index % len(self.reels) if self.still else int(rng.integers(len(self.reels)))]
        length = len(reel.frames) or len(self._decoded(reel))
        if self.still:
            times = np.arange(self.count) + (length - self.count) // 2
        elif self.local:
            first = np.arange(self.local) + int(rng.integers(length - self.local + 1))
            others = np.setdiff1d(np.arange(length), first)
            times = np.concatenate([first, np.sort(rng.choice(others, self.count - self.local, replace=False))])
        elif rng.random() < 0.5:
            times = np.sort(rng.choice(length, self.count, replace=False))
        else:
            times = np.arange(self.count) + int(rng.integers(length - self.count + 1))
        frames = self._frames(reel, times)
        labels = self._labels(reel, times) if reel.labels else None
        if not self.still and rng.random() < 0.5:
            frames = np.ascontiguousarray(frames[:, :, ::-1])
            labels = None if labels is None else np.ascontiguousarray(labels[:, :, ::-1])
        return Sample(frames, holes(self.count, self.size, rng), labels)

    def _frames(self, reel: Reel, times: np.ndarray) -> U8:
        if reel.frames:
            return np.stack([at_size(read_image(reel.frames[t]), self.size) for t in times])
        return np.stack([self._decoded(reel)[t] for t in times])

    def _labels(self, reel: Reel, times: np.ndarray) -> U8:
        maps = []
        for t in times:
            labels = read_mask(reel.labels[t])[0]
            if labels.ndim != 2 or labels.max() > 7:
                raise UsageError(f"{reel.labels[t]} is not a map of super-categories 0 to 7.")
            maps.append(cv2.resize(labels, self.size[::-1], interpolation=cv2.INTER_NEAREST))
        return np.stack(maps).astype(np.uint8)

    def _decoded(self, reel: Reel) -> U8:
        """A video's frames at the size of training, from the scratch folder; decoded on first use."""
        with writing(f"Decoded clips cannot be written to {self.scratch}"):
            found = decoded(reel.path, self.scratch, self.size, range(_MOST))
        if len(found) < self.count:
            raise VideoError(f"Of {reel.path} only {len(found)} frames can be decoded, {self.count} are needed.")
        return found
