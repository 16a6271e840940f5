"""One event of a ConverseStream, or a whole answer of Converse: the fields we use, decoded.

Read generously: kinds of events and blocks that are new are passed over. Wire:
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStreamOutput.html.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from docker_agent.messages import JSON, NO_USAGE, Finish, Usage


class Counted(msgspec.Struct, rename="camel"):
    """Tokens; what was read from the cache or written to it is not part of `input_tokens`."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None


class CallBegun(msgspec.Struct, rename="camel"):
    """The head of a call; `type` is set for tools that the service runs itself."""

    tool_use_id: str = ""
    name: str = ""
    type: str | None = None


class Begun(msgspec.Struct, rename="camel"):
    """What a block is that begins; blocks of text and thinking have no such event."""

    tool_use: CallBegun | None = None


class BlockStart(msgspec.Struct, rename="camel"):
    """A block begins."""

    content_block_index: int = 0
    start: Begun | None = None


class CallPiece(msgspec.Struct):
    """A piece of a call's arguments."""

    input: str = ""


class ThoughtPiece(msgspec.Struct, rename="camel"):
    """A piece of thinking, its signature, or base64 that nobody may read."""

    text: str | None = None
    signature: str | None = None
    redacted_content: str | None = None


class Piece(msgspec.Struct, rename="camel"):
    """What is added to a block."""

    text: str | None = None
    tool_use: CallPiece | None = None
    reasoning_content: ThoughtPiece | None = None


class BlockPiece(msgspec.Struct, rename="camel"):
    """A block grows."""

    content_block_index: int = 0
    delta: Piece | None = None


class Stopped(msgspec.Struct, rename="camel"):
    """The answer ends."""

    stop_reason: str = ""


class Metadata(msgspec.Struct):
    """The last event."""

    usage: Counted | None = None


class Raised(msgspec.Struct):
    """An exception in the stream."""

    type: str = ""
    body: JSON = None


class Event(msgspec.Struct, rename="camel"):
    """One event; one of its fields is set."""

    content_block_delta: BlockPiece | None = None
    content_block_start: BlockStart | None = None
    message_stop: Stopped | None = None
    metadata: Metadata | None = None
    exception: Raised | None = None


class SignedText(msgspec.Struct):
    """Finished thinking."""

    text: str = ""
    signature: str = ""


class WholeThought(msgspec.Struct, rename="camel"):
    """A block of thinking in an answer that is no stream."""

    reasoning_text: SignedText | None = None
    redacted_content: str | None = None


class WholeCall(CallBegun, rename="camel"):
    """A call with its arguments."""

    input: msgspec.Raw = msgspec.Raw(b"{}")


class WholeBlock(msgspec.Struct, rename="camel"):
    """A block of an answer that is no stream."""

    text: str | None = None
    tool_use: WholeCall | None = None
    reasoning_content: WholeThought | None = None


class WholeMessage(msgspec.Struct, frozen=True):
    """A message as one."""

    content: tuple[WholeBlock, ...] = ()


class Output(msgspec.Struct, frozen=True):
    """What was answered."""

    message: WholeMessage = WholeMessage()


class Answered(msgspec.Struct, rename="camel"):
    """An answer that is no stream."""

    output: Output
    stop_reason: str = ""
    usage: Counted | None = None


decode_event = msgspec.json.Decoder(Event).decode
decode_answer = msgspec.json.Decoder(Answered).decode

FINISHES: Mapping[str, Finish] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "refusal": "content_filter",
}
"""Stop reasons in our words; any other one that is no failure is `stop`."""

FAILURES = frozenset({"malformed_model_output", "malformed_tool_use"})
"""Stop reasons that are failures; the same question may fare better at once."""


def usage_of(counted: Counted | None) -> Usage:
    """The tokens in our words: what was read from the cache and written to it is part of the
    prompt."""
    if counted is None:
        return NO_USAGE
    cached = counted.cache_read_input_tokens or 0
    written = counted.cache_write_input_tokens or 0
    return Usage(
        prompt=(counted.input_tokens or 0) + cached + written,
        completion=counted.output_tokens or 0,
        cached=cached,
        cache_write=written,
    )
