"""Clips and pictures to train on: found in a folder, read at the size of training, sampled by number."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from torch.utils.data import DataLoader, Dataset

from vrm.errors import EngineError, UsageError, VideoError, VrmError
from vrm.events import counted
from vrm.media.read.clips import clip_paths, named_pictures
from vrm.media.read.frame_folder import PICTURE_ENDINGS, frame_files
from vrm.media.read.probe import probe
from vrm.media.read.stills import read_image, read_mask
from vrm.train.data.decoded import at_size, decoded
from vrm.train.data.masks import free_form_masks
from vrm.types import U8, Bool

_DECODED = 1000
"""Frames of a video, the first ones, that are decoded for samples."""

_MIDDLE = 320
"""Frames of a clip, from its middle, that key frames are drawn from."""

_PICTURES = 512
"""Pictures that stay in memory: about 1 MB each at the default side."""


@dataclass(frozen=True)
class TrainingClip:
    """One clip."""

    name: str  # of its folder, or of its file without the ending
    path: Path  # the folder of frames, or the video
    frames: tuple[Path, ...] = ()  # the pictures in order; none for a video
    labels: tuple[Path, ...] = ()  # its super-category maps in the same order


def find_clips(data: Path, labels: Path | None = None, least: int = 1) -> list[TrainingClip]:
    """Every clip of a folder (``vrm.media.read.clips``) that has at least ``least`` frames.

    A clip's truth is taken where it lies beside frames with holes, as in the cases of ``vrm evaluate cases``.
    ``data`` is YouTube-VOS, DAVIS, or a folder of videos and of folders of frames; ``labels`` has a folder of maps for
    each clip, None = none are wanted. Raises UsageError: there is no clip, or not as many labels as frames.
    """
    if not data.is_dir():
        raise UsageError(f"{data} is not a folder.", "Give a folder of videos or of folders of frames.")
    found = []
    for place in clip_paths(data):
        if place.frames is None or place.name == "labels":
            continue
        truth = named_pictures(place.path, "truth", "gt") if place.path.is_dir() else None
        path = truth or place.frames
        files = tuple(frame_files(path)) if path.is_dir() else ()
        count = len(files) or (probe(path).n_frames if least > 1 else 1)
        if count >= least:
            clip = TrainingClip(place.name, path, files)
            found.append(clip if labels is None else _labelled(clip, labels, count))
    if not found:
        raise UsageError(
            f"{data} holds no clip of at least {counted(least, 'frame')}.",
            "Put videos into it, or folders of numbered frames.",
        )
    return found


def _labelled(clip: TrainingClip, labels: Path, count: int) -> TrainingClip:
    maps = _maps(labels / clip.name / "categories") or _maps(labels / clip.name)
    if len(maps) != count:
        raise UsageError(
            f"{labels / clip.name} holds {counted(len(maps), 'label map')}, the clip {counted(count, 'frame')}.",
            f"Make them: --segmenter MODEL, or vrm segment {clip.path} -o {labels / clip.name}; "
            "or train a configuration without labels.",
        )
    return replace(clip, labels=maps)


def _maps(folder: Path) -> tuple[Path, ...]:
    try:
        return tuple(frame_files(folder))
    except VideoError:
        return ()


def hold_out(clips: list[TrainingClip], names: tuple[str, ...]) -> tuple[list[TrainingClip], list[TrainingClip]]:
    """Clips for training, and those of the names (by default every eighth) for validation. Raises UsageError."""
    there = [clip.name for clip in clips]
    unknown = [name for name in names if name not in there]
    if unknown:
        raise UsageError(f"There is no clip '{unknown[0]}' to hold out.", f"There are: {', '.join(there)}.")
    held_out = set(names or (there[7::8] if len(there) > 7 else there[-1:] if len(there) > 1 else ()))
    training = [clip for clip in clips if clip.name not in held_out]
    if not training:
        raise UsageError("All clips are held out: nothing is left to train on.", "Leave some out of --held-out.")
    return training, [clip for clip in clips if clip.name in held_out]


@dataclass(frozen=True)
class Sample:
    """Frames of one clip with holes over them."""

    frames: U8  # (T, H, W, 3)
    holes: Bool  # (T, H, W)
    labels: U8 | None  # (T, H, W), super-categories 0..7


class ClipDataset(Dataset[Sample | VrmError]):
    """Samples of ``count`` frames of clips by number; equal numbers give equal samples.

    Args:
        clips: at least one.
        size: height and width that frames are brought to.
        scratch: videos are decoded into this folder once.
        validation: samples are consecutive frames from the middle of each clip in turn, never flipped.
        local: as E2FGVI samples: the first ``local`` frames are consecutive, the others from anywhere in the clip.
            0 = as FuseFormer samples: in half of the samples all are consecutive, in the others none need be.
    """

    def __init__(
        self, clips: Sequence[TrainingClip], size: tuple[int, int], count: int, seed: int, scratch: Path,
        validation: bool = False, local: int = 0,
    ) -> None:  # fmt: skip
        self.clips, self.size, self.count, self.seed = list(clips), size, count, seed
        self.scratch, self.validation, self.local = scratch, validation, local

    def __getitem__(self, index: int) -> Sample | VrmError:
        """Sample number ``index``, or in its place why it cannot be had.

        An exception would leave a worker process as the text of its traceback.
        """
        try:
            return self.sample(index)
        except VrmError as error:
            return error
        except (OSError, MemoryError) as error:
            return EngineError(f"A sample for training cannot be read: {type(error).__name__}: {error}.")

    def sample(self, index: int) -> Sample:
        """Sample number ``index``. Raises VideoError if its clip cannot be read."""
        rng = np.random.default_rng((self.seed, index))
        clip = self.clips[index % len(self.clips) if self.validation else int(rng.integers(len(self.clips)))]
        times = self._times(len(clip.frames) or len(self._decoded(clip)), rng)
        frames = self._frames(clip, times)
        labels = self._labels(clip, times) if clip.labels else None
        if not self.validation and rng.random() < 0.5:
            frames = np.ascontiguousarray(frames[:, :, ::-1])
            labels = None if labels is None else np.ascontiguousarray(labels[:, :, ::-1])
        return Sample(frames, free_form_masks(self.count, self.size, rng), labels)

    def _times(self, length: int, rng: np.random.Generator) -> np.ndarray:
        """The frames of a sample from a clip of ``length`` frames."""
        if self.validation:
            return np.arange(self.count) + (length - self.count) // 2
        if self.local:
            first = np.arange(self.local) + int(rng.integers(length - self.local + 1))
            others = np.setdiff1d(np.arange(length), first)
            return np.concatenate([first, np.sort(rng.choice(others, self.count - self.local, replace=False))])
        if rng.random() < 0.5:
            return np.sort(rng.choice(length, self.count, replace=False))
        return np.arange(self.count) + int(rng.integers(length - self.count + 1))

    def _frames(self, clip: TrainingClip, times: np.ndarray) -> U8:
        if clip.frames:
            return np.stack([at_size(read_image(clip.frames[t]), self.size) for t in times])
        return np.stack([self._decoded(clip)[t] for t in times])

    def _labels(self, clip: TrainingClip, times: np.ndarray) -> U8:
        maps = []
        for t in times:
            labels = read_mask(clip.labels[t])[0]
            if labels.ndim != 2 or labels.max() > 7:
                raise UsageError(f"{clip.labels[t]} is not a map of super-categories 0 to 7.")
            maps.append(cv2.resize(labels, self.size[::-1], interpolation=cv2.INTER_NEAREST))
        return np.stack(maps).astype(np.uint8)

    def _decoded(self, clip: TrainingClip) -> U8:
        """A video's frames at the size of training; decoded on first use."""
        found = decoded(clip.path, self.scratch, self.size, range(_DECODED))
        if len(found) < self.count:
            raise VideoError(
                f"Of {clip.path} only {counted(len(found), 'frame')} can be decoded, {self.count} are needed."
            )
        return found


def _unchanged(sample: Any) -> Any:
    """Worker processes are handed this by name."""
    return sample


def load_samples(dataset: ClipDataset, numbers: range, workers: int) -> Iterator[Sample]:
    """The samples of those numbers in order, read ahead by worker processes; 0 workers = in this one."""
    loader = DataLoader(dataset, None, sampler=numbers, num_workers=workers, collate_fn=_unchanged)
    try:
        for sample in loader:
            if isinstance(sample, VrmError):
                raise sample
            yield sample
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise EngineError(
            f"A process that reads clips ended: {str(error).splitlines()[0]}",
            "Is there enough memory? Give fewer workers in [training] of a --config file; 0 reads in the main process.",
        ) from error


class PictureDataset:
    """Every picture in a folder; or, where there are none, the middle frames of every clip in it.

    Those whose shorter side is longer than ``shorter`` are reduced to it; clips are decoded into the folder
    ``scratch``, when they are first asked for. Raises UsageError: the folder holds neither.
    """

    def __init__(self, data: Path, shorter: int, scratch: Path) -> None:
        if not data.is_dir():
            raise UsageError(f"{data} is not a folder.", "Give a folder of pictures or videos.")
        self.paths = [path for path in sorted(data.iterdir()) if path.suffix.lower() in PICTURE_ENDINGS]
        self._are_pictures = bool(self.paths)
        if not self.paths:
            self.paths = [clip.path for clip in find_clips(data)]
        self._shorter, self._scratch = shorter, scratch
        self._picture = functools.lru_cache(_PICTURES)(self._read)

    def split(self, share: float) -> tuple[PictureDataset, PictureDataset]:
        """Pictures or clips for training, and an evenly spread share of them, at least one, for validation.

        Raises UsageError: none would be left for training.
        """
        count = max(1, round(len(self) * share))
        if len(self) <= count:
            raise UsageError("That is too little to train on.", "Give at least two pictures or clips.")
        step = len(self) // count
        held_out = self.paths[::step][:count]
        return self._only([path for path in self.paths if path not in held_out]), self._only(held_out)

    def _only(self, paths: list[Path]) -> PictureDataset:
        part = copy(self)
        part.paths = paths
        return part

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> Sequence[U8]:
        """One picture, or the frames of one clip (mapped from a file): uint8 RGB ``(H, W, 3)``."""
        path = self.paths[number]
        if self._are_pictures:
            return [self._picture(path)]
        info = probe(path)
        start = max(0, (info.n_frames - _MIDDLE) // 2)
        return decoded(path, self._scratch, self._reduced(info.size), range(start, start + _MIDDLE))  # type: ignore[return-value]

    def _read(self, path: Path) -> U8:
        image = read_image(path)
        return at_size(image, self._reduced((image.shape[0], image.shape[1])))

    def _reduced(self, size: tuple[int, int]) -> tuple[int, int]:
        scale = min(1.0, self._shorter / min(size))
        return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
