"""Agents that think on Bedrock, through the whole product: HTTP in, ConverseStream out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Serve
from tests.harness import Server, run_command
from tests.requirements import requirement
from tests.scripted.bedrock import BEARER, KEY, SECRET, BedrockServer
from tests.scripted.bedrock_parts import overloaded, raised, reject, tokens
from tests.scripted.client import finish_of, text_of
from tests.scripted.gate import Gate
from tests.scripted.heard import Model
from tests.scripted.parts import begin, call, delta, die, finish, hold, say, think
from tests.test_imports import Imported

KEYS = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "eu-west-1"}
TOKEN = {"AWS_BEARER_TOKEN_BEDROCK": BEARER}
THINK = [{"type": "think"}]
CACHE = {"cachePoint": {"type": "default"}}


def agent_file(bedrock: BedrockServer, model: str, keys: dict[str, Any], **agent: object) -> str:
    """One agent whose model is on the scripted Bedrock."""
    options = {"endpoint_url": bedrock.url, **keys.pop("provider_opts", {})}
    whole = {"provider": "amazon-bedrock", "model": model, "provider_opts": options, **keys}
    root = {"model": "m", "instruction": "You answer.", **agent}
    return json.dumps({"version": "9", "models": {"m": whole}, "agents": {"root": root}}, indent=1)


def start(
    serve: Serve,
    bedrock: BedrockServer,
    model: Model,
    env: Mapping[str, str] = KEYS,
    **agent: object,
) -> Server:
    """The product in front of it."""
    return serve(agent_file(bedrock, model.name, {}, **agent), env=env)


@requirement("models:bedrock:product")
@pytest.mark.parametrize("env", [KEYS, TOKEN], ids=["signed", "bearer"])
def test_a_chat_is_answered_whole_and_as_a_stream(
    serve: Serve, bedrock: BedrockServer, model: Model, env: dict[str, str]
) -> None:
    """agent-file.md §3.2.2: provider amazon-bedrock; usage in OpenAI's words."""
    model.script(say("Hel", "lo") + tokens(3, 4, read=5, written=6))
    server = start(serve, bedrock, model, env)
    body = server.client().chat("hi").json
    assert body["choices"][0]["message"]["content"] == "Hello"
    assert body["choices"][0]["finish_reason"] == "stop"
    assert (body["usage"]["prompt_tokens"], body["usage"]["completion_tokens"]) == (14, 4)
    assert body["usage"]["prompt_tokens_details"]["cached_tokens"] == 5
    with server.client().stream("hi") as stream:
        chunks = stream.rest()
    assert (text_of(chunks), finish_of(chunks)) == ("Hello", "stop")
    heard = model.heard[0]
    how = f"AWS4-HMAC-SHA256 Credential={KEY}/" if env is KEYS else f"Bearer {BEARER}"
    assert heard.headers["authorization"].startswith(how)
    assert ("/eu-west-1/bedrock/" in heard.headers["authorization"]) is (env is KEYS)
    assert heard.body["system"] == [{"text": "You answer."}]
    assert heard.messages == [{"role": "user", "content": [{"text": "hi"}]}]


@requirement("models:bedrock:caching")
def test_prompts_are_cached_where_the_catalogue_has_a_price_for_it(
    serve: Serve, bedrock: BedrockServer
) -> None:
    """agent-file.md §3.2.3: cache points if the catalogue lists cache pricing."""
    known = bedrock.model("eu.anthropic.claude-sonnet-4-5-20250929-v1:0").forget()
    server = serve(agent_file(bedrock, known.name, {}), env=TOKEN)
    assert server.client().chat("hi").content == "hi"
    assert known.heard[0].body["system"] == [{"text": "You answer."}, CACHE]
    assert known.heard[0].messages[0]["content"] == [{"text": "hi"}, CACHE]
    off = {"provider_opts": {"disable_prompt_caching": True}}
    server = serve(agent_file(bedrock, known.name, off), env=TOKEN)
    assert server.client().chat("hi").content == "hi"
    assert "cachePoint" not in str(known.heard[1].body)


@requirement("models:bedrock:replay")
def test_thinking_goes_back_signed_when_a_tool_has_answered(
    serve: Serve, bedrock: BedrockServer, model: Model
) -> None:
    """agent-file.md §3.2.3: thinking blocks with signatures are replayed verbatim."""
    keys = {"thinking_budget": 4096, "temperature": 0.5}
    server = serve(agent_file(bedrock, model.name, keys, toolsets=THINK), env=TOKEN)
    model.script(
        think("Let me", " see.")
        + delta(signature="c2lnbmF0dXJl")
        + delta(redacted="aGlkZGVu")
        + say("One moment.")
        + call("think", {"thought": "x"}, id="tooluse_1", pieces=3),
        think("Done.") + delta(signature="s2") + say("42"),
    )
    with server.client().stream("hi") as stream:
        chunks = stream.rest()
    assert text_of(chunks) == "One moment.\n\n42"
    first, second = model.heard
    more = first.body["additionalModelRequestFields"]
    assert more["thinking"] == {"type": "enabled", "budget_tokens": 4096}
    assert more["anthropic_beta"] == ["interleaved-thinking-2025-05-14"]
    assert "inferenceConfig" not in first.body
    specs = first.body["toolConfig"]["tools"]
    assert [spec["toolSpec"]["name"] for spec in specs] == ["think"]
    _, said, result = second.messages
    assert said == {
        "role": "assistant",
        "content": [
            {
                "reasoningContent": {
                    "reasoningText": {"text": "Let me see.", "signature": "c2lnbmF0dXJl"}
                }
            },
            {"reasoningContent": {"redactedContent": "aGlkZGVu"}},
            {"text": "One moment."},
            {
                "toolUse": {
                    "toolUseId": "tooluse_1",
                    "name": "think",
                    "input": {"thought": "x"},
                }
            },
        ],
    }
    assert result["content"][0]["toolResult"]["toolUseId"] == "tooluse_1"


@requirement("models:bedrock:product")
def test_parallel_calls_and_errors_are_answered_together(
    serve: Serve, bedrock: BedrockServer, model: Model
) -> None:
    """agent-file.md §3.2.3: results of one turn are one user message, errors said to be such."""
    server = start(serve, bedrock, model, TOKEN, toolsets=THINK)
    model.script(
        call("think", {"thought": "x"}, id="c1")
        + call("nope", {}, id="c2")
        + call("think", '{"thought":', id="c3"),
        say("ok"),
    )
    assert server.client().chat("hi").content == "ok"
    results = [block["toolResult"] for block in model.heard[1].messages[-1]["content"]]
    assert [(one["toolUseId"], one.get("status")) for one in results] == [
        ("c1", None),
        ("c2", "error"),
        ("c3", "error"),
    ]


@requirement("models:bedrock:product")
def test_pictures_and_documents_reach_the_model(
    serve: Serve, bedrock: BedrockServer, model: Model
) -> None:
    """chat-server.md §3: parts in the words of this API; what it cannot take is a 400."""
    server = start(serve, bedrock, model, TOKEN)
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    file = {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}
    content: list[Any] = [{"type": "text", "text": "see"}, picture, {"type": "file", "file": file}]
    assert server.client().chat([{"role": "user", "content": content}], max_tokens=99).status == 200
    body = model.heard[0].body
    assert body["messages"][0]["content"][1:] == [
        {"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}},
        {"document": {"format": "pdf", "name": "a", "source": {"bytes": "JVBERi0="}}},
    ]
    assert body["inferenceConfig"]["maxTokens"] == 99
    elsewhere = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    refused = server.client().chat([{"role": "user", "content": [content[0], elsewhere]}])
    assert (refused.status, refused.error["code"]) == (400, "unsupported_content_type")
    assert "data URL" in refused.error["message"]


@requirement("models:bedrock:product")
@pytest.mark.parametrize(
    ("reason", "shown"), [("max_tokens", "length"), ("guardrail_intervened", "content_filter")]
)
def test_clients_are_told_why_it_ended(
    serve: Serve, bedrock: BedrockServer, model: Model, reason: str, shown: str
) -> None:
    """chat-server.md §4: a guardrail's own words are the answer, and a warning in the log."""
    server = start(serve, bedrock, model, TOKEN)
    model.script(say("a") + finish(reason))
    choice = server.client().chat("hi").json["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("a", shown)
    assert ("a guardrail stopped model" in server.log) is (shown == "content_filter")


@requirement("models:bedrock:product")
def test_failures_of_the_api_are_failures_of_the_model(
    serve: Serve, bedrock: BedrockServer, model: Model
) -> None:
    """chat-server.md §4: overloads are tried again, limits and refusals are told; no key shows."""
    server = serve(agent_file(bedrock, model.name, {}), "-d", env=KEYS)
    model.script(overloaded(), begin() + die(), raised("modelStreamErrorException"), say("a"))
    limits = {"Retry-After": "600"}
    assert server.client().chat("hi").status == 502
    assert len(model.heard) == 3
    model.script(overloaded(), begin() + die(), say("a"))
    assert server.client().chat("hi").content == "a"
    model.script(reject(429, "ThrottlingException", "slow down", limits))
    limited = server.client().chat("hi")
    assert (limited.status, limited.error["code"]) == (429, "model_rate_limited")
    model.script(reject(403, "AccessDeniedException", f"{KEY} may not; {SECRET}"))
    denied = server.client().chat("hi")
    assert denied.status == 502
    assert "*** may not; ***" in denied.error["message"]
    model.script(reject(400, message="Input is too long for requested model."))
    long = server.client().chat("hi")
    assert (long.status, long.error["code"]) == (400, "context_length_exceeded")
    assert KEY not in server.log and SECRET not in server.log


@requirement("models:bedrock:cancel")
def test_a_client_that_leaves_stops_the_model(
    serve: Serve, bedrock: BedrockServer, model: Model
) -> None:
    """runtime.md §3.8: the provider's stream is closed."""
    server = start(serve, bedrock, model, TOKEN)
    model.script(say("a") + hold(Gate()))
    with server.client().stream("hi") as stream:
        assert stream.next_text() == "a"
        stream.hang_up()
    assert model.wait_heard().wait_cut()


@requirement("models:bedrock:extra")
def test_without_the_library_the_extra_is_named_at_start(
    bedrock: BedrockServer, model: Model, serve: Serve, tmp_path: Path
) -> None:
    """DESIGN.md §6: an extra; a bearer token needs none."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['botocore'] = None\n")
    text = agent_file(bedrock, model.name, {})
    file = tmp_path / "agent.yaml"
    file.write_text(text)
    without = {"PYTHONPATH": str(tmp_path)}
    for command in (("serve", "chat", str(file)), ("check", "--strict", str(file))):
        done = run_command(*command, home=tmp_path, env={**without, **KEYS})
        assert done.returncode == 1, done.stdout
        assert "pip install 'docker-agent[bedrock]'" in done.stderr + done.stdout
        assert "Traceback" not in done.stderr
    server = serve(text, env={**without, **TOKEN})
    assert server.client().chat("hi").content == "hi"


@requirement("models:bedrock:extra")
def test_botocore_is_imported_when_a_request_must_be_signed(
    bedrock: BedrockServer, model: Model, serve: Serve, tmp_path: Path
) -> None:
    """DESIGN.md §6: import cost counts."""
    imported = Imported(tmp_path)
    server = start(serve, bedrock, model, {**imported.env, **KEYS})
    assert server.client().get("/v1/models").status == 200
    assert "botocore.session" not in imported.names()
    assert server.client().chat("hi").content == "hi"
    assert "botocore.session" in imported.names()


@requirement("models:bedrock:settings")
def test_check_looks_at_a_model_on_bedrock(
    bedrock: BedrockServer, model: Model, tmp_path: Path
) -> None:
    """agent-file.md §6.4: no variable is required."""
    file = tmp_path / "agent.yaml"
    file.write_text(agent_file(bedrock, model.name, {}))
    done = run_command("check", str(file), home=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "amazon-bedrock" in done.stdout
