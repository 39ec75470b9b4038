"""The building's plan, read from the source: imports go down, rooms keep to themselves, help is quick to import."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import vrm

ROOT = Path(vrm.__file__).parent
FLOORS = [
    {"__main__"},
    {"cli"},
    {"api"},
    {"measure"},
    {"evaluate"},
    {"jobs"},
    {"pipeline"},
    {"parts"},
    {"filling"},
    {"pointing"},
    {"labelling"},
    {"work"},
    {"state", "beside", "needs"},
    {"shots"},
    {"segment"},
    {"track", "engines"},
    {"train", "convert"},
    {"motion", "masks", "nets", "metrics", "media", "report", "weights"},
    {"events", "keywords", "options", "clashes", "types", "errors", "memory", "process", "disk", "scratch"}
    | {"housekeeping"},
]
"""From the top down. Rooms of one floor do not import each other; only the lowest floor's modules may."""

HEAVY = ("torch", "torchvision", "numpy", "cv2", "av", "imageio", "scenedetect", "safetensors", "pydantic")


def modules() -> dict[str, Path]:
    """Dotted name -> file, of every module of the package."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = ("vrm", *path.relative_to(ROOT).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path, known: dict[str, Path]) -> set[str]:
    """Every module a file imports anywhere in it, as dotted names; ``from a import b`` is a.b if that is a module."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                names.add(inner if inner in known else node.module)
    return names


MODULES = modules()
EDGES = {
    name: {target for target in imports(path, MODULES) if target.split(".")[0] == "vrm"}
    for name, path in MODULES.items()
    if name != "vrm"
}


def room(module: str) -> str:
    return module.split(".")[1]


def floor(module: str) -> int:
    return next(level for level, rooms in enumerate(FLOORS) if room(module) in rooms)


def test_every_room_has_a_floor() -> None:
    known = set().union(*FLOORS)
    assert {room(name) for name in EDGES} <= known


@pytest.mark.parametrize("module", sorted(EDGES))
def test_imports_go_down(module: str) -> None:
    lowest = len(FLOORS) - 1
    for target in EDGES[module] - {"vrm"}:
        same_room = room(target) == room(module)
        among_the_lowest = floor(target) == floor(module) == lowest
        assert same_room or among_the_lowest or floor(target) > floor(module), f"{module} imports {target}"


def test_no_cycles() -> None:
    done: set[str] = set()

    def visit(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, " -> ".join((*way[way.index(module) :], module))
        if module in done or module not in EDGES:
            return
        for target in sorted(EDGES[module]):
            visit(target, (*way, module))
        done.add(module)

    for name in EDGES:
        visit(name, ())


@pytest.mark.parametrize("module", sorted(name for name in MODULES if not name.startswith("vrm.media")))
def test_only_media_opens_videos(module: str) -> None:
    foreign = {name.split(".")[0] for name in imports(MODULES[module], MODULES)}
    assert not foreign & {"av", "imageio"}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_files_are_short_and_named_for_what_they_hold(module: str) -> None:
    path = MODULES[module]
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= 450
    assert path.stem not in {"utils", "util", "misc", "helpers", "helper", "common", "tools"}


@pytest.mark.parametrize("module", sorted(name for name, path in MODULES.items() if path.name == "__init__.py"))
def test_rooms_do_not_re_export(module: str) -> None:
    if module != "vrm":
        assert not imports(MODULES[module], MODULES), "only vrm itself offers names of other modules"


@pytest.mark.parametrize(
    "code",
    [
        "import vrm",
        "import vrm; vrm.remove, vrm.info, vrm.VrmError",
        "from vrm.cli.main import run; run(['--help'])",
        "from vrm.cli.main import run; run(['remove', '--help'])",
        "from vrm.cli.main import run; run(['--version'])",
    ],
)
def test_heavy_imports_wait(code: str) -> None:
    tail = f"; import sys, json; print(json.dumps([m for m in {HEAVY} if m in sys.modules]), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code + tail], capture_output=True, text=True, check=True)
    assert json.loads(done.stderr.splitlines()[-1]) == []


def test_public_names_resolve() -> None:
    for name in vrm.__all__:
        assert getattr(vrm, name) is not None
    assert dir(vrm) == sorted(vrm.__all__)
    with pytest.raises(AttributeError):
        _ = vrm.nothing_of_that_name
