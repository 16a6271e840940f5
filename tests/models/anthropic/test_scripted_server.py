"""The scripted Messages server satisfies the vendor's own client: what passes here is the wire.

The client's 1.x speaks the version of the API that the adapter speaks.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import anthropic
import pytest
from anthropic.types import MessageParam, ToolParam

from tests.requirements import requirement
from tests.scripted.anthropic import Claude
from tests.scripted.anthropic_parts import overloaded, ping, redacted, reject, sign, tokens
from tests.scripted.heard import Model
from tests.scripted.parts import call, cut, finish, say, stream_error, think

HI: list[MessageParam] = [{"role": "user", "content": "hi"}]
TOOL: ToolParam = {"name": "f", "input_schema": {"type": "object"}}


@contextmanager
def sdk(claude: Claude) -> Generator[anthropic.Anthropic]:
    """The vendor's client, without its own retries."""
    with anthropic.Anthropic(api_key="k", base_url=claude.url, max_retries=0) as client:
        yield client


@requirement("models:anthropic:wire")
def test_the_vendors_client_reads_a_whole_answer(claude: Claude, model: Model) -> None:
    """Anthropic's Messages API: one message object."""
    model.script(
        think("hm") + sign("s1") + say("Hello", "!") + call("f", {"a": 1}, id="c1") + tokens(3, 4)
    )
    with sdk(claude) as client:
        message = client.messages.create(model=model.name, max_tokens=9, messages=HI, tools=[TOOL])
    thought, text, tool = message.content
    assert thought.type == "thinking"
    assert (thought.thinking, thought.signature) == ("hm", "s1")
    assert text.type == "text"
    assert text.text == "Hello!"
    assert tool.type == "tool_use"
    assert (tool.id, tool.name, tool.input) == ("c1", "f", {"a": 1})
    assert message.stop_reason == "tool_use"
    assert (message.usage.input_tokens, message.usage.output_tokens) == (3, 4)
    assert model.heard[0].headers["x-api-key"] == "k"
    assert model.heard[0].headers["anthropic-version"] == "2023-06-01"


@requirement("models:anthropic:wire")
@pytest.mark.parametrize("sizes", [(10_000,), (7,)])
def test_the_vendors_client_reads_a_stream(
    claude: Claude, model: Model, sizes: tuple[int, ...]
) -> None:
    """Anthropic's Messages API: typed events, each block begun and ended."""
    model.script(
        ping()
        + think("h", "m")
        + sign("s1")
        + redacted("xyz")
        + say("Hel", "lo")
        + call("f", {"a": 1}, id="c1", pieces=3)
        + call("g", {}, id="c2")
        + tokens(3, 4, read=5, written=6)
        + finish("max_tokens")
        + cut(*sizes)
    )
    with (
        sdk(claude) as client,
        client.messages.stream(model=model.name, max_tokens=9, messages=HI) as stream,
    ):
        kinds = [event.type for event in stream]
        message = stream.get_final_message()
    assert kinds[0] == "message_start"
    assert kinds[-1] == "message_stop"
    assert [block.type for block in message.content] == [
        "thinking",
        "redacted_thinking",
        "text",
        "tool_use",
        "tool_use",
    ]
    thought, hidden, text, first, second = message.content
    assert thought.type == "thinking"
    assert (thought.thinking, thought.signature) == ("hm", "s1")
    assert hidden.type == "redacted_thinking"
    assert hidden.data == "xyz"
    assert text.type == "text"
    assert text.text == "Hello"
    assert first.type == "tool_use"
    assert first.input == {"a": 1}
    assert second.type == "tool_use"
    assert second.input == {}
    assert message.stop_reason == "max_tokens"
    assert message.usage.cache_read_input_tokens == 5
    assert message.usage.output_tokens == 4


@requirement("models:anthropic:wire")
def test_the_vendors_client_knows_the_errors(claude: Claude, model: Model) -> None:
    """Anthropic's Messages API: an error has a status and a type; in a stream it is an event."""
    model.script(
        reject(401, "authentication_error", "invalid x-api-key"),
        reject(429, "rate_limit_error", headers={"Retry-After": "7"}),
        overloaded(),
        say("a") + stream_error("Overloaded", type="overloaded_error"),
    )
    with sdk(claude) as client:
        with pytest.raises(anthropic.AuthenticationError, match="invalid x-api-key"):
            client.messages.create(model=model.name, max_tokens=9, messages=HI)
        with pytest.raises(anthropic.RateLimitError) as limited:
            client.messages.create(model=model.name, max_tokens=9, messages=HI)
        assert limited.value.response.headers["retry-after"] == "7"
        with pytest.raises(anthropic.APIStatusError) as full:
            client.messages.create(model=model.name, max_tokens=9, messages=HI)
        assert full.value.status_code == 529
        with (
            pytest.raises(anthropic.APIStatusError, match="Overloaded"),
            client.messages.stream(model=model.name, max_tokens=9, messages=HI) as stream,
        ):
            stream.get_final_message()


@requirement("models:anthropic:wire")
def test_the_vendors_client_counts_tokens(claude: Claude, model: Model) -> None:
    """Anthropic's Messages API: count_tokens."""
    claude.sizes[model.name] = 12
    with sdk(claude) as client:
        size = client.messages.count_tokens(model=model.name, messages=HI)
    assert size.input_tokens == 12
