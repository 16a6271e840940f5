"""Options of toolset entries, seen from outside. Source: runtime.md §8.3, §9.21."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Serve
from tests.harness import Server, agent_yaml
from tests.requirements import requirement
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import call, fail, say


def one_agent(
    scripted: Scripted, model: Model, toolsets: list[Mapping[str, Any]], **keys: object
) -> str:
    """A file of version 12 with one agent."""
    root = {"model": model.name, "toolsets": toolsets, **keys}
    return agent_yaml(scripted.url, {"root": root}, top={"version": "12"})


@pytest.fixture
def two(scripted: Scripted, serve: Serve, model: Model) -> Server:
    """An agent whose todo list another model reads, with think deferred."""
    todo = {"type": "todo", "model": f"scripted/{model.name}-b", "toon": "^list_"}
    file = one_agent(scripted, model, [todo, {"type": "think", "defer": True}])
    return serve(file, "--conversations-max", "10")


@requirement("options:model", "options:toon")
def test_the_model_of_a_toolset_reads_its_results_once(
    scripted: Scripted, two: Server, model: Model
) -> None:
    """runtime.md §8.3: one shot; then the agent's own model goes on. TOON for the list."""
    other = scripted.model(f"{model.name}-b")
    other.script(call("think", {"thought": "x"}) + say("b1"))
    model.script(
        call("create_todo", {"description": "milk"}) + call("list_todos", id="l1"), say("done")
    )
    assert two.client().chat("go").content == "b1\n\ndone"
    assert (len(model.heard), len(other.heard)) == (2, 1)
    listed = [m["content"] for m in other.heard[0].messages if m["role"] == "tool"][1]
    assert listed.startswith("todos[1]{id,description,status}:\n  todo_1,milk,pending")


@requirement("options:model")
def test_a_model_of_a_toolset_that_fails_is_told(
    scripted: Scripted, two: Server, model: Model
) -> None:
    """chat-server.md §4: as any other model's failure."""
    scripted.model(f"{model.name}-b").script(fail(401, "no"))
    model.script(call("list_todos"), say("never"))
    answer = two.client().chat("go")
    assert (answer.status, answer.error["code"]) == (502, "model_error")
    assert len(model.heard) == 1


@requirement("options:defer")
def test_deferred_tools_belong_to_one_conversation(two: Server, model: Model) -> None:
    """runtime.md §9.21: hidden, found, activated, kept with the conversation; a failed turn
    activates nothing."""
    client = two.client()

    def chat(id: str) -> str | None:
        return client.chat("go", headers={"x-conversation-id": id}).content

    model.script(call("add_tool", {"name": "think"}), fail(400, "no"))
    assert client.chat("go", headers={"x-conversation-id": "a"}).status == 502
    model.script(
        call("search_tool", {"query": "think"}),
        call("add_tool", {"name": "think"}),
        call("think", {"thought": "x"}),
        say("done"),
    )
    before = len(model.heard)
    assert chat("a") == "done"
    offered = [heard.tool_names for heard in model.heard[before:]]
    assert ["think" in names for names in offered] == [False, False, True, True]
    assert all("add_tool" in names for names in offered)
    model.script(say("again"))
    chat("a")
    chat("b")
    assert ["think" in heard.tool_names for heard in model.heard[-2:]] == [True, False]
    told = [m["content"] for m in model.heard[-1].messages if m["role"] == "system"]
    assert any("search_tool" in text and "think" in text for text in told)


@requirement("options:description")
def test_a_model_may_say_why_it_calls(scripted: Scripted, serve: Serve, model: Model) -> None:
    """agent-file.md §2.3: `add_description_parameter`."""
    toolsets: list[Mapping[str, Any]] = [{"type": "shell"}, {"type": "todo"}]
    server = serve(one_agent(scripted, model, toolsets, add_description_parameter=True))
    model.script(call("shell", {"cmd": "echo hi", "description": "to greet"}), say("done"))
    assert server.client().chat("go").content == "done"
    tools = {t["function"]["name"]: t["function"] for t in model.heard[0].body["tools"]}
    assert "description" in tools["shell"]["parameters"]["properties"]
    assert "description" not in tools["list_todos"]["parameters"]["properties"]
    assert model.heard[1].messages[-1]["content"] == "hi"


@requirement("chat:1:code-mode", "code:calls")
@pytest.mark.parametrize("flag", [True, False])
def test_an_agent_in_code_mode_runs_a_script(
    scripted: Scripted, serve: Serve, model: Model, tmp_path: Path, flag: bool
) -> None:
    """chat-server.md §1 and runtime.md §15, from outside: by flag or by file; rules count."""
    (tmp_path / "a.txt").write_text("alpha")
    keys = {} if flag else {"code_mode_tools": True}
    root = {"model": model.name, "toolsets": [{"type": "filesystem"}, {"type": "todo"}], **keys}
    file = agent_yaml(
        scripted.url,
        {"root": root},
        top={"version": "12", "permissions": {"deny": ["write_file"]}},
    )
    flags = ("--code-mode-tools",) if flag else ()
    server = serve(file, "--working-dir", str(tmp_path), *flags)
    text = (
        "const text = await read_file({path: 'a.txt'});"
        "try { await write_file({path: 'b.txt', content: text}) }"
        "catch (e) { return text + e.message }"
    )
    model.script(call("run_tools_with_javascript", {"script": text}), say("done"))
    assert server.client().chat("go").content == "done"
    offered = model.heard[0].tool_names
    assert "run_tools_with_javascript" in offered and "list_todos" in offered
    assert "read_file" not in offered
    value = json.loads(model.heard[1].messages[-1]["content"])["value"]
    assert value.startswith("alphaTool 'write_file' is denied")
    assert not (tmp_path / "b.txt").exists()
