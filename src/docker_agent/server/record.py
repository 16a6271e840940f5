"""What is remembered of one chat request while it is answered, for those who look afterwards.

Nothing here happens per chunk: deltas are never looked at but for the first one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

import msgspec

from docker_agent.events import AgentSwitched, ModelReplied, Source, ToolFinished, ToolStarted
from docker_agent.messages import NO_USAGE, Usage


class ModelCall(msgspec.Struct, frozen=True):
    """A model call that ended well. Times here are those of `time.monotonic`."""

    source: Source
    model: str
    usage: Usage
    began: float
    ended: float


class ToolUse(msgspec.Struct, frozen=True):
    """A tool the server ran."""

    source: Source
    tool: str
    failed: bool
    began: float
    ended: float


class Record:
    """One run, seen from outside. `first_token` is when the first text or thought was there."""

    __slots__ = (
        "_running",
        "_since",
        "agent",
        "began",
        "conversation",
        "first_token",
        "model_calls",
        "stream",
        "tools",
    )

    def __init__(self, agent: str, *, stream: bool, conversation: str | None) -> None:
        self.agent = agent
        self.stream = stream
        self.conversation = conversation
        self.began = time.monotonic()
        self.first_token: float | None = None
        self.model_calls: list[ModelCall] = []
        self.tools: list[ToolUse] = []
        self._since: dict[Source, float] = {}
        self._running: dict[tuple[Source, str], float] = {}

    def note(self, source: Source, events: Iterable[object]) -> None:
        """Take note of events that are no deltas.

        A model call begins where the last thing its agent did has ended; nobody says so.
        """
        now = time.monotonic()
        for event in events:
            match event:
                case ModelReplied(model=model, usage=usage):
                    began = self._since.get(source, self.began)
                    self.model_calls.append(ModelCall(source, model, usage, began, now))
                    self._since[source] = now
                case ToolStarted(call=call):
                    self._running[source, call.id] = now
                case ToolFinished(call=call, result=result):
                    began = self._running.pop((source, call.id), now)
                    self.tools.append(ToolUse(source, call.name, result.is_error, began, now))
                    self._since[source] = now
                case AgentSwitched():
                    self._since[source] = now
                case _:
                    pass

    def heard(self) -> None:
        """The first piece of the answer is there."""
        self.first_token = time.monotonic()

    @property
    def usage(self) -> Usage:
        """The tokens of all model calls that ended well."""
        return sum((call.usage for call in self.model_calls), NO_USAGE)

    @property
    def models(self) -> list[str]:
        """The models that answered, each once, in order."""
        return list(dict.fromkeys(call.model for call in self.model_calls))


class Ended(msgspec.Struct, frozen=True):
    """A request that is over, for those who count, log and trace.

    `endpoint` is one of our paths as it is written in the schema, or `other`; `caller` a name for
    people; `status` 499 when the client left before there was one; `error` its type and code;
    `started` is in the time of `time.monotonic`. `headers` are the request's.
    """

    request_id: str
    caller: str
    method: str
    path: str
    endpoint: str
    status: int
    error: tuple[str, str] | None
    started: float
    seconds: float
    headers: Mapping[bytes, bytes]
    run: Record | None


Watcher = Callable[[Ended], None]
"""Is told of each request when it is over. Quick, and never fails."""
