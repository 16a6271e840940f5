"""Adding something is one file and one row: no file without its row. Source: DESIGN.md §7."""

from __future__ import annotations

import ast
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, get_args

import msgspec

import docker_agent
from docker_agent.config import hooks as declared_hooks
from docker_agent.config.toolset_rules import TYPES
from docker_agent.errors import Kind
from docker_agent.hooks.events import EVENTS
from docker_agent.hooks.port import HookEvent
from docker_agent.hooks.table import BUILTINS
from docker_agent.loader.choose import AUTO_ROWS
from docker_agent.models import table as models
from docker_agent.models.endpoints import ENDPOINTS
from docker_agent.server.app import ROUTES
from docker_agent.server.errors import ROWS
from docker_agent.server.openapi import document
from docker_agent.tools import table as tools
from tests.requirements import requirement

SOURCE = Path(docker_agent.__file__).parent
MUTATIONS = Path(__file__).parent.parent / "scripts" / "mutations.py"

MADE_OF_OTHERS = {
    "models/fallback.py",
    "models/fitting.py",
    "models/gateway.py",
    "models/priced.py",
    "models/routing.py",
    "tools/deferred.py",
    "tools/lsp/several.py",
    "tools/rewritten.py",
    "tools/select.py",
    "tools/skills/toolset.py",
}
"""Models and toolsets that wrap others; the loader makes them."""


def defining(room: str, method: str, *, waits: bool = False) -> set[str]:
    """The files of a room with a class that has this method, a coroutine if it `waits`: its
    adapters."""
    return {
        path.relative_to(SOURCE).as_posix()
        for path in (SOURCE / room).rglob("*.py")
        if path.name != "port.py" and method in _methods(path, waits=waits)
    }


def _methods(path: Path, *, waits: bool) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef):
            for child in node.body:
                if isinstance(child, ast.AsyncFunctionDef) or (
                    isinstance(child, ast.FunctionDef) and not waits
                ):
                    yield child.name


def imported_by(table: str) -> set[str]:
    """The files of ours that a table imports from."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((SOURCE / table).read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            place = node.module.removeprefix("docker_agent.").replace(".", "/")
            found |= {f"{place}.py", *(f"{place}/{alias.name}.py" for alias in node.names)}
    return found


def files(folder: str) -> set[str]:
    """All modules of a folder."""
    found = (SOURCE / folder).glob("*.py")
    return {path.relative_to(SOURCE).as_posix() for path in found if path.stem != "__init__"}


@requirement("design:7:tables")
def test_every_model_adapter_is_reached_from_the_table() -> None:
    """DESIGN.md §7: a protocol is `models/<name>.py` and a row of `PROVIDERS`."""
    adapters = defining("models", "reply", waits=True) - MADE_OF_OTHERS
    assert adapters and adapters - imported_by("models/table.py") == set()


@requirement("design:7:tables")
def test_every_toolset_is_reached_from_the_table() -> None:
    """DESIGN.md §7: a toolset is `tools/<name>.py` and a row of `TOOLSETS`."""
    adapters = defining("tools", "call") - MADE_OF_OTHERS
    reached = imported_by("tools/table.py")
    for opener in {file for file in reached if file.endswith("/open.py")}:
        reached |= imported_by(opener)
    assert adapters and adapters - reached == set()


@requirement("design:7:tables")
def test_every_builtin_hook_is_a_row() -> None:
    """DESIGN.md §7: a builtin is `hooks/builtins/<name>.py` and a row of `BUILTINS`."""
    builtins = files("hooks/builtins")
    assert {Path(name).stem for name in builtins} <= set(BUILTINS)
    assert builtins - imported_by("hooks/table.py") == set()
    assert {event for row in BUILTINS.values() for event in row.events} <= set(get_args(HookEvent))


@requirement("design:7:tables")
def test_every_endpoint_is_a_row_and_is_described() -> None:
    """DESIGN.md §7: an endpoint is `server/routes/<name>.py` and a row of `ROUTES`."""
    assert files("server/routes") - imported_by("server/app.py") == set()
    described: dict[str, Any] = msgspec.json.decode(document())["paths"]
    assert {endpoint.name for endpoint in ROUTES} == set(described)


@requirement("design:7:tables")
def test_every_conversation_store_is_reached_from_the_table() -> None:
    """DESIGN.md §7: a store is `server/conversations/<name>.py` and a row of its table."""
    stores = defining("server/conversations", "lease")
    table = "server/conversations/table.py"
    assert stores - (imported_by(table) if (SOURCE / table).exists() else set()) == set()


@requirement("design:7:tables")
def test_every_toolset_of_agent_files_is_here() -> None:
    """agent-file.md §2.9: a type that can be declared can be opened."""
    assert set(tools.TOOLSETS) == TYPES


@requirement("design:7:tables")
def test_every_provider_is_here() -> None:
    """agent-file.md §3.3: what `auto` may choose can be reached."""
    assert {row.provider for row in AUTO_ROWS} <= {*ENDPOINTS, *models.PROVIDERS}


@requirement("design:7:tables")
def test_every_hook_event_can_be_declared() -> None:
    """agent-file.md §2.12b: the moments at which hooks run are events of agent files."""
    assert set(get_args(HookEvent)) == set(EVENTS)
    assert set(EVENTS) == set(declared_hooks.Hooks.__struct_fields__) - {"source"}


@requirement("design:7:tables")
def test_every_kind_of_error_has_a_row() -> None:
    """chat-server.md §4: each kind has its status, type and code."""
    assert set(ROWS) == set(get_args(Kind))


@requirement("style:tests-notice")
def test_every_listed_breakage_has_its_line() -> None:
    """STYLE.md, Tests: `make mutate` breaks lines that stand there, so none of them rots."""
    breakages: list[Mutation] = runpy.run_path(str(MUTATIONS))["MUTATIONS"]
    assert breakages
    for breakage in breakages:
        text = (SOURCE / breakage.file).read_text()
        assert text.count(breakage.line) == 1, f"{breakage.file}: {breakage.line}"


class Mutation(Protocol):
    """What this test knows of a breakage."""

    file: str
    line: str
