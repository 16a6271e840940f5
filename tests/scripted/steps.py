"""The vocabulary of scripted replies as values; `parts.py` has the words that make them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from tests.scripted.gate import Gate

Fields = dict[str, Any]
Style = Literal[
    "crlf", "no_role", "no_finish", "no_done", "as_json", "until_close", "then_close", "trailing"
]


@dataclass(frozen=True, slots=True)
class Delta:
    """One event whose only choice has this delta."""

    fields: Fields


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call; `id` "auto" is made up, None is left out; `pieces` 0: all in one event."""

    name: str
    arguments: str
    id: str | None
    index: int | None
    pieces: int


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes put into the event stream as they are."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Hold:
    """Wait at a gate."""

    gate: Gate


@dataclass(frozen=True, slots=True)
class Paced:
    """Steps that come at a steady rate."""

    steps: tuple[Step, ...]
    per_second: float


@dataclass(frozen=True, slots=True)
class Together:
    """Events of these steps leave in one write."""

    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Merged:
    """Deltas of these steps stand in one event."""

    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """The same text event again and again; `count` None: for ever."""

    text: str
    count: int | None


@dataclass(frozen=True, slots=True)
class Begin:
    """Status, headers and role event leave now instead of with the first piece."""


@dataclass(frozen=True, slots=True)
class Die:
    """Close the socket in the middle of it all."""

    reset: bool


@dataclass(frozen=True, slots=True)
class StreamError:
    """An `error` object inside the stream; nothing but the end follows."""

    error: Fields


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer that is no event stream."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Finish:
    """The finish reason, and text that stands in the same event."""

    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class UsageReport:
    """The usage object and where in a stream it stands; None: nowhere."""

    usage: Fields | None
    where: Literal["after", "with_finish"]
    always: bool


@dataclass(frozen=True, slots=True)
class Manner:
    """One of the habits that differ between providers."""

    style: Style


@dataclass(frozen=True, slots=True)
class Header:
    """One more header of the answer."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Cuts:
    """The body leaves in pieces of these sizes in bytes, over and over."""

    sizes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DieAfter:
    """Close the socket after so many bytes of body."""

    sent: int
    reset: bool


Setting = Finish | UsageReport | Manner | Header | Cuts | DieAfter
Step = (
    Delta
    | Call
    | Raw
    | Hold
    | Paced
    | Together
    | Merged
    | Repeat
    | Begin
    | Die
    | StreamError
    | Answer
    | Setting
)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model does with one request."""

    steps: tuple[Step, ...] = ()

    def __add__(self, other: Reply) -> Reply:
        """First this, then that."""
        return Reply(self.steps + other.steps)


DEFAULT_USAGE = UsageReport(
    {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}, "after", always=False
)
"""Reported unless the reply says otherwise."""
