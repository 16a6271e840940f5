"""The events of a Responses stream, decoded: the fields we use of the kinds we use.

Read generously: kinds we do not know pass, and what we do not use may be anything.
"""

from __future__ import annotations

import msgspec

from docker_agent.messages import JSON, NO_USAGE, Usage


class Piece(msgspec.Struct):
    """A part of an item: text, a refusal, or a part of a summary."""

    type: str = ""
    text: str | None = None
    refusal: str | None = None


class Item(msgspec.Struct):
    """One item of the output: a message, a reasoning or a function call."""

    type: str = ""
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: JSON = None
    content: list[Piece] | None = None
    summary: list[Piece] | None = None
    encrypted_content: str | None = None


class InputDetails(msgspec.Struct):
    """What of the input was cached."""

    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class OutputDetails(msgspec.Struct):
    """What of the output was thinking."""

    reasoning_tokens: int | None = None


class Counted(msgspec.Struct):
    """The tokens a server counted."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: InputDetails | None = None
    output_tokens_details: OutputDetails | None = None


class Details(msgspec.Struct):
    """Why an answer is not whole."""

    reason: str | None = None


class Whole(msgspec.Struct):
    """A response: an answer that is no stream, and what a stream says last."""

    status: str | None = None
    model: str | None = None
    output: list[Item] | None = None
    usage: Counted | None = None
    incomplete_details: Details | None = None
    error: JSON = None


class _Placed(msgspec.Struct):
    """Something of one item: `output_index` and `item_id` tell items apart, where given."""

    output_index: int | None = None
    item_id: str | None = None


class TextPiece(_Placed, tag_field="type", tag="response.output_text.delta"):
    """A piece of the answer."""

    delta: str = ""


class RefusalPiece(_Placed, tag_field="type", tag="response.refusal.delta"):
    """A piece of a refusal."""

    delta: str = ""


class SummaryPiece(_Placed, tag_field="type", tag="response.reasoning_summary_text.delta"):
    """A piece of a summary of the thinking, which has several parts."""

    delta: str = ""
    summary_index: int = 0


class ReasoningPiece(_Placed, tag_field="type", tag="response.reasoning_text.delta"):
    """A piece of the thinking itself."""

    delta: str = ""
    content_index: int = 0


class ArgumentsPiece(_Placed, tag_field="type", tag="response.function_call_arguments.delta"):
    """A piece of a call's arguments."""

    delta: str = ""


class ArgumentsDone(_Placed, tag_field="type", tag="response.function_call_arguments.done"):
    """A call's arguments, whole."""

    arguments: JSON = None


class ItemAdded(_Placed, tag_field="type", tag="response.output_item.added"):
    """An item begins."""

    item: Item = msgspec.field(default_factory=Item)


class ItemDone(_Placed, tag_field="type", tag="response.output_item.done"):
    """An item, whole."""

    item: Item = msgspec.field(default_factory=Item)


class Completed(msgspec.Struct, tag_field="type", tag="response.completed"):
    """The end of a whole answer."""

    response: Whole = msgspec.field(default_factory=Whole)


class Incomplete(msgspec.Struct, tag_field="type", tag="response.incomplete"):
    """The end of an answer that was stopped."""

    response: Whole = msgspec.field(default_factory=Whole)


class Failed(msgspec.Struct, tag_field="type", tag="response.failed"):
    """The end of an answer that failed."""

    response: Whole = msgspec.field(default_factory=Whole)


class Trouble(msgspec.Struct, tag_field="type", tag="error"):
    """An error instead of an answer; some servers put it into an `error` of its own."""

    message: JSON = None
    code: JSON = None
    error: JSON = None


Event = (
    TextPiece
    | RefusalPiece
    | SummaryPiece
    | ReasoningPiece
    | ArgumentsPiece
    | ArgumentsDone
    | ItemAdded
    | ItemDone
    | Completed
    | Incomplete
    | Failed
    | Trouble
)


class _Other(msgspec.Struct):
    """An event of a kind we do not use, or an error in Chat Completions' shape."""

    type: str = ""
    error: JSON = None


_decode_event = msgspec.json.Decoder(Event).decode
_decode_other = msgspec.json.Decoder(_Other).decode
_KNOWN = frozenset(str(kind.__struct_config__.tag) for kind in Event.__args__)
decode_whole = msgspec.json.Decoder(Whole).decode


def decode_event(payload: bytes) -> Event | None:
    """The event; None for a kind we do not use. Raises one of `UNREADABLE`."""
    try:
        return _decode_event(payload)
    except msgspec.ValidationError:
        other = _decode_other(payload)
        if other.error is not None:
            return Trouble(error=other.error)
        if other.type in _KNOWN:
            raise
        return None


def usage_of(counted: Counted | None) -> Usage:
    """The tokens in our words."""
    if counted is None:
        return NO_USAGE
    given, made = counted.input_tokens_details, counted.output_tokens_details
    return Usage(
        prompt=counted.input_tokens or 0,
        completion=counted.output_tokens or 0,
        cached=(given.cached_tokens or 0) if given else 0,
        cache_write=(given.cache_write_tokens or 0) if given else 0,
        reasoning=(made.reasoning_tokens or 0) if made else 0,
    )
