"""An agent's hooks: who is meant by an event, how they run, and what their answers come to.

Source: runtime.md §12.5. Hooks that may rewrite something run one after the other, each on what
the one before it left; all others of an event run at the same time. Answers count in the order of
the file. A hook that fails says nothing, unless it guards: then it says no.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from docker_agent.env.secret_text import redact
from docker_agent.hooks.port import (
    NO_VERDICT,
    Hook,
    HookEvent,
    HookFailed,
    HookInput,
    Permission,
    Verdict,
)
from docker_agent.hooks.redaction import NO_REDACTION, Redaction
from docker_agent.messages import JSON, NO_USAGE

log = logging.getLogger(__name__)

ONE_BY_ONE: frozenset[HookEvent] = frozenset(
    {"pre_tool_use", "before_llm_call", "tool_response_transform"}
)
"""Events whose hooks rewrite."""

MAX_CONTEXT = 50 * 1024
"""Characters that one hook may add to a prompt."""

CUT = "\n[… the rest of what this hook said is left out …]"

REMEMBERED_TOOLS = 1024
"""Names of tools for which it is remembered which hooks they mean."""

OnError = Literal["", "warn", "ignore", "block"]


class Entry(msgspec.Struct, frozen=True):
    """One hook of an event.

    `matcher` is None for every tool. `seconds` 0: it needs no bound. Hooks with the same `key` run
    once for one event; an empty one is like no other. What an `untrusted` one allows does not
    count.
    """

    hook: Hook
    label: str = ""
    matcher: re.Pattern[str] | None = None
    seconds: float = 0.0
    on_error: OnError = ""
    key: tuple[object, ...] = ()
    untrusted: bool = False


class Firing:
    """The `Hooks` of one agent; which of them mean a tool is found out once per tool."""

    def __init__(
        self,
        by_event: Mapping[HookEvent, Sequence[Entry]],
        redaction: Redaction = NO_REDACTION,
    ) -> None:
        self.redaction = redaction
        self._by_event = {event: tuple(entries) for event, entries in by_event.items() if entries}
        self._chosen: dict[tuple[HookEvent, str], tuple[Entry, ...]] = {}

    def has(self, event: HookEvent, tool: str = "") -> bool:
        """Whether anything would run."""
        return event in self._by_event and bool(self._entries(event, tool))

    async def fire(self, event: HookEvent, given: HookInput) -> Verdict:
        """What the hooks of an event say together."""
        entries = self._entries(event, given.tool_name)
        if not entries:
            return NO_VERDICT
        if event in ONE_BY_ONE:
            return await _one_by_one(entries, given)
        if len(entries) == 1:
            return await _said(entries[0], given)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_said(entry, given)) for entry in entries]
        return together([task.result() for task in tasks])

    def _entries(self, event: HookEvent, tool: str) -> tuple[Entry, ...]:
        chosen = self._chosen.get((event, tool))
        if chosen is None:
            if len(self._chosen) >= REMEMBERED_TOOLS:
                self._chosen.clear()
            chosen = tuple(_unique(self._by_event.get(event, ()), tool))
            self._chosen[event, tool] = chosen
        return chosen


def _unique(entries: Iterable[Entry], tool: str) -> Iterable[Entry]:
    seen: set[tuple[object, ...]] = set()
    for entry in entries:
        if entry.matcher is not None and entry.matcher.fullmatch(tool) is None:
            continue
        if not entry.key or entry.key not in seen:
            seen.add(entry.key)
            yield entry


async def _one_by_one(entries: Sequence[Entry], given: HookInput) -> Verdict:
    """Each on what is left by the one before; the first that objects ends it."""
    verdicts: list[Verdict] = []
    for entry in entries:
        verdict = await _said(entry, given)
        verdicts.append(verdict)
        if verdict.refusal is not None:
            break
        given = _rewritten(given, verdict)
    return together(verdicts)


def _rewritten(given: HookInput, verdict: Verdict) -> HookInput:
    if verdict.arguments is not None:
        changed = {**(given.tool_input or {}), **verdict.arguments}
        given = msgspec.structs.replace(given, tool_input=changed)
    if verdict.messages is not None:
        given = msgspec.structs.replace(given, messages=verdict.messages)
    if verdict.response is not None:
        given = msgspec.structs.replace(given, tool_response=verdict.response)
    return given


def together(verdicts: Sequence[Verdict]) -> Verdict:
    """Several verdicts as one: any block blocks, deny counts more than ask, ask more than allow.

    Of messages, and of responses, the last counts: those hooks ran one after the other. The first
    summary counts.
    """
    if len(verdicts) == 1:
        return verdicts[0]
    usage = NO_USAGE
    arguments: dict[str, JSON] = {}
    metadata: dict[str, JSON] = {}
    for verdict in verdicts:
        usage += verdict.usage
        arguments |= verdict.arguments or {}
        metadata |= verdict.metadata or {}
    decision, reason = _strictest(verdicts)
    messages = [verdict.messages for verdict in verdicts if verdict.messages is not None]
    responses = [verdict.response for verdict in verdicts if verdict.response is not None]
    return Verdict(
        context="\n".join(verdict.context for verdict in verdicts if verdict.context),
        block=next((verdict.block for verdict in verdicts if verdict.block is not None), None),
        decision=decision,
        reason=reason,
        arguments=arguments if any(one.arguments is not None for one in verdicts) else None,
        messages=messages[-1] if messages else None,
        response=responses[-1] if responses else None,
        summary=next((verdict.summary for verdict in verdicts if verdict.summary), ""),
        metadata=metadata or None,
        usage=usage,
    )


def _strictest(verdicts: Sequence[Verdict]) -> tuple[Permission | None, str]:
    for word in ("deny", "ask", "allow"):
        for verdict in verdicts:
            if verdict.decision == word:
                return verdict.decision, verdict.reason
    return None, ""


async def _said(entry: Entry, given: HookInput) -> Verdict:
    """What one hook says, or what its failure means."""
    try:
        async with asyncio.timeout(entry.seconds or None):
            verdict = await entry.hook(given)
    except HookFailed as exc:
        verdict = _failed(entry, given, str(exc), quiet=exc.quiet)
        return msgspec.structs.replace(verdict, usage=exc.usage)
    except TimeoutError:
        return _failed(entry, given, f"took longer than {entry.seconds:g} seconds and was stopped")
    except Exception:
        log.exception("hook %s failed", entry.label)
        return _failed(entry, given, "internal error in the hook")
    if verdict.message:
        log.warning("hook %s of agent %s: %s", entry.label, given.agent, redact(verdict.message))
    if verdict.refusal is not None:
        block = None if verdict.block is None else redact(verdict.block)
        verdict = msgspec.structs.replace(verdict, block=block, reason=redact(verdict.reason))
    if entry.untrusted and verdict.decision == "allow":
        verdict = msgspec.structs.replace(verdict, decision=None)
    if len(verdict.context) > MAX_CONTEXT:
        cut = verdict.context[:MAX_CONTEXT] + CUT
        verdict = msgspec.structs.replace(verdict, context=cut)
    return verdict


def _failed(entry: Entry, given: HookInput, problem: str, *, quiet: bool = False) -> Verdict:
    text = f"hook {entry.label} ({given.event}) of agent {given.agent} {redact(problem)}"
    if given.event == "pre_tool_use" or entry.on_error == "block":
        log.warning("%s; it guards, so this is a no", text)
        return Verdict(block=f"the hook {entry.label} failed, and what it guards stays closed")
    if entry.on_error == "ignore" or (quiet and not entry.on_error):
        log.debug("%s", text)
    else:
        log.warning("%s", text)
    return NO_VERDICT
