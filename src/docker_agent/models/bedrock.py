"""Bedrock's ConverseStream: POST, decode the frames of the stream, return the whole.

Wire: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html.
Source: agent-file.md §3.2.2 and §3.2.3.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping, Sequence

from docker_agent.errors import ModelError
from docker_agent.events import Delta, EmitDeltas, ReasoningDelta, TextDelta
from docker_agent.messages import NO_USAGE, UNREADABLE, ToolCall
from docker_agent.models.bedrock_events import (
    FAILURES,
    FINISHES,
    Answered,
    CallBegun,
    Counted,
    Event,
    Piece,
    WholeBlock,
    decode_answer,
    decode_event,
    usage_of,
)
from docker_agent.models.bedrock_failures import converse_raised, converse_refused
from docker_agent.models.bedrock_frames import FrameReader
from docker_agent.models.bedrock_messages import MAKER
from docker_agent.models.bedrock_request import ConverseSettings, converse_body
from docker_agent.models.blocks import Block, Redacted, Thought, assistant_message
from docker_agent.models.http_port import Http
from docker_agent.models.port import Ask, ModelCard, Reply
from docker_agent.models.streamed import Exchange

log = logging.getLogger(__name__)


class Bedrock:
    """A `Model` behind ConverseStream. `http` signs what it sends when there is no bearer token."""

    def __init__(self, http: Http, settings: ConverseSettings, card: ModelCard) -> None:
        self._http = http
        self._settings = settings
        self._headers = {"Content-Type": "application/json", **settings.headers}
        self.card = card

    async def reply(self, ask: Ask, emit: EmitDeltas) -> Reply:
        settings = self._settings
        answer = _Answer(self.card.name, settings)
        exchange = Exchange(self.card.name, answer, emit, reader=FrameReader)
        body = converse_body(settings, ask)
        return await exchange.run(self._http, settings.url, self._headers, body, self._refusal)

    def _refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> ModelError:
        return converse_refused(self.card.name, status, headers, body, self._settings.secrets)


class _Block:
    """A block while its pieces arrive; `call` is the head of one that is a call."""

    __slots__ = ("call", "input", "redacted", "signature", "text", "thought")

    def __init__(self, call: CallBegun | None = None) -> None:
        self.call = call
        self.text: list[str] = []
        self.thought: list[str] = []
        self.input: list[str] = []
        self.redacted: list[str] = []
        self.signature = ""

    def finished(self) -> Block | None:
        """The whole block; None when it is empty, or what the service did by itself."""
        if self.call is not None:
            if self.call.type or not self.call.name:
                return None
            id = self.call.tool_use_id or f"tooluse_{random.getrandbits(96):024x}"
            return ToolCall(id, self.call.name, "".join(self.input) or "{}")
        if self.redacted:
            return Redacted("".join(self.redacted))
        thought = "".join(self.thought)
        if thought or self.signature:
            return Thought(thought, self.signature)
        return "".join(self.text) or None


class _Answer:
    """One reply while it arrives: what was shown so far, and all that must not be lost."""

    __slots__ = (
        "_blocks",
        "_counted",
        "_name",
        "_secrets",
        "_stop",
        "_track_usage",
        "done",
        "error",
    )

    def __init__(self, name: str, settings: ConverseSettings) -> None:
        self.done = False
        self.error: ModelError | None = None
        self._name = name
        self._secrets = settings.secrets
        self._track_usage = settings.track_usage
        self._blocks: dict[int, _Block] = {}
        self._stop: str | None = None
        self._counted: Counted | None = None

    def take_whole(self, body: bytes) -> list[Delta]:
        """A server that does not stream sends the answer of Converse."""
        deltas: list[Delta] = []
        try:
            answered: Answered = decode_answer(body)
        except UNREADABLE:
            self.error = self.broken("it sent a malformed answer")
            return deltas
        for index, block in enumerate(answered.output.message.content):
            self._take_block(index, block, deltas)
        self._stop = answered.stop_reason
        self._counted = answered.usage
        return deltas

    def rest(self) -> list[Delta]:
        """Nothing is held back."""
        return []

    def take(self, payloads: Sequence[bytes]) -> list[Delta]:
        """The deltas in these events, up to the first that is an error."""
        deltas: list[Delta] = []
        for payload in payloads:
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
        if (grown := event.content_block_delta) is not None:
            if grown.delta is not None:
                self._add(grown.content_block_index, grown.delta, deltas)
        elif (started := event.content_block_start) is not None:
            call = started.start.tool_use if started.start is not None else None
            if call is not None:
                self._blocks[started.content_block_index] = _Block(call)
        elif event.message_stop is not None:
            self._stop = event.message_stop.stop_reason
        elif event.metadata is not None:
            self._counted = event.metadata.usage
            self.done = self._stop is not None
        elif (raised := event.exception) is not None:
            self.error = converse_raised(self._name, raised.type, raised.body, self._secrets)

    def _add(self, index: int, piece: Piece, deltas: list[Delta]) -> None:
        block = self._blocks.get(index)
        if block is None:
            block = self._blocks[index] = _Block()
        if piece.text:
            block.text.append(piece.text)
            deltas.append(TextDelta(piece.text))
        elif piece.tool_use is not None:
            block.input.append(piece.tool_use.input)
        elif (thought := piece.reasoning_content) is not None:
            if thought.text:
                block.thought.append(thought.text)
                deltas.append(ReasoningDelta(thought.text))
            block.signature += thought.signature or ""
            if thought.redacted_content:
                block.redacted.append(thought.redacted_content)

    def _take_block(self, index: int, whole: WholeBlock, deltas: list[Delta]) -> None:
        block = self._blocks[index] = _Block(whole.tool_use)
        if whole.tool_use is not None:
            block.input.append(bytes(whole.tool_use.input).decode())
        elif (thought := whole.reasoning_content) is not None:
            said = thought.reasoning_text
            if said is not None and said.text:
                block.thought.append(said.text)
                deltas.append(ReasoningDelta(said.text))
            block.signature = said.signature if said is not None else ""
            block.redacted = [thought.redacted_content] if thought.redacted_content else []
        elif whole.text:
            block.text.append(whole.text)
            deltas.append(TextDelta(whole.text))

    def reply(self) -> Reply:
        """The whole, after the last read. Raises `ModelError` when the stream ended too early, or
        the model with something nobody can use."""
        stop = self._stop
        if stop is None:
            raise self.broken("the stream ended before the answer did", transient=True)
        if stop in FAILURES:
            raise self.broken(f"it stopped with {stop}", transient=True)
        blocks = [block.finished() for _, block in sorted(self._blocks.items())]
        message = assistant_message([block for block in blocks if block is not None], MAKER)
        if stop == "guardrail_intervened":
            log.warning("a guardrail stopped model %s", self._name)
        finish = FINISHES.get(stop, "stop")
        if finish in ("stop", "tool_calls"):
            finish = "tool_calls" if message.calls else "stop"
        usage = usage_of(self._counted) if self._track_usage else NO_USAGE
        return Reply(message, finish, usage, self._name)

    def broken(self, what: str, *, transient: bool = False) -> ModelError:
        """The error for a peer that does not keep to the protocol."""
        return ModelError("model_error", f"model {self._name} failed: {what}", transient=transient)
