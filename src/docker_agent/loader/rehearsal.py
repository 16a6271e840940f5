"""What a start would refuse after the file is read, found without starting anything."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Generator
from contextlib import contextmanager

from docker_agent.config.agent_file import AgentFile
from docker_agent.env.chain import Secrets
from docker_agent.errors import ConfigError
from docker_agent.hooks import table as hooks
from docker_agent.hooks.command import AT_ONCE
from docker_agent.hooks.port import HookFailed
from docker_agent.loader.answer_file import caching
from docker_agent.loader.hook_ports import classified, no_web
from docker_agent.loader.hooks import agent_hooks, models_of
from docker_agent.loader.overrides import Overrides
from docker_agent.loader.trust import refuse_leaks
from docker_agent.messages import Usage
from docker_agent.tools.opening import Opening


def refused_at_start(
    file: AgentFile, opening: Opening, overrides: Overrides, secrets: Secrets
) -> list[str]:
    """The problems that neither the file's own rules nor its models and toolsets tell: hooks that
    cannot be served, caches in the wrong place, keys that would leave."""
    problems: list[str] = []
    if not opening.trusted:
        with _noted(problems):
            refuse_leaks(file, secrets)
    base = opening.config_dir or overrides.working_dir
    for agent in file.agents:
        with _noted(problems):
            caching(agent, (), base, trusted=opening.trusted)
        unheard = hooks.Opening(
            overrides.working_dir,
            os.environ,
            asyncio.Semaphore(AT_ONCE),
            secrets.get,
            classified,
            no_web,
            dict.fromkeys(models_of(agent), _never_asked),
        )
        with _noted(problems):
            agent_hooks(agent, unheard, overrides.hooks, trusted=opening.trusted)
    return problems


async def _never_asked(instructions: str, prompt: str) -> tuple[str, Usage]:
    """What stands for the models of hooks."""
    raise HookFailed("is not asked before the start")


@contextmanager
def _noted(problems: list[str]) -> Generator[None]:
    try:
        yield
    except ConfigError as exc:
        problems += exc.problems
