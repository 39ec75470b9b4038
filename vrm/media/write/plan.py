"""What will be written, decided and checked before any work: codec, pixel format, streams, and what is lost."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from vrm.errors import OutputError, UsageError
from vrm.media.frame.pixel_layout import PixelLayout, layout_of
from vrm.media.read.frame_folder import PICTURE_ENDINGS
from vrm.media.read.source_facts import SourceFacts, read_facts
from vrm.media.write.containers import CONTAINERS, FRAMES, container_of
from vrm.media.write.encoder_choice import asked_layout, choose_video, picture_words
from vrm.media.write.encoders import PictureFormat
from vrm.media.write.streams import CopiedStreams, StreamPlan, muxer_options, plan_streams
from vrm.options.remove import OutputOptions
from vrm.system.files import partial_path
from vrm.types import Colour, VideoInfo

_SYSTEM = (".DS_Store", "Thumbs.db", "desktop.ini")
"""What file managers leave in folders."""


@dataclass(frozen=True)
class OutputPlan:
    """How the output is written. ``picture`` and ``options`` open the encoder; see ``plan_output``.

    Attributes:
        path: the file, or the folder where container is "frames".
        container: FFmpeg's muxer, or "frames".
        encoder: FFmpeg's encoder; "png" for frames.
        codec: the codec it writes.
        picture: size, pixel format, colour, times the encoder is opened with.
        layout: the planar layout of the frames it is given.
        time_base: of the pts that are written: the source's own; the frame period in AVI.
        start: when the source's first frame is shown, in seconds.
        source, stream: the file that the other streams are copied from, and its video stream that is worked on; None =
            nothing is copied.
        exact_times: the encoder is given the times; else it counts frames, and their packets get the times afterwards.
        lossless: decoding gives the frames' samples back.
        streams: the source's other streams that come along.
        display_matrix: nine integers, or empty.
        chapters: whether the source's come along.
        notes: a line for each decision that the user should know of.
        kept, lost: what comes along, and everything that does not.
        any_codec: see ``containers.open_file``.
    """

    path: Path
    container: str
    encoder: str
    codec: str
    picture: PictureFormat
    layout: PixelLayout
    options: dict[str, str] = field(default_factory=dict)
    muxer_options: dict[str, str] = field(default_factory=dict)
    time_base: Fraction = Fraction(1, 1000)
    start: Fraction = Fraction(0)
    source: Path | None = None
    stream: int = 0
    exact_times: bool = True
    lossless: bool = False
    streams: tuple[StreamPlan, ...] = ()
    display_matrix: tuple[int, ...] = ()
    chapters: bool = False
    overwrite: bool = False
    notes: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    any_codec: bool = False

    @property
    def pix_fmt(self) -> str:
        return self.picture.pix_fmt

    @property
    def colour(self) -> Colour:
        return self.picture.colour


def plan_output(
    info: VideoInfo, out: Path, options: OutputOptions, *, copy_streams: bool = True, side_by_side: bool = False
) -> OutputPlan:
    """Decide and check everything about the output before any work is done.

    The codec family, profile, bit depth, chroma format, times, colour and the other streams stay the source's own
    where the container and the encoders can hold them; what cannot be kept is converted, refused, or named in ``lost``.
    Encoder and container are opened in memory, so that what they refuse shows now.

    Args:
        out: the file to write, or the folder for a folder of frames.
        copy_streams: take the source's other streams, chapters and metadata along.
        side_by_side: frames are twice as wide as the source's, and nothing else is taken along: a preview.

    Raises:
        UsageError: unknown codec, pixel format or ending; the output is the input.
        OutputError: the output exists or cannot be written there; the container cannot hold what is asked.
    """
    if side_by_side:
        info, copy_streams = replace(info, width=2 * info.width), False
    if info.container == FRAMES and not out.suffix:
        _check_target(info, out, options, folder=True)
        return _plan_frames(info, out, options)
    container = container_of(out)
    _check_target(info, out, options, folder=False)
    facts = SourceFacts(info.time_base) if info.container == FRAMES else read_facts(info.path, info.stream)
    video = choose_video(info, facts, container, options, out)
    whole = copy_streams and info.container != FRAMES
    copied = plan_streams(info, container, options.audio) if whole else CopiedStreams()
    options_of_encoder = video.options
    if copied.any_codec:  # the muxer that is asked first does not say that Matroska wants headers
        options_of_encoder = video.options | {"flags": video.options.get("flags", "") + "+global_header"}
    kept, lost, notes = picture_words(info, facts, video, container)
    if whole and facts.chapters:
        (kept if container.chapters else lost).append(f"{facts.chapters} chapters")
    return OutputPlan(
        out,
        container.muxer,
        video.encoder.name,
        video.encoder.codec,
        video.picture,
        video.layout,
        options_of_encoder,
        muxer_options(info, container, video.time_base, copied.streams),
        video.time_base,
        facts.start,
        info.path if whole else None,
        info.stream,
        video.encoder.exact_times and container.muxer != "avi",
        video.lossless,
        tuple(copied.streams),
        facts.display_matrix,
        bool(facts.chapters) and whole and container.chapters,
        options.overwrite,
        tuple(video.notes + notes + copied.notes),
        tuple(kept + copied.kept),
        tuple(lost + copied.lost),
        copied.any_codec,
    )


def _check_target(info: VideoInfo, out: Path, options: OutputOptions, *, folder: bool) -> None:
    if _same(out, info.path):
        raise UsageError(f"The output {out} is the input itself.", "Choose another name: the source is never replaced.")
    parent = out.absolute().parent
    if not parent.is_dir():
        what = "is not a folder" if parent.exists() else "does not exist"
        raise OutputError(f"The folder {parent} for the output {what}.", "Create it first, or choose another one.")
    if folder and out.is_symlink():
        raise OutputError(f"The output {out} is a symbolic link.", "Give the folder it leads to, or another name.")
    if out.exists() or out.is_symlink():
        if out.is_dir() != folder:
            kind = "a folder" if out.is_dir() else "a file"
            raise OutputError(f"The output {out} is {kind} already.", "Choose another name.")
        if not options.overwrite:
            raise OutputError(f"The output {out} exists already.", "Add --overwrite, or choose another name.")
        if folder:
            _refuse_other_things(out)
    probe = partial_path(out).with_suffix(".test")
    try:
        probe.touch()
        probe.unlink()
    except OSError as err:
        raise OutputError(
            f"Nothing can be written to the folder {parent}: {err.strerror}.", "Choose another folder for the output."
        ) from err


def _refuse_other_things(folder: Path) -> None:
    """Raise OutputError unless a folder that is to be replaced as a whole holds frames alone."""
    for path in folder.iterdir():
        if not (path.is_file() and path.suffix.lower() in PICTURE_ENDINGS) and path.name not in _SYSTEM:
            raise OutputError(
                f"The folder {folder} holds more than frames ({path.name}), and is not replaced.",
                "Choose another name, or remove it yourself.",
            )


def _same(out: Path, source: Path) -> bool:
    try:
        return out.resolve() == source.resolve() or (out.exists() and out.samefile(source))
    except OSError:
        return False


def _plan_frames(info: VideoInfo, out: Path, options: OutputOptions) -> OutputPlan:
    if options.codec not in (None, "png") or options.crf is not None:
        raise UsageError(
            f"{out.name} has no ending, so a folder of PNG frames is written, without --codec and --crf.",
            f"For a video file use one of {', '.join(CONTAINERS)}.",
        )
    layout = asked_layout(options.pix_fmt, layout_of(info.pix_fmt))
    depth = 8 if layout.depth == 8 else 16
    picture = PictureFormat(info.size, info.pix_fmt, info.colour, info.sample_aspect, info.frame_rate, info.time_base)
    return OutputPlan(
        out,
        FRAMES,
        "png",
        "png",
        picture,
        layout_of(info.pix_fmt),
        source=info.path,
        lossless=True,
        overwrite=options.overwrite,
        kept=(f"PNG, {depth} bits",),
    )
