"""`docker-agent mcp`: sign in to remote MCP servers, once, where there is a browser."""

from __future__ import annotations

import asyncio
import os
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from docker_agent import log
from docker_agent.cli.flags import Globals, global_flags
from docker_agent.env.secret_text import redact
from docker_agent.errors import ConfigError

if TYPE_CHECKING:
    from docker_agent.config.agent_file import AgentFile
    from docker_agent.config.toolset import Remote
    from docker_agent.env.chain import Secrets
    from docker_agent.tools.mcp.login import Target


class Found(msgspec.Struct, frozen=True):
    """A remote server of an agent file: its names there, and its entry."""

    names: tuple[str, ...]
    remote: Remote
    url: str
    private: bool = False


@click.group()
def mcp() -> None:
    """Sign in to remote MCP servers of agent files."""


@mcp.command()
@click.argument("agent_file", metavar="AGENT-FILE")
@click.argument("server", required=False)
@click.option("--no-browser", is_flag=True, help="Only print the address to open.")
@click.option(
    "--env-from-file",
    multiple=True,
    metavar="FILE",
    help="Read variables from a file of NAME=value lines. Repeatable.",
)
@global_flags
@click.pass_context
def login(
    context: click.Context,
    agent_file: str,
    server: str | None,
    no_browser: bool,
    env_from_file: tuple[str, ...],
) -> None:
    """Sign in to SERVER of AGENT-FILE, which may be left out when the file has but one.

    SERVER is a name under `mcps`, the `name` of a toolset, or an address. The tokens are kept among
    the data of docker-agent, where `serve chat` finds and renews them.
    """
    options = context.ensure_object(Globals)
    log.configure(
        debug=options.debug, file=Path(options.log_file) if options.log_file else None, clean=redact
    )
    secrets = _secrets(options, env_from_file)
    found = _chosen(agent_file, server, secrets)
    # Imported here: it speaks MCP, and that takes a second to import.
    from docker_agent.tools.mcp.login import login as sign_in
    from docker_agent.tools.mcp.tokens import Tokens

    async def show(url: str) -> None:
        click.echo(f"Open this address to sign in:\n{url}")
        if not no_browser:
            await asyncio.to_thread(webbrowser.open, url)

    target = _target(found, secrets)
    asked = asyncio.run(sign_in(target, Tokens(options.directories.data), show))
    click.echo(f"Signed in to {found.url}." if asked else f"{found.url} lets you in as it is.")


@mcp.command()
@click.argument("agent_file", metavar="AGENT-FILE")
@click.argument("server", required=False)
@global_flags
@click.pass_context
def logout(context: click.Context, agent_file: str, server: str | None) -> None:
    """Forget the tokens of SERVER of AGENT-FILE."""
    from docker_agent.tools.mcp.tokens import Tokens

    options = context.ensure_object(Globals)
    found = _chosen(agent_file, server, _secrets(options, ()))
    forgotten = Tokens(options.directories.data).forget(found.url)
    click.echo(f"{found.url}: {'forgotten' if forgotten else 'there were no tokens'}")


def _secrets(options: Globals, env_from_file: tuple[str, ...]) -> Secrets:
    from docker_agent.env.chain import standard_chain

    return standard_chain(os.environ, env_from_file, Path.cwd(), options.directories)


def _chosen(agent_file: str, server: str | None, secrets: Secrets) -> Found:
    """The one server that is meant. Raises `ConfigError` naming those there are."""
    from docker_agent.loader.reading import read_agent_file
    from docker_agent.loader.source import find_source

    source = find_source(agent_file)
    if source.url or source.image is not None:
        raise ConfigError(f"{agent_file} is not on this machine; save it first, and name the file")
    there = list(_servers(read_agent_file(source.read(), source), secrets))
    known = ", ".join(dict.fromkeys(found.names[0] for found in there))
    if not there:
        raise ConfigError(f"{agent_file}: there is no remote MCP server in it")
    meant = [found for found in there if server is None or server in found.names]
    if not meant:
        raise ConfigError(
            f"{agent_file}: no remote MCP server is called '{server}'; there: {known}"
        )
    if len({found.url for found in meant}) > 1:
        raise ConfigError(f"{agent_file}: name the server to sign in to: {known}")
    return meant[0]


def _servers(file: AgentFile, secrets: Secrets) -> Iterator[Found]:
    """The remote servers, those under `mcps` first."""
    from docker_agent.config.convert import convert
    from docker_agent.config.expand import expand_template
    from docker_agent.tools.mcp.options import McpOptions

    entries = [*file.mcps.items()]
    entries += [(entry.name, entry) for agent in file.agents for entry in agent.toolsets]
    for name, entry in entries:
        if entry.type not in ("mcp", "") or entry.options.get("remote") is None:
            continue
        wanted = convert(entry.options, McpOptions)
        if wanted.remote is not None:
            url = expand_template(wanted.remote.url, secrets.get)
            names = tuple(each for each in (name, entry.name, url) if each)
            yield Found(names, wanted.remote, url, wanted.allow_private_ips)


def _target(found: Found, secrets: Secrets) -> Target:
    from docker_agent.config.expand import expand_template
    from docker_agent.config.toolset import OAuth
    from docker_agent.tools.mcp.login import Target
    from docker_agent.tools.mcp.oauth import Client
    from docker_agent.tools.mcp.options import addresses_of

    oauth = found.remote.oauth or OAuth()
    headers = {
        name: expand_template(text, secrets.get, {"headers": {}})
        for name, text in found.remote.headers.items()
    }
    client = Client(
        expand_template(oauth.client_id, secrets.get),
        expand_template(oauth.client_secret, secrets.get),
        oauth.scopes,
    )
    addresses = addresses_of(found.url, found.remote, headers, private=found.private)
    return Target(addresses, client, oauth.callback_port or 0, oauth.callback_redirect_url)
