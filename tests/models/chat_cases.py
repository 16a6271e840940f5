"""Answers of servers with their habits, and what each comes to."""

from __future__ import annotations

from dataclasses import dataclass

from docker_agent.messages import NO_USAGE, Finish, Usage
from tests.scripted.parts import (
    call,
    call_piece,
    comment,
    crlf,
    cut,
    delta,
    finish,
    merged,
    no_done,
    no_finish,
    no_role,
    no_usage,
    raw,
    refuse,
    say,
    think,
    until_close,
    usage,
)
from tests.scripted.steps import Reply

SCRIPTED = Usage(11, 7)
"""What a scripted reply reports unless it is told otherwise."""


@dataclass(frozen=True, slots=True)
class Case:
    """A scripted reply and what must become of it; `calls` are names and arguments, `ids` theirs
    when they matter, `tools` whether any are on offer."""

    script: Reply
    text: str = ""
    reasoning: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    finish: Finish = "stop"
    usage: Usage = SCRIPTED
    ids: tuple[str, ...] | None = None
    tools: bool = True


def bare_call(name: str, arguments: object = "{}", **more: object) -> dict[str, object]:
    """An entry of `tool_calls` with nothing but what is given."""
    return {"function": {"name": name, "arguments": arguments}, **more}


TEXTS: dict[str, Case] = {
    "one piece": Case(say("Hello"), "Hello"),
    "many pieces": Case(say("Hello", " ", "world", "\n"), "Hello world\n"),
    "any characters": Case(say("é", "\u2028", "😀", "\x00", '"\\'), 'é\u2028😀\x00"\\'),
    "empty pieces": Case(say("", "a", "", "b", ""), "ab"),
    "content null": Case(delta(content=None) + say("a"), "a"),
    "unknown fields": Case(delta(content="a", audio={"x": [1]}, function_call=None), "a"),
    "reasoning": Case(think("hm", " ok") + say("a"), "a", "hm ok"),
    "reasoning by its other name": Case(think("hm", key="reasoning") + say("a"), "a", "hm"),
    "reasoning by both names": Case(
        delta(reasoning="hm", reasoning_content="hm", reasoning_details=0) + say("a"), "a", "hm"
    ),
    "reasoning as an object": Case(delta(reasoning={"effort": "low"}) + say("a"), "a"),
    "reasoning beside text": Case(merged(think("hm"), say("a")), "a", "hm"),
    "only reasoning": Case(think("hm"), "", "hm"),
    "refusal": Case(refuse("I ", "can't"), "I can't", finish="content_filter"),
    "a refusal that stops": Case(refuse("no") + finish("stop"), "no", finish="content_filter"),
    "text with the finish": Case(say("a") + finish("stop", "b"), "ab"),
    "all text with the finish": Case(finish("length", "b"), "b", finish="length"),
    "nothing but a finish": Case(finish("stop")),
    "a written call nobody offered": Case(
        say('<tool_call>{"name": "f", "arguments": {}}</tool_call>'),
        '<tool_call>{"name": "f", "arguments": {}}</tool_call>',
        tools=False,
    ),
}

REASONS: dict[str, Finish] = {
    "stop": "stop",
    "length": "length",
    "max_tokens": "length",
    "content_filter": "content_filter",
    "refusal": "content_filter",
    "tool_calls": "stop",
    "function_call": "stop",
    "eos": "stop",
    "": "stop",
}
"""Without any call."""
FINISHES: dict[str, Case] = {
    f"finish {reason!r}": Case(say("a") + finish(reason), "a", finish=known)
    for reason, known in REASONS.items()
}

USAGES: dict[str, Case] = {
    "details": Case(
        say("a") + usage(25, 9, cached=3, reasoning=2), "a", usage=Usage(25, 9, 3, 0, 2)
    ),
    "with the finish": Case(say("a") + usage(5, 6, where="with_finish"), "a", usage=Usage(5, 6)),
    "never": Case(say("a") + no_usage(), "a", usage=NO_USAGE),
}

CALLS: dict[str, Case] = {
    "whole": Case(call("f", {"a": 1}, id="c1"), "", "", (("f", '{"a": 1}'),), ids=("c1",)),
    "in pieces": Case(call("f", {"a": 12345}, id="c1", pieces=9), calls=(("f", '{"a": 12345}'),)),
    "after text": Case(say("Let me see.") + call("f"), "Let me see.", calls=(("f", "{}"),)),
    "parallel": Case(
        call("f", {"a": 1}, id="c1", pieces=3) + call("g", id="c2", pieces=2),
        calls=(("f", '{"a": 1}'), ("g", "{}")),
        ids=("c1", "c2"),
    ),
    "parallel in one event": Case(
        merged(call("f", id="c1"), call("g", id="c2")), calls=(("f", "{}"), ("g", "{}"))
    ),
    "without ids": Case(
        call("f", id=None, pieces=2) + call("g", id=None, pieces=2),
        calls=(("f", "{}"), ("g", "{}")),
    ),
    "broken arguments stay as they are": Case(call("f", '{"a": '), calls=(("f", '{"a": '),)),
    "no arguments": Case(call("f", ""), calls=(("f", ""),)),
    "an unknown tool": Case(call("h", {"b": 2}), calls=(("h", '{"b": 2}'),)),
    "cut by length": Case(
        call("f", '{"a"') + finish("length"), calls=(("f", '{"a"'),), finish="length"
    ),
    "and stop": Case(call("f") + finish("stop"), calls=(("f", "{}"),)),
    "refused": Case(call("f") + finish("refusal"), calls=(("f", "{}"),), finish="content_filter"),
}
PIECED: dict[str, Case] = {
    "one index, two ids": Case(
        call("f", id="c1", index=0) + call("g", id="c2", index=0),
        calls=(("f", "{}"), ("g", "{}")),
        ids=("c1", "c2"),
    ),
    "pieces that take turns": Case(
        call_piece(0, id="c1", name="f")
        + call_piece(1, id="c2", name="g")
        + call_piece(0, '{"a"')
        + call_piece(1, "{")
        + call_piece(0, ": 1}")
        + call_piece(1, "}"),
        calls=(("f", '{"a": 1}'), ("g", "{}")),
        ids=("c1", "c2"),
    ),
    "the id comes with every piece": Case(
        call_piece(0, "{", id="c1", name="f") + call_piece(0, "}", id="c1"), calls=(("f", "{}"),)
    ),
    "an empty id after the first": Case(
        call_piece(0, "{", id="c1", name="f") + call_piece(0, "}", id=""),
        calls=(("f", "{}"),),
        ids=("c1",),
    ),
    "the id comes late": Case(
        call_piece(0, "{", name="f") + call_piece(0, "}", id="c1"),
        calls=(("f", "{}"),),
        ids=("c1",),
    ),
    "arguments as an object": Case(
        delta(tool_calls=[bare_call("f", {"a": 1}, index=0, id="c1")]), calls=(("f", '{"a":1}'),)
    ),
    "arguments null": Case(
        delta(tool_calls=[bare_call("f", None, index=0, id="c1")]), calls=(("f", ""),)
    ),
    "without index": Case(
        delta(tool_calls=[bare_call("f", "{", id="c1")])
        + delta(tool_calls=[{"function": {"arguments": "}"}}])
        + delta(tool_calls=[bare_call("g", id="c2")]),
        calls=(("f", "{}"), ("g", "{}")),
        ids=("c1", "c2"),
    ),
    "without index and ids": Case(
        delta(tool_calls=[bare_call("f"), bare_call("g")]) + delta(tool_calls=[bare_call("f")]),
        calls=(("f", "{}"), ("g", "{}"), ("f", "{}")),
    ),
    "without a name it is none": Case(
        say("a") + delta(tool_calls=[{"index": 0, "id": "c1", "function": {"arguments": "{}"}}]),
        "a",
    ),
    "nothing but a nameless call": Case(
        delta(tool_calls=[{"index": 0, "id": "c1"}]) + finish("tool_calls")
    ),
    "null": Case(delta(tool_calls=None) + say("a"), "a"),
}
STREAMS: dict[str, Case] = {
    "the call gate lets text through": Case(say("a < b", " and <", "b>"), "a < b and <b>"),
    "no blank line at the end": Case(
        say("a")
        + raw(b'data: {"choices":[{"delta":{"content":"b"}}]}')
        + no_finish()
        + no_usage()
        + no_done(),
        "ab",
        usage=Usage(),
    ),
    "no [DONE]": Case(say("a") + no_done(), "a"),
    "no finish": Case(say("a") + no_finish(), "a"),
    "no finish and no [DONE]": Case(say("a") + no_finish() + no_done(), "a"),
    "no finish after a call": Case(call("f") + no_finish(), calls=(("f", "{}"),)),
    "no role": Case(say("a") + no_role(), "a"),
    "CR LF": Case(say("a", "b") + crlf(), "ab"),
    "until close": Case(say("a") + until_close(), "a"),
    "comments": Case(comment() + say("a") + comment(": x") + say("b"), "ab"),
    "empty events": Case(raw(b"data:\n\n") + say("a") + raw(b"data: \n\n"), "a"),
    "[DONE] with a blank": Case(
        say("a") + raw(b"data: [DONE] \n\ndata: x\n\n"), "a", usage=NO_USAGE
    ),
    "nothing after [DONE] counts": Case(
        say("a") + raw(b"data: [DONE]\n\n") + say("b"), "a", usage=NO_USAGE
    ),
    "no choices": Case(
        raw(b'data: {"choices": []}\n\ndata: {"choices": null}\n\n') + say("a"), "a"
    ),
    "a delta that is null": Case(raw(b'data: {"choices": [{"delta": null}]}\n\n') + say("a"), "a"),
    "error null": Case(raw(b'data: {"error": null, "choices": []}\n\n') + say("a"), "a"),
    "usage null in every chunk": Case(
        raw(b'data: {"usage": null, "choices": [{"delta": {"content": "a"}}]}\n\n'), "a"
    ),
    "usage grows": Case(
        raw(b'data: {"usage": {"prompt_tokens": 1, "completion_tokens": 1}, "choices": []}\n\n')
        + say("a"),
        "a",
    ),
    "usage unasked": Case(say("a") + usage(4, 2, always=True), "a", usage=Usage(4, 2)),
    "usage with nulls": Case(
        raw(
            b'data: {"usage": {"prompt_tokens": 3, "completion_tokens": null,'
            b' "prompt_tokens_details": null, "completion_tokens_details": {}}, "choices": []}\n\n'
        )
        + say("a")
        + no_usage(),
        "a",
        usage=Usage(3),
    ),
    "cut at every byte": Case(
        think("hm") + say("é😀") + call("f", {"a": 1}) + cut(1), "é😀", "hm", (("f", '{"a": 1}'),)
    ),
    "cut oddly": Case(
        say("Hello") + usage(9, 1, cached=1) + cut(7, 3), "Hello", usage=Usage(9, 1, 1)
    ),
    "a written call": Case(
        say('Wait <tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call>'),
        "Wait ",
        calls=(("f", '{"a": 1}'),),
    ),
    "a written call beside a real one": Case(
        call("g") + say('Wait <tool_call>{"name": "f", "arguments": {}}</tool_call>'),
        "Wait ",
        calls=(("g", "{}"),),
    ),
    "content as a list": Case(
        delta(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "h"}]}])
        + delta(content=[{"thinking": "m"}, {"type": "text", "text": "a"}, {"type": "x"}])
        + say("b"),
        "ab",
        "hm",
    ),
}
ANY_FORM = {**TEXTS, **FINISHES, **USAGES, **CALLS}
"""What a stream and one JSON object can say alike."""
EVERY = {**TEXTS, **FINISHES, **USAGES, **CALLS, **PIECED, **STREAMS}
