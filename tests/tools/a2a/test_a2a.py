"""Agents elsewhere, byte by byte. Source: runtime.md §9.10."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_agent.addresses import is_public
from docker_agent.errors import ToolError
from docker_agent.messages import ToolResult
from docker_agent.tools.a2a import MAX_SKILLS, A2aHeaders
from docker_agent.tools.a2a_wire import Answer as WireAnswer
from docker_agent.tools.port import MAX_NAME, Draft
from docker_agent.tools.web_documents import TTL
from tests.requirements import requirement
from tests.tools.a2a.scripted import (
    CARD,
    NEW,
    OLD,
    TASK,
    WHOLE,
    agent,
    artifact,
    ask,
    event,
    status,
    text,
)
from tests.tools.surroundings import around, context
from tests.tools.web_server import STREAM_HEAD, Answer, Heard, Stream, computed, redirect

pytestmark = pytest.mark.anyio


@requirement("a2a:skills")
async def test_each_skill_is_a_tool() -> None:
    """§9.10: names in `[a-z0-9_]`, never twice; one for the agent when it names no skills."""
    async with agent(OLD, {}) as (toolset, _):
        listing = await toolset.tools(around())
        first, second = listing.specs
        assert (first.name, second.name) == ("lib_look_up", "lib_look_up_2")
        assert (first.description, second.description) == ("Look up: Finds facts.", "Again")
        assert first.parameters["required"] == ["message"]
        assert (first.category, first.open_world, first.read_only) == ("a2a", True, False)
        assert "## The agent Librarian\n\nKnows books." in listing.instructions
    async with agent(NEW, {}) as (toolset, _):
        (spec,) = (await toolset.tools(around())).specs
        assert (spec.name, spec.description) == ("lib_librarian", "Ask the agent Librarian.")
    odd = {**OLD, "skills": [{"id": "x" * 99}, {"id": "x" * 98}, {"name": "Bücher!"}, {}]}
    async with agent(odd, {}) as (toolset, _):
        names = [spec.name for spec in (await toolset.tools(around())).specs]
        assert names == [f"lib_{'x' * 60}", f"lib_{'x' * 58}_2", "lib_b_cher", "lib"]
        assert all(len(name) <= MAX_NAME for name in names)


@requirement("a2a:card")
@pytest.mark.parametrize("place", ["/.well-known/agent.json", "/cards/librarian.json"])
async def test_a_card_may_lie_elsewhere(place: str) -> None:
    """§9.10: at the older place, or at the very address that the file names."""
    pages = {CARD: Answer("no", 404), place: Answer(json.dumps(OLD))}
    path = place if place.startswith("/cards") else ""
    async with agent(OLD, {}, pages, path=path) as (toolset, _):
        assert len((await toolset.tools(around())).specs) == 2


@requirement("a2a:card")
@pytest.mark.parametrize(
    ("page", "problem"),
    [
        (Answer("[]"), "it is no agent card"),
        (Answer("{}"), "no address for JSON-RPC"),
        (Answer('{"url": "/x", "preferredTransport": "GRPC"}'), "no address for JSON-RPC"),
        (Answer('{"url": "http://["}'), "names an address that is none"),
        (Answer("[" * 100_000), "it is no agent card"),
        (Answer("no", 401), "the answer is HTTP 401"),
        (Answer("no", 404), "the answer is HTTP 404; a 'url' that ends in .json"),
        (Answer(b"x" * 2_000_000), "more than"),
        (redirect("/.well-known/agent-card.json"), "more than 10 redirects"),
    ],
)
async def test_a_card_that_is_none_leaves_the_toolset_out(page: Answer, problem: str) -> None:
    """runtime.md §8.4: the run goes on without it, and `/ready` says why."""
    async with agent(OLD, {}, {CARD: page}) as (toolset, _):
        with pytest.raises(ToolError, match="agent card") as failed:
            await toolset.tools(around())
        assert problem in str(failed.value)
        assert (toolset.status.state, toolset.status.reason) == ("failed", str(failed.value))


@requirement("a2a:card")
async def test_a_card_is_fetched_once_and_kept_while_its_agent_is_away() -> None:
    """runtime.md §8.4, and as for openapi: the same listing until the card changed."""
    clock = [0.0]
    async with agent(OLD, {}, now=lambda: clock[0]) as (toolset, peer):
        listings = await asyncio.gather(*(toolset.tools(around()) for _ in range(5)))
        assert all(listing is listings[0] for listing in listings)
        clock[0] += TTL
        assert await toolset.tools(around()) is listings[0]
        assert len(peer.at.asked(CARD)) == 2
        peer.at.pages[CARD] = Answer("down", 503)
        clock[0] += TTL
        assert await toolset.tools(around()) is listings[0]
        assert toolset.status.state == "degraded" and "HTTP 503" in toolset.status.reason
        peer.at.pages[CARD] = Answer(json.dumps(NEW))
        clock[0] += TTL
        assert list((await toolset.tools(around())).by_name) == ["lib_librarian"]
        gone = await toolset.call("lib_look_up", {"message": "x"}, context())
        assert gone.is_error and "no skill lib_look_up any more" in gone.text


@requirement("a2a:stream")
async def test_a_stream_of_events_is_one_answer() -> None:
    """§9.10: texts of messages, states and artifacts, one after the other; shown as they come."""
    stream = [
        {**TASK, "status": {"state": "submitted"}},
        status("working", "Looking. "),
        status("working", "Looking. "),
        artifact("Seven"),
        artifact(" sheep.", append=True),
        status("completed", final=True),
    ]
    shown: list[str] = []

    async def progress(piece: str) -> None:
        shown.append(piece)

    async with agent(OLD, {"message/stream": stream}) as (toolset, peer):
        await toolset.tools(around())
        watched = msgspec.structs.replace(context(), progress=progress)
        result = await toolset.call("lib_look_up", {"message": "hi"}, watched)
        assert result == ToolResult("Looking. Looking. Seven sheep.")
        assert shown == ["Looking. ", "Looking. ", "Seven", " sheep."]
        (message,) = peer.messages
        assert (message["role"], message["parts"]) == ("user", [{"kind": "text", "text": "hi"}])
        assert peer.at.asked("/rpc")[0].headers["a2a-version"] == "0.3"


@requirement("a2a:stream")
async def test_what_is_said_twice_is_heard_once() -> None:
    """The A2A specification: ids say what is the same; the task at the end holds all again."""
    whole = {**TASK, "status": {"state": "completed"}, "artifacts": [artifact("7")["artifact"]]}
    stream = [
        text("One. ", messageId="m1"),
        text("One. ", messageId="m1"),
        artifact("7"),
        whole,
    ]
    async with agent(OLD, {"message/stream": stream}) as (toolset, _):
        assert (await ask(toolset)).text == "One. 7"


@requirement("a2a:stream")
async def test_a_stream_that_stays_open_when_its_task_is_over_is_left() -> None:
    """The A2A specification: nothing comes after the final news."""
    page = Stream(event(status("completed", "Seven", final=True))[6:-2])
    async with agent(OLD, {}, {"/rpc": page}) as (toolset, _):
        assert (await ask(toolset)).text == "Seven"
        await page.gone.wait()


@requirement("a2a:versions")
async def test_version_one_is_spoken_where_the_card_says_so() -> None:
    """The A2A specification 1.0: other method names, roles, shapes; the tenant of the address."""
    new = [
        {"task": {"id": "t1", "contextId": "c", "status": {"state": "TASK_STATE_SUBMITTED"}}},
        {"artifactUpdate": {"taskId": "t1", "artifact": artifact("Seven")["artifact"]}},
        {"statusUpdate": {"taskId": "t1", "status": {"state": "TASK_STATE_COMPLETED"}}},
    ]
    async with agent(NEW, {"SendStreamingMessage": new}) as (toolset, peer):
        assert await ask(toolset) == ToolResult("Seven")
        (message,) = peer.messages
        assert (message["role"], message["parts"]) == ("ROLE_USER", [{"text": "hi"}])
        assert peer.asked[0]["params"]["tenant"] == "t7"
        assert peer.at.asked("/rpc")[0].headers["a2a-version"] == "1.0"


@requirement("a2a:fallback")
@pytest.mark.parametrize("streams", [True, None, False])
async def test_an_agent_that_does_not_stream_is_asked_for_the_whole(streams: bool | None) -> None:
    """§9.10 R: non-streaming fallback; a task that is still at work is looked at again."""
    working = {**TASK, "status": {"state": "working"}}
    done = {**TASK, "status": {"state": "completed"}, "artifacts": [artifact("7")["artifact"]]}
    card = {**OLD, "capabilities": {} if streams is None else {"streaming": streams}}
    async with agent(card, {"message/send": working, "tasks/get": done}) as (toolset, peer):
        assert await ask(toolset) == ToolResult("7")
        first = [] if streams is False else ["message/stream"]
        assert peer.methods == [*first, "message/send", "tasks/get"]


@requirement("a2a:fallback")
@pytest.mark.parametrize("status_code", [404, 405, 501])
async def test_an_agent_that_refuses_to_stream_by_http_is_asked_for_the_whole(
    status_code: int,
) -> None:
    """§9.10 R: also when the refusal is no JSON-RPC."""

    async def refuse(heard: Heard, writer: asyncio.StreamWriter) -> None:
        writer.write(Answer("no", status_code).encoded())
        await writer.drain()

    replies = {"message/stream": refuse, "message/send": text("whole")}
    async with agent(OLD, replies) as (toolset, _):
        assert (await ask(toolset)).text == "whole"


@requirement("a2a:silent")
@pytest.mark.parametrize("reply", [{"kind": "message", "parts": []}, [], [status("completed")]])
async def test_an_agent_that_says_nothing(reply: Any) -> None:  # noqa: ANN401 - JSON
    """§9.10: the exact words."""
    async with agent(OLD, {"message/stream": reply}) as (toolset, _):
        assert await ask(toolset) == ToolResult("No response from agent")


@requirement("a2a:silent")
async def test_data_and_files_are_named_where_there_is_no_text() -> None:
    """§9.10: the result is text; better what came than nothing."""
    parts = [
        {"kind": "data", "data": {"sheep": 7}},
        {"kind": "file", "file": {"name": "a.pdf", "mimeType": "application/pdf", "bytes": "eA=="}},
        {"url": "http://h/b.png", "filename": "b.png"},
    ]
    replies = {"message/stream": {"kind": "message", "parts": parts}}
    async with agent(OLD, replies) as (toolset, _):
        told = '{"sheep": 7}\n[a file: a.pdf application/pdf]\n[a file: b.png http://h/b.png]'
        assert (await ask(toolset)).text == told


@requirement("a2a:failed")
@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("failed", "failed"),
        ("rejected", "was rejected"),
        ("canceled", "was canceled"),
        ("auth-required", "waits for somebody to sign in there (auth-required)"),
        ("unknown", "is in a state that is not known"),
    ],
)
async def test_a_task_that_failed_is_an_error(state: str, told: str) -> None:
    """§9.10 R: failed and rejected are errors of the tool, and what else came to nothing."""
    for said, end in (("No sheep.", ": No sheep."), ("", ".")):
        stream = [status(state, said, final=True)]
        async with agent(OLD, {"message/stream": stream}) as (toolset, _):
            expected = ToolResult(f"The agent's task {told}{end}", is_error=True)
            assert await ask(toolset) == expected


@requirement("a2a:context", "a2a:input")
async def test_a_conversation_goes_on_where_it_stood_and_no_other_sees_it() -> None:
    """§9.10 R: contextId per conversation; a question of the agent is answered in its task, by the
    tool that was asked."""
    stream = [status("input-required", "Which sheep?", final=True)]
    async with agent(OLD, {"message/stream": stream}) as (toolset, peer):
        ann, bob = Draft(), Draft()
        await asyncio.gather(ask(toolset, "ann", ann), ask(toolset, "bob", bob))
        later = Draft(ann.entries())
        asked = await ask(toolset, "black ones", later)
        assert asked.text.startswith("Which sheep?\n\n[The agent needs more input")
        assert "lib_look_up" in asked.text and not asked.is_error
        await ask(toolset, "another skill", later, skill=1)
        kept = [(each.get("contextId"), each.get("taskId")) for each in peer.messages]
        assert kept == [(None, None), (None, None), ("ctx1", "t1"), ("ctx1", None)]


@requirement("a2a:context")
async def test_a_call_that_fails_advances_nothing() -> None:
    """runtime.md §1.3: what a turn keeps is what succeeded."""

    async def broken(heard: Heard, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM_HEAD + event(status("working", "Wait.")) + b'data: {"res\n\n')
        await writer.drain()

    async with agent(OLD, {"message/stream": broken}) as (toolset, _):
        state = Draft()
        with pytest.raises(ToolError, match="not valid A2A"):
            await ask(toolset, "hi", state)
        assert state.entries() == {}


@requirement("a2a:context")
async def test_what_an_agent_has_forgotten_is_begun_anew() -> None:
    """An agent that was started again knows none of its tasks; no conversation may be stuck."""
    replies: dict[str, Any] = {"message/stream": [status("input-required", "Which?", final=True)]}
    async with agent(OLD, replies) as (toolset, peer):
        state = Draft()
        await ask(toolset, "hi", state)
        error = {"code": -32001, "message": "Task not found"}
        refusal = Answer(json.dumps({"error": error}), type="application/json")
        peer.at.pages["/rpc"] = refusal
        with pytest.raises(ToolError, match=r"Task not found; .* begins anew"):
            await ask(toolset, "the black ones", state)
        peer.at.pages["/rpc"] = peer.answer
        await ask(toolset, "the black ones", state)
        assert not {"contextId", "taskId"} & peer.messages[-1].keys()


@requirement("a2a:cancel")
@pytest.mark.parametrize("how", ["cancelled", "time-out"])
async def test_a_task_that_nobody_waits_for_is_cancelled_there(how: str) -> None:
    """DESIGN.md §8: the stream is closed at once, and nobody waits until the agent has heard."""
    page = Stream(event(status("working", "Wait."))[6:-2])
    told: list[Any] = []
    answered, heard = asyncio.Event(), asyncio.Event()

    async def slow(heard: Heard, writer: asyncio.StreamWriter) -> None:
        told.append(json.loads(heard.body)["params"])
        answered.set()
        await asyncio.Event().wait()

    async def progress(text: str) -> None:
        assert text == "Wait."
        heard.set()

    replies = {"message/stream": page, "tasks/cancel": slow}
    async with agent(OLD, replies, timeout=1 if how == "time-out" else 60) as (toolset, _):
        await toolset.tools(around())
        watched = msgspec.structs.replace(context(), progress=progress)
        call = asyncio.create_task(toolset.call("lib_look_up", {"message": "x"}, watched))
        await heard.wait()
        if how == "cancelled":
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        else:
            with pytest.raises(ToolError, match="not answered within 1 seconds"):
                await call
        assert told == []
        await page.gone.wait()
        await answered.wait()
        assert told == [{"id": "t1"}]


@requirement("a2a:guard")
async def test_private_addresses_are_out_of_reach() -> None:
    """runtime.md §8.3, `allow_private_ips`: for the card."""
    async with agent(OLD, {}, public=is_public) as (toolset, peer):
        with pytest.raises(ToolError, match="not a public address"):
            await toolset.tools(around())
        assert peer.at.heard == []


@requirement("a2a:guard")
@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://127.0.0.2:{port}/rpc", "127.0.0.2 is not a public address"),
        ("http://[::1]:{port}/rpc", "::1 is not a public address"),
        ("http://169.254.169.254/latest", "169.254.169.254 is not a public address"),
        ("http://2130706433:{port}/rpc", "is no host"),
        ("http://inside.test:{port}/rpc", "is not known"),
        ("file:///etc/passwd", "only http and https"),
        ("//127.0.0.2:{port}/rpc", "127.0.0.2 is not a public address"),
    ],
)
@pytest.mark.parametrize("how", ["card", "redirect"])
async def test_no_agent_leads_to_a_private_address(url: str, problem: str, how: str) -> None:
    """runtime.md §8.3: the guard holds for what a card names, and for where that redirects to."""
    async with agent(OLD, {}, public="127.0.0.1".__eq__) as (toolset, peer):
        there = url.format(port=peer.at.port)
        if how == "card":
            peer.at.pages[CARD] = Answer(json.dumps({**OLD, "url": there}))
        peer.at.pages["/rpc"] = redirect(there, 307)
        with pytest.raises(ToolError) as failed:
            await ask(toolset)
        assert problem in str(failed.value)
        assert len(peer.at.asked("/rpc")) == (how == "redirect")


@requirement("a2a:headers")
async def test_headers_are_sent_and_stay_on_their_host(caplog: pytest.LogCaptureFixture) -> None:
    """runtime.md §8.6: templates; a card that leads elsewhere gets none of them."""
    headers = {"Authorization": "Bearer ${env.TOKEN}", "X-User": "${headers.X-User}"}
    remote = {"X-Kind": "remote", "X-User": "loses"}
    reply = {"message/stream": text("ok")}
    async with agent(OLD, reply, headers=headers, remote=A2aHeaders(remote)) as (toolset, peer):
        assert toolset.scope == "run"
        for user in ("ann", "bob"):
            passed = msgspec.structs.replace(context(), headers={"x-user": user})
            await toolset.call("lib_look_up", {"message": "x"}, passed)
            heard = peer.at.asked("/rpc")[-1].headers
            sent = (heard["authorization"], heard["x-user"], heard["x-kind"])
            assert sent == ("Bearer s3cret-token", user, "remote")
        elsewhere = {**OLD, "url": f"http://a.test:{peer.at.port}/rpc"}
        peer.at.pages[CARD] = Answer(json.dumps(elsewhere))
        other = msgspec.structs.replace(context(), headers={"x-user": "eve"})
        with caplog.at_level(logging.WARNING):
            await toolset.call("lib_look_up", {"message": "x"}, other)
        assert not {"authorization", "x-user"} & peer.at.asked("/rpc")[-1].headers.keys()
        assert "its card leads to http://a.test" in caplog.text


@requirement("a2a:headers")
async def test_headers_do_not_follow_a_redirect_to_another_host() -> None:
    """runtime.md §9.7: as everywhere on the way to the web."""
    headers = {"Authorization": "Bearer ${env.TOKEN}"}
    async with agent(OLD, {"message/stream": text("ok")}, headers=headers) as (toolset, peer):
        peer.at.pages["/elsewhere"] = peer.answer
        there = f"http://b.test:{peer.at.port}/elsewhere"
        peer.at.pages["/rpc"] = redirect(there, 307)
        assert (await ask(toolset)).text == "ok"
        assert "authorization" in peer.at.asked("/rpc")[0].headers
        assert "authorization" not in peer.at.asked("/elsewhere")[0].headers


@requirement("a2a:headers")
@pytest.mark.parametrize("status_code", [200, 401])
async def test_an_agent_that_says_our_secret_is_not_quoted(status_code: int) -> None:
    """STYLE.md, Errors: no secret in a message, nor in what a model reads."""

    def page(heard: Heard) -> Answer:
        said = f"bad: {heard.headers['authorization']} {heard.headers['x-api-key']}"
        body = {"error": {"code": -32603, "message": said}}
        return Answer(json.dumps(body), status_code, type="application/json")

    headers = {"Authorization": "Bearer ${env.TOKEN}", "X-Api-Key": "its-key"}
    async with agent(OLD, {}, {"/rpc": computed(page)}, headers=headers) as (toolset, peer):
        with pytest.raises(ToolError, match="error -32603: bad: ") as failed:
            await ask(toolset)
        assert "s3cret" not in str(failed.value) and "its-key" not in str(failed.value)
        peer.at.pages["/rpc"] = peer.answer
        peer.replies = {"message/stream": text("I know s3cret-token.")}
        assert (await ask(toolset)).text == "I know [REDACTED]."


@requirement("a2a:headers")
async def test_an_agent_that_wants_a_key_says_so() -> None:
    """STYLE.md, Errors: what would be right."""
    async with agent(OLD, {}, {"/rpc": Answer("no", 401)}) as (toolset, _):
        with pytest.raises(ToolError, match=r"HTTP 401; the operator can let .* 'headers'"):
            await ask(toolset)


WORDS = [
    *("result", "error", "code", "task", "message", "status", "state", "parts", "text", "data"),
    *("id", "taskId", "contextId", "artifact", "artifacts", "artifactId", "append", "final"),
    *("statusUpdate", "artifactUpdate", "file", "url"),
]


def flood(piece: bytes) -> Any:  # noqa: ANN401 - a page
    """A stream without an end."""

    async def act(heard: Heard, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM_HEAD)
        while True:
            writer.write(piece)
            await writer.drain()

    return act


@requirement("a2a:hostile")
@pytest.mark.parametrize(
    ("page", "problem"),
    [
        (Answer("nonsense", type="application/json"), "not valid A2A"),
        (Answer("{}", type="application/json"), "not valid A2A"),
        (Answer('{"result": {"status": []}}', type="application/json"), "not valid A2A"),
        (Answer('{"result": ' + '{"task": ' * 5000, type="application/json"), "not valid A2A"),
        (Answer("x" * (5 << 20), type="application/json"), "more than 4194304 bytes"),
        (Answer("data: nonsense\n\n", type="text/event-stream"), "not valid A2A"),
        (Answer('data: {"result": {"parts": [', type="text/event-stream"), "broke off"),
        (flood(event(artifact("x" * 60_000))), "more than 4194304 bytes"),
        (flood(event(artifact("x" * 60_000, append=True))), "more than 4194304 bytes"),
        (flood(b"x" * 65536), "more than 4194304 bytes"),
        (flood(b": nothing\n\n" * 1000), "more than 4194304 bytes"),
        (Answer("no", status=401), "HTTP 401"),
        (Answer("no", status=500), "HTTP 500"),
        (Answer("", status=302), "HTTP 302"),
        (redirect("http://[::1]:9/", 307), "::1 refused the connection"),
        (Answer('{"error": {"code": -32603, "message": "broken"}}', type="application/json"),
         "error -32603: broken"),
        (Answer('{"error": {"code": -32603}}', 500, type="application/json"), "error -32603"),
    ],
)  # fmt: skip
async def test_what_an_agent_answers_wrong_is_a_tool_error(page: Any, problem: str) -> None:  # noqa: ANN401 - a page
    """DESIGN.md §8: limits on every size; never anything but a `ToolError`."""
    async with agent({**OLD, "capabilities": {"streaming": True}}, {}, {"/rpc": page}) as (
        tools,
        _,
    ):
        with pytest.raises(ToolError, match=problem):
            await ask(tools)


@requirement("a2a:hostile")
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.sampled_from(["working", "a", ""]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(WORDS),
                inner,
                max_size=5,
            )
        ),
        max_leaves=15,
    )
)
def test_any_answer_is_read_or_refused(said: Any) -> None:  # noqa: ANN401 - any JSON
    """DESIGN.md §8: whatever an agent sends."""
    heard = WireAnswer()
    for reply in (said, {"result": said}, {"result": {"task": said}}):
        with suppress(ToolError):
            heard.hear(json.dumps(reply).encode())
    assert isinstance(heard.text, str)


@requirement("a2a:hostile")
async def test_a_task_that_never_ends_is_looked_at_until_its_time_is_over() -> None:
    """runtime.md §3.8: every call has a limit."""
    working = {**TASK, "status": {"state": "working", "message": text("Wait.")}}
    replies = {"message/send": working, "tasks/get": working, "tasks/cancel": working}
    async with agent({**OLD, **WHOLE}, replies, timeout=1) as (toolset, peer):
        with pytest.raises(ToolError, match="not answered within 1 seconds"):
            await ask(toolset)
        assert peer.methods[:3] == ["message/send", "tasks/get", "tasks/get"]


@requirement("a2a:stream")
@pytest.mark.parametrize("known", [True, False])
async def test_a_stream_that_breaks_is_gone_after(known: bool) -> None:
    """A task whose stream is lost is looked at; where no task is known the call has failed."""

    async def breaks(heard: Heard, writer: asyncio.StreamWriter) -> None:
        first = event(status("working", "Wait. ")) if known else event(text("Wait. "))
        chunk = b"%x\r\n%b\r\n" % (len(first), first)
        head = STREAM_HEAD.replace(b"connection: close", b"transfer-encoding: chunked")
        writer.write(head + chunk + b"ff\r\ndata: {")
        await writer.drain()

    done = {**TASK, "status": {"state": "completed"}, "artifacts": [artifact("7")["artifact"]]}
    async with agent(OLD, {"message/stream": breaks, "tasks/get": done}) as (toolset, peer):
        if known:
            assert (await ask(toolset)).text == "Wait. 7"
            assert peer.methods == ["message/stream", "tasks/get"]
        else:
            with pytest.raises(ToolError, match="broke before the answer was complete"):
                await ask(toolset)


@requirement("a2a:hostile")
async def test_a_card_of_thousands_of_skills_costs_no_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """DESIGN.md §8: limits on every size."""
    many = {**OLD, "name": "N" * 90_000, "skills": [{"id": "a"}] * 60_000}
    async with agent(many, {}) as (toolset, _):
        listing = await toolset.tools(around())
        assert (len(listing.specs), len(listing.by_name)) == (MAX_SKILLS, MAX_SKILLS)
        assert len(listing.instructions) < 1000
        assert "only 256 of its 60000 skills are tools" in caplog.text


@requirement("a2a:hostile")
async def test_a_model_that_says_nothing_is_told() -> None:
    """runtime.md §5.4: the argument and its line of the schema."""
    async with agent(OLD, {}) as (toolset, peer):
        await toolset.tools(around())
        for arguments in ({}, {"message": ""}, {"message": {"x": 1}}):
            with pytest.raises(ToolError, match="argument `message`"):
                await toolset.call("lib_look_up", dict[str, Any](arguments), context())
        assert peer.asked == []
