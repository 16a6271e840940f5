"""A reply as server-sent events: one batch of deltas, one write. Source: chat-server.md §4,
DESIGN.md §5."""

from __future__ import annotations

import asyncio

import msgspec

from docker_agent.events import ReasoningDelta, Source, TextDelta
from docker_agent.messages import ToolCall
from docker_agent.runtime.request import Outcome
from docker_agent.server.activity import Shown, ShownCall, StatusLine
from docker_agent.server.answer import ReplyHead, wire_usage
from docker_agent.server.errors import HttpError
from docker_agent.server.exchange import Exchange, Headers
from docker_agent.server.record import Record
from docker_agent.server.wire import CalledFunction, CalledPiece, StatusData, StatusEvent

LAST_WRITE_TIMEOUT = 1.0
"""Seconds a client that has stopped reading gets to take an error before it is cut off."""

_HEADERS: Headers = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
)
_DONE = b"data: [DONE]\n\n"

_encode = msgspec.json.encode


class ChunkStream:
    """The chunks of one reply. What all of them share is written once; a delta costs one JSON
    string.

    Writes that wait happen one at a time under one lock; `emit` waits while the client is slow to
    read. What the connection takes at once needs neither.
    """

    __slots__ = (
        "_calls",
        "_content",
        "_end",
        "_exchange",
        "_head",
        "_keep_alive",
        "_last_write",
        "_lock",
        "_loop",
        "_reasoning",
        "_record",
        "_silent",
        "_start",
        "_task",
        "_timer",
        "_usage",
    )

    def __init__(
        self, exchange: Exchange, head: ReplyHead, record: Record, *, include_usage: bool
    ) -> None:
        self._exchange = exchange
        self._head = head
        self._usage = include_usage
        self._start = (
            b'data: {"id":'
            + _encode(head.id)
            + b',"object":"chat.completion.chunk","created":'
            + _encode(head.created)
            + b',"model":'
            + _encode(head.model)
        )
        tail = b',"usage":null}\n\n' if include_usage else b"}\n\n"
        self._content = self._start + b',"choices":[{"index":0,"delta":{"content":'
        self._reasoning = self._start + b',"choices":[{"index":0,"delta":{"reasoning_content":'
        self._end = b'},"finish_reason":null}]' + tail
        self._lock = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self._keep_alive = exchange.settings.keep_alive
        self._last_write = 0.0
        self._calls = 0
        self._record = record
        self._silent = True
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Send status, headers and the role chunk, before anybody asks a model."""
        await self._exchange.start(200, (*_HEADERS, *self._head.headers))
        await self._write(self._chunk(b'{"role":"assistant","content":""}'))
        if self._keep_alive > 0:
            self._timer = self._loop.call_later(self._keep_alive, self._tick)

    async def emit(self, source: Source, events: tuple[Shown, ...]) -> None:
        """An `Emit`: the answer's text and the model's thinking go out, the rest stays here."""
        if source.depth:
            if not isinstance(events[0], TextDelta | ReasoningDelta):
                self._record.note(source, events)
            return
        pieces: list[bytes] = []
        for event in events:
            if isinstance(event, TextDelta):
                pieces += (self._content, _encode(event.text), self._end)
            elif isinstance(event, ReasoningDelta):
                pieces += (self._reasoning, _encode(event.text), self._end)
            elif isinstance(event, StatusLine):
                pieces.append(self._status(event))
            elif isinstance(event, ShownCall):
                self._calls += 1
                pieces.append(self._called((event.call,), event.index))
            else:
                self._record.note(source, (event,))
        if pieces:
            if self._silent:
                self._silent = False
                self._record.heard()
            data = b"".join(pieces)
            if not self._lock.locked() and self._exchange.push(data):
                self._last_write = self._loop.time()
            else:
                await self._write(data)

    async def close(self, outcome: Outcome) -> None:
        """Send what ends a good reply: calls for the client, the finish reason, usage, `[DONE]`."""
        self._stop_timer()
        pieces: list[bytes] = []
        if outcome.pending:
            pieces.append(self._called(outcome.pending, self._calls))
        pieces.append(self._chunk(b"{}", finish=_encode(outcome.finish)))
        if self._usage:
            usage = _encode(wire_usage(outcome.usage))
            pieces += (self._start, b',"choices":[],"usage":', usage, b"}\n\n")
        await self._write(b"".join((*pieces, _DONE)), more=False)

    async def fail(self, error: HttpError) -> None:
        """Send an error event and `[DONE]`; a client that no longer reads is cut off."""
        self._stop_timer()
        self._exchange.failed(error)
        try:
            async with asyncio.timeout(LAST_WRITE_TIMEOUT):
                await self._write(b"data: " + error.encoded() + b"\n\n" + _DONE, more=False)
        except TimeoutError:
            self._exchange.abort()

    async def stop(self) -> None:
        """Let go of the timer and of a keep-alive under way; safe to call again."""
        self._stop_timer()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _write(self, data: bytes, *, more: bool = True) -> None:
        async with self._lock:
            self._last_write = self._loop.time()
            await self._exchange.write(data, more=more)

    def _called(self, calls: tuple[ToolCall, ...], first: int) -> bytes:
        entries = [
            CalledPiece(
                index=index, id=call.id, function=CalledFunction(call.name, call.arguments or "{}")
            )
            for index, call in enumerate(calls, first)
        ]
        return self._chunk(b'{"tool_calls":' + _encode(entries) + b"}")

    def _status(self, line: StatusLine) -> bytes:
        """An empty delta with a line beside it (clients.md 29); others pass over the extra key."""
        event = StatusEvent(data=StatusData(line.description, line.done))
        return self._chunk(b"{}", more=b',"event":' + _encode(event))

    def _chunk(self, delta: bytes, finish: bytes = b"null", more: bytes = b"") -> bytes:
        tail = more + (b',"usage":null}\n\n' if self._usage else b"}\n\n")
        choice = (b'"index":0,"delta":', delta, b',"finish_reason":', finish)
        return b"".join((self._start, b',"choices":[{', *choice, b"}]", tail))

    def _tick(self) -> None:
        """One timer per stream looks whether it has been silent; a write costs the timer
        nothing."""
        silent = self._loop.time() - self._last_write
        if silent >= self._keep_alive and not self._lock.locked():
            self._task = self._loop.create_task(self._write(self._chunk(b"{}")))
            silent = 0.0
        wait = max(self._keep_alive - silent, 0.05)
        self._timer = self._loop.call_later(wait, self._tick)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
