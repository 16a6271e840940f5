"""Instructions that stand in files of their own, read into an agent."""

from __future__ import annotations

from pathlib import Path

import msgspec

from docker_agent.config.agent_file import Agent
from docker_agent.config.beside import read_beside
from docker_agent.config.tree import Raw
from docker_agent.errors import ConfigError


def with_instructions(agent: Agent, directory: Path | None) -> Agent:
    """The agent with the files of its `instruction_file` as its `instruction`, joined with one
    blank line.

    `directory` is where the agent file lies, None when it comes from elsewhere than a local file.
    Raises `ConfigError` naming agent and file: a path outside the directory, also by a symlink, a
    file that cannot be read, no directory. Source: agent-file.md §1.7.
    """
    places = [place for place in _places(agent) if place.plain() != ""]
    if not places:
        return msgspec.structs.replace(agent, instruction_file=())
    if directory is None:
        raise places[0].error(
            f"agent {agent.name!r}: instruction files need an agent file on this machine; "
            "write the text into 'instruction'"
        )
    texts = [_read(agent, place, directory) for place in places]
    return msgspec.structs.replace(agent, instruction="\n\n".join(texts), instruction_file=())


def _places(agent: Agent) -> list[Raw]:
    found = agent.source.get("instruction_file")
    if found is None:
        return []
    return [found] if isinstance(agent.instruction_file, str) else list(found.elements())


def _read(agent: Agent, place: Raw, directory: Path) -> str:
    name = getattr(place.node, "text", "")
    try:
        return read_beside(name, directory)
    except ConfigError as exc:
        raise place.error(f"agent {agent.name!r}: {name!r} {exc}") from None
