"""The Messages API, requests: what of a question and of the settings goes over the wire."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from docker_agent.messages import (
    JSON,
    AssistantMessage,
    FilePart,
    Format,
    ImagePart,
    Message,
    Opaque,
    Sampling,
    SystemMessage,
    TextPart,
    ToolCall,
    ToolChoice,
    ToolMessage,
    UserMessage,
)
from docker_agent.models.anthropic_messages import MAKER, system_blocks, wired_messages
from docker_agent.models.anthropic_request import MessagesSettings, closed_schema, request_of
from docker_agent.models.anthropic_thinking import Thinking
from docker_agent.models.blocks import Block, Redacted, Thought, assistant_message
from docker_agent.models.port import Ask
from tests.models.anthropic.asking import HI, TOOL_ASK, TOOLS, told
from tests.requirements import requirement
from tests.scripted.anthropic import Claude
from tests.scripted.heard import Model

pytestmark = pytest.mark.anyio

MARK = {"type": "ephemeral"}
PNG: JSON = {"type": "base64", "media_type": "image/png", "data": "AA=="}
PDF: JSON = {"type": "base64", "media_type": "application/pdf", "data": "AA=="}
NOTE = base64.b64encode(b"note").decode()


def text(words: str) -> JSON:
    """A block of text."""
    return {"type": "text", "text": words}


def tool_use(id: str, name: str, arguments: JSON) -> JSON:
    """A block that calls a tool."""
    return {"type": "tool_use", "id": id, "name": name, "input": arguments}


MESSAGES: dict[str, tuple[tuple[Message, ...], list[JSON]]] = {
    "user": ((UserMessage("hi", name="ann"),), [{"role": "user", "content": [text("hi")]}]),
    "blank": ((UserMessage(" \n"), AssistantMessage(" ")), []),
    "parts": (
        (
            UserMessage(
                (
                    TextPart("see"),
                    TextPart(" "),
                    ImagePart("data:image/png;base64,AA==", "low"),
                    ImagePart("https://a.test/b.png"),
                    FilePart("a.pdf", "data:application/pdf;base64,AA=="),
                    FilePart("b.pdf", "https://a.test/b.pdf"),
                    FilePart("c.png", "data:image/png;base64,AA=="),
                    FilePart("d.txt", f"data:text/plain;charset=utf-8;base64,{NOTE}"),
                    FilePart(None, "data:,note"),
                    FilePart(None, "AA=="),
                    FilePart(file_id="file-1"),
                    FilePart("nothing"),
                )
            ),
        ),
        [
            {
                "role": "user",
                "content": [
                    text("see"),
                    {"type": "image", "source": PNG},
                    {"type": "image", "source": {"type": "url", "url": "https://a.test/b.png"}},
                    {"type": "document", "source": PDF, "title": "a.pdf"},
                    {
                        "type": "document",
                        "source": {"type": "url", "url": "https://a.test/b.pdf"},
                        "title": "b.pdf",
                    },
                    {"type": "image", "source": PNG},
                    {
                        "type": "document",
                        "source": {"type": "text", "media_type": "text/plain", "data": "note"},
                        "title": "d.txt",
                    },
                    {
                        "type": "document",
                        "source": {"type": "text", "media_type": "text/plain", "data": "note"},
                    },
                    {"type": "document", "source": PDF},
                    {"type": "document", "source": {"type": "file", "file_id": "file-1"}},
                ],
            }
        ],
    ),
    "assistant that only thought": (
        (AssistantMessage("", "hm", opaque=(Opaque("anthropic", "redacted_thinking", "x"),)),),
        [],
    ),
    "assistant with calls": (
        (
            AssistantMessage(
                "a ",
                "not signed",
                calls=(
                    ToolCall("c1", "f", '{"a":  1}'),
                    ToolCall("functions.g:0", "g", ""),
                    ToolCall("c3", "g", "[1]"),
                    ToolCall("c4", "g", '{"a'),
                ),
                opaque=(Opaque("other", "thinking", "x"),),
            ),
        ),
        [
            {
                "role": "assistant",
                "content": [
                    text("a "),
                    tool_use("c1", "f", {"a": 1}),
                    tool_use("functions_g_0", "g", {}),
                    tool_use("c3", "g", {}),
                    tool_use("c4", "g", {}),
                ],
            }
        ],
    ),
    "thinking goes back": (
        (
            AssistantMessage(
                "a",
                "hm",
                calls=(ToolCall("c1", "f", "{}"),),
                opaque=(
                    Opaque("anthropic", "thinking", '{"thinking":"hm","signature":"s1"}'),
                    Opaque("anthropic", "redacted_thinking", "xyz"),
                ),
            ),
        ),
        [
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "s1"},
                    {"type": "redacted_thinking", "data": "xyz"},
                    text("a"),
                    tool_use("c1", "f", {}),
                ],
            }
        ],
    ),
    "results stand together": (
        (
            ToolMessage("c1", "4"),
            SystemMessage("in between"),
            ToolMessage("c.2", "bad", is_error=True),
            ToolMessage("c3", ""),
            ToolMessage("c4", "see", parts=(ImagePart("data:image/png;base64,AA=="),)),
            UserMessage("and?"),
            ToolMessage("c5", "5"),
        ),
        [
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "c1", "content": "4"},
                    {
                        "type": "tool_result",
                        "tool_use_id": "c_2",
                        "content": "bad",
                        "is_error": True,
                    },
                    {"type": "tool_result", "tool_use_id": "c3", "content": "(no output)"},
                    {
                        "type": "tool_result",
                        "tool_use_id": "c4",
                        "content": [text("see"), {"type": "image", "source": PNG}],
                    },
                ],
            },
            {"role": "user", "content": [text("and?")]},
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "c5", "content": "5"}],
            },
        ],
    ),
}


def without_marks(messages: list[JSON]) -> list[JSON]:
    """The same without cache marks."""
    for message in messages:
        for block in message["content"]:
            block.pop("cache_control", None)
    return messages


@requirement("models:anthropic:messages")
@pytest.mark.parametrize(("messages", "wired"), MESSAGES.values(), ids=MESSAGES.keys())
async def test_every_kind_of_message_has_its_form(
    claude: Claude, model: Model, messages: tuple[Message, ...], wired: list[JSON]
) -> None:
    """agent-file.md §3.2.3: results stand together, signed thinking is replayed, empty messages
    are left out."""
    await told(claude, model, Ask((*HI.messages, *messages, *HI.messages)))
    _, *sent, _ = without_marks(model.heard[0].messages)
    assert sent == wired


@requirement("models:anthropic:messages")
def test_arguments_go_back_as_they_were_written() -> None:
    """messages.py, ToolCall: the JSON text exactly as the model wrote it, for the cache's sake."""
    call = ToolCall("c1", "f", '{"b":  1,"a":2}')
    ask = Ask((*HI.messages, AssistantMessage(calls=(call,)), ToolMessage("c1", "4")))
    assert b'"input":{"b":  1,"a":2}' in request_of(MessagesSettings("", "m"), ask).body()


@requirement("models:anthropic:messages")
def test_an_answer_to_be_continued_does_not_end_in_a_blank() -> None:
    """Anthropic's Messages API refuses it."""
    wired = wired_messages([UserMessage("hi"), AssistantMessage("It is \n")])
    assert wired[-1]["content"][0]["text"] == "It is"


texts = st.text(alphabet="ab é", min_size=1, max_size=5).filter(lambda text: text.strip())
blocks = st.lists(
    st.one_of(
        texts,
        st.builds(Thought, st.text(max_size=5), st.text(min_size=1, max_size=5)),
        st.builds(Redacted, st.text(max_size=5)),
        st.builds(ToolCall, st.sampled_from(["c1", "c2"]), st.just("f"), st.just("{}")),
    ),
    max_size=6,
)


@requirement("models:anthropic:replay")
@given(blocks)
def test_what_was_said_goes_back_in_its_order(said: list[Block]) -> None:
    """agent-file.md §3.2.3: thinking blocks are replayed as they came, where they came."""
    message = assistant_message(said, MAKER)
    wired = wired_messages([message, UserMessage("hi")])
    if not (message.text or message.calls):
        assert len(wired) == 1
        return
    kinds = {str: "text", Thought: "thinking", Redacted: "redacted_thinking", ToolCall: "tool_use"}
    merged = without_marks(wired)[0]["content"]
    if message.opaque:
        assert [block["type"] for block in merged] == [kinds[type(block)] for block in said]
    sent = [block["thinking"] for block in merged if block["type"] == "thinking"]
    assert sent == [block.thinking for block in said if isinstance(block, Thought)]
    assert "".join(block.get("text", "") for block in merged) == message.text


@requirement("models:anthropic:replay")
def test_a_message_that_was_changed_goes_back_in_the_usual_order() -> None:
    """models/anthropic_messages.py: an order that does not fit any more does not count."""
    said = assistant_message(["ab", Thought("h", "s"), ToolCall("c", "f", "{}")], MAKER)
    assert said.opaque[-1].kind == "layout"
    changed = AssistantMessage("abc", "h", said.calls, said.opaque)
    [sent, _] = wired_messages([changed, UserMessage("hi")])
    assert [block["type"] for block in sent["content"]] == ["thinking", "text", "tool_use"]


def marked(blocks: list[JSON]) -> list[int]:
    """Places of the blocks with a cache mark."""
    return [place for place, block in enumerate(blocks) if block.get("cache_control") == MARK]


@requirement("agent-file:4.3:cache-marks")
@pytest.mark.parametrize(("leading", "marks"), [(0, []), (1, [0]), (2, [0, 1]), (4, [2, 3])])
def test_the_last_system_blocks_in_front_are_marked(leading: int, marks: list[int]) -> None:
    """agent-file.md §4.3: ephemeral marks; text trimmed, blank blocks left out."""
    front = [SystemMessage(f" s{number}\n") for number in range(leading)]
    blocks = system_blocks([*front, UserMessage("hi"), SystemMessage("late"), SystemMessage(" ")])
    assert [block["text"] for block in blocks] == [*(f"s{n}" for n in range(leading)), "late"]
    assert marked(blocks) == marks


@requirement("agent-file:4.3:cache-marks")
@pytest.mark.parametrize(
    ("kinds", "marks"),
    [
        ("LLPP", [1, 3]),
        ("LLP", [1, 2]),
        ("LPPP", [0, 3]),
        ("PP", [1]),
        ("LPL", [0, 2]),
        ("L", [0]),
    ],
)
def test_what_passes_does_not_cost_the_cache_before_it(kinds: str, marks: list[int]) -> None:
    """agent-file.md §4.3: the last invariant block and the last extra one."""
    front = [SystemMessage(f"s{n}", passing=kind == "P") for n, kind in enumerate(kinds)]
    assert marked(system_blocks([*front, UserMessage("hi")])) == marks


@requirement("agent-file:4.3:cache-marks")
def test_the_last_two_messages_end_with_a_mark() -> None:
    """agent-file.md §4.3: the last content block of the final two messages, none before."""
    wired = wired_messages(
        [
            UserMessage("1"),
            AssistantMessage("2", calls=(ToolCall("c1", "f", "{}"), ToolCall("c2", "f", "{}"))),
            ToolMessage("c1", "3"),
            ToolMessage("c2", "4"),
        ]
    )
    assert [marked(message["content"]) for message in wired] == [[], [2], [1]]


@requirement("agent-file:4.3:cache-marks")
def test_a_thought_carries_no_mark() -> None:
    """Anthropic's Messages API: thinking blocks cannot be marked."""
    wired = wired_messages([assistant_message(["a", Thought("h", "s")], MAKER), UserMessage("hi")])
    assert [marked(message["content"]) for message in wired] == [[], [0]]


ALWAYS = {"model", "max_tokens", "stream", "messages"}
SAMPLINGS: dict[str, tuple[Sampling, Sampling, dict[str, JSON]]] = {
    "nothing": (Sampling(), Sampling(), {}),
    "the file's": (
        Sampling(temperature=0.0, top_p=0.5, seed=1, frequency_penalty=0.5, presence_penalty=0.5),
        Sampling(),
        {"temperature": 0.0, "top_p": 0.5},
    ),
    "the client's over the file's": (
        Sampling(temperature=0.1, top_p=0.5),
        Sampling(temperature=0.0, stop=("a", " "), user="u"),
        {
            "temperature": 0.0,
            "top_p": 0.5,
            "stop_sequences": ["a"],
            "metadata": {"user_id": "u"},
        },
    ),
    "hotter than this scale": (Sampling(), Sampling(temperature=1.7), {"temperature": 1.0}),
}


@requirement("models:anthropic:sampling")
@pytest.mark.parametrize(("declared", "asked", "fields"), SAMPLINGS.values(), ids=SAMPLINGS.keys())
async def test_sampling_is_the_clients_within_the_files(
    claude: Claude, model: Model, declared: Sampling, asked: Sampling, fields: dict[str, JSON]
) -> None:
    """agent-file.md §3.2.3: temperature, top_p, stop and user; no penalties."""
    await told(claude, model, Ask(HI.messages, sampling=asked), sampling=declared)
    body = model.heard[0].body
    assert {key: value for key, value in body.items() if key not in ALWAYS} == fields


@requirement("models:anthropic:max-tokens")
@pytest.mark.parametrize(("asked", "sent"), [(None, 100), (10, 10), (1000, 100)])
async def test_a_cap_is_always_sent_and_never_raised(
    claude: Claude, model: Model, asked: int | None, sent: int
) -> None:
    """agent-file.md §3.6: the file's, or less."""
    ask = Ask(HI.messages, sampling=Sampling(max_tokens=asked))
    await told(claude, model, ask, max_tokens=100)
    assert model.heard[0].body["max_tokens"] == sent


CHOICES: list[tuple[ToolChoice, bool | None, JSON]] = [
    (ToolChoice(), None, {"type": "auto"}),
    (ToolChoice(), True, {"type": "auto"}),
    (ToolChoice(), False, {"type": "auto", "disable_parallel_tool_use": True}),
    (ToolChoice("none"), False, {"type": "none"}),
    (ToolChoice("required"), False, {"type": "any", "disable_parallel_tool_use": True}),
    (ToolChoice("function", "f"), None, {"type": "tool", "name": "f"}),
]


@requirement("models:anthropic:tools")
@pytest.mark.parametrize(("choice", "parallel", "sent"), CHOICES)
async def test_tools_are_sent_as_they_are(
    claude: Claude, model: Model, choice: ToolChoice, parallel: bool | None, sent: JSON
) -> None:
    """agent-file.md §3.2.3: input_schema as is; the choice in this API's words."""
    await told(
        claude,
        model,
        Ask(HI.messages, TOOLS, choice),
        sampling=Sampling(parallel_tool_calls=parallel),
    )
    body = model.heard[0].body
    assert body["tool_choice"] == sent
    assert body["tools"] == [
        {
            "name": "f",
            "description": "Does f.",
            "input_schema": {"type": "object", "properties": {"a": {"type": "integer"}}},
        },
        {"name": "g", "input_schema": {"type": "object"}},
    ]


THINK = Thinking(tokens=2048)
ADAPTIVE = Thinking(effort="high")


@requirement("models:anthropic:thinking")
async def test_a_model_that_thinks_is_not_told_how_warm(claude: Claude, model: Model) -> None:
    """agent-file.md §3.2.3 and §3.9: no temperature, top_p or top_k beside thinking."""
    declared = Sampling(temperature=0.5, top_p=0.5)
    await told(claude, model, thinking=THINK, sampling=declared, top_k=5, interleaved=True)
    await told(claude, model, thinking=ADAPTIVE, sampling=declared, top_k=5)
    await told(claude, model, sampling=declared, top_k=5, interleaved=True)
    budget, adaptive, none = (heard.body for heard in model.heard)
    assert budget["thinking"] == {"type": "enabled", "budget_tokens": 2048}
    assert adaptive["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert adaptive["output_config"] == {"effort": "high"}
    assert not {"temperature", "top_p", "top_k"} & {*budget, *adaptive}
    assert (none["temperature"], none["top_p"], none["top_k"]) == (0.5, 0.5, 5)
    betas = [heard.headers["anthropic-beta"] for heard in model.heard]
    tool_streaming = "fine-grained-tool-streaming-2025-05-14"
    assert betas == [
        f"{tool_streaming},interleaved-thinking-2025-05-14",
        tool_streaming,
        tool_streaming,
    ]
    assert [heard.path for heard in model.heard] == [
        "/v1/messages?beta=true",
        "/v1/messages",
        "/v1/messages",
    ]


CALLED = AssistantMessage(calls=(ToolCall("c1", "f", "{}"),))
RESULT = ToolMessage("c1", "4")
THOUGHT = Opaque("anthropic", "redacted_thinking", "x")
THINKINGS: dict[str, tuple[Ask, Thinking, JSON]] = {
    "a tool must be called": (
        Ask(HI.messages, TOOLS, ToolChoice("required")),
        THINK,
        None,
    ),
    "a tool may be called": (TOOL_ASK, THINK, 2048),
    "no room beside the budget": (
        Ask(HI.messages, sampling=Sampling(max_tokens=2048)),
        THINK,
        None,
    ),
    "the client wants less": (
        Ask(HI.messages, sampling=Sampling(reasoning_effort="minimal")),
        THINK,
        1024,
    ),
    "the client wants none": (
        Ask(HI.messages, sampling=Sampling(reasoning_effort="none")),
        THINK,
        None,
    ),
    "after a message without a thought": (Ask((*HI.messages, CALLED, RESULT)), THINK, None),
    "after another's thought": (
        Ask((*HI.messages, replace(CALLED, opaque=(Opaque("x", "thinking", ""),)), RESULT)),
        THINK,
        None,
    ),
    "after a thought": (
        Ask((*HI.messages, replace(CALLED, opaque=(THOUGHT,)), RESULT)),
        THINK,
        2048,
    ),
    "in a turn of its own": (Ask((*HI.messages, CALLED, RESULT, *HI.messages)), THINK, 2048),
    "the file wants none": (
        Ask(HI.messages, sampling=Sampling(reasoning_effort="high")),
        Thinking(),
        None,
    ),
}


@requirement("models:anthropic:thinking")
@pytest.mark.parametrize(("ask", "thinking", "tokens"), THINKINGS.values(), ids=THINKINGS.keys())
def test_a_model_thinks_where_the_call_lets_it(
    ask: Ask, thinking: Thinking, tokens: int | None
) -> None:
    """agent-file.md §3.9: a budget that does not fit is ignored; a forced tool excludes it."""
    fields = request_of(MessagesSettings("", "m", thinking=thinking), ask).fields
    assert fields.get("thinking", {}).get("budget_tokens") == tokens


@requirement("models:anthropic:betas")
async def test_what_needs_a_beta_names_it(claude: Claude, model: Model) -> None:
    """agent-file.md §3.2.3, Anthropic specifics: one header, each beta once."""
    schema = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}}
    ask = Ask(
        (UserMessage((FilePart(file_id="file-1"), TextPart("hi"))),),
        format=Format("json_schema", "n", schema),
    )
    await told(
        claude, model, ask, task_budget=20_000, fallbacks=("m2",), betas=("mine-1", "mine-1")
    )
    heard = model.heard[0]
    assert heard.headers["anthropic-beta"].split(",") == [
        "fine-grained-tool-streaming-2025-05-14",
        "structured-outputs-2025-11-13",
        "task-budgets-2026-03-13",
        "server-side-fallback-2026-06-01",
        "files-api-2025-04-14",
        "mine-1",
    ]
    assert heard.path.endswith("?beta=true")
    assert heard.body["fallbacks"] == [{"model": "m2"}]
    assert heard.body["output_config"] == {
        "task_budget": {"type": "tokens", "total": 20_000},
        "format": {
            "type": "json_schema",
            "schema": {
                "type": "object",
                "properties": {"a": {"type": "integer", "description": "(minimum: 1)"}},
                "additionalProperties": False,
            },
        },
    }


@requirement("models:anthropic:format")
async def test_any_json_is_asked_for_in_words(claude: Claude, model: Model) -> None:
    """runtime.md §16.1: where the API has no such mode, by instruction."""
    ask = Ask((SystemMessage("be"), *HI.messages), format=Format("json_object"))
    await told(claude, model, ask)
    body = model.heard[0].body
    assert [block["text"][:15] for block in body["system"]] == ["be", "Answer with one"]
    assert "output_config" not in body


@requirement("models:anthropic:format")
def test_a_schema_is_closed_all_the_way_down() -> None:
    """Anthropic's structured outputs: closed objects, few keywords; ours is not changed."""
    schema: dict[str, JSON] = {
        "$defs": {"d": {"type": "object"}},
        "type": ["object", "null"],
        "description": "All",
        "maxProperties": 3,
        "properties": {
            "minimum": {"type": "array", "minItems": 2, "items": {"properties": {}}},
            "one": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/d"}},
            "any": {"anyOf": [{"type": "object", "additionalProperties": True}, {"type": "null"}]},
        },
        "required": ["any"],
    }
    before = repr(schema)
    assert closed_schema(schema) == {
        "$defs": {"d": {"type": "object", "additionalProperties": False}},
        "type": ["object", "null"],
        "description": "All (maxProperties: 3)",
        "properties": {
            "minimum": {
                "type": "array",
                "items": {"properties": {}, "additionalProperties": False},
                "description": "(minItems: 2)",
            },
            "one": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/d"}},
            "any": {"anyOf": [{"type": "object", "additionalProperties": False}, {"type": "null"}]},
        },
        "required": ["any"],
        "additionalProperties": False,
    }
    assert repr(schema) == before
