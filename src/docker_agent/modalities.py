"""Messages without what a model cannot take beside text. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from docker_agent.messages import (
    FilePart,
    ImagePart,
    Message,
    Part,
    TextPart,
    ToolMessage,
    UserMessage,
)

LEFT_OUT = "[an attachment was left out: this model reads text only]"


def fitted(
    messages: Sequence[Message], *, image: bool | None, document: bool | None
) -> list[Message]:
    """The messages without pictures or documents where these are False; None is not known, and
    leaves them. The text stays, and a message that held nothing else says what was left out."""
    unwanted = tuple(
        kind for kind, taken in ((ImagePart, image), (FilePart, document)) if taken is False
    )
    if not unwanted:
        return list(messages)
    return [_without_parts(message, unwanted) for message in messages]


def _without_parts(message: Message, unwanted: tuple[type[Part], ...]) -> Message:
    match message:
        case UserMessage(content=tuple(parts)):
            kept = tuple(part for part in parts if not isinstance(part, unwanted))
            if len(kept) == len(parts):
                return message
            return msgspec.structs.replace(message, content=kept or (TextPart(LEFT_OUT),))
        case ToolMessage(parts=parts) if parts:
            kept = tuple(part for part in parts if not isinstance(part, unwanted))
            return msgspec.structs.replace(message, parts=kept)
        case _:
            return message
