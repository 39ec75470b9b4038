"""The HTML page of a run: means, clips side by side with a scrubber, error maps, wipes, slices through time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from vrm.evaluate.cases.clips import Clip
from vrm.evaluate.cases.sequence import ImageSequence, load_masks
from vrm.evaluate.page.filmstrips import (
    GAIN,
    Filmstrip,
    error_map,
    film_strip,
    frames_at,
    frames_per_strip,
    sample_frames,
    slice_row,
    time_slice,
)
from vrm.evaluate.page.summary import conditions, published_tables, remarks, set_lines
from vrm.evaluate.page.tables import WHAT, PageTable, headline, in_order, page_table, page_tables, was_given, way
from vrm.evaluate.runs.run import EvaluationRun, RunRow
from vrm.evaluate.scoring.score import ScoreOptions, find_cases
from vrm.evaluate.scoring.tables import heading, write_file
from vrm.events import Events
from vrm.report.html import outline
from vrm.report.templates import environment


@dataclass(frozen=True)
class _MethodView:
    name: str
    strip: Filmstrip
    error: Filmstrip | None
    time_slice: str
    given: bool = False  # some of the truth


@dataclass(frozen=True)
class _ClipView:
    """One clip: its scores, and everything to look at.

    Attributes:
        frames: numbers of the frames in every strip.
        row: which row of pixels the slices through time show.
        reference: what errors are measured against, in words.
        given: the frames that were given, the hole outlined.
        shown: engines that were given nothing true, baselines, the others, then the truth if there is one.
    """

    name: str
    scores: PageTable
    frames: list[int]
    row: int
    reference: str
    given: Filmstrip
    shown: list[_MethodView]


def write_page(run: EvaluationRun, options: ScoreOptions, events: Events) -> None:
    """Write ``OUT/index.html``, one file with all its pictures. Raises OutputError."""
    clips = {name: find_cases(path, options.clips) for name, path in run.cases.items()}
    strips = sum(2 for row in run.rows if row.score is not None) + 2 * sum(map(len, clips.values()))
    events.stage("page", sum(map(len, clips.values())))
    all_cases = []
    for name in run.cases:
        rows = run.rows_of(name)
        views = []
        for clip in clips[name]:
            own = [row for row in rows if row.clip == clip.name]
            views.append(_clip_view(run, name, clip, own, options, frames_per_strip(strips)))
            events.advance("page")
        said = [*remarks(rows), *set_lines(run, name)]
        all_cases.append(
            {"name": name, "headline": headline(rows), "tables": page_tables(rows), "remarks": said, "clips": views}
        )
    closest, others = published_tables(run)
    templates = environment(__package__)
    templates.filters |= {"way": way, "heading": heading}
    facts = {"run": run, "conditions": conditions(run), "all_cases": all_cases, "gain": GAIN, "what": WHAT}
    date = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
    page = templates.get_template("evaluation.html").render(**facts, closest=closest, others=others, date=date)
    write_file(run.out / "index.html", page)


def _clip_view(
    run: EvaluationRun, name: str, clip: Clip, rows: list[RunRow], options: ScoreOptions, most: int
) -> _ClipView:
    assert clip.masks is not None
    masks = load_masks(clip.masks, clip.frames, clip.name, options.invert)
    count = clip.count(options.frames)
    frames, row = sample_frames(masks, count, most), slice_row(masks, count)
    reference = frames_at(clip.truth or clip.frames, frames)

    def view(title: str, pictures: ImageSequence, judged: bool = True, helped: bool = False) -> _MethodView:
        own = frames_at(pictures, frames)
        errors = [error_map(f, x, masks[t]) for f, x, t in zip(own, reference, frames, strict=True)] if judged else []
        return _MethodView(
            title, film_strip(own), film_strip(errors) if judged else None, time_slice(pictures, row, count), helped
        )

    filled = {one.method: one for one in rows if one.score is not None}
    shown = []
    for method in in_order(list(filled.values())):
        pictures = ImageSequence(run.out / "results" / name / method / clip.name)
        shown.append(view(method, pictures, helped=was_given(filled[method])))
    if clip.truth is not None:
        shown.append(view("truth", clip.truth, judged=False))
    given = [outline(frame, masks[t]) for frame, t in zip(frames_at(clip.frames, frames), frames, strict=True)]
    return _ClipView(
        clip.name,
        page_table("", rows, 1),
        frames,
        row,
        "what was given" if clip.truth is None else "the truth",
        film_strip(given),
        shown,
    )
