"""One message to an agent elsewhere, until its answer is whole or nobody waits for it any more."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from itertools import chain, repeat

import msgspec

from docker_agent.errors import ToolError
from docker_agent.messages import JSON
from docker_agent.sse import EVENT_STREAM, EventReader
from docker_agent.tools.a2a_card import Card
from docker_agent.tools.a2a_wire import (
    MAX_ANSWER,
    Answer,
    Going,
    Refused,
    Unreadable,
    send_request,
    task_request,
)
from docker_agent.tools.port import Progress
from docker_agent.tools.web import Hear, Request, Web

GOODBYE_SECONDS = 1.5
"""How long an agent is given to hear that nobody waits for its task any more."""

MAX_SECONDS = 24 * 3600.0
"""For one exchange; the call's own limit is what ends it."""

LINGER_SECONDS = 1.0
"""How long a stream may stay open after the news that its task is over."""

POLL_SECONDS = (0.2, 0.5, 1.0, 2.0)
"""Pauses between two looks at a task that is still at work, the last one again and again."""

_NOT_STREAMED = frozenset({-32601, -32004, 404, 405, 406, 415, 501})
"""Codes of agents that do not stream: no such method, no such operation; of HTTP, what says the
same."""

Leave = Callable[[Coroutine[None, None, None]], None]
"""Takes over work that nobody waits for."""


class Call:
    """One message and its answer."""

    def __init__(
        self, web: Web, card: Card, headers: Mapping[str, str], progress: Progress, leave: Leave
    ) -> None:
        """`headers` are those of the agent file that may go to the card's address."""
        self._web = web
        self._card = card
        self._headers = headers
        self._progress = progress
        self._leave = leave
        self._heard = False
        self.answer = Answer()

    async def say(self, text: str, going: Going, seconds: float) -> Answer:
        """Send `text` and hear the answer, for at most so many seconds.

        Raises `ToolError`. A task that is left at work, also by cancellation, is cancelled there
        without anybody waiting for it.
        """
        try:
            async with asyncio.timeout(seconds) as limit:
                await self._exchange(text, going, limit)
        except TimeoutError as exc:
            if not self.answer.whole:
                raise ToolError(f"the agent has not answered within {seconds:g} seconds") from exc
        finally:
            if self.answer.works:
                self._leave(self._goodbye())
        return self.answer

    async def _exchange(self, text: str, going: Going, limit: asyncio.Timeout) -> None:
        if self._card.streams is False or not await self._streamed(text, going, limit):
            await self._post(send_request(self._card, text, going, _id(), stream=False), limit)
        pauses = chain(POLL_SECONDS, repeat(POLL_SECONDS[-1]))
        while self.answer.works:
            await asyncio.sleep(next(pauses))
            await self._post(task_request(self._card, self.answer.task, _id(), cancel=False), limit)

    async def _streamed(self, text: str, going: Going, limit: asyncio.Timeout) -> bool:
        """Send it and hear the answer as it comes; false when the agent has refused to stream,
        before it did anything."""
        try:
            await self._post(send_request(self._card, text, going, _id(), stream=True), limit)
        except Refused as exc:
            if self._heard or exc.code not in _NOT_STREAMED:
                raise
            return False
        return True

    async def _post(self, request: Mapping[str, JSON], limit: asyncio.Timeout) -> None:
        """One exchange, answered at once or by a stream of events. Once the task of a stream is
        over, `limit` comes soon; one that breaks while its task is known is no loss, for the task
        can be looked at."""
        events = EventReader()

        async def hear(piece: bytes) -> None:
            for data in filter(bytes.strip, events.feed(piece)):
                await self._take(data)
            if self.answer.whole:
                soon = asyncio.get_running_loop().time() + LINGER_SECONDS
                limit.reschedule(min(soon, limit.when() or soon))

        reply = await self._web.send(self._request(request, hear))
        if reply.cut:
            raise ToolError(f"the agent's answer has more than {MAX_ANSWER} bytes")
        if reply.broken and not self.answer.works:
            raise ToolError(reply.broken)
        if not 200 <= reply.status < 300:
            with suppress(Unreadable):
                self.answer.hear(reply.body)
            raise Refused(reply.status, f"HTTP {reply.status}")
        if reply.body:
            await self._take(reply.body)
        for data in events.finish():
            try:
                await self._take(data)
            except Unreadable as exc:
                if not self.answer.state:
                    raise ToolError("the agent's answer broke off") from exc

    async def _take(self, data: bytes) -> None:
        new = self.answer.hear(data)
        self._heard = True
        if new:
            await self._progress(new)

    def _request(self, request: Mapping[str, JSON], events: Hear | None = None) -> Request:
        wanted = f"{EVENT_STREAM}, application/json" if events else "application/json"
        return Request(
            self._card.url,
            "POST",
            headers=self._headers,
            plain={
                "Content-Type": "application/json",
                "Accept": wanted,
                "A2A-Version": self._card.version,
            },
            body=msgspec.json.encode(request),
            timeout=MAX_SECONDS if events else GOODBYE_SECONDS,
            limit=MAX_ANSWER,
            events=events,
        )

    async def _goodbye(self) -> None:
        """Tell the agent that nobody waits for its task, as far as it listens."""
        request = task_request(self._card, self.answer.task, _id(), cancel=True)
        with suppress(ToolError):
            await self._web.send(self._request(request))


def _id() -> str:
    return str(uuid.uuid4())
