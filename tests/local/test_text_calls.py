"""Calls written as text: what is recognised, what is shown, and that cutting changes nothing."""

from __future__ import annotations

import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_agent.messages import ToolCall, ToolSpec
from docker_agent.models.text_calls import (
    LONGEST_STRING,
    TextCalls,
    TextCallsMode,
    forced_call,
    forced_format,
)
from tests.requirements import requirement

OFFERED = ("add", "get_weather")
MODES: tuple[TextCallsMode, ...] = get_args(TextCallsMode)

PARIS = '{"name": "get_weather", "arguments": {"city": "Paris"}}'
ADD = '{"name": "add", "arguments": {"a": 1}}'
PARIS_CALL = ToolCall("call_0", "get_weather", '{"city": "Paris"}')
ADD_CALL = ToolCall("call_0", "add", '{"a": 1}')

Seen = tuple[str, tuple[ToolCall, ...]]


def read(pieces: list[str], mode: TextCallsMode) -> Seen:
    """What a reply in these pieces shows, and its calls."""
    gate = TextCalls(OFFERED, mode)
    shown = [gate.feed(piece) for piece in pieces]
    rest, calls = gate.finish()
    return "".join((*shown, rest)), calls


IN_TAGS: list[tuple[str, Seen]] = [
    (f"<tool_call>{PARIS}</tool_call>", ("", (PARIS_CALL,))),
    (f"<tool_call>\n{PARIS}\n</tool_call>", ("", (PARIS_CALL,))),
    (f"Let me look. <tool_call>{PARIS}</tool_call>", ("Let me look. ", (PARIS_CALL,))),
    (f"a <b> c <tool_call>{ADD}</tool_call> later", ("a <b> c ", (ADD_CALL,))),
    (
        f"<tool_call>{PARIS}</tool_call>\n<tool_call>{ADD}</tool_call>",
        ("", (PARIS_CALL, ToolCall("call_1", "add", '{"a": 1}'))),
    ),
    (f"<tool_call>{PARIS}", ("", (PARIS_CALL,))),
    (
        '<tool_call>{"name": "add", "arguments": {"t": "</tool_call><tool_call>{"}}</tool_call>',
        ("", (ToolCall("call_0", "add", '{"t": "</tool_call><tool_call>{"}'),)),
    ),
    (
        f'<tool_call>{{"name": "unknown", "arguments": {{}}}}</tool_call><tool_call>{ADD}',
        ('<tool_call>{"name": "unknown", "arguments": {}}</tool_call>', (ADD_CALL,)),
    ),
]

BARE: list[tuple[str, Seen]] = [
    (PARIS, ("", (PARIS_CALL,))),
    (f"\n {PARIS}\n", ("", (PARIS_CALL,))),
    (f"```json\n{PARIS}\n```", ("", (PARIS_CALL,))),
    (f"```\n{PARIS}\n```", ("", (PARIS_CALL,))),
    (f"{{{PARIS}}}", ("", (PARIS_CALL,))),
    (f"<tools>\n{PARIS}\n</tools>", ("", (PARIS_CALL,))),
    (f"<tools>{{{PARIS}}}</tools>", ("", (PARIS_CALL,))),
    (f"```xml\n<tool_call>{PARIS}</tool_call>\n```", ("", (PARIS_CALL,))),
    (f"{PARIS}\n{ADD}", ("", (PARIS_CALL, ToolCall("call_1", "add", '{"a": 1}')))),
    (
        f"```json\n{PARIS}\n```\n```json\n{ADD}\n```",
        ("", (PARIS_CALL, ToolCall("call_1", "add", '{"a": 1}'))),
    ),
    ('{"arguments": {"a": 1}, "name": "add"}', ("", (ADD_CALL,))),
    (
        '{"name": "add", "arguments": "{\\"a\\": 1.50}"}',
        ("", (ToolCall("call_0", "add", '{"a": 1.50}'),)),
    ),
    (
        '{"name": "add", "arguments": {"t": "é\nü"}}',
        ("", (ToolCall("call_0", "add", '{"t": "é\\nü"}'),)),
    ),
    (
        '{"name": "add", "arguments": {"t": "\\ud83d"}}',
        ("", (ToolCall("call_0", "add", '{"t": "\\ud83d"}'),)),
    ),
    (
        '{"name": "add", "arguments": "{\\"t\\": \\"\\ud83d\\"}"}',
        ("", (ToolCall("call_0", "add", '{"t": "\\ud83d"}'),)),
    ),
    (f"{PARIS} It is sunny.", ("", (PARIS_CALL,))),
]

NO_CALL = [
    "",
    " ",
    "Hello!",
    "{",
    "{{",
    '{"name": "unknown", "arguments": {}}',
    '{"name": "add"}',
    '{"name": "add", "arguments": 5}',
    '{"name": "add", "arguments": "five"}',
    '{"name": "add", "arguments": "[1]"}',
    '{"name": "add", "arguments": {"a": 1',
    '{"name": "add", "arguments": {"a": NaN}}',
    '{"name": "add", "arguments": {"a": 1e999}}',
    '{"name": 5, "arguments": {}}',
    '{"Name": "add", "arguments": {}}',
    '{"name": "Alice", "age": 5}',
    '["name"]',
    '```python\nprint("hello")\n```',
    "```json\n[1, 2]\n```",
    "``",
    "<p>hello</p>",
    "<tools>",
    "<tool_call",
    "use <tool_call> to call a tool",
    "<tool_call>{broken}</tool_call> and more",
    "a < b and b > c",
    '{"name": "add", "arguments": ' + "[" * 5000,
]


@requirement("local:text-calls:tags")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("text", "seen"), IN_TAGS)
def test_tool_call_blocks_become_calls_and_the_text_before_them_is_shown(
    text: str, seen: Seen, mode: TextCallsMode
) -> None:
    """runtime.md §4.1, XML fallback."""
    assert read([text], mode) == seen


@requirement("local:text-calls:bare")
@pytest.mark.parametrize(("text", "seen"), BARE)
def test_calls_written_as_bare_json_are_recognised(text: str, seen: Seen) -> None:
    """parts.md A4: what small models write instead of tags."""
    assert read([text], "full") == seen


@requirement("local:text-calls:bare")
@pytest.mark.parametrize("text", [PARIS, f"```json\n{PARIS}\n```", f"<tools>{PARIS}</tools>"])
def test_only_tags_count_for_providers_that_have_tool_calls(text: str) -> None:
    """runtime.md §4.1: JSON in an answer of a hosted model is an answer."""
    assert read([text], "tags") == (text, ())


@requirement("local:text-calls:unchanged")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("text", NO_CALL)
def test_text_that_is_no_call_is_shown_unchanged(text: str, mode: TextCallsMode) -> None:
    """parts.md A4: only an offered tool with an object of arguments is a call."""
    assert read([text], mode) == (text, ())


def cut(text: str, places: list[int]) -> list[str]:
    """The text in pieces, cut at these places."""
    ends = sorted({place % (len(text) + 1) for place in places} | {len(text)})
    return [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]


FRAGMENTS = st.sampled_from(
    [
        *("<tool_call>", "</tool_call>", "<tool", "<tools>", "</tools>", "```json\n", "```", "{"),
        *("}", '"name"', ": ", '"add"', '"get_weather"', '"arguments"', '{"a": 1}', ", ", "\n"),
        *(PARIS, ADD, f"{{{ADD}}}", "Hello", " ", '"', "\\", "<", ">", "é", '{"name": "other'),
    ]
)
TEXTS = st.one_of(
    st.text(max_size=60),
    st.lists(FRAGMENTS, max_size=12).map("".join),
    st.sampled_from([text for text, _ in (*IN_TAGS, *BARE)] + NO_CALL[:-1]),
)
PLACES = st.lists(st.integers(0, 200), max_size=40)


@requirement("local:text-calls:cutting")
@given(TEXTS, PLACES, st.sampled_from(MODES))
def test_how_a_text_is_cut_never_changes_what_is_shown_or_called(
    text: str, places: list[int], mode: TextCallsMode
) -> None:
    """runtime.md §4.1: streams are cut anywhere."""
    assert read(cut(text, places), mode) == read([text], mode) == read(list(text), mode)


@requirement("local:text-calls:unchanged")
@given(TEXTS, PLACES, st.sampled_from(MODES))
def test_without_a_call_nothing_is_lost(text: str, places: list[int], mode: TextCallsMode) -> None:
    """parts.md A4."""
    shown, calls = read(cut(text, places), mode)
    assert shown == text if not calls else text.startswith(shown)


@requirement("local:text-calls:at-once")
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Hello", "Hello"),
        ("a { b", "a { b"),
        ("x ```", "x ```"),
        ('{"age"', '{"age"'),
        ('{"name": "Alice"', '{"name": "Alice"'),
        ("```py\nx", "```py\nx"),
        ("<p>", "<p>"),
        ("one <tool", "one "),
        ("one <tool_call>  x", "one <tool_call>  x"),
        ("one <tool_call> {", "one "),
        ('{"na', ""),
        ("  ", ""),
        ("```json\n{", ""),
    ],
)
def test_only_what_may_still_become_a_call_is_held_back(text: str, shown: str) -> None:
    """runtime.md §4.1, content gate."""
    assert TextCalls(OFFERED, "full").feed(text) == shown


WEATHER = ToolSpec(
    "get_weather",
    "Weather of a city",
    {
        "type": "object",
        "properties": {
            "city": {"$ref": "#/$defs/City"},
            "unit": {"type": "string", "enum": ["C", "F"]},
            "notes": {"type": "array", "items": {"type": ["string", "null"]}},
            "type": {"type": "string", "maxLength": 5},
        },
        "required": ["city"],
        "$defs": {"City": {"type": "string", "minLength": 500}},
    },
)
NOW = ToolSpec("now", "The time", {})


@requirement("local:forced")
def test_a_forced_format_bounds_every_string_and_keeps_references_right() -> None:
    """parts.md A4: without a limit a run-on string breaks the JSON."""
    schema = forced_format([NOW, WEATHER]).schema
    assert schema
    assert [call["properties"]["name"] for call in schema["anyOf"]] == [
        {"const": "now"},
        {"const": "get_weather"},
    ]
    assert schema["$defs"]["arguments_0"] == {"type": "object", "additionalProperties": False}
    arguments = schema["$defs"]["arguments_1"]
    assert arguments["$defs"]["City"] == {"type": "string", "minLength": 500, "maxLength": 500}
    assert arguments["properties"] == {
        "city": {"$ref": "#/$defs/arguments_1/$defs/City"},
        "unit": {"type": "string", "enum": ["C", "F"]},
        "notes": {
            "type": "array",
            "items": {"type": ["string", "null"], "maxLength": LONGEST_STRING},
        },
        "type": {"type": "string", "maxLength": 5},
    }


@requirement("local:forced")
def test_a_forced_answer_is_a_call_unless_it_was_cut_off() -> None:
    """parts.md A4."""
    assert forced_call(PARIS, OFFERED) == PARIS_CALL
    assert forced_call(json.dumps({"name": "add", "arguments": {}}, indent=2), OFFERED) == ToolCall(
        "call_0", "add", "{}"
    )
    assert forced_call(PARIS[:-3], OFFERED) is None
