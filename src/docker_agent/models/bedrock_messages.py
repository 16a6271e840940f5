"""A conversation in the words of Bedrock's Converse. Pure.

Source: agent-file.md §3.2.3 and §4.3. Wire:
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence

import msgspec

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
from docker_agent.models.anthropic_messages import MARKED_MESSAGES, NO_OUTPUT
from docker_agent.models.anthropic_messages import system_blocks as anthropic_system
from docker_agent.models.bedrock_parts import (
    SEE_DOCUMENT,
    Names,
    audio_block,
    document_block,
    image_block,
)
from docker_agent.models.blocks import REDACTED, Thought, in_order

MAKER = "amazon-bedrock"
CACHE_POINT: JSON = {"cachePoint": {"type": "default"}}

NO_QUESTION = "(The conversation begins with your words.)"
"""What stands before an assistant's first words: the API wants a user's first."""

MAX_ID = 64
"""Characters of a call's id."""

_NOT_IN_ID = re.compile(r"[^a-zA-Z0-9_-]")
_decode_thought = msgspec.json.Decoder(Thought).decode


def system_blocks(messages: Sequence[Message], *, marked: bool) -> list[JSON]:
    """The `system` blocks, with cache points where Anthropic's have their marks."""
    blocks: list[JSON] = []
    for block in anthropic_system(messages):
        blocks.append({"text": block["text"]})
        if marked and "cache_control" in block:
            blocks.append(CACHE_POINT)
    return blocks


def wired_messages(messages: Iterable[Message], *, marked: bool, tools: bool) -> list[JSON]:
    """The `messages` array: neighbours of one role are one message, empty ones are left out, the
    last two end with a cache point when `marked`.

    Without `tools` calls and their results are told as text: the API knows neither then.
    """
    names = Names()
    wired: list[JSON] = []
    for message in messages:
        match message:
            case SystemMessage():
                continue
            case ToolMessage():
                role, blocks = "user", list(_result(message, names, tools=tools))
            case UserMessage(content=content):
                role, blocks = "user", _asked(content, names)
            case AssistantMessage():
                role, blocks = "assistant", list(_said(message, tools=tools))
        if not blocks:
            continue
        if wired and wired[-1]["role"] == role:
            wired[-1]["content"] += blocks
        else:
            wired.append({"role": role, "content": blocks})
    _end_without_blanks(wired)
    if wired and wired[0]["role"] == "assistant":
        wired.insert(0, {"role": "user", "content": [{"text": NO_QUESTION}]})
    for message in wired[-MARKED_MESSAGES:] if marked else ():
        if "reasoningContent" not in message["content"][-1]:
            message["content"].append(CACHE_POINT)
    return wired


def _end_without_blanks(wired: Sequence[JSON]) -> None:
    """Claude refuses an answer to be continued that ends in white space."""
    last: JSON = wired[-1]["content"][-1] if wired else {}
    if "text" in last and wired[-1]["role"] == "assistant":
        last["text"] = last["text"].rstrip()


def _asked(content: Content, names: Names) -> list[JSON]:
    blocks = list(_blocks(content, names))
    words = any("text" in block for block in blocks)
    if not words and any("document" in block for block in blocks):
        blocks.append({"text": SEE_DOCUMENT})
    return blocks


def _said(message: AssistantMessage, *, tools: bool) -> Iterator[JSON]:
    if not (message.text.strip() or message.calls):
        return
    for piece in in_order(message, MAKER):
        match piece:
            case Opaque():
                yield {"reasoningContent": _thought(piece)}
            case ToolCall() if tools:
                yield {"toolUse": _call(piece)}
            case ToolCall():
                yield {"text": f"I called the tool {piece.name} with {piece.arguments or '{}'}."}
            case str():
                yield {"text": piece}


def _thought(kept: Opaque) -> JSON:
    if kept.kind == REDACTED:
        return {"redactedContent": kept.data}
    thought = _decode_thought(kept.data)
    return {"reasoningText": {"text": thought.thinking, "signature": thought.signature}}


def _call(call: ToolCall) -> JSON:
    return {"toolUseId": _id(call.id), "name": call.name, "input": _arguments(call.arguments)}


def _arguments(text: str) -> JSON:
    """The arguments exactly as they were written; no object, no arguments: the API takes nothing
    else, and the tool's answer tells what was wrong."""
    try:
        msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except UNREADABLE:
        return {}
    return msgspec.Raw(text.encode())


def _id(id: str) -> str:
    """Ids of other providers hold characters that this API refuses, or too many of them."""
    plain = _NOT_IN_ID.sub("_", id)
    return plain if len(plain) <= MAX_ID else hashlib.sha256(id.encode()).hexdigest()


def _result(message: ToolMessage, names: Names, *, tools: bool) -> Iterator[JSON]:
    parts = list(_blocks(message.parts, names))
    text = message.text if message.text.strip() or parts else NO_OUTPUT
    content = [*_blocks(text, names), *parts]
    if not tools:
        yield {"text": "The tool failed:" if message.is_error else "The tool answered:"}
        yield from content
        return
    result: JSON = {"toolUseId": _id(message.call_id), "content": content}
    yield {"toolResult": {**result, "status": "error"} if message.is_error else result}


def _blocks(content: Content, names: Names) -> Iterator[JSON]:
    """The blocks of a content; blank text, which the API does not take, is left out."""
    for part in (TextPart(content),) if isinstance(content, str) else content:
        block = _block(part, names)
        if block is not None:
            yield block


def _block(part: Part, names: Names) -> JSON:
    match part:
        case TextPart(text=text):
            return {"text": text} if text.strip() else None
        case ImagePart():
            return image_block(part)
        case FilePart():
            return document_block(part, names)
        case AudioPart():
            return audio_block(part)


def converse_tools(specs: Sequence[ToolSpec]) -> bytes:
    """The `tools` array, schemas as they are: a dialect of `ToolList.wire`."""
    return msgspec.json.encode([{"toolSpec": _tool(spec)} for spec in specs])


def _tool(spec: ToolSpec) -> JSON:
    tool = {"name": spec.name, "inputSchema": {"json": {"type": "object", **spec.parameters}}}
    return {**tool, "description": spec.description} if spec.description.strip() else tool
