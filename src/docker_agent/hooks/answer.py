"""What a command hook's exit status and output mean. Pure. Source: runtime.md §12.4."""

from __future__ import annotations

from typing import cast

import msgspec

from docker_agent.hooks.chat_messages import from_plain
from docker_agent.hooks.port import (
    NO_VERDICT,
    HookEvent,
    HookFailed,
    HookInput,
    Permission,
    Verdict,
)
from docker_agent.messages import JSON, UNREADABLE

BLOCKED = 2
"""The exit status that says no."""

SPEAKING: frozenset[HookEvent] = frozenset(
    {
        "post_tool_use",
        "session_start",
        "user_prompt_submit",
        "user_steering_messages_submit",
        "user_followup_submit",
        "turn_start",
        "pre_compact",
        "stop",
        "worktree_create",
    }
)
"""Events whose plain output is words for the model; elsewhere it is dropped."""

MAX_REASON = 2000
"""Characters of a reason that a model or a client is told."""


class _Specific(msgspec.Struct):
    permission_decision: str | None = None
    permission_decision_reason: str | None = None
    updated_input: dict[str, JSON] | None = None
    additional_context: str | None = None
    updated_messages: JSON = None
    updated_tool_response: str | None = None
    summary: str | None = None
    metadata: dict[str, JSON] | None = None


class _Answer(msgspec.Struct):
    go_on: bool | None = msgspec.field(name="continue", default=True)
    stop_reason: str | None = None
    decision: str | None = None
    reason: str | None = None
    system_message: str | None = None
    suppress_output: bool | None = None
    hook_specific_output: _Specific | None = None


def read_answer(given: HookInput, status: int, output: str, errors: str) -> Verdict:
    """The verdict of a command that ended by itself.

    Raises `HookFailed` when it was killed or could not start, for a status that means nothing
    (quietly), and for an answer that cannot be understood.
    """
    if status == BLOCKED:
        return Verdict(block=_short(errors) or "no reason was given")
    if status < 0:
        raise HookFailed(f"was ended by signal {-status}")
    if status in (126, 127):
        raise HookFailed(f"could not be started (exit status {status}): {_short(errors)}")
    if status:
        raise HookFailed(f"ended with exit status {status}: {_short(errors)}", quiet=True)
    text = output.strip()
    speaks = given.event in SPEAKING
    if not text.startswith("{"):
        return Verdict(text) if speaks and text else NO_VERDICT
    try:
        said = msgspec.json.decode(text)
    except UNREADABLE as exc:
        if speaks:
            return Verdict(text)
        raise HookFailed(f"its output begins like JSON and is none: {exc}") from exc
    return read_json(given, said)


def read_json(given: HookInput, said: JSON) -> Verdict:
    """The verdict of structured output. Raises `HookFailed`."""
    try:
        answer = msgspec.convert(_snake(said), _Answer)
    except (msgspec.ValidationError, RecursionError) as exc:
        raise HookFailed(f"its answer cannot be read: {exc}") from exc
    specific = answer.hook_specific_output or _Specific()
    messages = specific.updated_messages
    return Verdict(
        context=specific.additional_context or "",
        block=_block(answer),
        decision=_decision(specific.permission_decision),
        reason=_short(specific.permission_decision_reason or answer.reason or ""),
        arguments=specific.updated_input,
        messages=None if messages is None else from_plain(messages, given.messages),
        response=specific.updated_tool_response,
        summary=specific.summary or "",
        metadata=specific.metadata,
        message=_short(answer.system_message or ""),
    )


def _block(answer: _Answer) -> str | None:
    match answer.decision:
        case "block" | "deny":
            return _short(answer.reason or answer.stop_reason or "") or "no reason was given"
        case None | "" | "approve" | "allow":
            pass
        case other:
            raise HookFailed(f"its decision must be 'block', not {other!r}")
    if answer.go_on is False:
        return _short(answer.stop_reason or answer.reason or "") or "no reason was given"
    return None


def _decision(word: str | None) -> Permission | None:
    match word:
        case "allow" | "ask" | "deny":
            return word
        case None | "":
            return None
        case _:
            raise HookFailed(f"permission_decision must be allow, ask or deny, not {word!r}")


def _snake(said: JSON) -> JSON:
    """The answer with its own keys in snake case: hooks written for other programs say
    `hookSpecificOutput`."""
    if not isinstance(said, dict):
        return said
    answer = {_snake_key(key): one for key, one in cast(dict[str, JSON], said).items()}
    specific = answer.get("hook_specific_output")
    if isinstance(specific, dict):
        entries = cast(dict[str, JSON], specific)
        answer["hook_specific_output"] = {_snake_key(key): one for key, one in entries.items()}
    return answer


def _snake_key(key: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in key)


def _short(text: str) -> str:
    text = text.strip()
    return text if len(text) <= MAX_REASON else f"{text[:MAX_REASON]}…"
