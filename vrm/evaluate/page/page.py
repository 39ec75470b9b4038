"""The HTML page of a run: means, clips side by side with a scrubber, error maps, wipes, slices through time."""

from __future__ import annotations

from dataclasses import dataclass

from vrm.evaluate.cases.clips import Clip
from vrm.evaluate.cases.sequence import ImageSequence, load_masks
from vrm.evaluate.page.filmstrips import (
    GAIN,
    Filmstrip,
    error_map,
    frames_at,
    sample_frames,
    slice_row,
    write_strip,
    write_time_slice,
)
from vrm.evaluate.page.summary import clip_rows, conditions, means_tables, published_tables, remarks, set_lines
from vrm.evaluate.runs.run import EvaluationRun, RunRow
from vrm.evaluate.scoring.score import ScoreOptions, find_cases
from vrm.evaluate.scoring.tables import write_file
from vrm.events import Events
from vrm.report.html import outline
from vrm.report.templates import environment


@dataclass(frozen=True)
class _MethodView:
    name: str
    strip: Filmstrip
    error: Filmstrip | None
    time_slice: str


@dataclass(frozen=True)
class _ClipView:
    """One clip: its scores, and everything to look at.

    Attributes:
        scores: a table, the heading first.
        frames: numbers of the frames in every strip.
        row: which row of pixels the slices through time show.
        reference: what errors are measured against, in words.
        given: the frames that were given, the hole outlined.
        shown: the truth, if there is one, then every method.
    """

    name: str
    scores: list[list[str]]
    frames: list[int]
    row: int
    reference: str
    given: Filmstrip
    shown: list[_MethodView]


def write_page(run: EvaluationRun, options: ScoreOptions, events: Events) -> None:
    """Write ``OUT/index.html`` and its pictures in ``OUT/page``. Raises OutputError."""
    clips = {name: find_cases(path, options.clips) for name, path in run.cases.items()}
    events.stage("page", sum(map(len, clips.values())))
    all_cases = []
    for name in run.cases:
        rows = run.rows_of(name)
        views = []
        for clip in clips[name]:
            views.append(_clip_view(run, name, clip, [row for row in rows if row.clip == clip.name], options))
            events.advance("page")
        said = [*remarks(rows), *set_lines(run, name)]
        all_cases.append({"name": name, "means": means_tables(rows), "remarks": said, "clips": views})
    closest, others = published_tables(run)
    page = environment(__package__).get_template("evaluation.html")
    facts = {"run": run, "conditions": conditions(run), "all_cases": all_cases, "gain": GAIN}
    write_file(run.out / "index.html", page.render(**facts, closest=closest, others=others))


def _clip_view(run: EvaluationRun, name: str, clip: Clip, rows: list[RunRow], options: ScoreOptions) -> _ClipView:
    assert clip.masks is not None
    masks = load_masks(clip.masks, clip.frames, clip.name, options.invert)
    count = clip.count(options.frames)
    frames, row = sample_frames(masks, count), slice_row(masks, count)
    folder = run.out / "page" / name / clip.name
    reference = frames_at(clip.truth or clip.frames, frames)

    def view(title: str, pictures: ImageSequence, judged: bool) -> _MethodView:
        own = frames_at(pictures, frames)
        errors = [error_map(f, x, masks[t]) for f, x, t in zip(own, reference, frames, strict=True)] if judged else []
        return _MethodView(
            title,
            write_strip(own, folder / f"{title}.jpg", run.out),
            write_strip(errors, folder / f"{title}-error.jpg", run.out) if judged else None,
            write_time_slice(pictures, row, count, folder / f"{title}-time.jpg", run.out),
        )

    shown = [] if clip.truth is None else [view("truth", clip.truth, False)]
    for filled in rows:
        if filled.score is not None:
            pictures = ImageSequence(run.out / "results" / name / filled.method / clip.name)
            shown.append(view(filled.method, pictures, True))
    given = [outline(frame, masks[t]) for frame, t in zip(frames_at(clip.frames, frames), frames, strict=True)]
    return _ClipView(
        clip.name,
        [row[1:] for row in clip_rows(rows)],
        frames,
        row,
        "what was given" if clip.truth is None else "the truth",
        write_strip(given, folder / "given.jpg", run.out),
        shown,
    )
