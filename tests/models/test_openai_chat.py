"""Chat Completions, answers: every habit of every server comes to the same whole reply."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docker_agent.errors import ModelError
from docker_agent.events import ReasoningDelta, TextDelta
from docker_agent.models.http import open_http
from docker_agent.models.openai_chat import ChatSettings
from docker_agent.models.port import Ask
from tests.models.chat_cases import ANY_FORM, EVERY, Case, bare_call
from tests.models.talking import HI, TOOLS, Pieces, Told, tell, told
from tests.requirements import requirement
from tests.scripted.actions import Asked, Send
from tests.scripted.gate import Gate
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import (
    answer,
    as_json,
    call,
    call_piece,
    comment,
    crlf,
    finish,
    hold,
    no_done,
    no_finish,
    refuse,
    say,
    think,
    together,
    trailing,
    usage,
)
from tests.scripted.render import render
from tests.scripted.steps import Reply

pytestmark = pytest.mark.anyio

TOOL_ASK = Ask(HI.messages, TOOLS)


def check(told: Told, case: Case) -> None:
    """Everything a case says."""
    reply = told.reply
    assert (told.text, told.reasoning) == (case.text, case.reasoning)
    assert (reply.message.text, reply.message.reasoning) == (case.text, case.reasoning)
    assert told.calls == list(case.calls)
    finish = "tool_calls" if case.calls and case.finish == "stop" else case.finish
    assert (reply.finish, reply.usage) == (finish, case.usage)
    ids = [call.id for call in reply.message.calls]
    assert all(ids)
    assert len(set(ids)) == len(ids)
    assert case.ids is None or tuple(ids) == case.ids


@requirement("models:chat:stream")
@pytest.mark.parametrize("case", EVERY.values(), ids=EVERY.keys())
async def test_a_stream_becomes_its_deltas_and_one_whole_reply(
    scripted: Scripted, model: Model, case: Case
) -> None:
    """runtime.md §4.1: read to the end, content before finish, the last usage."""
    model.script(case.script)
    result = await told(scripted, model, TOOL_ASK if case.tools else HI)
    check(result, case)
    assert model.heard[0].body["stream"] is True


@requirement("models:chat:json")
@pytest.mark.parametrize("case", ANY_FORM.values(), ids=ANY_FORM.keys())
async def test_a_whole_answer_to_a_request_for_a_stream_is_as_good(
    scripted: Scripted, model: Model, case: Case
) -> None:
    """models/openai_chat.py: servers differ; one completion reads like one large chunk."""
    model.script(case.script + as_json())
    result = await told(scripted, model, TOOL_ASK if case.tools else HI)
    check(result, case)
    assert len(result.batches) <= 1


@requirement("models:chat:json")
async def test_an_answer_of_another_shape_is_read_as_far_as_it_goes(
    scripted: Scripted, model: Model
) -> None:
    """models/openai_chat.py: calls without index, the content type with a charset."""
    message = {"content": "a", "tool_calls": [bare_call("f", {"a": 1}), bare_call("g")]}
    body = json.dumps({"choices": [{"message": message}]}).encode()
    model.script(answer(200, body, content_type="Application/JSON; charset=x"))
    result = await told(scripted, model, TOOL_ASK)
    assert (result.text, result.calls) == ("a", [("f", '{"a":1}'), ("g", "{}")])


@requirement("models:chat:batches")
async def test_what_one_read_brought_is_one_batch(scripted: Scripted, model: Model) -> None:
    """DESIGN.md §5: one read, one emit; nothing waits for more."""
    gate = Gate()
    model.script(together(say("a", "b"), think("c"), say("d")) + hold(gate) + say("e"))
    result = await told(scripted, model, into=Told(opens=gate))
    assert result.batches == [
        (TextDelta("a"), TextDelta("b"), ReasoningDelta("c"), TextDelta("d")),
        (TextDelta("e"),),
    ]


@requirement("models:chat:connection")
async def test_the_connection_is_used_again_after_every_kind_of_end(
    scripted: Scripted, model: Model
) -> None:
    """DESIGN.md §5: the body is read past [DONE]; one that never ends costs its connection."""
    bad = answer(400, b"{}")
    model.script(say("a"), bad, say("a") + as_json(), say("a") + no_done(), say("a") + trailing())
    async with open_http() as http:
        config = ChatSettings(f"{scripted.url}/chat/completions", model.name)
        for number in range(6):
            if number == 1:
                with pytest.raises(ModelError):
                    await tell(http, config, HI, Told())
            else:
                assert (await tell(http, config, HI, Told())).text == "a"
    first, *others, last = [heard.connection for heard in model.heard]
    assert set(others) == {first}
    assert last != first


@requirement("models:chat:card")
async def test_a_reply_names_the_model_that_spoke(scripted: Scripted, model: Model) -> None:
    """models/port.py, Reply: the server's word for it, else the card's."""
    assert (await told(scripted, model)).reply.model == model.name
    model.script(answer(200, b'{"choices": [{"message": {"content": "a"}}]}'))
    assert (await told(scripted, model)).reply.model == "the-model"


texts = st.text(alphabet='a<tool_cal>/{}\n "é😀', max_size=8)
parts = st.one_of(
    st.lists(texts, max_size=3).map(lambda pieces: say(*pieces)),
    st.lists(texts, max_size=2).map(lambda pieces: think(*pieces)),
    texts.map(refuse),
    st.tuples(st.sampled_from("fgh"), texts, st.integers(0, 3)).map(
        lambda drawn: call(drawn[0], drawn[1], pieces=drawn[2])
    ),
    st.tuples(st.integers(0, 2), texts).map(
        lambda drawn: call_piece(drawn[0], drawn[1], id=f"i{drawn[0]}", name="f")
    ),
    st.just(comment()),
    st.sampled_from(
        [
            say('<tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call>'),
            say('<tool_call>{"name": "x", "arguments": {}}</tool_call>', "after"),
        ]
    ),
)
habits = st.lists(
    st.sampled_from(
        [
            crlf(),
            no_done(),
            no_finish(),
            finish("length", "end"),
            finish("stop", ""),
            usage(3, 4, cached=1, where="with_finish"),
        ]
    ),
    max_size=3,
)
replies = st.tuples(st.lists(parts, min_size=1, max_size=5), habits).map(
    lambda drawn: sum((*drawn[0], *drawn[1]), Reply())
)


def stream_of(reply: Reply) -> bytes:
    """The body of a scripted reply."""
    asked = Asked("m", 0, stream=True, include_usage=True)
    return b"".join(action.data for action in render(reply, asked) if isinstance(action, Send))


async def outcome(stream: list[bytes]) -> tuple[Told, ModelError | None]:
    """What came of a stream, and how it failed."""
    heard = Told()
    try:
        return await tell(Pieces(stream), ChatSettings("", "m"), TOOL_ASK, heard), None
    except ModelError as exc:
        return heard, exc


@requirement("models:chat:law")
@settings(max_examples=250, deadline=None)
@given(replies, st.lists(st.integers(0, 4000), max_size=10), st.booleans())
async def test_how_a_stream_is_cut_changes_nothing(
    reply: Reply, cuts: list[int], one_by_one: bool
) -> None:
    """DESIGN.md §5: the same reply and the same text from any reads; the deltas are the reply."""
    stream = stream_of(say("x") + reply)
    cuts = list(range(len(stream))) if one_by_one and len(stream) < 3000 else cuts
    places = [0, *sorted(min(place, len(stream)) for place in cuts), len(stream)]
    whole, failed = await outcome([stream])
    cut, failed_too = await outcome([stream[start:end] for start, end in pairwise(places)])
    assert str(failed) == str(failed_too)
    assert (cut.text, cut.reasoning) == (whole.text, whole.reasoning)
    if failed is not None:
        assert "inside a tool call" in str(failed)
        return
    for one in (whole, cut):
        assert one.text == one.reply.message.text
        assert one.reasoning == one.reply.message.reasoning
    assert cut.calls == whole.calls
    assert (cut.reply.finish, cut.reply.usage) == (whole.reply.finish, whole.reply.usage)
