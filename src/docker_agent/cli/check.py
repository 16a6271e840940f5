"""`docker-agent check`: says whether an agent file is right, and shows its team as a tree."""

from __future__ import annotations

import asyncio
import sys

import click
import msgspec

from docker_agent.cli.flags import Globals, global_flags
from docker_agent.cli.load_flags import LoadFlags, loading_flags
from docker_agent.errors import ConfigError


@click.command()
@loading_flags
@click.option("--json", "as_json", is_flag=True, help="Print JSON for other programs.")
@click.option(
    "--strict",
    is_flag=True,
    help="Fail also for warnings, and for variables that are missing on this machine.",
)
@global_flags
@click.pass_context
def check(context: click.Context, as_json: bool, strict: bool, **flags: object) -> None:
    """Say whether AGENT-FILE is right, and show its team, without starting anything.

    \b
    docker-agent check agent.yaml
    docker-agent check agent.yaml --json --strict

    The exit status is 0 for a file that is right, else 1. Variables that are not set here are
    shown; they make it fail only with --strict.
    """
    # Imported here, so that help and completion need not wait for the loader.
    from docker_agent.cli.opening import opened
    from docker_agent.cli.team_tree import tree
    from docker_agent.loader.look import Look, look

    options = context.ensure_object(Globals)
    agent_file = str(flags.pop("agent_file"))
    try:
        found = opened(options, agent_file, msgspec.convert(flags, LoadFlags))
    except ConfigError as exc:
        if exc.usage or not as_json:
            raise
        seen = Look(agent_file, problems=exc.problems)
    else:
        seen = asyncio.run(look(found.source, found.overrides, found.secrets))
    if as_json:
        body = {"ok": seen.ok, **msgspec.to_builtins(seen)}
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(body), indent=2).decode() + "\n")
    else:
        for line in tree(seen):
            click.echo(line)
    if not seen.ok or (strict and (seen.warnings or not seen.starts_here)):
        context.exit(1)
