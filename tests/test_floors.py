"""The floors of DESIGN.md §2, read from the imports; and the sizes of STYLE.md."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import msgspec
import pytest

import docker_agent
from tests.requirements import requirement

SOURCE = Path(docker_agent.__file__).parent
PACKAGE = docker_agent.__name__

WORDS = (
    "messages",
    "depth",
    "disk",
    "modalities",
    "events",
    "errors",
    "log",
    "addresses",
    "sse",
    "",
)
"""Floor 0; the empty name is the package itself, which holds the version."""
DECLARED = ("config", "env", "registry")
ADAPTERS = ("models", "tools", "hooks", "permissions")
PORTS = ("models.port", "tools.port", "hooks.port", "permissions")

MAY_IMPORT: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(WORDS, WORDS),
    "config": WORDS,
    "env": WORDS,
    "registry": WORDS,
    "models": (*WORDS, *DECLARED),
    "tools": (*WORDS, *DECLARED),
    "hooks": (*WORDS, *DECLARED),
    "permissions": WORDS,
    "runtime": (*WORDS, *PORTS),
    "loader": (*WORDS, *DECLARED, *ADAPTERS, "runtime"),
    "server": (*WORDS, "runtime", "permissions"),
    "cli": (*WORDS, *DECLARED, *ADAPTERS, "runtime", "loader", "server"),
    "__main__": ("", "cli"),
}
"""For each room, the rooms (or the one module) below it. `server` knows of `permissions` the name
of the mode alone."""

MAX_FILE = 400
MAX_FUNCTION = 59
"""Lines."""
MEASURED_ROOMS = ("runtime", "models", "server")


class Import(msgspec.Struct, frozen=True):
    """One import of ours: module names without the package's, `typing_only` under
    `TYPE_CHECKING`."""

    importer: str
    target: str
    line: int
    typing_only: bool


@lru_cache(maxsize=1)
def modules() -> dict[str, Path]:
    """All modules by their name below the package; packages are named like modules."""
    found: dict[str, Path] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@lru_cache(maxsize=1)
def imports() -> list[Import]:
    """Every import of one of our modules by another."""
    return [found for name, path in modules().items() for found in _imports_of(name, path)]


def _imports_of(importer: str, path: Path) -> Iterator[Import]:
    tree = ast.parse(path.read_text(), str(path))
    typing_only = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        for target in _targets(node):
            yield Import(importer, target, getattr(node, "lineno", 0), node in typing_only)


def _targets(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            for alias in names:
                if alias.name.split(".")[0] == PACKAGE:
                    yield alias.name.removeprefix(PACKAGE).removeprefix(".")
        case ast.ImportFrom(module=str(module), names=names, level=0):
            if module.split(".")[0] == PACKAGE:
                base = module.removeprefix(PACKAGE).removeprefix(".")
                for alias in names:
                    deeper = f"{base}.{alias.name}".removeprefix(".")
                    yield deeper if deeper in modules() else base
        case _:
            pass


def room(module: str) -> str:
    """The first part of a module's name."""
    return module.partition(".")[0]


def _allowed(found: Import) -> bool:
    here = room(found.importer)
    if room(found.target) == here:
        return True
    below = MAY_IMPORT[here]
    return room(found.target) in below or found.target in below


@requirement("design:2:floors")
def test_every_room_has_a_floor() -> None:
    """DESIGN.md §2: a new room is given its place first."""
    assert {room(name) for name in modules()} <= set(MAY_IMPORT)


@requirement("design:2:floors")
def test_imports_go_down_the_floors_only() -> None:
    """DESIGN.md §2: rooms on one floor do not know each other; `runtime` knows ports alone."""
    wrong = [
        f"{found.importer}:{found.line} imports {found.target}"
        for found in imports()
        if not _allowed(found)
    ]
    assert wrong == []


@requirement("design:2:floors")
def test_nobody_imports_from_a_rooms_init() -> None:
    """STYLE.md, Rooms: a name comes from the module that defines it; an `__init__` is a
    docstring."""
    packages = {name for name, path in modules().items() if path.name == "__init__.py"} - {""}
    assert [found for found in imports() if found.target in packages] == []
    for name in packages:
        body = ast.parse(modules()[name].read_text()).body
        assert len(body) == 1 and isinstance(body[0], ast.Expr), f"{name}/__init__.py"


@requirement("design:2:floors")
@pytest.mark.parametrize("typing_too", [False, True])
def test_no_modules_import_each_other_in_a_circle(typing_too: bool) -> None:
    """DESIGN.md §2: imports go down. Inside one room a type may look back up."""
    graph: dict[str, set[str]] = {name: set() for name in modules()}
    for found in imports():
        if found.typing_only and (not typing_too or room(found.importer) == room(found.target)):
            continue
        graph[found.importer].add(found.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as exc:
        raise AssertionError(" imports ".join(exc.args[1])) from None


@requirement("style:sizes")
def test_files_hold_one_idea() -> None:
    """STYLE.md, Rooms: past 400 lines a second idea moved in."""
    sizes = {name: len(path.read_text().splitlines()) for name, path in modules().items()}
    assert {name: size for name, size in sizes.items() if size > MAX_FILE} == {}


@requirement("style:sizes")
def test_functions_fit_on_a_screen() -> None:
    """STYLE.md, Rooms: where the run loop and the message mapping live, no function grows."""
    long = {
        f"{name}.{node.name}": size
        for name, path in modules().items()
        if room(name) in MEASURED_ROOMS
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (size := (node.end_lineno or 0) - node.lineno + 1) > MAX_FUNCTION
    }
    assert long == {}
