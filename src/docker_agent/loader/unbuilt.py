"""Keys of agent files that this program knows and does not honour yet.

What guards something stops the start; the rest is one warning each.
"""

from __future__ import annotations

import logging

from docker_agent.config.agent_file import Agent, AgentFile
from docker_agent.loader.unused import tell_unused

log = logging.getLogger(__name__)


def refuse_unbuilt(file: AgentFile) -> None:
    """Warn about wishes that are not granted; raise `ConfigError` for guards that would be
    missing."""
    tell_unused(file)
    for agent in file.agents:
        _refuse_guards(agent)
    if file.runtime.sandbox or file.runtime.network_allowlist:
        log.warning("runtime.sandbox and network_allowlist speak to interactive runs; ignored here")


def _refuse_guards(agent: Agent) -> None:
    if agent.harness is not None:
        raise agent.error("agents with a harness cannot be served; give it a model", "harness")
