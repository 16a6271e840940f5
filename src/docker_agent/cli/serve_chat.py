"""`docker-agent serve chat`: the command and its flags."""

from __future__ import annotations

import click
import msgspec

from docker_agent.cli.flags import DURATION, PAIRS, SILENCE, Globals, global_flags, hook_flags
from docker_agent.permissions import SAFETY_MODES
from docker_agent.runtime.request import MAX_TURNS
from docker_agent.server.activity import MODES
from docker_agent.server.settings import (
    DEFAULT_CONVERSATION_TTL,
    DEFAULT_KEEP_ALIVE,
    DEFAULT_LISTEN,
    DEFAULT_MAX_REQUEST_SIZE,
    DEFAULT_REQUEST_TIMEOUT,
    DEFAULT_SHUTDOWN_TIMEOUT,
)

DEFAULT_LOOP = "uvloop"


@click.command()
@click.argument("agent_file", metavar="AGENT")
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
    "--cors-origin",
    default="",
    metavar="ORIGIN",
    help="Let pages of this origin call the server: a comma list of origins, * or ~regex.",
)
@click.option(
    "--api-keys-file",
    type=click.Path(dir_okay=False),
    help="Several callers: lines of name:key; read again on SIGHUP.",
)
@click.option(
    "--conversations-max",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Keep up to N conversations, by X-Conversation-Id; 0 keeps none.",
)
@click.option(
    "--conversation-ttl",
    type=DURATION,
    default=DEFAULT_CONVERSATION_TTL,
    show_default="30m",
    help="How long a conversation is kept without use.",
)
@click.option(
    "--conversations",
    default="memory",
    show_default=True,
    metavar="STORE",
    help="Where conversations are kept: memory, sqlite:FILE, or redis://HOST:PORT/N.",
)
@click.option(
    "--max-idle-runtimes",
    type=click.IntRange(min=0),
    default=4,
    show_default=True,
    metavar="N",
    help="Idle runtimes kept per agent; a run prepares nothing worth keeping, so none are.",
)
@click.option("--strict-models", is_flag=True, help="Refuse unknown model names with a 404.")
@click.option(
    "--model-alias",
    multiple=True,
    callback=PAIRS,
    metavar="NAME=AGENT",
    help="A further name of an agent (gpt-4o=root). Repeatable.",
)
@click.option(
    "--tool-events",
    type=click.Choice(MODES),
    default="off",
    show_default=True,
    help="How clients see the tools that agents use.",
)
@click.option(
    "--client-tools",
    default="on",
    show_default=True,
    metavar="on|off|NAMES",
    help="Which of a client's own tools agents are offered.",
)
@click.option(
    "--on-disconnect",
    type=click.Choice(["cancel", "finish"]),
    default="cancel",
    show_default=True,
    help="What happens to a run whose client leaves.",
)
@click.option(
    "--max-concurrency",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Runs at once; more are answered 429. 0 sets no bound.",
)
@click.option(
    "--rate-limit",
    default="0",
    show_default=True,
    metavar="N/UNIT",
    help="Requests of one caller per second, minute or hour (60/m); more are answered 429.",
)
@click.option(
    "--shutdown-timeout",
    type=DURATION,
    default=DEFAULT_SHUTDOWN_TIMEOUT,
    show_default="10s",
    help="How long running requests get after SIGTERM.",
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
    "--watch",
    is_flag=True,
    help="Read the agents again when their file, or a text beside it, changes.",
)
@click.option(
    "--pull-interval",
    type=SILENCE,
    default=0.0,
    show_default="0",
    help="How often to ask whether agents from registries and the web have changed; 0: never.",
)
@click.option(
    "--loop",
    type=click.Choice(["uvloop", "asyncio"]),
    default=DEFAULT_LOOP,
    show_default=True,
    help="The event loop.",
)
@click.option(
    "--cost-header",
    is_flag=True,
    help="Tell what a whole reply cost, in dollars, in the header x-cost-usd.",
)
@click.option(
    "--refresh-models",
    is_flag=True,
    help="Fetch the catalogue of models (windows, prices) from models.dev once a day.",
)
@click.option(
    "--models-gateway",
    metavar="URL",
    help="Reach the providers' models through this gateway, which has their keys.",
)
@click.option(
    "--fake",
    type=click.Path(dir_okay=False),
    help="Let models answer from a recording, offline and without keys.",
)
@click.option(
    "--code-mode-tools",
    is_flag=True,
    help="Every agent calls its tools from scripts: one tool in place of many.",
)
@click.option(
    "--record",
    type=click.Path(dir_okay=False),
    help="Write what models are asked and answer to a new recording, without keys.",
)
@hook_flags
@global_flags
@click.pass_obj
def chat(options: Globals, agent_file: str, **flags: object) -> None:
    """Answer chats with the agents of AGENT, as an OpenAI-compatible API.

    AGENT is a file, - for stdin, a web address, a reference to a registry, one of your aliases, or
    one of the agents that come along: default, coder.

    \b
    docker-agent serve chat agent.yaml
    docker-agent serve chat team.yaml --agent reviewer --listen 127.0.0.1:9090
    docker-agent serve chat agentcatalog/pirate
    docker-agent serve chat agent.yaml --api-key-env CHAT_BEARER_TOKEN

    Each agent of the file is a model; point any OpenAI client at http://127.0.0.1:8083/v1.
    """
    # Imported here, so that help and completion need not wait for a web server.
    from docker_agent.cli import prepare

    prepare.serve(options, agent_file, msgspec.convert(flags, prepare.Flags))
