"""Where a result goes: the name of one by default, and the place of each of many."""

from __future__ import annotations

from pathlib import Path

from vrm.errors import UsageError
from vrm.options.remove import RemoveOptions

CLEAN, PREVIEW = "-clean", "-preview"
"""What the names of results and previews end with. A preview has a name of its own, so that nothing takes it for the
result."""


def output_for(input: Path, output: str | Path | None, options: RemoveOptions) -> Path:
    """Where the result of one video goes: as named, into a folder that is named, or beside the video.

    Raises UsageError: the name is empty.
    """
    if output is None:
        return default_output(input, options)
    refuse_empty(output)
    if is_folder(output) and not input.is_dir():
        return output_in(Path(output), input, options)
    return preview_name(Path(output)) if options.preview else Path(output)


def default_output(input: Path, options: RemoveOptions) -> Path:
    """``clip.mp4`` becomes ``clip-clean.mp4`` beside it, a folder ``shots`` ``shots-clean``.

    A preview ends in ``-preview`` instead. ``.mkv`` replaces an ending that is not written here, or that cannot hold
    FFV1 (lossless output without a codec). A still picture becomes a PNG, an animated one stays of its kind.
    """
    end = PREVIEW if options.preview else CLEAN
    if input.is_dir():
        return input.with_name(f"{input.resolve().name}{end}")
    return input.with_name(f"{input.stem}{end}{_ending(input, options)}")


def output_in(folder: Path, input: Path, options: RemoveOptions) -> Path:
    """``clip.mp4`` in the folder: the input's own name, with the ending it can be written with; of a preview
    ``clip-preview.mp4``."""
    if input.is_dir():
        target = folder / input.resolve().name
    else:
        target = folder / f"{input.stem}{_ending(input, options)}"
    return preview_name(target) if options.preview else target


def preview_name(target: Path) -> Path:
    """``clip.mp4`` becomes ``clip-preview.mp4``; a name that ends so already stays."""
    return target if target.stem.endswith(PREVIEW) else target.with_name(f"{target.stem}{PREVIEW}{target.suffix}")


def refuse_empty(output: str | Path) -> None:
    if not str(output):
        raise UsageError("The name of the output is empty.", "Name a file or a folder, or leave -o out.")


def is_folder(output: str | Path) -> bool:
    """Whether an output names a folder that results go into: one that is there, or a text that ends in a slash."""
    return str(output).endswith(("/", "\\")) or Path(output).is_dir()


def _ending(input: Path, options: RemoveOptions) -> str:
    from vrm.media.read.frame_folder import is_frames
    from vrm.media.write.containers import ANIMATIONS, CONTAINERS

    if is_frames(input):
        return ".png"
    animation = ANIMATIONS.get(input.suffix.lower())
    if animation is not None and options.output.codec in (None, animation.codec):
        return ".mkv" if options.output.lossless and animation.codec == "gif" else input.suffix
    written = (".mkv", ".avi") if options.output.lossless and options.output.codec is None else CONTAINERS
    return input.suffix if input.suffix.lower() in written else ".mkv"
