"""What a toolset is to the rest of the house: a listing, and calls that answer with text."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from docker_agent.messages import JSON, ToolList, ToolResult

Scope = Literal["team", "conversation", "caller", "run"]
"""Who shares a toolset's state (runtime.md §1.3). State of every scope but `team` lives in the
`Draft` or under the caller's name, never in the toolset object, which all users share."""


MAX_NAME = 64
"""Characters of a tool's name that every provider takes (runtime.md §5.1)."""

_UNUSABLE = re.compile(r"[^A-Za-z0-9_-]")


def usable_name(text: str) -> str:
    """A name in characters that every provider takes, `_` in the place of others."""
    return _UNUSABLE.sub("_", text)


def chosen_model(agent: str) -> str:
    """The key of a `Draft` under which the name of the model lies that a conversation has chosen
    for an agent; nothing there, or no name: its own."""
    return f"model_picker/{agent}"


class Status(msgspec.Struct, frozen=True):
    """How a toolset stands; `reason` is a sentence when it is not ready."""

    state: Literal["starting", "ready", "degraded", "failed"] = "ready"
    reason: str = ""


READY = Status()


class Draft:
    """Toolset state while a run goes on: reads what the last turn kept, writes what this turn will
    keep.

    The runtime keeps `entries()` with the turn when the run succeeds and drops it otherwise, so a
    failed turn advances no toolset. Keys are toolset names and what they need (`todo/root`), values
    are the toolset's own bytes.
    """

    __slots__ = ("_entries",)

    def __init__(self, entries: Mapping[str, bytes] | None = None) -> None:
        self._entries = dict(entries) if entries else {}

    def get(self, key: str) -> bytes | None:
        """The bytes under `key`; None when there are none."""
        return self._entries.get(key)

    def put(self, key: str, value: bytes) -> None:
        """Set the bytes under `key`."""
        self._entries[key] = value

    def entries(self) -> dict[str, bytes]:
        """A copy of everything."""
        return dict(self._entries)


class Around(msgspec.Struct, frozen=True):
    """Who a listing is for. `caller` is the name behind the key (empty: no key), `headers` those
    the agent file names. `owner` is the name of the conversation, the caller's and the entry
    agent's own; of the run where there is none. `patient` allows to wait for a toolset that is
    starting."""

    agent: str
    caller: str
    conversation_id: str | None
    headers: Mapping[str, str]
    state: Draft
    patient: bool = True
    owner: str = ""


Progress = Callable[[str], Awaitable[None]]
Spawn = Callable[[Coroutine[object, object, None]], None]
Ending = Callable[[bool], Awaitable[None]]
"""Is told that a run has ended: true when it ended well."""


def _nobody(ending: Ending) -> None:
    """For runs that nobody waits for the end of."""


AgentStatus = Literal["running", "completed", "failed", "stopped"]


class AgentTask(msgspec.Struct, frozen=True):
    """A sub-agent's task that runs beside its run: how it stands, for how many seconds it has run,
    and what was said so far, in the end the answer or what went wrong."""

    id: str
    agent: str
    status: AgentStatus
    seconds: float
    output: str


class AgentTasks(Protocol):
    """What the sub-agents of one run do beside it. Whatever still works ends with the run."""

    def start(self, agent: str, task: str, expected_output: str) -> AgentTask:
        """Begin a task. Raises `ToolError` for an agent that is no sub-agent, and at a limit."""
        ...

    def all(self) -> Sequence[AgentTask]:
        """The tasks of the run, in the order of their start."""
        ...

    async def look(self, id: str, wait: float) -> AgentTask:
        """One task, once it has ended or `wait` seconds have passed. Raises `ToolError` when there
        is none of this id."""
        ...

    async def stop(self, id: str) -> AgentTask:
        """End a task, with all it has started. Raises `ToolError` when it does not run."""
        ...


class CallContext(msgspec.Struct, frozen=True):
    """Around a call: the run's id, who asks, the state it may read and write, how long it has, and
    what it may start.

    `progress` shows text so far; `remaining()` is the seconds until the request's deadline
    (infinite without one); `spawn` starts work that the run waits for or cancels when it ends.
    `call_id` is the model's id of this call, `results` the folder of this conversation's results
    that were too large to show (empty: there are none); folders beside it are other people's.
    `owner` is that of `Around`. `at_end` has somebody told of the run's end, before the client is:
    what must outlive a call but not a failed turn.
    `tasks` are what sub-agents do beside the run.
    """

    run: str
    agent: str
    caller: str
    conversation_id: str | None
    headers: Mapping[str, str]
    state: Draft
    call_id: str
    progress: Progress
    remaining: Callable[[], float]
    spawn: Spawn
    results: str = ""
    owner: str = ""
    at_end: Callable[[Ending], None] = _nobody
    tasks: AgentTasks | None = None


def listing_for(context: CallContext) -> Around:
    """Who a listing is for that a call needs: the same user, who waits."""
    return Around(
        context.agent,
        context.caller,
        context.conversation_id,
        context.headers,
        context.state,
        owner=context.owner,
    )


class Called(msgspec.Struct, frozen=True, omit_defaults=True):
    """One call of a script: its result as text, or what went wrong with it."""

    name: str
    arguments: Mapping[str, JSON]
    result: str | None = None
    error: str | None = None


class Ran(msgspec.Struct, frozen=True):
    """What a script came to: `value` is what it returned, or when it `failed` the error; what it
    printed; what it called."""

    value: str
    failed: bool
    stdout: str
    stderr: str
    calls: tuple[Called, ...]


CallFunction = Callable[[str, dict[str, JSON]], Awaitable[Called]]
"""Answers one call of a script by name and arguments; raises nothing but cancellation."""


class RunScript(Protocol):
    """An engine for scripts that models write."""

    async def __call__(
        self, script: str, functions: Sequence[str], call: CallFunction, *, seconds: float
    ) -> Ran:
        """Run a script whose `functions` are answered by `call`, for at most so many seconds.

        Raises `ToolError` when it takes too long.
        """
        ...


class Toolset(Protocol):
    """A set of tools. One object serves all runs at once; what belongs to one user is in the
    context it is given."""

    @property
    def name(self) -> str:
        """What messages to people call it (`filesystem`, an MCP server's name)."""
        ...

    @property
    def scope(self) -> Scope:
        """Who shares its state."""
        ...

    @property
    def status(self) -> Status:
        """How it stands now; cheap."""
        ...

    async def tools(self, around: Around) -> ToolList:
        """The tools there are now. Returns the same object until something changed.

        Raises `ToolError` when the listing failed: the run goes on without this toolset.
        """
        ...

    async def call(self, name: str, arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        """Run one tool of the listing. `arguments` is what the model wrote, already known to be a
        JSON object.

        Raises `ToolError` with a text the model can act on. Cancellation stops the work and
        everything it started.
        """
        ...
