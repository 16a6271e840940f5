"""Agents that use tools, seen from outside: work is done, nothing of it shows. Source:
chat-server.md §4 to §6."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Serve
from tests.harness import Server, agent_yaml
from tests.requirements import requirement
from tests.scripted.client import text_of
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import call, fail, finish, say, usage


@pytest.fixture
def desk(scripted: Scripted, serve: Serve, model: Model, tmp_path: Path) -> Server:
    """An agent with think and filesystem, working in an empty folder with one note."""
    (tmp_path / "note.txt").write_text("remember the milk")
    agent = {"model": model.name, "toolsets": [{"type": "think"}, {"type": "filesystem"}]}
    file = agent_yaml(scripted.url, {"root": agent})
    return serve(file, "--working-dir", str(tmp_path))


def results(model: Model, call_number: int = -1) -> list[tuple[str, str]]:
    """Ids and texts of the tool messages the model was shown."""
    messages = model.heard[call_number].messages
    return [(m["tool_call_id"], m["content"]) for m in messages if m["role"] == "tool"]


@requirement("chat:4:server-tools-hidden", "client:28")
def test_tools_of_the_server_run_and_do_not_show(desk: Server, model: Model) -> None:
    """chat-server.md §5: clients take tool_calls as work for them, so there are none."""
    model.script(
        say("Let me look.") + call("read_file", {"path": "note.txt"}, id="c1") + usage(10, 5),
        say("It says milk.") + usage(20, 6),
    )
    body = desk.client().chat("what is in the note?").json
    [choice] = body["choices"]
    assert choice["message"] == {
        "role": "assistant",
        "content": "Let me look.\n\nIt says milk.",
        "refusal": None,
    }
    assert choice["finish_reason"] == "stop"
    assert body["usage"]["total_tokens"] == 41
    assert results(model) == [("c1", "remember the milk")]


@requirement("chat:4:same-text", "client:84")
def test_stream_and_json_give_the_same_text(desk: Server, model: Model) -> None:
    """chat-server.md §4: a blank line between turns, identical in both modes."""
    turns = (say("A") + call("think", {"thought": "x"}), say("B") + call("think", {"thought": "y"}))
    model.script(*turns, say("C"), *turns, say("C"))
    whole = desk.client().chat("hi").content
    with desk.client().stream("hi") as stream:
        chunks = stream.rest()
    assert text_of(chunks) == whole == "A\n\nB\n\nC"
    assert not any("tool_calls" in c["choices"][0]["delta"] for c in chunks)


@requirement("runtime:20.2:unknown-tool", "client:32")
def test_an_unknown_tool_is_told_to_the_model(desk: Server, model: Model) -> None:
    """runtime.md §20.2 row 1: exact text; a second call is made; the answer is delivered."""
    model.script(call("nope", {}, id="c1"), say("sorry"))
    assert desk.client().chat("hi").content == "sorry"
    text = "Tool 'nope' is not available. You can only use the tools provided to you."
    assert results(model) == [("c1", text)]


@requirement("runtime:20.2:broken-arguments")
@pytest.mark.parametrize("arguments", ['{"path":', "[1]", "7"])
def test_broken_arguments_are_told_to_the_model(desk: Server, model: Model, arguments: str) -> None:
    """runtime.md §20.2 row 3: a tool message with an error; the run goes on."""
    model.script(call("read_file", arguments, id="c1"), say("again"))
    assert desk.client().chat("hi").content == "again"
    [(_, text)] = results(model)
    assert text.startswith("Error calling tool: the arguments")


@requirement("runtime:20.2:parallel")
def test_results_stand_in_the_order_of_the_calls(desk: Server, model: Model) -> None:
    """runtime.md §20.2 row 2: both results precede the next call, in call order."""
    model.script(
        call("list_directory", {"path": "."}, id="c1", index=0)
        + call("read_file", {"path": "note.txt"}, id="c2", index=1)
        + call("read_file", {"path": "missing"}, id="c3", index=2),
        say("ok"),
    )
    desk.client().chat("hi")
    assert [id for id, _ in results(model)] == ["c1", "c2", "c3"]
    assert [text for _, text in results(model)] == [
        "FILE note.txt",
        "remember the milk",
        "not found",
    ]


@requirement("runtime:20.2:loop")
def test_a_model_that_repeats_itself_is_stopped(desk: Server, model: Model) -> None:
    """runtime.md §20.2 row 4: the same call five times; no sixth; never to be retried."""
    model.script(call("think", {"thought": "hm"}))
    reply = desk.client().chat("hi")
    assert (reply.status, reply.error["code"]) == (500, "loop_detected")
    assert reply.headers["x-should-retry"] == "false"
    assert reply.error["message"].startswith(
        "Agent terminated: detected 5 consecutive identical calls to think."
    )
    assert len(model.heard) == 5


@requirement("runtime:20.2:max-iterations")
def test_the_iteration_limit_ends_with_its_notice(
    scripted: Scripted, serve: Serve, model: Model
) -> None:
    """runtime.md §20.2 row 5: 200 with the exact notice, also in the stream; finish length."""
    agent = {"model": model.name, "max_iterations": 2, "toolsets": [{"type": "think"}]}
    server = serve(agent_yaml(scripted.url, {"root": agent}))
    model.script(lambda heard: call("think", {"thought": str(len(model.heard))}))
    notice = "Execution stopped after reaching the configured max_iterations limit (2)."
    reply = server.client().chat("hi")
    assert (reply.status, reply.content) == (200, notice)
    assert reply.json["choices"][0]["finish_reason"] == "length"
    with server.client().stream("hi") as stream:
        assert text_of(stream.rest()) == notice
    assert len(model.heard) == 4


@requirement("chat:1:max-turns")
def test_max_turns_bounds_every_run(scripted: Scripted, serve: Serve, model: Model) -> None:
    """chat-server.md §1: model calls in one run, over all agents; ends like max_iterations."""
    agent = {"model": model.name, "toolsets": [{"type": "think"}]}
    server = serve(agent_yaml(scripted.url, {"root": agent}), "--max-turns", "3")
    model.script(lambda heard: call("think", {"thought": str(len(model.heard))}))
    reply = server.client().chat("hi")
    assert (reply.status, reply.json["choices"][0]["finish_reason"]) == (200, "length")
    assert "3" in reply.content
    assert len(model.heard) == 3


@requirement("chat:4:no-retry-after-tools", "client:71")
def test_a_failure_after_a_tool_asks_not_to_be_sent_again(desk: Server, model: Model) -> None:
    """chat-server.md §4: every failure after a tool has run carries x-should-retry: false."""
    model.script(call("read_file", {"path": "note.txt"}), fail(401, "no"))
    reply = desk.client().chat("hi")
    assert (reply.status, reply.headers["x-should-retry"]) == (502, "false")


@requirement("chat:6:modes")
@pytest.mark.parametrize(
    ("flags", "agent", "written"),
    [
        ((), {}, True),
        (("--safety", "restricted"), {}, False),
        (("--safety", "balanced"), {}, False),
        (("--safety", "strict"), {}, False),
        ((), {"safety": "restricted"}, False),
        (("--safety", "restricted"), {"safety": "balanced"}, False),
        (("--listen", "0.0.0.0:0", "--api-key", "k"), {}, False),
        (("--listen", "0.0.0.0:0", "--api-key", "k", "--safety", "autonomous"), {}, True),
    ],
)
def test_the_safety_mode_decides_what_may_write(
    scripted: Scripted,
    serve: Serve,
    model: Model,
    tmp_path: Path,
    flags: tuple[str, ...],
    agent: dict[str, Any],
    written: bool,
) -> None:
    """chat-server.md §6: autonomous on loopback, restricted elsewhere; the file may tighten
    only."""
    whole = {"model": model.name, "toolsets": [{"type": "filesystem"}], **agent}
    file = agent_yaml(scripted.url, {"root": whole}, top={"version": "12"})
    server = serve(file, "--working-dir", str(tmp_path), *flags)
    model.script(call("write_file", {"path": "a.txt", "content": "x"}), say("done"))
    server.client(key="k").chat("write")
    assert (tmp_path / "a.txt").exists() is written
    [(_, text)] = results(model)
    assert ("was denied: safety mode" in text) is not written
    if not written:
        assert "write_file" in server.log


@requirement("chat:6:rules")
def test_permission_rules_count_in_every_mode(
    scripted: Scripted, serve: Serve, model: Model, tmp_path: Path
) -> None:
    """chat-server.md §6: deny always counts, ask is a refusal, allow lets through in every mode."""
    (tmp_path / "secret.key").write_text("s")
    agent = {"model": model.name, "toolsets": [{"type": "filesystem"}]}
    rules = {
        "deny": ["read_file:path=*.KEY", "read_multiple_files:paths=*secret*"],
        "ask": ["create_directory"],
        "allow": ["write_file:path=ok*"],
    }
    file = agent_yaml(scripted.url, {"root": agent}, top={"permissions": rules})
    server = serve(file, "--working-dir", str(tmp_path), "--safety", "restricted")
    denied = "is denied by permissions configuration."
    nobody = "requires user confirmation but the session is non-interactive."
    file = {"path": "ok.txt", "content": "x"}
    dodge = r'["ok.txt", "\u0073ecret.key"]'
    calls = [
        ("read_multiple_files", {"paths": dodge}, f"Tool 'read_multiple_files' {denied}"),
        ("read_file", {"path": "secret.key"}, f"Tool 'read_file' {denied}"),
        ("create_directory", {"paths": ["d"]}, f"Tool 'create_directory' {nobody}"),
        ("write_file", file, "File written successfully: ok.txt (1 bytes)"),
        ("write_file", {**file, "path": "no.txt"}, "Tool 'write_file' was denied: safety mode"),
    ]
    for name, arguments, expected in calls:
        model.script(call(name, arguments), say("ok"))
        server.client().chat("go")
        [(_, text)] = results(model)
        assert text.startswith(expected)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ok.txt", "secret.key"]


@requirement("tool:arguments:tidy")
@pytest.mark.parametrize(
    "written",
    [r'["\ud800"]', r'["a.txt", "\udc00\ud800"]', r'[{"a": "\ud800"}]', "[" * 5000, "[NaN]"],
)
def test_half_a_character_in_arguments_ends_no_run(
    scripted: Scripted, serve: Serve, model: Model, tmp_path: Path, written: str
) -> None:
    """chat-server.md §3: nothing a model writes causes a 500; rules and tools see the text."""
    agent = {"model": model.name, "toolsets": [{"type": "filesystem"}, {"type": "todo"}]}
    rules = {"deny": ["read_multiple_files:paths=*secret*", "create_todos:descriptions=*secret*"]}
    file = agent_yaml(scripted.url, {"root": agent}, top={"permissions": rules})
    server = serve(file, "--working-dir", str(tmp_path))
    model.script(
        call("read_multiple_files", {"paths": written}, id="c1", index=0)
        + call("create_todos", {"descriptions": written}, id="c2", index=1),
        say("ok"),
    )
    assert server.client().chat("go").content == "ok"
    assert len(results(model)) == 2


@requirement("python:bounds")
def test_half_a_character_in_a_result_ends_no_run(
    scripted: Scripted, serve: Serve, model: Model, tmp_path: Path
) -> None:
    """chat-server.md §3: what no UTF-8 can carry is replaced, in answers and in errors."""
    (tmp_path / "tools.py").write_text(
        'def half() -> str:\n    "x"\n    return "a\\ud800ä"\n'
        'def fails() -> str:\n    "x"\n    raise ValueError("b\\udc00")\n'
    )
    agent = {"model": model.name, "toolsets": [{"type": "python", "ref": "./tools.py"}]}
    (tmp_path / "agent.yaml").write_text(agent_yaml(scripted.url, {"root": agent}))
    server = serve(tmp_path / "agent.yaml")
    model.script(call("half", id="c1", index=0) + call("fails", id="c2", index=1), say("ok"))
    assert server.client().chat("go").content == "ok"
    assert [text for _, text in results(model)] == [
        "a?ä",
        "Error calling tool: ValueError: b?",
    ]


@requirement("chat:4:usage-sum", "client:85")
def test_a_team_answers_with_the_entry_agents_voice_and_the_sum_of_all_tokens(
    scripted: Scripted, serve: Serve, model: Model
) -> None:
    """runtime.md §20.2 rows 14 and 26: the child's text is a tool result; usage is the sum."""
    child = scripted.model(f"{model.name}-child").script(say("42") + usage(100, 1))
    agents = {
        "root": {"model": model.name, "sub_agents": ["sage"]},
        "sage": {"model": child.name, "description": "Knows."},
    }
    server = serve(agent_yaml(scripted.url, agents))
    task = {"agent": "sage", "task": "think", "expected_output": "a number"}
    turns = (call("transfer_task", task, id="c1") + usage(10, 1), say("It is 42.") + usage(20, 1))
    model.script(*turns, *turns)
    body = server.client().chat("what?").json
    assert body["choices"][0]["message"]["content"] == "It is 42."
    assert body["usage"]["total_tokens"] == 133
    with server.client().stream("again?") as stream:
        assert text_of(stream.rest()) == "It is 42."
    assert results(model) == [("c1", "42")]
    roles = [(m["role"], m["content"]) for m in child.heard[0].messages]
    assert roles[-1] == ("user", "Please proceed.")
    assert "<task>\nthink\n</task>" in roles[0][1]
    assert "what?" not in json.dumps(child.heard[0].messages)
    team = model.heard[0].messages[0]["content"]
    assert "Name: sage | Description: Knows." in team


@requirement("agent-file:force-handoff")
def test_a_pipeline_of_agents_speaks_with_one_voice(
    scripted: Scripted, serve: Serve, model: Model
) -> None:
    """runtime.md §11.5: every stage is depth 0, a blank line between stages."""
    editor = scripted.model(f"{model.name}-editor").script(say("Edited."))
    agents = {
        "root": {"model": model.name, "force_handoff": "editor"},
        "editor": {"model": editor.name},
    }
    server = serve(agent_yaml(scripted.url, agents, top={"version": "12"}))
    model.script(say("Draft.") + finish("stop"))
    assert server.client().chat("write").content == "Draft.\n\nEdited."
    assert editor.heard[0].messages[-1]["content"] == "Please proceed."


@requirement("agent-file:4.1:prompt-order")
def test_the_prompt_stands_in_its_order(
    scripted: Scripted, serve: Serve, model: Model, tmp_path: Path
) -> None:
    """agent-file.md §4.1: team, instruction, toolset texts, environment, date and files, the
    client's."""
    (tmp_path / "HOUSE.md").write_text("House rules.")
    agents = {
        "root": {
            "model": model.name,
            "instruction": "You are ${env.WHO}.",
            "sub_agents": ["helper"],
            "handoffs": ["helper"],
            "toolsets": [{"type": "think", "instruction": "Think hard."}, {"type": "filesystem"}],
            "add_date": True,
            "add_environment_info": True,
            "add_prompt_files": ["HOUSE.md"],
        },
        "helper": {"model": model.name},
    }
    file = agent_yaml(scripted.url, agents)
    server = serve(file, "--working-dir", str(tmp_path), env={"WHO": "Ada"})
    history = [{"role": "system", "content": "Client rule."}, {"role": "user", "content": "hi"}]
    server.client("root").chat(history)
    sent = model.heard[0].messages
    whole = sent[0]["content"]
    marks = [
        "transfer_task",
        "`handoff`",
        "You are Ada.",
        "Think hard.",
        "Filesystem",
        "Working directory",
        "House rules.",
        "Client rule.",
    ]
    places = [whole.lower().find(mark.lower()) for mark in marks]
    assert -1 not in places, dict(zip(marks, places, strict=True))
    assert places == sorted(places)
    assert sent[-1] == {"role": "user", "content": "hi"}
