"""Toolsets by the `type` an agent file gives them: one row each."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import msgspec

from docker_agent.config.convert import convert
from docker_agent.config.expand import expand_shell
from docker_agent.config.tree import Raw
from docker_agent.env.chain import Secrets
from docker_agent.tools.filesystem.options import FilesystemOptions
from docker_agent.tools.filesystem.toolset import Filesystem
from docker_agent.tools.port import Toolset
from docker_agent.tools.think import Think


class Opening(msgspec.Struct, frozen=True):
    """What toolsets may use. `trusted` is false for files from a registry or URL: lists in them
    that open more than the working directory do not count."""

    working_dir: Path
    secrets: Secrets
    trusted: bool = True


Open = Callable[[Raw, Opening], AbstractAsyncContextManager[Toolset]]


@asynccontextmanager
async def open_think(options: Raw, opening: Opening) -> AsyncGenerator[Toolset]:
    """The `think` toolset; it has no options."""
    yield Think()


@asynccontextmanager
async def open_filesystem(options: Raw, opening: Opening) -> AsyncGenerator[Toolset]:
    """The `filesystem` toolset."""
    wanted = convert(options, FilesystemOptions)
    if not opening.trusted:
        wanted = msgspec.structs.replace(wanted, allow_list=())
    yield Filesystem(
        wanted, opening.working_dir, lambda text: expand_shell(text, opening.secrets.get)
    )


TOOLSETS: Mapping[str, Open] = {"think": open_think, "filesystem": open_filesystem}

NOT_YET = frozenset(
    [
        "a2a",
        "api",
        "background_agents",
        "background_jobs",
        "fetch",
        "lsp",
        "mcp",
        "mcp_catalog",
        "memory",
        "model_picker",
        "open_url",
        "openapi",
        "plan",
        "rag",
        "script",
        "session_context",
        "session_plan",
        "shell",
        "tasks",
        "todo",
        "user_prompt",
    ]
)
"""Types of agent files that this program does not have yet: the agent runs without them, with one
warning each at the start."""
