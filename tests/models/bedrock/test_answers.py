"""What a stream of Bedrock becomes: deltas, and one whole reply."""

from __future__ import annotations

import json

import pytest

from docker_agent.errors import ModelError
from docker_agent.messages import Opaque, Usage
from tests.models.bedrock.asking import told
from tests.models.talking import Told
from tests.requirements import requirement
from tests.scripted.bedrock import BedrockServer
from tests.scripted.bedrock_parts import event_frame, tokens
from tests.scripted.heard import Model
from tests.scripted.parts import (
    answer,
    as_json,
    call,
    cut,
    delta,
    finish,
    no_done,
    no_finish,
    raw,
    say,
    think,
    together,
    trailing,
)

pytestmark = pytest.mark.anyio

MAKER = "amazon-bedrock"


@requirement("models:bedrock:stream")
@pytest.mark.parametrize("streamed", [True, False])
async def test_everything_an_answer_holds_is_in_the_reply(
    bedrock: BedrockServer, model: Model, streamed: bool
) -> None:
    """Text, signed and hidden thinking, calls, tokens of the cache; as a stream or one object."""
    script = (
        think("h", "m")
        + delta(signature="s1")
        + delta(redacted="eHl6")
        + say("Hel", "lo")
        + call("f", {"a": 1}, id="c1", pieces=3)
        + call("g", "", id="c2")
        + tokens(3, 4, read=5, written=6)
    )
    model.script(script if streamed else script + as_json())
    said = await told(bedrock, model)
    message = said.reply.message
    assert (said.text, message.text, said.reasoning, message.reasoning) == (
        "Hello", "Hello", "hm", "hm",
    )  # fmt: skip
    assert [(one.id, one.name, json.loads(one.arguments)) for one in message.calls] == [
        ("c1", "f", {"a": 1}),
        ("c2", "g", {}),
    ]
    assert message.opaque == (
        Opaque(MAKER, "thinking", '{"thinking":"hm","signature":"s1"}'),
        Opaque(MAKER, "redacted_thinking", "eHl6"),
    )
    assert said.reply.finish == "tool_calls"
    assert said.reply.usage == Usage(14, 4, cached=5, cache_write=6)


@requirement("models:bedrock:stream")
async def test_one_read_is_one_batch(bedrock: BedrockServer, model: Model) -> None:
    """DESIGN.md §5: what one read brought is emitted together."""
    model.script(together(say("a", "b", "c")) + say("d"))
    said = await told(bedrock, model)
    assert said.text == "abcd"
    assert [delta.text for delta in said.batches[0]][:3] == ["a", "b", "c"]


@requirement("models:bedrock:stream")
@pytest.mark.parametrize("sizes", [(1,), (7, 3), (100,)])
async def test_however_it_is_cut(
    bedrock: BedrockServer, model: Model, sizes: tuple[int, ...]
) -> None:
    """DESIGN.md §5: over a real socket too."""
    model.script(think("hm") + say("é😀", ".") + call("f", {"a": "ü"}, pieces=4) + cut(*sizes))
    said = await told(bedrock, model)
    assert (said.reasoning, said.text) == ("hm", "é😀.")
    assert json.loads(said.calls[0][1]) == {"a": "ü"}


@requirement("models:bedrock:stream")
@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
        ("something_new", "stop"),
    ],
)
async def test_why_it_ended(bedrock: BedrockServer, model: Model, reason: str, shown: str) -> None:
    """chat-server.md §4: in OpenAI's words."""
    model.script(say("a") + finish(reason))
    assert (await told(bedrock, model)).reply.finish == shown


@requirement("models:bedrock:stream")
@pytest.mark.parametrize("reason", ["malformed_model_output", "malformed_tool_use"])
async def test_an_answer_that_nobody_can_use_is_a_failure(
    bedrock: BedrockServer, model: Model, reason: str
) -> None:
    """runtime.md §4.2: the same question may fare better at once."""
    model.script(finish(reason))
    with pytest.raises(ModelError, match=reason) as failed:
        await told(bedrock, model)
    assert (failed.value.transient, failed.value.emitted) == (True, False)


@requirement("models:bedrock:stream")
async def test_what_is_not_known_is_passed_over(bedrock: BedrockServer, model: Model) -> None:
    """New events, new kinds of blocks, and calls that the service runs by itself."""
    own = {"toolUse": {"toolUseId": "s1", "name": "search", "type": "server_tool_use"}}
    model.script(
        raw(event_frame("initial-response", {}))
        + raw(event_frame("contentBlockStart", {"contentBlockIndex": 7, "start": own}))
        + raw(event_frame("contentBlockDelta", {"contentBlockIndex": 8, "delta": {"new": 1}}))
        + say("a")
    )
    said = await told(bedrock, model)
    assert (said.text, said.calls, said.reply.finish) == ("a", [], "stop")


@requirement("models:bedrock:stream")
async def test_tokens_may_be_missing_or_unwanted(bedrock: BedrockServer, model: Model) -> None:
    """agent-file.md §2.8: track_usage; a stream that ends before its last event."""
    model.script(say("a") + no_done(), say("a"))
    assert (await told(bedrock, model)).reply.usage == Usage()
    assert (await told(bedrock, model, track_usage=False)).reply.usage == Usage()


@requirement("models:bedrock:stream")
async def test_a_stream_without_an_end_is_no_answer(bedrock: BedrockServer, model: Model) -> None:
    """runtime.md §4.2: `messageStop` is part of every answer."""
    model.script(say("a") + no_finish() + no_done())
    heard = Told()
    with pytest.raises(ModelError, match="ended before the answer") as failed:
        await told(bedrock, model, into=heard)
    assert (failed.value.transient, failed.value.emitted, heard.text) == (True, True, "a")


@requirement("models:bedrock:stream")
async def test_a_body_that_is_never_ended_is_not_waited_for(
    bedrock: BedrockServer, model: Model
) -> None:
    """runtime.md §3.8: the last event ends the answer."""
    model.script(say("a") + trailing())
    assert (await told(bedrock, model)).text == "a"


@requirement("models:bedrock:stream")
@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"output":', b'{"output": {"message": 1}}'])
async def test_an_object_that_is_no_answer(
    bedrock: BedrockServer, model: Model, body: bytes
) -> None:
    """Nothing is guessed."""
    model.script(answer(200, body))
    with pytest.raises(ModelError, match="malformed answer"):
        await told(bedrock, model)
