"""One event of Gemini's `streamGenerateContent`, or a whole answer: the fields we use, decoded.

Wire: https://ai.google.dev/api/generate-content. What we do not use may be anything.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from docker_agent.messages import JSON, NO_USAGE, Finish, Usage


class FunctionCall(msgspec.Struct):
    """A whole call; older models give no id."""

    id: str | None = None
    name: str | None = None
    args: dict[str, JSON] | None = None


class Part(msgspec.Struct, rename="camel"):
    """A piece of an answer. The last four are the provider's own tools at work."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: FunctionCall | None = None
    executable_code: JSON = None
    code_execution_result: JSON = None
    tool_call: JSON = None
    tool_response: JSON = None

    def other(self) -> JSON:
        """The part as it came, when only its maker can read it; else None."""
        found = {
            "executableCode": self.executable_code,
            "codeExecutionResult": self.code_execution_result,
            "toolCall": self.tool_call,
            "toolResponse": self.tool_response,
        }
        return {name: value for name, value in found.items() if value is not None} or None


class Content(msgspec.Struct):
    """What a candidate says."""

    parts: list[Part] | None = None


class Candidate(msgspec.Struct, rename="camel"):
    """One answer; nobody asks for more than one."""

    content: Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None


class Feedback(msgspec.Struct, rename="camel"):
    """What was found wrong with the question."""

    block_reason: str | None = None


class Counted(msgspec.Struct, rename="camel"):
    """The tokens so far. Thoughts are not among those of the candidates."""

    prompt_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None


class Chunk(msgspec.Struct, rename="camel"):
    """One event."""

    candidates: list[Candidate] | None = None
    prompt_feedback: Feedback | None = None
    usage_metadata: Counted | None = None
    model_version: str | None = None
    error: JSON = None


decode_chunk = msgspec.json.Decoder(Chunk).decode
_decode_whole = msgspec.json.Decoder(list[Chunk] | Chunk).decode


def decode_whole(body: bytes | bytearray) -> list[Chunk]:
    """An answer that is no event stream: one object, or a list of what would be events."""
    whole: list[Chunk] | Chunk = _decode_whole(body)
    return [whole] if isinstance(whole, Chunk) else whole


FINISHES: Mapping[str, Finish] = {
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "ESCALATION": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "PUP_LIMITED_DISABLED": "content_filter",
}
"""Finish reasons in our words; any other one that is no failure is `stop`."""

FAILURES: Mapping[str, bool] = {
    "MALFORMED_FUNCTION_CALL": True,
    "MALFORMED_RESPONSE": True,
    "UNEXPECTED_TOOL_CALL": True,
    "TOO_MANY_TOOL_CALLS": False,
    "MISSING_THOUGHT_SIGNATURE": False,
}
"""Finish reasons that are failures, and whether the same question may fare better at once."""


def usage_of(counted: Counted | None) -> Usage:
    """The tokens in our words."""
    if counted is None:
        return NO_USAGE
    thoughts = counted.thoughts_token_count or 0
    return Usage(
        prompt=(counted.prompt_token_count or 0) + (counted.tool_use_prompt_token_count or 0),
        completion=(counted.candidates_token_count or 0) + thoughts,
        cached=counted.cached_content_token_count or 0,
        reasoning=thoughts,
    )
