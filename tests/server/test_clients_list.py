"""What clients do, line by line, where no other test says it. Source: clients.md."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from docker_agent.server.conversations.ids import is_side_request
from docker_agent.server.wire import ChatRequest, WireMessage
from tests.conftest import Lane, Serve
from tests.harness import agent_yaml
from tests.requirements import requirement
from tests.scripted.client import finish_of
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import call, fail, say, usage

DOCS = Path(__file__).parent.parent.parent / "docs"
CHAT = "/v1/chat/completions"
USER = {"role": "user", "content": "hi"}


@requirement("client:1", "client:3", "client:9", "client:10", "client:25")
@pytest.mark.parametrize("text", ["Hello", ""])
def test_a_naive_loop_over_chunks_works(lane: Lane, text: str) -> None:
    """clients.md 1, 3, 9, 10, 25: role first, one finish reason, text deltas, then the end."""
    lane.model.script(say(text) if text else usage())
    with lane.client.stream("hi") as stream:
        chunks = stream.rest()
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert all(len(chunk["choices"]) == 1 and "usage" not in chunk for chunk in chunks)
    assert finish_of(chunks) == "stop"
    assert all(isinstance(chunk["choices"][0]["delta"].get("content", ""), str) for chunk in chunks)
    assert stream.raw.endswith(b"data: [DONE]\n\n")
    assert stream.raw.count(b"[DONE]") == 1
    options = {"include_usage": False, "include_obfuscation": True}
    assert lane.client.chat("hi", stream_options=options).json["usage"]["total_tokens"] >= 0


@requirement("client:38")
@pytest.mark.parametrize("role", ["system", "developer", "user", "assistant", "tool"])
def test_parts_are_joined_without_invented_spaces(lane: Lane, role: str) -> None:
    """clients.md 38: content as parts for every role."""
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": " two"}]
    message: dict[str, Any] = {"role": role, "content": parts}
    history: list[dict[str, Any]] = [USER]
    if role == "tool":
        function = {"name": "f", "arguments": "{}"}
        asked = [{"id": "c1", "type": "function", "function": function}]
        history.append({"role": "assistant", "tool_calls": asked})
        message["tool_call_id"] = "c1"
    assert lane.client.chat([*history, message, USER]).status == 200
    heard = [m.get("content") or "" for m in lane.model.heard[-1].messages]
    assert any("one two" in content for content in heard), heard


@requirement("client:40", "client:41", "client:45", "client:46", "client:49")
def test_every_field_of_the_api_is_taken_or_refused_by_name(lane: Lane) -> None:
    """clients.md 40, 41, 45, 46, 49: deprecated, new, at the ends of their ranges."""
    taken: list[dict[str, Any]] = [
        {"functions": [{"name": "f"}], "function_call": "auto"},
        {"stream": None, "stream_options": None, "store": True, "prediction": {}},
        {"temperature": 0, "top_p": 0, "frequency_penalty": -2, "presence_penalty": 2},
        {"temperature": 2, "top_p": 1, "stop": None, "seed": 2**63 - 1},
        {"stop": "x"},
        {"stop": ["a", "b", "c", "d"], "modalities": ["text"], "audio": None},
        {"verbosity": "high", "service_tier": "fast", "safety_identifier": "s"},
        {"prompt_cache_options": {"mode": "implicit"}, "prompt_cache_retention": "24h"},
        {"web_search_options": {}, "moderation": {}, "prompt_cache_key": "k"},
        *({"reasoning_effort": effort} for effort in ("none", "minimal", "low", "xhigh", "max")),
    ]
    for fields in taken:
        reply = lane.client.chat("hi", **fields)
        assert reply.status == 200, (fields, reply.text)
    lane.client.chat("hi", logit_bias={"50256": -100})
    assert lane.model.heard[-1].body["logit_bias"] == {"50256": -100}
    refusing: dict[str, Any] = {"n": 2, "logprobs": True, "top_logprobs": 3}
    for name, value in refusing.items():
        refused = lane.client.post(CHAT, {"messages": [USER], name: value})
        assert (refused.status, refused.error["param"]) == (400, name)
    function = {"role": "function", "name": "f", "content": "42"}
    assert lane.client.chat([function]).status == 200


@requirement("client:56", "client:61")
def test_models_are_listed_while_a_toolset_still_starts(
    scripted: Scripted, serve: Serve, model: Model, tmp_path: Path
) -> None:
    """clients.md 56, 61: Open WebUI waits ten seconds for the list; sub-agents are in it."""
    slow = {"type": "mcp", "command": "sleep", "args": ["60"]}
    agents = {
        "root": {"model": model.name, "sub_agents": ["helper"], "toolsets": [slow]},
        "helper": model.name,
    }
    client = serve(agent_yaml(scripted.url, agents)).client()
    assert [m["id"] for m in client.get("/v1/models").json["data"]] == ["root", "helper"]
    unready = client.get("/ready")
    assert (unready.status, unready.error["code"]) == (503, "not_ready")
    assert client.get("/health").status == 200


@requirement("client:73")
def test_an_error_before_the_stream_is_json_with_its_status(lane: Lane) -> None:
    """clients.md 73: also for a request that asked for a stream."""
    with lane.client.open("POST", CHAT, {"stream": True}) as stream:
        body = json.loads(stream.read_to_end())
    assert (stream.status, stream.headers["content-type"]) == (400, "application/json")
    assert body["error"]["param"] == "messages"


@requirement("client:71")
def test_a_failure_before_anything_happened_may_be_sent_again(lane: Lane) -> None:
    """clients.md 71: nothing says no."""
    lane.model.script(fail(400, "no"))
    reply = lane.client.chat("hi")
    assert (reply.status, "x-should-retry" in reply.headers) == (502, False)


TITLE = 'JSON format: { "title": "your concise title here" }'
RAG = (
    "### Task:\nRespond to the user query using the provided context.\n\n### Output:\n"
    "Provide a clear and direct response.\n\n<context>\n"
    '<source id="1">JSON: {"title": "x", "tags": []}</source>\n</context>\n\nWhat is x?'
)


@requirement("client:78", "client:79", "client:80")
@pytest.mark.parametrize(
    ("text", "stream", "side"),
    [
        (f"### Task:\nGenerate a title.\n### Output:\n{TITLE}\n### Chat History:\nx", None, True),
        ('### Task:\nTags.\n### Output:\nJSON format: { "tags": ["a"] }', False, True),
        ('### Task:\nNext?\n### Output:\nJSON format: { "follow_ups": ["a"] }', False, True),
        ('### Task:\nS\n### Output:\nStrictly return in JSON format:\n{"queries": []}', None, True),
        ('### Task:\nS\n### Output:\nStrictly return in JSON format:\n{"prompt": ""}', None, True),
        (
            "### Task:\nComplete.\n### **Output Rules**:\n1. Respond only in JSON format: "
            '`{ "text": "<completion>" }`',
            None,
            True,
        ),
        (RAG, None, False),
        (RAG, True, False),
        (f"### Task:\nGenerate a title.\n### Output:\n{TITLE}", True, False),
        ('### Task:\nWrite a JSON file with a "title": key.', None, False),
        ("Provide a concise, 5-word-or-less title for the conversation", None, False),
    ],
)
def test_side_requests_are_told_from_questions(text: str, stream: bool | None, side: bool) -> None:
    """clients.md 78, 79: the prefix alone is not enough; other clients' titles are ordinary."""
    request = ChatRequest([WireMessage("user", text)], stream=stream)
    assert is_side_request({}, request) is side
    assert is_side_request({b"x-openwebui-task": b"autocomplete_generation"}, request)
    request.messages.append(WireMessage("user", "more"))
    assert not is_side_request({}, request)


@requirement("client:81")
def test_a_claimed_identity_is_not_trusted(scripted: Scripted, serve: Serve, model: Model) -> None:
    """clients.md 81: usable only when configured as trusted, and nothing configures it: memories
    stay those of the key's holder."""
    agent = {"model": model.name, "toolsets": [{"type": "memory"}]}
    client = serve(agent_yaml(scripted.url, {"root": agent}), "--safety", "autonomous").client()
    model.script(
        call("add_memory", {"memory": "likes tea"}), say("ok"), call("get_memories"), say("ok")
    )
    for name in ("ann", "bob"):
        headers = {"X-OpenWebUI-User-Id": name, "X-OpenWebUI-User-Name": name}
        assert client.chat("hi", headers=headers).status == 200
    answers = [m["content"] for m in model.heard[-1].messages if m["role"] == "tool"]
    assert "likes tea" in answers[-1]
    assert not any("bob" in json.dumps(heard.body) for heard in model.heard)


@requirement("client:72", "client:88")
def test_the_documentation_tells_clients_what_to_set() -> None:
    """clients.md 72, 88: time-outs of whole replies, and a snippet for editors."""
    page = (DOCS / "reference/http.md").read_text()
    assert "--request-timeout" in page
    assert "600 seconds" in page
    assert "Custom Endpoint" in page
