"""The HTML page of a run: means, clips side by side with a scrubber, error maps, wipes, slices through time."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from vrm.evaluate.cases.clips import Clip
from vrm.evaluate.cases.pictures import Pictures, load_masks
from vrm.evaluate.page.filmstrips import (
    Strip,
    cut_line,
    error_map,
    film,
    frames_at,
    outlined,
    slice_through_time,
    telling,
)
from vrm.evaluate.page.published import TABLES, PublishedTable, tables_for
from vrm.evaluate.page.summary import clip_rows, conditions, means_tables, remarks, run_protocols, set_lines
from vrm.evaluate.runs.run import Row, Run
from vrm.evaluate.scoring.score import ScoreOptions, find_cases
from vrm.evaluate.scoring.tables import write_text
from vrm.events import Events
from vrm.report.style import STYLE

_STYLE = """
body { max-width: 100rem; } .scroll { overflow-x: auto; } .scroll td { white-space: nowrap; overflow-wrap: normal; }
.scroll th + th { text-align: right; }
td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.tools { display: flex; flex-wrap: wrap; gap: .6rem 1.4rem; align-items: center; margin: .6rem 0; color: var(--quiet);
  font-size: .9rem; } .tools input[type=range] { width: 16rem; } .tools output { min-width: 5.5rem; }
.films { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(17rem, 100%), 1fr)); gap: .75rem; }
.film { width: 100%; background-repeat: no-repeat; border-radius: .35rem; }
.wipe { position: relative; max-width: 48rem; } .wipe .film + .film { position: absolute; inset: 0; }
.slices { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(17rem, 100%), 1fr)); gap: .75rem; }
.slices img { image-rendering: pixelated; }
"""

_SCRIPT = """
for (const clip of document.querySelectorAll('.clip')) {
  const find = (name) => clip.querySelector(name), films = clip.querySelectorAll('.film');
  const frames = JSON.parse(clip.dataset.frames), scrub = find('.scrub'), wipe = find('.where');
  const draw = () => {
    const k = +scrub.value, n = frames.length;
    find('output').textContent = 'frame ' + frames[k];
    const kind = find('.kind').value;
    for (const film of films) {
      const url = film.dataset[kind] || film.dataset.picture;
      film.style.backgroundImage = 'url("' + url + '")';
      film.style.backgroundSize = '100% ' + 100 * n + '%';
      film.style.backgroundPosition = '0 ' + (n > 1 ? 100 * k / (n - 1) : 0) + '%';
    }
    find('.after').style.clipPath = 'inset(0 0 0 ' + wipe.value + '%)';
  };
  find('.which').onchange = (event) => { find('.after').dataset.picture = event.target.value; draw(); };
  for (const control of [scrub, wipe, find('.kind')]) control.oninput = draw;
  let playing = null;
  find('.play').onclick = () => {
    if (playing) { clearInterval(playing); playing = null; return; }
    playing = setInterval(() => { scrub.value = (+scrub.value + 1) % frames.length; draw(); }, 250);
  };
  new IntersectionObserver((seen, watch) => { if (seen[0].isIntersecting) { draw(); watch.disconnect(); } },
    { rootMargin: '600px' }).observe(clip);
}
"""


@dataclass(frozen=True)
class _Shown:
    """One column of a clip: its strips and its slice through time."""

    name: str
    picture: Strip
    error: Strip | None
    time: str


def write_page(run: Run, options: ScoreOptions, events: Events) -> None:
    """Write ``OUT/index.html`` and its pictures in ``OUT/page``. Raises OutputError."""
    parts = [_head(run)]
    events.stage("page", sum(len({row.clip for row in run.rows if row.cases == name}) for name in run.cases))
    for name, path in run.cases.items():
        rows = [row for row in run.rows if row.cases == name]
        tables = "".join(f"<p>{escape(title)}</p>{_table(table)}" for title, table in means_tables(rows))
        said = [*remarks(rows), *set_lines(run, name)]
        parts.append(f"<section><h2>{escape(name)}</h2>{tables}{_list(said)}</section>")
        for clip in find_cases(path, options.clips):
            parts.append(_clip(run, name, clip, [row for row in rows if row.clip == clip.name], options))
            events.advance("page")
    closest = tables_for(run_protocols(run))
    parts.append(
        "<section><h2>Published, under other conditions</h2><p>Not comparable with the tables above line by line.</p>"
        + "".join(map(_published, closest))
        + "<details><summary>Tables of other protocols</summary>"
        + "".join(_published(table) for table in TABLES if table not in closest)
        + "</details></section>"
    )
    text = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>vrm evaluate</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}{_STYLE}</style></head>'
        f"<body>{''.join(parts)}<script>{_SCRIPT}</script></body></html>\n"
    )
    write_text(run.out / "index.html", text)


def _head(run: Run) -> str:
    return (
        f"<header><h1>vrm evaluate</h1><p>{escape(run.command)}</p></header><details><summary>Machine, versions, "
        f"conditions</summary>{_list(conditions(run))}</details>"
    )


def _clip(run: Run, name: str, clip: Clip, rows: list[Row], options: ScoreOptions) -> str:
    """One clip: its numbers, and everything to look at."""
    assert clip.masks is not None
    masks = load_masks(clip.masks, clip.frames, clip.name, options.invert)
    count = min(len(clip.frames), options.frames or len(clip.frames))
    frames, row = telling(masks, count), cut_line(masks, count)
    folder = run.out / "page" / name / clip.name
    reference = clip.truth or clip.frames
    truth = frames_at(reference, frames)

    def shown(title: str, pictures: Pictures, judged: bool) -> _Shown:
        slug = title.replace(" ", "-")
        own = frames_at(pictures, frames)
        maps = [error_map(f, x, masks[t]) for f, x, t in zip(own, truth, frames, strict=True)] if judged else []
        return _Shown(
            title,
            film(own, folder / f"{slug}.jpg", run.out),
            film(maps, folder / f"{slug}-error.jpg", run.out) if maps else None,
            slice_through_time(pictures, row, count, folder / f"{slug}-time.jpg", run.out),
        )

    before = film(frames_at(clip.frames, frames, outlined(masks)), folder / "given.jpg", run.out)
    columns = [] if clip.truth is None else [shown("truth", clip.truth, False)]
    for filled in rows:
        if filled.score is not None:
            pictures = Pictures(run.out / "results" / name / filled.method / clip.name)
            columns.append(shown(filled.method, pictures, True))
    against = "the truth" if clip.truth is not None else "what was given"
    views = _film("given, hole outlined", before, None) + "".join(_film(c.name, c.picture, c.error) for c in columns)
    slices = "".join(
        f'<figure><img loading="lazy" alt="{escape(c.name)} through time" src="{escape(c.time)}">'
        f"<figcaption>{escape(c.name)}</figcaption></figure>"
        for c in columns
    )
    return (
        f'<section class="clip" data-frames="{frames}"><h2>{escape(name)} / {escape(clip.name)}</h2>'
        f"{_table([row[1:] for row in clip_rows(rows)])}{_tools(frames, against)}<div class='films'>{views}</div>"
        f"<h3>Before and after</h3>{_wipe(before, columns)}"
        f"<h3>Row {row} through time, first frame on top</h3><div class='slices'>{slices}</div></section>"
    )


def _tools(frames: list[int], against: str) -> str:
    return (
        f'<div class="tools"><button class="play">play</button><input class="scrub" type="range" min="0" '
        f'max="{len(frames) - 1}" value="{len(frames) // 2}" aria-label="frame"><output></output>'
        f'<label>show <select class="kind"><option value="picture">pictures</option>'
        f'<option value="error">difference from {against}, times 4</option></select></label></div>'
    )


def _wipe(before: Strip, columns: list[_Shown]) -> str:
    chosen = columns[-1].picture if columns else before
    options = ""
    for c in columns:
        mark = " selected" if c.picture is chosen else ""
        options += f'<option value="{escape(c.picture.path)}"{mark}>{escape(c.name)}</option>'
    aspect = f"aspect-ratio:{before.size[1]}/{before.size[0]}"
    return (
        f'<div class="tools"><label>after: <select class="which">{options}</select></label>'
        '<input class="where" type="range" min="0" max="100" value="50" aria-label="before and after"></div>'
        f'<div class="wipe"><div class="film" data-picture="{escape(before.path)}" style="{aspect}"></div>'
        f'<div class="film after" data-picture="{escape(chosen.path)}" style="{aspect}"></div></div>'
    )


def _film(name: str, picture: Strip, error: Strip | None) -> str:
    height, width = picture.size
    other = f' data-error="{escape(error.path)}"' if error is not None else ""
    return (
        f'<figure><div class="film" role="img" aria-label="{escape(name)}" data-picture="{escape(picture.path)}"'
        f'{other} style="aspect-ratio:{width}/{height}"></div><figcaption>{escape(name)}</figcaption></figure>'
    )


def _published(table: PublishedTable) -> str:
    return (
        f"<h3>{escape(table.title)}</h3>{_list(table.conditions)}{_table([list(table.head), *map(list, table.rows)])}"
    )


def _table(rows: list[list[str]]) -> str:
    head, *body = rows
    lines = ["<tr>" + "".join(f"<th>{escape(text)}</th>" for text in head) + "</tr>"]
    for row in body:
        cells = (f"<td{' class=n' if k else ''}>{escape(text)}</td>" for k, text in enumerate(row))
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return f'<div class="scroll"><table>{"".join(lines)}</table></div>'


def _list(lines: list[str] | tuple[str, ...]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>" if lines else ""
