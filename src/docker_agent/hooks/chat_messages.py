"""Messages as hooks see them: plain JSON in the shape of runtime.md §2.1, and back. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import msgspec

from docker_agent.hooks.port import HookFailed
from docker_agent.messages import (
    JSON,
    AssistantMessage,
    AudioPart,
    Content,
    FilePart,
    ImagePart,
    Message,
    Part,
    SystemMessage,
    TextPart,
    ToolCall,
    ToolMessage,
    UserMessage,
    content_text,
)


def plain(message: Message) -> dict[str, JSON]:
    """A message as JSON; pictures and documents stand under `multi_content`."""
    match message:
        case SystemMessage(text=text):
            return {"role": "system", "content": text}
        case UserMessage(content=content):
            found: dict[str, JSON] = {"role": "user", "content": content_text(content)}
            return found if isinstance(content, str) else _with_parts(found, content)
        case AssistantMessage(text=text, calls=calls, reasoning=reasoning, agent=agent):
            found = {"role": "assistant", "content": text}
            if calls:
                found["tool_calls"] = [_plain_call(call) for call in calls]
            if reasoning:
                found["reasoning_content"] = reasoning
            return {**found, "agent_name": agent} if agent else found
        case ToolMessage(call_id=call_id, text=text, is_error=is_error, parts=parts):
            found = {"role": "tool", "tool_call_id": call_id, "content": text}
            if is_error:
                found["is_error"] = True
            return _with_parts(found, (TextPart(text), *parts)) if parts else found


def _plain_call(call: ToolCall) -> dict[str, JSON]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


def _with_parts(found: dict[str, JSON], parts: Sequence[Part]) -> dict[str, JSON]:
    return {**found, "multi_content": [_plain_part(part) for part in parts]}


def _plain_part(part: Part) -> dict[str, JSON]:
    match part:
        case TextPart(text=text):
            return {"type": "text", "text": text}
        case ImagePart(url=url, detail=detail):
            image = {"url": url, "detail": detail} if detail else {"url": url}
            return {"type": "image_url", "image_url": image}
        case AudioPart(data=data, format=format):
            return {"type": "input_audio", "input_audio": {"data": data, "format": format}}
        case FilePart(filename=filename, data=data, file_id=file_id):
            file = {"filename": filename, "file_data": data, "file_id": file_id}
            return {"type": "file", "file": {key: one for key, one in file.items() if one}}


class _Function(msgspec.Struct):
    name: str
    arguments: str = ""


class _Call(msgspec.Struct):
    id: str
    function: _Function


class _Said(msgspec.Struct):
    role: str
    content: str | None = None
    multi_content: list[dict[str, JSON]] | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str = ""
    is_error: bool = False
    reasoning_content: str = ""
    agent_name: str = ""


def from_plain(said: JSON, before: Sequence[Message]) -> tuple[Message, ...]:
    """The messages a hook wrote in place of `before`.

    One that it left as it was is the very message of before, with what JSON does not show; a
    rewritten assistant message keeps that when its calls are the same. Raises `HookFailed` for
    what is no list of messages.
    """
    if not isinstance(said, list) or not said:
        raise HookFailed("updated_messages must be a list of messages that is not empty")
    known = [(plain(message), message) for message in before]
    return tuple(_message(one, known) for one in cast(list[JSON], said))


def _message(said: JSON, known: Sequence[tuple[Mapping[str, JSON], Message]]) -> Message:
    for shown, message in known:
        if shown == said:
            return message
    try:
        one = msgspec.convert(said, _Said)
    except (msgspec.ValidationError, RecursionError) as exc:
        raise HookFailed(f"updated_messages: {exc}") from exc
    text = one.content or ""
    match one.role:
        case "system" | "developer":
            return SystemMessage(text)
        case "user":
            return UserMessage(_content(text, one.multi_content))
        case "assistant":
            calls = tuple(
                ToolCall(call.id, call.function.name, call.function.arguments)
                for call in one.tool_calls or ()
            )
            opaque = next(
                (
                    message.opaque
                    for _, message in known
                    if isinstance(message, AssistantMessage) and calls and message.calls == calls
                ),
                (),
            )
            return AssistantMessage(text, one.reasoning_content, calls, opaque, one.agent_name)
        case "tool":
            parts = tuple(
                part for part in _parts(one.multi_content) if not isinstance(part, TextPart)
            )
            return ToolMessage(one.tool_call_id, text, one.is_error, parts)
        case _:
            raise HookFailed(f"updated_messages: there is no role {one.role!r}")


def _content(text: str, parts: list[dict[str, JSON]] | None) -> Content:
    return _parts(parts) if parts else text


def _parts(parts: list[dict[str, JSON]] | None) -> tuple[Part, ...]:
    return tuple(_part(part) for part in parts or ())


def _part(part: dict[str, JSON]) -> Part:
    try:
        match part:
            case {"type": "text", "text": str(text)}:
                return TextPart(text)
            case {"type": "image_url", "image_url": {"url": str(url), **rest}}:
                return ImagePart(url, msgspec.convert(rest.get("detail"), str | None))
            case {"type": "input_audio", "input_audio": sound}:
                return msgspec.convert(sound, AudioPart)
            case {"type": "file", "file": dict()}:
                given: dict[str, JSON] = part["file"]
                return msgspec.convert({**given, "data": given.get("file_data")}, FilePart)
            case _:
                raise HookFailed("updated_messages: multi_content holds an unknown part")
    except msgspec.ValidationError as exc:
        raise HookFailed(f"updated_messages: {exc}") from exc
