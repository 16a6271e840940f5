"""Google's own client against the scripted server: what it can read, Gemini might have said."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from google.genai import Client, errors, types

from tests.requirements import requirement
from tests.scripted.gemini import GeminiServer
from tests.scripted.gemini_parts import (
    bare_error,
    blocked,
    call,
    done,
    error_event,
    exhausted,
    overloaded,
    say,
    think,
    too_long,
    unauthenticated,
)
from tests.scripted.heard import Model
from tests.scripted.steps import Reply


@pytest.fixture
def client(gemini: GeminiServer) -> Generator[Client]:
    """Google's client with a key, and the server in Google's place."""
    options = types.HttpOptions(base_url=gemini.url, api_version="v1beta")
    with Client(api_key="k", http_options=options) as client:
        yield client


def whole(
    client: Client, model: Model, contents: str | list[types.Content] = "hi"
) -> types.GenerateContentResponse:
    """An answer without a stream."""
    # `contents` may be pictures of a library that is not installed, which makes its type unknown.
    return client.models.generate_content(model=model.name, contents=contents)  # pyright: ignore[reportUnknownMemberType]


def stream(
    client: Client, model: Model, config: types.GenerateContentConfig | None = None
) -> list[types.GenerateContentResponse]:
    """All chunks of a streamed answer to `hi`."""
    ask = client.models
    return [*ask.generate_content_stream(model=model.name, contents="hi", config=config)]  # pyright: ignore[reportUnknownMemberType] - as above


def parts_of(chunks: list[types.GenerateContentResponse]) -> list[types.Part]:
    """The parts of all chunks."""
    contents = [one.content for chunk in chunks for one in chunk.candidates or []]
    return [part for content in contents if content for part in content.parts or []]


@requirement("models:gemini:scripted")
def test_text_comes_whole_and_streamed(client: Client, second: Model) -> None:
    """tests/scripted/gemini.py: both methods of the API, with tokens and a finish reason."""
    second.script(say("Hel", "lo") + done(thoughtsTokenCount=3))
    answer = whole(client, second)
    assert answer.text == "Hello"
    chunks = stream(client, second)
    assert "".join(part.text or "" for part in parts_of(chunks)) == "Hello"
    last = chunks[-1]
    assert last.candidates and last.candidates[0].finish_reason is types.FinishReason.STOP
    for one in (answer, last):
        assert one.usage_metadata and one.usage_metadata.thoughts_token_count == 3
        assert one.model_version == "scripted-001"


@requirement("models:gemini:scripted")
def test_thoughts_and_calls_are_signed(client: Client, second: Model) -> None:
    """tests/scripted/gemini_parts.py: a signature is base64 and belongs to its part."""
    second.script(think("hm") + call("f", {"a": 1}, id="c1", signature="c2ln") + done())
    tool = types.Tool(
        function_declarations=[
            types.FunctionDeclaration(name="f", parameters=types.Schema(type=types.Type.OBJECT))
        ]
    )
    config = types.GenerateContentConfig(
        tools=[tool],
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )
    thought, called, _ = parts_of(stream(client, second, config))
    assert (thought.text, thought.thought) == ("hm", True)
    assert called.function_call is not None
    assert (called.function_call.id, called.function_call.args) == ("c1", {"a": 1})
    assert called.thought_signature == b"sig"


@requirement("models:gemini:scripted")
def test_a_blocked_question_says_why(client: Client, second: Model) -> None:
    """tests/scripted/gemini_parts.py: no candidate, but feedback."""
    second.script(blocked("SAFETY"))
    (chunk,) = stream(client, second)
    assert chunk.prompt_feedback is not None
    assert chunk.prompt_feedback.block_reason is types.BlockedReason.SAFETY


@requirement("models:gemini:scripted")
@pytest.mark.parametrize(
    ("reply", "code", "status"),
    [
        (exhausted(), 429, "RESOURCE_EXHAUSTED"),
        (overloaded(), 503, "UNAVAILABLE"),
        (unauthenticated(), 401, "UNAUTHENTICATED"),
        (too_long(), 400, "INVALID_ARGUMENT"),
        (say("a") + error_event(503, "no", "UNAVAILABLE"), 503, "UNAVAILABLE"),
        (say("a") + bare_error(500, "no", "INTERNAL"), 500, "INTERNAL"),
    ],
)
def test_errors_are_read_as_googles(
    client: Client, second: Model, reply: Reply, code: int, status: str
) -> None:
    """tests/scripted/gemini_parts.py: the JSON error body, also in the middle of a stream."""
    second.script(reply)
    with pytest.raises(errors.APIError) as failed:
        stream(client, second)
    assert (failed.value.code, failed.value.status) == (code, status)


@requirement("models:gemini:scripted")
def test_it_objects_to_a_broken_turn(client: Client, third: Model) -> None:
    """tests/scripted/gemini_rules.py: what the API objects to, so does the scripted one."""
    called = types.Part(function_call=types.FunctionCall(name="f", args={}))
    hi = types.Content(role="user", parts=[types.Part(text="hi")])
    turns = [hi, types.Content(role="model", parts=[called]), hi]
    with pytest.raises(errors.ClientError, match="function response parts"):
        whole(client, third, turns)
