"""The page this program was asked for, played through as it stands. Source: seed.txt."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import anyio
import openai
import pytest

from docker_agent.cli.serve_chat import chat
from tests.conftest import Lane, Serve
from tests.harness import Server, agent_yaml
from tests.requirements import requirement
from tests.scripted.client import finish_of, text_of
from tests.scripted.model import Scripted
from tests.scripted.parts import say

HELLO = {"role": "user", "content": "Hello!"}


@pytest.fixture(scope="module")
def team(scripted: Scripted, tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """A server with two agents, `root` and `reviewer`, on echoing models."""
    agents = {"root": "seed-root", "reviewer": "seed-reviewer"}
    home = tmp_path_factory.mktemp("home")
    with Server(agent_yaml(scripted.url, agents), home=home) as server:
        yield server


@requirement("seed:api", "seed:command", "chat:1:command", "seed:completions")
def test_the_command_serves_a_file_at_both_endpoints(team: Server) -> None:
    """seed.txt 4-6, 48-54: the page's own curl line, by its bytes."""
    client = team.client("")
    assert client.get("/v1/models").status == 200
    body = b'{ "model": "root", "messages": [{"role": "user", "content": "Hello!"}] }'
    reply = client.post("/v1/chat/completions", body, {"Content-Type": "application/json"})
    assert (reply.status, reply.json["object"]) == (200, "chat.completion")
    assert reply.json["choices"][0]["message"]["content"] == "Hello!"


@requirement("seed:banner", "chat:1:banner", "chat:1:port-0")
def test_stdout_is_the_two_lines_and_nothing_else(team: Server) -> None:
    """seed.txt 41-44; chat-server.md §1: the printed port is the real one."""
    assert team.port > 0
    assert team.client("").get("/health").status == 200
    assert team.banner == [
        f"Listening on 127.0.0.1:{team.port}",
        "OpenAI-compatible chat completions endpoint: "
        f"http://127.0.0.1:{team.port}/v1/chat/completions",
    ]


@requirement("seed:models", "seed:team", "seed:open-webui-models")
def test_every_agent_of_a_team_is_a_model(team: Server) -> None:
    """seed.txt 13-14, 45-47, 159: the list's own keys, and each name answers."""
    listed = team.client("").get("/v1/models").json
    seen = [{key: row[key] for key in ("id", "object", "owned_by")} for row in listed["data"]]
    assert listed["object"] == "list"
    assert seen == [
        {"id": name, "object": "model", "owned_by": "docker-agent"} for name in ("root", "reviewer")
    ]
    for name in ("root", "reviewer"):
        assert team.client(name).chat("hi").headers["x-agent"] == name


@requirement("seed:single", "seed:model-is-agent")
def test_the_agent_of_a_single_agent_file_is_the_model_root(
    scripted: Scripted, serve: Serve
) -> None:
    """seed.txt 11-12, 37-39: typically root."""
    client = serve(agent_yaml(scripted.url, "single")).client("")
    assert [model["id"] for model in client.get("/v1/models").json["data"]] == ["root"]
    reply = client.chat("hi", model="root")
    assert (reply.json["model"], reply.headers["x-agent"]) == ("root", "root")


@requirement("seed:stream")
def test_stream_true_gives_server_sent_chunks(lane: Lane) -> None:
    """seed.txt 56-64: SSE of chat.completion.chunk deltas."""
    lane.model.script(say("Roses", " are", " red"))
    with lane.client.stream("Stream a poem") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        chunks = stream.rest()
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert (text_of(chunks), finish_of(chunks)) == ("Roses are red", "stop")


@requirement("seed:sdk", "seed:clients")
def test_the_openai_sdk_drives_an_agent(team: Server) -> None:
    """seed.txt 66-77: the page's own program; the key is ignored when none is asked for."""
    client = openai.OpenAI(base_url=team.url, api_key="not-needed-when-no-api-key-flag")
    messages: list[Any] = [HELLO]
    resp = client.chat.completions.create(model="root", messages=messages)
    assert resp.choices[0].message.content == "Hello!"
    chunks = client.chat.completions.create(model="reviewer", messages=messages, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Hello!"
    assert [model.id for model in client.models.list()] == ["root", "reviewer"]


@requirement("seed:clients")
@pytest.mark.anyio
async def test_the_asynchronous_sdk_drives_an_agent(team: Server) -> None:
    """seed.txt 7-10: any client that speaks the protocol."""
    messages: list[Any] = [HELLO]
    async with openai.AsyncOpenAI(base_url=team.url, api_key="any") as client:
        with anyio.fail_after(10):
            stream = await client.chat.completions.create(
                model="root", messages=messages, stream=True
            )
            text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert text == "Hello!"


@requirement("seed:prefix", "seed:openapi")
def test_the_schema_lies_at_the_top_and_needs_no_key(scripted: Scripted, serve: Serve) -> None:
    """seed.txt 23-25, 34-36: the API under /v1, its description beside it."""
    client = serve(agent_yaml(scripted.url, "schema"), "--api-key", "k").client("")
    paths = client.get("/openapi.json").json["paths"]
    assert {"/v1/models", "/v1/chat/completions", "/openapi.json"} <= set(paths)
    assert client.get("/v1/openapi.json").status == 401


@requirement("seed:scope")
@pytest.mark.parametrize("path", ["/api/sessions", "/api/agents", "/v1/sessions"])
def test_only_the_chat_api_is_served(team: Server, path: str) -> None:
    """seed.txt 21, 160: sessions and confirmations are another server's."""
    reply = team.client("").get(path)
    assert (reply.status, reply.error["code"]) == (404, "not_found")
    assert "/v1/chat/completions" in reply.error["message"]


@requirement("seed:stateless")
def test_without_a_flag_nothing_is_remembered(lane: Lane) -> None:
    """seed.txt 79-80: every request holds the full history, exactly like OpenAI's API."""
    lane.client.chat("Remember my name is Alice")
    lane.client.chat("What is my name?")
    assert [message["role"] for message in lane.model.heard[-1].messages] == ["system", "user"]
    history = [
        {"role": "user", "content": "My name is Alice"},
        {"role": "assistant", "content": "Hi Alice"},
        {"role": "user", "content": "What is my name?"},
    ]
    lane.client.chat(history)
    assert lane.model.heard[-1].messages[1:] == history


@requirement("chat:7:off")
def test_a_conversation_header_is_ignored_while_conversations_are_off(lane: Lane) -> None:
    """chat-server.md §7: off, header ignored, unless --conversations-max is above 0."""
    for _ in range(2):
        reply = lane.client.chat("hi", headers={"X-Conversation-Id": "my-thread-1"})
        assert reply.status == 200
        assert "x-conversation-id" not in reply.headers
    assert [message["role"] for message in lane.model.heard[-1].messages] == ["system", "user"]


@requirement("seed:api-key")
def test_a_literal_key_is_asked_for(scripted: Scripted, serve: Serve) -> None:
    """seed.txt 102-104, 126-127: `--api-key <token>`."""
    server = serve(agent_yaml(scripted.url, "literal-key"), "--api-key", "s3cret")
    assert server.client("").get("/v1/models").status == 401
    assert server.client("", key="s3cret").get("/v1/models").status == 200


@requirement("seed:api-key", "chat:1:empty-key")
def test_an_empty_key_is_none(scripted: Scripted, serve: Serve) -> None:
    """seed.txt 127: empty disables auth."""
    server = serve(agent_yaml(scripted.url, "no-key"), "--api-key", "")
    assert server.client("").get("/v1/models").status == 200


@requirement("seed:no-cors")
def test_no_answer_allows_another_origin(team: Server) -> None:
    """seed.txt 111: CORS is disabled by default."""
    origin = {"Origin": "https://my-ui.example.com"}
    for method, path in [("GET", "/health"), ("GET", "/v1/models"), ("OPTIONS", "/v1/models")]:
        headers = team.client("").request(method, path, headers=origin).headers
        assert not [name for name in headers if name.startswith("access-control-")]


@requirement("seed:listen", "seed:max-request-size", "seed:request-timeout")
def test_the_flags_have_the_pages_defaults() -> None:
    """seed.txt 119-141: address, 1 MiB, five minutes."""
    defaults = {param.name: param.default for param in chat.params}
    assert defaults["listen"] == "127.0.0.1:8083"
    assert defaults["max_request_size"] == 1048576
    assert defaults["request_timeout"] == 300.0


@requirement("seed:max-request-size", "chat:1:max-request-size")
@pytest.mark.parametrize(("limit", "status"), [("200", 413), ("5000", 200), ("0", 200)])
def test_the_request_size_is_bounded_however_it_comes(
    scripted: Scripted, serve: Serve, limit: str, status: int
) -> None:
    """chat-server.md §1: chunked bodies count too; 0 means the default, never unlimited."""
    server = serve(agent_yaml(scripted.url, "sized"), "--max-request-size", limit)
    body = b'{"messages": [{"role": "user", "content": "%s"}]}' % (b"x" * 1000)
    assert server.client("").post("/v1/chat/completions", body).status == status
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    head = (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    assert server.client("").exchange(head + chunked).startswith(b"HTTP/1.1 %d " % status)
    if limit == "0":
        huge = b" " * (1048576 + 1)
        assert server.client("").post("/v1/chat/completions", huge).status == 413
