"""``vrm train savit``: from a folder of clips to weights with their card (Lee et al. 2023)."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import torch

from vrm.errors import OutputError, UsageError
from vrm.events import Progress, counted
from vrm.media.write.png import write_png
from vrm.options.remove import EngineOptions
from vrm.options.train import SavitJob
from vrm.system.device import Compute, choose_for_training
from vrm.system.files import writing
from vrm.train.checkpoint import Checkpoint
from vrm.train.data.clips import ClipDataset, TrainingClip, find_clips, hold_out, load_samples
from vrm.train.distributed import Processes
from vrm.train.log import Log
from vrm.train.loop import Every, Terms, train
from vrm.train.savit_config import SavitTraining
from vrm.train.savit_trainer import SavitTrainer, batches
from vrm.train.warm_start import warm_start
from vrm.weights.cards import WeightCard, save


def clips_to_label(data: Path, job: SavitJob) -> list[tuple[Path, Path]]:
    """Every clip of the data, and the folder its label maps belong into.

    Raises UsageError: there are no clips, the configuration takes no labels, or several processes would make them.
    """
    config = SavitTraining.read(job.config)
    if not config.network.experts:
        raise UsageError("This configuration is trained without labels.", "Leave out --segmenter.")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError(
            "Labels are made by one process.",
            "Start once without torchrun, stop it when training begins, and go on with torchrun; the labels stay.",
        )
    labels = job.labels or data / "labels"
    return [(clip.path, labels / clip.name) for clip in find_clips(data, least=config.frames)]


def train_savit(
    data: Path, out: Path, job: SavitJob, progress: Progress, note: Callable[[str], None]
) -> WeightCard | None:
    """Train on a folder of clips; weights, card, log, samples and the checkpoint go into ``out``.

    Returns the card; None in processes other than the first.

    Raises:
        UsageError: there are no clips or no labels, or a clip that is to be held out is not there.
        OutputError: ``out`` holds a training or weights of that name already.
        WeightsError: the checkpoint, or the weights to start from, do not fit.
        EngineError: the losses are no longer finite.
    """
    config = SavitTraining.read(job.config)
    if job.steps is not None:
        config = replace(config, steps=job.steps)
    labels = (job.labels or data / "labels") if config.network.experts else None
    training, validation = hold_out(find_clips(data, labels, config.frames), job.held)
    checkpoint = Checkpoint(out / "checkpoint.pt", config.identity)
    if (out / f"{job.name}.json").exists():
        raise OutputError(f"Weights named '{job.name}' are in {out} already.", "Choose another --name.")
    if checkpoint.exists() and not job.resume:
        raise OutputError(f"{out} holds a training.", "Go on with it: --resume; or choose another folder.")
    if job.resume and not checkpoint.exists():
        raise UsageError(f"There is no training in {out} to resume.", "Leave out --resume.")
    processes = Processes.joined()
    if config.batch % processes.count:
        raise UsageError(f"A batch of {config.batch} cannot be shared by {processes.count} processes.")
    compute = _compute(job.engine, processes)
    card = None
    with compute.running(job.engine.seed):
        trainer = SavitTrainer(config, compute, processes)
        if job.resume:
            checkpoint.restore(trainer.load_state_dict, compute.device)
            note(f"Resumed at step {trainer.done}.")
        elif job.start is not None:
            note(warm_start(trainer.net, job.start))
        _train(trainer, training, validation, out, job, checkpoint, progress, note)
        if processes.rank == 0:
            card = _save(trainer, out, job, training, validation)
    processes.leave()
    return card


def _compute(options: EngineOptions, processes: Processes) -> Compute:
    """The device of this process: each has its own GPU."""
    if processes.count > 1 and options.device == "auto" and torch.cuda.is_available():
        options = replace(options, device=f"cuda:{processes.local}")
    return choose_for_training(options)


def _train(
    trainer: SavitTrainer, training: list[TrainingClip], validation: list[TrainingClip], out: Path, job: SavitJob,
    checkpoint: Checkpoint, progress: Progress, note: Callable[[str], None],
) -> None:  # fmt: skip
    config, processes, seed = trainer.config, trainer.processes, job.engine.seed
    dataset = ClipDataset(training, config.size, config.frames, seed, out / "decoded", local=config.local)
    numbers = range(trainer.done * config.batch + processes.rank, config.steps * config.batch, processes.count)
    samples = load_samples(dataset, numbers, config.workers)
    actions: list[Every] = []

    def save_interrupted() -> None:
        if processes.rank == 0:
            checkpoint.write(trainer.state_dict())
            note(f"Kept at step {trainer.done}; --resume goes on from there.")

    if processes.rank == 0:
        with writing(f"{out} cannot be written"):
            (out / "samples").mkdir(parents=True, exist_ok=True)
        log = Log(out / "log.csv", ("step", "what", "value"), append=trainer.done > 0)
        actions.append(Every(config.log_every, lambda step, terms: log.add(*((step, k, v) for k, v in terms.items()))))
        if validation:
            validated = ClipDataset(validation, config.size, config.frames, seed + 1, out / "decoded", validation=True)

            def validate(step: int, terms: Terms) -> None:
                found, picture = trainer.validate([validated.sample(n) for n in range(max(1, config.looks))])
                log.add(*((step, name, value) for name, value in found.items()))
                write_png(out / "samples" / f"{step:07d}.png", picture)

            actions.append(Every(config.look_every, validate))
            if not trainer.done:
                validate(0, {})
        actions.append(Every(config.save_every, lambda step, terms: checkpoint.write(trainer.state_dict())))
    drawn = batches(samples, config.batch // processes.count, trainer.compute.device)
    train(trainer, drawn, config.steps, lambda done, total: progress("train", done, total), actions, save_interrupted)


def _save(
    trainer: SavitTrainer, out: Path, job: SavitJob, training: list[TrainingClip], validation: list[TrainingClip]
) -> WeightCard:
    config, (device, dtype) = trainer.config, trainer.compute.names
    names = [clip.name for clip in training]
    return save(
        trainer.averaged(), out, name=job.name, licence=job.licence, network="savit",
        settings=config.network.settings(),
        data=f"{counted(len(names), 'clip')}: {', '.join(names[:40])}{' ...' if len(names) > 40 else ''}; "
        f"held out: {', '.join(c.name for c in validation[:40]) or 'none'}.",
        training=f"{counted(trainer.done, 'step')} of Adam, batch {config.batch}, {config.frames} frames of "
        f"{config.size[1]}x{config.size[0]}, {device}, {dtype}, {date.today():%B %Y}."
        + (f" Started from {job.start}." if job.start else ""),
    )  # fmt: skip
