"""Toolsets by the `type` an agent file gives them: one row each."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import msgspec

from docker_agent.config.convert import convert
from docker_agent.config.expand import expand_shell
from docker_agent.config.tree import Raw
from docker_agent.env.chain import Secrets
from docker_agent.tools.environment import own_environment, scrubbed
from docker_agent.tools.filesystem.options import FilesystemOptions
from docker_agent.tools.filesystem.toolset import Filesystem
from docker_agent.tools.port import Toolset
from docker_agent.tools.script import Script
from docker_agent.tools.script_options import ScriptOptions
from docker_agent.tools.session_context import SessionContext
from docker_agent.tools.shell import Shell, ShellOptions
from docker_agent.tools.think import Think
from docker_agent.tools.todo import Todo, TodoOptions
from docker_agent.tools.user_prompt import UserPrompt

log = logging.getLogger(__name__)


class Opening(msgspec.Struct, frozen=True):
    """What toolsets may use. `trusted` is false for files from a registry or URL: lists in them
    that open more than the working directory do not count. `withheld` names variables that hold the
    server's own secrets, whatever they are called: no child process gets them."""

    working_dir: Path
    secrets: Secrets
    trusted: bool = True
    withheld: frozenset[str] = frozenset()


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


@asynccontextmanager
async def open_shell(options: Raw, opening: Opening) -> AsyncGenerator[Toolset]:
    """The `shell` toolset."""
    wanted = convert(options, ShellOptions)
    yield Shell(opening.working_dir, _environ(options, opening), safer=wanted.safer)


@asynccontextmanager
async def open_script(options: Raw, opening: Opening) -> AsyncGenerator[Toolset]:
    """The `script` toolset."""
    wanted = convert(options, ScriptOptions)
    environ = _environ(options, opening)
    yield Script(wanted, opening.working_dir, environ, opening.secrets.get)


def _environ(options: Raw, opening: Opening) -> dict[str, str]:
    """What the processes of a toolset get: its `env` wins."""
    own = own_environment(options.get("env"), opening.secrets.get)
    return {**scrubbed(os.environ, opening.withheld), **own}


@asynccontextmanager
async def open_todo(options: Raw, opening: Opening) -> AsyncGenerator[Toolset]:
    """The `todo` toolset."""
    yield Todo(shared=convert(options, TodoOptions).shared)


@asynccontextmanager
async def open_user_prompt(options: Raw, opening: Opening) -> AsyncGenerator[Toolset]:
    """The `user_prompt` toolset; it has no options."""
    yield UserPrompt()


@asynccontextmanager
async def open_session_context(options: Raw, opening: Opening) -> AsyncGenerator[Toolset]:
    """The `session_context` toolset; it has no options, and no tools."""
    log.warning("session_context has no tools here: a server shows nobody's sessions")
    yield SessionContext()


TOOLSETS: Mapping[str, Open] = {
    "think": open_think,
    "filesystem": open_filesystem,
    "shell": open_shell,
    "script": open_script,
    "todo": open_todo,
    "user_prompt": open_user_prompt,
    "session_context": open_session_context,
}

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
        "session_plan",
        "tasks",
    ]
)
"""Types of agent files that this program does not have yet: the agent runs without them, with one
warning each at the start."""
