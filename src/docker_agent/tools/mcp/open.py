"""Opens an `mcp` entry of an agent file."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import msgspec

from docker_agent.config.convert import convert
from docker_agent.config.expand import expand_template
from docker_agent.config.toolset import OAuth, Remote
from docker_agent.config.tree import Raw
from docker_agent.errors import ConfigError
from docker_agent.tools.life import Ended, StartError, policy_of
from docker_agent.tools.mcp.catalog import URL_VARIABLE, load_catalog
from docker_agent.tools.mcp.gateway import NO_GATEWAY, Gateway, lacks_gateway, secrets_of
from docker_agent.tools.mcp.limits import CALL_TIMEOUT
from docker_agent.tools.mcp.options import McpOptions, addresses_of, label_of
from docker_agent.tools.mcp.passed import PassedOn
from docker_agent.tools.mcp.tokens import Tokens
from docker_agent.tools.mcp.toolset import Connect, Mcp, Server, loaded
from docker_agent.tools.opening import Opening
from docker_agent.tools.port import Toolset
from docker_agent.tools.program import UNTRUSTED, environ_of, failing, program_of
from docker_agent.tools.web_headers import Templates

if TYPE_CHECKING:
    from docker_agent.tools.mcp.session import Session

log = logging.getLogger(__name__)

DOCKER = "docker:"


@asynccontextmanager
async def open_mcp(options: Raw, opening: Opening) -> AsyncGenerator[Toolset]:
    """The toolset of one MCP server, which begins to start at once.

    Raises `ConfigError` for what can be known to be wrong without it.
    """
    wanted = convert(options, McpOptions)
    toolset = await _toolset(options, wanted, opening)
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


async def _toolset(options: Raw, wanted: McpOptions, opening: Opening) -> Mcp | PassedOn:
    if wanted.remote is not None and wanted.remote.url:
        return _remote(wanted, wanted.remote, opening)
    if wanted.command:
        return Mcp(_server(wanted, opening, _program(options, wanted, opening)))
    if wanted.ref.startswith(DOCKER):
        return await _docker(options, wanted, opening)
    raise options.error("an MCP server needs a command, a remote or a ref")


async def _docker(options: Raw, wanted: McpOptions, opening: Opening) -> Mcp | PassedOn:
    """A server of Docker's catalogue: a remote one, or one behind the gateway."""
    url = os.environ.get(URL_VARIABLE, "")
    name = wanted.ref.removeprefix(DOCKER)
    catalog = await opening.background.once(
        f"catalogue {url}", lambda: load_catalog(opening.cache_dir, url)
    )
    if problem := catalog.unknown(name):
        return Mcp(_server(wanted, opening, failing(problem)))
    entry = catalog.entry(name)
    if entry.type == "remote" and entry.remote is not None:
        found = Remote(
            source=options,
            url=entry.remote.url,
            transport_type="sse" if entry.remote.transport_type == "sse" else "",
            headers=dict(entry.remote.headers or {}),
        )
        return _remote(msgspec.structs.replace(wanted, remote=found), found, opening)
    secrets = secrets_of(options, name, entry, opening.secrets.get)
    try:
        environ = environ_of(options, opening)
    except ConfigError as exc:
        return Mcp(_server(wanted, opening, failing(str(exc))))
    gateway = Gateway(
        name,
        catalog.gateway_url,
        secrets,
        wanted.config.plain() if wanted.config is not None else {},
        opening.working_dir,
        environ,
    )

    @asynccontextmanager
    async def connect(ended: Ended) -> AsyncGenerator[Session]:
        await loaded()
        from docker_agent.tools.mcp.connect import connect_program

        try:
            with gateway.program() as program:
                async with connect_program(program, opening.working_dir, ended) as session:
                    yield session
        except StartError as exc:
            if lacks_gateway(exc.detail):
                raise StartError(NO_GATEWAY, lasting=True) from exc
            raise

    return Mcp(_server(wanted, opening, connect))


def _server(wanted: McpOptions, opening: Opening, connect: Connect) -> Server:
    return Server(
        label=label_of(opening.name, wanted),
        prefix=opening.name,
        connect=connect,
        policy=policy_of(wanted.lifecycle, remote=wanted.remote is not None),
        call_timeout=wanted.lifecycle.call_timeout or CALL_TIMEOUT,
    )


def _program(options: Raw, wanted: McpOptions, opening: Opening) -> Connect:
    if not opening.trusted:
        return failing(UNTRUSTED)
    try:
        program = program_of(options, wanted, opening)
    except ConfigError as exc:
        return failing(str(exc))

    @asynccontextmanager
    async def connect(ended: Ended) -> AsyncGenerator[Session]:
        await loaded()
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
    oauth = remote.oauth or OAuth()
    secret = expand_template(oauth.client_secret, env)

    def make(incoming: Mapping[str, str]) -> Mcp:
        address = url.expanded(incoming)["url"]
        addresses = addresses_of(address, remote, headers.expanded(incoming), private=private)
        if addresses[0].socket and not opening.trusted:
            raise remote.error("a file from elsewhere cannot name a socket of this machine", "url")

        @asynccontextmanager
        async def connect(ended: Ended) -> AsyncGenerator[Session]:
            await loaded()
            from docker_agent.tools.mcp import connect as sdk
            from docker_agent.tools.mcp.oauth import Client, sign_in

            who = Client(expand_template(oauth.client_id, env), secret, oauth.scopes)
            by_header = "authorization" in {name.lower() for name in addresses[0].headers}
            tokens = Tokens(opening.data_dir) if opening.data_dir else None
            auth = None if by_header else sign_in(addresses[0].url, who, tokens)
            server = sdk.Remote(addresses, auth)
            async with sdk.connect_remote(server, opening.working_dir, ended) as session:
                yield session

        return Mcp(_server(wanted, opening, connect))

    incoming = url.incoming | headers.incoming
    if incoming:
        return PassedOn(label_of(opening.name, wanted), incoming, make, opening.background)
    try:
        return make({})
    except ConfigError as exc:
        if "${" not in remote.url:
            raise
        return Mcp(_server(wanted, opening, failing(str(exc))))
