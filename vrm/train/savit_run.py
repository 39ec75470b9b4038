"""``vrm train savit``: from a folder of clips to weights with their card; it can be interrupted and resumed."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from vrm.errors import EngineError, OutputError, UsageError, VrmError, WeightsError
from vrm.media.write.png import write_png
from vrm.nets.savit.model import Savit
from vrm.options.remove import EngineOptions
from vrm.options.train import SavitJob
from vrm.system.device import Compute, choose_for_training
from vrm.system.files import DAMAGED, atomic_write, writing
from vrm.train.data.reels import Footage, Reel, Sample, find_reels
from vrm.train.distributed import Processes
from vrm.train.savit import SavitBatch, Trainer, batches
from vrm.train.savit_config import SavitTraining
from vrm.train.warm_start import warm_start
from vrm.types import U8
from vrm.weights.cards import WeightCard, save


class Checkpoint:
    """Where a training stands: tensors as safetensors, the optimisers' state beside them, and what it is of."""

    def __init__(self, out: Path) -> None:
        self.folder = out / "checkpoint"

    def there(self) -> bool:
        """True if one was written."""
        return (self.folder / "done.json").exists()

    def write(self, trainer: Trainer) -> None:
        """Replace it, whole. Raises OutputError."""
        from safetensors.torch import save

        tensors, held = trainer.state()
        about = {"done": trainer.done, **_identity(trainer)}
        what = f"The checkpoint cannot be written to {self.folder}"
        with writing(what):
            self.folder.mkdir(parents=True, exist_ok=True)
        own = self._files(trainer.done)
        data = save({k: v.detach().cpu().contiguous() for k, v in tensors.items()})
        atomic_write(own[0], data, what, durable=True)
        kept = io.BytesIO()
        torch.save(held, kept)
        atomic_write(own[1], kept.getbuffer(), what, durable=True)
        # One file decides, last: a state that was cut short before it does not count.
        text = json.dumps(about).encode()
        atomic_write(self.folder / "done.json", text, what, durable=True)
        for old in (*self.folder.glob("tensors-*"), *self.folder.glob("optimisers-*")):
            if old not in own:
                old.unlink(missing_ok=True)

    def _files(self, done: int) -> tuple[Path, Path]:
        return self.folder / f"tensors-{done}.safetensors", self.folder / f"optimisers-{done}.pt"

    def read(self, trainer: Trainer) -> None:
        """Bring a trainer to where it stood. Raises WeightsError if it is of another configuration, or damaged."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            about = json.loads((self.folder / "done.json").read_text(encoding="utf-8"))
            changed = [k for k, v in _identity(trainer).items() if about.get(k) != v]
            if changed:
                raise WeightsError(
                    f"The checkpoint in {self.folder} is of another training: {', '.join(changed)} differ."
                )
            tensors, optimisers = self._files(about["done"])
            held = torch.load(optimisers, map_location=trainer.compute.device, weights_only=True)
            trainer.restore(load_file(tensors, str(trainer.compute.device)), held)
        except (*DAMAGED, SafetensorError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise WeightsError(
                f"The checkpoint in {self.folder} is damaged: {reason}.", "Train anew, into another folder."
            ) from error


def _identity(trainer: Trainer) -> dict[str, object]:
    """What must be the same for a training to go on."""
    return {**trainer.config.network.settings(), "discriminators": sorted(trainer.critics)}


def clips_to_label(data: Path, job: SavitJob) -> list[tuple[Path, Path]]:
    """Every clip that is trained on, and the folder its label maps belong into.

    Raises:
        UsageError: there are no clips, the configuration takes no labels, or several processes would make them.
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
    reels = find_reels(data, None, config.frames)
    return [(reel.frames[0].parent if reel.frames else reel.path, labels / reel.name) for reel in reels]


def teach_savit(
    data: Path, out: Path, job: SavitJob, progress: Callable[[str, int, int], None], note: Callable[[str], None]
) -> WeightCard | None:
    """Train on a folder of clips; weights, card, log, samples and the checkpoint go into ``out``.

    Raises:
        UsageError: there are no clips or no labels, or a clip that is to be held out is not there.
        OutputError: ``out`` holds a training or weights of that name already.
        WeightsError: the checkpoint, or the weights to start from, do not fit.

    Returns:
        The card; None in processes other than the first.
    """
    config = SavitTraining.read(job.config)
    if job.steps is not None:
        config = replace(config, steps=job.steps)
    labels = (job.labels or data / "labels") if config.network.experts else None
    learned, judged = held_out(find_reels(data, labels, config.frames), job.held)
    checkpoint = Checkpoint(out)
    if (out / f"{job.name}.json").exists():
        raise OutputError(f"Weights named '{job.name}' are in {out} already.", "Choose another --name.")
    if checkpoint.there() and not job.resume:
        raise OutputError(f"{out} holds a training.", "Go on with it: --resume; or choose another folder.")
    if job.resume and not checkpoint.there():
        raise UsageError(f"There is no training in {out} to resume.", "Leave out --resume.")
    processes = Processes.joined()
    compute = _compute(job.engine, processes)
    with compute.running(job.engine.seed):
        trainer = Trainer(config, compute, processes)
        if job.resume:
            checkpoint.read(trainer)
            note(f"Resumed at step {trainer.done}.")
        elif job.start is not None:
            note(warm_start(trainer.net, job.start))
        _loop(trainer, learned, judged, out, job, checkpoint, progress, note)
    card = _finish(trainer, out, job, learned, judged) if processes.rank == 0 else None
    processes.leave()
    return card


def held_out(reels: list[Reel], names: tuple[str, ...]) -> tuple[list[Reel], list[Reel]]:
    """Clips to learn from, and clips that are only looked at. Raises UsageError."""
    there = [reel.name for reel in reels]
    unknown = [name for name in names if name not in there]
    if unknown:
        raise UsageError(f"There is no clip '{unknown[0]}' to hold out.", f"There are: {', '.join(there)}.")
    held = set(names or (there[7::8] if len(there) > 7 else there[-1:] if len(there) > 1 else ()))
    learned = [reel for reel in reels if reel.name not in held]
    if not learned:
        raise UsageError("All clips are held out: nothing is left to train on.", "Leave some out of --held-out.")
    return learned, [reel for reel in reels if reel.name in held]


def _compute(options: EngineOptions, processes: Processes) -> Compute:
    """Each process has its own GPU."""
    if processes.count > 1 and options.device == "auto" and torch.cuda.is_available():
        options = replace(options, device=f"cuda:{processes.local}")
    return choose_for_training(options)


class _Samples(Dataset[Sample | VrmError]):
    """Samples by number; in the place of one that cannot be had, why."""

    def __init__(self, footage: Footage, count: int) -> None:
        self.footage, self.count = footage, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample | VrmError:
        # A worker's exception would arrive as the text of its traceback.
        try:
            return self.footage.sample(index)
        except VrmError as error:
            return error
        except (OSError, MemoryError) as error:
            return EngineError(f"A sample for training cannot be read: {type(error).__name__}: {error}.")


def _as_it_is(sample: Any) -> Any:
    """Worker processes are handed this by name."""
    return sample


def _samples(footage: Footage, config: SavitTraining, done: int, processes: Processes) -> Iterator[Sample]:
    """This process's share of the samples from step ``done`` on."""
    numbers = range(done * config.batch + processes.rank, config.steps * config.batch, processes.count)
    samples = _Samples(footage, config.steps * config.batch)
    loader = DataLoader(samples, None, sampler=numbers, num_workers=config.workers, collate_fn=_as_it_is)
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


def _loop(
    trainer: Trainer, learned: list[Reel], judged: list[Reel], out: Path, job: SavitJob, checkpoint: Checkpoint,
    progress: Callable[[str, int, int], None], note: Callable[[str], None],
) -> None:  # fmt: skip
    config, processes = trainer.config, trainer.processes
    if config.batch % processes.count:
        raise UsageError(f"A batch of {config.batch} cannot be shared by {processes.count} processes.")
    seed, scratch = job.engine.seed, out / "decoded"
    footage = Footage(learned, config.size, config.frames, seed, scratch, local=config.local)
    looks = Footage(judged, config.size, config.frames, seed + 1, scratch, still=True) if judged else None
    log = Log(out) if processes.rank == 0 else None
    stream = batches(
        _samples(footage, config, trainer.done, processes), config.batch // processes.count, trainer.compute.device
    )
    if log is not None and not trainer.done and looks is not None:
        log.look(trainer, looks)
    try:
        while trainer.done < config.steps:
            losses = trainer.step(next(stream))
            progress("train", trainer.done, config.steps)
            if log is None:
                continue
            last = trainer.done == config.steps
            if trainer.done % config.log_every == 0 or last:
                log.line(trainer.done, losses.terms)
            if looks is not None and (trainer.done % config.look_every == 0 or last):
                log.look(trainer, looks)
            if trainer.done % config.save_every == 0 or last:
                checkpoint.write(trainer)
    except KeyboardInterrupt:
        if log is not None and trainer.done:
            checkpoint.write(trainer)
            note(f"Kept at step {trainer.done}; --resume goes on from there.")
        raise


class Log:
    """``log.csv``: step, what, value; and pictures of the clips held out in ``samples/``."""

    def __init__(self, out: Path) -> None:
        self.out = out
        try:
            (out / "samples").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{out} cannot be written: {error.strerror}.") from error

    def line(self, step: int, values: dict[str, float]) -> None:
        """Add values."""
        path = self.out / "log.csv"
        new = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            if new:
                rows.writerow(("step", "what", "value"))
            rows.writerows((step, name, f"{value:.6g}") for name, value in values.items())

    def look(self, trainer: Trainer, footage: Footage) -> None:
        """Frame and hole PSNR on clips held out, and a picture of the first."""
        net = Savit(trainer.config.network)
        net.load_state_dict(trainer.best())
        net.to(trainer.compute.device).eval()
        errors, shares = [], []
        for index in range(max(1, trainer.config.looks)):
            sample = footage.sample(index)
            made = filled(net, sample, trainer.compute)
            error = ((made.astype(np.float64) - sample.frames) / 255) ** 2
            errors.append(error[sample.holes].mean())
            shares.append(sample.holes.mean())
            if index == 0:
                write_png(self.out / "samples" / f"{trainer.done:07d}.png", picture(sample, made))
        hole = float(np.mean([-10 * np.log10(e) for e in errors]))
        frame = float(np.mean([-10 * np.log10(e * s) for e, s in zip(errors, shares, strict=True)]))
        self.line(trainer.done, {"held-out frame PSNR": frame, "held-out hole PSNR": hole})


def filled(net: Savit, sample: Sample, compute: Compute) -> U8:
    """A sample's frames with their holes filled, uint8 ``(T, H, W, 3)``."""
    batch = SavitBatch.of([sample], compute.device)
    with torch.inference_mode(), compute.autocast():
        made = net(batch.masked, batch.labels).frames.float()
    made = (made * batch.hole + batch.truth * (1 - batch.hole))[0].permute(0, 2, 3, 1)
    eight: U8 = ((made + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).cpu().numpy()
    return eight


def picture(sample: Sample, made: U8) -> U8:
    """Three rows: what the network saw, what it made, what was there; up to five frames."""
    seen = sample.frames.copy()
    seen[sample.holes] = 128
    return np.concatenate([np.concatenate(list(rows[:5]), 1) for rows in (seen, made, sample.frames)], 0)


def _finish(trainer: Trainer, out: Path, job: SavitJob, learned: list[Reel], judged: list[Reel]) -> WeightCard:
    net = Savit(trainer.config.network)
    net.load_state_dict(trainer.best())
    config, (device, dtype) = trainer.config, trainer.compute.names
    return save(
        net, out, name=job.name, licence=job.licence, network="savit", settings=config.network.settings(),
        data=f"{len(learned)} clips: {', '.join(r.name for r in learned[:40])}{' ...' if len(learned) > 40 else ''}; "
        f"held out: {', '.join(r.name for r in judged[:40]) or 'none'}.",
        training=f"{trainer.done} steps of Adam, batch {config.batch}, {config.frames} frames of "
        f"{config.size[1]}x{config.size[0]}, {device}, {dtype}, {date.today():%B %Y}."
        + (f" Started from {job.start}." if job.start else ""),
    )  # fmt: skip
