"""A question as a request to the Messages API: its fields, and the betas they need. Pure.

Source: agent-file.md §3.2.3, §3.6, §3.7 and §3.9.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, cast

import msgspec

from docker_agent.messages import (
    JSON,
    NO_SAMPLING,
    FilePart,
    Format,
    Message,
    Sampling,
    ToolChoice,
    ToolMessage,
    UserMessage,
)
from docker_agent.models.anthropic_messages import (
    MAKER,
    anthropic_tools,
    system_blocks,
    wired_messages,
)
from docker_agent.models.anthropic_thinking import NO_THINKING, Thinking, thinking_of
from docker_agent.models.blocks import goes_on_thoughtless
from docker_agent.models.port import Ask

DEFAULT_MAX_TOKENS = 32_000

TOOL_STREAMING = "fine-grained-tool-streaming-2025-05-14"
INTERLEAVED = "interleaved-thinking-2025-05-14"
STRUCTURED = "structured-outputs-2025-11-13"
TASK_BUDGET = "task-budgets-2026-03-13"
FALLBACKS = "server-side-fallback-2026-06-01"
FILES = "files-api-2025-04-14"

MAX_TEMPERATURE = 1.0
"""OpenAI's scale goes to 2, this API's ends here."""

ANY_JSON = "Answer with one JSON object and nothing else: no code fence, no text around it."

_CHOICES: Mapping[str, str] = {"auto": "auto", "none": "none", "required": "any"}
_COUNTED = ("model", "system", "messages", "tools", "tool_choice", "thinking", "output_config")


class MessagesSettings(msgspec.Struct, frozen=True):
    """How one model is reached and asked.

    `url` ends in `/v1/messages`; `headers` hold the key; `secrets` are the texts no message may
    show. `max_tokens` caps every answer, `top_k` is sent when set, `task_budget` in tokens when not
    0. `betas` are further ones for the header of that name. `version` is the API's where it stands
    in the body and the model in the address; tokens are counted at `count_url` then.
    """

    url: str
    model: str
    headers: Mapping[str, str] = {}
    secrets: Sequence[str] = ()
    sampling: Sampling = NO_SAMPLING
    max_tokens: int = DEFAULT_MAX_TOKENS
    top_k: int | None = None
    thinking: Thinking = NO_THINKING
    interleaved: bool = False
    task_budget: int = 0
    fallbacks: tuple[str, ...] = ()
    betas: tuple[str, ...] = ()
    track_usage: bool = True
    version: str = ""
    count_url: str = ""


class Request(msgspec.Struct, frozen=True):
    """The fields of a body, and the betas they need."""

    fields: Mapping[str, JSON]
    betas: tuple[str, ...]
    version: str = ""

    @property
    def max_tokens(self) -> int:
        """The cap on the answer."""
        return self.fields["max_tokens"]

    @property
    def query(self) -> str:
        """The beta endpoint is asked when a beta changes the body; elsewhere there is one."""
        return "" if self.version or set(self.betas) <= {TOOL_STREAMING} else "?beta=true"

    def body(self) -> bytes:
        """The question itself."""
        if not self.version:
            return msgspec.json.encode(self.fields)
        fields = {**self.fields, "anthropic_version": self.version}
        del fields["model"]
        return msgspec.json.encode(fields)

    def counting(self) -> bytes:
        """The body that asks how many tokens the question has."""
        fields = {name: self.fields[name] for name in _COUNTED if name in self.fields}
        if self.version:
            fields["anthropic_version"] = self.version
        return msgspec.json.encode(fields)


def request_of(settings: MessagesSettings, ask: Ask, cap: int | None = None) -> Request:
    """The request for a question; `cap` lowers the number of tokens an answer may have."""
    declared, asked = settings.sampling, ask.sampling
    caps = [one for one in (asked.max_tokens, cap) if one is not None]
    max_tokens = min([settings.max_tokens, *caps])
    thinking = _thinking(settings, ask, max_tokens)
    system = system_blocks(ask.messages)
    if ask.format and ask.format.type == "json_object":
        system.append({"type": "text", "text": ANY_JSON})
    fields: dict[str, JSON] = {
        "model": settings.model,
        "max_tokens": max_tokens,
        "stream": True,
        "messages": wired_messages(ask.messages),
    }
    if system:
        fields["system"] = system
    if ask.tools:
        fields["tools"] = msgspec.Raw(ask.tools.wire(anthropic_tools))
        fields["tool_choice"] = _choice(ask.choice, _parallel(declared, asked))
    if thinking:
        fields["thinking"] = thinking.field()
    else:
        fields.update(_randomness(settings, asked))
    if stops := [stop for stop in asked.stop or () if stop.strip()]:
        fields["stop_sequences"] = stops
    if asked.user:
        fields["metadata"] = {"user_id": asked.user}
    if output := _output_config(settings, ask.format, thinking):
        fields["output_config"] = output
    if settings.fallbacks:
        fields["fallbacks"] = [{"model": model} for model in settings.fallbacks]
    return Request(fields, _betas(settings, ask, fields), settings.version)


def _thinking(settings: MessagesSettings, ask: Ask, max_tokens: int) -> Thinking:
    """How the model thinks in this call: not where the client insists on a tool, which the API
    takes only without thinking, nor where the answer would have no room beside the budget.

    A client's effort counts where the file lets the model think.
    """
    thinking = settings.thinking
    if not thinking or (ask.tools and ask.choice.mode in ("required", "function")):
        return NO_THINKING
    effort = ask.sampling.reasoning_effort
    if effort is not None:
        thinking = thinking_of(effort, settings.model, thinking.display)
    if thinking.tokens and goes_on_thoughtless(ask.messages, MAKER):
        return NO_THINKING
    return thinking if thinking.tokens < max_tokens else NO_THINKING


def _parallel(declared: Sampling, asked: Sampling) -> bool | None:
    said = asked.parallel_tool_calls
    return declared.parallel_tool_calls if said is None else said


def _choice(choice: ToolChoice, parallel: bool | None) -> JSON:
    if choice.mode == "function":
        field: JSON = {"type": "tool", "name": choice.name}
    else:
        field = {"type": _CHOICES[choice.mode]}
    if parallel is False and choice.mode != "none":
        field["disable_parallel_tool_use"] = True
    return field


def _randomness(settings: MessagesSettings, asked: Sampling) -> dict[str, JSON]:
    declared = settings.sampling
    temperature = declared.temperature if asked.temperature is None else asked.temperature
    fields: dict[str, JSON] = {
        "temperature": None if temperature is None else min(temperature, MAX_TEMPERATURE),
        "top_p": declared.top_p if asked.top_p is None else asked.top_p,
        "top_k": settings.top_k,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _output_config(
    settings: MessagesSettings, format: Format | None, thinking: Thinking
) -> dict[str, JSON]:
    config: dict[str, JSON] = {}
    if thinking.effort:
        config["effort"] = thinking.effort
    if settings.task_budget:
        config["task_budget"] = {"type": "tokens", "total": settings.task_budget}
    if format and format.type == "json_schema":
        config["format"] = {"type": "json_schema", "schema": closed_schema(format.schema or {})}
    return config


def _betas(settings: MessagesSettings, ask: Ask, fields: Mapping[str, JSON]) -> tuple[str, ...]:
    output: Mapping[str, JSON] = fields.get("output_config", {})
    wanted = {
        TOOL_STREAMING: True,
        INTERLEAVED: settings.interleaved and "thinking" in fields,
        STRUCTURED: "format" in output,
        TASK_BUDGET: "task_budget" in output,
        FALLBACKS: "fallbacks" in fields,
        FILES: any(_names_file(message) for message in ask.messages),
    }
    named = (beta for beta, needed in wanted.items() if needed)
    return tuple(dict.fromkeys((*named, *settings.betas)))


def _names_file(message: Message) -> bool:
    parts = ()
    if isinstance(message, UserMessage) and not isinstance(message.content, str):
        parts = message.content
    elif isinstance(message, ToolMessage):
        parts = message.parts
    return any(isinstance(part, FilePart) and part.file_id is not None for part in parts)


_Place = Literal["schema", "list", "map"]
_PLACES: Mapping[str, _Place] = {
    "items": "schema",
    "not": "schema",
    "anyOf": "list",
    "oneOf": "list",
    "allOf": "list",
    "properties": "map",
    "$defs": "map",
    "definitions": "map",
}
_REFUSED = (
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "patternProperties",
)
"""Keywords that structured output does not take; they go into the description instead."""


def closed_schema(schema: Mapping[str, JSON]) -> dict[str, JSON]:
    """An answer's schema as the API takes it: every object closed, what it cannot enforce said in
    the description. The given schema is not changed."""
    node: dict[str, JSON] = {}
    said: dict[str, JSON] = {}
    for key, value in schema.items():
        if key in _REFUSED or (key == "minItems" and value not in (0, 1)):
            said[key] = value
        else:
            node[key] = _part(_PLACES.get(key), value)
    kind = node.get("type")
    if kind == "object" or (isinstance(kind, list) and "object" in kind) or "properties" in node:
        node["additionalProperties"] = False
    if said:
        words = ", ".join(
            f"{key}: {msgspec.json.encode(value).decode()}" for key, value in said.items()
        )
        node["description"] = f"{node.get('description', '')} ({words})".strip()
    return node


def _part(place: _Place | None, value: JSON) -> JSON:
    if place == "list" and isinstance(value, list):
        return [_part("schema", item) for item in cast(list[JSON], value)]
    if place is not None and isinstance(value, dict):
        entries = cast(dict[str, JSON], value)
        if place == "map":
            return {name: _part("schema", item) for name, item in entries.items()}
        return closed_schema(entries)
    return value
