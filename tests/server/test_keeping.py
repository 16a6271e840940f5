"""Long histories and passed headers, seen from outside. Source: runtime.md §7 and §8.6."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Serve
from tests.harness import agent_yaml
from tests.requirements import requirement
from tests.scripted.client import text_of
from tests.scripted.heard import Heard, Model
from tests.scripted.model import Scripted
from tests.scripted.parts import Reply, call, context_too_long, say, usage

WINDOW = 4_000
LONG = "word " * 700
"""About 1,000 tokens."""


def told(turns: int) -> list[dict[str, str]]:
    """A history as a client sends it again."""
    every = [
        message
        for turn in range(turns)
        for message in (
            {"role": "user", "content": f"q{turn} {LONG}"},
            {"role": "assistant", "content": f"a{turn}"},
        )
    ]
    return [{"role": "system", "content": "be brief"}, *every]


def summarizing(scripted: Scripted, model: Model, writer: Model) -> str:
    """An agent file with a small window and a compaction model."""
    return agent_yaml(
        scripted.url,
        model.name,
        models={
            "root": {
                "compaction_model": "writer",
                "compaction_threshold": 0.5,
                "provider_opts": {"context_size": WINDOW},
            },
            "writer": {"model": writer.name},
        },
        top={"version": "12"},
    )


@pytest.fixture
def writer(scripted: Scripted, model: Model) -> Model:
    """The model that writes summaries."""
    return scripted.model(f"{model.name}-writer").script(say("They counted.") + usage(100, 9))


@requirement("runtime:compaction:file", "runtime:7.3:resent")
def test_a_history_that_grows_too_long_is_summarized(
    scripted: Scripted, serve: Serve, model: Model, writer: Model
) -> None:
    """agent-file.md §4.5: `provider_opts.context_size`, `compaction_threshold` and
    `compaction_model`; the usage of the reply counts both."""
    client = serve(summarizing(scripted, model, writer)).client()
    model.script(say("fine") + usage(50, 5))
    messages = [*told(5), {"role": "user", "content": "and now?"}]
    body = client.chat(messages).json
    assert body["choices"][0]["message"]["content"] == "fine"
    assert body["usage"]["total_tokens"] == 164
    shown = [m["content"] for m in model.heard[0].messages if m["role"] != "assistant"]
    assert "Session Summary: They counted." in shown[-1] or shown[-2].startswith("Session Summary")
    assert any("be brief" in text for text in shown)
    [asked] = writer.heard
    assert "tools" not in asked.body
    client.chat([*messages, {"role": "assistant", "content": "fine"}, told(1)[1]])
    assert len(writer.heard) == 1


@requirement("runtime:7.1:overflow", "runtime:7.2:kept", "runtime:20.2:overflow")
def test_a_model_that_refuses_a_long_history_is_asked_again(
    scripted: Scripted, serve: Serve, model: Model
) -> None:
    """runtime.md §20.2 row 23, with a conversation that keeps the summary."""
    server = serve(agent_yaml(scripted.url, model.name), "--conversations-max", "10")
    client = server.client()
    model.script(context_too_long(), say("They counted."), say("fine"), say("again"))
    headers = {"x-conversation-id": "c1"}
    messages = [*told(5), {"role": "user", "content": "and now?"}]
    assert client.chat(messages, headers=headers).content == "fine"
    assert [len(heard.messages) < 6 for heard in model.heard] == [False, False, True]
    assert client.chat("x", headers=headers).content == "again"
    contents = [m["content"] for m in model.heard[3].messages]
    assert any("Session Summary: They counted." in text for text in contents)
    assert len(contents) < 9


def calling_home(scripted: Scripted, model: Model, spy: Model, headers: Mapping[str, str]) -> str:
    """An agent whose one tool posts to the scripted server, which notes what it was sent."""
    api = {
        "name": "look",
        "method": "POST",
        "endpoint": f"{scripted.url}/chat/completions",
        "headers": dict(headers),
        "args": {"model": {"type": "string"}, "messages": {"type": "array"}},
    }
    toolset: dict[str, Any] = {"type": "api", "api_config": api, "allow_private_ips": True}
    arguments = {"model": spy.name, "messages": [{"role": "user", "content": "hi"}]}

    def act(heard: Heard) -> Reply:
        done = heard.messages[-1]["role"] == "tool"
        return say("done") if done else call("look", arguments)

    model.script(act)
    return agent_yaml(scripted.url, {"root": {"model": model.name, "toolsets": [toolset]}})


@pytest.fixture
def spy(scripted: Scripted, model: Model) -> Model:
    """What a tool talks to."""
    return scripted.model(f"{model.name}-spy")


@requirement("runtime:8.6:headers")
def test_headers_that_the_file_names_reach_its_tools(
    scripted: Scripted, serve: Serve, model: Model, spy: Model
) -> None:
    """runtime.md §8.6: `${headers.NAME}` with dashes and in any case; others stay with us; each
    request has its own."""
    templates = {
        "X-Sent": "${headers.X-User-Token}",
        "X-Other": "${headers['x-other']||'none'}",
        "Authorization": "Bearer ${headers.authorization || 'nobody'}",
    }
    client = serve(calling_home(scripted, model, spy, templates)).client()
    sent = {"x-user-token": "t1", "x-unnamed": "u", "authorization": "Bearer a1"}
    assert client.chat("go", headers=sent).content == "done"
    assert client.chat("go", headers={"X-User-Token": "t2", "X-OTHER": "o"}).content == "done"
    first, second = (heard.headers for heard in spy.heard)
    assert (first["x-sent"], first["x-other"]) == ("t1", "none")
    assert first["authorization"] == "Bearer Bearer a1"
    assert (second["x-sent"], second["x-other"]) == ("t2", "o")
    assert second["authorization"] == "Bearer nobody"
    assert "u" not in first.values()


@requirement("runtime:8.6:headers")
def test_a_key_of_this_server_is_passed_to_nobody(
    scripted: Scripted, serve: Serve, model: Model, spy: Model
) -> None:
    """runtime.md §8.6: with a key set, credentials for others need another header."""
    templates = {
        "X-One": "1${headers.Authorization}",
        "X-Two": "2${headers.x-api-key}",
        "X-Three": "3${headers.api-key}",
        "X-Mine": "${headers.x-mine}",
    }
    file = calling_home(scripted, model, spy, templates)
    server = serve(file, "--api-key", "sesame")
    headers = {"x-api-key": "other", "api-key": "other", "x-mine": "m"}
    assert server.client(key="sesame").chat("go", headers=headers).content == "done"
    heard = spy.heard[0].headers
    assert [heard[f"x-{name}"] for name in ("one", "two", "three", "mine")] == ["1", "2", "3", "m"]


@requirement("runtime:16.1:shape")
def test_a_json_reply_of_the_wrong_shape_is_mended(
    scripted: Scripted, serve: Serve, model: Model
) -> None:
    """runtime.md §16.1: for `response_format` and `structured_output` alike; streams stay."""
    client = serve(agent_yaml(scripted.url, model.name)).client()
    schema = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}
    wish = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    model.script(say('{"n": "x"}') + usage(5, 5), say('{"n": 1}') + usage(7, 7))
    body = client.chat("go", response_format=wish).json
    assert body["choices"][0]["message"]["content"] == '{"n": 1}'
    assert body["usage"]["total_tokens"] == 24
    model.script(say("no JSON"))
    with client.stream("go", response_format=wish) as stream:
        assert text_of(stream.rest()) == "no JSON"
    assert len(model.heard) == 3


@requirement("runtime:16.2:cache", "runtime:16.2:file")
def test_a_cached_answer_is_given_in_both_modes(
    scripted: Scripted, serve: Serve, model: Model, tmp_path: Path
) -> None:
    """runtime.md §19 row 8: a hit emits content; the file outlives the server."""
    cache = {"enabled": True, "path": str(tmp_path / "answers.json")}
    file = agent_yaml(
        scripted.url, {"root": {"model": model.name, "cache": cache}}, top={"version": "12"}
    )
    model.script(say("first"), say("second"))
    client = serve(file).client()
    assert client.chat("hello").content == "first"
    with client.stream("hello") as stream:
        assert text_of(stream.rest()) == "first"
    assert client.chat("other").content == "second"
    assert len(model.heard) == 2
    assert len(json.loads((tmp_path / "answers.json").read_text())) == 2


@requirement("results:lasting")
@pytest.mark.parametrize("store", ["sqlite:talks.db", "memory"])
def test_a_conversation_finds_its_large_results_after_a_restart(
    scripted: Scripted, serve: Serve, model: Model, tmp_path: Path, store: str
) -> None:
    """runtime.md §5.6 R: they belong to the conversation, and last as long as it does; elsewhere
    the notice says what to do."""
    toolsets = [{"type": "shell"}, {"type": "filesystem"}]
    agent = {"model": model.name, "toolsets": toolsets}
    file = tmp_path / "agent.yaml"
    file.write_text(agent_yaml(scripted.url, {"root": agent}))
    flags = ("--conversations", store.replace("talks.db", str(tmp_path / "talks.db")))
    flags += ("--conversations-max", "9", "--working-dir", str(tmp_path))
    mine = {"x-conversation-id": "mine"}
    first = serve(file, *flags)
    model.script(call("shell", {"cmd": "seq 1 50000"}), say("many"))
    first.client().chat("count", headers=mine)
    notice = model.heard[-1].messages[-1]["content"]
    assert "should it be gone, call the tool again" in notice
    path = notice.partition("in the file ")[2].partition(";")[0]
    first.stop()
    second = serve(file, *flags)
    read = call("read_file", {"path": path, "offset": 25000, "limit": 1})
    model.script(read, say("there"))
    second.client().chat("and in the middle?", headers=mine)
    lasts = store.startswith("sqlite")
    assert (model.heard[-1].messages[-1]["content"] == "25000\n") is lasts
    model.script(read, say("no"))
    second.client().chat("show me", headers={"x-conversation-id": "theirs"})
    refused = "not yours" if lasts else "outside the allowed directories"
    assert refused in model.heard[-1].messages[-1]["content"]
