"""The official OpenAI SDK, strict about every reply, drives an agent unchanged. Source:
seed.txt, parts.md H."""

from __future__ import annotations

import openai
import pytest
from openai import OpenAI

from tests.conftest import Lane, Serve
from tests.harness import agent_yaml
from tests.requirements import requirement
from tests.scripted.model import Scripted
from tests.scripted.parts import call, fail, say, usage


def client_of(url: str, key: str = "not-needed") -> OpenAI:
    """A client that checks every reply against OpenAI's types."""
    return OpenAI(base_url=url, api_key=key, _strict_response_validation=True, max_retries=0)


@requirement("seed:sdk")
def test_the_seeds_example_works_as_written(lane: Lane) -> None:
    """seed.txt: point any OpenAI client at base_url and use the agent name as the model."""
    lane.model.script(say("Hello!") + usage(3, 2))
    with client_of(lane.server.url) as client:
        messages = [{"role": "user", "content": "Hello!"}]
        reply = client.chat.completions.create(model=lane.agent, messages=messages)  # type: ignore[call-overload]
    assert reply.choices[0].message.content == "Hello!"
    assert reply.usage is not None
    assert reply.usage.total_tokens == 5


@requirement("seed:sdk")
def test_streams_and_the_stream_helper_work(lane: Lane) -> None:
    """parts.md H: strict mode checks streamed chunks too; the helper asserts their order."""
    lane.model.script(say("Hel", "lo"))
    with client_of(lane.server.url) as client:
        chunks = client.chat.completions.create(
            model=lane.agent,
            messages=[{"role": "user", "content": "hi"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        texts = [c.choices[0].delta.content or "" for c in chunks if c.choices]
        assert "".join(texts) == "Hello"
        with client.chat.completions.stream(
            model=lane.agent, messages=[{"role": "user", "content": "hi"}]
        ) as stream:
            kinds = [event.type for event in stream]
            final = stream.get_final_completion()
    assert "content.done" in kinds
    assert final.choices[0].message.content == "Hello"


@requirement("seed:sdk")
def test_models_are_listed_and_retrieved(lane: Lane) -> None:
    """parts.md H: strict clients need an integer `created`."""
    with client_of(lane.server.url) as client:
        assert lane.agent in [model.id for model in client.models.list()]
        assert client.models.retrieve(lane.agent).owned_by == "docker-agent"
        with pytest.raises(openai.NotFoundError) as missing:
            client.models.retrieve("nobody")
    assert missing.value.code == "model_not_found"


@requirement("chat:4:error-kinds")
def test_errors_become_the_sdks_own(scripted: Scripted, serve: Serve) -> None:
    """chat-server.md §4: statuses by kind, so that client code that handles OpenAI's errors
    works."""
    scripted.model("sdk-limited").script(fail(429, "slow down", headers={"Retry-After": "120"}))
    server = serve(agent_yaml(scripted.url, "sdk-limited"), "--api-key", "right")
    ask = {"model": "root", "messages": [{"role": "user", "content": "hi"}]}
    with client_of(server.url, "wrong") as client, pytest.raises(openai.AuthenticationError):
        client.chat.completions.create(**ask)  # type: ignore[call-overload]
    with client_of(server.url, "right") as client:
        with pytest.raises(openai.RateLimitError):
            client.chat.completions.create(**ask)  # type: ignore[call-overload]
        with pytest.raises(openai.BadRequestError) as bad:
            client.chat.completions.create(**ask, temperature=9)  # type: ignore[call-overload]
    assert bad.value.param == "temperature"


@requirement("chat:3:client-tools")
def test_the_sdks_tool_loop_runs(lane: Lane) -> None:
    """chat-server.md §3: client tools with the official client, streamed and resumed."""
    lane.model.script(call("weather", {"city": "Rome"}), say("Sunny."))
    tool = {
        "type": "function",
        "function": {
            "name": "weather",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
                "additionalProperties": False,
            },
            "strict": True,
        },
    }
    history: list[object] = [{"role": "user", "content": "weather in Rome?"}]
    with client_of(lane.server.url) as client:
        with client.chat.completions.stream(
            model=lane.agent,
            messages=history,  # type: ignore[arg-type]
            tools=[tool],  # type: ignore[list-item]
        ) as stream:
            message = stream.get_final_completion().choices[0].message
        assert message.tool_calls
        history += [
            message.model_dump(exclude_none=True),
            {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "22"},
        ]
        done = client.chat.completions.create(
            model=lane.agent,
            messages=history,  # type: ignore[arg-type]
            tools=[tool],  # type: ignore[list-item]
        )
    assert done.choices[0].message.content == "Sunny."
