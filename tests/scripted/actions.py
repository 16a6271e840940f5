"""What can happen on the socket, and what decides it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.scripted.gate import Gate
from tests.scripted.steps import (
    Answer,
    Cuts,
    DieAfter,
    Finish,
    Style,
    UsageReport,
)

CREATED = 1763812345
LONG = 86400.0
"""Seconds; in a test as good as for ever."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What of a request decides the shape of its answer. `number` counts the model's requests."""

    model: str
    number: int
    stream: bool
    include_usage: bool

    @property
    def id(self) -> str:
        """The id of the completion."""
        return f"chatcmpl-{self.model}-{self.number}"


@dataclass(frozen=True, slots=True)
class Head:
    """Status and headers; `length` None: chunked, or until the connection closes."""

    status: int
    headers: tuple[tuple[str, str], ...]
    length: int | None = None
    chunked: bool = False


@dataclass(frozen=True, slots=True)
class Send:
    """Bytes of body in one write; `last` ends the body."""

    data: bytes
    last: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait for a gate, or so many seconds."""

    on: Gate | float


@dataclass(frozen=True, slots=True)
class HangUp:
    """Close the socket; `clean` after a whole reply, `reset` with RST."""

    reset: bool = False
    clean: bool = False


Action = Head | Send | Wait | HangUp


@dataclass(slots=True)
class Settings:
    """The settings of a reply, gathered."""

    finish: Finish | None = None
    usage: UsageReport | None = None
    styles: set[Style] = field(default_factory=set[Style])
    headers: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    cuts: Cuts | None = None
    death: DieAfter | None = None

    def ending(self, called: bool) -> tuple[str, str]:
        """The finish reason and the text beside it."""
        if self.finish is not None:
            return self.finish.reason, self.finish.text
        return ("tool_calls" if called else "stop"), ""


def answered(step: Answer) -> Iterator[Action]:
    """A whole answer of known length."""
    yield Head(step.status, step.headers, length=len(step.body))
    yield Send(step.body, last=True)
