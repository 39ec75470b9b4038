"""Write vrm/__init__.pyi, the public calls as type checkers and editors see them: ``python docs/make_stub.py``.

At run time the calls take their keywords from the declared options; a test compares this file with them.
"""

import inspect
import re
from pathlib import Path
from typing import Any

import vrm

ROOT = Path(vrm.__file__).parent


def stub() -> str:
    """The whole file."""
    source = (ROOT / "api.py").read_text(encoding="utf-8")
    types = re.findall(
        r"(from vrm\.\S+ import [\w, ]+)", source.partition("if TYPE_CHECKING:\n")[2].partition("\n\n")[0]
    )
    named = {name: getattr(vrm, name) for name in vrm.__all__ if name != "__version__"}
    calls = {name: value for name, value in named.items() if inspect.isfunction(value)}
    offered = [f"from {each.__module__} import {name} as {name}" for name, each in named.items() if name not in calls]
    lines = [
        "# Written by docs/make_stub.py; do not edit.",
        "",
        "from collections.abc import Iterable, Mapping",
        "from pathlib import Path",
        "",
        *sorted([*types, *offered, "from vrm.version import __version__ as __version__"]),
        "",
    ]
    for name, call in calls.items():
        lines += [f"def {name}(", *_parameters(call), f") -> {inspect.signature(call).return_annotation}: ..."]
    return "\n".join(lines) + "\n"


def _parameters(call: Any) -> list[str]:
    lines = []
    parameters = list(inspect.signature(call).parameters.values())
    for before, each in zip([None, *parameters], parameters, strict=False):
        if each.kind is each.KEYWORD_ONLY and (before is None or before.kind is not each.KEYWORD_ONLY):
            lines.append("    *,")
        default = "" if each.default is each.empty else f" = {_literal(each.default)}"
        lines.append(f"    {each.name}: {_annotation(each.annotation)}{default},")
    return lines


def _annotation(annotation: Any) -> str:
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return text.replace("pathlib.", "").replace("collections.abc.", "")


def _literal(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


if __name__ == "__main__":
    (ROOT / "__init__.pyi").write_text(stub(), encoding="utf-8")
