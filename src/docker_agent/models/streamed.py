"""One streamed exchange with a provider, whatever it speaks: post, read, show what came, fail well.

What the bytes mean is the protocol's; that one read becomes one batch, that an error waits until
what came before it was shown, and that a connection is left fit for use, is the same for all.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from docker_agent.errors import ModelError
from docker_agent.events import Delta, EmitDeltas
from docker_agent.models.errors import HttpError
from docker_agent.models.http_port import Http, Response
from docker_agent.models.port import Reply
from docker_agent.sse import MAX_EVENT, EventReader, EventTooLarge

MAX_ERROR_BODY = 64 * 1024
"""Bytes of an error's body that are read."""

ERROR_TIMEOUT = 5.0
"""Seconds an error's body may take; its status says enough."""

END_TIMEOUT = 1.0
"""Seconds a server has to end the body after the last event."""

Refusal = Callable[[int, Mapping[str, str], bytes], ModelError]
"""The error behind a status, headers and body."""


class Arriving(Protocol):
    """An answer while it arrives: events in, deltas out. No I/O.

    `done` says that nothing more is to come, `error` what the events ended in; it is raised after
    what came before it was shown.
    """

    done: bool
    error: ModelError | None

    def take(self, payloads: Sequence[bytes]) -> list[Delta]:
        """The deltas in these events, up to the first that is an error."""
        ...

    def take_whole(self, body: bytes) -> list[Delta]:
        """The deltas in the answer of a server that does not stream."""
        ...

    def rest(self) -> list[Delta]:
        """What is left to show once everything has come."""
        ...

    def reply(self) -> Reply:
        """The whole, once everything has come. Raises `ModelError` when it ended too early."""
        ...

    def broken(self, what: str, *, transient: bool = False) -> ModelError:
        """The error for a peer that does not keep to the protocol."""
        ...


class Reader(Protocol):
    """Cuts the bytes of a stream into events. No I/O."""

    def feed(self, piece: bytes) -> list[bytes]:
        """The events that `piece` completed, in order. Raises `EventTooLarge`."""
        ...

    def finish(self) -> list[bytes]:
        """What is left to be an event after the last piece."""
        ...


class Exchange:
    """One question and its answer. `overhear` is told the bytes of a stream as they come, for
    protocols whose errors fall in between the events; `reader` makes what cuts the stream."""

    __slots__ = ("_answer", "_emit", "_emitted", "_name", "_overhear", "_reader")

    def __init__(
        self,
        name: str,
        answer: Arriving,
        emit: EmitDeltas,
        overhear: Callable[[bytes], None] | None = None,
        reader: Callable[[], Reader] = EventReader,
    ) -> None:
        self._name = name
        self._reader = reader
        self._overhear = overhear
        self._answer = answer
        self._emit = emit
        self._emitted = False

    async def run(
        self, http: Http, url: str, headers: Mapping[str, str], body: bytes, refusal: Refusal
    ) -> Reply:
        """Ask, and read the answer to its end. Raises `ModelError`, its `emitted` set."""
        try:
            async with http.post(url, headers, body) as response:
                if response.status >= 300:
                    short = await short_body(response)
                    raise refusal(response.status, response.headers, short)
                await self._read(response)
            return self._answer.reply()
        except HttpError as exc:
            text = f"model {self._name} failed: {exc}"
            if exc.stalled:
                text = f"model stream stalled: {exc} ({self._name})"
            raise ModelError(
                "model_error", text, transient=exc.transient, emitted=self._emitted
            ) from exc
        except ModelError as exc:
            exc.emitted = self._emitted
            raise

    async def _read(self, response: Response) -> None:
        answer = self._answer
        if response.headers.get("content-type", "").lower().startswith("application/json"):
            await self._show(answer.take_whole(await self._whole(response)))
            await self._show(answer.rest())
            return
        reader = self._reader()
        try:
            while piece := await response.read():
                if self._overhear is not None:
                    self._overhear(piece)
                await self._show(answer.take(reader.feed(piece)))
                if answer.done:
                    if not response.at_end():
                        await _await_end(response)
                    break
            else:
                await self._show(answer.take(reader.finish()))
            await self._show(answer.rest())
        except EventTooLarge as exc:
            raise answer.broken("it sent an event without end") from exc

    async def _whole(self, response: Response) -> bytes:
        body = bytearray()
        while piece := await response.read():
            body += piece
            if len(body) > MAX_EVENT:
                raise self._answer.broken("it sent an answer without end")
        return bytes(body)

    async def _show(self, deltas: list[Delta]) -> None:
        if deltas:
            self._emitted = True
            await self._emit(tuple(deltas))
        if self._answer.error is not None:
            raise self._answer.error


async def short_body(response: Response) -> bytes:
    """As much of an error's body as comes in time."""
    body = bytearray()
    with contextlib.suppress(TimeoutError, HttpError):
        async with asyncio.timeout(ERROR_TIMEOUT):
            while len(body) < MAX_ERROR_BODY and (piece := await response.read()):
                body += piece
    return bytes(body)


async def _await_end(response: Response) -> None:
    """Read past the last event, so that the connection can be used again; not for long."""
    with contextlib.suppress(TimeoutError, HttpError):
        async with asyncio.timeout(END_TIMEOUT):
            while await response.read():
                pass
