"""Folders of results scored against cases, all in one pass: what depends on the truth alone is computed once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from vrm.errors import MaskError, UsageError, VideoError
from vrm.evaluate.cases.clips import Clip, find_clips
from vrm.evaluate.cases.make import read_record
from vrm.evaluate.cases.sequence import ImageSequence, at_depth, doubt, load_masks, open_sequence, read_at, same_shape
from vrm.evaluate.scoring.feature_sets import Features, set_distances
from vrm.evaluate.scoring.stream import CaseFrame, prefetch, read_case
from vrm.events import Events, counted
from vrm.metrics.clip import EFFECT, FLAGGED, FURTHER, STANDARD, THING, WITHOUT_TRUTH, ClipMeter, ClipScore
from vrm.metrics.means import Mean, mean
from vrm.metrics.warping import Motion
from vrm.types import Bool, FlowEstimator, Masks, Pixels

FROM_NETWORKS = ("lpips", "fid", "vfid", "pvcs")
"""Measured where their weights are available (``vrm.evaluate.scoring.networks``), else reported as needing them."""


class NetworkMetric(Protocol):
    """Measures of one clip that need a network."""

    def update(self, truth: Pixels, frame: Pixels, scored: bool, hole: bool) -> None:
        """Add a true and a composed frame, uint8 or uint16 ``(H, W, 3)``.

        ``scored``: False for a frame that measures of single frames leave out; ``hole``: whether it has one.
        """

    def compute(self) -> tuple[dict[str, float | None], Features]:
        """The clip's own measures, and features for the distances between all clips together."""


@dataclass(frozen=True)
class MetricSetup:
    """What scores are computed with.

    Attributes:
        estimator, flow: the estimator of optical flow for E_warp, and its name.
        network_metrics: makes the metrics whose weights are available, for one clip of one result.
        networks: names of the weights; they change when a file does.
        needs: by measure, what is missing for it.
    """

    estimator: FlowEstimator
    flow: str = "DIS"
    network_metrics: Callable[[], list[NetworkMetric]] = list
    networks: tuple[str, ...] = ()
    needs: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ScoreOptions:
    """What is measured.

    Attributes:
        clips: names or patterns; empty = all cases.
        measures: "standard", "all", or names, also of ``FROM_NETWORKS``.
        skip_every: leave out frames 0, N, 2N, ...: they were given.
        frames: only the first so many.
        invert: 0 is missing in masks.
        masks: for each folder of results the masks that its tool saved, ``NAME/00000.png``; empty = there are none.
    """

    clips: tuple[str, ...] = ()
    measures: tuple[str, ...] = ("standard",)
    skip_every: int = 0
    frames: int | None = None
    invert: bool = False
    masks: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        known = {*STANDARD, *FURTHER, *WITHOUT_TRUTH, *EFFECT, *FLAGGED, *THING, *FROM_NETWORKS, "standard", "all"}
        if unknown := [m for m in self.measures if m not in known]:
            raise UsageError(f"No measure is called {', '.join(unknown)}.", f"Choose from: {', '.join(sorted(known))}.")

    def names(self, clip: Clip) -> tuple[str, ...]:
        """The measures of a clip: those that are chosen, and possible with what is known of it."""
        chosen, with_truth = set(self.measures), clip.truth is not None
        possible = (*STANDARD, *FURTHER, *WITHOUT_TRUTH) if with_truth else WITHOUT_TRUTH
        if with_truth and clip.effect is not None:
            possible = (*possible, *EFFECT, *(FLAGGED if self.masks else ()))
        if with_truth and clip.thing is not None:
            possible = (*possible, *THING)
        if "all" in chosen:
            chosen |= {*possible}
        if "standard" in chosen:
            chosen |= {*STANDARD, *EFFECT, *FLAGGED, *THING, "sharp_around"} if with_truth else set(WITHOUT_TRUTH)
        return tuple(name for name in possible if name in chosen)


@dataclass
class ScoreResult:
    """The scores of one folder of results.

    Attributes:
        features: by clip, of the networks that were used.
        missing: cases without a result.
        needs: by measure, what is missing for it.
        flow: the name of the estimator for E_warp.
        notes: what was assumed, a sentence each.
    """

    name: str
    clips: dict[str, ClipScore] = field(default_factory=dict)
    features: dict[str, Features] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    needs: dict[str, str] = field(default_factory=dict)
    flow: str = "DIS"
    notes: list[str] = field(default_factory=list)

    @cached_property
    def networks(self) -> dict[str, float | str]:
        """Measures of all clips together, from networks; a text says why there is none."""
        return set_distances(self.features.values())

    def means(self) -> dict[str, Mean]:
        """By measure, the mean over clips, each counting the same."""
        names = dict.fromkeys(name for score in self.clips.values() for name in score.values)
        return {name: mean(score.values.get(name) for score in self.clips.values()) for name in names}

    def over_frames(self) -> dict[str, float | None]:
        """PSNR and SSIM as means over all frames of all clips, as STTN and its followers print them."""
        found: dict[str, float | None] = {}
        for name in ("psnr", "ssim", "ssim_65"):
            total, n = 0.0, 0
            for score in self.clips.values():
                value = score.values.get(name)
                if value is not None and value != float("inf"):
                    count = score.scored - score.infinite.get(name, 0)
                    total, n = total + value * count, n + count
            if n:
                found[name] = total / n
        return found

    def infinite(self) -> dict[str, int]:
        """By measure, how many infinite values (of frames, and of whole clips) are in no mean."""
        counts = {
            name: m.infinite + sum(score.infinite.get(name, 0) for score in self.clips.values())
            for name, m in self.means().items()
        }
        return {name: n for name, n in counts.items() if n}

    def to_dict(self) -> dict[str, Any]:
        """The object of ``--json``; infinite values are the text "inf"."""
        means = self.means()
        return {
            "name": self.name,
            "clips": len(self.clips),
            "frames": sum(score.scored for score in self.clips.values()),
            **{name: _plain(m.value) for name, m in means.items()},
            **{name: value for name, value in self.networks.items() if not isinstance(value, str)},
            "outside_max": max((s.outside_max for s in self.clips.values()), default=0),
            "spread": {name: _plain(m.spread) for name, m in means.items()},
            "over_frames": self.over_frames(),
            "infinite": self.infinite(),
            "flow": self.flow,
            "missing": self.missing,
            "notes": self.notes,
            "needs": self.needs | {n: v for n, v in self.networks.items() if isinstance(v, str)},
            "per_clip": {
                name: {
                    "frames": score.scored,
                    "outside_max": score.outside_max,
                    **{k: _plain(v) for k, v in score.values.items()},
                }
                for name, score in self.clips.items()
            },
        }


def score_results(
    cases: Path, results: list[Path], options: ScoreOptions, events: Events, setup: MetricSetup
) -> list[ScoreResult]:
    """Score folders of results against cases.

    Args:
        cases: as ``make_cases`` writes them (``truth`` may be missing).
        results: folders of ``NAME/`` (numbered pictures) or ``NAME.mp4``.

    Raises:
        VideoError: cases or results are unreadable, or their counts or sizes differ (before anything is computed).
        MaskError: masks are unreadable, or nearly everything is masked.
        UsageError: there is no such clip.
    """
    clips = find_cases(cases, options.clips)
    found = [ScoreResult(name, needs=setup.needs, flow=setup.flow) for name in _names(results)]
    sequences = _check(clips, results, found, options)
    _check_saved(clips, sequences, options, len(results))
    scored = scored_frames(cases)
    if len(clips) > 1:  # refuse wrong masks before anything is computed, without holding those of all clips
        for clip in clips:
            case_masks(clip, options)
    events.stage("score", sum(clip.count(options.frames) for clip in clips if sequences[clip.name]))
    for clip in clips:
        if not (present := sequences[clip.name]):
            continue
        masks = case_masks(clip, options)
        names = options.names(clip)
        meter = partial(ClipMeter, names, options.skip_every, scored.get(clip.name))
        scorers = {k: _Scorer(meter(), setup.network_metrics(), _flagged(clip, k, options)) for k in present}
        with ThreadPoolExecutor(2) as pool:
            frames = read_case(clip, present, names, clip.count(options.frames), pool, setup.estimator)
            for frame in prefetch(frames):
                motion, own = frame.motion.get(), {k: m.get() for k, m in frame.own.items()}
                for k, scorer in scorers.items():
                    scorer.add(frame, k, masks[frame.t], motion, own.get(k))
                events.advance("score")
        warning = doubt(masks, clip.name, options.invert)
        for k, scorer in scorers.items():
            score, features = scorer.finish()
            found[k].clips[clip.name] = score
            found[k].notes += [warning] if warning else []
            if features:
                found[k].features[clip.name] = features
    return found


class _Scorer:
    def __init__(self, meter: ClipMeter, network_metrics: list[NetworkMetric], flagged: Masks | None) -> None:
        self._meter, self._network_metrics, self._flagged = meter, network_metrics, flagged

    def add(self, frame: CaseFrame, k: int, mask: Bool, motion: Motion | None, own: Motion | None) -> None:
        """Add a frame of result ``k``, with the motion from the previous true and (``own``) filled frame."""
        scored = self._meter.scores_next
        flagged = None if self._flagged is None else self._flagged[frame.t]
        composed = self._meter.add(
            frame.filled[k], mask, frame.truth, frame.given, motion, own, frame.effect, flagged, frame.thing
        )
        if frame.truth is not None:
            for metric in self._network_metrics:
                metric.update(frame.truth, composed, scored, bool(mask.any()))

    def finish(self) -> tuple[ClipScore, Features]:
        score = self._meter.score()
        features: Features = {}
        for metric in self._network_metrics:
            values, own_features = metric.compute()
            score.values.update(values)
            features |= own_features
        return score, features


def case_masks(clip: Clip, options: ScoreOptions) -> Masks:
    """The masks of a clip. Raises MaskError, also where black and white are interchanged."""
    assert clip.masks is not None
    masks = load_masks(clip.masks, clip.frames, clip.name, options.invert)
    if clip.truth is not None and doubt(masks, clip.name) and _inside_out(clip, masks):
        raise MaskError(
            f"Clip {clip.name}: most of the picture is masked, and what was given is the truth there, not elsewhere.",
            "White is what is missing: leave --invert-mask out." if options.invert else "Give --invert-mask.",
        )
    return masks


def _inside_out(clip: Clip, masks: Masks) -> bool:
    """Whether the first given frame with a mask differs from the truth more outside the mask than inside."""
    assert clip.truth is not None
    t = next((t for t in masks.frames() if not masks[t].all()), None)
    if t is None:
        return False
    given, truth = (at_depth(read_at(frames, [t])[t], 8).astype(np.int16) for frames in (clip.frames, clip.truth))
    error = np.abs(given - truth).mean(2)
    return float(error[~masks[t]].mean()) > float(error[masks[t]].mean())


def find_cases(cases: Path, wanted: tuple[str, ...] = ()) -> list[Clip]:
    """The cases in a folder, sorted by name. Raises VideoError, UsageError, or MaskError for one without masks."""
    every = find_clips(cases, wanted)
    clips = [clip for clip in every if clip.masks is not None]
    if any(clip.frames.files for clip in clips):
        fix = "Make cases of them: vrm evaluate cases."
        raise VideoError(f"{cases} holds clips in DEVIL's layout, not cases.", fix)
    if not clips:
        raise VideoError(f"{cases} holds no cases.", "A case is NAME/{frames,masks,truth}; see vrm evaluate cases.")
    if bare := [clip.name for clip in every if clip.masks is None]:
        fix = "Add NAME/masks, or name others with --clips."
        raise MaskError(f"Cases without masks in {cases}: {', '.join(bare)}.", fix)
    return sorted(clips, key=lambda clip: clip.name)


def _names(results: list[Path]) -> list[str]:
    """The folders' names, with as many parents as make them distinct."""
    paths = [path.resolve() for path in results]
    depth = 1
    while depth < 8 and len({p.parts[-depth:] for p in paths}) < len(set(paths)):
        depth += 1
    return ["/".join(p.parts[-depth:]) for p in paths]


def _check(
    clips: list[Clip], results: list[Path], found: list[ScoreResult], options: ScoreOptions
) -> dict[str, dict[int, ImageSequence]]:
    """The frames of each clip by result, all of the truth's count and size; notes what is missing."""
    sequences: dict[str, dict[int, ImageSequence]] = {clip.name: {} for clip in clips}
    for path in results:
        if not path.is_dir():
            raise VideoError(f"{path} is not a folder.", "Results lie in RESULTS/NAME/00000.png or RESULTS/NAME.mp4.")
    for clip in clips:
        if clip.truth is None and not options.names(clip):
            raise UsageError(
                f"Clip {clip.name} has no truth, which {', '.join(options.measures)} need.",
                f"Without truth there are: {', '.join(WITHOUT_TRUTH)}.",
            )
        reference = clip.truth or clip.frames
        if clip.truth is not None:
            others = (clip.frames, "what was given"), (clip.effect, "the effect"), (clip.thing, "the thing")
            for pictures, what in others:
                if pictures is not None:
                    same_shape(pictures, clip.truth, what, "the truth", clip.name)
        for k, path in enumerate(results):
            own = open_sequence(path, clip.name)
            if own is None:
                found[k].missing.append(clip.name)
                continue
            expected, what = reference, "the truth"
            if options.frames is not None and len(own) != len(reference):
                expected, what = reference.part(options.frames), "the truth, cut to --frames,"
            same_shape(own, expected, f"the result {found[k].name}", what, clip.name)
            if own.bits != reference.bits:
                found[k].notes.append(f"{clip.name} has {own.bits} bits a sample and is judged at {reference.bits}.")
            sequences[clip.name][k] = own
    return sequences


def _check_saved(
    clips: list[Clip], sequences: dict[str, dict[int, ImageSequence]], options: ScoreOptions, results: int
) -> None:
    """Refuse masks of tools that do not belong to the results, or to the cases."""
    if not options.masks:
        return
    if len(options.masks) != results:
        raise UsageError(
            f"--masks names {counted(len(options.masks), 'folder')}, for {results} of results.",
            "Give it once for each RESULTS, in their order.",
        )
    if not (known := [clip for clip in clips if clip.effect is not None]):
        raise UsageError("--masks has no meaning: no case has an effect.", "Make cases with --protocol shadows.")
    for clip in known:
        for k in sequences[clip.name]:
            same_shape(_saved(clip, options.masks[k]), clip.frames, "the saved mask", "its case", clip.name)


def _saved(clip: Clip, masks: Path) -> ImageSequence:
    found = open_sequence(masks, clip.name)
    if found is None:
        raise MaskError(f"{masks} has no masks of {clip.name}.", "Masks lie in DIR/NAME/00000.png or DIR/NAME.mp4.")
    return found


def _flagged(clip: Clip, k: int, options: ScoreOptions) -> Masks | None:
    """What the tool of result k took for object and effect, where both are known."""
    if clip.effect is None or not options.masks:
        return None
    return load_masks(_saved(clip, options.masks[k]), clip.frames, clip.name, options.invert)


def scored_frames(cases: Path) -> dict[str, frozenset[int]]:
    """By case, the only frames that are scored, where the protocol says so."""
    clips = read_record(cases).get("clips", {})
    return {name: frozenset(about["scored"]) for name, about in clips.items() if "scored" in about}


def _plain(value: float | None) -> float | str | None:
    return "inf" if value == float("inf") else value
