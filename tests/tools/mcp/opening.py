"""MCP toolsets as an agent file opens them, and the servers that tests bring along."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import msgspec

from docker_agent.config.decode import decode
from docker_agent.env.chain import Values
from docker_agent.messages import JSON
from docker_agent.tools.mcp.toolset import Mcp
from docker_agent.tools.opening import Opening
from docker_agent.tools.port import Around, Toolset
from docker_agent.tools.table import TOOLSETS
from tests.tools.surroundings import around, context

HERE = Path(__file__).parent
PLAIN, SDK = HERE / "plain_server.py", HERE / "sdk_server.py"
LIMIT = 30.0
"""Seconds for anything here, on a busy machine."""


def plain(**settings: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """The keys of a `command` entry that starts the plain server."""
    return {"command": sys.executable, "args": [str(PLAIN), json.dumps(settings)]}


SDK_SERVER: dict[str, Any] = {"command": sys.executable, "args": [str(SDK)]}


@asynccontextmanager
async def opened(folder: Path, **keys: Any) -> AsyncGenerator[Mcp]:  # noqa: ANN401 - see below
    """As `opened_any`, for servers that all callers share."""
    async with opened_any(folder, **keys) as toolset:
        assert isinstance(toolset, Mcp)
        yield toolset


@asynccontextmanager
async def opened_any(
    folder: Path,
    *,
    name: str = "",
    secrets: Mapping[str, str] | None = None,
    trusted: bool = True,
    **options: Any,  # noqa: ANN401 - as in a file
) -> AsyncGenerator[Toolset]:
    """A toolset with these keys; `secrets` are the operator's variables."""
    opening = Opening(
        folder,
        Values(secrets or {}),
        trusted=trusted,
        name=name,
        data_dir=folder / "data",
        cache_dir=folder / "cache",
    )
    raw = decode(json.dumps(options).encode(), "agent.yaml")
    with anyio.fail_after(2 * LIMIT):
        async with TOOLSETS["mcp"](raw, opening) as toolset:
            try:
                yield toolset
            finally:
                await opening.background.close()


def alive(pid: int) -> bool:
    """Whether a process runs, and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def names(toolset: Toolset, patient: bool = True) -> list[str]:
    """The tools there are now."""
    who: Around = msgspec.structs.replace(around(), patient=patient)
    return [spec.name for spec in (await toolset.tools(who)).specs]


async def text(toolset: Toolset, tool: str, **arguments: JSON) -> str:
    """What a tool answers, when it is no error."""
    result = await toolset.call(tool, arguments, context())
    assert not result.is_error, result.text
    return result.text


async def value(toolset: Toolset, tool: str, **arguments: JSON) -> Any:  # noqa: ANN401 - JSON
    """The JSON that a tool answers."""
    return json.loads(await text(toolset, tool, **arguments))
