"""Responses, messages: what was said, thought and called, as items of the input. Pure."""

from __future__ import annotations

import pytest

from docker_agent.messages import (
    JSON,
    AssistantMessage,
    FilePart,
    ImagePart,
    Message,
    Opaque,
    SystemMessage,
    TextPart,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from docker_agent.models.openai_responses_messages import input_items
from tests.models.responses.asking import ORIGIN, thought
from tests.requirements import requirement


def user(content: JSON) -> JSON:
    """A user's item."""
    return {"type": "message", "role": "user", "content": content}


def said(text: str, place: int = 0) -> JSON:
    """What the model said, as item number `place`."""
    part: JSON = {"type": "output_text", "text": text, "annotations": []}
    return {
        "type": "message",
        "id": f"msg_{place}",
        "status": "completed",
        "role": "assistant",
        "content": [part],
    }


def called(name: str, call_id: str = "c1", arguments: str = "{}") -> JSON:
    """What the model called."""
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}


def output(text: str, call_id: str = "c1") -> JSON:
    """What a call brought."""
    return {"type": "function_call_output", "call_id": call_id, "output": text}


def reasoning(blob: str, *summary: str) -> JSON:
    """What the model thought."""
    wired: JSON = {"type": "reasoning", "id": f"rs_{blob}", "encrypted_content": blob}
    wired["summary"] = [{"type": "summary_text", "text": text} for text in summary]
    return wired


F, G = ToolCall("c1", "f", '{"a": 1}'), ToolCall("c2", "g", "")
LONG = "toolu_" + "x" * 100
MESSAGES: dict[str, tuple[tuple[Message, ...], list[JSON]]] = {
    "system": (
        (SystemMessage("be"), SystemMessage("brief")),
        [{"type": "message", "role": "system", "content": text} for text in ("be", "brief")],
    ),
    "user": ((UserMessage("hi", name="ann"), UserMessage("ho")), [user("hi"), user("ho")]),
    "parts": (
        (
            UserMessage(
                (
                    TextPart("see"),
                    ImagePart("data:image/png;base64,AA", "low"),
                    ImagePart("https://a.test/b.png"),
                    FilePart("a.pdf", "data:application/pdf;base64,AA"),
                    FilePart(file_id="file-1"),
                )
            ),
        ),
        [
            user(
                [
                    {"type": "input_text", "text": "see"},
                    {
                        "type": "input_image",
                        "image_url": "data:image/png;base64,AA",
                        "detail": "low",
                    },
                    {
                        "type": "input_image",
                        "image_url": "https://a.test/b.png",
                        "detail": "auto",
                    },
                    {
                        "type": "input_file",
                        "filename": "a.pdf",
                        "file_data": "data:application/pdf;base64,AA",
                    },
                    {"type": "input_file", "file_id": "file-1"},
                ]
            )
        ],
    ),
    "assistant": (
        (AssistantMessage("a", reasoning="hidden", opaque=(Opaque("x", "y", "z"),)),),
        [said("a")],
    ),
    "assistant that said nothing": (
        (AssistantMessage("", reasoning="hm", opaque=(thought("b"),)),),
        [],
    ),
    "calls and their outputs": (
        (
            UserMessage("go"),
            AssistantMessage("Wait.", calls=(F, G)),
            ToolMessage("c2", "2"),
            ToolMessage("c1", "no", is_error=True),
        ),
        [
            user("go"),
            said("Wait.", 1),
            called("f", arguments='{"a": 1}'),
            called("g", "c2"),
            output("2", "c2"),
            output("no"),
        ],
    ),
    "a call without output": (
        (AssistantMessage("", calls=(F, G)), ToolMessage("c2", "2"), UserMessage("hm")),
        [
            called("f", arguments='{"a": 1}'),
            called("g", "c2"),
            output("No result provided"),
            output("2", "c2"),
            user("hm"),
        ],
    ),
    "a picture from a tool": (
        (
            AssistantMessage("", calls=(F,)),
            ToolMessage("c1", "below", parts=(ImagePart("data:x"),)),
        ),
        [
            called("f", arguments='{"a": 1}'),
            output("below"),
            user(
                [
                    {"type": "input_text", "text": "Attached content of the tool result above:"},
                    {"type": "input_image", "image_url": "data:x", "detail": "auto"},
                ]
            ),
        ],
    ),
    "reasoning before a call": (
        (
            AssistantMessage("", calls=(F,), opaque=(thought("b", "one", "two"),)),
            ToolMessage("c1", "1"),
        ),
        [reasoning("b", "one", "two"), called("f", arguments='{"a": 1}'), output("1")],
    ),
    "reasoning in between": (
        (
            AssistantMessage(
                "ab\n\ncd",
                calls=(F, G),
                opaque=(thought("b"), thought("c", text=2), thought("d", text=6, calls=1)),
            ),
            ToolMessage("c1", "1"),
            ToolMessage("c2", "2"),
        ),
        [
            reasoning("b"),
            said("ab", 1),
            reasoning("c"),
            said("\n\ncd", 3),
            called("f", arguments='{"a": 1}'),
            reasoning("d"),
            called("g", "c2"),
            output("1"),
            output("2", "c2"),
        ],
    ),
    "reasoning that nothing follows": (
        (AssistantMessage("a", opaque=(thought("b", text=1), thought("c", text=1))),),
        [said("a")],
    ),
    "reasoning of another model": (
        (AssistantMessage("a", opaque=(thought("b", origin="else"),)),),
        [said("a")],
    ),
    "reasoning nobody can read": (
        (AssistantMessage("a", opaque=(Opaque("openai-responses", "reasoning", "{"),)),),
        [said("a")],
    ),
    "reasoning of a text that became shorter": (
        (AssistantMessage("a", opaque=(thought("b", text=50, calls=9),), calls=(F,)),),
        [said("a"), called("f", arguments='{"a": 1}'), output("No result provided")],
    ),
}


@requirement("models:responses:messages")
@pytest.mark.parametrize(("messages", "wired"), MESSAGES.values(), ids=MESSAGES.keys())
def test_every_kind_of_message_has_its_items(
    messages: tuple[Message, ...], wired: list[JSON]
) -> None:
    """agent-file.md §3.2.3: system items, placeholders, reasoning in its place, nothing empty."""
    assert input_items(messages, ORIGIN) == wired


@requirement("models:responses:messages")
def test_ids_of_other_providers_fit() -> None:
    """The API takes 64 characters; a call and its output keep one id."""
    call, answer = input_items(
        (AssistantMessage("", calls=(ToolCall(LONG, "f", "{}"),)), ToolMessage(LONG, "1")), ORIGIN
    )
    assert call["call_id"] == answer["call_id"]
    assert len(call["call_id"]) <= 64
