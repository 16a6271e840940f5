"""Conversations the server keeps. Source: seed.txt, chat-server.md §7."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from docker_agent.messages import (
    AssistantMessage,
    Conversation,
    Message,
    Turn,
    UserMessage,
    shown_digest,
)
from docker_agent.server.conversations.history import continue_with
from docker_agent.server.conversations.memory import MemoryConversations
from docker_agent.server.conversations.port import Key
from tests.conftest import Serve
from tests.harness import Server, agent_yaml
from tests.requirements import requirement
from tests.scripted.client import text_of
from tests.scripted.gate import Gate
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import call, fail, hold, say

ID = {"X-Conversation-Id": "my-thread-1"}


@pytest.fixture
def keeper(scripted: Scripted, serve: Serve, model: Model) -> Server:
    """A server that keeps conversations of one agent with think."""
    agent = {"model": model.name, "toolsets": [{"type": "think"}]}
    return serve(agent_yaml(scripted.url, {"root": agent}), "--conversations-max", "100")


def said(model: Model, number: int = -1) -> list[str]:
    """Users' and assistants' texts as the model was shown them."""
    messages = model.heard[number].messages
    return [m["content"] for m in messages if m["role"] in ("user", "assistant")]


@requirement("seed:conversations")
def test_the_seeds_curl_remembers_alice(keeper: Server, model: Model) -> None:
    """seed.txt: send only the new message with the same X-Conversation-Id."""
    model.script(say("Hello Alice!"), say("Alice."))
    client = keeper.client()
    first = client.chat("Remember my name is Alice", headers=ID)
    assert first.headers["x-conversation-id"] == "my-thread-1"
    assert client.chat("What is my name?", headers=ID).content == "Alice."
    assert said(model) == ["Remember my name is Alice", "Hello Alice!", "What is my name?"]


@requirement("seed:conversations")
def test_by_default_nothing_is_kept(scripted: Scripted, serve: Serve, model: Model) -> None:
    """seed.txt: stateless unless --conversations-max is positive; the header is then ignored."""
    client = serve(agent_yaml(scripted.url, model.name)).client()
    client.chat("one", headers=ID)
    reply = client.chat("two", headers=ID)
    assert said(model) == ["two"]
    assert "x-conversation-id" not in reply.headers


@requirement("chat:7:resent")
def test_a_resent_history_is_continued_not_doubled(keeper: Server, model: Model) -> None:
    """chat-server.md §7: compared by what was shown; calls and results of earlier turns are
    kept."""
    model.script(call("think", {"thought": "hm"}) + say("Let me see."), say("A1"), say("A2"))
    client = keeper.client()
    history: list[dict[str, Any]] = [
        {"role": "system", "content": "S"},
        {"role": "user", "content": "Q1"},
    ]
    shown = client.chat(history, headers=ID).content
    assert shown == "Let me see.\n\nA1"
    history += [{"role": "assistant", "content": f"{shown}\n"}, {"role": "user", "content": "Q2"}]
    assert client.chat(history, headers=ID).content == "A2"
    roles = [m["role"] for m in model.heard[-1].messages]
    assert roles == ["system", "user", "assistant", "tool", "assistant", "user"]


@requirement("chat:7:branch", "client:77")
def test_an_edited_history_branches_where_it_differs(keeper: Server, model: Model) -> None:
    """chat-server.md §7: edit and regenerate; a branch replaces the stored transcript."""
    model.script(lambda heard: say(f"A{len(model.heard)}"))
    client = keeper.client()

    def ask(*texts: str) -> str:
        roles = ["user", "assistant"]
        history = [{"role": roles[i % 2], "content": text} for i, text in enumerate(texts)]
        return client.chat(history, headers=ID).content

    assert ask("Q1") == "A1"
    assert ask("Q1", "A1", "Q2") == "A2"
    assert ask("Q1", "A1", "Q2 edited") == "A3"
    assert said(model) == ["Q1", "A1", "Q2 edited"]
    assert ask("Q1", "A1", "Q2 edited") == "A4"
    assert said(model) == ["Q1", "A1", "Q2 edited"]
    client.chat("Q5", headers=ID)
    assert said(model) == ["Q1", "A1", "Q2 edited", "A4", "Q5"]


@requirement("chat:7:failure-safe", "runtime:20.2:failing-turn")
@pytest.mark.parametrize("stream", [False, True])
def test_a_failed_turn_leaves_the_old_state(keeper: Server, model: Model, stream: bool) -> None:
    """runtime.md §20.2 row 7: the next turn sees only the earlier successful messages."""
    model.script(say("A1"), fail(400, "no"), say("A3"))
    client = keeper.client()
    client.chat("first", headers=ID)
    if stream:
        with client.stream("broken", headers=ID) as broken:
            assert "error" in broken.rest()[-1]
    else:
        assert client.chat("broken", headers=ID).status == 502
    client.chat("after-failure", headers=ID)
    assert said(model) == ["first", "A1", "after-failure"]


@requirement("chat:7:failure-safe")
def test_a_cut_turn_leaves_the_old_state_and_frees_it(keeper: Server, model: Model) -> None:
    """chat-server.md §7: timeouts and cut streams leave the old state; nobody is locked out."""
    gate = Gate()
    model.script(say("half") + hold(gate), say("A2"))
    client = keeper.client()
    with client.stream("one", headers=ID) as stream:
        assert stream.next_text() == "half"
        heard = model.wait_heard()
        stream.hang_up()
        assert heard.wait_cut()
    gate.open()
    assert client.chat("two", headers=ID).content == "A2"
    assert said(model) == ["two"]


@requirement("chat:7:busy", "client:69", "runtime:20.2:busy")
def test_a_busy_conversation_is_a_409_at_once(keeper: Server, model: Model) -> None:
    """runtime.md §20.2 row 8; x-should-retry false, or SDKs hammer it."""
    gate = Gate()
    model.script(hold(gate) + say("one"), say("two"))
    client = keeper.client()
    with client.stream("a", headers=ID) as stream:
        gate.wait_reached()
        for streamed in (False, True):
            busy = client.chat("b", headers=ID, stream=streamed)
            assert (busy.status, busy.error["code"]) == (409, "conversation_busy")
            assert busy.headers["x-should-retry"] == "false"
        assert client.chat("c", headers={"X-Conversation-Id": "other"}).status == 200
        gate.open()
        assert text_of(stream.rest()) == "one"
    assert client.chat("d", headers=ID).status == 200


@requirement("chat:7:follow-ups")
def test_follow_ups_in_one_conversation_are_never_refused(keeper: Server) -> None:
    """DESIGN.md §4 stop 7: the lease ends before [DONE] leaves; 200 turns, each sent at once."""
    client = keeper.client()
    for number in range(200):
        with client.stream(f"n{number}", headers=ID) as stream:
            assert stream.status == 200
            while stream.next() is not None:
                pass
            assert stream.done


@requirement("chat:7:scope")
def test_conversations_belong_to_key_and_agent(
    scripted: Scripted, serve: Serve, model: Model
) -> None:
    """chat-server.md §7: scoped to the caller's key and to the entry agent."""
    server = serve(
        agent_yaml(scripted.url, {"root": model.name, "twin": model.name}),
        *("--conversations-max", "9", "--api-key", "ann", "--api-key-env", "BOB"),
        env={"BOB": "bob"},
    )
    for key, agent in [("ann", "root"), ("bob", "root"), ("ann", "twin")]:
        server.client(agent, key=key).chat(f"{key} {agent}", headers=ID)
        assert said(model) == [f"{key} {agent}"]


@requirement("chat:7:headers", "client:76")
def test_the_first_header_wins_and_a_blank_one_is_none(keeper: Server, model: Model) -> None:
    """chat-server.md §7: X-Conversation-Id, X-OpenWebUI-Chat-Id, X-Session-Id."""
    client = keeper.client()
    for name in ("X-OpenWebUI-Chat-Id", "X-Session-Id"):
        headers = {"X-Conversation-Id": " ", name: f"id-{name}"}
        assert client.chat("one", headers=headers).headers["x-conversation-id"] == f"id-{name}"
    both = {"X-Session-Id": "s", **ID}
    assert client.chat("x", headers=both).headers["x-conversation-id"] == "my-thread-1"
    bad = client.chat("x", headers={"X-Conversation-Id": "x" * 257})
    assert (bad.status, bad.error["code"]) == (400, "invalid_conversation_id")


@requirement("chat:7:whole-history")
def test_open_webui_never_sends_only_what_is_new(keeper: Server, model: Model) -> None:
    """clients.md 77: a first message edited, or its answer made anew, comes as one user message."""
    client = keeper.client()
    headers = {"X-OpenWebUI-Chat-Id": "chat-1", "X-OpenWebUI-User-Id": "u"}
    client.chat("Q", headers=headers)
    client.chat("Q", headers=headers)
    assert said(model) == ["Q"]
    client.chat("Another", headers=headers)
    assert said(model) == ["Another"]
    history = [
        {"role": "user", "content": "Another"},
        {"role": "assistant", "content": "Another"},
        {"role": "user", "content": "More"},
    ]
    client.chat(history, headers=headers)
    assert said(model) == ["Another", "Another", "More"]
    client.chat("only what is new", headers={"X-OpenWebUI-Chat-Id": "chat-1"})
    assert said(model)[-1] == "only what is new"
    assert len(said(model)) == 5


@requirement("chat:7:side-requests", "client:78")
def test_side_requests_never_touch_the_conversation(keeper: Server, model: Model) -> None:
    """clients.md 78: by header, else by the narrow heuristic; no lease, no tools, nothing kept."""
    gate = Gate()
    model.script(say("A1"), hold(gate) + say("A2"), say('{"title": "T"}'))
    client = keeper.client()
    client.chat("Q1", headers=ID)
    template = '### Task:\nSuggest a title.\n### Output:\nJSON format: { "title": "..." }'
    with client.stream("Q2", headers=ID) as stream:
        gate.wait_reached()
        for headers, text in [
            ({**ID, "X-OpenWebUI-Task": "title_generation"}, "x"),
            (ID, template),
        ]:
            assert client.chat(text, headers=headers).status == 200
            assert said(model) == [text]
            assert model.heard[-1].tool_names == []
        gate.open()
        stream.rest()
    rag = "### Task:\nRespond to the query using the context.\n<context>JSON</context> Q3"
    assert client.chat(rag, headers=ID).status == 200
    assert said(model) == ["Q1", "A1", "Q2", "A2", rag]


@requirement("chat:3:held-turns")
def test_a_paused_turn_in_which_tools_ran_is_held_and_resumed_once(
    scripted: Scripted, serve: Serve, model: Model
) -> None:
    """chat-server.md §3: without a conversation id, bound to key and agent; never a second
    execution."""
    agent = {"model": model.name, "toolsets": [{"type": "think"}]}
    client = serve(agent_yaml(scripted.url, {"root": agent, "twin": agent})).client()
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    both = call("think", {"thought": "t"}, id="own", index=0) + call("weather", {}, id="c", index=1)
    model.script(both, say("done"))
    paused = client.chat("go", tools=[tool]).json["choices"][0]["message"]
    [asked] = paused["tool_calls"]
    assert asked["id"] != "c"
    history = [
        {"role": "user", "content": "go"},
        paused,
        {"role": "tool", "tool_call_id": asked["id"], "content": "sun"},
    ]
    assert client.chat(history, tools=[tool], model="twin").status == 409
    assert client.chat(history, tools=[tool]).content == "done"
    sent = [(m["role"], m.get("content")) for m in model.heard[-1].messages[1:]]
    assert sent == [
        ("user", "go"),
        ("assistant", None),
        ("tool", "Thoughts:\nt"),
        ("tool", "sun"),
    ]
    again = client.chat(history, tools=[tool])
    assert (again.status, again.error["code"]) == (409, "turn_expired")
    assert again.headers["x-should-retry"] == "false"
    foreign = [*history[:1], {**paused, "tool_calls": [{**asked, "id": "call_x"}]}]
    foreign.append({"role": "tool", "tool_call_id": "call_x", "content": "sun"})
    assert client.chat(foreign, tools=[tool]).status == 200


@requirement("chat:3:held-turns")
def test_a_turn_paused_by_another_server_has_expired(
    scripted: Scripted, serve: Serve, model: Model
) -> None:
    """chat-server.md §3: never a second execution: ids are known by a seal of the keys, also after
    a restart and on another machine."""
    agent = {"model": model.name, "toolsets": [{"type": "think"}]}
    file = agent_yaml(scripted.url, {"root": agent})
    flags = ("--api-key", "k")
    one, other = serve(file, *flags).client(key="k"), serve(file, *flags).client(key="k")
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    model.script(call("think", {"thought": "t"}) + call("weather"), say("no"))
    paused = one.chat("go", tools=[tool]).json["choices"][0]["message"]
    history = [
        {"role": "user", "content": "go"},
        paused,
        {"role": "tool", "tool_call_id": paused["tool_calls"][0]["id"], "content": "sun"},
    ]
    reply = other.chat(history, tools=[tool])
    assert (reply.status, reply.error["code"]) == (409, "turn_expired")
    assert len(model.heard) == 1
    assert one.chat(history, tools=[tool]).content == "no"


@requirement("chat:3:held-turns")
def test_a_paused_turn_goes_on_in_its_conversation(keeper: Server, model: Model) -> None:
    """chat-server.md §3: with a conversation id the turn is in the conversation, own results
    kept."""
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    both = call("think", {"thought": "t"}, id="own", index=0) + call("weather", {}, id="c", index=1)
    model.script(both, say("done"), say("more"))
    client = keeper.client()
    client.chat("go", tools=[tool], headers=ID)
    answer = [{"role": "tool", "tool_call_id": "c", "content": "sun"}]
    assert client.chat(answer, tools=[tool], headers=ID).content == "done"
    assert client.chat("and?", headers=ID).content == "more"
    roles = [m["role"] for m in model.heard[-1].messages[1:]]
    assert roles == ["user", "assistant", "tool", "tool", "assistant", "user"]


@requirement("chat:1:on-disconnect")
def test_with_finish_a_turn_is_kept_although_the_client_left(
    scripted: Scripted, serve: Serve, model: Model
) -> None:
    """chat-server.md §1: --on-disconnect finish."""
    gate = Gate()
    model.script(say("half ") + hold(gate) + say("whole"), say("A2"))
    flags = ("--conversations-max", "9", "--on-disconnect", "finish")
    client = serve(agent_yaml(scripted.url, model.name), *flags).client()
    with client.stream("one", headers=ID) as stream:
        assert stream.next_text() == "half "
        heard = model.wait_heard()
        stream.hang_up()
    gate.open()
    assert heard.wait_finished()
    while client.chat("two", headers=ID).status == 409:
        pass
    assert said(model) == ["one", "half whole", "two"]


@requirement("chat:1:conversation-flags")
@pytest.mark.anyio
async def test_the_longest_unused_goes_first_and_the_idle_go_all() -> None:
    """seed.txt: evicted after --conversation-ttl of inactivity, or the oldest at
    --conversations-max."""
    clock = [0.0]
    store = MemoryConversations(2, 10.0, now=lambda: clock[0])

    async def use(id: str) -> bool:
        async with store.lease(Key("", "root", id)) as lease:
            known = lease.conversation is not None
            await lease.put(Conversation())
        return known

    assert [await use("a"), await use("b"), await use("a"), await use("c")] == [
        False,
        False,
        True,
        False,
    ]
    assert await use("a")
    assert not await use("b")
    clock[0] = 9.0
    assert await use("b")
    clock[0] = 18.0
    assert await use("b")
    assert await store.count() == 1


@requirement("chat:7:branch")
@pytest.mark.parametrize(
    ("texts", "kept", "new"),
    [
        (["n"], 2, ["n"]),
        (["a", "x", "b", "y", "n"], 2, ["n"]),
        (["a", " x ", "b", "y\n", "n", "m"], 2, ["n", "m"]),
        (["a", "x", "B"], 1, ["B"]),
        (["a", "x", "b", "Y", "n"], 1, ["b", "Y", "n"]),
        (["A", "x", "b"], 0, ["A", "x", "b"]),
    ],
)
def test_what_was_shown_decides_what_stays(texts: list[str], kept: int, new: list[str]) -> None:
    """chat-server.md §7: white space around texts does not count."""

    def message(index: int, text: str) -> Message:
        assistant = index % 2 and len(texts) > 1 and text != "m"
        return AssistantMessage(text) if assistant else UserMessage(text)

    turns = [
        Turn((UserMessage(q), AssistantMessage(a)), "root", shown_digest([UserMessage(q)], a))
        for q, a in [("a", "x"), ("b", "y")]
    ]
    found = continue_with(
        Conversation(tuple(turns)), tuple(message(i, text) for i, text in enumerate(texts))
    )
    assert len(found.conversation.turns) == kept
    assert [getattr(m, "content", None) or getattr(m, "text", "") for m in found.new] == new


@requirement("chat:1:reload")
def test_a_reload_reads_agents_and_keys_again(
    scripted: Scripted, serve: Serve, tmp_path: Path
) -> None:
    """DESIGN.md §8, chat-server.md §1: SIGHUP; what is broken keeps the old ones and is named."""
    keys = tmp_path / "keys"
    keys.write_text("# team\nann:k1\n")
    keys.chmod(0o600)
    server = serve(agent_yaml(scripted.url, "reload"), "--api-keys-file", str(keys))
    assert server.client(key="k1").chat("hi").status == 200
    assert server.client(key="k2").chat("hi").status == 401
    keys.write_text("ann:k1\nbob:k2\n")
    server.agent_file.write_text(agent_yaml(scripted.url, {"root": "reload", "new": "reload"}))
    server.signal(signal.SIGHUP)
    while server.client(key="k2").get("/v1/models").status != 200:
        pass
    while len(server.client(key="k2").get("/v1/models").json["data"]) != 2:
        pass
    keys.write_text("broken\n")
    server.agent_file.write_text("agents: [}")
    server.signal(signal.SIGHUP)
    while "the agents stay as they were" not in server.log:
        pass
    assert "the keys stay as they were" in server.log
    assert server.client("new", key="k2").chat("hi").status == 200
