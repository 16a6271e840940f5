"""Language servers as an agent file opens them, and those that tests bring along."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from docker_agent.config.decode import decode
from docker_agent.env.chain import Values
from docker_agent.messages import JSON
from docker_agent.tools.lsp.toolset import Lsp
from docker_agent.tools.opening import Opening
from docker_agent.tools.port import Toolset
from docker_agent.tools.table import TOOLSETS
from tests.tools.surroundings import around, context

SCRIPTED = Path(__file__).parent / "scripted_server.py"
LIMIT = 30.0
"""Seconds for anything here, on a busy machine."""

QUICK = {"backoff": {"initial": "10ms"}}
"""A lifecycle that starts again at once."""

JEDI: dict[str, Any] = {
    "command": str(Path(sys.executable).parent / "jedi-language-server"),
    "file_types": ["py"],
}
RUFF: dict[str, Any] = {
    "command": str(Path(sys.executable).parent / "ruff"),
    "args": ["server"],
    "file_types": ["py"],
}
"""Two real ones: one knows symbols, the other problems and layout."""


def scripted(**settings: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """The keys of an entry that starts the scripted server."""
    return {"command": sys.executable, "args": [str(SCRIPTED), json.dumps(settings)]}


@asynccontextmanager
async def opened(
    folder: Path,
    *,
    secrets: Mapping[str, str] | None = None,
    trusted: bool = True,
    filesystem: Sequence[Mapping[str, JSON]] = (),
    **options: Any,  # noqa: ANN401 - as in a file
) -> AsyncGenerator[Lsp]:
    """A toolset with these keys; `filesystem` are the agent's entries of that type."""
    opening = Opening(
        folder,
        Values(secrets or {}),
        trusted=trusted,
        folders=tuple(decode(json.dumps(each).encode(), "agent.yaml") for each in filesystem),
    )
    raw = decode(json.dumps(options).encode(), "agent.yaml")
    with anyio.fail_after(2 * LIMIT):
        async with TOOLSETS["lsp"](raw, opening) as toolset:
            assert isinstance(toolset, Lsp)
            try:
                yield toolset
            finally:
                await opening.background.close()


async def names(toolset: Toolset) -> list[str]:
    """The tools there are now."""
    return [spec.name for spec in (await toolset.tools(around())).specs]


async def text(toolset: Toolset, tool: str, **arguments: JSON) -> str:
    """What a tool answers, when it is no error."""
    result = await toolset.call(f"lsp_{tool}", arguments, context())
    assert not result.is_error, result.text
    return result.text


def heard(notes: Path, method: str) -> list[Any]:
    """What the scripted server was sent by this method."""
    lines = notes.read_text().splitlines() if notes.exists() else []
    return [params for what, params in map(json.loads, lines) if what == method]
