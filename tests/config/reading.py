"""Reading agent files written as text in tests."""

from __future__ import annotations

from textwrap import dedent

from docker_agent.config.agent_file import Agent, AgentFile
from docker_agent.config.decode import decode
from docker_agent.config.parse import parse
from docker_agent.config.tree import Raw
from docker_agent.errors import ConfigError

NAME = "agent.yaml"


def read(text: str) -> AgentFile:
    """The file of an indented text; its first line may be empty."""
    return parse(_bytes(text), NAME)


def read_agent(text: str) -> Agent:
    """The first agent of a file."""
    return read(text).agents[0]


def tree(text: str) -> Raw:
    """The tree of a text."""
    return decode(_bytes(text), NAME)


def problems(text: str) -> list[str]:
    """The lines of complaint about a file; empty when it is accepted."""
    try:
        read(text)
    except ConfigError as exc:
        return str(exc).split("\n")
    return []


def complaints(text: str, *expected: str) -> None:
    """Assert what is said about a file, each line without the file's name."""
    assert [line.removeprefix(f"{NAME}:") for line in problems(text)] == list(expected)


def _bytes(text: str) -> bytes:
    return dedent(text).removeprefix("\n").encode()
