"""Gemini, answers: every stream comes to the same whole reply, however it is cut."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docker_agent.errors import ModelError
from docker_agent.events import ReasoningDelta, TextDelta
from docker_agent.models.gemini_config import GeminiSettings
from docker_agent.models.gemini_turn import replayed
from docker_agent.models.http import open_http
from tests.models.gemini.asking import HI, TOOL_ASK, settings_for, tell, told
from tests.models.gemini.cases import EVERY, Case
from tests.models.talking import Pieces, Told
from tests.requirements import requirement
from tests.scripted.gate import Gate
from tests.scripted.gemini import GeminiServer
from tests.scripted.gemini_parts import call, call_part, done, parts, say, think
from tests.scripted.heard import Model
from tests.scripted.parts import answer, comment, hold, raw, together
from tests.scripted.steps import Raw, Reply

pytestmark = pytest.mark.anyio


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


@requirement("models:gemini:stream")
@pytest.mark.parametrize("case", EVERY.values(), ids=EVERY.keys())
async def test_a_stream_becomes_its_deltas_and_one_whole_reply(
    gemini: GeminiServer, second: Model, case: Case
) -> None:
    """runtime.md §4.1: read to the end, content before finish, the last usage."""
    second.script(case.script)
    check(await told(gemini, second, TOOL_ASK), case)


@requirement("models:gemini:stream")
async def test_an_answer_that_is_no_stream_is_as_good(gemini: GeminiServer, second: Model) -> None:
    """models/gemini.py: one object, or a list of what would be events."""
    one = {"candidates": [{"content": {"parts": [{"text": "a"}]}, "finishReason": "MAX_TOKENS"}]}
    for body in (one, [one], [{"candidates": [{"content": {"parts": [{"text": ""}]}}]}, one]):
        second.script(answer(200, json.dumps(body).encode()))
        result = await told(gemini, second)
        assert (result.text, result.reply.finish) == ("a", "length")
        assert len(result.batches) == 1


@requirement("models:gemini:stream")
async def test_what_one_read_brought_is_one_batch(gemini: GeminiServer, second: Model) -> None:
    """DESIGN.md §5: one read, one emit; nothing waits for more, not even the first byte."""
    gate = Gate()
    second.script(together(say("a", "b"), think("c"), say("d")) + hold(gate) + say("e") + done())
    result = await told(gemini, second, into=Told(opens=gate))
    assert result.batches == [
        (TextDelta("a"), TextDelta("b"), ReasoningDelta("c"), TextDelta("d")),
        (TextDelta("e"),),
    ]


@requirement("models:gemini:stream")
async def test_the_connection_is_used_again(gemini: GeminiServer, second: Model) -> None:
    """DESIGN.md §5: every body is read to its end, an error's too."""
    second.script(say("a") + done(), answer(400, b"{}"), say("a"), say("a") + done())
    async with open_http() as http:
        config = settings_for(gemini, second)
        for number in range(4):
            if number == 1:
                with pytest.raises(ModelError):
                    await tell(http, config, HI, Told())
            else:
                assert (await tell(http, config, HI, Told())).text == "a"
    assert len({heard.connection for heard in second.heard}) == 1


@requirement("models:gemini:stream")
async def test_a_reply_names_the_model_that_spoke(gemini: GeminiServer, second: Model) -> None:
    """models/port.py, Reply: the server's word for it, else the card's."""
    assert (await told(gemini, second)).reply.model == "scripted-001"
    second.script(answer(200, b'{"candidates": [{"content": {"parts": [{"text": "a"}]}}]}'))
    assert (await told(gemini, second)).reply.model == "the-model"


texts = st.text(alphabet='a{}:d\n "é😀', max_size=8)
signatures = st.one_of(st.none(), st.sampled_from(["c2ln", "eA=="]))
pieces = st.one_of(
    st.tuples(texts, signatures).map(lambda drawn: say(drawn[0], signature=drawn[1])),
    st.tuples(texts, signatures).map(lambda drawn: think(drawn[0], signature=drawn[1])),
    st.tuples(st.sampled_from("fg"), texts, signatures).map(
        lambda drawn: call(drawn[0], {"a": drawn[1]}, signature=drawn[2])
    ),
    texts.map(lambda text: parts({"text": text}, call_part("g", id="c"))),
    texts.map(lambda text: parts({"executableCode": {"code": text}})),
    st.just(comment()),
    st.just(raw(b'data: {"usageMetadata": {"promptTokenCount": 3}}\n\n')),
)
endings = st.sampled_from([done(), done("MAX_TOKENS", text="end"), done("SAFETY"), Reply()])
replies = st.tuples(st.lists(pieces, min_size=1, max_size=6), endings).map(
    lambda drawn: sum(drawn[0], Reply()) + drawn[1]
)


@requirement("models:gemini:law")
@settings(max_examples=250, deadline=None)
@given(replies, st.lists(st.integers(0, 4000), max_size=10), st.booleans())
async def test_how_a_stream_is_cut_changes_nothing(
    reply: Reply, cuts: list[int], one_by_one: bool
) -> None:
    """DESIGN.md §5: the same reply and the same text from any reads; the deltas are the reply."""
    steps = (say("x") + reply).steps
    stream = b"".join(step.data for step in steps if isinstance(step, Raw))
    cuts = list(range(len(stream))) if one_by_one and len(stream) < 3000 else cuts
    places = [0, *sorted(min(place, len(stream)) for place in cuts), len(stream)]
    config = GeminiSettings("", "gemini-3-pro")
    whole = await tell(Pieces([stream]), config, TOOL_ASK, Told())
    cut = await tell(
        Pieces([stream[start:end] for start, end in pairwise(places)]), config, TOOL_ASK, Told()
    )
    for one in (whole, cut):
        assert one.text == one.reply.message.text
        assert one.reasoning == one.reply.message.reasoning
    assert cut.calls == whole.calls
    assert (cut.reply.finish, cut.reply.usage) == (whole.reply.finish, whole.reply.usage)
    assert _nameless(replayed(cut.reply.message)) == _nameless(replayed(whole.reply.message))


def _nameless(parts: list[dict[str, dict[str, object]]]) -> list[object]:
    """Parts to compare: ids that the API did not give are made up for each reply."""
    for part in parts:
        part.get("functionCall", {}).pop("id", None)
    return [*parts]
