"""One event of a Messages stream, or a whole answer: the fields we use, decoded.

Read generously: event and block kinds that are new are passed over.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from docker_agent.messages import JSON, Finish, Usage


class TokenDetails(msgspec.Struct):
    """What tokens were used for."""

    thinking_tokens: int | None = None


class Counted(msgspec.Struct):
    """Tokens so far; an event leaves out what it does not change."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens_details: TokenDetails | None = None


class Begun(msgspec.Struct):
    """A block at its start; from some servers it is whole already."""

    type: str = ""
    text: str = ""
    thinking: str = ""
    signature: str = ""
    data: str = ""
    id: str = ""
    name: str = ""
    input: msgspec.Raw = msgspec.Raw()


class Piece(msgspec.Struct):
    """What is added to a block; at the end of a message, why it ended."""

    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None


class Answered(msgspec.Struct):
    """A message: its head at the start of a stream, all of it in an answer that is no stream."""

    type: str = ""
    model: str = ""
    content: list[Begun] | None = None
    stop_reason: str | None = None
    usage: Counted | None = None
    error: JSON = None


class Event(msgspec.Struct):
    """One event; `type` says which fields it has."""

    type: str = ""
    index: int = 0
    delta: Piece | None = None
    content_block: Begun | None = None
    message: Answered | None = None
    usage: Counted | None = None
    error: JSON = None


class Size(msgspec.Struct):
    """The answer of `count_tokens`."""

    input_tokens: int


decode_event = msgspec.json.Decoder(Event).decode
decode_answer = msgspec.json.Decoder(Answered).decode
decode_size = msgspec.json.Decoder(Size).decode

FINISHES: Mapping[str, Finish] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
"""Stop reasons in our words; any other one is `stop`."""


def updated(before: Counted, counted: Counted) -> Counted:
    """The newest count of everything: events are cumulative, not additive."""
    return Counted(
        *(
            old if new is None else new
            for old, new in zip(
                msgspec.structs.astuple(before), msgspec.structs.astuple(counted), strict=True
            )
        )
    )


def usage_of(counted: Counted) -> Usage:
    """The tokens in our words: what was read from the cache and written to it is part of the
    prompt."""
    cached = counted.cache_read_input_tokens or 0
    written = counted.cache_creation_input_tokens or 0
    details = counted.output_tokens_details
    return Usage(
        prompt=(counted.input_tokens or 0) + cached + written,
        completion=counted.output_tokens or 0,
        cached=cached,
        cache_write=written,
        reasoning=(details.thinking_tokens or 0) if details else 0,
    )
