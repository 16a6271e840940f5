"""From a scripted reply to what happens on the socket; pure, one action after the other."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.scripted.actions import Action, Asked, HangUp, Send, Settings
from tests.scripted.steps import (
    Call,
    Cuts,
    Delta,
    DieAfter,
    Fields,
    Finish,
    Header,
    Manner,
    Merged,
    Paced,
    Reply,
    Step,
    Together,
    UsageReport,
)
from tests.scripted.stream import Stream
from tests.scripted.whole import whole

Form = Callable[[list[Step], Asked, Settings], Iterator[Action]]


@dataclass(frozen=True, slots=True)
class Wire:
    """How one API writes a reply: as an event stream, and as one JSON object."""

    stream: Form
    whole: Form


def _chat_stream(steps: list[Step], asked: Asked, settings: Settings) -> Iterator[Action]:
    return Stream(asked, settings).play(steps)


CHAT = Wire(_chat_stream, whole)


def render(reply: Reply, asked: Asked, wire: Wire = CHAT) -> Iterator[Action]:
    """All that happens, in order; endless for endless replies."""
    settings = Settings()
    steps = list(_number(_settle(reply.steps, settings), asked))
    stream = asked.stream and "as_json" not in settings.styles
    actions = (wire.stream if stream else wire.whole)(steps, asked, settings)
    if settings.cuts is not None:
        actions = _recut(actions, settings.cuts.sizes)
    if settings.death is not None:
        actions = _cut_short(actions, settings.death)
    yield from actions
    if "then_close" in settings.styles:
        yield HangUp(clean=True)


def _settle(steps: tuple[Step, ...], settings: Settings) -> Iterator[Step]:
    for step in steps:
        match step:
            case Finish():
                settings.finish = step
            case UsageReport():
                settings.usage = step
            case Manner():
                settings.styles.add(step.style)
            case Header():
                settings.headers.append((step.name, step.value))
            case Cuts():
                settings.cuts = step
            case DieAfter():
                settings.death = step
            case Paced():
                yield Paced(tuple(_settle(step.steps, settings)), step.per_second)
            case Together():
                yield Together(tuple(_settle(step.steps, settings)))
            case Merged():
                yield Merged(tuple(_settle(step.steps, settings)))
            case _:
                yield step


def _number(steps: Iterator[Step], asked: Asked) -> Iterator[Step]:
    """Calls become deltas, counted through the reply."""
    count = itertools.count()

    def each(some: Iterator[Step]) -> Iterator[Step]:
        for step in some:
            match step:
                case Call():
                    yield from _call(step, next(count), asked)
                case Paced():
                    yield Paced(tuple(each(iter(step.steps))), step.per_second)
                case Together():
                    yield Together(tuple(each(iter(step.steps))))
                case Merged():
                    yield _merge(tuple(each(iter(step.steps))))
                case _:
                    yield step

    return each(steps)


def _call(step: Call, number: int, asked: Asked) -> Iterator[Delta]:
    entry: Fields = {"index": number if step.index is None else step.index}
    if step.id is not None:
        made_up = f"call_{asked.model}_{asked.number}_{number}"
        entry["id"] = made_up if step.id == "auto" else step.id
    entry["type"] = "function"
    whole = {"name": step.name, "arguments": "" if step.pieces else step.arguments}
    yield Delta({"tool_calls": [entry | {"function": whole}]})
    size = -(-len(step.arguments) // step.pieces) if step.pieces else 0
    for start in range(0, len(step.arguments), size) if size else ():
        piece = {"arguments": step.arguments[start : start + size]}
        yield Delta({"tool_calls": [{"index": entry["index"], "function": piece}]})


def _merge(steps: tuple[Step, ...]) -> Delta:
    fields: Fields = {}
    for step in steps:
        if not isinstance(step, Delta):
            raise TypeError(f"{step} is no delta and cannot stand in one event with others")
        for key, value in step.fields.items():
            fields[key] = fields[key] + value if key in fields else value
    return Delta(fields)


def _recut(actions: Iterator[Action], sizes: tuple[int, ...]) -> Iterator[Action]:
    """The same bytes in writes of other sizes; what waits in between keeps its place."""
    turn = itertools.cycle(sizes)
    for action in actions:
        if not isinstance(action, Send):
            yield action
            continue
        start = 0
        while True:
            end = start + next(turn)
            last = end >= len(action.data)
            yield Send(action.data[start:end], action.last and last)
            if last:
                break
            start = end


def _cut_short(actions: Iterator[Action], death: DieAfter) -> Iterator[Action]:
    left = death.sent
    for action in actions:
        if isinstance(action, Send):
            if len(action.data) >= left:
                yield Send(action.data[:left])
                yield HangUp(death.reset)
                return
            left -= len(action.data)
        yield action
