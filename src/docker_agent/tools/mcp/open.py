"""Opens an `mcp` entry of an agent file."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import msgspec

from docker_agent.config.convert import convert
from docker_agent.config.toolset import Remote
from docker_agent.config.tree import Raw
from docker_agent.tools.environment import own_environment, scrubbed
from docker_agent.tools.life import Ended, StartError, policy_of
from docker_agent.tools.mcp.limits import CALL_TIMEOUT
from docker_agent.tools.mcp.options import McpOptions, addresses_of, label_of, program_of
from docker_agent.tools.mcp.passed import PassedOn
from docker_agent.tools.mcp.toolset import Connect, Mcp, Server
from docker_agent.tools.opening import Opening
from docker_agent.tools.port import Toolset
from docker_agent.tools.web_headers import Templates

if TYPE_CHECKING:
    from docker_agent.tools.mcp.session import Session

log = logging.getLogger(__name__)


@asynccontextmanager
async def open_mcp(options: Raw, opening: Opening) -> AsyncGenerator[Toolset]:
    """The toolset of one MCP server, which begins to start at once.

    Raises `ConfigError` for what can be known to be wrong without it.
    """
    wanted = convert(options, McpOptions)
    if wanted.remote is not None and wanted.remote.url:
        toolset = _remote(wanted, wanted.remote, opening)
    elif wanted.command:
        toolset = Mcp(_server(wanted, opening, _program(options, wanted, opening)))
    elif wanted.ref:
        toolset = Mcp(_server(wanted, opening, _not_yet))
    else:
        raise options.error("an MCP server needs a command, a remote or a ref")
    if isinstance(toolset, PassedOn):
        opening.background.own(toolset)
        ending = toolset
    else:
        opening.background.keep(toolset.life, options.error)
        ending = toolset.life
    try:
        yield toolset
    finally:
        await ending.close()


@asynccontextmanager
async def _not_yet(ended: Ended) -> AsyncGenerator[Session]:
    raise StartError("entries of Docker's catalogue are not supported yet", lasting=True)
    yield


def _server(wanted: McpOptions, opening: Opening, connect: Connect) -> Server:
    return Server(
        label=label_of(opening.name, wanted),
        prefix=opening.name,
        connect=connect,
        policy=policy_of(wanted.lifecycle, remote=wanted.remote is not None),
        call_timeout=wanted.lifecycle.call_timeout or CALL_TIMEOUT,
    )


def _program(options: Raw, wanted: McpOptions, opening: Opening) -> Connect:
    env = opening.secrets.get
    environ = {
        **scrubbed(os.environ, opening.withheld),
        **own_environment(options.get("env"), env),
    }
    program = program_of(options, wanted, opening.working_dir, environ, env)

    @asynccontextmanager
    async def connect(ended: Ended) -> AsyncGenerator[Session]:
        await _loaded()
        from docker_agent.tools.mcp.connect import connect_program

        async with connect_program(program, opening.working_dir, ended) as session:
            yield session

    return connect


def _remote(wanted: McpOptions, remote: Remote, opening: Opening) -> Mcp | PassedOn:
    """One session for all, or one for each caller whose headers it passes on."""
    private = wanted.allow_private_ips and opening.trusted
    if wanted.allow_private_ips and not opening.trusted:
        where = remote.error("'allow_private_ips' does not count for a file from elsewhere")
        log.warning("%s", where)
    env = opening.secrets.get
    url, headers = Templates({"url": remote.url}, env), Templates(remote.headers, env)

    def make(incoming: Mapping[str, str]) -> Mcp:
        address = url.expanded(incoming)["url"]
        addresses = addresses_of(address, remote, headers.expanded(incoming), private=private)
        if addresses[0].socket and not opening.trusted:
            raise remote.error("a file from elsewhere cannot name a socket of this machine", "url")

        @asynccontextmanager
        async def connect(ended: Ended) -> AsyncGenerator[Session]:
            await _loaded()
            from docker_agent.tools.mcp import connect as sdk

            server = sdk.Remote(addresses)
            async with sdk.connect_remote(server, opening.working_dir, ended) as session:
                yield session

        return Mcp(_server(wanted, opening, connect))

    incoming = url.incoming | headers.incoming
    if not incoming:
        return make({})
    label = label_of(opening.name, msgspec.structs.replace(wanted))
    return PassedOn(label, incoming, make, opening.background)


async def _loaded() -> None:
    """Import what speaks MCP: the SDK takes a second, so that is done beside."""
    await asyncio.to_thread(importlib.import_module, "docker_agent.tools.mcp.connect")
