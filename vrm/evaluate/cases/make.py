"""Cases with known truth, for any tool to be run on: ``OUT/NAME/{frames,masks,truth[,effect,thing]}/00000.png``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vrm.errors import MaskError, OutputError, UsageError, VideoError, VrmError
from vrm.evaluate.cases.clips import Clip, choose, find_clips
from vrm.evaluate.cases.crossing import crossing_holes
from vrm.evaluate.cases.effects import ObjectPlacement, draw_effect, lay_over
from vrm.evaluate.cases.protocols import Protocol, find_protocol
from vrm.evaluate.cases.sequence import ImageSequence, doubt, load_masks, same_shape
from vrm.evaluate.cases.sizing import centred_box, fitted, grown, resized, stretched
from vrm.evaluate.cases.views import view
from vrm.events import Events
from vrm.media.read.frame_folder import PICTURE_ENDINGS
from vrm.media.write.png import write_png
from vrm.options.evaluate import CasesCommand
from vrm.system.files import atomic_folder
from vrm.train.data.masks import ShapeMotion, free_form_shape, placed, scaled_to_cover
from vrm.types import U8, Bool, Masks, Pixels, eight_bits
from vrm.version import __version__

RECORD = "protocol.json"
GREY = 128
"""Written over missing pixels, so that no truth leaks."""


@dataclass(frozen=True)
class _CaseSource:
    clip: Clip
    masks: Masks | None = None


@dataclass(frozen=True)
class _Case:
    """One case to be written.

    Attributes:
        pictures: of each frame, by the folder they go to: "frames", "masks", and "truth", "effect" and "thing"
            where they are known.
        about: what the record says of it.
    """

    pictures: Iterator[Mapping[str, Pixels | Bool]]
    about: dict[str, Any] = field(default_factory=dict)


def make_cases(folder: Path, out: Path, options: CasesCommand, events: Events) -> list[str]:
    """Write the cases of a protocol, and return their names.

    Args:
        folder: the clips (see ``find_clips``), or images for the guided protocol.
        out: it appears when it is complete.
        events: also told of clips that are left out.

    Raises:
        VrmError: clips or masks are missing, unreadable or of different sizes, or OUT exists.
    """
    out = out.resolve()
    _check_output(out, options.overwrite)
    maker = _CaseMaker(folder, options, events)
    record: dict[str, Any] = {}
    events.stage("cases", len(maker.sources))
    with atomic_folder(out, "Cases") as partial:
        for k, source in enumerate(maker.sources):
            case = maker.case(k)
            count = _write(partial / source.clip.name, case)
            record[source.clip.name] = {"source": source.clip.frames.path.name, "frames": count, **case.about}
            events.advance("cases")
        facts = json.dumps(maker.about | {"clips": record}, indent=2)
        (partial / RECORD).write_text(facts + "\n", encoding="utf-8")
    return list(record)


def read_record(cases: Path) -> dict[str, Any]:
    """What ``make_cases`` wrote of a folder of cases; empty where it did not make them."""
    try:
        record: dict[str, Any] = json.loads((cases / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record


def _check_output(out: Path, overwrite: bool) -> None:
    """Refuse to replace anything but cases. Raises OutputError."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not overwrite:
        raise OutputError(f"{out} exists.", "Choose another name or give --overwrite.")
    if not (out / RECORD).is_file():
        raise OutputError(f"{out} does not hold cases (no {RECORD}), so it is not replaced.", "Choose another name.")


class _CaseMaker:
    def __init__(self, folder: Path, options: CasesCommand, events: Events) -> None:
        self._options, self._protocol = options, find_protocol(options.protocol)
        self._needs_masks = self._protocol.holes in ("shuffled", "own", "object", "laid", "crossing")
        self._size = options.size or self._protocol.size  # None = the clips' own
        if options.masks is not None and self._protocol.holes not in ("still", "moving"):
            raise UsageError(f"--masks has no meaning for the protocol {self._protocol.name}.")
        if self._protocol.holes == "guided":
            self.sources = [_CaseSource(clip) for clip in _images(folder, options.clips)]
        else:
            self.sources = self._usable(self._clips(folder), events)

    @property
    def about(self) -> dict[str, Any]:
        options, protocol, size = self._options, self._protocol, self._size
        return {
            "protocol": protocol.name,
            "what": protocol.what,
            "published": protocol.source,
            "size": None if size is None else f"{size[1]}x{size[0]}",
            "seed": options.engine.seed,
            "asked": {"clips": list(options.clips), "frames": options.frames},
            "made_by": f"vrm {__version__}",
        }

    def _clips(self, folder: Path) -> list[Clip]:
        """The clips that are asked for, or else those of the protocol. Raises VideoError if one is missing."""
        protocol = self._protocol
        clips = find_clips(folder, self._options.clips)
        if self._options.clips or not protocol.clips:
            return clips
        found = {clip.name: clip for clip in clips}
        if missing := [name for name in protocol.clips if name not in found]:
            which = f": {', '.join(missing)}" if len(missing) < len(protocol.clips) else ""
            raise VideoError(
                f"{len(missing)} of the {len(protocol.clips)} clips of the protocol {protocol.name} are not in "
                f"{folder}{which}.",
                "Name the clips you want with --clips; the result is then not comparable with published tables.",
            )
        return [found[name] for name in protocol.clips]

    def _usable(self, clips: list[Clip], events: Events) -> list[_CaseSource]:
        """The clips that fit the protocol; others are named and left out, or refused if they were asked for."""
        asked = bool(self._options.clips)
        if not asked and self._needs_masks and (bare := [clip.name for clip in clips if clip.masks is None]):
            events.note(f"Left out, for they have no masks: {', '.join(bare)}.")
            clips = [clip for clip in clips if clip.masks is not None]
        usable: list[_CaseSource] = []
        faults: list[VrmError] = []
        for clip in clips:
            try:
                source = self._source(clip)
                usable.append(source)
                if source.masks is not None and (warning := doubt(source.masks, clip.name, self._inverted(clip))):
                    events.note(warning)
            except (MaskError, VideoError) as error:
                if asked:
                    raise
                faults.append(error)
                events.note(f"Left out. {error}")
        if faults and not usable:
            raise faults[0]
        name = self._protocol.name
        if len(usable) < (2 if self._protocol.holes in ("shuffled", "laid", "crossing") else 1):
            raise VideoError(f"The protocol {name} needs two clips or more, and {len(usable)} can be used.")
        return usable

    def _source(self, clip: Clip) -> _CaseSource:
        name, masks = self._protocol.name, None
        if self._needs_masks:
            if clip.masks is None:
                raise MaskError(f"Clip {clip.name} has no masks, which the protocol {name} needs.")
            masks = load_masks(clip.masks, clip.frames, clip.name, self._inverted(clip))
        elif self._options.masks is not None:
            masks = _published(self._options.masks, clip)
        if name == "pairs":
            if clip.truth is None:
                raise VideoError(f"Clip {clip.name} has no truth, which the protocol {name} needs.")
            same_shape(clip.frames, clip.truth, "frames", "truth", clip.name)
        return _CaseSource(clip, masks)

    def _inverted(self, clip: Clip) -> bool:
        """Whether black is missing in the clip's own masks."""
        return (clip.missing_is_black or self._protocol.missing_is_black) != self._options.invert_mask

    def case(self, k: int) -> _Case:
        clip, masks, protocol, options = self.sources[k].clip, self.sources[k].masks, self._protocol, self._options
        seed = _seed(options.engine.seed, clip.name)
        if protocol.holes == "guided":
            return self._guided(clip, seed)
        if protocol.holes == "laid":
            return self._laid(clip, self._donor(k), seed)
        if protocol.holes == "crossing":
            return self._crossing(self.sources[k], self._donor(k))
        size = self._size or clip.frames.size
        count = clip.count(options.frames)
        about: dict[str, Any] = {}
        holes: Iterator[Bool]
        if protocol.holes == "shuffled":
            donor = self._donor(k)
            masks, about["holes"] = donor.masks, donor.clip.name
            assert masks is not None
            count = min(count, masks.n_frames)
            holes = (stretched(masks[t], size) for t in range(count))
        elif masks is None:
            holes = _drawn(protocol, size, count, seed, about)
        elif self._needs_masks:
            holes = (fitted(masks[t], size, protocol) for t in range(count))
        else:
            about["holes"] = options.masks and options.masks.name
            holes = (stretched(masks[min(t, masks.n_frames - 1)], size) for t in range(count))

        def sized(sequence: ImageSequence) -> Iterator[Pixels]:
            return (resized(f, size, protocol) for f in sequence.stream(count))

        frames = sized(clip.frames)
        holes = (grown(hole, protocol.grow) for hole in holes)
        if protocol.holes == "object":
            return _Case(_as_they_are(frames=frames, masks=holes), about)
        if protocol.name == "pairs":
            assert clip.truth is not None
            return _Case(_as_they_are(frames=frames, masks=holes, truth=sized(clip.truth)), about)
        return _Case(_hidden(frames, holes), about)

    def _donor(self, k: int) -> _CaseSource:
        """The clip whose masks, or whose object, clip k gets."""
        return self.sources[_donors(len(self.sources), self._options.engine.seed)[k]]

    def _laid(self, clip: Clip, donor: _CaseSource, seed: int) -> _Case:
        """The object of another clip over this one, with its shadow or reflection."""
        size, masks = self._size or clip.frames.size, donor.masks
        assert masks is not None
        count = min(clip.count(self._options.frames), donor.clip.count(self._options.frames))
        placement = ObjectPlacement((masks[t] for t in range(count)), size, donor.clip.name)
        effect = draw_effect(self._protocol.effect, np.random.default_rng(seed))

        def sized(sequence: ImageSequence, size: tuple[int, int]) -> Iterator[U8]:
            return (eight_bits(resized(frame, size, self._protocol)) for frame in sequence.stream(count))

        objects = ((frame, masks[t]) for t, frame in enumerate(sized(donor.clip.frames, placement.small)))
        pictures = lay_over(sized(clip.frames, size), objects, placement, effect)
        return _Case(pictures, {"object": donor.clip.name, "seed": seed, **asdict(effect)})

    def _crossing(self, source: _CaseSource, donor: _CaseSource) -> _Case:
        """The object of this clip, hidden in part by the shape of another one that passes over it."""
        clip, size = source.clip, self._size or source.clip.frames.size
        assert source.masks is not None
        assert donor.masks is not None
        count = clip.count(self._options.frames)
        passing = crossing_holes(source.masks, donor.masks, size, count, clip.name)
        frames = (resized(frame, size, self._protocol) for frame in clip.frames.stream(count))
        shown = _hidden(frames, (hole for hole, _ in passing))
        pictures = ({**pictures, "thing": thing} for pictures, (_, thing) in zip(shown, passing, strict=True))
        return _Case(pictures, {"holes": donor.clip.name})

    def _guided(self, clip: Clip, seed: int) -> _Case:
        """Frame 0 is the image, the others are views of it, each with its own hole; only frame 0 is scored."""
        assert self._size is not None
        rng, (height, width) = np.random.default_rng(seed), self._size
        image = eight_bits(next(iter(clip.frames.stream(1))))
        large = np.asarray(resized(image, (height * 456 // 256, width * 456 // 256), self._protocol), np.uint8)
        y, x = (large.shape[0] - height) // 2, (large.shape[1] - width) // 2
        frames = [np.ascontiguousarray(large[y : y + height, x : x + width])]
        frames += [view(large, self._size, rng) for _ in range(self._options.keyframes)]
        holes = []
        for _ in frames:
            shape = free_form_shape((height * 3 // 4, width * 3 // 4), rng)
            room = np.array([height - shape.shape[0], width - shape.shape[1]])
            holes.append(placed(shape, self._size, rng.uniform(0, 1, 2) * room))
        return _Case(_hidden(frames, holes), {"seed": seed, "scored": [0]})


def _images(folder: Path, wanted: tuple[str, ...]) -> list[Clip]:
    """Clips of one image: the images in a folder, or else the first frame of each clip in it."""
    if not folder.is_dir() or not (files := sorted(p for p in folder.iterdir() if p.suffix.lower() in PICTURE_ENDINGS)):
        return find_clips(folder, wanted)
    clips = {p.stem: Clip(p.stem, ImageSequence(folder, (p,))) for p in files}
    names = choose(list(clips), wanted, str(folder)) if wanted else list(clips)
    return [clip for name, clip in clips.items() if name in names]


def _drawn(protocol: Protocol, size: tuple[int, int], count: int, seed: int, about: dict[str, Any]) -> Iterator[Bool]:
    if protocol.holes == "box":
        yield from (centred_box(size) for _ in range(count))
        return
    about["seed"] = seed
    rng = np.random.default_rng(seed)
    shape = free_form_shape(size, rng)
    motion = ShapeMotion((shape.shape[0], shape.shape[1]), size, rng)
    if protocol.share:
        hole = scaled_to_cover(shape, size, motion.at + np.array(shape.shape) / 2, protocol.share)
        yield from (hole for _ in range(count))
        return
    for _ in range(count):
        yield placed(shape, size, motion.at)
        if protocol.holes == "moving":
            motion.step()


def _donors(n: int, seed: int) -> list[int]:
    """Which clip's masks each clip gets: the next one's, or for another seed those of a random single cycle."""
    order = np.arange(n) if seed == 0 else np.random.default_rng(seed).permutation(n)
    following = dict(zip(order.tolist(), np.roll(order, -1).tolist(), strict=True))
    return [following[k] for k in range(n)]


def _seed(seed: int, name: str) -> int:
    """The seed of one clip, which does not depend on the other clips."""
    return int(np.random.default_rng([seed, *name.encode()]).integers(2**31))


def _published(folder: Path, clip: Clip) -> Masks:
    """A clip's holes from a folder of published ones: one picture for all frames, or one for each."""
    if not (folder / clip.name).is_dir():
        raise MaskError(f"{folder} has no folder {clip.name}.", "Holes lie in MASKS/NAME/*.png.")
    own = ImageSequence(folder / clip.name)
    return load_masks(own, own, clip.name)


def _as_they_are(**sequences: Iterator[Pixels] | Iterator[Bool]) -> Iterator[dict[str, Pixels | Bool]]:
    for pictures in zip(*sequences.values(), strict=False):
        yield dict(zip(sequences, pictures, strict=True))


def _hidden(frames: Iterable[Pixels], holes: Iterable[Bool]) -> Iterator[dict[str, Pixels | Bool]]:
    """The frames are the truth; what is missing is written over."""
    for truth, hole in zip(frames, holes, strict=False):
        frame = truth.copy()
        frame[hole] = GREY if frame.dtype == np.uint8 else GREY * 257
        yield {"frames": frame, "masks": hole, "truth": truth}


def _write(folder: Path, case: _Case) -> int:
    """Write a case, and say how many frames it has."""
    count = 0
    for pictures in case.pictures:
        for kind, picture in pictures.items():
            (folder / kind).mkdir(parents=True, exist_ok=True)
            shown: Any = picture.astype(np.uint8) * 255 if picture.dtype == np.bool_ else picture
            write_png(folder / kind / f"{count:05d}.png", shown)
        count += 1
    return count
