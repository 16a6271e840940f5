"""Loading agent files written by tests, with an environment of the test's own."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import msgspec
import pytest

from docker_agent.env.chain import Values
from docker_agent.errors import ConfigError
from docker_agent.loader.build import open_team
from docker_agent.loader.overrides import Overrides
from docker_agent.loader.source import find_source
from docker_agent.messages import JSON, UserMessage
from docker_agent.models.http import open_http
from docker_agent.models.port import Ask
from docker_agent.runtime.agent import Agent, Team
from tests.models.talking import Told

HI = Ask((UserMessage("hi"),))


def write(directory: Path, content: Mapping[str, JSON] | str) -> Path:
    """An agent file: keys, or its text."""
    path = directory / "agent.yaml"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def models(**by_agent: JSON) -> dict[str, JSON]:
    """A file whose agents have these models."""
    return {"agents": {name: {"model": model} for name, model in by_agent.items()}}


@asynccontextmanager
async def loaded(
    directory: Path,
    content: Mapping[str, JSON] | str,
    env: Mapping[str, str] | None = None,
    *,
    local: bool = True,
    **overrides: object,
) -> AsyncGenerator[Team]:
    """The live team of a file. `overrides` are fields of `Overrides`."""
    source = find_source(str(write(directory, content)))
    wishes = msgspec.structs.replace(
        Overrides(directory, directory / "cache", directory / "data"), **overrides
    )
    async with open_http() as http:
        opening = open_team(
            msgspec.structs.replace(source, local=local), wishes, Values(env or {}), http
        )
        async with opening as team:
            yield team


async def card(
    directory: Path, content: Mapping[str, JSON] | str, env: Mapping[str, str] | None = None
) -> tuple[str, str]:
    """Provider and model of the default agent."""
    async with loaded(directory, content, env) as team:
        found = team.agents[team.default].model.card
        return found.provider, found.name


async def complaint(
    directory: Path,
    content: Mapping[str, JSON] | str,
    env: Mapping[str, str] | None = None,
    *,
    agent: str | None = None,
) -> str:
    """What loading says when it refuses; without the file's name."""
    with pytest.raises(ConfigError) as refused:
        async with loaded(directory, content, env, agent=agent):
            pass
    return str(refused.value).replace(str(directory), "DIR")


async def answer(agent: Agent) -> str:
    """What the agent's model says to a greeting."""
    with anyio.fail_after(10):
        return (await agent.model.reply(HI, Told().hear)).message.text
