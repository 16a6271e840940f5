"""The scripted Bedrock satisfies the vendor's own client: what passes here is the wire, and what it
says of a signature is true."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from importlib import import_module
from typing import Any

import pytest

from docker_agent.messages import JSON
from tests.models.bedrock.asking import CLAUDE
from tests.requirements import requirement
from tests.scripted.bedrock import KEY, SECRET, BedrockServer
from tests.scripted.bedrock_parts import overloaded, raised, reject, tokens
from tests.scripted.heard import Model
from tests.scripted.parts import call, cut, delta, finish, say, think

HI: list[JSON] = [{"role": "user", "content": [{"text": "hi"}]}]
TOOL_CONFIG = {"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}]}


class Vendor:
    """The vendor's own clients, without their retries; closed with the test."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._opened: list[Any] = []

    def client(self, **more: object) -> Any:  # noqa: ANN401 - it has no types
        """A client with the scripted keys, or others."""
        config = import_module("botocore.config").Config(retries={"total_max_attempts": 1})
        keys = {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET, **more}
        session = import_module("boto3").session.Session(region_name="us-west-2", **keys)
        client = session.client("bedrock-runtime", endpoint_url=self._url, config=config)
        self._opened.append(client)
        return client

    def stream(self, client: Any, **request: object) -> list[JSON]:  # noqa: ANN401
        """All events of one answer."""
        with contextlib.closing(client.converse_stream(**request)["stream"]) as stream:
            return list(stream)

    def close(self) -> None:
        """Let go of their connections."""
        for client in self._opened:
            client.close()


@pytest.fixture
def vendor(bedrock: BedrockServer) -> Generator[Vendor]:
    """Clients for one test."""
    with contextlib.closing(Vendor(bedrock.url)) as vendor:
        yield vendor


@requirement("models:bedrock:wire")
@pytest.mark.parametrize("sizes", [(10_000,), (7,), (1, 3)])
def test_the_vendors_client_reads_a_stream(
    vendor: Vendor, model: Model, sizes: tuple[int, ...]
) -> None:
    """ConverseStream: typed events in frames, signed request."""
    model.script(
        think("h", "m")
        + delta(signature="s1")
        + delta(redacted="eHl6")
        + say("Hel", "lo é😀")
        + call("f", {"a": 1}, id="c1", pieces=3)
        + call("f", {}, id="c2")
        + tokens(3, 4, read=5, written=6)
        + cut(*sizes)
    )
    events = vendor.stream(
        vendor.client(),
        modelId=model.name,
        messages=HI,
        toolConfig=TOOL_CONFIG,
        system=[{"text": "Be brief."}, {"cachePoint": {"type": "default"}}],
    )
    assert events[0] == {"messageStart": {"role": "assistant"}}
    grown = [each["contentBlockDelta"] for each in events if "contentBlockDelta" in each]
    assert "".join(one["delta"].get("text", "") for one in grown) == "Hello é😀"
    thoughts = [one["delta"]["reasoningContent"] for one in grown if one["contentBlockIndex"] < 2]
    assert thoughts == [{"text": "h"}, {"text": "m"}, {"signature": "s1"},
                        {"redactedContent": b"xyz"}]  # fmt: skip
    begun = [each["contentBlockStart"] for each in events if "contentBlockStart" in each]
    assert [one["start"]["toolUse"]["toolUseId"] for one in begun] == ["c1", "c2"]
    inputs = [one["delta"]["toolUse"]["input"] for one in grown if "toolUse" in one["delta"]]
    assert "".join(inputs) == '{"a": 1}{}'
    assert events[-2]["messageStop"]["stopReason"] == "tool_use"
    assert events[-1]["metadata"]["usage"] == {
        "inputTokens": 3,
        "outputTokens": 4,
        "totalTokens": 18,
        "cacheReadInputTokens": 5,
        "cacheWriteInputTokens": 6,
    }
    heard = model.heard[0]
    assert heard.headers["authorization"].startswith(f"AWS4-HMAC-SHA256 Credential={KEY}/")
    assert heard.body["messages"] == HI


@requirement("models:bedrock:wire")
def test_the_vendors_client_reads_a_whole_answer(vendor: Vendor, model: Model) -> None:
    """Converse: one object."""
    model.script(think("hm") + delta(signature="s") + say("Hello") + call("f", {"a": 1}, id="c1"))
    answer = vendor.client().converse(modelId=model.name, messages=HI, toolConfig=TOOL_CONFIG)
    thought, text, tool = answer["output"]["message"]["content"]
    assert thought["reasoningContent"]["reasoningText"] == {"text": "hm", "signature": "s"}
    assert text == {"text": "Hello"}
    assert tool["toolUse"] == {"toolUseId": "c1", "name": "f", "input": {"a": 1}}
    assert (answer["stopReason"], answer["usage"]["totalTokens"]) == ("tool_use", 18)


@requirement("models:bedrock:wire")
def test_the_vendors_client_signs_and_a_wrong_signature_is_refused(
    vendor: Vendor, bedrock: BedrockServer, model: Model
) -> None:
    """Signature Version 4: keys, keys with a session token; nothing else."""
    bedrock.keys["ASIATEMPORARY"] = ("temporary", "session-token")
    temporary = {"aws_access_key_id": "ASIATEMPORARY", "aws_secret_access_key": "temporary"}
    with_token = vendor.client(**temporary, aws_session_token="session-token")
    assert vendor.stream(with_token, modelId=CLAUDE, messages=HI)
    failed = import_module("botocore.exceptions").ClientError
    for wrong in (
        vendor.client(**temporary),
        vendor.client(aws_secret_access_key="wrong"),
        vendor.client(aws_access_key_id="AKIAUNKNOWN"),
    ):
        with pytest.raises(failed) as refused:
            wrong.converse_stream(modelId=CLAUDE, messages=HI)
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert len(model.heard) == 0


@requirement("models:bedrock:wire")
def test_the_vendors_client_knows_the_errors(vendor: Vendor, model: Model) -> None:
    """An error has a status and a type; in a stream it is an exception."""
    model.script(
        reject(429, "ThrottlingException", "slow down"),
        overloaded(),
        say("a") + raised("modelStreamErrorException", "it broke", originalStatusCode=500),
        finish("guardrail_intervened"),
    )
    client = vendor.client()
    with pytest.raises(client.exceptions.ThrottlingException, match="slow down"):
        client.converse_stream(modelId=model.name, messages=HI)
    with pytest.raises(client.exceptions.ServiceUnavailableException):
        client.converse_stream(modelId=model.name, messages=HI)
    with pytest.raises(
        import_module("botocore.exceptions").EventStreamError, match="modelStreamErrorException"
    ):
        vendor.stream(client, modelId=model.name, messages=HI)
    stopped = vendor.stream(client, modelId=model.name, messages=HI)
    assert {"messageStop": {"stopReason": "guardrail_intervened"}} in stopped


@requirement("models:bedrock:wire")
def test_what_the_service_refuses_is_refused_here(vendor: Vendor, model: Model) -> None:
    """Roles that take turns, words in every message, tools declared where they were used."""
    client = vendor.client()
    assistant: list[JSON] = [{"role": "assistant", "content": [{"text": "a"}]}]
    used: list[JSON] = [{"toolUse": {"toolUseId": "c1", "name": "f", "input": {}}}]
    answered = [{"toolResult": {"toolUseId": "c1", "content": [{"text": "x"}]}}]
    with_tool: list[JSON] = [
        {"role": "assistant", "content": used},
        {"role": "user", "content": answered},
    ]
    for messages, said in (
        (assistant, "start with a user"),
        (HI + HI, "alternate"),
        ([{"role": "user", "content": [{"text": " "}]}], "blank"),
        ([*HI, *with_tool], "toolConfig"),
    ):
        with pytest.raises(client.exceptions.ValidationException, match=said):
            client.converse_stream(modelId=model.name, messages=messages)
    with pytest.raises(client.exceptions.ValidationException, match="toolResult"):
        client.converse_stream(
            modelId=model.name, messages=[*HI, with_tool[0], *HI], toolConfig=TOOL_CONFIG
        )
    assert model.heard == []
