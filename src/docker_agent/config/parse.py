"""An agent file in two steps: what its bytes declare, then the instruction files beside it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from docker_agent.config.agent_file import AgentFile
from docker_agent.config.check import check
from docker_agent.config.convert import convert
from docker_agent.config.decode import Touched, decode, unwatched
from docker_agent.config.instructions import with_instructions
from docker_agent.config.upgrade import upgrade


def parse(
    data: bytes, name: str, directory: Path | None = None, touched: Touched = unwatched
) -> AgentFile:
    """What the agent file `data` declares, brought to the current version, checked, its shared
    definitions merged in; `name` is what messages call it, `directory` where its `file()` looks,
    and `touched` is told of what it reads there.

    The environment is not looked at. Raises `ConfigError`, one line for each of the
    first problems: `file:line: path: what was wrong, and what would be right`.
    """
    return check(convert(upgrade(decode(data, name, directory, touched)), AgentFile))


def inline_instruction_files(file: AgentFile, directory: Path | None) -> AgentFile:
    """The file with every agent's `instruction_file` read into its `instruction`.

    `directory` is where the agent file lies, None when it comes from elsewhere than a local file.
    Raises `ConfigError` for what cannot or must not be read.
    """
    agents = tuple(with_instructions(agent, directory) for agent in file.agents)
    return msgspec.structs.replace(file, agents=agents)
