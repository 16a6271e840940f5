"""The Messages API, answers: every legal stream comes to its deltas and one whole reply."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docker_agent.errors import ModelError
from docker_agent.events import ReasoningDelta, TextDelta
from docker_agent.messages import NO_USAGE, Finish, Opaque, Usage
from docker_agent.models.anthropic_request import MessagesSettings
from docker_agent.models.http import open_http
from tests.models.anthropic.asking import HI, TOOL_ASK, tell, told
from tests.models.talking import Pieces, Told
from tests.requirements import requirement
from tests.scripted.actions import Asked, Send
from tests.scripted.anthropic import Claude
from tests.scripted.anthropic_parts import new_block, ping, redacted, reject, sign, tokens
from tests.scripted.anthropic_render import in_messages_words
from tests.scripted.gate import Gate
from tests.scripted.heard import Model
from tests.scripted.parts import (
    answer,
    as_json,
    begin,
    call,
    comment,
    crlf,
    finish,
    hold,
    no_done,
    no_finish,
    raw,
    say,
    think,
    together,
    trailing,
)
from tests.scripted.render import render
from tests.scripted.steps import Reply

pytestmark = pytest.mark.anyio

SCRIPTED = Usage(11, 7)
"""What a scripted reply reports unless it is told otherwise."""


def thinking(text: str, signature: str) -> Opaque:
    """What is kept of a signed thought."""
    data = json.dumps({"thinking": text, "signature": signature}, separators=(",", ":"))
    return Opaque("anthropic", "thinking", data)


@dataclass(frozen=True, slots=True)
class Case:
    """A scripted reply and what must become of it; `calls` are names and arguments."""

    script: Reply
    text: str = ""
    reasoning: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    finish: Finish = "stop"
    usage: Usage = SCRIPTED
    opaque: tuple[Opaque, ...] = ()


def kind(text: str) -> Reply:
    """An event of any shape."""
    return raw(f"data: {text}\n\n".encode())


CASES: dict[str, Case] = {
    "text": Case(say("Hello"), "Hello"),
    "streamed text": Case(say("Hello", " ", "world\n"), "Hello world\n"),
    "any characters": Case(say("é", "\u2028", "😀", '"\\'), 'é\u2028😀"\\'),
    "two blocks of text": Case(say("a") + new_block() + say("b"), "ab"),
    "nothing but an end": Case(begin()),
    "pings and comments": Case(ping() + say("a") + ping() + comment() + say("b"), "ab"),
    "events and blocks of new kinds": Case(
        kind('{"type": "tea_time", "index": 7}')
        + kind('{"type": "content_block_start", "index": 90, "content_block": {"type": "tea"}}')
        + kind('{"type": "content_block_delta", "index": 90, "delta": {"type": "x", "text": "t"}}')
        + kind('{"type": "content_block_stop", "index": 90}')
        + say("a"),
        "a",
    ),
    "thinking": Case(
        think("h", "m") + sign("s1") + say("a"), "a", "hm", opaque=(thinking("hm", "s1"),)
    ),
    "thinking without a signature": Case(think("hm") + say("a"), "a", "hm"),
    "thinking that is not shown": Case(
        think("") + sign("s1") + say("a"), "a", opaque=(thinking("", "s1"),)
    ),
    "redacted thinking": Case(
        redacted("xyz") + say("a"), "a", opaque=(Opaque("anthropic", "redacted_thinking", "xyz"),)
    ),
    "thinking between": Case(
        think("h") + sign("s1") + say("a") + think("m") + sign("s2") + say("bc") + call("f"),
        "abc",
        "hm",
        (("f", "{}"),),
        opaque=(
            thinking("h", "s1"),
            thinking("m", "s2"),
            Opaque("anthropic", "layout", "o t1 o t2 c"),
        ),
    ),
    "one tool": Case(call("f", {"a": 1}, id="c1"), calls=(("f", '{"a": 1}'),)),
    "one tool in pieces": Case(
        say("Let me see.") + call("f", {"a": 12345}, pieces=9),
        "Let me see.",
        calls=(("f", '{"a": 12345}'),),
    ),
    "parallel tools": Case(
        call("f", {"a": 1}, pieces=3) + call("g", pieces=2), calls=(("f", '{"a": 1}'), ("g", "{}"))
    ),
    "a tool without arguments": Case(call("f", ""), calls=(("f", "{}"),)),
    "broken arguments stay as they are": Case(call("f", '{"a": '), calls=(("f", '{"a": '),)),
    "cut by length": Case(
        call("f", '{"a"') + finish("max_tokens"), calls=(("f", '{"a"'),), finish="length"
    ),
    "length": Case(say("a") + finish("max_tokens"), "a", finish="length"),
    "the window is full": Case(
        say("a") + finish("model_context_window_exceeded"), "a", finish="length"
    ),
    "refusal": Case(say("a") + finish("refusal"), "a", finish="content_filter"),
    "a stop sequence": Case(say("a") + finish("stop_sequence"), "a"),
    "a reason nobody knows": Case(say("a") + finish("tea_time"), "a"),
    "usage": Case(
        say("a") + tokens(3, 40, read=5, written=6, thinking=30),
        "a",
        usage=Usage(14, 40, cached=5, cache_write=6, reasoning=30),
    ),
    "lines end with CR LF": Case(say("a") + crlf(), "a"),
}

ODD: dict[str, Case] = {
    "no stop reason, text is there": Case(say("a") + no_finish(), "a", usage=Usage(11, 1)),
    "no stop reason, a call is there": Case(
        call("f") + no_finish(), calls=(("f", "{}"),), usage=Usage(11, 1)
    ),
    "no end of the message": Case(say("a") + no_done(), "a"),
    "a body that does not end": Case(say("a") + trailing(), "a"),
    "deltas without a start": Case(
        kind('{"type": "content_block_delta", "index": 0, "delta": {"thinking": "hm"}}')
        + kind('{"type": "content_block_delta", "index": 1, "delta": {"text": "a"}}')
        + kind('{"type": "message_delta", "delta": {"stop_reason": "end_turn"}}')
        + no_finish(),
        "a",
        "hm",
        usage=Usage(11, 1),
    ),
    "a block that is whole at its start": Case(
        kind(
            '{"type": "content_block_start", "index": 0, "content_block": '
            '{"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}}}'
        )
        + kind('{"type": "content_block_stop", "index": 0}'),
        calls=(("f", '{"a": 1}'),),
    ),
}


def check(told: Told, case: Case) -> None:
    """Everything a case says."""
    reply = told.reply
    assert (told.text, told.reasoning) == (case.text, case.reasoning)
    assert (reply.message.text, reply.message.reasoning) == (case.text, case.reasoning)
    assert told.calls == list(case.calls)
    finish = "tool_calls" if case.calls and case.finish == "stop" else case.finish
    assert (reply.finish, reply.usage) == (finish, case.usage)
    assert reply.message.opaque == case.opaque
    ids = [call.id for call in reply.message.calls]
    assert all(ids)
    assert len(set(ids)) == len(ids)


@requirement("models:anthropic:stream")
@pytest.mark.parametrize("case", [*CASES.values(), *ODD.values()], ids=[*CASES, *ODD])
async def test_a_stream_becomes_its_deltas_and_one_whole_reply(
    claude: Claude, model: Model, case: Case
) -> None:
    """agent-file.md §3.2.3, runtime.md §4.1: thinking apart, calls whole, the last usage."""
    model.script(case.script)
    check(await told(claude, model, TOOL_ASK), case)
    assert model.heard[0].body["stream"] is True


NOT_AS_JSON = ("events and blocks of new kinds", "broken arguments stay as they are")
WHOLE = {
    name: case
    for name, case in CASES.items()
    if name not in NOT_AS_JSON and case.finish != "length"
}


@requirement("models:anthropic:json")
@pytest.mark.parametrize("case", WHOLE.values(), ids=WHOLE)
async def test_a_whole_answer_to_a_request_for_a_stream_is_as_good(
    claude: Claude, model: Model, case: Case
) -> None:
    """models/anthropic.py: one message reads like one large event."""
    model.script(case.script + as_json())
    result = await told(claude, model, TOOL_ASK)
    check(result, case)
    assert len(result.batches) <= 1


@requirement("models:anthropic:stream")
async def test_usage_that_is_not_wanted_is_not_reported(claude: Claude, model: Model) -> None:
    """agent-file.md §2.7.1: track_usage false."""
    assert (await told(claude, model, track_usage=False)).reply.usage == NO_USAGE


@requirement("models:anthropic:batches")
async def test_what_one_read_brought_is_one_batch(claude: Claude, model: Model) -> None:
    """DESIGN.md §5: one read, one emit; nothing waits for more."""
    gate = Gate()
    model.script(together(think("c"), say("a", "b")) + hold(gate) + say("e"))
    result = await told(claude, model, into=Told(opens=gate))
    assert result.batches == [
        (ReasoningDelta("c"), TextDelta("a"), TextDelta("b")),
        (TextDelta("e"),),
    ]


@requirement("models:anthropic:connection")
async def test_the_connection_is_used_again_after_every_kind_of_end(
    claude: Claude, model: Model
) -> None:
    """DESIGN.md §5: the body is read past message_stop; one that never ends costs its
    connection."""
    model.script(say("a"), reject(400), say("a") + as_json(), say("a") + trailing())
    async with open_http() as http:
        config = MessagesSettings(f"{claude.url}/v1/messages", model.name)
        for number in range(5):
            if number == 1:
                with pytest.raises(ModelError):
                    await tell(http, config, HI, Told())
            else:
                assert (await tell(http, config, HI, Told())).text == "a"
    first, *others, last = [heard.connection for heard in model.heard]
    assert set(others) == {first}
    assert last != first


@requirement("models:anthropic:card")
async def test_a_reply_names_the_model_that_spoke(claude: Claude, model: Model) -> None:
    """models/port.py, Reply: the server's word for it, else the card's."""
    assert (await told(claude, model)).reply.model == model.name
    model.script(answer(200, b'{"type": "message", "content": [{"type": "text", "text": "a"}]}'))
    assert (await told(claude, model)).reply.model == "the-model"


texts = st.text(alphabet='a{}\n "é😀', max_size=8)
parts = st.one_of(
    st.lists(texts, max_size=3).map(lambda pieces: say(*pieces)),
    st.tuples(st.lists(texts, max_size=2), texts).map(
        lambda drawn: think(*drawn[0]) + sign(drawn[1])
    ),
    st.tuples(st.sampled_from("fgh"), texts, st.integers(0, 3)).map(
        lambda drawn: call(drawn[0], drawn[1], pieces=drawn[2])
    ),
    texts.map(redacted),
    st.sampled_from([ping(), comment(), new_block()]),
)
habits = st.lists(
    st.sampled_from(
        [crlf(), no_done(), finish("max_tokens", "end"), finish("refusal"), tokens(3, 4, read=1)]
    ),
    max_size=3,
)
replies = st.tuples(st.lists(parts, max_size=5), habits).map(
    lambda drawn: sum((*drawn[0], *drawn[1]), Reply())
)


def stream_of(reply: Reply) -> bytes:
    """The body of a scripted reply."""
    asked = Asked("m", 0, stream=True, include_usage=True)
    actions = render(in_messages_words(reply, asked), asked)
    return b"".join(action.data for action in actions if isinstance(action, Send))


@requirement("models:anthropic:law")
@settings(max_examples=200, deadline=None)
@given(replies, st.lists(st.integers(0, 4000), max_size=10), st.booleans())
async def test_how_a_stream_is_cut_changes_nothing(
    reply: Reply, cuts: list[int], one_by_one: bool
) -> None:
    """DESIGN.md §5: the same reply and the same text from any reads; the deltas are the reply."""
    stream = stream_of(reply)
    cuts = list(range(len(stream))) if one_by_one and len(stream) < 3000 else cuts
    places = [0, *sorted(min(place, len(stream)) for place in cuts), len(stream)]
    config = MessagesSettings("", "m")
    whole = await tell(Pieces([stream]), config, TOOL_ASK, Told())
    pieces = [stream[start:end] for start, end in pairwise(places)]
    cut = await tell(Pieces(pieces), config, TOOL_ASK, Told())
    for one in (whole, cut):
        assert one.text == one.reply.message.text
        assert one.reasoning == one.reply.message.reasoning
    assert cut.calls == whole.calls
    assert cut.reply.message.opaque == whole.reply.message.opaque
    assert (cut.text, cut.reasoning) == (whole.text, whole.reasoning)
    assert (cut.reply.finish, cut.reply.usage) == (whole.reply.finish, whole.reply.usage)
