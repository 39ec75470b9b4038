"""Where a result goes: the name of one by default, and the place of each of many."""

from __future__ import annotations

from pathlib import Path

from vrm.options.remove import RemoveOptions

CLEAN, PREVIEW = "-clean", "-preview"
"""What the names of results and previews end with. A preview has a name of its own, so that nothing takes it for the
result."""


def output_for(input: Path, output: str | Path | None, options: RemoveOptions) -> Path:
    """Where the result of one video goes: as named, into a folder that is named (and made here), or beside the video.

    Raises OSError: the folder cannot be made.
    """
    if output is None:
        return default_output(input, options)
    if is_folder(output) and not input.is_dir():
        Path(output).mkdir(parents=True, exist_ok=True)
        return output_in(Path(output), input, options)
    return preview_name(Path(output)) if options.preview else Path(output)


def default_output(input: Path, options: RemoveOptions) -> Path:
    """``clip.mp4`` becomes ``clip-clean.mp4`` beside it, a folder ``shots`` ``shots-clean``.

    A preview ends in ``-preview`` instead. ``.mkv`` replaces an ending that is not written here, or that cannot hold
    FFV1 (lossless output without a codec).
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


def is_folder(output: str | Path) -> bool:
    """Whether an output names a folder that results go into: one that is there, or a text that ends in a slash."""
    return str(output).endswith(("/", "\\")) or Path(output).is_dir()


def _ending(input: Path, options: RemoveOptions) -> str:
    from vrm.media.write.containers import CONTAINERS

    written = (".mkv", ".avi") if options.output.lossless and options.output.codec is None else CONTAINERS
    return input.suffix if input.suffix.lower() in written else ".mkv"
