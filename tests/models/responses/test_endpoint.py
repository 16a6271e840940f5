"""The scripted Responses endpoint speaks as OpenAI does: its own SDK, strict, takes every word."""

from __future__ import annotations

import openai
import pytest
from openai import OpenAI
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseFailedEvent,
    ResponseFunctionToolCall,
    ResponseIncompleteEvent,
    ResponseReasoningItem,
)

from tests.requirements import requirement
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import (
    call,
    call_piece,
    fail,
    finish,
    rate_limited,
    refuse,
    say,
    stream_error,
    think,
    usage,
)
from tests.scripted.responses import encrypted, failed, new_message
from tests.scripted.steps import Reply

SCRIPTS: dict[str, Reply] = {
    "text": say("Hel", "lo"),
    "a summary": think("hm", " ok") + say("a"),
    "the thinking itself": think("hm", key="reasoning") + say("a"),
    "encrypted thinking": encrypted("blob", "one", "two") + say("a"),
    "a call": call("f", {"a": 1}, id="c1", pieces=3),
    "parallel calls": call("f", {"a": 1}, id="c1", pieces=2) + call("g", id="c2"),
    "calls that take turns": call_piece(0, id="c1", name="f")
    + call_piece(1, id="c2", name="g")
    + call_piece(0, "{}")
    + call_piece(1, "{}"),
    "all of it": encrypted("x", "why")
    + say("Wait.")
    + encrypted("y")
    + call("f", id="c1")
    + usage(9, 5),
    "two messages": say("a") + new_message() + say("b"),
    "a refusal": refuse("I ", "can't"),
    "cut by length": say("a") + finish("length"),
    "cut by a filter": say("a") + finish("content_filter"),
    "a failure": say("a") + failed("server_error", "it broke"),
    "no words at all": finish("stop"),
}


def client_of(scripted: Scripted) -> OpenAI:
    """A client that checks every reply against OpenAI's types."""
    return OpenAI(
        base_url=scripted.url, api_key="k", _strict_response_validation=True, max_retries=0
    )


@requirement("models:responses:endpoint")
@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS.keys())
def test_streams_and_objects_say_the_same(scripted: Scripted, model: Model, script: Reply) -> None:
    """parts.md H: strict mode checks every event; the last one holds the object of no stream."""
    model.script(script)
    with client_of(scripted) as client:
        events = list(client.responses.create(model=model.name, input="hi", stream=True))
        plain = client.responses.create(model=model.name, input="hi")
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[0].type == "response.created"
    last = events[-1]
    assert isinstance(last, ResponseCompletedEvent | ResponseIncompleteEvent | ResponseFailedEvent)
    Response.model_validate(last.response.model_dump(by_alias=True), strict=True)
    same = {"output", "status", "usage", "error", "incomplete_details"}
    assert last.response.model_dump(include=same) == plain.model_dump(include=same)
    spoken = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(spoken) == plain.output_text


@requirement("models:responses:endpoint")
def test_the_sdks_helper_follows_the_stream(scripted: Scripted, model: Model) -> None:
    """The helper adds events up itself and stops at any that does not fit."""
    model.script(encrypted("blob", "hm") + say("Hel", "lo") + call("f", {"a": 1}, id="c1"))
    with (
        client_of(scripted) as client,
        client.responses.stream(model=model.name, input="hi") as stream,
    ):
        for _ in stream:
            pass
        output = stream.get_final_response().output
    thought, message, called = output
    assert isinstance(thought, ResponseReasoningItem)
    assert thought.encrypted_content == "blob"
    assert message.type == "message"
    assert isinstance(called, ResponseFunctionToolCall)
    assert (called.call_id, called.arguments) == ("c1", '{"a": 1}')


@requirement("models:responses:endpoint")
def test_errors_become_the_sdks_own(scripted: Scripted, model: Model) -> None:
    """openai-wire.md §5.4: statuses, and in a stream the `error` event."""
    model.script(fail(401, "no"), rate_limited("7"), stream_error("boom"))
    with client_of(scripted) as client:
        with pytest.raises(openai.AuthenticationError):
            client.responses.create(model=model.name, input="hi")
        with pytest.raises(openai.RateLimitError):
            client.responses.create(model=model.name, input="hi", stream=True)
        with pytest.raises(openai.InternalServerError):
            client.responses.create(model=model.name, input="hi")
        events = list(client.responses.create(model=model.name, input="hi", stream=True))
    assert events[-1].type == "error"
    assert events[-1].message == "boom"
