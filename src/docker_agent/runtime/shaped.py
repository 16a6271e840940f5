"""The shape of an answer: checked at the end of a run, and mended once where nobody has heard it
yet. Source: runtime.md §16.1."""

from __future__ import annotations

import asyncio
import logging

import msgspec

from docker_agent.errors import ModelError
from docker_agent.messages import AssistantMessage, Format, UserMessage
from docker_agent.runtime.shape import problem_in, unfenced
from docker_agent.runtime.strand import Strand
from docker_agent.runtime.toolbox import Gathered
from docker_agent.runtime.turn import ask_quietly, wanted_format

log = logging.getLogger(__name__)


def mending(problem: str) -> str:
    """What a model is told whose answer has not the shape that was asked for."""
    return (
        f"Your answer does not have the required shape: {problem}. Write the whole answer once "
        "more, corrected, as JSON and nothing else."
    )


async def settle_shape(strand: Strand, tools: Gathered) -> None:
    """Check the text of the last message against the wanted format, if there is one.

    A client that gets one JSON reply has heard nothing yet, nor has an agent whose sub-agent this
    is: then a wrong answer is asked for once more, and kept as it was when that is no better. What
    has been streamed stays; the log says that it does not fit.
    """
    format = wanted_format(strand)
    if format is None or strand.finish != "stop" or not strand.texts:
        return
    last, text = strand.messages[-1], strand.texts[-1]
    if not isinstance(last, AssistantMessage) or last.text != text:
        return
    problem = await asyncio.to_thread(problem_in, format, text)
    if problem is None:
        return
    better = None
    if strand.ledger.request.whole or strand.depth > 0:
        better = await _unwrapped(format, text) or await _asked_again(
            strand, tools, format, problem
        )
    if better is None:
        log.warning(
            "run %s agent %s: the answer does not have the shape that was asked for: %s",
            strand.ledger.request.id,
            strand.agent.name,
            problem,
        )
        return
    strand.texts[-1] = better
    strand.messages[-1] = msgspec.structs.replace(last, text=better)


async def _unwrapped(format: Format, text: str) -> str | None:
    """The inside of a code block, when that fits."""
    inside = unfenced(text)
    if inside == text or await asyncio.to_thread(problem_in, format, inside) is not None:
        return None
    return inside


async def _asked_again(strand: Strand, tools: Gathered, format: Format, problem: str) -> str | None:
    """A better answer of the model; None when it has none."""
    try:
        reply = await ask_quietly(strand, tools, UserMessage(mending(problem), implicit=True))
    except ModelError as exc:
        log.warning("run %s: the answer could not be mended: %s", strand.ledger.request.id, exc)
        return None
    text = unfenced(reply.message.text)
    if await asyncio.to_thread(problem_in, format, text) is not None:
        return None
    return text
