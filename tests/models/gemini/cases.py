"""Answers of Gemini, and what each comes to."""

from __future__ import annotations

from dataclasses import dataclass

from docker_agent.messages import Finish, Usage
from tests.scripted.gemini_parts import (
    blocked,
    call,
    call_part,
    done,
    event,
    parts,
    say,
    think,
)
from tests.scripted.parts import comment, cut, raw, until_close
from tests.scripted.steps import Reply

SCRIPTED = Usage(11, 7)
"""What a scripted reply reports unless it is told otherwise."""


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


TEXTS: dict[str, Case] = {
    "one piece": Case(say("Hello") + done(), "Hello"),
    "many pieces": Case(say("Hello", " ", "world", "\n") + done(), "Hello world\n"),
    "any characters": Case(say("é", "\u2028", "😀", "\x00", '"\\') + done(), 'é\u2028😀\x00"\\'),
    "empty pieces": Case(say("", "a", "", "b", "") + done(), "ab"),
    "text with the finish": Case(say("a") + done(text="b"), "ab"),
    "several parts in one event": Case(
        parts({"text": "hm", "thought": True}, {"text": "a"}, {"text": "b"}) + done(), "ab", "hm"
    ),
    "thoughts": Case(think("hm", " ok") + say("a") + done(), "a", "hm ok"),
    "only thoughts": Case(think("hm") + done(), "", "hm"),
    "thought false": Case(parts({"text": "a", "thought": False}) + done(), "a"),
    "unknown fields": Case(
        parts({"text": "a", "videoMetadata": {"x": 1}}, safetyRatings=[{"x": 1}]) + done(), "a"
    ),
    "a picture is passed over": Case(
        parts({"inlineData": {"mimeType": "image/png", "data": "eA=="}}, {"text": "a"}) + done(),
        "a",
    ),
    "code of the provider's own": Case(
        parts({"executableCode": {"language": "PYTHON", "code": "1"}}) + say("a") + done(), "a"
    ),
    "nothing but a finish": Case(done()),
    "no finish": Case(say("a"), "a", usage=Usage()),
    "no content": Case(event({"candidates": [{"finishReason": "STOP"}]}), usage=Usage()),
    "content without parts": Case(
        event({"candidates": [{"content": {"role": "model"}, "finishReason": "STOP"}]}),
        usage=Usage(),
    ),
    "candidates null": Case(event({"candidates": None}) + say("a") + done(), "a"),
}

REASONS: dict[str, Finish] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "OTHER": "stop",
    "SOMETHING_NEW": "stop",
}
FINISHES: dict[str, Case] = {
    f"finish {reason}": Case(say("a") + done(reason), "a", finish=finish)
    for reason, finish in REASONS.items()
} | {
    "blocked": Case(blocked(), finish="content_filter", usage=Usage(11)),
    "blocked for other reasons": Case(blocked("OTHER"), finish="content_filter", usage=Usage(11)),
}

USAGES: dict[str, Case] = {
    "all counts": Case(
        say("a")
        + done(
            promptTokenCount=25,
            candidatesTokenCount=9,
            thoughtsTokenCount=4,
            cachedContentTokenCount=3,
            toolUsePromptTokenCount=5,
        ),
        "a",
        usage=Usage(30, 13, 3, 0, 4),
    ),
    "the last one counts": Case(
        event({"usageMetadata": {"promptTokenCount": 11, "candidatesTokenCount": 1}})
        + say("a")
        + done(),
        "a",
    ),
    "after the finish": Case(
        say("a") + done() + event({"usageMetadata": {"promptTokenCount": 4}}), "a", usage=Usage(4)
    ),
}

CALLS: dict[str, Case] = {
    "whole": Case(call("f", {"a": 1}, id="c1") + done(), "", "", (("f", '{"a":1}'),), ids=("c1",)),
    "without an id": Case(
        call("f", {"a": [1.5, None]}) + done(), calls=(("f", '{"a":[1.5,null]}'),)
    ),
    "without arguments": Case(
        parts({"functionCall": {"name": "g"}}) + done(), calls=(("g", "{}"),)
    ),
    "after text": Case(
        say("Let me see.") + call("g") + done(), "Let me see.", calls=(("g", "{}"),)
    ),
    "parallel": Case(
        call("f", {"a": 1}, id="c1") + call("g", id="c2") + done(),
        calls=(("f", '{"a":1}'), ("g", "{}")),
        ids=("c1", "c2"),
    ),
    "parallel in one event": Case(
        parts(call_part("f"), call_part("f"), reason="STOP"),
        calls=(("f", "{}"), ("f", "{}")),
        usage=Usage(),
    ),
    "one id twice": Case(
        call("f", id="c1") + call("g", id="c1") + done(), calls=(("f", "{}"), ("g", "{}"))
    ),
    "without a name it is none": Case(
        say("a") + parts({"functionCall": {"args": {}}}) + done(), "a"
    ),
    "cut by length": Case(call("g") + done("MAX_TOKENS"), calls=(("g", "{}"),), finish="length"),
    "refused": Case(call("g") + done("SAFETY"), calls=(("g", "{}"),), finish="content_filter"),
}

STREAMS: dict[str, Case] = {
    "until close": Case(say("a") + done() + until_close(), "a"),
    "comments": Case(comment() + say("a") + comment() + done(), "a"),
    "empty events": Case(raw(b"data:\r\n\r\n") + say("a") + done(), "a"),
    "LF alone": Case(
        raw(b'data: {"candidates":[{"content":{"parts":[{"text":"a"}]}}]}\n\n'), "a", usage=Usage()
    ),
    "no blank line at the end": Case(
        raw(b'data: {"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}]}'),
        "a",
        usage=Usage(),
    ),
    "cut at every byte": Case(
        think("hm") + say("é😀") + call("f", {"a": 1}) + done() + cut(1),
        "é😀",
        "hm",
        (("f", '{"a":1}'),),
    ),
    "cut oddly": Case(say("Hello") + done() + cut(7, 3), "Hello"),
}
EVERY = {**TEXTS, **FINISHES, **USAGES, **CALLS, **STREAMS}
