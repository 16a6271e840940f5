"""What a client is shown of tools and sub-agents, when the operator wants it shown. Source:
chat-server.md §5, runtime.md §18.5.

By default nothing is: clients take `tool_calls` for work of their own. The other modes turn the
start and the end of a call, an agent switch or a sub-agent into one short line each.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Literal, get_args

import msgspec

from docker_agent.events import (
    AgentSwitched,
    Event,
    ReasoningDelta,
    Source,
    TextDelta,
    ToolFinished,
    ToolStarted,
)
from docker_agent.messages import Conversation, Message, ToolCall, shown_digest
from docker_agent.runtime.request import Outcome

Mode = Literal["off", "reasoning", "markdown", "status", "openai"]
MODES: tuple[Mode, ...] = get_args(Mode)

ARGUMENTS_SHOWN = 120
PROBLEM_SHOWN = 200
"""Characters of a call's arguments, and of what went wrong, that a line holds."""

TASKS = frozenset({"transfer_task", "background_agent"})
"""Reasons of a switch after which the agent before it goes on, too."""

_BLANK_LINE = "\n\n"


class StatusLine(msgspec.Struct, frozen=True):
    """A line for clients that show what goes on beside the answer (Open WebUI)."""

    description: str
    done: bool


class ShownCall(msgspec.Struct, frozen=True):
    """A call that the server runs itself, number `index` of the reply."""

    index: int
    call: ToolCall


Shown = Event | StatusLine | ShownCall
EmitShown = Callable[[Source, tuple[Shown, ...]], Awaitable[None]]
"""A reply's own `emit`: it takes what only clients see, too."""


class Line(msgspec.Struct, frozen=True):
    """One step: who takes it, what of it (in our words), what exactly (in those of a model or
    tool), and whether it has ended."""

    subject: str
    words: str = ""
    quoted: str = ""
    done: bool = False

    @property
    def text(self) -> str:
        """The line as plain text."""
        return " ".join(filter(None, (self.subject, self.words, self.quoted)))

    @property
    def markdown(self) -> str:
        """The line as a quotation, in which what others wrote is code."""
        quoted = "`" + self.quoted.replace("`", "'") + "`" if self.quoted else ""
        return "> " + " ".join(filter(None, (f"**{self.subject}**", self.words, quoted)))


def line_of(source: Source, event: Event) -> Line | None:
    """The line for an event; None for those that are not shown."""
    who = f"{source.agent}: " if source.depth else ""
    match event:
        case ToolStarted(call=call):
            arguments = _short(call.arguments, ARGUMENTS_SHOWN)
            return Line(who + call.name, quoted="" if arguments == "{}" else arguments)
        case ToolFinished(call=call, result=result):
            if result.is_error:
                problem = _short(result.text, PROBLEM_SHOWN)
                return Line(who + call.name, "failed:", problem, done=True)
            return Line(who + call.name, "done", done=True)
        case AgentSwitched(agent=agent, why=why):
            verb = "works on a task" if why in TASKS else "takes over"
            return Line(agent, verb)
        case _:
            return None


def _short(text: str, limit: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


class Activity:
    """One mode at work on one reply: an `Emit` in front of the reply's own.

    Everything goes through; what is to be seen of an event follows it as the entry agent's. A mode
    says what that is.
    """

    def __init__(self, emit: EmitShown) -> None:
        self._emit = emit
        self._said: list[str] = []
        self._apart = False

    async def emit(self, source: Source, events: tuple[Event, ...]) -> None:
        """An `Emit`."""
        if isinstance(events[0], TextDelta | ReasoningDelta):
            await self._emit(source, events if source.depth else self.heard(events))
            return
        await self._emit(source, events)
        for event in events:
            shown = self.shown(source, event)
            if shown is not None:
                await self._emit(msgspec.structs.replace(source, depth=0), (shown,))

    def heard(self, events: tuple[Event, ...]) -> tuple[Event, ...]:
        """Take note of the answer's own deltas; they may be changed."""
        return events

    def shown(self, source: Source, event: Event) -> Shown | None:
        """What a client sees of an event; None: nothing."""
        return None

    def outcome(self, outcome: Outcome, new: Sequence[Message]) -> Outcome:
        """The outcome as the client was shown it; `new` is what the run was asked."""
        return outcome

    def _set_apart(self, line: str) -> str:
        """The line with blank lines around it, remembered."""
        end = "".join(self._said[-2:])
        before = "" if not end or end.endswith(_BLANK_LINE) else _BLANK_LINE
        text = f"{before}{line}{_BLANK_LINE}"
        self._said.append(text)
        self._apart = True
        return text

    def _joined(
        self, events: tuple[Event, ...], kind: type[TextDelta | ReasoningDelta]
    ) -> tuple[Event, ...]:
        """What of this kind stands among our lines, remembered. A line ends with a blank line
        already, so the next turn's need not begin with one."""
        for index, event in enumerate(events):
            if isinstance(event, kind) and event.text:
                if self._apart:
                    self._apart = False
                    event = kind(event.text.removeprefix(_BLANK_LINE))
                    events = (*events[:index], event, *events[index + 1 :])
                self._said.append(event.text)
        return events


class Markdown(Activity):
    """Lines inside the answer. They belong to what the client was shown, so to the digest too."""

    def heard(self, events: tuple[Event, ...]) -> tuple[Event, ...]:
        return self._joined(events, TextDelta)

    def shown(self, source: Source, event: Event) -> Shown | None:
        line = line_of(source, event)
        return None if line is None else TextDelta(self._set_apart(line.markdown))

    def outcome(self, outcome: Outcome, new: Sequence[Message]) -> Outcome:
        text = "".join(self._said)
        conversation = outcome.conversation
        last = conversation.last
        if last is not None and last.digest:
            turn = msgspec.structs.replace(last, digest=shown_digest(new, text))
            conversation = Conversation((*conversation.turns[:-1], turn))
        return msgspec.structs.replace(outcome, text=text, conversation=conversation)


class Reasoning(Activity):
    """Lines among the model's thoughts."""

    def heard(self, events: tuple[Event, ...]) -> tuple[Event, ...]:
        return self._joined(events, ReasoningDelta)

    def shown(self, source: Source, event: Event) -> Shown | None:
        line = line_of(source, event)
        return None if line is None else ReasoningDelta(self._set_apart(line.text))

    def outcome(self, outcome: Outcome, new: Sequence[Message]) -> Outcome:
        return msgspec.structs.replace(outcome, reasoning="".join(self._said))


class Status(Activity):
    """Lines beside the answer, for clients that know how to show them."""

    def shown(self, source: Source, event: Event) -> Shown | None:
        line = line_of(source, event)
        return None if line is None else StatusLine(line.text, line.done)


class Calls(Activity):
    """Calls as entries of `tool_calls`, as the reference program shows them."""

    def __init__(self, emit: EmitShown) -> None:
        super().__init__(emit)
        self._count = 0

    def shown(self, source: Source, event: Event) -> Shown | None:
        if not isinstance(event, ToolStarted):
            return None
        self._count += 1
        return ShownCall(self._count - 1, event.call)


ACTIVITIES: Mapping[Mode, Callable[[EmitShown], Activity]] = {
    "reasoning": Reasoning,
    "markdown": Markdown,
    "status": Status,
    "openai": Calls,
}
