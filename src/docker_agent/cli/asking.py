"""Asking an agent from the command line, without a server."""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections.abc import Sequence

from docker_agent.cli.serving import Serving
from docker_agent.errors import ConfigError
from docker_agent.events import Event, Source, TextDelta
from docker_agent.loader.build import open_team
from docker_agent.messages import EMPTY_CONVERSATION, UserMessage
from docker_agent.models.road import open_road
from docker_agent.runtime.loop import run
from docker_agent.runtime.request import RunRequest


async def ask(serving: Serving, messages: Sequence[str]) -> None:
    """Ask the entry agent one message after the other in one conversation; answers go to stdout
    as they come. Raises `ConfigError` when the start or a run fails."""
    settings = serving.settings
    async with (
        open_road(serving.fake, serving.record) as http,
        open_team(serving.source, serving.overrides, serving.secrets, http) as team,
    ):
        conversation = EMPTY_CONVERSATION
        for text in messages:
            request = RunRequest(
                id=uuid.uuid4().hex,
                entry=settings.entry or team.default,
                new=(UserMessage(text),),
                conversation=conversation,
                safety=settings.safety,
                deadline=asyncio.get_running_loop().time() + settings.request_timeout,
                max_turns=settings.max_turns,
            )
            outcome = await run(team, request, _print)
            sys.stdout.write("\n")
            if outcome.failure is not None:
                raise ConfigError(f"the run failed: {outcome.failure.message}")
            conversation = outcome.conversation


async def _print(source: Source, events: tuple[Event, ...]) -> None:
    for event in events:
        if isinstance(event, TextDelta) and source.depth == 0:
            sys.stdout.write(event.text)
    sys.stdout.flush()
