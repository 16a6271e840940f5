"""Opens an `mcp` entry of an agent file."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from docker_agent.config.convert import convert
from docker_agent.config.tree import Raw
from docker_agent.tools.environment import own_environment, scrubbed
from docker_agent.tools.life import Ended, StartError, policy_of
from docker_agent.tools.mcp.limits import CALL_TIMEOUT
from docker_agent.tools.mcp.options import McpOptions, label_of, program_of
from docker_agent.tools.mcp.toolset import Connect, Mcp, Server
from docker_agent.tools.opening import Opening
from docker_agent.tools.port import Toolset

if TYPE_CHECKING:
    from docker_agent.tools.mcp.session import Session

log = logging.getLogger(__name__)


@asynccontextmanager
async def open_mcp(options: Raw, opening: Opening) -> AsyncGenerator[Toolset]:
    """The toolset of one MCP server, which begins to start at once.

    Raises `ConfigError` for what can be known to be wrong without it.
    """
    wanted = convert(options, McpOptions)
    if not (wanted.command or wanted.ref or wanted.remote):
        raise options.error("an MCP server needs a command, a remote or a ref")
    toolset = Mcp(
        Server(
            label=label_of(opening.name, wanted),
            prefix=opening.name,
            connect=_program(options, wanted, opening) if wanted.command else _not_yet,
            policy=policy_of(wanted.lifecycle, remote=wanted.remote is not None),
            call_timeout=wanted.lifecycle.call_timeout or CALL_TIMEOUT,
        )
    )
    opening.background.keep(toolset.life, options.error)
    try:
        yield toolset
    finally:
        await toolset.life.close()


@asynccontextmanager
async def _not_yet(ended: Ended) -> AsyncGenerator[Session]:
    raise StartError("only servers that a 'command' starts are supported yet", lasting=True)
    yield


def _program(options: Raw, wanted: McpOptions, opening: Opening) -> Connect:
    env = opening.secrets.get
    environ = {
        **scrubbed(os.environ, opening.withheld),
        **own_environment(options.get("env"), env),
    }
    program = program_of(options, wanted, opening.working_dir, environ, env)

    @asynccontextmanager
    async def connect(ended: Ended) -> AsyncGenerator[Session]:
        connect_program = await asyncio.to_thread(_connect_program)
        async with connect_program(program, opening.working_dir, ended) as session:
            yield session

    return connect


def _connect_program():
    from docker_agent.tools.mcp.connect import connect_program

    return connect_program
