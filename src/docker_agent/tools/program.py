"""From the `command` entry of an agent file to a program that can be started."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from docker_agent.config.expand import Lookup, expand_shell
from docker_agent.config.tree import Raw
from docker_agent.errors import ConfigError
from docker_agent.tools.child import Program
from docker_agent.tools.environment import own_environment, scrubbed
from docker_agent.tools.life import Ended, StartError
from docker_agent.tools.opening import Opening

UNTRUSTED = (
    "the agent file is not on this machine and names a command to start; "
    "if you trust it, start the server with --safety"
)

_RUNNERS = frozenset(
    ("npx", "uvx", "uv", "bunx", "bun", "pnpm", "node", "deno", "python", "python3", "docker")
)
"""Commands whose first argument says more than they do themselves."""


class Declared(Protocol):
    """The keys of an entry that starts a program."""

    @property
    def command(self) -> str:
        """The program."""
        ...

    @property
    def args(self) -> tuple[str, ...]:
        """The words behind it."""
        ...

    @property
    def working_dir(self) -> str:
        """Where it runs; relative ones begin in the agent's own."""
        ...


def program_of(options: Raw, wanted: Declared, opening: Opening) -> Program:
    """The program of an entry, its arguments and folder expanded.

    Raises `ConfigError` for variables that are not set. Source: runtime.md §8.6, §10.2.
    """
    env = opening.secrets.get
    declared = options.get("args")
    places = list(declared.elements()) if declared is not None else []
    arguments = [expanded(text, at, env) for text, at in zip(wanted.args, places, strict=True)]
    folder = expand_shell(wanted.working_dir, env, "empty")
    try:
        directory = opening.working_dir / Path(folder).expanduser()
    except RuntimeError as exc:
        raise options.key_error("working_dir", str(exc)) from exc
    return Program((wanted.command, *arguments), directory, environ_of(options, opening))


def expanded(text: str, at: Raw, env: Lookup) -> str:
    """A value with its variables; one that is not set is an error at its line."""
    try:
        return expand_shell(text, env)
    except ConfigError as exc:
        raise at.error(str(exc)) from exc


def environ_of(options: Raw, opening: Opening) -> dict[str, str]:
    """What the processes of a toolset get: the server's own environment without secrets, then the
    file's, which wins."""
    own = own_environment(options.get("env"), opening.secrets.get)
    return {**scrubbed(os.environ, opening.withheld), **own}


def program_label(wanted: Declared) -> str:
    """What messages call a program: its name, or what tells it apart from others."""
    command = Path(wanted.command).name
    if command not in _RUNNERS:
        return command
    plain = [each for each in wanted.args if each and not each.startswith("-")]
    return f"{command} {plain[0]}" if plain else command


def failing(problem: str) -> Callable[[Ended], AbstractAsyncContextManager[Any]]:
    """Opens what cannot be had."""

    @asynccontextmanager
    async def connect(ended: Ended) -> AsyncGenerator[Any]:
        raise StartError(problem, lasting=True)
        yield

    return connect
