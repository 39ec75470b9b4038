"""How help pages look: options under headings, in plain text, quickly.

Typer's own pages import rich's Markdown: 0.3 s before the first line. These take a tenth of a second.
"""

from typing import Any

from typer.core import TyperCommand

from vrm.options.declare import PANELS

_ORDER = ("Arguments", *PANELS, "Options")


class Command(TyperCommand):
    """A command whose options stand under the heading each one names (``rich_help_panel``)."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        for heading, records in sections(self, ctx):
            with formatter.section(heading):
                formatter.write_dl(records)


def sections(command: Any, ctx: Any) -> list[tuple[str, list[tuple[str, str]]]]:
    """The headings of a command's help in order, and under each the options and what they mean."""
    found: dict[str, list[tuple[str, str]]] = {}
    for param in command.get_params(ctx):
        record = param.get_help_record(ctx)
        if record is not None:
            fallback = "Arguments" if param.param_type_name == "argument" else "Options"
            found.setdefault(getattr(param, "rich_help_panel", None) or fallback, []).append(record)
    return sorted(found.items(), key=lambda item: _ORDER.index(item[0]))
