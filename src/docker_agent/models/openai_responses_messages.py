"""A question as the body of `POST /responses`: messages become input items. Pure.

Source: agent-file.md §3.2.3 and §3.9.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import cast

import msgspec

from docker_agent.errors import ModelError
from docker_agent.messages import (
    JSON,
    UNREADABLE,
    AssistantMessage,
    AudioPart,
    Content,
    FilePart,
    Format,
    ImagePart,
    Message,
    Opaque,
    Part,
    Sampling,
    SystemMessage,
    TextPart,
    ToolChoice,
    ToolMessage,
    ToolSpec,
    UserMessage,
)
from docker_agent.models.json_schema import normalized
from docker_agent.models.openai_messages import ATTACHED, CONTEXT_RESERVE

MAKER = "openai-responses"
"""Who made the `Opaque`s of this API."""

NO_OUTPUT = "No result provided"
"""The output of a call that has none: the API refuses a call without output."""

MIN_OUTPUT = 16
"""Tokens; the API refuses a smaller cap."""

MAX_CALL_ID = 64
"""Characters of a call's id; ids that other providers gave may be longer."""

_SAME_NAME = (
    "temperature",
    "top_p",
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "service_tier",
)
_SCHEMA_MAPS = ("properties", "$defs", "definitions", "patternProperties")
_PLAIN_DATA = ("enum", "const", "default", "examples", "required")


class Thought(msgspec.Struct, frozen=True, omit_defaults=True):
    """An encrypted reasoning item, and where in its message it stood.

    `origin` tells models apart: no other can read it. `text` are the characters, `calls` the calls
    of the message that came before.
    """

    origin: str
    id: str
    encrypted: str
    summary: tuple[str, ...] = ()
    text: int = 0
    calls: int = 0

    def opaque(self) -> Opaque:
        """As a message keeps it."""
        return Opaque(MAKER, "reasoning", msgspec.json.encode(self).decode())


_decode_thought = msgspec.json.Decoder(Thought).decode


def origin_of(url: str, model: str) -> str:
    """A short name for who can read an encrypted reasoning item."""
    return hashlib.sha256(f"{url}\n{model}".encode()).hexdigest()[:16]


def input_items(messages: Sequence[Message], origin: str) -> list[JSON]:
    """The `input` array.

    Empty assistant messages are left out, calls without an answer get a placeholder, encrypted
    reasoning goes back to its `origin` alone. Raises `ModelError` for audio, which this API does
    not take.
    """
    answered = {one.call_id for one in messages if isinstance(one, ToolMessage)}
    items: list[JSON] = []
    for message in messages:
        match message:
            case SystemMessage(text=text):
                items.append({"type": "message", "role": "system", "content": text})
            case UserMessage(content=content):
                items.append(_user(content))
            case AssistantMessage():
                items.extend(_assistant(message, origin, len(items)))
                items.extend(
                    _output(call.id, NO_OUTPUT) for call in message.calls if call.id not in answered
                )
            case ToolMessage(call_id=call_id, text=text, parts=parts):
                items.append(_output(call_id, text))
                if parts:
                    items.append(_user((TextPart(ATTACHED), *parts)))
    return items


def _user(content: Content) -> JSON:
    if not isinstance(content, str):
        return {"type": "message", "role": "user", "content": [_part(part) for part in content]}
    return {"type": "message", "role": "user", "content": content}


def _part(part: Part) -> JSON:
    match part:
        case TextPart(text=text):
            return {"type": "input_text", "text": text}
        case ImagePart(url=url, detail=detail):
            return {"type": "input_image", "image_url": url, "detail": detail or "auto"}
        case FilePart(filename=filename, data=data, file_id=file_id):
            file = {"filename": filename, "file_data": data, "file_id": file_id}
            named = {key: value for key, value in file.items() if value is not None}
            return {"type": "input_file", **named}
        case AudioPart():
            raise ModelError(
                "unsupported_content_type", "OpenAI's Responses API takes no spoken input"
            )


def _output(call_id: str, text: str) -> JSON:
    return {"type": "function_call_output", "call_id": _call_id(call_id), "output": text}


def _call_id(given: str) -> str:
    if len(given) <= MAX_CALL_ID:
        return given
    return f"call_{hashlib.sha256(given.encode()).hexdigest()[:40]}"


def _assistant(message: AssistantMessage, origin: str, place: int) -> list[JSON]:
    """The items of one answer in the order they came in; reasoning that nothing follows is left
    out, since the API refuses it."""
    text, calls = 0, 0
    items: list[JSON] = []
    for thought in _thoughts(message.opaque, origin):
        items.extend(_said(message.text[text : thought.text], place + len(items)))
        items.extend(_calls(message, calls, thought.calls))
        items.append(_reasoning(thought))
        text, calls = thought.text, thought.calls
    items.extend(_said(message.text[text:], place + len(items)))
    items.extend(_calls(message, calls, len(message.calls)))
    while items and items[-1]["type"] == "reasoning":
        items.pop()
    return items


def _thoughts(opaque: Iterable[Opaque], origin: str) -> Iterator[Thought]:
    for one in opaque:
        if one.maker != MAKER:
            continue
        try:
            thought = _decode_thought(one.data)
        except UNREADABLE:
            continue
        if thought.origin == origin:
            yield thought


def _said(text: str, place: int) -> Iterator[JSON]:
    if text:
        yield {
            "type": "message",
            "id": f"msg_{place}",
            "status": "completed",
            "role": "assistant",
            "content": [{"type": "output_text", "text": text, "annotations": []}],
        }


def _calls(message: AssistantMessage, start: int, end: int) -> Iterator[JSON]:
    for call in message.calls[start:end]:
        yield {
            "type": "function_call",
            "call_id": _call_id(call.id),
            "name": call.name,
            "arguments": call.arguments or "{}",
        }


def _reasoning(thought: Thought) -> JSON:
    return {
        "type": "reasoning",
        "id": thought.id,
        "summary": [{"type": "summary_text", "text": text} for text in thought.summary],
        "encrypted_content": thought.encrypted,
    }


def responses_tools(specs: Sequence[ToolSpec]) -> bytes:
    """The `tools` array: a dialect of `ToolList.wire`."""
    return msgspec.json.encode([_tool(spec) for spec in specs])


def _tool(spec: ToolSpec) -> JSON:
    return {
        "type": "function",
        "name": spec.name,
        "description": spec.description or f"Function {spec.name}",
        "parameters": normalized(spec.parameters),
        "strict": not takes_any_key(spec.parameters),
    }


def takes_any_key(schema: Mapping[str, JSON]) -> bool:
    """Whether an object anywhere in this schema says outright that it takes further keys: such a
    schema cannot be strict."""
    if "additionalProperties" in schema and schema["additionalProperties"] is not False:
        return True
    for key, value in schema.items():
        if key in _PLAIN_DATA:
            continue
        inner: Iterable[JSON] = (value,)
        if isinstance(value, list):
            inner = cast(list[JSON], value)
        elif key in _SCHEMA_MAPS and isinstance(value, dict):
            inner = cast(dict[str, JSON], value).values()
        if any(
            isinstance(one, dict) and takes_any_key(cast(dict[str, JSON], one)) for one in inner
        ):
            return True
    return False


def choice_field(choice: ToolChoice) -> JSON:
    """The `tool_choice` field."""
    if choice.mode == "function":
        return {"type": "function", "name": choice.name}
    return choice.mode


def sampling_fields(
    declared: Sampling, asked: Sampling, *, context: int, reasons: bool, tools: bool
) -> dict[str, JSON]:
    """The sampling fields this API has: what the client asked over what the file declares.

    `context` is the model's window in tokens, 0 when unknown; `reasons` says that it thinks first.
    What has no field here (stop, seed, penalties, biases) is left out.
    """
    merged: dict[str, JSON] = {
        **msgspec.structs.asdict(declared),
        **{key: value for key, value in msgspec.structs.asdict(asked).items() if value is not None},
    }
    fields: dict[str, JSON] = {name: merged[name] for name in _SAME_NAME}
    fields["max_output_tokens"] = _cap(declared.max_tokens, asked.max_tokens, context)
    if tools:
        fields["parallel_tool_calls"] = merged["parallel_tool_calls"]
    reasoning: dict[str, JSON] = {"summary": "detailed"} if reasons else {}
    if merged["reasoning_effort"] is not None:
        reasoning["effort"] = merged["reasoning_effort"]
    fields["reasoning"] = reasoning or None
    return {key: value for key, value in fields.items() if value is not None}


def _cap(declared: int | None, asked: int | None, context: int) -> int | None:
    """A client may ask for fewer tokens than the file allows, not for more."""
    caps = [cap for cap in (declared, asked) if cap is not None]
    if not caps:
        return None
    if context > CONTEXT_RESERVE:
        caps.append(context - CONTEXT_RESERVE)
    return max(MIN_OUTPUT, min(caps))


def text_field(format: Format | None, verbosity: str | None) -> dict[str, JSON]:
    """The `text` field: the shape of the answer and how long-winded it may be; empty when neither
    was asked for."""
    field: dict[str, JSON] = {} if verbosity is None else {"verbosity": verbosity}
    if format is None:
        return field
    if format.type == "json_object":
        return {**field, "format": {"type": "json_object"}}
    schema: dict[str, JSON] = {"type": "json_schema", "name": format.name, "schema": format.schema}
    optional: Mapping[str, JSON] = {"description": format.description, "strict": format.strict}
    schema.update({key: value for key, value in optional.items() if value is not None})
    return {**field, "format": schema}
