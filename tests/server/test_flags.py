"""Flags that change who may call, what names mean, and how much at once. Source: chat-server.md
§1, §4."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Serve
from tests.harness import agent_yaml, run_command
from tests.requirements import requirement
from tests.scripted.gate import Gate
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import hold, say

PAGE = "https://my-ui.example.com"


@requirement("seed:cors", "client:66")
def test_a_page_of_the_allowed_origin_may_call(scripted: Scripted, serve: Serve) -> None:
    """seed.txt: --cors-origin; the preflight needs no key; errors and streams carry the headers."""
    server = serve(agent_yaml(scripted.url, "cors"), "--cors-origin", PAGE, "--api-key", "k")
    client = server.client(key="k")
    preflight = server.client().request(
        "OPTIONS",
        "/v1/chat/completions",
        headers={
            "Origin": PAGE,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": (
                "authorization,x-stainless-lang,x-evil,X-Conversation-Id"
            ),
        },
    )
    assert preflight.status == 204
    assert preflight.headers["access-control-allow-origin"] == PAGE
    assert "POST" in preflight.headers["access-control-allow-methods"]
    allowed = preflight.headers["access-control-allow-headers"].split(", ")
    assert allowed == ["authorization", "x-stainless-lang", "X-Conversation-Id"]
    whole = client.chat("hi", headers={"Origin": PAGE})
    refused = server.client().get("/v1/models", headers={"Origin": PAGE})
    missing = client.get("/nothing", headers={"Origin": PAGE})
    assert (whole.status, refused.status, missing.status) == (200, 401, 404)
    with client.stream("hi", headers={"Origin": PAGE}) as stream:
        stream.rest()
    for headers in (whole.headers, refused.headers, missing.headers, stream.headers):
        assert headers["access-control-allow-origin"] == PAGE
        assert "x-request-id" in headers["access-control-expose-headers"]
        assert headers["vary"] == "Origin"
    other = client.get("/v1/models", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers


@requirement("chat:1:cors-origin")
@pytest.mark.parametrize(
    ("spec", "origin", "allowed"),
    [
        ("*", "https://any.example", True),
        (f"http://localhost:3000, {PAGE}", PAGE, True),
        (f"http://localhost:3000,{PAGE}", "http://localhost:3001", False),
        (r"~https://[a-z]+\.example\.com", "https://abc.example.com", True),
        (r"~https://[a-z]+\.example\.com", "https://abc.example.com.evil", False),
        ("", PAGE, False),
    ],
)
def test_origins_are_literal_any_or_patterns(
    scripted: Scripted, serve: Serve, spec: str, origin: str, allowed: bool
) -> None:
    """chat-server.md §1: comma list; whole-origin match; without a key others are refused."""
    client = serve(agent_yaml(scripted.url, "origins"), "--cors-origin", spec).client()
    reply = client.get("/v1/models", headers={"Origin": origin, "Sec-Fetch-Site": "cross-site"})
    assert reply.status == (200 if allowed else 403)


@requirement("chat:1:cors-origin")
@pytest.mark.parametrize("spec", ["example.com", "https://a.example/path", "~(", "ftp"])
def test_an_invalid_origin_stops_the_start(tmp_path: Path, spec: str) -> None:
    """chat-server.md §1: invalid = start error, where the reference starts without CORS."""
    (tmp_path / "a.yaml").write_text("version: '12'\nagents:\n  root: {model: ollama/x}\n")
    done = run_command("serve", "chat", "a.yaml", "--cors-origin", spec, home=tmp_path)
    assert done.returncode == 1
    assert "--cors-origin" in done.stderr


@requirement("chat:1:api-keys-file")
@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        ("ann:k", 0o644, "chmod 600"),
        ("ann k", 0o600, ":1: is no name:key line"),
        ("# nobody\n", 0o600, "holds no key"),
        ("ann:k\nann:l\n", 0o600, ":2: 'ann' stands there twice"),
        (None, 0, "No such file"),
    ],
)
def test_a_bad_keys_file_stops_the_start(
    tmp_path: Path, text: str | None, mode: int, said: str
) -> None:
    """chat-server.md §1: name:key lines; must not be world-readable."""
    (tmp_path / "a.yaml").write_text("version: '12'\nagents:\n  root: {model: ollama/x}\n")
    keys = tmp_path / "keys"
    if text is not None:
        keys.write_text(text)
        keys.chmod(mode)
    done = run_command("serve", "chat", "a.yaml", "--api-keys-file", str(keys), home=tmp_path)
    assert done.returncode == 1
    assert said in done.stderr


@requirement("chat:1:strict-models", "client:59", "client:60")
def test_strict_models_refuse_unknown_names_and_aliases_are_names(
    scripted: Scripted, serve: Serve
) -> None:
    """chat-server.md §1: 404 model_not_found; aliases are not listed."""
    server = serve(
        agent_yaml(scripted.url, {"root": "strict-a", "sage": "strict-b"}),
        *("--strict-models", "--model-alias", "gpt-4o=sage", "--model-alias", "gpt-4=root"),
    )
    client = server.client()
    assert [m["id"] for m in client.get("/v1/models").json["data"]] == ["root", "sage"]
    aliased = client.chat("hi", model="gpt-4o")
    assert (aliased.headers["x-agent"], aliased.json["model"]) == ("sage", "gpt-4o")
    assert client.get("/v1/models/gpt-4o").json["id"] == "gpt-4o"
    unknown = client.chat("hi", model="gpt-5")
    assert (unknown.status, unknown.error["code"], unknown.error["param"]) == (
        404,
        "model_not_found",
        "model",
    )


@requirement("chat:1:model-alias")
@pytest.mark.parametrize(("alias", "status"), [("gpt=nobody", 1), ("gpt", 2), ("=root", 2)])
def test_an_alias_of_nobody_stops_the_start(tmp_path: Path, alias: str, status: int) -> None:
    """chat-server.md §1: an unknown target stops the start."""
    (tmp_path / "a.yaml").write_text("version: '12'\nagents:\n  root: {model: ollama/x}\n")
    done = run_command("serve", "chat", "a.yaml", "--model-alias", alias, home=tmp_path)
    assert done.returncode == status
    assert alias in done.stderr


@requirement("chat:1:client-tools")
@pytest.mark.parametrize(
    ("flag", "offered"), [("on", ["a", "b"]), ("off", []), ("b", ["b"]), ("b,c", ["b"])]
)
def test_the_operator_decides_which_client_tools_are_offered(
    scripted: Scripted, serve: Serve, model: Model, flag: str, offered: list[str]
) -> None:
    """chat-server.md §1: on, off, or names."""
    client = serve(agent_yaml(scripted.url, model.name), "--client-tools", flag).client()
    tools = [{"type": "function", "function": {"name": name}} for name in "ab"]
    client.chat("hi", tools=tools)
    assert model.heard[0].tool_names == offered


@requirement("chat:1:max-concurrency")
def test_more_runs_than_allowed_are_told_to_wait(
    scripted: Scripted, serve: Serve, model: Model
) -> None:
    """chat-server.md §1: above --max-concurrency 429 with Retry-After; afterwards there is room."""
    gate = Gate()
    model.script(hold(gate) + say("one"), say("two"))
    client = serve(agent_yaml(scripted.url, model.name), "--max-concurrency", "1").client()
    with client.stream("a") as stream:
        gate.wait_reached()
        full = client.chat("b")
        assert (full.status, full.error["code"]) == (429, "too_many_requests")
        assert full.headers["retry-after"] == "1"
        assert client.get("/v1/models").status == 200
        gate.open()
        stream.rest()
    while (reply := client.chat("c")).status == 429:
        pass
    assert reply.content == "two"


@requirement("chat:1:listen")
def test_a_unix_socket_is_served(
    scripted: Scripted, serve: Serve, model: Model, tmp_path: Path
) -> None:
    """chat-server.md §1, §4: unix:///path; both lines name it; any Host; a stale one is
    replaced."""
    path = tmp_path / "agent.sock"
    for _ in range(2):
        server = serve(agent_yaml(scripted.url, model.name), "--listen", f"unix://{path}")
        assert all(str(path) in line for line in server.banner)
        assert server.client().chat("hi", headers={"Host": "anything"}).status == 200
        server.process.kill()
        server.process.wait(10)


@requirement("chat:1:conversation-flags")
@pytest.mark.parametrize("flags", [["--conversations-max", "-1"], ["--conversations", "paper"]])
def test_impossible_conversation_flags_are_usage_errors(tmp_path: Path, flags: list[str]) -> None:
    """chat-server.md §1: a negative number is a usage error."""
    (tmp_path / "a.yaml").write_text("version: '12'\nagents:\n  root: {model: ollama/x}\n")
    done = run_command("serve", "chat", "a.yaml", *flags, home=tmp_path)
    assert done.returncode == 2
    assert flags[0] in done.stderr
