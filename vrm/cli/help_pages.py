"""How help pages look: options under headings, in plain text, quickly.

Typer's own pages import rich's Markdown and pydantic: 0.4 s before the first line. These take a tenth of a second.
"""

from typing import Any

from typer.core import TyperCommand, TyperGroup

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
            term = record[0].replace("<list[Path]>", "<path>...")  # what typer makes of several
            found.setdefault(getattr(param, "rich_help_panel", None) or fallback, []).append((term, record[1]))
    return sorted(found.items(), key=lambda item: _ORDER.index(item[0]))


class Group(TyperGroup):
    """The group of commands; its --help and completion options cost nothing when they are not given.

    They have a default, for with None typer would import pydantic to check it.
    """

    def get_params(self, ctx: Any) -> list[Any]:
        params = super().get_params(ctx)
        for param in params:
            if param.name in ("install_completion", "show_completion"):
                param.default = False
        return params

    def get_help_option(self, ctx: Any) -> Any:
        option = super().get_help_option(ctx)
        if option is not None:
            option.default = False
        return option
