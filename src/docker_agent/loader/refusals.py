"""What the log says at the start about the safety mode, agent by agent. Source: chat-server.md
§6."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Iterable

from docker_agent.permissions import Rules, SafetyMode, strictest
from docker_agent.runtime.agent import Agent

log = logging.getLogger(__name__)

Spawn = Callable[[Coroutine[object, object, None]], None]


async def tell_refusals(
    agents: Iterable[Agent], rules: Rules, mode: SafetyMode, spawn: Spawn
) -> None:
    """Name the mode of each agent, and the tools that it will refuse; where toolsets are starting
    yet, once more when they have."""
    if rules.allow:
        opened = ", ".join(rule.pattern for rule in rules.allow)
        log.warning("allow rules let these calls through in every mode: %s", opened)
    for agent in agents:
        await _tell(agent, rules, mode)
        if any(toolset.status.state == "starting" for toolset in agent.toolbox.toolsets):
            spawn(_tell_later(agent, rules, mode))


async def _tell_later(agent: Agent, rules: Rules, mode: SafetyMode) -> None:
    await agent.toolbox.started(agent.name)
    await _tell(agent, rules, mode)


async def _tell(agent: Agent, rules: Rules, mode: SafetyMode) -> None:
    used = strictest(mode, agent.safety)
    refused = await agent.toolbox.refused(agent.name, agent.rules or rules, used)
    if refused:
        log.warning(
            "agent %s runs in safety mode '%s', which refuses: %s",
            agent.name,
            used,
            ", ".join(refused),
        )
    else:
        log.info("agent %s runs in safety mode '%s'", agent.name, used)
