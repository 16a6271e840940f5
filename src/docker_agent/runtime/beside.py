"""What is known of one task that a sub-agent does beside its run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from docker_agent.tools.port import AgentStatus, AgentTask

MAX_OUTPUT = 10_000_000
"""Characters of one task's output that are kept (runtime.md §5.7)."""

TOO_LONG = "\n[The output is longer than 10 MB; the rest was dropped.]"


@dataclass(slots=True)
class Beside:
    """One task: `pieces` is what was said so far, `output` what it came to."""

    id: str
    agent: str
    clock: Callable[[], float] = time.monotonic
    status: AgentStatus = "running"
    output: str = ""
    pieces: list[str] = field(default_factory=list[str])
    length: int = 0
    work: asyncio.Task[None] | None = None
    started: float = field(init=False)
    ended: float | None = None

    def __post_init__(self) -> None:
        self.started = self.clock()

    def hear(self, text: str) -> None:
        """Keep a piece of text, as long as there is room."""
        room = MAX_OUTPUT - self.length
        if room <= 0:
            return
        if len(text) > room:
            text = text[:room] + TOO_LONG
        self.length += len(text)
        self.pieces.append(text)

    def end(self, status: AgentStatus, output: str | None = None) -> None:
        """It is over; without an `output`, what was said until now is it."""
        if self.ended is not None:
            return
        if output is None:
            output = "".join(self.pieces)
        elif len(output) > MAX_OUTPUT:
            output = output[:MAX_OUTPUT] + TOO_LONG
        self.status, self.output, self.ended = status, output, self.clock()
        self.pieces.clear()

    def seen(self) -> AgentTask:
        """How it stands now."""
        running = self.ended is None
        seconds = (self.clock() if self.ended is None else self.ended) - self.started
        output = "".join(self.pieces) if running else self.output
        return AgentTask(self.id, self.agent, self.status, seconds, output)
