"""``vrm remove``: parse, one call."""

from pathlib import Path
from typing import Annotated

import typer

from vrm import api
from vrm.cli import options as w
from vrm.cli.progress import listener
from vrm.options.build import Words
from vrm.options.remove import BatchOptions

Inputs = Annotated[
    list[Path],
    typer.Argument(
        default_factory=list,
        metavar="INPUT",
        help="Videos, folders of videos, folders of numbered frames; - reads names from standard input.",
        show_default=False,
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "-o",
        "--output",
        metavar="OUT",
        help="Where the result goes; for several inputs a folder. Default: INPUT's name with -clean, beside it.",
        rich_help_panel=w.OUT,
    ),
]


def remove(
    input: Inputs,
    output: Output = None,
    mask: w.Mask = None,
    mask_frame: w.MaskFrame = 0,
    static_mask: w.StaticMask = False,
    object: w.Object = None,
    invert_mask: w.InvertMask = False,
    grow: w.Grow = None,
    feather: w.Feather = None,
    save_masks: w.SaveMasks = None,
    point: w.Points = None,
    not_point: w.NotPoints = None,
    box: w.Boxes = None,
    class_: w.Classes = None,
    labels: w.Labels = None,
    oracle_labels: w.OracleLabels = False,
    segmenter: w.Segmenter = None,
    sam: w.Sam = None,
    engine: w.Engine = "motion",
    preset: w.Preset = "balanced",
    prefill: w.Prefill = None,
    weights: w.Weights = "auto",
    keyframe: w.Keyframe = None,
    export_keyframes: w.ExportKeyframes = None,
    start: w.Start = None,
    end: w.End = None,
    preview: w.Preview = False,
    device: w.Device = "auto",
    dtype: w.Dtype = "auto",
    threads: w.Threads = None,
    seed: w.Seed = 0,
    memory: w.Memory = None,
    no_fallback: w.NoFallback = False,
    codec: w.Codec = None,
    crf: w.Crf = None,
    lossless: w.Lossless = False,
    pix_fmt: w.PixFmt = None,
    stream: w.Stream = None,
    report: w.Report = None,
    json: w.Json = False,
    overwrite: w.Overwrite = False,
    resume: w.Resume = False,
    recursive: w.Recursive = False,
    manifest: w.Manifest = None,
    allow_outside: w.AllowOutside = False,
    skip_existing: w.SkipExisting = False,
    jobs: w.Jobs = None,
    ray: w.Ray = None,
    summary: w.SummaryFile = None,
    max_pixels: w.MaxPixels = None,
    max_frames: w.MaxFrames = None,
) -> None:
    """Remove what a mask, a click, a box or a class name says, and nothing else.

    Sound, timing, colours and every pixel outside the mask stay as they are. Of several videos, one that fails stops no
    other; a folder given with --mask then holds a mask of each video's name.
    """
    words = Words(
        mask=mask,
        mask_frame=mask_frame,
        static_mask=static_mask,
        object=object,
        invert_mask=invert_mask,
        grow=grow,
        feather=feather,
        save_masks=save_masks,
        point=point,
        not_point=not_point,
        box=box,
        class_=class_,
        labels=labels,
        oracle_labels=oracle_labels,
        segmenter=segmenter,
        sam=sam,
        engine=engine,
        preset=preset,
        prefill=prefill,
        weights=weights,
        keyframe=keyframe or None,
        export_keyframes=export_keyframes,
        start=start,
        end=end,
        preview=preview,
        device=device,
        dtype=dtype,
        threads=threads,
        seed=seed,
        memory=memory,
        no_fallback=no_fallback,
        codec=codec,
        crf=crf,
        lossless=lossless,
        pix_fmt=pix_fmt,
        stream=stream,
        report=report,
        overwrite=overwrite,
        resume=resume,
        max_pixels=max_pixels,
        max_frames=max_frames,
    )
    batch = BatchOptions(recursive, manifest, allow_outside, skip_existing, jobs, ray, summary)
    with listener(json) as events:
        if api.is_batch(input, batch):
            api.remove_batch(input, output, batch=batch, events=events, **words)
        else:
            api.remove(input[0], output, events=events, **words)
