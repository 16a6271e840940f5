"""Responses, answers: whatever came, and however it was cut, it comes to the same whole reply."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docker_agent.errors import ModelError
from docker_agent.events import ReasoningDelta, TextDelta
from docker_agent.messages import JSON, NO_USAGE, Opaque
from docker_agent.models.http import open_http
from docker_agent.models.openai_responses import ResponsesSettings
from docker_agent.models.openai_responses_messages import input_items, origin_of
from docker_agent.models.port import Ask
from tests.models.responses.asking import ORIGIN, tell, told
from tests.models.responses.cases import ANSWERS, STREAMS, Case
from tests.models.talking import HI, TOOLS, Pieces, Told
from tests.requirements import requirement
from tests.scripted.actions import Asked, Send
from tests.scripted.gate import Gate
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import (
    answer,
    as_json,
    call,
    comment,
    crlf,
    finish,
    hold,
    no_finish,
    refuse,
    say,
    think,
    together,
    trailing,
    usage,
)
from tests.scripted.render import render
from tests.scripted.responses import RESPONSES, encrypted, new_message
from tests.scripted.steps import Reply

pytestmark = pytest.mark.anyio

TOOL_ASK = Ask(HI.messages, TOOLS)
EVERY = {**ANSWERS, **STREAMS}


def check(told: Told, case: Case, origin: str) -> None:
    """Everything a case says."""
    reply = told.reply
    assert (told.text, told.reasoning) == (case.text, case.reasoning)
    assert (reply.message.text, reply.message.reasoning) == (case.text, case.reasoning)
    assert told.calls == list(case.calls)
    finish = "tool_calls" if case.calls and case.finish == "stop" else case.finish
    assert (reply.finish, reply.usage) == (finish, case.usage)
    ids = tuple(call.id for call in reply.message.calls)
    assert all(ids)
    assert case.ids in (None, ids)
    assert [_of(one, origin) for one in case.opaque] == list(reply.message.opaque)


def _of(opaque: Opaque, origin: str) -> Opaque:
    fields = msgspec.json.decode(opaque.data)
    data = msgspec.json.encode({**fields, "origin": origin}).decode()
    return msgspec.structs.replace(opaque, data=data)


@requirement("models:responses:answers")
@pytest.mark.parametrize("case", EVERY.values(), ids=EVERY.keys())
async def test_every_stream_becomes_one_reply(scripted: Scripted, model: Model, case: Case) -> None:
    """agent-file.md §3.2.1, runtime.md §4.1: text, reasoning, calls, finish and usage."""
    model.script(case.script)
    heard = await told(scripted, model, TOOL_ASK)
    check(heard, case, origin_of(f"{scripted.url}/responses", model.name))


@requirement("models:responses:answers")
@pytest.mark.parametrize("case", ANSWERS.values(), ids=ANSWERS.keys())
async def test_a_response_that_is_no_stream_reads_alike(
    scripted: Scripted, model: Model, case: Case
) -> None:
    """models/openai_responses.py: some servers do not stream."""
    model.script(case.script + as_json())
    heard = await told(scripted, model, TOOL_ASK)
    check(heard, case, origin_of(f"{scripted.url}/responses", model.name))


@requirement("models:responses:batches")
async def test_what_one_read_brought_is_one_batch(scripted: Scripted, model: Model) -> None:
    """DESIGN.md §5: one read, one emit; nothing waits for more."""
    gate = Gate()
    model.script(together(think("a", "b"), say("c", "d")) + hold(gate) + say("e"))
    result = await told(scripted, model, into=Told(opens=gate))
    assert result.batches == [
        (ReasoningDelta("a"), ReasoningDelta("b"), TextDelta("c"), TextDelta("d")),
        (TextDelta("e"),),
    ]


@requirement("models:responses:batches")
async def test_a_slow_first_byte_is_waited_for(scripted: Scripted, model: Model) -> None:
    """agent-file.md §3.10: no total timeout; what comes late comes whole."""
    gate = Gate()
    model.script(hold(gate) + say("late"))
    call = asyncio.create_task(told(scripted, model))
    await gate.await_reached()
    gate.open()
    assert (await call).text == "late"


@requirement("models:responses:connection")
async def test_the_connection_is_used_again_after_every_kind_of_end(
    scripted: Scripted, model: Model
) -> None:
    """DESIGN.md §5: the body is read past its last event; one that never ends costs its
    connection."""
    model.script(say("a"), answer(400, b"{}"), say("a") + as_json(), say("a") + trailing())
    async with open_http() as http:
        config = ResponsesSettings(f"{scripted.url}/responses", model.name)
        for number in range(5):
            if number == 1:
                with pytest.raises(ModelError):
                    await tell(http, config, HI, Told())
            else:
                assert (await tell(http, config, HI, Told())).text == "a"
    first, *others, last = [heard.connection for heard in model.heard]
    assert set(others) == {first}
    assert last != first


@requirement("models:responses:answers")
async def test_usage_nobody_wants_is_not_told(scripted: Scripted, model: Model) -> None:
    """agent-file.md §2.7.1: `track_usage: false` reports none; this API sends it always."""
    assert (await told(scripted, model, track_usage=False)).reply.usage == NO_USAGE


@requirement("models:responses:answers")
async def test_a_reply_names_the_model_that_spoke(scripted: Scripted, model: Model) -> None:
    """models/port.py, Reply: the server's word for it, else the card's."""
    assert (await told(scripted, model)).reply.model == model.name
    model.script(answer(200, b'{"output": []}'))
    assert (await told(scripted, model)).reply.model == "the-model"


texts = st.text(alphabet='ab{}\n "é😀', max_size=6)
parts = st.one_of(
    st.lists(texts, max_size=3).map(lambda pieces: say(*pieces)),
    st.lists(texts, max_size=2).map(lambda pieces: think(*pieces)),
    st.lists(texts, max_size=2).map(lambda pieces: think(*pieces, key="reasoning")),
    texts.map(refuse),
    st.tuples(texts, st.lists(texts, max_size=2)).map(
        lambda drawn: encrypted(f"b{drawn[0]}", *drawn[1])
    ),
    st.tuples(st.sampled_from("fg"), texts, st.integers(0, 3)).map(
        lambda drawn: call(drawn[0], drawn[1], pieces=drawn[2])
    ),
    st.just(comment()),
    st.just(new_message()),
)
habits = st.lists(
    st.sampled_from(
        [crlf(), no_finish(), finish("length", "end"), finish("stop", ""), usage(3, 4, cached=1)]
    ),
    max_size=3,
)
replies = st.tuples(st.lists(parts, min_size=1, max_size=5), habits).map(
    lambda drawn: sum((*drawn[0], *drawn[1]), Reply())
)


def stream_of(reply: Reply) -> bytes:
    """The body of a scripted reply."""
    asked = Asked("m", 0, stream=True, include_usage=True)
    actions = render(reply, asked, RESPONSES)
    return b"".join(action.data for action in actions if isinstance(action, Send))


async def outcome(stream: list[bytes]) -> tuple[Told, ModelError | None]:
    """What came of a stream, and how it failed."""
    heard = Told()
    try:
        return await tell(Pieces(stream), ResponsesSettings("", "m"), TOOL_ASK, heard), None
    except ModelError as exc:
        return heard, exc


@requirement("models:responses:law")
@settings(max_examples=200, deadline=None)
@given(replies, st.lists(st.integers(0, 9000), max_size=10), st.booleans())
async def test_how_a_stream_is_cut_changes_nothing(
    reply: Reply, cuts: list[int], one_by_one: bool
) -> None:
    """DESIGN.md §5: the same reply and the same text from any reads; the deltas are the reply."""
    stream = stream_of(say("x") + reply)
    cuts = list(range(len(stream))) if one_by_one and len(stream) < 6000 else cuts
    places = [0, *sorted(min(place, len(stream)) for place in cuts), len(stream)]
    whole, failed = await outcome([stream])
    cut, failed_too = await outcome([stream[start:end] for start, end in pairwise(places)])
    assert str(failed) == str(failed_too)
    assert (cut.text, cut.reasoning) == (whole.text, whole.reasoning)
    if failed is None:
        assert cut.reply == whole.reply
        assert (whole.text, whole.reasoning) == (
            whole.reply.message.text,
            whole.reply.message.reasoning,
        )


@requirement("models:responses:law")
@settings(max_examples=200, deadline=None)
@given(replies, st.integers(0, 20_000))
async def test_a_stream_that_ends_early_tells_nothing_else(reply: Reply, length: int) -> None:
    """runtime.md §4.2: what was shown is the beginning of the whole; no half call is taken for
    one."""
    stream = stream_of(say("x") + reply)
    whole, _ = await outcome([stream])
    early, failed = await outcome([stream[:length]])
    assert whole.text.startswith(early.text)
    assert whole.reasoning.startswith(early.reasoning)
    if failed is None and whole.answer is not None:
        assert early.calls == whole.calls[: len(early.calls)]


steps = st.lists(
    st.one_of(
        st.tuples(st.just("reasoning"), st.integers(0, 9).map(str)),
        st.tuples(st.just("message"), st.text("ab", min_size=1, max_size=3)),
        st.tuples(st.just("function_call"), st.sampled_from("fg")),
    ),
    max_size=8,
)
WRITTEN: Mapping[str, Callable[[str], Reply]] = {
    "reasoning": lambda what: encrypted(what, id=f"rs_{what}"),
    "message": lambda what: new_message() + say(what),
    "function_call": lambda what: call(what, id=what),
}


def segments(said: Iterable[tuple[str, str]]) -> list[tuple[str, str, list[str]]]:
    """What stands after each reasoning: its name, the text and the calls up to the next."""
    parts: list[tuple[str, str, list[str]]] = [("", "", [])]
    for kind, what in said:
        name, text, calls = parts[-1]
        if kind == "reasoning":
            parts.append((what, "", []))
        elif kind == "message":
            parts[-1] = (name, text + what.replace("\n", ""), calls)
        else:
            calls.append(what)
    while parts and not (parts[-1][1] or parts[-1][2]):
        parts.pop()
    return parts


def named(item: JSON) -> tuple[str, str]:
    """An item's kind and what tells it from others."""
    match item["type"]:
        case "message":
            return "message", item["content"][0]["text"]
        case "reasoning":
            return "reasoning", item["encrypted_content"]
        case _:
            return item["type"], item["name"]


@requirement("models:responses:law")
@settings(max_examples=200, deadline=None)
@given(steps)
async def test_what_was_thought_is_replayed_where_it_stood(said: list[tuple[str, str]]) -> None:
    """agent-file.md §3.2.3: the API refuses reasoning away from what followed it."""
    script = sum((WRITTEN[kind](what) for kind, what in said), Reply())
    heard, failed = await outcome([stream_of(script)])
    assert failed is None
    items = input_items((heard.reply.message,), ORIGIN)
    replayed = [named(item) for item in items if item["type"] != "function_call_output"]
    assert segments(replayed) == segments(said)
