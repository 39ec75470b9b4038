"""The commands of ``vrm train`` as calls: from words to options, one call each, and what they report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from vrm.events import Events, stages
from vrm.options.build import build
from vrm.options.remove import EngineOptions
from vrm.options.train import KeyframeTraining, SavitJob
from vrm.system.extras import needed_by
from vrm.weights.cards import WeightCard

with needed_by("vrm train"):
    from vrm.train.keyframe import train_keyframe
    from vrm.train.savit import clips_to_label, train_savit

Label = Callable[[list[tuple[Path, Path]], str, EngineOptions, Callable[[str], None]], object]
"""Labels clips with a model: clips with the folders for their maps, the model, device and threads, notes."""


def keyframe(data: Path, output: Path, events: Events, **words: Any) -> WeightCard:
    """Train the two-stream generator; the words of ``KeyframeTraining``."""
    options = build(KeyframeTraining, words)
    card, lines = train_keyframe(data, output, options, stages(events))
    if lines:
        last = lines[-1]
        events.note(
            f"Error in the holes of what was held out: {last['held_guided']:.4f} with key frames, "
            f"{last['held_unguided']:.4f} without."
        )
    events.note(f"Written: {output / card.file}, its card, and {options.name}.csv.")
    return card


def savit(data: Path, output: Path, events: Events, label: Label, **words: Any) -> WeightCard | None:
    """Train SAVIT, after ``label`` has labelled clips without maps; the words of ``SavitJob``.

    Returns the card, or None in the further processes that ``torchrun`` started.
    """
    options = build(SavitJob, words)
    if options.segmenter is not None:
        label(clips_to_label(data, options), options.segmenter, options.engine, events.note)
    card = train_savit(data, output, options, stages(events), events.note)
    if card is not None:
        events.note(f"Written: {output / card.file} and its card.")
    return card
