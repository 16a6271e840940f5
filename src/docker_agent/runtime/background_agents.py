"""Sub-agents that work beside the run that gave them a task, until it ends. Source: runtime.md
§11.6."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from docker_agent.errors import ToolError
from docker_agent.events import AgentSwitched, Event, ReasoningDelta, Source, TextDelta
from docker_agent.runtime import moments
from docker_agent.runtime.beside import Beside
from docker_agent.runtime.delegation import check_depth, check_sub_agent, child_of, last_words
from docker_agent.runtime.strand import RunFailed, Strand
from docker_agent.tools.port import AgentTask

MAX_RUNNING = 20
MAX_KEPT = 100
"""Tasks of one run that work at once, and that there may be at all (runtime.md §11.6)."""

STOPPING = 2.0
"""Seconds that a task which is stopped gets to end what it has started."""


class BackgroundAgents:
    """The tasks of a run, as the tools of one strand see them. Implements `AgentTasks`."""

    __slots__ = ("_strand",)

    def __init__(self, strand: Strand) -> None:
        self._strand = strand

    def start(self, agent: str, task: str, expected_output: str) -> AgentTask:
        strand, ledger = self._strand, self._strand.ledger
        check_sub_agent(strand.agent, "run background agent", agent)
        check_depth(strand)
        running = sum(each.status == "running" for each in ledger.beside.values())
        if running >= MAX_RUNNING:
            raise ToolError(f"{MAX_RUNNING} tasks are running already; wait for one, or stop one")
        if len(ledger.beside) >= MAX_KEPT:
            raise ToolError(
                f"this request has already started {MAX_KEPT} tasks; do the task yourself"
            )
        record = Beside(f"agent_task_{ledger.request.id[-8:]}_{len(ledger.beside) + 1}", agent)
        child = child_of(strand, agent, task, expected_output, record.id)
        child.listener = _Listener(child, record).hear
        ledger.beside[record.id] = record
        record.work = ledger.begin(_work(strand, child, record))
        return record.seen()

    def all(self) -> Sequence[AgentTask]:
        return [each.seen() for each in self._strand.ledger.beside.values()]

    async def look(self, id: str, wait: float) -> AgentTask:
        record = self._record(id)
        if record.work is not None and wait > 0:
            await asyncio.wait({record.work}, timeout=wait)
        return record.seen()

    async def stop(self, id: str) -> AgentTask:
        record = self._record(id)
        if record.work is None or record.status != "running":
            raise ToolError(f"task {id} is not running; its status is {record.status}")
        record.work.cancel()
        await asyncio.wait({record.work}, timeout=STOPPING)
        record.end("stopped")
        return record.seen()

    def _record(self, id: str) -> Beside:
        record = self._strand.ledger.beside.get(id)
        if record is None:
            raise ToolError(f"task not found: {id}")
        return record


async def _work(parent: Strand, child: Strand, record: Beside) -> None:
    """Run a child to its end, and take note of what it came to."""
    status, text = "stopped", None
    try:
        await child.tell(AgentSwitched(child.agent.name, "background_agent"))
        await child.ledger.advance(child)
        status, text = "completed", last_words(child)
    except RunFailed as exc:
        status, text = "failed", exc.failure.message
    except Exception:
        status, text = "failed", "internal error"
        raise
    finally:
        record.end(status, text)
    await moments.child_ended(parent, child.agent, record.output, is_error=status == "failed")


class _Listener:
    """Hears a child and the sub-agents below it: their text is the task's output, and nobody
    else's."""

    __slots__ = ("_depth", "_emit", "_record")

    def __init__(self, child: Strand, record: Beside) -> None:
        self._emit = child.emit
        self._depth = child.depth
        self._record = record

    async def hear(self, source: Source, events: tuple[Event, ...]) -> None:
        """An `Emit`."""
        if source.depth == self._depth:
            for event in events:
                if isinstance(event, TextDelta):
                    self._record.hear(event.text)
        others = tuple(
            event for event in events if not isinstance(event, TextDelta | ReasoningDelta)
        )
        if others:
            await self._emit(source, others)
