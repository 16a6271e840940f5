"""The flags that say how an agent file is loaded, for commands that do not serve it."""

from __future__ import annotations

from collections.abc import Mapping

import click
import msgspec

from docker_agent.cli.flags import Command
from docker_agent.hooks.port import HookEvent
from docker_agent.permissions import SAFETY_MODES, SafetyMode


class LoadFlags(msgspec.Struct, frozen=True):
    """The flags as given."""

    agent: str | None
    safety: SafetyMode | None
    working_dir: str | None
    env_from_file: tuple[str, ...]
    models_gateway: str | None
    hooks: Mapping[HookEvent, tuple[str, ...]] = {}
    code_mode: bool = False


def loading_flags(command: Command) -> Command:
    """Gives a command the argument AGENT-FILE and the flags of `LoadFlags`."""
    for option in (
        click.option(
            "--models-gateway",
            metavar="URL",
            help="Reach the providers' models through this gateway, which has their keys.",
        ),
        click.option(
            "--env-from-file",
            multiple=True,
            metavar="FILE",
            help="Read variables from a file of NAME=value lines. Repeatable.",
        ),
        click.option(
            "--working-dir",
            type=click.Path(file_okay=False),
            help="Where agents work; relative paths start there.",
        ),
        click.option(
            "--safety",
            type=click.Choice([*SAFETY_MODES]),
            help="Which tools may run unasked. Default: autonomous for a file on this machine.",
        ),
        click.option("-a", "--agent", metavar="NAME", help="The agent, in place of the default."),
        click.argument("agent_file", metavar="AGENT-FILE"),
    ):
        command = option(command)
    return command
