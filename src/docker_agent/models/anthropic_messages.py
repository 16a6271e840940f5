"""A conversation in the words of Anthropic's Messages API, and an answer of it in ours. Pure.

Source: agent-file.md §3.2.3 and §4.3. Wire: https://docs.anthropic.com/en/api/messages.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from docker_agent.errors import ModelError
from docker_agent.messages import (
    JSON,
    UNREADABLE,
    AssistantMessage,
    AudioPart,
    Content,
    FilePart,
    ImagePart,
    Message,
    Opaque,
    Part,
    SystemMessage,
    TextPart,
    ToolCall,
    ToolMessage,
    ToolSpec,
    UserMessage,
)
from docker_agent.models.blocks import REDACTED, THINKING, in_order

MAKER = "anthropic"
NO_OUTPUT = "(no output)"
MARK: JSON = {"type": "ephemeral"}

MARKED_MESSAGES = 2
"""How many messages carry a cache mark; with two system blocks they are all the API takes."""

_UNMARKABLE = (THINKING, REDACTED)
_NOT_IN_ID = re.compile(r"[^a-zA-Z0-9_-]")
_DATA_URL = re.compile(r"data:([^;,]*)((?:;[^;,]*)*),")
_PDF = "application/pdf"


def system_blocks(messages: Sequence[Message]) -> list[JSON]:
    """The `system` blocks: every system message, trimmed.

    Cache marks stand on two of those that precede the conversation: the last before any that may
    change from call to call (a date), so that those do not cost the cache of what stands before
    them, and the last of all. Where none may change, on the last two.
    """
    blocks: list[JSON] = []
    leading = lasting = 0
    in_front = steady = True
    for message in messages:
        if not isinstance(message, SystemMessage):
            in_front = False
        elif text := message.text.strip():
            blocks.append({"type": "text", "text": text})
            leading += in_front
            steady = steady and not message.passing
            lasting += in_front and steady
    before = lasting if lasting < leading else leading - 1
    for place in {before, leading}:
        if place > 0:
            blocks[place - 1]["cache_control"] = MARK
    return blocks


def wired_messages(messages: Iterable[Message]) -> list[JSON]:
    """The `messages` array. Neighbouring tool results are one user message, empty messages are
    left out, the last two end with a cache mark."""
    wired: list[JSON] = []
    results: list[JSON] | None = None
    for message in messages:
        match message:
            case SystemMessage():
                continue
            case ToolMessage():
                if results is None:
                    results = []
                    wired.append({"role": "user", "content": results})
                results.append(_result(message))
                continue
            case UserMessage(content=content):
                role, blocks = "user", list(_blocks(content))
            case AssistantMessage():
                role, blocks = "assistant", list(_said(message))
        if blocks:
            results = None
            wired.append({"role": role, "content": blocks})
    _end_without_blanks(wired)
    for message in wired[-MARKED_MESSAGES:]:
        last = message["content"][-1]
        if last["type"] not in _UNMARKABLE:
            last["cache_control"] = MARK
    return wired


def _end_without_blanks(wired: Sequence[JSON]) -> None:
    """The API refuses an answer to be continued that ends in white space."""
    if not wired or wired[-1]["role"] != "assistant":
        return
    last: JSON = wired[-1]["content"][-1]
    if last["type"] == "text":
        last["text"] = last["text"].rstrip()


def _said(message: AssistantMessage) -> Iterator[JSON]:
    if not (message.text.strip() or message.calls):
        return
    for piece in in_order(message, MAKER):
        match piece:
            case Opaque():
                yield _thought(piece)
            case ToolCall():
                yield _call(piece)
            case str():
                yield {"type": "text", "text": piece}


def _thought(kept: Opaque) -> JSON:
    if kept.kind == REDACTED:
        return {"type": "redacted_thinking", "data": kept.data}
    return {"type": "thinking", **msgspec.json.decode(kept.data, type=dict[str, str])}


def _call(call: ToolCall) -> JSON:
    return {
        "type": "tool_use",
        "id": _id(call.id),
        "name": call.name,
        "input": _arguments(call.arguments),
    }


def _arguments(text: str) -> JSON:
    """The arguments exactly as they were written; no object, no arguments: the API takes nothing
    else, and the tool's answer tells what was wrong."""
    try:
        msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except UNREADABLE:
        return {}
    return msgspec.Raw(text.encode())


def _id(id: str) -> str:
    """Ids of other providers hold characters that this API refuses."""
    return _NOT_IN_ID.sub("_", id)


def _result(message: ToolMessage) -> JSON:
    content: JSON = message.text or NO_OUTPUT
    if blocks := list(_blocks(message.parts)):
        content = [*_blocks(message.text), *blocks]
    result = {"type": "tool_result", "tool_use_id": _id(message.call_id), "content": content}
    return {**result, "is_error": True} if message.is_error else result


def _blocks(content: Content) -> Iterator[JSON]:
    """The blocks of a content; blank text and sound, which the API does not take, are left out."""
    for part in (TextPart(content),) if isinstance(content, str) else content:
        block = _block(part)
        if block is not None:
            yield block


def _block(part: Part) -> JSON:
    match part:
        case TextPart(text=text):
            return {"type": "text", "text": text} if text.strip() else None
        case ImagePart(url=url):
            return {"type": "image", "source": _source(url)}
        case FilePart():
            return _document(part)
        case AudioPart():
            raise ModelError(
                "unsupported_content_type", "Anthropic's Messages API takes no spoken input"
            )


def _document(part: FilePart) -> JSON:
    if part.file_id:
        source: JSON = {"type": "file", "file_id": part.file_id}
    elif part.data:
        source = _source(part.data)
    else:
        return None
    kind = str(source.get("media_type", _PDF))
    if kind.startswith("image/"):
        return {"type": "image", "source": source}
    if kind != _PDF:
        source = _plain_text(source)
    return {
        "type": "document",
        "source": source,
        **({"title": part.filename} if part.filename else {}),
    }


def _source(url: str) -> JSON:
    """A `source` from a data URL, an address, or bare base64 of a PDF."""
    if url.startswith(("http://", "https://")):
        return {"type": "url", "url": url}
    head = _DATA_URL.match(url)
    if head is None:
        return {"type": "base64", "media_type": _PDF, "data": url}
    data = url[head.end() :]
    if ";base64" not in head[2]:
        data = base64.b64encode(data.encode()).decode()
    return {"type": "base64", "media_type": head[1] or "text/plain", "data": data}


def _plain_text(source: JSON) -> JSON:
    """Documents other than PDF are sent as text."""
    try:
        text = base64.b64decode(source["data"]).decode("utf-8", "replace")
    except binascii.Error:
        text = source["data"]
    return {"type": "text", "media_type": "text/plain", "data": text}


def anthropic_tools(specs: Sequence[ToolSpec]) -> bytes:
    """The `tools` array, schemas as they are: a dialect of `ToolList.wire`."""
    return msgspec.json.encode([_tool(spec) for spec in specs])


def _tool(spec: ToolSpec) -> JSON:
    tool = {"name": spec.name, "input_schema": {"type": "object", **spec.parameters}}
    return {**tool, "description": spec.description} if spec.description else tool
