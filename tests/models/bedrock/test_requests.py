"""What Bedrock is asked: every message, tool, setting and thought in the words of Converse.

The scripted server refuses what breaks the vendor's own description of a request, so each of these
is a request the service would take.
"""

from __future__ import annotations

from typing import Any

import pytest

from docker_agent.errors import ModelError
from docker_agent.messages import (
    JSON,
    AssistantMessage,
    AudioPart,
    FilePart,
    Format,
    ImagePart,
    Message,
    Opaque,
    Part,
    Sampling,
    SystemMessage,
    TextPart,
    ToolCall,
    ToolChoice,
    ToolMessage,
    UserMessage,
)
from docker_agent.models.anthropic_thinking import Thinking
from docker_agent.models.bedrock_messages import CACHE_POINT, NO_QUESTION
from docker_agent.models.bedrock_parts import SEE_DOCUMENT
from docker_agent.models.port import Ask
from tests.models.bedrock.asking import told
from tests.models.talking import HI, TOOLS
from tests.requirements import requirement
from tests.scripted.bedrock import BedrockServer
from tests.scripted.heard import Model

pytestmark = pytest.mark.anyio

ADAPTIVE = Thinking(effort="high")
BUDGET = Thinking(tokens=2048)
CALLED = AssistantMessage("Wait.", calls=(ToolCall("c1", "f", '{"a": 1}'),))
ANSWERED = ToolMessage("c1", "x")
HELLO = UserMessage("hi")


async def sent(
    bedrock: BedrockServer, model: Model, ask: Ask = HI, **more: object
) -> dict[str, Any]:
    """The body of one request."""
    await told(bedrock, model, ask, into=None, **more)
    return model.heard[-1].body


def user(*blocks: JSON) -> JSON:
    """A message of the user's."""
    return {"role": "user", "content": list(blocks)}


@requirement("models:bedrock:messages")
async def test_a_plain_question_holds_nothing_else(bedrock: BedrockServer, model: Model) -> None:
    """agent-file.md §3.6: only what was set is sent."""
    assert await sent(bedrock, model) == {"messages": [user({"text": "hi"})]}


@requirement("models:bedrock:messages")
async def test_every_message_has_its_place(bedrock: BedrockServer, model: Model) -> None:
    """agent-file.md §3.2.3: system blocks; roles take turns; results beside what the user says."""
    messages: tuple[Message, ...] = (
        SystemMessage(" Be brief. "),
        SystemMessage("  "),
        HELLO,
        UserMessage((TextPart("you"), TextPart(" "))),
        AssistantMessage(""),
        CALLED,
        ANSWERED,
        UserMessage("and now?"),
        AssistantMessage("Well. \n"),
    )
    body = await sent(bedrock, model, Ask(messages, TOOLS))
    assert body["system"] == [{"text": "Be brief."}]
    assert body["messages"] == [
        user({"text": "hi"}, {"text": "you"}),
        {
            "role": "assistant",
            "content": [
                {"text": "Wait."},
                {"toolUse": {"toolUseId": "c1", "name": "f", "input": {"a": 1}}},
            ],
        },
        user({"toolResult": {"toolUseId": "c1", "content": [{"text": "x"}]}}, {"text": "and now?"}),
        {"role": "assistant", "content": [{"text": "Well."}]},
    ]


@requirement("models:bedrock:messages")
async def test_a_conversation_begins_with_the_user(bedrock: BedrockServer, model: Model) -> None:
    """The API takes no other; trimming and clients may leave an answer first."""
    body = await sent(bedrock, model, Ask((AssistantMessage("Welcome."), HELLO)))
    assert body["messages"][0] == user({"text": NO_QUESTION})


@requirement("models:bedrock:messages")
async def test_ids_and_arguments_of_others_fit(bedrock: BedrockServer, model: Model) -> None:
    """Ids with other characters or too long, arguments that are no object, results of nothing."""
    calls = (ToolCall("a|b", "f", "[1]"), ToolCall("x" * 99, "g", "{broken"))
    results = (ToolMessage("a|b", ""), ToolMessage("x" * 99, " ", is_error=True))
    body = await sent(bedrock, model, Ask((HELLO, AssistantMessage(calls=calls), *results), TOOLS))
    first, second = (block["toolUse"] for block in body["messages"][1]["content"])
    assert (first["toolUseId"], first["input"], second["input"]) == ("a_b", {}, {})
    told_first, told_second = (one["toolResult"] for one in body["messages"][2]["content"])
    assert told_first == {"toolUseId": "a_b", "content": [{"text": "(no output)"}]}
    assert told_second == {
        "toolUseId": second["toolUseId"],
        "content": [{"text": "(no output)"}],
        "status": "error",
    }


@requirement("models:bedrock:messages")
@pytest.mark.parametrize("choice", [None, "none"])
async def test_without_tools_calls_are_told_in_words(
    bedrock: BedrockServer, model: Model, choice: str | None
) -> None:
    """The API knows calls only beside tools: a summary, or a client's `tool_choice: none`."""
    ask = Ask((HELLO, CALLED, ANSWERED))
    if choice:
        ask = Ask(ask.messages, TOOLS, ToolChoice("none"))
    body = await sent(bedrock, model, ask)
    assert "toolConfig" not in body
    assert body["messages"][1]["content"][1] == {"text": 'I called the tool f with {"a": 1}.'}
    assert body["messages"][2] == user({"text": "The tool answered:"}, {"text": "x"})


@requirement("models:bedrock:replay")
async def test_thinking_goes_back_in_its_place(bedrock: BedrockServer, model: Model) -> None:
    """agent-file.md §3.2.3: signed and hidden thinking verbatim; that of others is left out."""
    opaque = (
        Opaque("amazon-bedrock", "thinking", '{"thinking":"hm","signature":"s1"}'),
        Opaque("amazon-bedrock", "redacted_thinking", "eHl6"),
        Opaque("amazon-bedrock", "layout", "t2 o o c t3"),
        Opaque("anthropic", "thinking", '{"thinking":"no","signature":"s2"}'),
    )
    said = AssistantMessage("abcde", calls=CALLED.calls, opaque=opaque)
    body = await sent(bedrock, model, Ask((HELLO, said, ANSWERED), TOOLS), thinking=BUDGET)
    assert body["messages"][1]["content"] == [
        {"text": "ab"},
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s1"}}},
        {"reasoningContent": {"redactedContent": "eHl6"}},
        {"toolUse": {"toolUseId": "c1", "name": "f", "input": {"a": 1}}},
        {"text": "cde"},
    ]
    assert body["additionalModelRequestFields"]["thinking"]["budget_tokens"] == 2048


@requirement("models:bedrock:replay")
async def test_a_turn_without_thinking_ends_without(bedrock: BedrockServer, model: Model) -> None:
    """Claude takes no budget while tools answer what it said without one."""
    body = await sent(bedrock, model, Ask((HELLO, CALLED, ANSWERED), TOOLS), thinking=BUDGET)
    assert "additionalModelRequestFields" not in body


PDF = "data:application/pdf;base64,AAAA"


@requirement("models:bedrock:media")
@pytest.mark.parametrize(
    ("part", "block"),
    [
        (ImagePart("data:image/jpg;base64,AA=="),
         {"image": {"format": "jpeg", "source": {"bytes": "AA=="}}}),
        (ImagePart("data:image/webp,%00"),
         {"image": {"format": "webp", "source": {"bytes": "AA=="}}}),
        (FilePart("a_b  (1).pdf", PDF),
         {"document": {"format": "pdf", "name": "a b (1)", "source": {"bytes": "AAAA"}}}),
        (FilePart(None, "AAAA"),
         {"document": {"format": "pdf", "name": "document", "source": {"bytes": "AAAA"}}}),
        (FilePart("x.md", "data:application/octet-stream;base64,AAAA"),
         {"document": {"format": "md", "name": "x", "source": {"bytes": "AAAA"}}}),
        (FilePart("x.json", "data:application/json;base64,AAAA"),
         {"document": {"format": "txt", "name": "x", "source": {"bytes": "AAAA"}}}),
        (FilePart("x", "data:text/csv,a"),
         {"document": {"format": "csv", "name": "x", "source": {"bytes": "YQ=="}}}),
        (FilePart("x.png", "data:image/png;base64,AA=="),
         {"image": {"format": "png", "source": {"bytes": "AA=="}}}),
        (AudioPart("AA==", "wav"), {"audio": {"format": "wav", "source": {"bytes": "AA=="}}}),
    ],
)  # fmt: skip
async def test_what_a_message_carries_is_bytes_with_a_format(
    bedrock: BedrockServer, model: Model, part: Part, block: JSON
) -> None:
    """chat-server.md §3: pictures, documents, sound."""
    body = await sent(bedrock, model, Ask((UserMessage((TextPart("see"), part)),)))
    assert body["messages"] == [user({"text": "see"}, block)]


@requirement("models:bedrock:media")
async def test_documents_have_names_of_their_own_and_words_beside_them(
    bedrock: BedrockServer, model: Model
) -> None:
    """The API refuses two of a name, and a document alone."""
    twice = UserMessage((FilePart("a.pdf", PDF), FilePart("a.pdf", PDF)))
    body = await sent(bedrock, model, Ask((twice, AssistantMessage("ok"), twice)))
    names = [
        block["document"]["name"]
        for message in body["messages"]
        for block in message["content"]
        if "document" in block
    ]
    assert names == ["a", "a 2", "a 3", "a 4"]
    assert body["messages"][0]["content"][-1] == {"text": SEE_DOCUMENT}


@requirement("models:bedrock:media")
async def test_a_tool_may_answer_with_pictures(bedrock: BedrockServer, model: Model) -> None:
    """agent-file.md §3.2.3: in the result itself."""
    result = ToolMessage("c1", "", parts=(ImagePart("data:image/png;base64,AA=="),))
    body = await sent(bedrock, model, Ask((HELLO, CALLED, result), TOOLS))
    picture = {"image": {"format": "png", "source": {"bytes": "AA=="}}}
    assert body["messages"][2]["content"][0]["toolResult"]["content"] == [picture]


@requirement("models:bedrock:media")
@pytest.mark.parametrize(
    ("part", "said"),
    [
        (ImagePart("https://example.com/a.png"), "not by address"),
        (ImagePart("data:image/bmp;base64,AA=="), "not image/bmp"),
        (FilePart(data="https://example.com/a.pdf"), "not by address"),
        (FilePart(file_id="file-1"), "not by id"),
        (FilePart("x.bin", "data:application/zip;base64,AAAA"), "not application/zip"),
    ],
)
async def test_what_the_api_cannot_take_is_the_clients_error(
    bedrock: BedrockServer, model: Model, part: Part, said: str
) -> None:
    """chat-server.md §3: 400 unsupported_content_type, before anything is sent."""
    with pytest.raises(ModelError, match=said) as failed:
        await told(bedrock, model, Ask((UserMessage((TextPart("see"), part)),)))
    assert failed.value.kind == "unsupported_content_type"
    assert model.heard == []


@requirement("models:bedrock:caching")
async def test_cache_points_stand_where_the_marks_of_anthropic_do(
    bedrock: BedrockServer, model: Model
) -> None:
    """agent-file.md §4.3: before what may change, after the last system block, after the last two
    messages; not after thinking; none when caching is off."""
    messages = (
        SystemMessage("lasting"),
        SystemMessage("today", passing=True),
        HELLO,
        AssistantMessage("a"),
        UserMessage("b"),
    )
    body = await sent(bedrock, model, Ask(messages), caching=True)
    assert body["system"] == [{"text": "lasting"}, CACHE_POINT, {"text": "today"}, CACHE_POINT]
    ends = [message["content"][-1] for message in body["messages"]]
    assert ends == [{"text": "hi"}, CACHE_POINT, CACHE_POINT]
    body = await sent(bedrock, model, Ask(messages))
    assert "cachePoint" not in str(body)


@requirement("models:bedrock:sampling")
async def test_sampling_is_the_clients_within_the_files(
    bedrock: BedrockServer, model: Model
) -> None:
    """chat-server.md §3, agent-file.md §3.2.3: inferenceConfig, and top_k for the model."""
    file = Sampling(temperature=0.5, top_p=0.9, max_tokens=100)
    body = await sent(bedrock, model, sampling=file, top_k=5)
    assert body["inferenceConfig"] == {"maxTokens": 100, "temperature": 0.5, "topP": 0.9}
    assert body["additionalModelRequestFields"] == {"top_k": 5}
    asked = Sampling(
        temperature=2, top_p=0.1, max_tokens=200, stop=("END", " "), presence_penalty=1, seed=1
    )
    body = await sent(bedrock, model, Ask(HI.messages, sampling=asked), sampling=file)
    assert body["inferenceConfig"] == {
        "maxTokens": 100,
        "temperature": 1,
        "topP": 0.1,
        "stopSequences": ["END"],
    }


@requirement("models:bedrock:tools")
@pytest.mark.parametrize(
    ("choice", "wired"),
    [
        (ToolChoice(), {}),
        (ToolChoice("required"), {"toolChoice": {"any": {}}}),
        (ToolChoice("function", "f"), {"toolChoice": {"tool": {"name": "f"}}}),
    ],
)
async def test_tools_go_as_they_are(
    bedrock: BedrockServer, model: Model, choice: ToolChoice, wired: JSON
) -> None:
    """agent-file.md §3.2.3: toolConfig, schemas unchanged, no empty description."""
    body = await sent(bedrock, model, Ask(HI.messages, TOOLS, choice))
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    f = {"name": "f", "description": "Does f.", "inputSchema": {"json": schema}}
    g = {"name": "g", "inputSchema": {"json": {"type": "object"}}}
    assert body["toolConfig"] == {"tools": [{"toolSpec": f}, {"toolSpec": g}], **wired}


@requirement("models:bedrock:thinking")
async def test_thinking_takes_the_place_of_chance(bedrock: BedrockServer, model: Model) -> None:
    """agent-file.md §3.2.3 and §3.9: additionalModelRequestFields; no temperature beside it."""
    file = Sampling(temperature=0.5, max_tokens=4096)
    body = await sent(bedrock, model, sampling=file, top_k=5, thinking=BUDGET)
    assert body["inferenceConfig"] == {"maxTokens": 4096}
    assert body["additionalModelRequestFields"] == {
        "thinking": {"type": "enabled", "budget_tokens": 2048},
        "anthropic_beta": ["interleaved-thinking-2025-05-14"],
    }
    body = await sent(bedrock, model, thinking=ADAPTIVE, interleaved=False)
    assert body["additionalModelRequestFields"] == {
        "thinking": {"type": "adaptive", "display": "summarized"},
        "output_config": {"effort": "high"},
    }


@requirement("models:bedrock:thinking")
async def test_a_call_may_go_without_thinking(bedrock: BedrockServer, model: Model) -> None:
    """Not under a forced choice, and not where the answer would have no room beside it."""
    forced = Ask(HI.messages, TOOLS, ToolChoice("required"))
    assert "additionalModelRequestFields" not in await sent(bedrock, model, forced, thinking=BUDGET)
    small = Ask(HI.messages, sampling=Sampling(max_tokens=2048))
    assert "additionalModelRequestFields" not in await sent(bedrock, model, small, thinking=BUDGET)
    off = Ask(HI.messages, sampling=Sampling(reasoning_effort="none"))
    assert "additionalModelRequestFields" not in await sent(bedrock, model, off, thinking=BUDGET)
    low = Ask(HI.messages, sampling=Sampling(reasoning_effort="minimal"))
    body = await sent(bedrock, model, low, thinking=BUDGET)
    assert body["additionalModelRequestFields"]["thinking"]["budget_tokens"] == 1024


@requirement("models:bedrock:format")
async def test_a_shape_is_told_in_words(bedrock: BedrockServer, model: Model) -> None:
    """agent-file.md §2.4, runtime.md §16.1: no format is applied; the model is told."""
    body = await sent(bedrock, model, Ask(HI.messages, format=Format("json_object")))
    assert "one JSON object" in body["system"][-1]["text"]
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    messages = (SystemMessage("Be brief."), HELLO)
    shaped = Ask(messages, format=Format("json_schema", "n", schema))
    body = await sent(bedrock, model, shaped, caching=True)
    assert body["system"][:2] == [{"text": "Be brief."}, CACHE_POINT]
    assert body["system"][2]["text"].endswith(
        '{"type":"object","properties":{"a":{"type":"string"}}}'
    )
    assert "outputConfig" not in body
