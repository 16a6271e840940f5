"""Which headers of an incoming request an agent file passes on: those it names, and no other.
Source: runtime.md §8.6."""

from __future__ import annotations

from collections.abc import Iterator

from docker_agent.config.agent_file import AgentFile
from docker_agent.config.scalars import Value
from docker_agent.config.tree import Raw, Scalar
from docker_agent.tools.web_headers import incoming_names

NOT_PASSED = frozenset({"fetch"})
"""Toolsets that send to addresses a model chooses."""


def incoming_headers(file: AgentFile) -> frozenset[str]:
    """The names in lower case that `${headers.NAME}` asks for, in any toolset of any agent."""
    texts = (
        text
        for agent in file.agents
        for toolset in agent.toolsets
        if toolset.type not in NOT_PASSED
        for text in _texts(toolset.options)
    )
    return frozenset(name.lower() for name in incoming_names(texts))


def _texts(raw: Raw) -> Iterator[str]:
    value: Value = raw.node.value if isinstance(raw.node, Scalar) else None
    if isinstance(value, str):
        yield value
    for child in raw.children():
        yield from _texts(child)
