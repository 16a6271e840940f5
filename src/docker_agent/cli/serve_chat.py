"""`docker-agent serve chat`: the command and its flags."""

from __future__ import annotations

import click
import msgspec

from docker_agent.cli.flags import DURATION, SILENCE, Globals, global_flags
from docker_agent.permissions import SAFETY_MODES
from docker_agent.runtime.request import MAX_TURNS
from docker_agent.server.settings import (
    DEFAULT_KEEP_ALIVE,
    DEFAULT_LISTEN,
    DEFAULT_MAX_REQUEST_SIZE,
    DEFAULT_REQUEST_TIMEOUT,
)

DEFAULT_LOOP = "uvloop"


@click.command()
@click.argument("agent_file", metavar="AGENT-FILE")
@click.option("-a", "--agent", metavar="NAME", help="Expose only this agent.")
@click.option(
    "-l",
    "--listen",
    default=DEFAULT_LISTEN,
    show_default=True,
    metavar="HOST:PORT",
    help="Where to listen; port 0 takes any free one.",
)
@click.option("--api-key", metavar="KEY", help="The bearer token clients must present.")
@click.option("--api-key-env", metavar="NAME", help="The variable that holds that token.")
@click.option(
    "--insecure-no-auth",
    is_flag=True,
    help="Serve a non-loopback address without a key.",
)
@click.option(
    "--allowed-host",
    multiple=True,
    metavar="NAME",
    help="A further Host name to answer to (host.docker.internal). Repeatable.",
)
@click.option(
    "--safety",
    type=click.Choice([*SAFETY_MODES]),
    help="Which tools may run unasked. Default: autonomous on loopback, else restricted.",
)
@click.option(
    "--request-timeout",
    type=DURATION,
    default=DEFAULT_REQUEST_TIMEOUT,
    show_default="5m",
    help="How long one request may take, tools and streaming included.",
)
@click.option(
    "--max-request-size",
    type=int,
    default=DEFAULT_MAX_REQUEST_SIZE,
    show_default=True,
    metavar="BYTES",
    help="The largest request body, decoded.",
)
@click.option(
    "--max-turns",
    type=click.IntRange(min=1),
    default=MAX_TURNS,
    show_default=True,
    help="Model calls in one request, over all agents.",
)
@click.option(
    "--keep-alive",
    type=SILENCE,
    default=DEFAULT_KEEP_ALIVE,
    show_default="10s",
    help="Silence in a stream before an empty chunk keeps it alive; 0 sends none.",
)
@click.option(
    "--working-dir",
    type=click.Path(file_okay=False),
    help="Where agents work; relative paths start there.",
)
@click.option(
    "--env-from-file",
    multiple=True,
    metavar="FILE",
    help="Read variables from a file of NAME=value lines. Repeatable.",
)
@click.option(
    "--loop",
    type=click.Choice(["uvloop", "asyncio"]),
    default=DEFAULT_LOOP,
    show_default=True,
    help="The event loop.",
)
@global_flags
@click.pass_obj
def chat(options: Globals, agent_file: str, **flags: object) -> None:
    """Answer chats with the agents of AGENT-FILE, as an OpenAI-compatible API.

    \b
    docker-agent serve chat agent.yaml
    docker-agent serve chat team.yaml --agent reviewer --listen 127.0.0.1:9090
    docker-agent serve chat agent.yaml --api-key-env CHAT_BEARER_TOKEN

    Each agent of the file is a model; point any OpenAI client at http://127.0.0.1:8083/v1.
    """
    # Imported here, so that help and completion need not wait for a web server.
    from docker_agent.cli import prepare

    prepare.serve(options, agent_file, msgspec.convert(flags, prepare.Flags))
