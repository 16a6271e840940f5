"""Compaction: when a history grows too long for the model, a summary takes the place of its older
part. Source: runtime.md §7."""

from __future__ import annotations

import logging
from collections.abc import Callable

from docker_agent.errors import ModelError
from docker_agent.events import Delta
from docker_agent.messages import Message, Sampling, Summary, SystemMessage, Usage
from docker_agent.models.port import Ask
from docker_agent.runtime import moments, summaries
from docker_agent.runtime.strand import Strand
from docker_agent.runtime.summaries import Compaction, question, tail_start

log = logging.getLogger(__name__)

_NO_SUMMARY_HELPS = ("image exceeds", "image dimensions", "pdf pages")
"""Refusals for size that speak of an attachment, not of the history."""


async def within_window(
    strand: Strand, messages: Callable[[], tuple[Message, ...]]
) -> tuple[Message, ...]:
    """What the next call is shown, as `messages` builds it: with a summary in the place of older
    ones, when it came too close to the model's window otherwise."""
    asked = messages()
    if not _due(strand, asked):
        return asked
    if _remembered(strand):
        asked = messages()
        if not _due(strand, asked):
            return asked
    return messages() if await compact(strand, asked) else asked


def _due(strand: Strand, asked: tuple[Message, ...]) -> bool:
    compaction = strand.agent.compaction
    if compaction is None or not compaction.window:
        return False
    size = strand.fill.size(strand.messages, asked)
    return size > compaction.threshold * compaction.window


def _remembered(strand: Strand) -> bool:
    """Take up a summary that an earlier request wrote of the same history; true when there was
    one."""
    compaction, request = strand.agent.compaction, strand.ledger.request
    if compaction is None or strand.summary is not None or request.conversation.turns:
        return False
    strand.summary = compaction.summaries.find(request.caller, strand.messages)
    return strand.summary is not None


def may_help(strand: Strand, error: ModelError) -> bool:
    """Whether a model refused a call for its length, and a shorter one may pass."""
    if strand.agent.compaction is None or error.kind != "context_length_exceeded":
        return False
    said = str(error).lower()
    return not error.emitted and not any(words in said for words in _NO_SUMMARY_HELPS)


async def compact(strand: Strand, asked: tuple[Message, ...], *, refused: bool = False) -> bool:
    """Write a summary of the older messages; true when the history is shorter now.

    `asked` is what the next call would have been shown, `refused` that the model has refused it:
    then its window is no larger than that, whatever is known of it. A model that fails here ends
    nothing: the history stays as it is, and the log says so.
    """
    compaction = strand.agent.compaction
    assert compaction is not None
    window = compaction.window
    if refused or not window:
        window = int(strand.fill.size(strand.messages, asked))
    before = strand.summary.kept_from if strand.summary else 0
    share = min(1 / summaries.TAIL_SHARE, compaction.threshold / 2)
    budget = min(summaries.MAX_TAIL, window * share) / strand.fill.ratio
    start = tail_start(strand.messages, before, budget)
    if start <= before:
        return False
    source = "overflow" if refused else "auto"
    told = await moments.before_compaction(
        strand,
        source,
        input_tokens=int(strand.fill.size(strand.messages, asked)),
        context_limit=window,
    )
    if told.block is not None:
        return False
    try:
        text = told.summary or await _summary(
            strand, compaction, strand.messages[before:start], window, told.context
        )
    except ModelError as exc:
        log.warning("run %s: no summary could be written: %s", strand.ledger.request.id, exc)
        return False
    if not text:
        return False
    strand.summary = Summary(text, kept_from=start)
    strand.fill = summaries.Fill(ratio=strand.fill.ratio)
    _remember(strand, compaction, start)
    log.info(
        "run %s agent %s: %d messages became a summary of %d characters",
        strand.ledger.request.id,
        strand.agent.name,
        start - before,
        len(text),
    )
    await moments.after_compaction(strand, source, text)
    return True


def learn(strand: Strand, asked: tuple[Message, ...], usage: Usage) -> None:
    """Take note of what a call that was shown `asked` cost."""
    compaction = strand.agent.compaction
    if compaction is not None and compaction.window:
        covered = len(strand.messages)
        strand.fill = strand.fill.after(asked, usage.prompt, usage.completion, covered)


async def _summary(
    strand: Strand, compaction: Compaction, old: list[Message], window: int, wishes: str
) -> str:
    """The text that stands for `old` and the summary before it; empty when the model wrote none.
    `wishes` are words of hooks for whoever writes it."""
    most = int(min(summaries.MAX_SUMMARY, window / summaries.SUMMARY_SHARE))
    room = min(window, compaction.model.card.context or window) - most
    messages = question(old, strand.summary, room / strand.fill.ratio)
    if messages is None:
        return ""
    if wishes:
        messages = (SystemMessage(wishes), *messages)
    messages = strand.agent.hooks.redaction.messages(messages, strand.looked_through)
    reply = await compaction.model.reply(
        Ask(
            messages,
            sampling=Sampling(max_tokens=max(1, most)),
            deadline=strand.ledger.request.deadline,
        ),
        _unheard,
    )
    strand.ledger.usage += reply.usage
    return reply.message.text.strip()


def _remember(strand: Strand, compaction: Compaction, start: int) -> None:
    """Keep a summary for the next request, when the client itself sent all it stands for."""
    request = strand.ledger.request
    if strand.depth == 0 and not request.conversation.turns and start <= len(request.new):
        assert strand.summary is not None
        compaction.summaries.keep(request.caller, strand.messages[:start], strand.summary.text)


async def _unheard(deltas: tuple[Delta, ...]) -> None:
    """A summary is shown to nobody."""
