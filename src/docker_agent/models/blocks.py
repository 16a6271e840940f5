"""The blocks of an answer that thinks in between, as a message, and back in the order they came.

Claude's thinking is signed, and goes back verbatim and in its place, over whichever protocol it
came. Pure. Source: agent-file.md §3.2.3.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from docker_agent.messages import AssistantMessage, Message, Opaque, ToolCall, ToolMessage

THINKING = "thinking"
REDACTED = "redacted_thinking"
_LAYOUT = "layout"


class Thought(msgspec.Struct, frozen=True):
    """A finished block of thinking; only a signed one may be sent back."""

    thinking: str
    signature: str = ""


class Redacted(msgspec.Struct, frozen=True):
    """Thinking that is shown to nobody."""

    data: str


Block = str | Thought | Redacted | ToolCall
"""A finished block of an answer; text is a plain `str`."""


def assistant_message(blocks: Sequence[Block], maker: str) -> AssistantMessage:
    """An answer in our words. What must be sent back as it came is kept in `opaque`, for `maker`
    alone."""
    opaque: list[Opaque] = []
    layout: list[str] = []
    for block in blocks:
        match block:
            case str():
                layout.append(f"t{len(block)}")
            case ToolCall():
                layout.append("c")
            case Thought(signature=signature):
                if signature:
                    opaque.append(Opaque(maker, THINKING, msgspec.json.encode(block).decode()))
                    layout.append("o")
            case Redacted(data=data):
                opaque.append(Opaque(maker, REDACTED, data))
                layout.append("o")
    message = AssistantMessage(
        text="".join(block for block in blocks if isinstance(block, str)),
        reasoning="".join(block.thinking for block in blocks if isinstance(block, Thought)),
        calls=tuple(block for block in blocks if isinstance(block, ToolCall)),
        opaque=tuple(opaque),
    )
    if opaque and layout != _usual_layout(message, len(opaque)):
        message = msgspec.structs.replace(
            message, opaque=(*opaque, Opaque(maker, _LAYOUT, " ".join(layout)))
        )
    return message


def in_order(message: AssistantMessage, maker: str) -> Iterator[str | Opaque | ToolCall]:
    """The pieces of a message as they came: text that is more than blanks, what `maker` thought,
    calls. What others thought is left out."""
    kept = [one for one in message.opaque if one.maker == maker and one.kind != _LAYOUT]
    thoughts, calls, start = iter(kept), iter(message.calls), 0
    for place in _layout(message, len(kept), maker):
        if place == "o":
            yield next(thoughts)
        elif place == "c":
            yield next(calls)
        else:
            text = message.text[start : start + int(place[1:])]
            start += len(text)
            if text.strip():
                yield text


def goes_on_thoughtless(messages: Sequence[Message], maker: str) -> bool:
    """Whether tools answer a message that was written without thinking: by another provider's
    model, or under a forced choice. Claude takes no budget before that turn is over."""
    if not messages or not isinstance(messages[-1], ToolMessage):
        return False
    for message in reversed(messages):
        if isinstance(message, AssistantMessage):
            return all(kept.maker != maker for kept in message.opaque)
    return False


def _usual_layout(message: AssistantMessage, thoughts: int) -> list[str]:
    text = [f"t{len(message.text)}"] if message.text else []
    return ["o"] * thoughts + text + ["c"] * len(message.calls)


def _layout(message: AssistantMessage, thoughts: int, maker: str) -> list[str]:
    """In which order the blocks of a message came, where that still fits the message."""
    usual = _usual_layout(message, thoughts)
    kept = [one.data for one in message.opaque if one.maker == maker and one.kind == _LAYOUT]
    if not kept:
        return usual
    layout = kept[0].split()
    text = sum(int(place[1:]) for place in layout if place[0] == "t")
    fits = layout.count("o") == thoughts and layout.count("c") == len(message.calls)
    return layout if fits and text == len(message.text) else usual
