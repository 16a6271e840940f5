"""Gemini, requests: what of the messages goes over the wire."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_agent.messages import (
    JSON,
    AssistantMessage,
    AudioPart,
    FilePart,
    Format,
    ImagePart,
    Message,
    Opaque,
    SystemMessage,
    TextPart,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from docker_agent.models.gemini_messages import ATTACHED, gemini_contents, system_instruction
from docker_agent.models.gemini_turn import MAKER, Order, replayed
from tests.requirements import requirement

CALL = ToolCall("c1", "f", '{"a": 1}')
FUNCTION: JSON = {"functionCall": {"id": "c1", "name": "f", "args": {"a": 1}}}


def user(*parts: JSON) -> JSON:
    """A content of the user's."""
    return {"role": "user", "parts": list(parts)}


def model(*parts: JSON) -> JSON:
    """A content of the model's."""
    return {"role": "model", "parts": list(parts)}


def result(id: str, name: str, text: str, key: str = "output") -> JSON:
    """The answer to a call, as a part."""
    return {"functionResponse": {"id": id, "name": name, "response": {key: text}}}


def png(data: str) -> JSON:
    """A picture, as a part."""
    return {"inlineData": {"mimeType": "image/png", "data": data}}


MESSAGES: dict[str, tuple[list[Message], list[JSON]]] = {
    "user": ([UserMessage("hi", name="ann")], [user({"text": "hi"})]),
    "nothing": ([UserMessage(""), UserMessage((TextPart(""),)), AssistantMessage()], []),
    "system stands elsewhere": ([SystemMessage("be"), UserMessage("a")], [user({"text": "a"})]),
    "media": (
        [
            UserMessage(
                (
                    TextPart("see"),
                    ImagePart("data:image/png;base64,AA==", "low"),
                    ImagePart("https://a.test/b.jpg?c=1"),
                    ImagePart("https://a.test/b"),
                    AudioPart("AA==", "wav"),
                    FilePart("a.pdf", "data:application/pdf;base64,AA=="),
                    FilePart("a.txt", "AA=="),
                    FilePart("a", "data:,a%20b"),
                    FilePart(file_id="https://files.test/1"),
                )
            )
        ],
        [
            user(
                {"text": "see"},
                png("AA=="),
                {"fileData": {"fileUri": "https://a.test/b.jpg?c=1", "mimeType": "image/jpeg"}},
                {"fileData": {"fileUri": "https://a.test/b"}},
                {"inlineData": {"mimeType": "audio/wav", "data": "AA=="}},
                {"inlineData": {"mimeType": "application/pdf", "data": "AA=="}},
                {"inlineData": {"mimeType": "text/plain", "data": "AA=="}},
                {"inlineData": {"mimeType": "text/plain", "data": "YSBi"}},
                {"fileData": {"fileUri": "https://files.test/1"}},
            )
        ],
    ),
    "assistant": (
        [AssistantMessage("a", "thought", (CALL,))],
        [model({"text": "a"}, FUNCTION)],
    ),
    "arguments that are no object": (
        [AssistantMessage(calls=(ToolCall("c1", "f", '{"a'), ToolCall("c2", "g", " ")))],
        [
            model(
                {"functionCall": {"id": "c1", "name": "f", "args": {"arguments": '{"a'}}},
                {"functionCall": {"id": "c2", "name": "g", "args": {}}},
            )
        ],
    ),
    "results of one turn stand together": (
        [
            AssistantMessage(calls=(CALL, ToolCall("c2", "g", "{}"))),
            ToolMessage("c1", "one"),
            ToolMessage("c2", "no", is_error=True),
            UserMessage("and"),
        ],
        [
            model(FUNCTION, {"functionCall": {"id": "c2", "name": "g", "args": {}}}),
            user(result("c1", "f", "one"), result("c2", "g", "no", "error")),
            user({"text": "and"}),
        ],
    ),
    "pictures of results follow them": (
        [
            AssistantMessage(calls=(CALL,)),
            ToolMessage("c1", "one", parts=(ImagePart("data:image/png;base64,AA=="),)),
        ],
        [
            model(FUNCTION),
            user(result("c1", "f", "one")),
            user({"text": ATTACHED}, png("AA==")),
        ],
    ),
    "another maker's signature stays at home": (
        [AssistantMessage("a", opaque=(Opaque("anthropic", "thinking", "x"),))],
        [model({"text": "a"})],
    ),
}


@requirement("models:gemini:messages")
@pytest.mark.parametrize(("messages", "wanted"), MESSAGES.values(), ids=MESSAGES.keys())
def test_each_message_has_its_place(messages: list[Message], wanted: list[JSON]) -> None:
    """agent-file.md §3.2.3: roles user and model, results of one turn in one content."""
    assert gemini_contents(messages, signed=False) == wanted


@requirement("models:gemini:messages")
def test_system_messages_are_parts_of_the_instruction() -> None:
    """agent-file.md §3.2.3: system instruction; blank ones left out."""
    messages = [SystemMessage("be"), UserMessage("a"), SystemMessage(" "), SystemMessage("kind")]
    assert system_instruction(messages) == {"parts": [{"text": "be"}, {"text": "kind"}]}
    assert system_instruction([UserMessage("a")]) is None


@requirement("models:gemini:format")
def test_a_format_can_be_put_into_words() -> None:
    """runtime.md §16.1: others by instruction."""
    format = Format("json_schema", "n", {"type": "array"})
    found: JSON = system_instruction([SystemMessage("be")], format=format)
    assert found["parts"][0] == {"text": "be"}
    assert '{"type":"array"}' in found["parts"][1]["text"]
    bare: JSON = system_instruction([], format=Format("json_object"))
    assert "JSON" in bare["parts"][0]["text"]


@requirement("models:gemini:signatures")
def test_calls_of_another_model_are_marked_as_such() -> None:
    """models/gemini_messages.py: generation 3 refuses a turn whose first call has no signature."""
    calls = (CALL, ToolCall("c2", "g", "{}"))
    (content,) = gemini_contents([AssistantMessage(calls=calls)], signed=True)
    first, second = content["parts"]
    assert first["thoughtSignature"] == "skip_thought_signature_validator"
    assert "thoughtSignature" not in second


def signed_turn() -> AssistantMessage:
    """A turn with a bit of everything."""
    order = Order()
    order.add_text("hm", None, thought=True)
    order.add_text(" ok", "t1", thought=True)
    order.add_text("Let ", None, thought=False)
    order.add_text("me", None, thought=False)
    order.add_other({"executableCode": {"code": "1"}}, "x1")
    order.add_text(" see", "s1", thought=False)
    order.add_text("", "s2", thought=False)
    order.add_call("c1", "f1")
    order.add_call("c2", None)
    calls = (CALL, ToolCall("c2", "g", "{}"))
    return AssistantMessage("Let me see", "hm ok", calls, order.opaque())


@requirement("models:gemini:signatures")
def test_every_part_comes_back_where_it_stood() -> None:
    """runtime.md §2.1: signatures are replayed verbatim, each with its own part."""
    assert replayed(signed_turn()) == [
        {"text": " ok", "thought": True, "thoughtSignature": "t1"},
        {"text": "Let me"},
        {"executableCode": {"code": "1"}, "thoughtSignature": "x1"},
        {"text": " see", "thoughtSignature": "s1"},
        {"text": "", "thoughtSignature": "s2"},
        {**FUNCTION, "thoughtSignature": "f1"},
        {"functionCall": {"id": "c2", "name": "g", "args": {}}},
    ]


@requirement("models:gemini:signatures")
def test_what_was_changed_since_keeps_its_calls_signed() -> None:
    """models/gemini_turn.py: a hook or a limit may rewrite a message."""
    turn = signed_turn()
    changed = AssistantMessage("Other", turn.reasoning, turn.calls[:1], turn.opaque)
    assert replayed(changed) == [{"text": "Other"}, {**FUNCTION, "thoughtSignature": "f1"}]
    dropped = AssistantMessage(turn.text, "", (), turn.opaque)
    assert [part for part in replayed(dropped) if "functionCall" in part] == []
    broken = AssistantMessage("a", "", (CALL,), (Opaque(MAKER, "parts", "{"),))
    assert replayed(broken) == [{"text": "a"}, FUNCTION]


@requirement("models:gemini:signatures")
def test_a_turn_without_signatures_keeps_nothing() -> None:
    """models/gemini_turn.py: text and calls say it all."""
    order = Order()
    order.add_text("a", None, thought=False)
    order.add_call("c1", None)
    assert order.opaque() == ()


drawn = st.one_of(
    st.tuples(st.just("text"), st.text(max_size=4), st.sampled_from([None, "s"])),
    st.tuples(st.just("thought"), st.text(max_size=4), st.sampled_from([None, "s"])),
    st.tuples(st.just("call"), st.uuids().map(str), st.sampled_from([None, "s"])),
    st.tuples(st.just("other"), st.text(max_size=4), st.sampled_from([None, "s"])),
)


@requirement("models:gemini:signatures")
@given(st.lists(drawn, max_size=12))
def test_no_signature_is_lost_and_no_text_moves(parts: list[tuple[str, str, str | None]]) -> None:
    """runtime.md §2.1: verbatim to the provider that made it, in any mixture."""
    order, text, thought, calls = Order(), "", "", list[ToolCall]()
    for kind, value, signature in parts:
        if kind == "call":
            order.add_call(value, signature)
            calls.append(ToolCall(value, "f", "{}"))
        elif kind == "other":
            order.add_other({"toolCall": value}, signature)
        else:
            order.add_text(value, signature, thought=kind == "thought")
            text, thought = (
                (text, thought + value) if kind == "thought" else (text + value, thought)
            )
    found = replayed(AssistantMessage(text, thought, tuple(calls), order.opaque()))
    assert "".join(one.get("text", "") for one in found if not one.get("thought")) == text
    signed = [signature for _, _, signature in parts if signature]
    assert [one["thoughtSignature"] for one in found if "thoughtSignature" in one] == signed
    ids = [one["functionCall"]["id"] for one in found if "functionCall" in one]
    assert ids == [call.id for call in calls]
    assert json.dumps(found)
