"""The output of one response while it arrives: messages, reasoning and calls, in order. No I/O."""

from __future__ import annotations

import random

import msgspec

from docker_agent.events import Delta, ReasoningDelta, TextDelta
from docker_agent.messages import Opaque, ToolCall
from docker_agent.models.openai_responses_events import Item, Piece
from docker_agent.models.openai_responses_messages import Thought

BETWEEN = "\n\n"
"""Between two messages of one answer, and between two parts of a summary."""


class Arriving:
    """An item while it arrives. `before` are the characters of the answer's text that came before
    it, `part` the part of it that was shown last."""

    __slots__ = (
        "arguments",
        "before",
        "call_id",
        "closed",
        "encrypted",
        "id",
        "index",
        "name",
        "part",
        "shown",
        "summary",
        "type",
    )

    def __init__(self, index: int | None, id: str | None, before: int) -> None:
        self.index = index
        self.id = id
        self.before = before
        self.type = ""
        self.call_id = ""
        self.name = ""
        self.arguments = ""
        self.encrypted = ""
        self.summary: tuple[str, ...] = ()
        self.part: tuple[str, int] | None = None
        self.shown = False
        self.closed = False

    @property
    def is_call(self) -> bool:
        """Whether it is a call that can be made."""
        return self.type == "function_call" and bool(self.name)

    def learn(self, told: Item) -> None:
        """Take over what an event says of the whole item."""
        self.type = told.type or self.type
        self.id = told.id or self.id
        self.call_id = told.call_id or self.call_id
        self.name = told.name or self.name
        self.encrypted = told.encrypted_content or self.encrypted
        self.say_arguments(told.arguments)
        if told.summary:
            self.summary = tuple(words(piece) for piece in told.summary)

    def say_arguments(self, arguments: object) -> None:
        """The arguments of a call, whole; some servers send an object."""
        if isinstance(arguments, str):
            self.arguments = arguments or self.arguments
        elif arguments is not None:
            self.arguments = msgspec.json.encode(arguments).decode()


class Output:
    """All items so far, and what was said and thought in them."""

    __slots__ = ("_items", "_length", "_reasoning", "_text", "refused")

    def __init__(self) -> None:
        self._items: list[Arriving] = []
        self._text: list[str] = []
        self._length = 0
        self._reasoning: list[str] = []
        self.refused = False

    @property
    def text(self) -> str:
        """The answer."""
        return "".join(self._text)

    @property
    def reasoning(self) -> str:
        """The thinking, as far as it is shown."""
        return "".join(self._reasoning)

    def item(self, index: int | None, id: str | None) -> Arriving:
        """The item an event belongs to: by its place, else by its id, else a new one."""
        for item in reversed(self._items):
            if index is not None and item.index is not None:
                if item.index == index:
                    return item
            elif id and item.id == id:
                return item
        item = Arriving(index, id, self._length)
        self._items.append(item)
        return item

    def say(self, item: Arriving, text: str, deltas: list[Delta]) -> None:
        """A piece of a message; the first of a later message stands apart."""
        if not text:
            return
        if not item.shown:
            item.shown = True
            text = BETWEEN + text if self._length else text
        self._text.append(text)
        self._length += len(text)
        deltas.append(TextDelta(text))

    def think(self, item: Arriving, part: tuple[str, int], text: str, deltas: list[Delta]) -> None:
        """A piece of reasoning; the first of a later part stands apart."""
        if not text:
            return
        if item.part != part:
            item.part, item.shown = part, True
            text = BETWEEN + text if self._reasoning else text
        self._reasoning.append(text)
        deltas.append(ReasoningDelta(text))

    def close(self, item: Arriving, told: Item, deltas: list[Delta]) -> None:
        """An item is whole; what of it was not streamed is shown now."""
        item.learn(told)
        item.closed = True
        if item.shown:
            return
        if told.type == "message":
            pieces = told.content or ()
            self.refused = self.refused or any(piece.refusal for piece in pieces)
            self.say(item, "".join(words(piece) for piece in pieces), deltas)
        elif told.type == "reasoning":
            for name, pieces in (("summary", told.summary), ("content", told.content)):
                for number, piece in enumerate(pieces or ()):
                    self.think(item, (name, number), words(piece), deltas)

    def all_closed(self) -> bool:
        """Whether every call is whole."""
        return all(item.closed for item in self._items if item.is_call)

    def calls(self) -> tuple[ToolCall, ...]:
        """The calls, in order."""
        return tuple(
            ToolCall(
                item.call_id or f"call_{random.getrandbits(96):024x}", item.name, item.arguments
            )
            for item in self._items
            if item.is_call
        )

    def thoughts(self, origin: str) -> tuple[Opaque, ...]:
        """The encrypted reasoning, each with its place."""
        kept: list[Opaque] = []
        calls = 0
        for item in self._items:
            if item.is_call:
                calls += 1
            elif item.type == "reasoning" and item.encrypted and item.id:
                thought = Thought(origin, item.id, item.encrypted, item.summary, item.before, calls)
                kept.append(thought.opaque())
        return tuple(kept)


def words(piece: Piece) -> str:
    """What a part says."""
    return piece.text or piece.refusal or ""
