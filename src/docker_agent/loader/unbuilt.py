"""Keys of agent files that this program knows and does not honour yet.

What guards something stops the start; the rest is one warning each.
"""

from __future__ import annotations

import logging

from docker_agent.config.agent_file import Agent, AgentFile
from docker_agent.config.model import Model
from docker_agent.loader.unused import tell_unused

log = logging.getLogger(__name__)


def refuse_unbuilt(file: AgentFile) -> None:
    """Warn about wishes that are not granted; raise `ConfigError` for guards that would be
    missing."""
    tell_unused(file)
    for agent in file.agents:
        _refuse_guards(agent)
    for name, model in file.models.items():
        for key in _model_wishes(model):
            log.warning("models.%s.%s is not supported yet and has no effect", name, key)
    if file.runtime.sandbox or file.runtime.network_allowlist:
        log.warning("runtime.sandbox and network_allowlist speak to interactive runs; ignored here")


def _model_wishes(model: Model) -> list[str]:
    wishes = {
        "task_budget": bool(model.task_budget),
        "auth": model.auth is not None,
    }
    return [key for key, wished in wishes.items() if wished]


def _refuse_guards(agent: Agent) -> None:
    if agent.harness is not None:
        raise agent.error("agents with a harness cannot be served; give it a model", "harness")
