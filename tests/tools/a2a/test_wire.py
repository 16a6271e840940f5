"""What answers of agents elsewhere come to, and what is kept of them. Source: runtime.md §9.10."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest

from docker_agent.errors import ToolError
from docker_agent.tools import a2a_past
from docker_agent.tools.a2a_past import Past
from docker_agent.tools.a2a_wire import MAX_ANSWER, MAX_ID, Going
from docker_agent.tools.a2a_wire import Answer as WireAnswer
from docker_agent.tools.port import Draft
from tests.requirements import requirement
from tests.tools.a2a.scripted import CARD, OLD, WHOLE, agent, ask, event, status, text
from tests.tools.surroundings import around
from tests.tools.web_server import STREAM_HEAD, Answer, Heard

pytestmark = pytest.mark.anyio


def heard(answer: WireAnswer, result: Any) -> str:  # noqa: ANN401 - JSON
    """What of a result is new."""
    return answer.hear(json.dumps({"result": result}).encode())


def waiting(task: str, context: str = "ctx1") -> WireAnswer:
    """An answer whose task asks back."""
    answer = WireAnswer()
    news = status("input-required", "Which?", final=True)
    heard(answer, {**news, "taskId": task, "contextId": context})
    return answer


@requirement("a2a:hostile")
def test_an_answer_has_a_bound_over_all_its_events() -> None:
    """Many texts that fit one by one are too much together; one that is said again is not."""
    piece = "x" * (MAX_ANSWER // 4)
    same = WireAnswer()
    for _ in range(9):
        heard(same, text(piece, messageId="m"))
    assert len(same.text) == len(piece)
    many = WireAnswer()
    for number in range(4):
        heard(many, text(piece, messageId=str(number)))
    with pytest.raises(ToolError, match=f"more than {MAX_ANSWER} characters"):
        heard(many, text(piece, messageId="last"))


@requirement("a2a:stream")
def test_of_a_text_that_grows_the_rest_is_new() -> None:
    """The A2A specification: what comes again under its id takes the place of what was there."""
    answer = WireAnswer()
    news = [heard(answer, text(said, messageId="m")) for said in ("One", "One two", "Other")]
    assert (news, answer.text) == (["One", " two", "Other"], "Other")


@requirement("a2a:hostile")
def test_an_endless_id_is_none() -> None:
    """It would be kept with the conversation."""
    for length, kept in ((MAX_ID, "x" * MAX_ID), (MAX_ID + 1, "")):
        answer = WireAnswer()
        ids = {"taskId": "x" * length, "contextId": "x" * length}
        heard(answer, {**status("completed", final=True), **ids})
        assert (answer.task, answer.context) == (kept, kept)


@requirement("a2a:context")
def test_agents_of_one_team_stand_apart() -> None:
    """What one has said to an agent elsewhere, its colleague has not."""
    state = Draft()
    Past(state, "http://a.test", "root", "tool").keep(waiting("t1"))
    assert Past(state, "http://a.test", "root", "tool").going == Going("ctx1", "t1")
    assert Past(state, "http://a.test", "aide", "tool").going == Going()
    assert Past(state, "http://b.test", "root", "tool").going == Going()


@requirement("a2a:context")
def test_few_waiting_tasks_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest is forgotten; its tool goes on in the context alone."""
    monkeypatch.setattr(a2a_past, "MAX_WAITING", 2)
    state = Draft()
    for number in range(3):
        Past(state, "http://a.test", "root", f"tool{number}").keep(waiting(f"t{number}"))
    kept = [Past(state, "http://a.test", "root", f"tool{number}").going for number in range(3)]
    assert kept == [Going("ctx1"), Going("ctx1", "t1"), Going("ctx1", "t2")]


@requirement("a2a:card")
async def test_an_agent_that_refuses_its_card_is_not_asked_for_an_older_one() -> None:
    """§9.10: the older place is for agents that have nothing at the newer."""
    pages = {CARD: Answer("no", 401), "/.well-known/agent.json": Answer(json.dumps(OLD))}
    async with agent(OLD, {}, pages) as (toolset, peer):
        with pytest.raises(ToolError, match="the answer is HTTP 401"):
            await toolset.tools(around())
        assert peer.at.asked("/.well-known/agent.json") == []


@requirement("a2a:fallback")
async def test_what_has_begun_to_answer_is_not_asked_again() -> None:
    """§9.10 R: the fallback is for agents that did nothing; no message is said twice."""

    async def breaks(heard: Heard, writer: asyncio.StreamWriter) -> None:
        refusal = {"error": {"code": -32601, "message": "no such method"}}
        writer.write(STREAM_HEAD + event(text("One. ")))
        writer.write(b"data: " + msgspec.json.encode(refusal) + b"\n\n")
        await writer.drain()

    replies = {"message/stream": breaks, "message/send": text("again")}
    async with agent(OLD, replies) as (toolset, peer):
        with pytest.raises(ToolError, match="no such method"):
            await ask(toolset)
        assert peer.methods == ["message/stream"]


@requirement("a2a:stream")
async def test_events_without_words_are_passed_over() -> None:
    """Proxies keep a stream alive with them."""

    async def quiet(heard: Heard, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM_HEAD + b"data: \n\n" + event(text("One.")) + b"data:\n\n")
        await writer.drain()

    async with agent(OLD, {"message/stream": quiet}) as (toolset, _):
        assert (await ask(toolset)).text == "One."


@requirement("a2a:fallback")
async def test_a_whole_answer_is_waited_for_there() -> None:
    """The A2A specification 0.3: `blocking` asks for the end, not for news of the beginning."""
    async with agent({**OLD, **WHOLE}, {"message/send": text("7")}) as (
        toolset,
        peer,
    ):
        assert (await ask(toolset)).text == "7"
        assert peer.asked[0]["params"]["configuration"] == {"blocking": True}
