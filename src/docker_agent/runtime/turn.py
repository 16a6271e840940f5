"""One turn's question: build the prompt, ask the model once, pass its deltas on, take note of
what it cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from docker_agent.errors import Failure, ModelError
from docker_agent.events import Delta, ModelReplied, ReasoningDelta, TextDelta
from docker_agent.messages import (
    AUTO,
    NO_SAMPLING,
    AssistantMessage,
    Finish,
    Format,
    Message,
    ToolChoice,
)
from docker_agent.models.port import Ask, Model, ModelCard, Reply
from docker_agent.runtime import compaction, moments, prompt
from docker_agent.runtime.strand import BLANK_LINE, RunFailed, Strand
from docker_agent.runtime.summaries import shown
from docker_agent.runtime.toolbox import Gathered


class Voice:
    """Passes a model's deltas to the run's listener, with a blank line before the first text
    after an earlier turn's, and before the first thought after an earlier turn's."""

    __slots__ = ("_emit", "_following", "_source")

    def __init__(self, strand: Strand) -> None:
        self._emit = strand.emit
        self._source = strand.source
        said = ((TextDelta, strand.texts), (ReasoningDelta, strand.reasonings))
        self._following = tuple(kind for kind, before in said if before)

    async def __call__(self, deltas: tuple[Delta, ...]) -> None:
        if self._following:
            deltas = tuple(map(self._separated, deltas))
        await self._emit(self._source, deltas)

    def _separated(self, delta: Delta) -> Delta:
        kind = type(delta)
        if not delta.text or kind not in self._following:
            return delta
        self._following = tuple(other for other in self._following if other is not kind)
        return kind(BLANK_LINE + delta.text)


async def ask_once(strand: Strand, tools: Gathered) -> Reply:
    """One model call of this strand. Its usage is counted and its message kept; raises
    `RunFailed` when the model failed."""
    ledger, agent = strand.ledger, strand.agent
    model = strand.take_model()
    contexts = await moments.contexts(strand)

    def messages() -> tuple[Message, ...]:
        return _messages(strand, model.card, tools, contexts)

    fitting = await compaction.within_window(strand, messages)
    ask = _build_ask(strand, tools, await moments.before_call(strand, fitting))
    strand.iterations += 1
    ledger.turns += 1
    try:
        ask, reply = await _asked(strand, model, ask, messages)
    except ModelError as exc:
        raise RunFailed(Failure(exc.kind, str(exc), exc.retry_after)) from exc
    ledger.usage += reply.usage
    message = reply.message
    if reply.finish == "content_filter" and message.calls:
        message = msgspec.structs.replace(message, calls=())
    _keep(strand, msgspec.structs.replace(message, agent=agent.name), reply.finish)
    compaction.learn(strand, ask.messages, reply.usage)
    await strand.tell(ModelReplied(reply.model, reply.usage))
    await moments.after_call(strand, reply)
    return msgspec.structs.replace(reply, message=message)


async def ask_quietly(strand: Strand, tools: Gathered, *more: Message) -> Reply:
    """One more call, with `more` behind the conversation, which nobody hears and which is not kept;
    its usage counts. Raises `ModelError`, and `RunFailed` when a hook says no."""
    model = strand.model
    session = strand.session_contexts.get(strand.agent.name, "")
    told = (*_messages(strand, model.card, tools, (session,)), *more)
    ask = msgspec.structs.replace(
        _build_ask(strand, tools, await moments.before_call(strand, told)),
        choice=ToolChoice("none") if tools.list else AUTO,
    )
    strand.ledger.turns += 1
    reply = await model.reply(ask, _unheard)
    strand.ledger.usage += reply.usage
    await strand.tell(ModelReplied(reply.model, reply.usage))
    return reply


def wanted_format(strand: Strand) -> Format | None:
    """The shape that answers of this strand's agent must have: the agent's own, else what the
    client asked of the entry agent."""
    if strand.agent.format is not None or not strand.is_entry:
        return strand.agent.format
    return strand.ledger.request.overrides.format


async def _unheard(deltas: tuple[Delta, ...]) -> None:
    """Nobody listens."""


async def _asked(
    strand: Strand, model: Model, ask: Ask, messages: Callable[[], tuple[Message, ...]]
) -> tuple[Ask, Reply]:
    """The model's reply, and the question it answers. A call that was refused for its length is
    made once more, shorter."""
    try:
        return ask, await model.reply(ask, Voice(strand))
    except ModelError as exc:
        if not compaction.may_help(strand, exc):
            raise
        if not await compaction.compact(strand, ask.messages, refused=True):
            raise
    shorter = await moments.before_call(strand, messages())
    ask = msgspec.structs.replace(ask, messages=shorter)
    return ask, await model.reply(ask, Voice(strand))


def _messages(
    strand: Strand, card: ModelCard, tools: Gathered, contexts: Sequence[str]
) -> tuple[Message, ...]:
    agent = strand.agent
    blocks = prompt.system_blocks(
        agent, strand.ledger.team.agents, tools.merged.instructions, contexts
    )
    history = shown(strand.messages, strand.summary)
    return (*blocks, *prompt.clean_history(history, agent.limits, card))


def _build_ask(strand: Strand, tools: Gathered, messages: tuple[Message, ...]) -> Ask:
    request = strand.ledger.request
    overrides = request.overrides if strand.is_entry else None
    first = strand.ledger.turns == 0
    return Ask(
        messages=messages,
        tools=tools.list,
        choice=overrides.choice if overrides and first else AUTO,
        sampling=overrides.sampling if overrides else NO_SAMPLING,
        format=wanted_format(strand),
        deadline=request.deadline,
        session=request.conversation_id or request.id,
    )


def _keep(strand: Strand, message: AssistantMessage, finish: Finish) -> None:
    strand.finish = finish
    if message.text.strip() or message.calls or message.opaque:
        strand.messages.append(message)
    if message.text:
        strand.texts.append(message.text)
    if message.reasoning:
        strand.reasonings.append(message.reasoning)


async def say(strand: Strand, text: str) -> None:
    """Words of the runtime itself, as the agent's answer: heard by the client and kept in the
    conversation."""
    await Voice(strand)((TextDelta(text),))
    _keep(strand, AssistantMessage(text, agent=strand.agent.name), strand.finish)
