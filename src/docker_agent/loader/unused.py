"""Keys of agent files that speak to interactive clients, which a server is not: accepted, and named
once in the log at its most detailed. Source: agent-file.md §2."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import cast

from docker_agent.config.agent_file import AgentFile
from docker_agent.config.convert import convert_as
from docker_agent.config.hooks import Hooks, Matcher

log = logging.getLogger(__name__)


def tell_unused(file: AgentFile) -> None:
    """Name the keys of a file that have no effect here, in one line."""
    if log.isEnabledFor(logging.DEBUG) and (unused := [*unused_keys(file)]):
        log.debug(
            "these keys speak to interactive clients and have no effect here: %s",
            ", ".join(unused),
        )


def unused_keys(file: AgentFile) -> Iterator[str]:
    """The paths of such keys, in the order of the file's parts."""
    for agent in file.agents:
        said = {
            "welcome_message": bool(agent.welcome_message),
            "commands": agent.commands is not None,
            "use_commands": bool(agent.use_commands),
        }
        yield from (f"agents.{agent.name}.{key}" for key, there in said.items() if there)
        for index, toolset in enumerate(agent.toolsets):
            for key in ("sudo_askpass", "recall"):
                value = toolset.options.get(key)
                if value is not None and convert_as(value, bool):
                    yield f"agents.{agent.name}.toolsets[{index}].{key}"
        if agent.hooks is not None:
            yield from _preempting(agent.name, agent.hooks)
    yield from (
        f"models.{name}.title_model" for name, each in file.models.items() if each.title_model
    )
    yield from (
        f"providers.{name}.unload_api" for name, each in file.providers.items() if each.unload_api
    )
    if file.commands:
        yield "commands"


def _preempting(agent: str, hooks: Hooks) -> Iterator[str]:
    """Hooks of tools stand before every decision here, also without being told so."""
    for event in hooks.__struct_fields__:
        entries: object = getattr(hooks, event)
        found = cast(tuple[object, ...], entries) if isinstance(entries, tuple) else ()
        for index, entry in enumerate(found):
            if isinstance(entry, Matcher) and entry.preempt_yolo:
                yield f"agents.{agent}.hooks.{event}[{index}].preempt_yolo"
