"""The vendors' own clients against the scripted servers at Vertex AI's addresses: what they can
read, Google might have said."""

from __future__ import annotations

from collections.abc import Generator

import anthropic
import pytest
from anthropic.lib.vertex import AnthropicVertex
from anthropic.types import MessageParam, ToolParam
from google.auth.credentials import Credentials
from google.genai import Client, errors, types

from tests.requirements import requirement
from tests.scripted import gemini_parts
from tests.scripted.anthropic import Claude
from tests.scripted.anthropic_parts import reject, tokens
from tests.scripted.gemini import GeminiServer
from tests.scripted.heard import Model
from tests.scripted.parts import call, say

MESSAGES: list[MessageParam] = [{"role": "user", "content": "hi"}]
TOOL: ToolParam = {"name": "f", "input_schema": {"type": "object"}}


class Kept(Credentials):
    """Credentials that have a token already."""

    def __init__(self) -> None:
        super().__init__()
        self.token = "ya29.kept"

    def refresh(self, request: object) -> None:
        """Never: it does not end."""


@pytest.fixture
def client(gemini: GeminiServer) -> Generator[Client]:
    """Google's client for Vertex AI, and the server in Google's place."""
    options = types.HttpOptions(base_url=gemini.url)
    with Client(
        vertexai=True,
        credentials=Kept(),
        project="my-project",
        location="us-central1",
        http_options=options,
    ) as client:
        yield client


@pytest.fixture
def vertex(claude: Claude) -> Generator[AnthropicVertex]:
    """Anthropic's client for Vertex AI, without its own retries."""
    with AnthropicVertex(
        region="us-east5",
        project_id="my-project",
        access_token="ya29.kept",
        base_url=f"{claude.url}/v1",
        max_retries=0,
    ) as client:
        yield client


@requirement("models:vertex:wire")
def test_googles_client_is_answered(client: Client, flash: Model) -> None:
    """tests/scripted/gemini.py: whole and streamed, by token."""
    flash.script(gemini_parts.say("Hel", "lo") + gemini_parts.done())
    whole = client.models.generate_content(model=flash.name, contents="hi")  # pyright: ignore[reportUnknownMemberType] - may be pictures of a library that is not here
    assert whole.text == "Hello"
    chunks = [*client.models.generate_content_stream(model=flash.name, contents="hi")]  # pyright: ignore[reportUnknownMemberType] - as above
    assert "".join(chunk.text or "" for chunk in chunks) == "Hello"
    [heard, _] = flash.heard
    assert heard.headers["authorization"] == "Bearer ya29.kept"
    where = "/v1beta1/projects/my-project/locations/us-central1/publishers/google/models"
    assert heard.path == f"{where}/{flash.name}:generateContent"


@requirement("models:vertex:wire")
def test_googles_client_reads_refusals(client: Client, flash: Model) -> None:
    """tests/scripted/gemini_parts.py: the same error body as with a key."""
    flash.script(gemini_parts.exhausted("7s"))
    with pytest.raises(errors.APIError) as failed:
        client.models.generate_content(model=flash.name, contents="hi")  # pyright: ignore[reportUnknownMemberType] - as above
    assert (failed.value.code, failed.value.status) == (429, "RESOURCE_EXHAUSTED")


@requirement("models:vertex:wire")
def test_anthropics_client_is_answered(vertex: AnthropicVertex, sonnet: Model) -> None:
    """tests/scripted/anthropic.py: the model in the address, the version in the body."""
    sonnet.script(say("Hello") + call("f", {"a": 1}, id="c1") + tokens(3, 4))
    message = vertex.messages.create(
        model=sonnet.name, max_tokens=9, messages=MESSAGES, tools=[TOOL]
    )
    text, tool = message.content
    assert text.type == "text" and text.text == "Hello"
    assert tool.type == "tool_use" and tool.input == {"a": 1}
    with vertex.messages.stream(
        model=sonnet.name, max_tokens=9, messages=MESSAGES, tools=[TOOL]
    ) as stream:
        assert "".join(stream.text_stream) == "Hello"
    first, second = sonnet.heard
    assert (first.path.rpartition(":")[2], second.path.rpartition(":")[2]) == (
        "rawPredict",
        "streamRawPredict",
    )


@requirement("models:vertex:wire")
def test_anthropics_client_counts_and_is_refused(
    vertex: AnthropicVertex, claude: Claude, sonnet: Model
) -> None:
    """tests/scripted/anthropic.py: counting has an address of its own."""
    claude.sizes[sonnet.name] = 12
    counted = vertex.messages.count_tokens(model=sonnet.name, messages=MESSAGES)
    assert counted.input_tokens == 12
    sonnet.script(reject(429, "rate_limit_error"))
    with pytest.raises(anthropic.RateLimitError):
        vertex.messages.create(model=sonnet.name, max_tokens=9, messages=MESSAGES)
