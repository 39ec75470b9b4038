"""The jobs of a batch, from inputs or a manifest: each checked as far as that goes without opening a video."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vrm.batch.inputs import Source, find_sources, is_folder_of_videos, match_masks
from vrm.batch.manifest import WRITTEN, ManifestRow, read_manifest, refuse
from vrm.batch.mask_sizes import misfit
from vrm.batch.naming import default_output, is_folder, output_for, output_in, preview_name, refuse_empty
from vrm.batch.tasks import failure
from vrm.errors import MaskError, OutputError, UsageError, VideoError, VrmError
from vrm.job.preflight import read_by, refuse_clashes, written_by
from vrm.media.write.containers import distinct_names
from vrm.options.batch import BatchOptions
from vrm.options.build import build_options
from vrm.options.declare import options_of
from vrm.options.remove import RemoveOptions

_SELECTING = ("mask", "labels", "segmenter", "sam", "class_", "point", "not_point", "box", "object", "mask_frame")
"""Options that select: a line of a manifest that has one of its own takes none of them from the command line."""


@dataclass(frozen=True)
class BatchJob:
    """One video of many.

    Attributes:
        index: from 0, in the order of the work.
        words: for ``build_options``.
        line: of the manifest, or 0.
        exists: the output is there, and stays as it is.
        error: why it cannot be done, see ``vrm.batch.tasks.failure``; empty as far as is known.
        alone: the only input of the command, named by itself: its error and exit code are the command's.
    """

    index: int
    input: Path
    output: Path
    words: dict[str, Any] = field(default_factory=dict)
    line: int = 0
    exists: bool = False
    error: dict[str, Any] = field(default_factory=dict)
    alone: bool = False

    @property
    def where(self) -> str:
        return f"line {self.line}" if self.line else str(self.input)

    @property
    def pairing(self) -> str:
        """What belongs together, in words."""
        mask = f", mask {self.words['mask']}" if self.words.get("mask") is not None else ""
        return f"{self.input} -> {self.output}{mask}{', exists and stays' if self.exists else ''}"


def plan_inputs(
    inputs: Sequence[Path], output: str | Path | None, words: dict[str, Any], batch: BatchOptions, listed: bool = False
) -> tuple[list[BatchJob], list[str]]:
    """Jobs for files and folders, and notes.

    One file, or one folder of frames, may name its output and has its mask to itself. Otherwise, and where the inputs
    are ``listed`` by a program, ``output`` is a folder, and a ``mask`` or ``labels`` folder holds one of each video's
    name.

    Raises VrmError: anything that can be seen to be wrong before the first video is opened.
    """
    if output is not None:
        refuse_empty(output)
    kept = [_only_path(words, word) for word in ("mask", "labels", "save_masks", "export_keyframes")]
    leave = [Path(path) for path in (output, *kept) if path is not None]
    sources, notes = find_sources(inputs, batch.recursive, leave, results=output is None)
    if len(sources) == 1 and sources[0].path in inputs and not listed:
        return [_single(sources[0], output, words, batch)], notes
    common, reports = _common(words)
    options = _options(common)
    if output is not None and Path(output).exists() and not Path(output).is_dir():
        raise UsageError(f"-o {output} is a file, but there are {len(sources)} videos.", "Give a folder.")
    own: list[dict[str, Any]] = [{} for _ in sources]
    errors: list[dict[str, Any]] = [{} for _ in sources]
    for word, what in (("mask", "mask"), ("labels", "folder of label maps")):
        folder = _only_path(common, word)
        if folder is not None and folder.is_dir():
            for k, found in enumerate(match_masks(folder, sources, what)):
                if isinstance(found, MaskError):
                    errors[k] = failure(found)
                else:
                    own[k][word] = found
            del common[word]
    for each, name, source in zip(own, distinct_names([s.path for s in sources]), sources, strict=True):
        for word in ("save_masks", "export_keyframes"):
            if word in common:
                each[word] = Path(common[word]) / source.below / name
    jobs: list[BatchJob] = []
    for source, each, error in zip(sources, own, errors, strict=True):
        target = _target(source, output, options)
        jobs.append(BatchJob(len(jobs), source.path, target, common | each | _report(target, reports), error=error))
    return _checked(jobs, batch, None if output is None else Path(output)), notes


def plan_manifest(path: Path, output: str | Path | None, words: dict[str, Any], batch: BatchOptions) -> list[BatchJob]:
    """Jobs for the lines of a manifest; the command line's words hold where a line has none. Raises UsageError."""
    common, reports = _common(words)
    for word in ("save_masks", "export_keyframes"):
        if word in common:
            raise UsageError(f"--{word.replace('_', '-')} belongs to one video.", "Give the manifest a column of it.")
    root = path.parent if output is None else Path(output)
    jobs: list[BatchJob] = []
    wrong: list[str] = []
    for row in read_manifest(path):
        try:
            job = _line(len(jobs), row, root, common, named=output is not None)
            jobs.append(replace(job, words=_report(job.output, reports) | job.words))
            if not batch.allow_outside:
                _refuse_outside(jobs[-1], root)
        except VrmError as error:
            wrong.append(f"line {row.line}: {error}")
    refuse(path, wrong)
    return _checked(jobs, batch, root)


def _single(source: Source, output: str | Path | None, words: dict[str, Any], batch: BatchOptions) -> BatchJob:
    options = _options(words)
    named = output is not None and not is_folder(output) and bool(Path(output).suffix or source.path.is_dir())
    target = output_for(source.path, output, options) if named else _target(source, output, options)
    job = BatchJob(0, source.path, target, words, alone=True)
    return _checked([job], batch, None if output is None else target.parent)[0]


def _line(index: int, row: ManifestRow, root: Path, common: dict[str, Any], *, named: bool) -> BatchJob:
    """The job of a line. ``named``: the output folder was named, so that results have their inputs' names."""
    own = row.words | {word: _placed(root, row.words[word]) for word in WRITTEN if word in row.words}
    given = {k: v for k, v in common.items() if k not in _SELECTING or not own.keys() & set(_SELECTING)} | own
    options = _options(given)
    masks = [("mask", path) for path in options.mask.paths]
    for what, there in (("input", row.input), *masks, ("labels", options.mask.labels)):
        if there is not None and not there.exists():
            raise VideoError(f"its {what} {there} cannot be found")
    if is_folder_of_videos(row.input):
        raise UsageError(f"its input {row.input} is a folder: name the videos in it, a line each")
    if row.output is not None:
        target = _placed(root, row.output)
        if not row.input.is_dir() and (
            row.output.endswith(("/", "\\")) or target.is_dir() or target == _placed(root, ".")
        ):
            target = output_in(target, row.input, options)
        elif options.preview:
            target = preview_name(target)
    else:
        target = output_in(root, row.input, options) if named else root / default_output(row.input, options).name
    return BatchJob(index, row.input, target, given, row.line)


def _only_path(words: dict[str, Any], word: str) -> Path | None:
    """The path that a word names; None where it names none, or masks of several frames."""
    path = options_of(RemoveOptions)[word].read(words[word]) if words.get(word) is not None else None
    return path if isinstance(path, Path) else None


def _placed(root: Path, written: object) -> Path:
    """A path below ``root``, or elsewhere if it says so; what is written may have ``..`` behind a folder to be made."""
    return Path(os.path.normpath(root / str(written)))


def _refuse_outside(job: BatchJob, root: Path) -> None:
    for word, place in {"output": job.output, **{w: job.words[w] for w in WRITTEN if w in job.words}}.items():
        if not _inside(Path(place), root):
            raise UsageError(f"its {word.replace('_', '-')} {place} lies outside {root}", "(see --allow-outside)")


def _options(words: dict[str, Any]) -> RemoveOptions:
    """The checked options. Raises UsageError, also where nothing is selected."""
    options = build_options(**words)
    if not options.mask.given:
        raise UsageError("Nothing says what to remove.", "Give --mask, --point, --box or --class (mask= in Python).")
    return options


def _common(words: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The options of each of several videos, and the kind of reports: "html", "json" or "". Raises UsageError."""
    if "keyframe" in words:
        raise UsageError("--keyframe belongs to one video.", "Name it in a line of a manifest: --manifest.")
    common = dict(words)
    reports = str(common.pop("report", "")).lower()
    if reports not in ("", "html", "json"):
        raise UsageError(
            f"--report {reports} is one file, but there are several videos.",
            "Write --report html or --report json: one lies beside each result.",
        )
    return common, reports


def _report(target: Path, kind: str) -> dict[str, Any]:
    return {"report": target.with_name(f"{target.name}.{kind}")} if kind else {}


def _inside(path: Path, root: Path) -> bool:
    """Whether a path lies below ``root``; links are followed, for what matters is where the bytes are written."""
    return path.resolve().is_relative_to(root.resolve())


def _target(source: Source, output: str | Path | None, options: RemoveOptions) -> Path:
    if output is None:
        return default_output(source.path, options)
    return output_in(Path(output) / source.below, source.path, options)


def _checked(jobs: list[BatchJob], batch: BatchOptions, root: Path | None) -> list[BatchJob]:
    """The jobs, if none is in the way of another; those whose output exists are marked.

    Folders below ``root`` will be made; others have to be there.
    """
    overwrite = any(job.words.get("overwrite") for job in jobs)
    if overwrite and batch.skip_existing:
        raise UsageError("--overwrite and --skip-existing cannot be combined.")
    _refuse_overwriting(jobs)
    there = [job for job in jobs if job.output.exists()]
    if there and not overwrite and not batch.skip_existing:
        few = ", ".join(str(job.output) for job in there[:5]) + (" ..." if len(there) > 5 else "")
        raise OutputError(
            f"{len(there)} of {len(jobs)} outputs exist: {few}.",
            "Add --skip-existing, --overwrite, or choose another folder.",
        )
    if not overwrite:
        _refuse_existing([job for job in jobs if not job.output.exists()])
    for job in jobs:
        folder = job.output.absolute().parent
        if not folder.is_dir() and (root is None or not _inside(folder, root)):
            raise OutputError(f"The folder {folder} for the output of {job.where} does not exist.", "Create it first.")
    jobs = [replace(job, exists=True) if job.output.exists() and batch.skip_existing else job for job in jobs]
    return [job if job.exists or job.error or job.alone else _with_mask_checked(job) for job in jobs]


def _with_mask_checked(job: BatchJob) -> BatchJob:
    options = build_options(**job.words)
    errors = (misfit(job.input, path, options.stream) for path in options.mask.paths)
    error = next((error for error in errors if error is not None), None)
    return job if error is None else replace(job, error=failure(error))


def _refuse_overwriting(jobs: list[BatchJob]) -> None:
    """Refuse jobs that would overwrite what they, or other jobs, read or write. Raises UsageError."""
    known = [(job, build_options(**job.words)) for job in jobs]
    read = {path.resolve(): (job, what) for job, options in known for path, what in read_by(job.input, options).items()}
    read |= {job.input.resolve(): (job, "input") for job in jobs}
    written: dict[Path, BatchJob] = {}
    for job, options in known:
        for option, path in written_by(job.output, options).items():
            place = path.resolve()
            what = "output" if option == "-o" else option
            if place in read:
                other, of_it = read[place]
                raise UsageError(
                    f"The {what} {path} of {job.where} is the {of_it} of {other.where}.", "Sources stay as they are."
                )
            other = written.setdefault(place, job)
            if other is not job:
                raise UsageError(
                    f"{other.where} and {job.where} would both be written to {path}.",
                    "Rename one, keep sub-folders with --recursive, or give outputs in a manifest.",
                )
        refuse_clashes(job.input, job.output, options)


def _refuse_existing(jobs: list[BatchJob]) -> None:
    """Refuse jobs whose reports, masks or exported keyframes would overwrite a file. Raises OutputError."""
    there = [
        path
        for job in jobs
        for option, path in written_by(job.output, build_options(**job.words)).items()
        if option != "-o" and path.exists() and not (path.is_dir() and not any(path.iterdir()))
    ]
    if there:
        few = ", ".join(str(path) for path in there[:5]) + (" ..." if len(there) > 5 else "")
        raise OutputError(f"{few} exists.", "Choose another place or give --overwrite.")
