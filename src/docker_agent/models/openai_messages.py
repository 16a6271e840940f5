"""A question as the body of `POST /chat/completions`: one small pure function per kind of
message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from docker_agent.messages import (
    JSON,
    AssistantMessage,
    AudioPart,
    Content,
    FilePart,
    Format,
    ImagePart,
    Message,
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

OutputField = Literal["max_tokens", "max_completion_tokens"]
"""What a model calls the cap on its answer's tokens."""

CONTEXT_RESERVE = 1024
"""Tokens of a known context window that the cap on the output leaves alone."""

ATTACHED = "Attached content of the tool result above:"


def openai_tools(specs: Sequence[ToolSpec]) -> bytes:
    """The `tools` array: a dialect of `ToolList.wire`."""
    return msgspec.json.encode([_tool(spec) for spec in specs])


def _tool(spec: ToolSpec) -> JSON:
    function = {
        "name": spec.name,
        "description": spec.description or f"Function {spec.name}",
        "parameters": normalized(spec.parameters),
    }
    return {"type": "function", "function": function}


def openai_messages(messages: Iterable[Message], *, merge: bool) -> list[JSON]:
    """The `messages` array. Empty assistant messages are left out.

    With `merge`, neighbouring system messages, and neighbouring plain user messages, become one,
    joined by a line break: strict chat templates refuse them otherwise (agent-file.md §3.2.1).
    """
    wired: list[JSON] = []
    for message in messages:
        match message:
            case SystemMessage(text=text):
                wired.append({"role": "system", "content": text})
            case UserMessage():
                wired.append(_user(message))
            case AssistantMessage():
                if message.text or message.calls:
                    wired.append(_assistant(message))
            case ToolMessage():
                wired.extend(_tool_answer(message))
    return _merged(wired) if merge else wired


def _user(message: UserMessage) -> JSON:
    wired: JSON = {"role": "user", "content": _content(message.content)}
    if message.name:
        wired["name"] = message.name
    return wired


def _assistant(message: AssistantMessage) -> JSON:
    wired: JSON = {"role": "assistant", "content": message.text or None}
    if message.calls:
        wired["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments or "{}"},
            }
            for call in message.calls
        ]
    return wired


def _tool_answer(message: ToolMessage) -> Iterable[JSON]:
    yield {"role": "tool", "tool_call_id": message.call_id, "content": message.text}
    if message.parts:
        yield {"role": "user", "content": _content((TextPart(ATTACHED), *message.parts))}


def _content(content: Content) -> JSON:
    return content if isinstance(content, str) else [_part(part) for part in content]


def _part(part: Part) -> JSON:
    match part:
        case TextPart(text=text):
            return {"type": "text", "text": text}
        case ImagePart(url=url, detail=detail):
            image = {"url": url, "detail": detail} if detail else {"url": url}
            return {"type": "image_url", "image_url": image}
        case AudioPart(data=data, format=kind):
            return {"type": "input_audio", "input_audio": {"data": data, "format": kind}}
        case FilePart(filename=filename, data=data, file_id=file_id):
            file = {"filename": filename, "file_data": data, "file_id": file_id}
            return {"type": "file", "file": {k: v for k, v in file.items() if v is not None}}


def _merged(messages: Sequence[JSON]) -> list[JSON]:
    merged: list[JSON] = []
    for message in messages:
        last = merged[-1] if merged else None
        plain = isinstance(message["content"], str) and message["role"] in ("system", "user")
        if plain and last and last["role"] == message["role"] and isinstance(last["content"], str):
            merged[-1] = {**last, "content": f"{last['content']}\n{message['content']}"}
        else:
            merged.append(message)
    return merged


def sampling_fields(
    declared: Sampling,
    asked: Sampling,
    *,
    output_field: OutputField,
    tools: bool,
    context: int = 0,
) -> dict[str, JSON]:
    """The sampling fields: what the client asked over what the file declares.

    A client may ask for fewer tokens than the file allows, not for more. `output_field` is the
    name this model has for the output cap, which leaves room in a known window of `context` tokens.
    """
    fields: dict[str, JSON] = {
        **msgspec.structs.asdict(declared),
        **{k: v for k, v in msgspec.structs.asdict(asked).items() if v is not None},
    }
    caps = [cap for cap in (declared.max_tokens, asked.max_tokens) if cap is not None]
    if caps and context > CONTEXT_RESERVE:
        caps.append(context - CONTEXT_RESERVE)
    fields["max_tokens"] = None
    fields[output_field] = min(caps) if caps else None
    if not tools:
        fields["parallel_tool_calls"] = None
    return {key: value for key, value in fields.items() if value is not None}


def choice_field(choice: ToolChoice) -> JSON:
    """The `tool_choice` field."""
    if choice.mode == "function":
        return {"type": "function", "function": {"name": choice.name}}
    return choice.mode


def format_field(format: Format) -> JSON:
    """The `response_format` field."""
    if format.type == "json_object":
        return {"type": "json_object"}
    schema: dict[str, JSON] = {"name": format.name, "schema": format.schema}
    optional: Mapping[str, JSON] = {"description": format.description, "strict": format.strict}
    schema.update({key: value for key, value in optional.items() if value is not None})
    return {"type": "json_schema", "json_schema": schema}
