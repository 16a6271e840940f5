"""Asking a scripted model through the Chat Completions adapter, and what the caller got."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import anyio
import msgspec

from docker_agent.events import Delta, ReasoningDelta, TextDelta
from docker_agent.messages import ToolList, ToolSpec, UserMessage
from docker_agent.models.http import open_http
from docker_agent.models.http_port import Http, Response
from docker_agent.models.openai_chat import ChatSettings, OpenAIChat
from docker_agent.models.port import Ask, ModelCard, Reply
from tests.scripted.gate import Gate
from tests.scripted.heard import Model
from tests.scripted.model import Scripted

HI = Ask((UserMessage("hi"),))
TOOLS = ToolList(
    [
        ToolSpec("f", "Does f.", {"type": "object", "properties": {"a": {"type": "integer"}}}),
        ToolSpec("g", "", {}),
    ]
)
CARD = ModelCard("the-model", "scripted")


@dataclass(slots=True)
class Told:
    """What one call brought: its batches as they came, then the reply. The first batch opens the
    gate `opens`."""

    batches: list[tuple[Delta, ...]] = field(default_factory=list[tuple[Delta, ...]])
    answer: Reply | None = None
    opens: Gate | None = None

    @property
    def reply(self) -> Reply:
        """The whole; fails the test when there is none."""
        assert self.answer is not None
        return self.answer

    @property
    def text(self) -> str:
        """All text deltas."""
        deltas = [delta for batch in self.batches for delta in batch]
        return "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))

    @property
    def reasoning(self) -> str:
        """All reasoning deltas."""
        deltas = [delta for batch in self.batches for delta in batch]
        return "".join(delta.text for delta in deltas if isinstance(delta, ReasoningDelta))

    @property
    def calls(self) -> list[tuple[str, str]]:
        """Name and arguments of the calls."""
        return [(call.name, call.arguments) for call in self.reply.message.calls]

    async def hear(self, batch: tuple[Delta, ...]) -> None:
        """The `emit` of the call."""
        self.batches.append(batch)
        if self.opens is not None:
            self.opens.open()


async def told(
    scripted: Scripted, model: Model, ask: Ask = HI, *, into: Told | None = None, **more: object
) -> Told:
    """One call; `more` are fields of `ChatSettings`. With `into`, what came before an error is
    kept there."""
    async with open_http() as http:
        settings = msgspec.structs.replace(
            ChatSettings(f"{scripted.url}/chat/completions", model.name), **more
        )
        return await tell(http, settings, ask, into or Told())


async def tell(http: Http, settings: ChatSettings, ask: Ask, into: Told) -> Told:
    """One call over any HTTP client."""
    with anyio.fail_after(10):
        into.answer = await OpenAIChat(http, settings, CARD).reply(ask, into.hear)
    return into


@dataclass(slots=True)
class Pieces:
    """The `Http` port over bytes in memory: each piece is what one read brings."""

    pieces: Sequence[bytes]
    headers: Mapping[str, str] = field(
        default_factory=lambda: {"content-type": "text/event-stream"}
    )

    def post(
        self, url: str, headers: Mapping[str, str], body: bytes
    ) -> AbstractAsyncContextManager[Response]:
        """The answer, whatever was asked."""
        return self._answer()

    def get(self, url: str, headers: Mapping[str, str]) -> AbstractAsyncContextManager[Response]:
        """The same answer."""
        return self._answer()

    @asynccontextmanager
    async def _answer(self) -> AsyncGenerator[Response]:
        yield PiecesResponse([piece for piece in self.pieces if piece], self.headers)


@dataclass(slots=True)
class PiecesResponse:
    """A stream in memory."""

    left: list[bytes]
    headers: Mapping[str, str]
    status: int = 200

    async def read(self) -> bytes:
        """The next piece."""
        return self.left.pop(0) if self.left else b""

    def at_end(self) -> bool:
        """Whether all pieces were read."""
        return not self.left
