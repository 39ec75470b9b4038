"""The plan of motion: at most six floors, and the arrows between its rooms go one way."""

import ast
from functools import cache
from pathlib import Path

import vrm.motion

ROOT = Path(vrm.motion.__file__).parent
ROOMS = ["flow", "fusion", "trajectories", "candidates", "refinement", "synthesis"]
"""Each may import those before it, and the modules beside them."""

MODULES = {
    "vrm.motion." + ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for path in ROOT.rglob("*.py")
    if path.name != "__init__.py"
}


@cache
def imports(module):
    nodes = ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8")))
    return {node.module for node in nodes if isinstance(node, ast.ImportFrom)} & MODULES.keys()


@cache
def floor(module):
    return 1 + max((floor(one) for one in imports(module)), default=0)


def room(module):
    return module.split(".")[2]


def test_at_most_six_floors():
    assert max(map(floor, MODULES)) <= 6


def test_arrows_between_rooms_go_one_way():
    for module in MODULES:
        for other in imports(module):
            if room(module) in ROOMS and room(other) in ROOMS:
                assert ROOMS.index(room(other)) <= ROOMS.index(room(module)), f"{module} imports {other}"
            elif room(module) in ROOMS:
                assert room(other) != "propagation", f"{module} imports {other}"
