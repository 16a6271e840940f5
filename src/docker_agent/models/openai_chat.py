"""OpenAI's Chat Completions, and everyone who speaks it: POST, decode the stream, return the whole.

Wire: https://platform.openai.com/docs/api-reference/chat. Read generously: servers differ.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

import msgspec

from docker_agent.errors import ModelError
from docker_agent.events import Delta, EmitDeltas, ReasoningDelta, TextDelta
from docker_agent.messages import (
    JSON,
    NO_SAMPLING,
    UNREADABLE,
    AssistantMessage,
    Sampling,
    ToolCall,
    ToolSpec,
)
from docker_agent.models.failures import error_of, problem_of, refused
from docker_agent.models.http_port import Http
from docker_agent.models.openai_chunks import (
    FINISHES,
    CallPiece,
    Choice,
    Counted,
    decode_chunk,
    spoken,
    usage_of,
)
from docker_agent.models.openai_messages import (
    OutputField,
    choice_field,
    format_field,
    openai_messages,
    openai_tools,
    sampling_fields,
)
from docker_agent.models.port import Ask, ModelCard, Reply
from docker_agent.models.streamed import Exchange
from docker_agent.models.text_calls import TextCalls, TextCallsMode

_DONE = b"[DONE]"


class ChatSettings(msgspec.Struct, frozen=True):
    """How one model is reached and asked.

    `url` ends in `/chat/completions`; `headers` hold the key; `secrets` are the texts no message
    may show. `output_field` is the name of the output cap, `extra` goes into every body as it is,
    `merge` joins neighbouring system and user messages, `text_calls` says which calls written as
    text are recognised, `tools` writes the list of tools.
    """

    url: str
    model: str
    headers: Mapping[str, str] = {}
    secrets: Sequence[str] = ()
    sampling: Sampling = NO_SAMPLING
    output_field: OutputField = "max_tokens"
    extra: Mapping[str, JSON] = {}
    merge: bool = False
    track_usage: bool = True
    text_calls: TextCallsMode = "tags"
    tools: Callable[[Sequence[ToolSpec]], bytes] = openai_tools


class OpenAIChat:
    """A `Model` behind a Chat Completions endpoint."""

    def __init__(self, http: Http, settings: ChatSettings, card: ModelCard) -> None:
        self._http = http
        self._settings = settings
        self._headers = {"Content-Type": "application/json", **settings.headers}
        self._fixed: dict[str, JSON] = {"model": settings.model, "stream": True, **settings.extra}
        if settings.track_usage:
            self._fixed["stream_options"] = {"include_usage": True}
        self.card = card
        self._unasked = {tools: self._sampling(NO_SAMPLING, tools=tools) for tools in (False, True)}

    async def reply(self, ask: Ask, emit: EmitDeltas) -> Reply:
        answer = _Answer(self.card.name, ask, self._settings)
        exchange = Exchange(self.card.name, answer, emit)
        return await exchange.run(
            self._http, self._settings.url, self._headers, self._body(ask), self._refusal
        )

    def _body(self, ask: Ask) -> bytes:
        settings, tools = self._settings, bool(ask.tools)
        sampling = (
            self._unasked[tools]
            if ask.sampling == NO_SAMPLING
            else self._sampling(ask.sampling, tools=tools)
        )
        body = {
            **self._fixed,
            "messages": openai_messages(ask.messages, merge=settings.merge),
            **sampling,
        }
        if ask.tools:
            body["tools"] = msgspec.Raw(ask.tools.wire(settings.tools))
            body["tool_choice"] = choice_field(ask.choice)
        if ask.format:
            body["response_format"] = format_field(ask.format)
        return msgspec.json.encode(body)

    def _sampling(self, asked: Sampling, *, tools: bool) -> dict[str, JSON]:
        settings = self._settings
        return sampling_fields(
            settings.sampling,
            asked,
            output_field=settings.output_field,
            tools=tools,
            context=self.card.context,
        )

    def _refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> ModelError:
        return refused(self.card.name, status, headers, body, self._settings.secrets)


class _Call:
    """A tool call while its pieces arrive."""

    __slots__ = ("arguments", "id", "index", "name")

    def __init__(self, index: int | None, id: str | None) -> None:
        self.index = index
        self.id = id
        self.name = ""
        self.arguments = ""


class _Answer:
    """One reply while it arrives: what was shown so far, and all that must not be lost."""

    __slots__ = (
        "_calls",
        "_finish",
        "_gate",
        "_model",
        "_name",
        "_reasoning",
        "_secrets",
        "_text",
        "_usage",
        "done",
        "error",
    )

    def __init__(self, name: str, ask: Ask, settings: ChatSettings) -> None:
        self.done = False
        self.error: ModelError | None = None
        self._name = name
        self._secrets = settings.secrets
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: list[_Call] = []
        self._finish: str | None = None
        self._usage: Counted | None = None
        self._model = ""
        self._gate = TextCalls(ask.tools.by_name, settings.text_calls) if ask.tools else None

    def take_whole(self, body: bytes) -> list[Delta]:
        """A server that does not stream sends one completion; it reads like one large chunk."""
        deltas = self.take([body])
        self.done = True
        return deltas

    def take(self, payloads: Sequence[bytes]) -> list[Delta]:
        """The deltas in these events, up to the first that is an error."""
        deltas: list[Delta] = []
        for payload in payloads:
            if payload.startswith(_DONE):
                self.done = True
                break
            if not payload.strip():
                continue
            try:
                chunk = decode_chunk(payload)
            except UNREADABLE:
                self.error = self.broken("it sent a malformed event")
                break
            if chunk.error is not None:
                problem = problem_of({"error": chunk.error})
                self.error = error_of(self._name, 0, problem, self._secrets)
                break
            if chunk.usage is not None:
                self._usage = chunk.usage
            if chunk.choices:
                self._take_choice(chunk.choices[0], deltas)
                if not self._model and chunk.model:
                    self._model = chunk.model
        return deltas

    def _take_choice(self, choice: Choice, deltas: list[Delta]) -> None:
        delta = choice.delta or choice.message
        if delta is not None:
            thought, text = spoken(delta)
            if thought:
                self._reasoning.append(thought)
                deltas.append(ReasoningDelta(thought))
            if text:
                self._take_text(text, deltas)
            if delta.refusal:
                self._finish = "refusal"
                self._take_text(delta.refusal, deltas)
            if delta.tool_calls:
                for piece in delta.tool_calls:
                    self._take_call(piece)
        if choice.finish_reason and self._finish != "refusal":
            self._finish = choice.finish_reason

    def _take_text(self, text: str, deltas: list[Delta]) -> None:
        if self._gate is not None:
            text = self._gate.feed(text)
            if not text:
                return
        self._text.append(text)
        deltas.append(TextDelta(text))

    def rest(self) -> list[Delta]:
        """What the gate held back, once it is known to be no call."""
        if self._gate is None:
            return []
        rest, calls = self._gate.finish()
        for written in () if self._calls else calls:
            call = _Call(None, None)
            call.name, call.arguments = written.name, written.arguments
            self._calls.append(call)
        if not rest:
            return []
        self._text.append(rest)
        return [TextDelta(rest)]

    def _take_call(self, piece: CallPiece) -> None:
        call = self._slot(piece)
        if piece.id:
            call.id = piece.id
        function = piece.function
        if function is None:
            return
        if function.name:
            call.name = function.name
        if isinstance(function.arguments, str):
            call.arguments += function.arguments
        elif function.arguments is not None:
            call.arguments = msgspec.json.encode(function.arguments).decode()

    def _slot(self, piece: CallPiece) -> _Call:
        """The call a piece belongs to: by id, then by index; some servers leave out one of them."""
        for call in reversed(self._calls):
            if piece.id and call.id:
                if call.id == piece.id:
                    return call
            elif piece.index is None:
                if not (call.name and piece.function and piece.function.name):
                    return call
            elif call.index == piece.index:
                return call
        call = _Call(piece.index, piece.id)
        self._calls.append(call)
        return call

    def reply(self) -> Reply:
        """The whole, after the last read. Raises `ModelError` when the stream ended too early."""
        text = "".join(self._text)
        calls = tuple(
            ToolCall(call.id or f"call_{random.getrandbits(96):024x}", call.name, call.arguments)
            for call in self._calls
            if call.name
        )
        if self._finish is None and not text and not calls and not self._reasoning:
            raise self.broken("the stream ended before an answer", transient=True)
        if self._finish is None and not self.done and not all(map(_is_whole, calls)):
            raise self.broken("the stream ended inside a tool call", transient=True)
        finish = FINISHES.get(self._finish or "", "stop")
        if finish in ("stop", "tool_calls"):
            finish = "tool_calls" if calls else "stop"
        message = AssistantMessage(text, "".join(self._reasoning), calls)
        return Reply(message, finish, usage_of(self._usage), self._model or self._name)

    def broken(self, what: str, *, transient: bool = False) -> ModelError:
        """The error for a peer that does not keep to the protocol."""
        return ModelError("model_error", f"model {self._name} failed: {what}", transient=transient)


def _is_whole(call: ToolCall) -> bool:
    """Whether nothing can be missing from the arguments."""
    try:
        msgspec.json.decode(call.arguments)
    except UNREADABLE:
        return False
    return True
