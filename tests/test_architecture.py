"""The plan of the house, read from the source: imports go down, rooms keep to themselves, only networks load torch."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

import vrm

ROOT = Path(vrm.__file__).parent
FLOORS = [
    {"__main__"},
    {"api", "cli", "page"},
    {"batch", "evaluate"},
    {"pipeline"},
    {"selection", "engines"},
    {"job", "train"},
    {"media", "motion", "shots", "weights"},
    {"options", "system", "nets", "metrics", "report"},
    {"types", "errors", "events", "version"},
]
"""From the top down: a room imports only from floors below its own, and rooms of one floor do not know each other.
Above them all stands ``vrm`` itself, which offers names of ``api`` and imports nothing until one is asked for."""

HEAVY = ("torch", "torchvision", "numpy", "cv2", "av", "safetensors", "pydantic")
OPTIONAL = ("torch", "torchvision", "segment_anything", "transformers", "huggingface_hub", "lpips", "ray", "mmseg")


def modules() -> dict[str, Path]:
    """Dotted name -> file, of every module of the package."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = ("vrm", *path.relative_to(ROOT).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def imports(tree: ast.AST, *, everywhere: bool) -> set[str]:
    """What a module imports, as dotted names; ``from a import b`` is a.b if that is a module.

    Args:
        tree: the module.
        everywhere: also in functions and for type checkers, not only when it is loaded.
    """
    names: set[str] = set()
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import"
            assert node.module is not None
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name in MODULES else node.module for name in inner}
        elif everywhere or not (is_for_types(node) or isinstance(node, (ast.FunctionDef, ast.Lambda))):
            names |= imports(node, everywhere=everywhere)
    return names


EDGES = {
    name: {target for target in imports(tree, everywhere=True) if target.split(".")[0] == "vrm"} - {"vrm"}
    for name, tree in TREES.items()
    if name != "vrm"
}


def room(module: str) -> str:
    return module.split(".")[1]


def floor(module: str) -> int:
    return next(level for level, rooms in enumerate(FLOORS) if room(module) in rooms)


def test_every_room_has_a_floor() -> None:
    assert {room(name) for name in EDGES} <= set().union(*FLOORS)


def test_few_modules_stand_outside_a_room() -> None:
    outside = {path.stem for path in ROOT.glob("*.py") if not path.stem.startswith("__")}
    assert len(outside) <= 8, sorted(outside)


@pytest.mark.parametrize("module", sorted(EDGES))
def test_imports_go_down(module: str) -> None:
    for target in EDGES[module]:
        assert room(target) == room(module) or floor(target) > floor(module), f"{module} imports {target}"


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
    foreign = {name.split(".")[0] for name in imports(TREES[module], everywhere=True)}
    assert "av" not in foreign


@pytest.mark.parametrize("module", sorted(MODULES))
def test_files_are_short_and_named_for_what_they_hold(module: str) -> None:
    path = MODULES[module]
    assert path.read_text(encoding="utf-8").count("\n") <= 400
    assert path.stem not in {"utils", "util", "misc", "helpers", "helper", "common", "tools"}


def test_a_class_name_stands_for_one_class() -> None:
    homes: dict[str, list[str]] = defaultdict(list)
    for module, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                homes[node.name].append(module)
    assert {name: places for name, places in homes.items() if len(places) > 1} == {}


@pytest.mark.parametrize("module", sorted(name for name, path in MODULES.items() if path.name == "__init__.py"))
def test_rooms_do_not_re_export(module: str) -> None:
    if module != "vrm":
        assert not imports(TREES[module], everywhere=True), "only vrm itself offers names of other modules"


# What is loaded


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


def test_only_networks_load_torch() -> None:
    """Whatever loads an optional package when it is loaded itself is a network, trains one, or runs or converts one."""
    entries = {"vrm.pipeline", "vrm.api", "vrm.cli.main", "vrm.page.server"} & MODULES.keys()
    entries |= {name for name in MODULES if room_of(name) in ("batch", "job", "media", "motion", "shots", "report")}
    entries |= {
        "vrm.engines.motion", "vrm.engines.keyframe.engine", "vrm.selection.resolve", "vrm.evaluate.commands",
        "vrm.weights.cards", "vrm.weights.download",
    }  # fmt: skip
    loaded: set[str] = set()
    waiting = sorted(entries)
    while waiting:
        name = waiting.pop()
        if name in loaded:
            continue
        loaded.add(name)
        found = imports(TREES[name], everywhere=False)
        assert not {one.split(".")[0] for one in found} & set(OPTIONAL), f"{name} loads an optional package"
        waiting += [target for target in found if target in MODULES]


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


@pytest.mark.parametrize("module", sorted(MODULES))
def test_no_module_needs_a_posix_system(module: str) -> None:
    posix = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "termios", "tty"}
    assert not imports(TREES[module], everywhere=False) & posix


def test_public_names_resolve() -> None:
    for name in vrm.__all__:
        assert getattr(vrm, name) is not None
    assert dir(vrm) == sorted(vrm.__all__)
    with pytest.raises(AttributeError):
        _ = vrm.nothing_of_that_name
