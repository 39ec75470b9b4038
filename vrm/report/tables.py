"""Tables and lengths of time as plain text."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Sequence


def text_table(rows: Sequence[Sequence[str]], *, left: int = 2, header: bool = True) -> str:
    """Rows of one length as aligned columns; on a terminal, words (never numbers or paths) are wrapped to its width.

    Args:
        left: the first so many columns are aligned to the left, the others, of numbers, to the right.
        header: the first row is the heading.
    """
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=header)
    for k, column in enumerate(zip(*rows, strict=True)):
        longest = max((cell_len(word) for cell in column for word in cell.split()), default=0)
        table.add_column(column[0], justify="left" if k < left else "right", min_width=longest)
    for row in rows[1:] if header else rows:
        table.add_row(*row)
    text = io.StringIO()
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 100_000
    console = Console(file=text, width=width, color_system=None, markup=False, emoji=False, highlight=False)
    console.print(table, crop=False)
    return "".join(f"{line.rstrip()}\n" for line in text.getvalue().removesuffix("\n").split("\n"))


def duration(seconds: float) -> str:
    """``"12.3 s"``, ``"2:10 min"``, ``"1:02:30 h"``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} h" if hours else f"{minutes}:{rest:02} min"
