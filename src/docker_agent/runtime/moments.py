"""The moments of a run at which its agent's hooks are told, and what follows from what they say.

Every function costs next to nothing when the agent has no hook for its moment. Source: runtime.md
§3.2, §3.3, §12.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Literal

import anyio

from docker_agent.errors import Failure
from docker_agent.hooks.port import NO_VERDICT, HookEvent, HookInput, Verdict
from docker_agent.messages import (
    JSON,
    AssistantMessage,
    Message,
    ToolMessage,
    UserMessage,
    content_text,
)
from docker_agent.models.port import ModelCard, Reply
from docker_agent.runtime.agent import Agent
from docker_agent.runtime.strand import RunFailed, Strand

LAST_WORDS = 0.5
"""Seconds that the hooks of one event get at the end of a run that was cancelled."""

_BEFORE_A_CALL = ("turn_start", "before_llm_call")
"""Events that belong to the model call that comes next."""

TurnEnd = Literal[
    "normal",
    "continue",
    "steered",
    "error",
    "canceled",
    "hook_blocked",
    "loop_detected",
    "force_handoff",
]


async def fire(
    strand: Strand, event: HookEvent, by: Agent | None = None, /, **more: JSON
) -> Verdict:
    """Tell the strand's agent's hooks, or those of `by`; `more` are fields of `HookInput`."""
    agent = by or strand.agent
    tool: str = more.get("tool_name", "")
    if not agent.hooks.has(event, tool):
        return NO_VERDICT
    verdict = await agent.hooks.fire(event, _told(strand, agent, event, more))
    strand.ledger.usage += verdict.usage
    return verdict


def _told(strand: Strand, agent: Agent, event: HookEvent, more: dict[str, JSON]) -> HookInput:
    ledger, request = strand.ledger, strand.ledger.request
    return HookInput(
        event,
        agent.name,
        ledger.team.working_dir,
        request.id,
        session=strand.session,
        parent_session=strand.parent_session,
        conversation=request.conversation_id or "",
        user=request.caller.partition("\n")[2],
        model=model_id((strand.model if agent is strand.agent else agent.model).card),
        safety_policy=strand.mode,
        iteration=strand.iterations + (event in _BEFORE_A_CALL),
        last_user_message=_last_user_text(strand.messages),
        **more,
    )


def model_id(card: ModelCard) -> str:
    """A model as hooks know it: `provider/name`."""
    return f"{card.provider}/{card.name}"


def _last_user_text(messages: list[Message]) -> str:
    for message in reversed(messages):
        if isinstance(message, UserMessage) and not message.implicit:
            return content_text(message.content)
    return ""


async def begin(strand: Strand) -> None:
    """Before an agent's first turn: `session_start`, and for the run's entry what the user said.

    Raises `RunFailed` of kind `hook_blocked` when a hook says no.
    """
    name = strand.agent.name
    if name not in strand.session_contexts:
        verdict = await fire(strand, "session_start", source="startup")
        strand.session_contexts[name] = _allowed(verdict)
    if not strand.heard:
        strand.heard = True
        if strand.depth == 0 and strand.agent.hooks.has("user_prompt_submit"):
            prompt = _new_prompt(strand.ledger.request.new)
            if prompt is not None:
                verdict = await fire(strand, "user_prompt_submit", prompt=prompt)
                strand.prompt_context = _allowed(verdict)


def _new_prompt(new: tuple[Message, ...]) -> str | None:
    """What the user says after the last answer; None when this run goes on with a client's tool
    results."""
    texts: list[str] = []
    for message in reversed(new):
        match message:
            case AssistantMessage() | ToolMessage():
                break
            case UserMessage(content=content):
                texts.append(content_text(content))
            case _:
                pass
    return "\n".join(reversed(texts)) if texts else None


def _allowed(verdict: Verdict) -> str:
    """The context of a verdict that lets the run go on. Raises `RunFailed` when it does not."""
    if verdict.block is not None:
        raise blocked(verdict.block)
    return verdict.context


def blocked(reason: str) -> RunFailed:
    """A run that a hook has ended."""
    return RunFailed(Failure("hook_blocked", reason))


async def contexts(strand: Strand) -> tuple[str, ...]:
    """What hooks add to the prompt of the next model call, in the prompt's order.

    Raises `RunFailed` when a `turn_start` hook says no.
    """
    notes, strand.notes = strand.notes, []
    turn = _allowed(await fire(strand, "turn_start"))
    session = strand.session_contexts.get(strand.agent.name, "")
    return (session, strand.prompt_context, turn, "\n".join(notes))


async def before_call(strand: Strand, messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The messages as a model may see them. Raises `RunFailed` when a hook says no."""
    hooks = strand.agent.hooks
    messages = hooks.redaction.messages(messages, strand.looked_through)
    if not hooks.has("before_llm_call"):
        return messages
    verdict = await fire(strand, "before_llm_call", messages=messages)
    _allowed(verdict)
    return messages if verdict.messages is None else verdict.messages


async def after_call(strand: Strand, reply: Reply) -> None:
    """A model has answered."""
    if strand.agent.hooks.has("after_llm_call"):
        await fire(
            strand,
            "after_llm_call",
            stop_response=reply.message.text,
            usage=reply.usage,
            cost=_cost(strand.model.card, reply),
        )


def _cost(card: ModelCard, reply: Reply) -> float | None:
    """Dollars, where the model's prices are known."""
    if card.price_in is None or card.price_out is None:
        return None
    spent = reply.usage.prompt * card.price_in + reply.usage.completion * card.price_out
    return spent / 1_000_000


class Turning:
    """One turn: its end is told exactly once, whatever ended it. `reason` says how it went on."""

    __slots__ = ("_agent", "_strand", "reason")

    def __init__(self, strand: Strand) -> None:
        self._strand = strand
        self._agent = strand.agent
        self.reason: TurnEnd = "continue"

    async def __aenter__(self) -> Turning:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._agent.hooks.has("turn_end"):
            return
        match error:
            case None:
                reason: TurnEnd = self.reason
            case RunFailed(failure=Failure(kind="hook_blocked" | "loop_detected" as why)):
                reason = why
            case asyncio.CancelledError():
                with anyio.move_on_after(LAST_WORDS, shield=True):
                    await fire(self._strand, "turn_end", self._agent, reason="canceled")
                return
            case _:
                reason = "error"
        await fire(self._strand, "turn_end", self._agent, reason=reason)


async def answered(strand: Strand) -> None:
    """The agent asks for nothing more."""
    if strand.agent.hooks.has("stop"):
        last = strand.messages[-1]
        text = last.text if isinstance(last, AssistantMessage) else ""
        await fire(strand, "stop", stop_response=text)


async def waits(strand: Strand, reason: Literal["answered", "client_tools"]) -> None:
    """The run waits for its user."""
    if strand.depth == 0:
        await fire(strand, "on_user_input", reason=reason)


async def limit_reached(strand: Strand, notice: str) -> None:
    """The agent may not ask its model again in this run."""
    limit = strand.agent.limits.max_iterations or strand.ledger.request.max_turns
    await _notify(strand, "warning", notice)
    await fire(strand, "on_max_iterations", previous_max_iterations=limit, reason=notice)
    await fire(strand, "on_user_input", reason="max_iterations")


async def failed(strand: Strand, failure: Failure) -> None:
    """The strand ends without an answer."""
    await fire(strand, "on_error", reason=failure.kind, notification_message=failure.message)
    await _notify(strand, "error", failure.message)


async def _notify(strand: Strand, level: str, text: str) -> None:
    await fire(strand, "notification", notification_level=level, notification_message=text)


async def switched(strand: Strand, kind: str, origin: Agent, target: Agent) -> None:
    """Another agent goes on, begins a task, or is done with it; told to the strand's own agent."""
    if strand.agent.hooks.has("on_agent_switch"):
        await fire(
            strand,
            "on_agent_switch",
            from_agent=origin.name,
            to_agent=target.name,
            agent_switch_kind=kind,
            from_agent_models=(model_id(origin.model.card),),
        )


async def child_ended(strand: Strand, child: Agent, text: str, *, is_error: bool) -> None:
    """A sub-agent is done; told to the agent that gave it the task."""
    await fire(
        strand, "subagent_stop", from_agent=child.name, stop_response=text, tool_error=is_error
    )


async def before_compaction(strand: Strand, source: str, **sizes: int) -> Verdict:
    """History is about to become a summary: `block` leaves it as it is, `summary` is one, `context`
    is for whoever writes it.

    `source` is `auto`, `overflow` or `tool_overflow`; `sizes` are `input_tokens`, `output_tokens`
    and `context_limit`.
    """
    first = await fire(strand, "pre_compact", source=source, compaction_reason=source, **sizes)
    if first.block is not None:
        return first
    second = await fire(
        strand, "before_compaction", source=source, compaction_reason=source, **sizes
    )
    context = "\n".join(text for text in (first.context, second.context) if text)
    return Verdict(context, block=second.block, summary=first.summary or second.summary)


async def after_compaction(strand: Strand, source: str, summary: str) -> None:
    """History has become a summary."""
    await fire(strand, "after_compaction", source=source, compaction_reason=source, summary=summary)


async def end(strand: Strand, reason: Literal["stream_ended", "error", "canceled"]) -> None:
    """The strand is over: `session_end` of every agent that began in it."""
    team = strand.ledger.team.agents
    begun = [agent for agent in map(team.get, strand.session_contexts) if agent is not None]
    told = [agent for agent in begun if agent.hooks.has("session_end")]
    if not told:
        return
    canceled = reason == "canceled"
    with anyio.move_on_after(LAST_WORDS if canceled else None, shield=canceled):
        for agent in told:
            await fire(strand, "session_end", agent, reason=reason)
