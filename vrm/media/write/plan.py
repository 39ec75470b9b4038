"""What will be written, decided and checked before any work: codec, pixel format, streams, and what is lost."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from fractions import Fraction
from pathlib import Path

from vrm.errors import OutputError, UsageError
from vrm.events import counted
from vrm.media.frame.pixel_layout import PixelLayout, layout_of
from vrm.media.read.frame_folder import FRAME_RATE, PICTURE_ENDINGS, frame_files
from vrm.media.read.picture_tags import CICP, plays, stated
from vrm.media.read.source_facts import SourceFacts, read_facts
from vrm.media.write.containers import ANIMATED, CONTAINERS, FRAMES, PICTURES, Container, container_of
from vrm.media.write.encoder_choice import choose_video
from vrm.media.write.encoders import PictureFormat
from vrm.media.write.kept import picture_words
from vrm.media.write.streams import EMPTY, CopiedStreams, StreamPlan, muxer_options, plan_streams, shift_to_zero
from vrm.media.write.target_layout import asked_layout
from vrm.options.remove import OutputOptions
from vrm.system.files import existing, partial_path
from vrm.types import ClockRestart, Colour, VideoInfo

_FASTEST_GIF = 50
_WIDE = (9, 10, 11, 12)
_HDR = (16, 18)
"""H.273's primaries wider than BT.709, and transfers of HDR."""
_UPRIGHT = "The pictures are written upright, as viewers show the source: no orientation tag is needed any more."
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
        start: when the first frame is shown, in seconds.
        shift: seconds added to all of the source's times.
        restarts: where the source's clock starts again.
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
    shift: Fraction = Fraction(0)
    restarts: tuple[ClockRestart, ...] = ()
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
    if info.container == FRAMES and (not out.suffix or _one_picture(info, out)):
        _check_target(info, out, options, folder=not out.suffix)
        return _plan_frames(info, out, options)
    container = container_of(out)
    _check_target(info, out, options, folder=False)
    facts = SourceFacts(info.time_base) if info.container in PICTURES else read_facts(info.path, info.stream)
    video = choose_video(info, facts, container, options, out)
    whole = copy_streams and info.container not in PICTURES
    copied = plan_streams(info, container, options.audio) if whole else CopiedStreams()
    options_of_encoder = video.options
    if copied.any_codec:  # the muxer that is asked first does not say that Matroska wants headers
        options_of_encoder = video.options | {"flags": video.options.get("flags", "") + "+global_header"}
    kept, lost, notes = picture_words(info, facts, video, container)
    lost += _lost_of_pictures(info, container)
    if container.muxer == "gif" and info.frame_rate > _FASTEST_GIF:
        notes.append(f"Viewers show no GIF faster than {_FASTEST_GIF} frames per second: it will play slowly.")
    if info.container == FRAMES and info.frame_rate == FRAME_RATE and info.n_frames > 1:
        notes.append(f"Pictures do not say their frame rate: {FRAME_RATE} frames per second are taken (--fps).")
    if whole and facts.chapters:
        (kept if container.chapters else lost).append(f"{facts.chapters} chapters")
    shift = shift_to_zero(info, facts.start, container, copied.streams)
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
        facts.start + shift,
        shift,
        info.restarts,
        info.path if whole else None,
        info.stream,
        video.encoder.exact_times and container.muxer != "avi",
        video.lossless,
        tuple(copied.streams),
        facts.display_matrix,
        bool(facts.chapters) and whole and container.chapters,
        options.overwrite,
        tuple(video.notes + notes + copied.notes + _clock_notes(info, shift)),
        tuple(kept + copied.kept),
        tuple(lost + copied.lost),
        copied.any_codec,
    )


def _clock_notes(info: VideoInfo, shift: Fraction) -> list[str]:
    notes = []
    if info.restarts:
        times = "once" if len(info.restarts) == 1 else f"{len(info.restarts)} times"
        notes.append(f"The clock of this recording starts again {times}: all streams go on there in step.")
    if shift < -EMPTY:
        clock = timedelta(seconds=int(-shift))
        notes.append(f"The source's clock begins at {clock}: in the output all streams begin together at 0.")
    return notes


def _lost_of_pictures(info: VideoInfo, container: Container) -> list[str]:
    """What picture files state and animations do that no video does, and the other way round."""
    lost = [word for word in info.extras if word != CICP] if info.container in PICTURES else []
    if info.container in ANIMATED and not container.plays and (times := plays(info.path)) != 1:
        lost.append(f"that it plays {counted(times, 'time') if times else 'without end'}")
    if container.muxer == "gif" and info.codec != "gif":
        lost.append("colours beyond 256 in a frame")
        lost += ["half-transparent pixels, which become opaque or transparent"] if info.has_alpha else []
    if container.plays and (info.colour.primaries in _WIDE or info.colour.transfer in _HDR):
        lost.append("colour tags (primaries and transfer)")
    return lost


def _check_target(info: VideoInfo, out: Path, options: OutputOptions, *, folder: bool) -> None:
    if _same(out, info.path):
        raise UsageError(f"The output {out} is the input itself.", "Choose another name: the source is never replaced.")
    parent = existing(out.absolute().parent)  # folders below it are made when the output is written
    if not parent.is_dir():
        raise OutputError(f"{parent}, where the output {out} would lie, is not a folder.", "Choose another place.")
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
    probe = partial_path(parent / out.name).with_suffix(".test")
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


def _one_picture(info: VideoInfo, out: Path) -> bool:
    return info.path.is_file() and out.suffix.lower() == ".png"


def _plan_frames(info: VideoInfo, out: Path, options: OutputOptions) -> OutputPlan:
    if options.codec not in (None, "png") or options.crf is not None:
        raise UsageError(
            f"{out.name} {'is a picture' if out.suffix else 'has no ending, so a folder of PNG frames is written'}: "
            "--codec and --crf mean nothing.",
            f"For a video file use one of {', '.join(CONTAINERS)}.",
        )
    layout = asked_layout(options.pix_fmt, layout_of(info.pix_fmt))
    depth = 8 if layout.depth == 8 else 16
    picture = PictureFormat(info.size, info.pix_fmt, info.colour, info.sample_aspect, info.frame_rate, info.time_base)
    kept, lost = stated(frame_files(info.path), layout_of(info.pix_fmt).n_planes)
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
        notes=(_UPRIGHT,) if info.orientation != 1 else (),
        kept=(f"PNG, {depth} bits", *kept),
        lost=tuple(lost),
    )
