"""Anthropic's Messages API: POST, decode the typed events of the stream, return the whole.

Wire: https://docs.anthropic.com/en/api/messages-streaming. Source: agent-file.md §3.2.3.
"""

from __future__ import annotations

import logging
import random
import re
from collections.abc import Mapping, Sequence

from docker_agent.errors import ModelError
from docker_agent.events import Delta, EmitDeltas, ReasoningDelta, TextDelta
from docker_agent.messages import NO_USAGE, UNREADABLE, ToolCall
from docker_agent.models.anthropic_events import (
    FINISHES,
    Answered,
    Begun,
    Counted,
    Event,
    Piece,
    decode_answer,
    decode_event,
    decode_size,
    updated,
    usage_of,
)
from docker_agent.models.anthropic_messages import MAKER
from docker_agent.models.anthropic_request import MessagesSettings, Request, request_of
from docker_agent.models.blocks import Block, Redacted, Thought, assistant_message
from docker_agent.models.errors import HttpError
from docker_agent.models.failures import error_of, problem_of, refused
from docker_agent.models.http_port import Http
from docker_agent.models.port import Ask, ModelCard, Reply
from docker_agent.models.streamed import Exchange, short_body

log = logging.getLogger(__name__)

MAX_ERROR_BODY = 64 * 1024
"""Bytes of an error's body that are read."""

ERROR_TIMEOUT = 5.0
"""Seconds an error's body may take; its status says enough."""

END_TIMEOUT = 1.0
"""Seconds a server has to end the body after `message_stop`."""

SPARE = 1024
"""Tokens left free in the window when an answer is shortened to fit."""

_OVER_LIMIT = "exceed context limit"
_WINDOW = re.compile(r"> (\d+)")


class AnthropicMessages:
    """A `Model` behind a Messages endpoint."""

    def __init__(self, http: Http, settings: MessagesSettings, card: ModelCard) -> None:
        self._http = http
        self._settings = settings
        self._headers = {"Content-Type": "application/json", **settings.headers}
        self.card = card

    async def reply(self, ask: Ask, emit: EmitDeltas) -> Reply:
        request = request_of(self._settings, ask)
        try:
            return await self._try(request, emit)
        except ModelError as exc:
            if exc.kind != "context_length_exceeded" or exc.emitted:
                raise
            cap = await self._room(request, str(exc))
            if cap is None:
                raise
        return await self._try(request_of(self._settings, ask, cap), emit)

    async def _try(self, request: Request, emit: EmitDeltas) -> Reply:
        answer = _Answer(self.card.name, self._settings)
        return await Exchange(self.card.name, answer, emit).run(
            self._http,
            f"{self._settings.url}{request.query}",
            self._headed(request),
            request.body(),
            self._refusal,
        )

    def _headed(self, request: Request) -> dict[str, str]:
        return {**self._headers, "anthropic-beta": ",".join(request.betas)}

    def _refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> ModelError:
        error = refused(self.card.name, status, headers, body, self._settings.secrets)
        if error.kind == "model_error" and _OVER_LIMIT in str(error):
            error.kind, error.transient = "context_length_exceeded", False
        return error

    async def _room(self, request: Request, refusal: str) -> int | None:
        """How many tokens an answer may have beside this question; None when a shorter answer
        would not help, or nobody knows."""
        said = _WINDOW.search(refusal)
        window = self.card.context or (int(said[1]) if said else 0)
        if not window:
            return None
        base = self._settings.count_url or f"{self._settings.url}/count_tokens"
        url = f"{base}{request.query}"
        try:
            async with self._http.post(url, self._headed(request), request.counting()) as response:
                body = await short_body(response)
                used = decode_size(body).input_tokens if response.status < 300 else window
        except (HttpError, *UNREADABLE):
            return None
        cap = window - used - SPARE
        return cap if 0 < cap < request.max_tokens else None


class _Block:
    """A block while its pieces arrive."""

    __slots__ = ("data", "given", "id", "input", "name", "open", "signature", "text", "type")

    def __init__(self, begun: Begun) -> None:
        self.type = begun.type
        self.text: list[str] = []
        self.signature = begun.signature
        self.data = begun.data
        self.id = begun.id
        self.name = begun.name
        self.given = bytes(begun.input)
        self.input: list[str] = []
        self.open = True

    def finished(self) -> Block | None:
        """The whole block; None when it is empty or of a kind we do not know."""
        text = "".join(self.text)
        match self.type:
            case "text":
                return text or None
            case "thinking":
                return Thought(text, self.signature) if text or self.signature else None
            case "redacted_thinking":
                return Redacted(self.data)
            case "tool_use" if self.name:
                arguments = "".join(self.input) or self.given.decode() or "{}"
                return ToolCall(
                    self.id or f"toolu_{random.getrandbits(96):024x}", self.name, arguments
                )
            case _:
                return None


class _Answer:
    """One reply while it arrives: what was shown so far, and all that must not be lost."""

    __slots__ = (
        "_blocks",
        "_counted",
        "_model",
        "_name",
        "_settings",
        "_stop",
        "done",
        "error",
    )

    def __init__(self, name: str, settings: MessagesSettings) -> None:
        self.done = False
        self.error: ModelError | None = None
        self._name = name
        self._settings = settings
        self._blocks: dict[int, _Block] = {}
        self._stop: str | None = None
        self._counted = Counted()
        self._model = ""

    def take_whole(self, body: bytes) -> list[Delta]:
        """A server that does not stream sends one message."""
        deltas: list[Delta] = []
        try:
            answered = decode_answer(body)
        except UNREADABLE:
            self.error = self.broken("it sent a malformed answer")
            return deltas
        if answered.error is not None:
            self._fail(answered.error)
        self._take_head(answered)
        for index, begun in enumerate(answered.content or ()):
            self._begin(index, begun, deltas)
        self._stop = answered.stop_reason
        self._close_all()
        return deltas

    def rest(self) -> list[Delta]:
        """Nothing is held back."""
        return []

    def take(self, payloads: Sequence[bytes]) -> list[Delta]:
        """The deltas in these events, up to the first that is an error."""
        deltas: list[Delta] = []
        for payload in payloads:
            if not payload.strip():
                continue
            try:
                event = decode_event(payload)
            except UNREADABLE:
                self.error = self.broken("it sent a malformed event")
                break
            self._take_event(event, deltas)
            if self.done or self.error is not None:
                break
        return deltas

    def _take_event(self, event: Event, deltas: list[Delta]) -> None:
        match event.type:
            case "content_block_delta":
                if event.delta is not None:
                    self._add(event.index, event.delta, deltas)
            case "content_block_start":
                self._begin(event.index, event.content_block or Begun(), deltas)
            case "content_block_stop":
                if block := self._blocks.get(event.index):
                    block.open = False
            case "message_start":
                if event.message is not None:
                    self._take_head(event.message)
            case "message_delta":
                if event.delta is not None and event.delta.stop_reason:
                    self._stop = event.delta.stop_reason
                if event.usage is not None:
                    self._counted = updated(self._counted, event.usage)
            case "message_stop":
                self.done = True
            case "error":
                self._fail(event.error)
            case _:
                pass

    def _take_head(self, head: Answered) -> None:
        self._model = head.model
        if head.usage is not None:
            self._counted = updated(self._counted, head.usage)

    def _fail(self, error: object) -> None:
        problem = problem_of({"error": error})
        self.error = error_of(self._name, 0, problem, self._settings.secrets)

    def _begin(self, index: int, begun: Begun, deltas: list[Delta]) -> None:
        block = self._blocks[index] = _Block(begun)
        self._grow(block, begun.text, begun.thinking, deltas)

    def _add(self, index: int, piece: Piece, deltas: list[Delta]) -> None:
        block = self._blocks.get(index)
        if block is None:
            kind = "text" if piece.text is not None else "thinking"
            block = self._blocks[index] = _Block(Begun(kind))
        self._grow(block, piece.text, piece.thinking, deltas)
        if piece.partial_json:
            block.input.append(piece.partial_json)
        if piece.signature:
            block.signature = piece.signature

    def _grow(
        self, block: _Block, text: str | None, thought: str | None, deltas: list[Delta]
    ) -> None:
        if text and block.type == "text":
            block.text.append(text)
            deltas.append(TextDelta(text))
        elif thought and block.type == "thinking":
            block.text.append(thought)
            deltas.append(ReasoningDelta(thought))

    def _close_all(self) -> None:
        for block in self._blocks.values():
            block.open = False

    def reply(self) -> Reply:
        """The whole, after the last read. Raises `ModelError` when the stream ended too early."""
        blocks = [block.finished() for _, block in sorted(self._blocks.items())]
        message = assistant_message([block for block in blocks if block is not None], MAKER)
        half = any(block.open for block in self._blocks.values()) or not self._blocks
        if self._stop is None and half:
            raise self.broken("the stream ended before the answer did", transient=True)
        if self._stop == "refusal":
            log.warning("model %s refused to answer", self._name)
        finish = FINISHES.get(self._stop or "", "stop")
        if finish in ("stop", "tool_calls"):
            finish = "tool_calls" if message.calls else "stop"
        usage = usage_of(self._counted) if self._settings.track_usage else NO_USAGE
        return Reply(message, finish, usage, self._model or self._name)

    def broken(self, what: str, *, transient: bool = False) -> ModelError:
        """The error for a peer that does not keep to the protocol."""
        return ModelError("model_error", f"model {self._name} failed: {what}", transient=transient)
