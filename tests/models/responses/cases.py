"""Answers of the Responses API, and what each comes to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial

from docker_agent.messages import NO_USAGE, Finish, Opaque, Usage
from tests.models.chat_cases import SCRIPTED
from tests.models.responses.asking import thought
from tests.scripted.parts import (
    call,
    call_piece,
    comment,
    crlf,
    cut,
    finish,
    no_finish,
    raw,
    refuse,
    say,
    think,
    trailing,
    until_close,
    usage,
)
from tests.scripted.responses import encrypted, new_message
from tests.scripted.steps import Reply


@dataclass(frozen=True, slots=True)
class Case:
    """A scripted reply and what must become of it; `calls` are names and arguments, `ids` theirs
    when they matter."""

    script: Reply
    text: str = ""
    reasoning: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    finish: Finish = "stop"
    usage: Usage = SCRIPTED
    ids: tuple[str, ...] | None = None
    opaque: tuple[Opaque, ...] = ()


uncounted = partial(Case, usage=NO_USAGE)
"""An answer that says nothing of tokens."""


def event(kind: str, **fields: object) -> Reply:
    """One event with nothing but what is given."""
    return raw(f"data: {json.dumps({'type': kind, **fields})}\n\n".encode())


def done(kind: str, *, index: int | None = 0, **fields: object) -> Reply:
    """An item that comes whole."""
    item = {"type": kind, **fields}
    return event("response.output_item.done", output_index=index, item=item)


def ended(**fields: object) -> Reply:
    """The end of an answer."""
    return event("response.completed", response={"status": "completed", **fields}) + no_finish()


ANSWERS: dict[str, Case] = {
    "one piece": Case(say("Hello"), "Hello"),
    "many pieces": Case(say("Hello", " ", "world", "\n"), "Hello world\n"),
    "any characters": Case(say("é", "\u2028", "😀", "\x00", '"\\'), 'é\u2028😀\x00"\\'),
    "a summary": Case(think("hm", " ok") + say("a"), "a", "hm ok"),
    "the thinking itself": Case(think("hm", " ok", key="reasoning") + say("a"), "a", "hm ok"),
    "a summary of two parts": Case(
        encrypted("b", "one", "two", id="rs_b") + say("a"),
        "a",
        "one\n\ntwo",
        opaque=(thought("b", "one", "two"),),
    ),
    "only reasoning": Case(think("hm"), "", "hm"),
    "encrypted reasoning without a summary": Case(
        encrypted("b", id="rs_b") + say("a"), "a", opaque=(thought("b"),)
    ),
    "two messages": Case(say("a") + new_message() + say("b"), "a\n\nb"),
    "a refusal": Case(refuse("I ", "can't"), "I can't", finish="content_filter"),
    "cut by length": Case(say("a") + finish("length"), "a", finish="length"),
    "cut by a filter": Case(say("a") + finish("content_filter"), "a", finish="content_filter"),
    "nothing": Case(finish("stop")),
    "usage": Case(say("a") + usage(25, 9, cached=3, reasoning=2), "a", usage=Usage(25, 9, 3, 0, 2)),
    "a call": Case(call("f", {"a": 1}, id="c1"), calls=(("f", '{"a": 1}'),), ids=("c1",)),
    "a call in pieces": Case(call("f", {"a": 12345}, pieces=9), calls=(("f", '{"a": 12345}'),)),
    "a call after text": Case(say("Wait.") + call("f"), "Wait.", calls=(("f", "{}"),)),
    "parallel calls": Case(
        call("f", {"a": 1}, id="c1", pieces=3) + call("g", id="c2", pieces=2),
        calls=(("f", '{"a": 1}'), ("g", "{}")),
        ids=("c1", "c2"),
    ),
    "calls that take turns": Case(
        call_piece(0, id="c1", name="f")
        + call_piece(1, id="c2", name="g")
        + call_piece(0, '{"a"')
        + call_piece(1, "{")
        + call_piece(0, ": 1}")
        + call_piece(1, "}"),
        calls=(("f", '{"a": 1}'), ("g", "{}")),
        ids=("c1", "c2"),
    ),
    "broken arguments stay as they are": Case(call("f", '{"a": '), calls=(("f", '{"a": '),)),
    "no arguments": Case(call("f", ""), calls=(("f", ""),)),
    "a call cut by length": Case(
        call("f", '{"a"') + finish("length"), calls=(("f", '{"a"'),), finish="length"
    ),
    "reasoning where it stood": Case(
        encrypted("b", "why", id="rs_b")
        + say("Wait.")
        + encrypted("d", id="rs_d")
        + call("f", id="c1")
        + encrypted("e", id="rs_e")
        + call("g", id="c2"),
        "Wait.",
        "why",
        (("f", "{}"), ("g", "{}")),
        opaque=(thought("b", "why"), thought("d", text=5), thought("e", text=5, calls=1)),
    ),
}
"""What a stream and one response object can say alike."""

STREAMS: dict[str, Case] = {
    "CR LF": Case(say("a", "b") + crlf(), "ab"),
    "until close": Case(say("a") + until_close(), "a"),
    "comments": Case(comment() + say("a") + comment(": x") + say("b"), "ab"),
    "cut at every byte": Case(
        think("hm") + say("é😀") + call("f", {"a": 1}) + cut(1), "é😀", "hm", (("f", '{"a": 1}'),)
    ),
    "a body that never ends": Case(say("a") + trailing(), "a"),
    "kinds nobody knows": Case(
        event("response.new.thing", delta={"x": 1}, item=[1], output_index="z") + say("a"), "a"
    ),
    "events without type": Case(raw(b'data: {"error": null}\n\ndata:\n\n') + say("a"), "a"),
    "items nobody asked for": Case(
        done("web_search_call", index=7, action={"query": "q"}, status="completed") + say("a"), "a"
    ),
    "an item that was not streamed": uncounted(
        done("message", content=[{"type": "output_text", "text": "a"}]) + ended(), "a"
    ),
    "a refusal that was not streamed": uncounted(
        done("message", content=[{"type": "refusal", "refusal": "no"}]) + ended(),
        "no",
        finish="content_filter",
    ),
    "reasoning that was not streamed": uncounted(
        done(
            "reasoning",
            id="rs_b",
            encrypted_content="b",
            summary=[{"text": "x"}, {"text": "y"}],
            content=[{"text": "z"}],
        )
        + done("message", index=1, content=[{"text": "a"}])
        + ended(),
        "a",
        "x\n\ny\n\nz",
        opaque=(thought("b", "x", "y"),),
    ),
    "all of it at the end": uncounted(
        ended(
            output=[
                {"type": "message", "content": [{"type": "output_text", "text": "a"}]},
                {"type": "function_call", "call_id": "c1", "name": "f", "arguments": {"a": 1}},
            ]
        ),
        "a",
        calls=(("f", '{"a":1}'),),
        ids=("c1",),
    ),
    "items by id alone": uncounted(
        event("response.output_item.added", item={"type": "function_call", "id": "x", "name": "f"})
        + event("response.output_item.added", item={"type": "function_call", "id": "y"})
        + event("response.function_call_arguments.delta", item_id="x", delta='{"a"')
        + event("response.function_call_arguments.delta", item_id="y", delta="{}")
        + event("response.function_call_arguments.delta", item_id="x", delta=": 1}")
        + done("function_call", index=None, id="y", name="g")
        + ended(),
        calls=(("f", '{"a": 1}'), ("g", "{}")),
    ),
    "ids that change on the way": uncounted(
        event(
            "response.output_item.added",
            output_index=0,
            item={"type": "function_call", "id": "x1", "call_id": "c1", "name": "f"},
        )
        + event("response.function_call_arguments.delta", output_index=0, item_id="x2", delta="{")
        + event("response.function_call_arguments.delta", output_index=0, item_id="x3", delta="}")
        + ended(),
        calls=(("f", "{}"),),
        ids=("c1",),
    ),
    "reasoning whose id changes": uncounted(
        event(
            "response.output_item.added", output_index=0, item={"type": "reasoning", "id": "rs_a"}
        )
        + done("reasoning", id="rs_b", encrypted_content="b")
        + done("message", index=1, content=[{"text": "a"}])
        + ended(),
        "a",
        opaque=(thought("b"),),
    ),
    "an end that counts differently": uncounted(
        done("reasoning", id="rs_b", encrypted_content="b")
        + done("message", index=1, content=[{"text": "a"}])
        + ended(output=[{"type": "message", "content": [{"text": "a"}]}]),
        "a",
        opaque=(thought("b"),),
    ),
    "arguments that were not streamed": uncounted(
        event(
            "response.output_item.added",
            output_index=0,
            item={"type": "function_call", "call_id": "c1", "name": "f", "arguments": ""},
        )
        + event("response.function_call_arguments.done", output_index=0, arguments="{}")
        + no_finish(),
        calls=(("f", "{}"),),
        ids=("c1",),
    ),
    "an end without a blank line": Case(
        say("a")
        + no_finish()
        + raw(
            b'data: {"type": "response.completed", "response":'
            b' {"usage": {"input_tokens": 11, "output_tokens": 7}}}'
        ),
        "a",
    ),
    "an end without reason": uncounted(
        say("a") + event("response.incomplete", response={}) + no_finish(), "a", finish="length"
    ),
    "[DONE] after the end": uncounted(
        say("a") + no_finish() + ended() + raw(b"data: [DONE]\n\n"), "a"
    ),
    "[DONE] is an end": uncounted(say("a") + raw(b"data: [DONE]\n\n") + say("b"), "a"),
    "no end": uncounted(say("a") + no_finish(), "a"),
    "no end after a call": uncounted(
        done("function_call", call_id="c1", name="f", arguments="{}") + no_finish(),
        calls=(("f", "{}"),),
    ),
    "a call without a name is none": Case(
        done("function_call", index=9, call_id="c1", arguments="{}") + say("a"), "a"
    ),
}
