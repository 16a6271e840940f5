"""The log's form, and its line for each request. Source: `--log-format`; never a secret."""

from __future__ import annotations

import json
import re
import time
from typing import Any

from tests.conftest import Serve
from tests.harness import Server, agent_yaml
from tests.requirements import requirement
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import call, say, usage

SECRETS = ("s3cret-key", "s3cret-body", "s3cret-query", "s3cret-header")


def wait_log(server: Server, text: str) -> str:
    """The log once it holds `text`: a line is written after the answer has left."""
    end = time.monotonic() + 10
    while text not in server.log and time.monotonic() < end:
        time.sleep(0.01)
    assert text in server.log, server.log
    return server.log


def access_lines(log: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in log.splitlines()]
    return [line for line in lines if line["logger"] == "docker_agent.access"]


@requirement("server:access-log")
def test_a_json_line_tells_who_asked_what_and_what_it_cost(
    scripted: Scripted, serve: Serve, model: Model
) -> None:
    """Request id, caller, agent, model, tokens, duration; every line of the log is JSON."""
    agent = {"model": model.name, "toolsets": [{"type": "think"}]}
    file = agent_yaml(scripted.url, {"root": agent})
    server = serve(
        file, "--log-format", "json", "--api-key", SECRETS[0], "--conversations-max", "9"
    )
    numbers = usage(10, 5)
    model.script(call("think", {"thought": "x"}) + numbers, say("Hi") + numbers)
    client = server.client(key=SECRETS[0])
    headers = {"X-Request-Id": "mine-1", "X-Conversation-Id": "c1", "X-Other": SECRETS[3]}
    with client.stream(SECRETS[1], headers=headers) as stream:
        stream.rest()
    client.get(f"/v1/models?key={SECRETS[2]}", {"X-Request-Id": "mine-2"})
    server.client().get("/v1/models", {"X-Request-Id": "mine-3"})
    lines = {line["request_id"]: line for line in access_lines(wait_log(server, "mine-3"))}
    chat = lines["mine-1"]
    assert chat["ms"] >= chat["first_token_ms"] >= 0
    del chat["ms"], chat["first_token_ms"], chat["time"]
    assert chat == {
        "level": "info",
        "logger": "docker_agent.access",
        "message": "request",
        "request_id": "mine-1",
        "caller": "key",
        "method": "POST",
        "path": "/v1/chat/completions",
        "status": 200,
        "agent": "root",
        "model": model.name,
        "stream": True,
        "prompt_tokens": 20,
        "completion_tokens": 10,
        "tool_calls": 1,
        "conversation": "c1",
    }
    assert (lines["mine-2"]["status"], lines["mine-2"]["path"]) == (200, "/v1/models")
    refused = lines["mine-3"]
    assert (refused["status"], refused["caller"]) == (401, "")
    assert refused["error"] == "invalid_api_key"
    assert not [secret for secret in SECRETS if secret in server.log]


@requirement("server:access-log")
def test_a_text_line_holds_the_same_as_pairs(
    scripted: Scripted, serve: Serve, model: Model
) -> None:
    """`--log-format text`; a path cannot forge a line."""
    server = serve(agent_yaml(scripted.url, model.name), "--log-format", "text")
    server.client().chat("hi", headers={"X-Request-Id": "mine"})
    server.client().get("/a%0aERROR%20forged=1%22", {"X-Request-Id": "odd"})
    log = wait_log(server, "request_id=odd")
    [line] = [line for line in log.splitlines() if "request_id=mine" in line]
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00 INFO docker_agent\.access: request request_id=mine "
        r'caller="" method=POST path=/v1/chat/completions status=200 ms=[\d.]+ agent=root '
        rf"model={model.name} stream=false prompt_tokens=\d+ completion_tokens=\d+ tool_calls=0 "
        r"first_token_ms=[\d.]+",
        line,
    )
    assert r'path="/a\nERROR forged=1\""' in log


@requirement("server:access-log")
def test_by_default_there_is_no_line_for_a_request(
    scripted: Scripted, serve: Serve, model: Model
) -> None:
    """What nobody asked for costs nothing."""
    server = serve(agent_yaml(scripted.url, model.name))
    server.client().chat("hi", headers={"X-Request-Id": "mine"})
    server.stop()
    assert "mine" not in server.log
