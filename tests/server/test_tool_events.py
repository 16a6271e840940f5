"""What clients see of tools and sub-agents with `--tool-events`. Source: chat-server.md §5,
clients.md 29 and 31."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from docker_agent.events import AgentSwitched, ModelReplied, Source, ToolFinished, ToolStarted
from docker_agent.messages import NO_USAGE, ToolCall, ToolResult
from docker_agent.server.activity import ARGUMENTS_SHOWN, MODES, line_of
from tests.harness import Server, agent_yaml
from tests.requirements import requirement
from tests.scripted.client import Stream, finish_of, text_of
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import call, say, think

SHOWING = [mode for mode in MODES if mode != "off"]
Servers = dict[str, Server]


@pytest.fixture(scope="module")
def servers(scripted: Scripted, tmp_path_factory: pytest.TempPathFactory) -> Generator[Servers]:
    """A server for each mode: `root` thinks and has a sub-agent."""
    agents = {
        "root": {
            "model": "events-root",
            "toolsets": [{"type": "think"}],
            "sub_agents": ["helper"],
        },
        "helper": {"model": "events-helper", "toolsets": [{"type": "think"}]},
    }
    file = agent_yaml(scripted.url, agents)
    running: Servers = {}
    try:
        for mode in SHOWING:
            flags = ("--tool-events", mode, "--conversations-max", "9")
            home = tmp_path_factory.mktemp("home")
            running[mode] = Server(file, *flags, home=home).start()
        yield running
    finally:
        for server in running.values():
            server.stop()


@pytest.fixture
def root(scripted: Scripted) -> Model:
    """Says something, thinks, says more."""
    thought = call("think", {"thought": "a `quoted` thought"})
    return scripted.model("events-root").forget().script(say("Let me see.") + thought, say("Done."))


def chunks_of(stream: Stream) -> list[dict[str, Any]]:
    with stream:
        found = stream.rest()
        assert stream.done
    assert finish_of(found) == "stop"
    return found


def reasoning_of(chunks: list[dict[str, Any]]) -> str:
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    return "".join(delta.get("reasoning_content", "") for delta in deltas)


@requirement("chat:5:reasoning", "chat:1:tool-events")
def test_lines_among_the_thoughts(servers: Servers, root: Model) -> None:
    """chat-server.md §5: a line in reasoning_content; the answer stays as it is."""
    client = servers["reasoning"].client()
    root.script(think("Hm.") + say("Let me see.") + call("think", {"thought": "x"}), say("Done."))
    chunks = chunks_of(client.stream("hi"))
    assert text_of(chunks) == "Let me see.\n\nDone."
    assert reasoning_of(chunks) == 'Hm.\n\nthink {"thought": "x"}\n\nthink done\n\n'
    root.script(think("Hm.") + say("Let me see.") + call("think", {"thought": "x"}), say("Done."))
    message = client.chat("hi").json["choices"][0]["message"]
    assert message["content"] == text_of(chunks)
    assert message["reasoning_content"] == reasoning_of(chunks)


@requirement("chat:4:reasoning", "chat:5:reasoning")
@pytest.mark.parametrize(
    ("mode", "shown"),
    [
        ("status", "Hm.\n\nMore."),
        ("reasoning", 'Hm.\n\nthink {"thought": "x"}\n\nthink done\n\nMore.'),
    ],
)
def test_thoughts_of_two_turns_stand_apart(
    servers: Servers, root: Model, mode: str, shown: str
) -> None:
    """chat-server.md §4: a blank line between turns, the same in both modes."""
    client = servers[mode].client()
    turns = (think("H", "m.") + call("think", {"thought": "x"}), think("Mo", "re.") + say("Done."))
    root.script(*turns)
    chunks = chunks_of(client.stream("hi"))
    assert (reasoning_of(chunks), text_of(chunks)) == (shown, "Done.")
    root.script(*turns)
    message = client.chat("hi").json["choices"][0]["message"]
    assert (message["reasoning_content"], message["content"]) == (shown, "Done.")


@requirement("chat:5:markdown")
def test_lines_inside_the_answer(servers: Servers, root: Model) -> None:
    """chat-server.md §5: inline, the same in both modes."""
    client = servers["markdown"].client()
    shown = text_of(chunks_of(client.stream("hi")))
    assert shown == (
        "Let me see.\n\n"
        '> **think** `{"thought": "a \'quoted\' thought"}`\n\n'
        "> **think** done\n\n"
        "Done."
    )
    root.script(say("Let me see.") + call("think", {"thought": "a `quoted` thought"}), say("Done."))
    assert client.chat("hi").content == shown


@requirement("chat:5:markdown")
def test_a_resent_history_with_lines_is_continued(servers: Servers, root: Model) -> None:
    """chat-server.md §7: judged on what the client was shown, and it was shown the lines."""
    client = servers["markdown"].client()
    id = {"X-Conversation-Id": "with-lines"}
    shown = client.chat("Q1", headers=id).content
    history = [
        {"role": "user", "content": "Q1"},
        {"role": "assistant", "content": shown},
        {"role": "user", "content": "Q2"},
    ]
    root.script(say("A2"))
    assert client.chat(history, headers=id).content == "A2"
    roles = [message["role"] for message in root.heard[-1].messages]
    assert roles == ["system", "user", "assistant", "tool", "assistant", "user"]
    assert not any("**think**" in str(message) for message in root.heard[-1].messages)


@requirement("chat:5:status", "chat:5:extra-keys", "client:29", "client:87")
def test_lines_beside_the_answer(servers: Servers, root: Model) -> None:
    """clients.md 29: `event` on an empty-delta chunk; whoever passes over it misses nothing."""
    client = servers["status"].client()
    chunks = chunks_of(client.stream("hi", stream_options={"include_usage": True}))
    events = [chunk for chunk in chunks if "event" in chunk]
    assert [chunk["event"] for chunk in events] == [
        {
            "type": "status",
            "data": {"description": 'think {"thought": "a `quoted` thought"}', "done": False},
        },
        {"type": "status", "data": {"description": "think done", "done": True}},
    ]
    for chunk in events:
        assert chunk["choices"] == [{"index": 0, "delta": {}, "finish_reason": None}]
        assert chunk["usage"] is None
    assert text_of(chunks) == "Let me see.\n\nDone."
    root.script(say("Let me see.") + call("think", {"thought": "x"}), say("Done."))
    assert "event" not in client.chat("hi").json


@requirement("chat:5:openai", "client:31")
def test_calls_as_the_reference_shows_them(servers: Servers, root: Model) -> None:
    """chat-server.md §5: tool_calls entries with finish reason stop; clients.md 31: index, id,
    type, name, arguments."""
    client = servers["openai"].client()
    script = (
        call("think", {"thought": "1"}) + call("think", {"thought": "2"}),
        call("think", {"thought": "3"}),
        say("Done."),
    )
    root.script(*script)
    chunks = chunks_of(client.stream("hi"))
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    calls = [entry for delta in deltas for entry in delta.get("tool_calls", [])]
    assert [entry["index"] for entry in calls] == [0, 1, 2]
    assert [entry["type"] for entry in calls] == ["function"] * 3
    assert len({entry["id"] for entry in calls}) == 3
    assert [entry["function"] for entry in calls] == [
        {"name": "think", "arguments": f'{{"thought": "{number}"}}'} for number in (1, 2, 3)
    ]
    root.script(*script)
    choice = client.chat("hi").json["choices"][0]
    assert choice["finish_reason"] == "stop"
    assert [entry["function"]["name"] for entry in choice["message"]["tool_calls"]] == ["think"] * 3


@requirement("chat:5:openai")
def test_a_clients_own_calls_are_told_apart(servers: Servers, root: Model) -> None:
    """clients.md 31: a call for the client has an index of its own; JSON shows that one alone."""
    client = servers["openai"].client()
    tools = [{"type": "function", "function": {"name": "mine"}}]
    root.script(call("think", {"thought": "x"}) + call("mine"))
    with client.stream("hi", tools=tools) as stream:
        chunks = stream.rest()
    assert finish_of(chunks) == "tool_calls"
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    calls = [entry for delta in deltas for entry in delta.get("tool_calls", [])]
    assert [(entry["index"], entry["function"]["name"]) for entry in calls] == [
        (0, "think"),
        (1, "mine"),
    ]
    choice = client.chat("hi", tools=tools).json["choices"][0]
    assert [entry["function"]["name"] for entry in choice["message"]["tool_calls"]] == ["mine"]


@requirement("chat:5:status")
def test_sub_agents_have_lines_too(servers: Servers, root: Model, scripted: Scripted) -> None:
    """runtime.md §18.5: an agent switch or a sub-agent; its text is not content."""
    task = {"agent": "helper", "task": "count", "expected_output": ""}
    root.script(call("transfer_task", task), say("Three."))
    helper = scripted.model("events-helper").forget()
    helper.script(say("one two three") + call("think", {"thought": "y"}), say("3"))
    chunks = chunks_of(servers["status"].client().stream("hi"))
    lines = [chunk["event"]["data"]["description"] for chunk in chunks if "event" in chunk]
    assert lines[0].startswith("transfer_task {")
    assert lines[1:] == [
        "helper works on a task",
        'helper: think {"thought": "y"}',
        "helper: think done",
        "transfer_task done",
    ]
    assert text_of(chunks) == "Three."


@requirement("chat:5:reasoning", "chat:5:markdown")
def test_lines_are_short_and_say_what_went_wrong() -> None:
    """runtime.md §18.5: one short line for the start and end of a call."""
    source = Source("r", 0, "root")
    long = ToolCall("1", "read", '{"path":\n "' + "x" * 500 + '"}')
    started = line_of(source, ToolStarted(long, "Read"))
    assert started is not None
    assert "\n" not in started.text
    assert len(started.text) == len("read ") + ARGUMENTS_SHOWN
    failed = line_of(source, ToolFinished(long, ToolResult("no such\nfile", is_error=True)))
    assert failed is not None
    assert failed.text == "read failed: no such file"
    assert failed.markdown == "> **read** failed: `no such file`"
    switched = line_of(source, AgentSwitched("b", "handoff"))
    assert switched is not None
    assert (switched.text, switched.markdown) == ("b takes over", "> **b** takes over")
    assert line_of(source, ModelReplied("m", NO_USAGE)) is None
