"""`docker-agent chat`: talk to an agent in the terminal."""

from __future__ import annotations

import logging
import os
import stat
import sys
from pathlib import Path

import click
import msgspec

from docker_agent.cli.flags import DURATION, Globals, global_flags
from docker_agent.cli.load_flags import LoadFlags, loading_flags
from docker_agent.runtime.request import MAX_TURNS

DEFAULT_TIMEOUT = 300.0
"""Seconds one answer may take."""


@click.command()
@loading_flags
@click.argument("message", nargs=-1)
@click.option(
    "--request-timeout",
    type=DURATION,
    default=DEFAULT_TIMEOUT,
    show_default="5m",
    help="How long one answer may take, tools included.",
)
@click.option(
    "--max-turns",
    type=click.IntRange(min=1),
    default=MAX_TURNS,
    show_default=True,
    help="Model calls in one answer, over all agents.",
)
@click.option(
    "--fake",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Let models answer from a recording, offline and without keys.",
)
@global_flags
@click.pass_context
def chat(
    context: click.Context,
    message: tuple[str, ...],
    request_timeout: float,
    max_turns: int,
    fake: Path | None,
    **flags: object,
) -> None:
    """Talk to an agent of AGENT-FILE here, without a server.

    \b
    docker-agent chat agent.yaml                        a conversation
    docker-agent chat agent.yaml "What is in notes/?"   one question
    git diff | docker-agent chat agent.yaml Review this

    With a MESSAGE, or when something is piped in, one answer is printed, and the exit status is
    1 when it failed. What agents do meanwhile is shown on a terminal's stderr.
    """
    # Imported here, so that help and completion need not wait for the runtime.
    from docker_agent import log
    from docker_agent.cli.opening import opened
    from docker_agent.cli.talk import Bounds
    from docker_agent.cli.terminal import ask_once, converse
    from docker_agent.env.blot import blot_environment
    from docker_agent.tools.environment import looks_secret

    options = context.ensure_object(Globals)
    log.configure(
        debug=options.debug,
        file=Path(options.log_file) if options.log_file else None,
        form=options.log_format,
        level=logging.WARNING,
    )
    blot_environment(looks_secret)
    agent_file = str(flags.pop("agent_file"))
    found = opened(options, agent_file, msgspec.convert(flags, LoadFlags), replay=fake is not None)
    bounds = Bounds(request_timeout, max_turns)
    piped = sys.stdin.read() if agent_file != "-" and _is_piped() else ""
    question = "\n\n".join(part for part in (" ".join(message), piped.strip()) if part)
    if question:
        ask_once(found, bounds, question, fake)
    elif sys.stdin.isatty():
        converse(found, bounds, fake)
    else:
        raise click.UsageError("there is no message: give one, or pipe one in", context)


def _is_piped() -> bool:
    """Whether stdin is a pipe or a file, so that it ends. (What a service manager leaves open may
    not.)"""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode)
