"""One event of a Chat Completions stream, or a whole answer: the fields we use, decoded.

Read generously: servers differ, and what we do not use may be anything.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from docker_agent.messages import JSON, NO_USAGE, Finish, Usage


class Function(msgspec.Struct):
    """What of a function call has come; `arguments` is text, from some servers an object."""

    name: str | None = None
    arguments: JSON = None


class CallPiece(msgspec.Struct):
    """A piece of a tool call; `index` and `id` tell calls apart, where they are given."""

    index: int | None = None
    id: str | None = None
    function: Function | None = None


class Piece(msgspec.Struct):
    """A part of a content that is a list: Mistral's thinking models send those."""

    text: str | None = None
    thinking: list[Piece] | str | None = None


class Said(msgspec.Struct):
    """What an event adds to the message; the whole message in an answer that is no stream."""

    content: str | list[Piece] | None = None
    reasoning_content: str | None = None
    reasoning: JSON = None
    refusal: str | None = None
    tool_calls: list[CallPiece] | None = None


class Choice(msgspec.Struct):
    """One answer; nobody asks for more than one."""

    delta: Said | None = None
    message: Said | None = None
    finish_reason: str | None = None


class Details(msgspec.Struct):
    """What tokens were used for."""

    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class Counted(msgspec.Struct):
    """The tokens a server counted."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: Details | None = None
    completion_tokens_details: Details | None = None


class Chunk(msgspec.Struct):
    """One event."""

    choices: list[Choice] | None = None
    usage: Counted | None = None
    model: str | None = None
    error: JSON = None


decode_chunk = msgspec.json.Decoder(Chunk).decode

FINISHES: Mapping[str, Finish] = {
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "content_filter",
}
"""Finish reasons in our words; any other one is `stop`."""


def spoken(said: Said) -> tuple[str, str]:
    """The reasoning and the text that a delta adds, empty where there is none."""
    thought, content = said.reasoning_content or said.reasoning, said.content
    if not isinstance(thought, str):
        thought = ""
    if isinstance(content, list):
        thought += "".join(_text(piece.thinking) for piece in content)
        content = _text(content)
    return thought, content or ""


def _text(content: str | list[Piece] | None) -> str:
    if isinstance(content, list):
        return "".join(piece.text or "" for piece in content)
    return content or ""


def usage_of(counted: Counted | None) -> Usage:
    """The tokens in our words."""
    if counted is None:
        return NO_USAGE
    prompt, completion = counted.prompt_tokens_details, counted.completion_tokens_details
    return Usage(
        prompt=counted.prompt_tokens or 0,
        completion=counted.completion_tokens or 0,
        cached=(prompt.cached_tokens or 0) if prompt else 0,
        reasoning=(completion.reasoning_tokens or 0) if completion else 0,
    )
