"""``vrm weights``: parse, one call, print."""

import json as json_text
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vrm.cli.complete import among, convertible, fetchable, installed
from vrm.cli.help_pages import Command
from vrm.cli.options import Json, Quiet, Verbose, argument, output_option, takes
from vrm.cli.progress import tell
from vrm.options.declare import OUTPUT
from vrm.options.remove import OutputOptions
from vrm.report.tables import text_table

if TYPE_CHECKING:
    from vrm.weights.cards import ModelCard, WeightCard

weights = typer.Typer(add_completion=False, rich_markup_mode=None, help="List, fetch, convert and verify weights.")


USES = {
    "savit": "vrm remove --engine savit --weights",
    "two-stream": "vrm remove --engine keyframe --weights",
    "segmenter": "--segmenter: --class, vrm segment",
    "sam": "--sam: --point and --box",
    "lpips": "vrm evaluate --lpips",
    "fid-inception": "vrm evaluate --fid",
    "i3d": "vrm evaluate --i3d",
    "raft": "vrm evaluate --flow",
    "ade20k-resnet50": "vrm train keyframe --perceptual",
}
"""What takes the weights of each network, in the order they are listed."""

_Row = tuple[str, str, str, str, str]


@weights.command("list", cls=Command)
def list_all(json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """List the weights that are installed, and those that can be fetched or converted, by what uses them."""
    from vrm.selection.hub import own_models
    from vrm.weights.cards import known, models
    from vrm.weights.convert.registry import FOREIGN, MODELS, OFFERED

    if json:
        rows = [
            {**asdict(card), "settings": dict(card.settings), "path": str(folder / card.file)}
            for card, folder in known()
        ]
        fetched = [{**asdict(card), "path": str(folder)} for card, folder in models()]
        own = [{"name": folder.name, "network": network, "path": str(folder)} for network, folder in own_models()]
        offered = {name: card.network for name, card in OFFERED.items()} | MODELS
        kinds = {name: asdict(kind) for name, kind in FOREIGN.items()}
        found = {"weights": rows, "models": fetched, "own": own, "fetchable": offered, "convertible": kinds}
        typer.echo(json_text.dumps(found, indent=2))
        return
    groups: dict[str, list[_Row]] = {network: [] for network in USES}
    for network, row in _rows():
        groups.setdefault(network, []).append(row)
    shown = [f"{USES.get(network, network)}\n{_table(rows)}" for network, rows in groups.items() if rows]
    tell("\n".join(shown).removesuffix("\n"))


def _table(rows: list[_Row]) -> str:
    return text_table([("name", "for", "size", "licence", "file, or how to get it"), *rows], left=5)


def _rows() -> Iterator[tuple[str, _Row]]:
    """By network, what is here, then what can be fetched, then what can be converted."""
    from vrm.selection.hub import own_models
    from vrm.weights.cards import known, models
    from vrm.weights.convert.registry import FOREIGN, MODELS, OFFERED

    here, folders = known(), models()
    had = {card.name for card, _ in here} | {card.repository for card, _ in folders}
    for card, folder in here:
        path = folder / card.file
        where = str(path) if path.is_file() else f"vrm weights fetch {card.name}"
        yield card.network, _row(card, card.network, where)
    for model, folder in folders:
        yield model.network, _row(model, f"--{model.network}", str(folder))
    for network, folder in own_models():
        size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
        yield network, (folder.name, f"--{network}", f"{size / 1e6:.1f} MB", "your own", str(folder))
    for card in OFFERED.values():
        if card.name not in had:
            yield card.network, _row(card, f"--{card.network}", f"vrm weights fetch {card.name}")
    for name, network in MODELS.items():
        if name not in had:
            yield network, (name, f"--{network}", "", "", f"vrm weights fetch {name}")
    for name, kind in FOREIGN.items():
        if name not in had:
            yield kind.network, (name, kind.network, "", kind.licence, f"vrm weights import {name} FILE; {kind.source}")


def _row(card: "WeightCard | ModelCard", use: str, where: str) -> _Row:
    return card.name, use, f"{card.bytes / 1e6:.1f} MB", card.licence, where


@weights.command(cls=Command)
@takes(OutputOptions, only=("overwrite",))
def fetch(
    name: Annotated[
        str,
        argument(
            "NAME", "See vrm weights list; or OWNER/NAME, a repository of the Hugging Face hub.", among(fetchable)
        ),
    ],
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    **words: Any,
) -> None:
    """Download weights, and verify them.

    Nothing else in vrm downloads anything.
    """
    from vrm.cli.progress import listener
    from vrm.events import stages
    from vrm.selection.hub import fetch_model, is_repository
    from vrm.weights.download import fetch_weights

    with listener(json, quiet, verbose) as events:
        if is_repository(name):
            model, folder = fetch_model(name, words["overwrite"], stages(events))
            events.note(f"Fetched and verified: --{model.network} {model.name} ({model.licence}; {folder}).")
            return
        card, folder = fetch_weights(name, words["overwrite"], stages(events))
        events.note(f"Fetched and verified: {folder / card.file}.")


@weights.command("import", cls=Command)
@takes(OutputOptions, only=("overwrite",))
def convert(
    name: Annotated[str, argument("NAME", "What the file is, see vrm weights list.", among(convertible))],
    file: Annotated[Path, argument("FILE", "The published checkpoint.")],
    output: Annotated[
        Path | None,
        output_option("OUT", "A .safetensors file or a folder. Default: vrm's own folder of weights.", OUTPUT),
    ] = None,
    **words: Any,
) -> None:
    """Convert a published checkpoint to safetensors, strictly.

    Only its tensors and plain values are read: no code in it runs, whatever else it holds.
    """
    from vrm.weights.download import import_weights

    card, folder = import_weights(name, file, output, words["overwrite"])
    typer.echo(f"{folder / card.file}: network {card.network}, {card.bytes / 1e6:.1f} MB, licence {card.licence}")


@weights.command(cls=Command)
def verify(
    name: Annotated[str | None, argument("NAME|FILE", "Default: all that are here.", among(installed))] = None,
) -> None:
    """Compare weights with the size and checksum on their cards."""
    from vrm.weights.cards import known, models, named, verify_model
    from vrm.weights.cards import verify as check

    for model, folder in models():
        if name in (None, model.name):
            verify_model(model, folder)
            typer.echo(f"{model.name}: {folder} is what its card says")
            if name is not None:
                return
    for card, folder in known() if name is None else [named(name)]:
        if name is not None or (folder / card.file).is_file():
            check(card, folder)
            typer.echo(f"{card.name}: {folder / card.file} is what its card says")
