"""What a run carries along: one ledger for the whole run, and one strand per line of
conversation in it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from math import inf

import msgspec

from docker_agent.errors import Failure
from docker_agent.events import Emit, Event, Source
from docker_agent.messages import NO_USAGE, Finish, Message, Summary, Usage
from docker_agent.models.port import Model
from docker_agent.permissions import SafetyMode
from docker_agent.runtime.agent import Agent, Team
from docker_agent.runtime.beside import Beside
from docker_agent.runtime.limits import Repeats
from docker_agent.runtime.request import RunRequest
from docker_agent.runtime.summaries import Fill
from docker_agent.tools.port import Around, Draft, Ending, chosen_model

BLANK_LINE = "\n\n"
"""Between the texts of two turns, in the stream and in the JSON reply alike (chat-server.md §4)."""


UNKNOWN_FILL = Fill()
NO_REPEATS = Repeats(0)
NO_SOURCE = Source("", 0, "")
"""Until a strand has its own."""


class RunFailed(Exception):
    """Ends a strand; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


Advance = Callable[["Strand"], Awaitable[None]]
"""The loop: takes turns until the strand's agent asks for nothing more, or raises `RunFailed`."""


class Ledger(msgspec.Struct, eq=False):
    """What all strands of one run share and add to. `acted` says that a tool has run, `changed` one
    that does more than look. `beside` are the tasks that sub-agents do beside the run."""

    team: Team
    request: RunRequest
    emit: Emit
    advance: Advance
    usage: Usage = NO_USAGE
    turns: int = 0
    children: int = 0
    acted: bool = False
    kept: bool = False
    changed: bool = False
    tasks: set[asyncio.Task[object]] = set()
    endings: list[Ending] = []
    beside: dict[str, Beside] = {}

    @property
    def owner(self) -> str:
        """Whose large results and jobs these are: the conversation's, or this run's alone."""
        request = self.request
        if request.conversation_id is None:
            return f"run\0{request.id}\0{id(self)}"
        return f"{request.caller}\0{request.entry}\0{request.conversation_id}"

    def remaining(self) -> float:
        """Seconds until the deadline; infinite without one."""
        deadline = self.request.deadline
        return inf if deadline is None else max(0.0, deadline - asyncio.get_running_loop().time())

    def begin(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Start work that ends with the run at the latest."""
        task = asyncio.create_task(work)
        self.tasks.add(task)
        return task

    def spawn(self, work: Coroutine[object, object, None]) -> None:
        """The same, for tools."""
        self.begin(work)


class Strand(msgspec.Struct, eq=False):
    """One line of conversation: the entry agent's, or that of a sub-agent at work on a task.

    `messages` is all of it, `summary` what stands for the older ones, `fill` how long it is;
    `texts` what was said in each turn so far. `agent` changes on a hand-off, the ledger never does.
    `session` and `parent_session` are its names for hooks, whose words for the prompt stand in
    `session_contexts` (by agent), `prompt_context` and `notes`; `heard` says that they know what
    the user said. `in_skill`: it works for a skill, so no skill may be run in it. `listener` hears
    it in place of the run's own.
    """

    ledger: Ledger
    agent: Agent
    messages: list[Message]
    mode: SafetyMode
    draft: Draft
    depth: int = 0
    in_skill: bool = False
    listener: Emit | None = None
    texts: list[str] = []
    reasonings: list[str] = []
    finish: Finish = "stop"
    iterations: int = 0
    next_agent: str | None = None
    next_model: str | None = None
    script_end: str | None = None
    summary: Summary | None = None
    fill: Fill = UNKNOWN_FILL
    parent_session: str = ""
    session: str = ""
    session_contexts: dict[str, str] = {}
    heard: bool = False
    prompt_context: str = ""
    notes: list[str] = []
    looked_through: dict[int, tuple[Message, Message]] = {}
    repeats: Repeats = NO_REPEATS
    source: Source = NO_SOURCE

    def __post_init__(self) -> None:
        if not self.session:
            self.session = self.ledger.request.conversation_id or self.ledger.request.id
        self.become(self.agent)

    def become(self, agent: Agent) -> None:
        """Go on as `agent`; its limits count from here."""
        self.agent = agent
        self.iterations = 0
        self.next_model = None
        self.repeats = Repeats(agent.limits.repeats)
        self.source = Source(self.ledger.request.id, self.depth, agent.name)

    @property
    def is_entry(self) -> bool:
        """Whether the client's overrides and tools belong to the agent that speaks now."""
        return self.depth == 0 and self.agent.name == self.ledger.request.entry

    @property
    def model(self) -> Model:
        """Who speaks for the agent: the model that its conversation has chosen, else its own."""
        agent = self.agent
        kept = self.draft.get(chosen_model(agent.name)) if agent.choices else None
        return (
            agent.choices.get(kept.decode("utf-8", "replace"), agent.model) if kept else agent.model
        )

    def take_model(self) -> Model:
        """The model of the next call: the agent's, or for once the one a tool named."""
        name, self.next_model = self.next_model, None
        return self.agent.models.get(name, self.model) if name else self.model

    def around(self) -> Around:
        """What a toolset may know when it lists its tools. An agent waits for those that are
        starting before its first turn, not again before each one."""
        request = self.ledger.request
        return Around(
            self.agent.name,
            request.caller,
            request.conversation_id,
            request.headers,
            self.draft,
            patient=not self.iterations,
            owner=self.ledger.owner,
        )

    @property
    def emit(self) -> Emit:
        """Takes what it has to say."""
        return self.listener or self.ledger.emit

    async def tell(self, *events: Event) -> None:
        """Emit events of this strand."""
        await self.emit(self.source, events)
