"""Gemini's generateContent: POST, decode the stream, return the whole.

Wire: https://ai.google.dev/api/generate-content.
"""

from __future__ import annotations

import logging
import random
import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote

import msgspec

from docker_agent.config.expand import expand_shell
from docker_agent.env.chain import Secrets
from docker_agent.errors import ConfigError, ModelError
from docker_agent.events import Delta, EmitDeltas, ReasoningDelta, TextDelta
from docker_agent.messages import UNREADABLE, AssistantMessage, ToolCall
from docker_agent.models.failures import clean
from docker_agent.models.gemini_chunks import (
    FAILURES,
    FINISHES,
    Candidate,
    Chunk,
    Counted,
    FunctionCall,
    Part,
    decode_chunk,
    decode_whole,
    usage_of,
)
from docker_agent.models.gemini_config import BUILT_IN, GeminiSettings, gemini_body, is_third
from docker_agent.models.gemini_failures import gemini_error, gemini_refused
from docker_agent.models.gemini_turn import Order
from docker_agent.models.http_port import Http
from docker_agent.models.port import Ask, ModelCard, Reply
from docker_agent.models.resolve import Resolved, overlaid
from docker_agent.models.streamed import Exchange
from docker_agent.models.vertex import Place, generate_url
from docker_agent.sse import MAX_EVENT

log = logging.getLogger(__name__)

BASE_URL = "https://generativelanguage.googleapis.com"
KEYS = ("GOOGLE_API_KEY", "GEMINI_API_KEY")
"""Variables that may hold the key; the first that is set counts."""

_API = re.compile(r"/v1(alpha|beta)?$")


def gemini_settings(
    resolved: Resolved, secrets: Secrets, place: Place | None = None
) -> GeminiSettings:
    """How the declared model is reached, at a `place` on Vertex AI without a key. Raises
    `ConfigError`: there is no key.

    The key is `token_key`'s, else the first of `KEYS`; an address of one's own may do without.
    """
    declared, options = resolved.declared, resolved.options
    keyless = resolved.gated or place is not None
    names = () if keyless else (resolved.key,) if resolved.key else KEYS
    key = next((value for name in names if (value := secrets.get(name))), None)
    if key is None and not place and (resolved.key or not resolved.base_url):
        raise ConfigError(f"{' or '.join(names)} environment variable is required")
    try:
        base_url = expand_shell(resolved.base_url or BASE_URL, secrets.get).rstrip("/")
        model = expand_shell(resolved.model, secrets.get)
    except ConfigError as exc:
        raise declared.error(str(exc)) from exc
    thinking = resolved.inherited.thinking_budget
    if isinstance(thinking, int) and thinking and is_third(model):
        text = f"{model} has levels of thinking; a number of tokens is only a hint to it"
        log.warning("%s", declared.error(text, "thinking_budget"))
    top_k = options.get("top_k")
    return GeminiSettings(
        url=generate_url(place, model) if place else _generate_url(base_url, model),
        model=model,
        headers=overlaid({"x-goog-api-key": key} if key else {}, resolved.headers),
        secrets=resolved.unshown(key),
        sampling=resolved.sampling,
        top_k=top_k if isinstance(top_k, int) and not isinstance(top_k, bool) else None,
        thinking=thinking,
        built_in=tuple(wire for name, wire in BUILT_IN.items() if options.get(name) is True),
        vertex=place is not None,
    )


def _generate_url(base_url: str, model: str) -> str:
    if not _API.search(base_url):
        base_url += "/v1beta"
    path = model if model.startswith(("models/", "tunedModels/")) else f"models/{model}"
    return f"{base_url}/{quote(path)}:streamGenerateContent?alt=sse"


class Gemini:
    """A `Model` behind generateContent."""

    def __init__(self, http: Http, settings: GeminiSettings, card: ModelCard) -> None:
        self._http = http
        self._settings = settings
        self._headers = {"Content-Type": "application/json", **settings.headers}
        self.card = card

    async def reply(self, ask: Ask, emit: EmitDeltas) -> Reply:
        settings = self._settings
        answer = _Answer(self.card.name, settings)
        body = msgspec.json.encode(gemini_body(settings, ask))
        exchange = Exchange(self.card.name, answer, emit, answer.overhear)
        return await exchange.run(self._http, settings.url, self._headers, body, self._refusal)

    def _refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> ModelError:
        return gemini_refused(self.card.name, status, headers, body, self._settings.secrets)


class _Answer:
    """One reply while it arrives: what was shown so far, and all that must not be lost."""

    __slots__ = (
        "_calls",
        "_finish",
        "_model",
        "_name",
        "_order",
        "_reasoning",
        "_secrets",
        "_tail",
        "_text",
        "_usage",
        "done",
        "error",
    )

    def __init__(self, name: str, settings: GeminiSettings) -> None:
        self.done = False
        self._name = name
        self._secrets = settings.secrets
        self.error: ModelError | None = None
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: dict[str, ToolCall] = {}
        self._order = Order()
        self._finish: str | None = None
        self._usage: Counted | None = None
        self._model = ""
        self._tail = b""

    def take_whole(self, body: bytes) -> list[Delta]:
        """A server that does not stream sends one object, or the events as a list."""
        deltas: list[Delta] = []
        try:
            chunks = decode_whole(body)
        except UNREADABLE:
            self.error = self.broken("it sent a malformed answer")
            return deltas
        for chunk in chunks:
            if self.error is None:
                self._take_chunk(chunk, deltas)
        return deltas

    def rest(self) -> list[Delta]:
        """What fell into the stream after the last event."""
        return self.take(self._bare())

    def overhear(self, piece: bytes) -> None:
        """Remember the bytes since the last event began."""
        start = piece.rfind(b"data:")
        self._tail = (self._tail + piece if start < 0 else piece[start:])[-MAX_EVENT:]

    def _bare(self) -> list[bytes]:
        """An error that fell into the stream as it was, over several lines and not as an event."""
        blocks = [block for block in re.split(rb"\r?\n\r?\n", self._tail) if block.strip()]
        last = blocks[-1].strip() if blocks else b""
        return [last] if last.startswith(b"{") else []

    def take(self, payloads: Sequence[bytes]) -> list[Delta]:
        """The deltas in these events, up to the first that is an error."""
        deltas: list[Delta] = []
        for payload in payloads:
            if not payload.strip():
                continue
            try:
                chunk = decode_chunk(payload)
            except UNREADABLE:
                self.error = self.broken("it sent a malformed event")
                break
            self._take_chunk(chunk, deltas)
            if self.error is not None:
                break
        return deltas

    def _take_chunk(self, chunk: Chunk, deltas: list[Delta]) -> None:
        if chunk.error is not None:
            self.error = gemini_error(self._name, chunk.error, self._secrets)
            return
        if chunk.usage_metadata is not None:
            self._usage = chunk.usage_metadata
        if chunk.model_version:
            self._model = chunk.model_version
        if chunk.prompt_feedback is not None and chunk.prompt_feedback.block_reason:
            self._finish = "PROHIBITED_CONTENT"
        if chunk.candidates:
            self._take_candidate(chunk.candidates[0], deltas)

    def _take_candidate(self, candidate: Candidate, deltas: list[Delta]) -> None:
        content = candidate.content
        for part in (content.parts or ()) if content is not None else ():
            self._take_part(part, deltas)
        reason = candidate.finish_reason or ""
        if reason in FAILURES:
            said = clean(candidate.finish_message or "", self._secrets)
            what = f"it stopped with {reason}" + (f": {said}" if said else "")
            self.error = self.broken(what, transient=FAILURES[reason])
        elif reason:
            self._finish = reason

    def _take_part(self, part: Part, deltas: list[Delta]) -> None:
        if part.function_call is not None:
            self._take_call(part.function_call, part.thought_signature)
        elif part.text is not None:
            self._take_text(part.text, part, deltas)
        elif (other := part.other()) is not None:
            self._order.add_other(other, part.thought_signature)
        else:
            self._take_text("", part, deltas)

    def _take_text(self, text: str, part: Part, deltas: list[Delta]) -> None:
        thought = part.thought is True
        self._order.add_text(text, part.thought_signature, thought=thought)
        if not text:
            return
        if thought:
            self._reasoning.append(text)
            deltas.append(ReasoningDelta(text))
        else:
            self._text.append(text)
            deltas.append(TextDelta(text))

    def _take_call(self, call: FunctionCall, signature: str | None) -> None:
        if not call.name:
            return
        id = call.id or ""
        if not id or id in self._calls:
            id = f"call_{random.getrandbits(96):024x}"
        arguments = msgspec.json.encode(call.args or {}).decode()
        self._calls[id] = ToolCall(id, call.name, arguments)
        self._order.add_call(id, signature)

    def reply(self) -> Reply:
        """The whole, after the last read. Raises `ModelError` when the stream ended too early."""
        text, calls = "".join(self._text), tuple(self._calls.values())
        opaque = self._order.opaque()
        if self._finish is None and not (text or calls or self._reasoning or opaque):
            raise self.broken("the stream ended before an answer", transient=True)
        finish = FINISHES.get(self._finish or "", "stop")
        if finish == "stop" and calls:
            finish = "tool_calls"
        message = AssistantMessage(text, "".join(self._reasoning), calls, opaque)
        return Reply(message, finish, usage_of(self._usage), self._model or self._name)

    def broken(self, what: str, *, transient: bool = False) -> ModelError:
        """The error for a peer that does not keep to the protocol."""
        return ModelError("model_error", f"model {self._name} failed: {what}", transient=transient)
