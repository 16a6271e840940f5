"""`docker-agent schema`: the JSON Schema of agent files, for editors."""

from __future__ import annotations

import sys

import click
import msgspec


@click.command()
def schema() -> None:
    """Print the JSON Schema of agent files, for completion and checks in an editor.

    \b
    docker-agent schema > agent-schema.json
    """
    # Imported here, so that help and completion need not wait for it.
    from docker_agent.config.schema import agent_file_schema

    text = msgspec.json.format(msgspec.json.encode(agent_file_schema()), indent=2)
    sys.stdout.write(text.decode() + "\n")
