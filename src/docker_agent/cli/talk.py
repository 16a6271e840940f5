"""Talking to the agents of a team from the command line: one conversation, answers as they come."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from docker_agent.cli.opening import Opened
from docker_agent.errors import ConfigError, Failure
from docker_agent.events import AgentSwitched, Event, Source, TextDelta, ToolStarted
from docker_agent.loader.build import open_team
from docker_agent.messages import EMPTY_CONVERSATION, Conversation, UserMessage
from docker_agent.models.road import open_road
from docker_agent.permissions import SafetyMode
from docker_agent.runtime.agent import Team
from docker_agent.runtime.loop import run
from docker_agent.runtime.request import RunRequest
from docker_agent.tools.jobs import Jobs

Write = Callable[[str], None]


class Bounds(msgspec.Struct, frozen=True):
    """How long one answer may take, in seconds, and how many model calls."""

    timeout: float
    max_turns: int


class Talk:
    """One conversation with one agent. `write` gets the pieces of answers, `show` a line for what
    agents do meanwhile."""

    def __init__(
        self, team: Team, agent: str, safety: SafetyMode, bounds: Bounds, write: Write, show: Write
    ) -> None:
        self.team = team
        self.agent = agent
        self._safety: SafetyMode = safety
        self._bounds = bounds
        self._write = write
        self._show = show
        self._conversation: Conversation = EMPTY_CONVERSATION
        self._id = uuid.uuid4().hex

    async def holds(self, owner: str) -> bool:
        """Whether a conversation is the one that goes on."""
        return owner.endswith(f"\0{self._id}")

    def begin_again(self, agent: str | None = None) -> None:
        """Forget what was said; from now on with `agent`, when one is named.

        Raises `ConfigError` when there is none of that name.
        """
        if agent is not None and agent not in self.team.listed:
            known = ", ".join(self.team.listed)
            raise ConfigError(f"agent '{agent}' not found; there are: {known}")
        self.agent = agent or self.agent
        self._conversation = EMPTY_CONVERSATION
        self._id = uuid.uuid4().hex

    async def say(self, text: str) -> Failure | None:
        """Say something and write the answer. A failure is answered, and leaves the conversation
        as it was."""
        request = RunRequest(
            id=uuid.uuid4().hex,
            entry=self.agent,
            new=(UserMessage(text),),
            conversation=self._conversation,
            conversation_id=self._id,
            safety=self._safety,
            deadline=asyncio.get_running_loop().time() + self._bounds.timeout,
            max_turns=self._bounds.max_turns,
        )
        outcome = await run(self.team, request, self._hear)
        if outcome.failure is None:
            self._conversation = outcome.conversation
        return outcome.failure

    async def _hear(self, source: Source, events: tuple[Event, ...]) -> None:
        for event in events:
            match event:
                case TextDelta(text) if source.depth == 0:
                    self._write(text)
                case ToolStarted(title=title):
                    self._show(f"{source.agent}: {title}")
                case AgentSwitched(agent):
                    self._show(f"→ {agent}")
                case _:
                    pass


@asynccontextmanager
async def open_talk(
    opened: Opened,
    bounds: Bounds,
    write: Write,
    show: Write,
    *,
    fake: Path | None = None,
    record: Path | None = None,
) -> AsyncGenerator[Talk]:
    """A conversation with the chosen agent of a source, closed with the context.

    Raises `ConfigError` when the team cannot be opened.
    """
    overrides = opened.overrides
    jobs = Jobs()
    async with (
        open_road(fake, record) as http,
        open_team(opened.source, overrides, opened.secrets, http, jobs=jobs) as team,
    ):
        agent = overrides.agent or team.default
        talk = Talk(team, agent, overrides.safety, bounds, write, show)
        with jobs.asking(talk.holds):
            yield talk
