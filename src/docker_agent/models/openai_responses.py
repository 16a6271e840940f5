"""OpenAI's Responses API: POST, decode the stream of typed events, return the whole.

Wire: https://platform.openai.com/docs/api-reference/responses. Nothing is kept at the provider
(`store: false`): reasoning comes back encrypted and is replayed from our own conversation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import assert_never

import msgspec

from docker_agent.errors import ModelError
from docker_agent.events import Delta, EmitDeltas
from docker_agent.messages import (
    JSON,
    NO_SAMPLING,
    NO_USAGE,
    UNREADABLE,
    AssistantMessage,
    Finish,
    Sampling,
)
from docker_agent.models.failures import Problem, error_of, problem_of, refused
from docker_agent.models.http_port import Http
from docker_agent.models.openai_responses_events import (
    ArgumentsDone,
    ArgumentsPiece,
    Completed,
    Event,
    Failed,
    Incomplete,
    ItemAdded,
    ItemDone,
    ReasoningPiece,
    RefusalPiece,
    SummaryPiece,
    TextPiece,
    Trouble,
    Whole,
    decode_event,
    decode_whole,
    usage_of,
)
from docker_agent.models.openai_responses_items import Output
from docker_agent.models.openai_responses_messages import (
    choice_field,
    input_items,
    origin_of,
    responses_tools,
    sampling_fields,
    text_field,
)
from docker_agent.models.port import Ask, ModelCard, Reply
from docker_agent.models.streamed import Exchange

_DONE = b"[DONE]"
_ENDED = ("completed", "incomplete", "failed")


class ResponsesSettings(msgspec.Struct, frozen=True):
    """How one model is reached and asked.

    `url` ends in `/responses`; `headers` hold the key; `secrets` are the texts no message may show.
    `reasons` says that the model thinks before it answers: a summary of that and its encrypted form
    are asked for, which other models refuse.
    """

    url: str
    model: str
    headers: Mapping[str, str] = {}
    secrets: Sequence[str] = ()
    sampling: Sampling = NO_SAMPLING
    reasons: bool = False
    track_usage: bool = True


class OpenAIResponses:
    """A `Model` behind a Responses endpoint."""

    def __init__(self, http: Http, settings: ResponsesSettings, card: ModelCard) -> None:
        self._http = http
        self._settings = settings
        self.headers: Mapping[str, str] = {"Content-Type": "application/json", **settings.headers}
        self._origin = origin_of(settings.url, settings.model)
        self._fixed: dict[str, JSON] = {"model": settings.model, "stream": True, "store": False}
        if settings.reasons:
            self._fixed["include"] = ["reasoning.encrypted_content"]
        self.card = card

    async def reply(self, ask: Ask, emit: EmitDeltas) -> Reply:
        answer = _Answer(self.card.name, self._origin, self._settings)
        exchange = Exchange(self.card.name, answer, emit)
        body = msgspec.json.encode(self.fields(ask))
        return await exchange.run(
            self._http, self._settings.url, self.headed(ask), body, self._refusal
        )

    def headed(self, ask: Ask) -> Mapping[str, str]:
        """The headers of a question."""
        return self.headers

    def fields(self, ask: Ask) -> dict[str, JSON]:
        """The fields of its body."""
        settings = self._settings
        verbosity = ask.sampling.verbosity or settings.sampling.verbosity
        body: dict[str, JSON] = {
            **self._fixed,
            "input": input_items(ask.messages, self._origin),
            **sampling_fields(
                settings.sampling,
                ask.sampling,
                context=self.card.context,
                reasons=settings.reasons,
                tools=bool(ask.tools),
            ),
        }
        if ask.tools:
            body["tools"] = msgspec.Raw(ask.tools.wire(responses_tools))
            body["tool_choice"] = choice_field(ask.choice)
        if text := text_field(ask.format, verbosity):
            body["text"] = text
        return body

    def _refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> ModelError:
        return refused(self.card.name, status, headers, body, self._settings.secrets)


class _Answer:
    """One reply while it arrives. No I/O."""

    __slots__ = (
        "_finish",
        "_model",
        "_name",
        "_origin",
        "_output",
        "_settings",
        "_usage",
        "done",
        "error",
    )

    def __init__(self, name: str, origin: str, settings: ResponsesSettings) -> None:
        self.done = False
        self.error: ModelError | None = None
        self._name = name
        self._origin = origin
        self._settings = settings
        self._output = Output()
        self._finish: Finish | None = None
        self._usage = NO_USAGE
        self._model = ""

    def take(self, payloads: Sequence[bytes]) -> list[Delta]:
        """The deltas in these events, up to the end or the first that is an error."""
        deltas: list[Delta] = []
        for payload in payloads:
            if self.done or self.error is not None:
                break
            if payload.startswith(_DONE):
                self.done = True
                break
            if not payload.strip():
                continue
            try:
                event = decode_event(payload)
            except UNREADABLE:
                self.error = self.broken("it sent a malformed event")
                break
            if event is not None:
                self._take(event, deltas)
        return deltas

    def take_whole(self, body: bytes) -> list[Delta]:
        """The deltas in an answer that is no stream."""
        deltas: list[Delta] = []
        try:
            whole = decode_whole(body)
        except UNREADABLE:
            self.error = self.broken("it sent a malformed answer")
            return deltas
        status = "failed" if whole.error is not None else whole.status or "completed"
        if status in _ENDED and (whole.output is not None or status == "failed"):
            self._end(whole, status, deltas)
        else:
            self.error = self.broken("it sent no answer", transient=True)
        return deltas

    def rest(self) -> list[Delta]:
        """Nothing is held back."""
        return []

    def _take(self, event: Event, deltas: list[Delta]) -> None:
        output = self._output
        match event:
            case TextPiece(delta=text):
                output.say(output.item(event.output_index, event.item_id), text, deltas)
            case RefusalPiece(delta=text):
                output.refused = True
                output.say(output.item(event.output_index, event.item_id), text, deltas)
            case SummaryPiece(delta=text, summary_index=number):
                item = output.item(event.output_index, event.item_id)
                output.think(item, ("summary", number), text, deltas)
            case ReasoningPiece(delta=text, content_index=number):
                item = output.item(event.output_index, event.item_id)
                output.think(item, ("content", number), text, deltas)
            case ArgumentsPiece(delta=text):
                output.item(event.output_index, event.item_id).arguments += text
            case ArgumentsDone(arguments=arguments):
                item = output.item(event.output_index, event.item_id)
                item.say_arguments(arguments)
                item.closed = True
            case ItemAdded(item=told):
                output.item(event.output_index, told.id).learn(told)
            case ItemDone(item=told):
                output.close(output.item(event.output_index, told.id), told, deltas)
            case Completed(response=whole):
                self._end(whole, "completed", deltas)
            case Incomplete(response=whole):
                self._end(whole, "incomplete", deltas)
            case Failed(response=whole):
                self._end(whole, "failed", deltas)
            case Trouble(message=message, code=code, error=error):
                self._fail(problem_of({"error": error or {"message": message, "code": code}}))
            case _:
                assert_never(event)

    def _end(self, whole: Whole, status: str, deltas: list[Delta]) -> None:
        if status == "failed":
            self._fail(problem_of({"error": whole.error}))
            return
        for index, told in enumerate(whole.output or ()):
            item = self._output.item(index, told.id)
            if not item.closed:
                self._output.close(item, told, deltas)
        if self._settings.track_usage:
            self._usage = usage_of(whole.usage)
        self._model = whole.model or ""
        self._finish = "stop"
        if status == "incomplete":
            why = whole.incomplete_details.reason if whole.incomplete_details else None
            self._finish = "content_filter" if why == "content_filter" else "length"
        self.done = True

    def _fail(self, problem: Problem) -> None:
        self.error = error_of(self._name, 0, problem, self._settings.secrets)

    def reply(self) -> Reply:
        """The whole, after the last read. Raises `ModelError` when the stream ended too early."""
        output = self._output
        text, reasoning, calls = output.text, output.reasoning, output.calls()
        if self._finish is None:
            if not output.all_closed():
                raise self.broken("the stream ended inside a tool call", transient=True)
            if not text and not reasoning and not calls:
                raise self.broken("the stream ended before an answer", transient=True)
        finish: Finish = "content_filter" if output.refused else self._finish or "stop"
        if finish == "stop" and calls:
            finish = "tool_calls"
        message = AssistantMessage(text, reasoning, calls, output.thoughts(self._origin))
        return Reply(message, finish, self._usage, self._model or self._name)

    def broken(self, what: str, *, transient: bool = False) -> ModelError:
        """The error of an answer that is none."""
        return ModelError("model_error", f"model {self._name} failed: {what}", transient=transient)
