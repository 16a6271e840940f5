"""Who may come in, and by which door. Source: chat-server.md §2, §4; seed.txt."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.conftest import Lane, Serve
from tests.harness import agent_yaml
from tests.requirements import requirement
from tests.scripted.model import Scripted

CHAT = {"messages": [{"role": "user", "content": "hi"}]}


@requirement("chat:2:models", "client:54")
def test_every_agent_is_listed_as_a_model(scripted: Scripted, serve: Serve) -> None:
    """seed.txt: every agent becomes a model; each answers with its own instruction."""
    agents = {
        "writer": {"model": "w", "instruction": "You write.", "description": "Writes."},
        "critic": {"model": "c", "instruction": "You judge."},
    }
    server = serve(agent_yaml(scripted.url, agents))
    client = server.client("")
    listed = client.get("/v1/models").json
    assert listed["object"] == "list"
    assert [m["id"] for m in listed["data"]] == ["writer", "critic"]
    first = listed["data"][0]
    assert list(first) == ["id", "object", "owned_by", "created", "name", "description"]
    assert (first["object"], first["owned_by"], first["description"]) == (
        "model",
        "docker-agent",
        "Writes.",
    )
    assert isinstance(first["created"], int)
    assert client.get("/v1/models/critic").json["id"] == "critic"
    unknown = client.get("/v1/models/nobody")
    assert (unknown.status, unknown.error["code"]) == (404, "model_not_found")
    assert "writer, critic" in unknown.error["message"]
    for name, model in [("writer", "w"), ("critic", "c")]:
        client.chat("hi", model=name)
        heard = scripted.model(model).heard[-1]
        assert heard.messages[0]["content"] == agents[name]["instruction"]


@requirement("seed:agent-flag")
def test_the_agent_flag_pins_one_agent(scripted: Scripted, serve: Serve) -> None:
    """seed.txt: `--agent reviewer` picks one agent of a file."""
    file = agent_yaml(scripted.url, {"root": "pin-root", "reviewer": "pin-reviewer"})
    client = serve(file, "--agent", "reviewer").client("")
    assert [m["id"] for m in client.get("/v1/models").json["data"]] == ["reviewer"]
    for model in ("reviewer", "root", "gpt-4"):
        reply = client.chat("hi", model=model)
        assert (reply.status, reply.headers["x-agent"]) == (200, "reviewer")
    assert scripted.model("pin-root").heard == []


@requirement("chat:2:head-options-405", "client:64")
@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/v1/models", "HEAD", 200),
        ("/health", "HEAD", 200),
        ("/v1/models", "OPTIONS", 204),
        ("/v1/chat/completions", "OPTIONS", 204),
        ("/v1/chat/completions", "GET", 405),
        ("/v1/models", "POST", 405),
        ("/nothing", "GET", 404),
        ("/v1/responses", "POST", 404),
    ],
)
def test_every_door_answers_every_method(lane: Lane, path: str, method: str, status: int) -> None:
    """chat-server.md §2: HEAD on every GET, OPTIONS 204, 405 with Allow, one error shape
    everywhere."""
    reply = lane.client.request(method, path)
    assert reply.status == status
    assert reply.headers["x-request-id"]
    assert reply.headers["x-content-type-options"] == "nosniff"
    if status >= 400:
        assert set(reply.json["error"]) == {"message", "type", "param", "code"}
    if status == 405:
        assert "OPTIONS" in reply.headers["allow"]
    if method == "HEAD":
        assert reply.body == b""


@requirement("chat:2:paths", "client:62", "client:63")
@pytest.mark.parametrize(
    "path",
    ["/v1/models/", "/v1//models", "/models", "/v1/v1/models", "//v1/models", "/v1/v1/models/"],
)
def test_paths_are_read_as_clients_write_them(lane: Lane, path: str) -> None:
    """chat-server.md §2, clients.md 62: no redirect, the same answer."""
    assert lane.client.get(path).json["object"] == "list"
    chat = path.replace("models", "chat/completions")
    assert lane.client.post(chat, {"model": lane.agent, **CHAT}).status == 200


@requirement("chat:2:request-id", "client:74")
def test_a_sane_request_id_is_echoed(lane: Lane) -> None:
    """chat-server.md §2: echoed when sane, else new."""
    assert (
        lane.client.get("/health", headers={"X-Request-Id": "abc-1"}).headers["x-request-id"]
        == "abc-1"
    )
    for bad in ("x" * 200, "two words"):
        echoed = lane.client.get("/health", headers={"X-Request-Id": bad}).headers["x-request-id"]
        assert echoed.startswith("req_")


@requirement("seed:authentication", "client:58", "client:68")
def test_a_key_is_asked_for_once_one_is_set(scripted: Scripted, serve: Serve) -> None:
    """seed.txt: Bearer token on every request to /v1/*; the schema is found without one."""
    server = serve(
        agent_yaml(scripted.url, "key-model"), "--api-key-env", "TOKEN", env={"TOKEN": "s3cret"}
    )
    client = server.client("root")
    for path in ("/v1/models", "/models", "/v1/v1/models", "/v1/responses"):
        refused = client.get(path)
        assert refused.status == 401
        assert refused.headers["www-authenticate"] == "Bearer"
        assert refused.error["code"] == "invalid_api_key"
    assert client.post("/v1/chat/completions", CHAT).status == 401
    assert scripted.model("key-model").heard == []
    wrong = client.get("/v1/models", headers={"Authorization": "Bearer s3cre"})
    assert wrong.status == 401
    for headers in (
        {"Authorization": "Bearer s3cret"},
        {"Authorization": "bearer s3cret"},
        {"x-api-key": "s3cret"},
        {"api-key": "s3cret"},
    ):
        assert client.get("/v1/models", headers=headers).status == 200
        assert client.post("/v1/chat/completions", CHAT, headers=headers).status == 200
    for path in ("/openapi.json", "/health", "/ready"):
        assert client.get(path).status == 200


@requirement("chat:1:api-key")
def test_both_keys_are_valid_when_both_are_given(scripted: Scripted, serve: Serve) -> None:
    """chat-server.md §1: --api-key and --api-key-env together."""
    server = serve(
        agent_yaml(scripted.url, "two-keys"),
        *("--api-key", "one", "--api-key-env", "OTHER"),
        env={"OTHER": "two"},
    )
    for key, status in [("one", 200), ("two", 200), ("three", 401)]:
        assert server.client("root", key=key).get("/v1/models").status == status


@requirement("chat:4:rebinding")
def test_a_page_that_rebinds_a_name_is_refused(lane: Lane) -> None:
    """chat-server.md §4: on loopback without a key, Host must be the bound name or loopback."""
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example"):
        refused = lane.client.get("/v1/models", headers={"Host": host})
        assert (refused.status, refused.error["code"]) == (403, "forbidden_host")
        assert "--allowed-host" in refused.error["message"]
        assert host.partition(":")[0] in refused.error["message"]
    for host in ("localhost", "LOCALHOST:99", "127.0.0.1:8083", "[::1]:1"):
        assert lane.client.get("/v1/models", headers={"Host": host}).status == 200


@requirement("chat:1:allowed-host")
def test_a_further_host_can_be_allowed(scripted: Scripted, serve: Serve) -> None:
    """chat-server.md §1: --allowed-host, repeatable."""
    server = serve(
        agent_yaml(scripted.url, "hosts"),
        *("--allowed-host", "host.docker.internal", "--allowed-host", "other"),
    )
    client = server.client("root")
    for host, status in [("host.docker.internal:1", 200), ("other", 200), ("third", 403)]:
        assert client.get("/v1/models", headers={"Host": host}).status == status


@requirement("chat:4:cross-site")
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://localhost:9999", "Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_page_of_another_site_is_refused(lane: Lane, headers: dict[str, str]) -> None:
    """chat-server.md §4: cross-site requests by Origin or Sec-Fetch-Site; some doors are exempt."""
    refused = lane.client.request("POST", "/v1/chat/completions", CHAT, headers)
    assert (refused.status, refused.error["code"]) == (403, "forbidden_origin")
    for path in ("/openapi.json", "/health"):
        assert lane.client.get(path, headers=headers).status == 200


@requirement("chat:4:cross-site")
def test_a_page_of_our_own_is_let_in(lane: Lane) -> None:
    """chat-server.md §4: a same-origin page may call the server it came from."""
    origin = f"http://127.0.0.1:{lane.server.port}"
    headers = {"Origin": origin, "Sec-Fetch-Site": "same-origin"}
    assert lane.client.get("/v1/models", headers=headers).status == 200


@requirement("chat:2:health", "client:65")
def test_health_and_readiness_are_told_without_a_key(lane: Lane) -> None:
    """chat-server.md §2: /health and /ready."""
    assert lane.client.get("/health").json == {"status": "ok"}
    assert lane.client.get("/ready").json == {"status": "ready"}


@requirement("chat:2:openapi")
def test_the_openapi_document_has_every_route_and_error(lane: Lane) -> None:
    """chat-server.md §2: OpenAPI 3.1, generated from the types."""
    document: dict[str, Any] = lane.client.get("/openapi.json").json
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) == {
        "/v1/models",
        "/v1/models/{id}",
        "/v1/chat/completions",
        "/openapi.json",
        "/",
        "/health",
        "/ready",
        "/metrics",
    }
    chat = document["paths"]["/v1/chat/completions"]["post"]
    assert {"200", "400", "401", "403", "413", "415", "429", "500", "502", "504"} <= set(
        chat["responses"]
    )
    schemas = document["components"]["schemas"]
    assert "messages" in schemas["ChatRequest"]["required"]
    assert set(schemas["ErrorObject"]["required"]) == {"message", "type", "param", "code"}


@requirement("chat:2:one-error-shape")
def test_what_is_no_http_is_refused_in_the_same_shape(lane: Lane) -> None:
    """chat-server.md §2: every non-2xx body, those of the framework included."""
    answer = lane.client.exchange(b"NONSENSE\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400")
    assert set(json.loads(body)["error"]) == {"message", "type", "param", "code"}


@requirement("chat:2:index")
def test_a_browser_finds_a_page_and_a_program_finds_json(lane: Lane) -> None:
    """chat-server.md §2: one self-contained page, no outside resources; JSON for who asks for
    it."""
    page = lane.client.get("/", headers={"Accept": "text/html,*/*"})
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", page.text)
    for word in ("openapi.json", "curl", "OpenAI", "Open WebUI", "API key"):
        assert word in page.text
    about = lane.client.get("/", headers={"Accept": "application/json"})
    assert about.json["chat_completions"] == "/v1/chat/completions"
