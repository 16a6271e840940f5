"""A scripted reply in the words of Anthropic's Messages API: the same steps, other bytes. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from tests.scripted.actions import Asked
from tests.scripted.steps import (
    DEFAULT_USAGE,
    Answer,
    Begin,
    Call,
    Delta,
    Fields,
    Finish,
    Manner,
    Paced,
    Raw,
    Repeat,
    Reply,
    Step,
    StreamError,
    Style,
    Together,
    UsageReport,
)

JSON_TYPE = (("Content-Type", "application/json"),)


def in_messages_words(reply: Reply, asked: Asked) -> Reply:
    """The same reply made of bytes, for the common renderer to play."""
    styles: set[Style] = {step.style for step in reply.steps if isinstance(step, Manner)}
    message = _Message(asked, reply, styles)
    steps = tuple(message.all(reply.steps))
    if not asked.stream or "as_json" in styles:
        return _whole(reply, message)
    ours: tuple[Style, ...] = ("no_role", "no_finish", "no_done")
    return Reply((*steps, *message.ending(), *(Manner(style) for style in ours)))


def _whole(reply: Reply, message: _Message) -> Reply:
    """One JSON object; whole answers and waiting stay as they are."""
    kept = tuple(step for step in reply.steps if not isinstance(step, Delta | Call | Raw | Begin))
    if any(isinstance(step, Answer) for step in kept):
        return Reply(kept)
    for step in kept:
        if isinstance(step, StreamError):
            body = json.dumps({"type": "error", "error": step.error}).encode()
            return Reply((Answer(500, body, JSON_TYPE),))
    return Reply((*kept, Answer(200, json.dumps(message.whole()).encode(), JSON_TYPE)))


class _Message:
    """One message while it is written: its blocks so far, and which of them is open."""

    def __init__(self, asked: Asked, reply: Reply, styles: set[Style]) -> None:
        self._asked = asked
        self._styles = styles
        self._blocks: list[Fields] = []
        self._open = False
        self._begun = False
        self._finish = next((s for s in reversed(reply.steps) if isinstance(s, Finish)), None)
        reports = [step for step in reply.steps if isinstance(step, UsageReport)]
        self._usage = _counted((reports[-1] if reports else DEFAULT_USAGE).usage)

    def all(self, steps: Iterable[Step]) -> Iterator[Step]:
        """Each step as bytes, or as it is when it is none of the message's."""
        for step in steps:
            match step:
                case Delta():
                    yield from self._delta(step.fields)
                case Call():
                    yield from self._call(step)
                case Begin():
                    yield step
                    yield from self._start()
                case Together():
                    yield Together(tuple(self.all(step.steps)))
                case Paced():
                    yield Paced(tuple(self.all(step.steps)), step.per_second)
                case Repeat():
                    for _ in range(step.count or 0):
                        yield from self._delta({"content": step.text})
                case StreamError():
                    yield self._event({"type": "error", "error": step.error})
                case Manner(style="no_finish" | "no_done" | "as_json"):
                    pass
                case _:
                    yield step

    def ending(self) -> Iterator[Step]:
        """The end of the last block and of the message, unless the script leaves it out."""
        yield from self._start()
        if self._finish is not None and self._finish.text:
            yield from self._delta({"content": self._finish.text})
        yield from self._stop()
        if "no_finish" not in self._styles:
            delta = {"stop_reason": self._reason(), "stop_sequence": None}
            yield self._event({"type": "message_delta", "delta": delta, "usage": self._usage})
        if "no_done" not in self._styles:
            yield self._event({"type": "message_stop"})

    def whole(self) -> Fields:
        """The message as one object."""
        blocks = [
            {**block, "input": json.loads(block["input"] or "{}")}
            if block["type"] == "tool_use"
            else block
            for block in self._blocks
        ]
        return {**self._head(), "content": blocks, "stop_reason": self._reason()}

    def _head(self) -> Fields:
        return {
            "id": f"msg_{self._asked.number}",
            "type": "message",
            "role": "assistant",
            "model": self._asked.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": self._usage,
        }

    def _reason(self) -> str:
        if self._finish is not None:
            return self._finish.reason
        called = any(block["type"] == "tool_use" for block in self._blocks)
        return "tool_use" if called else "end_turn"

    def _start(self) -> Iterator[Step]:
        if not self._begun:
            self._begun = True
            usage = {**self._usage, "output_tokens": 1}
            yield self._event(
                {"type": "message_start", "message": {**self._head(), "usage": usage}}
            )

    def _stop(self) -> Iterator[Step]:
        if self._open:
            self._open = False
            yield self._event({"type": "content_block_stop", "index": len(self._blocks) - 1})

    def _block(self, block: Fields, shown: Fields) -> Iterator[Step]:
        yield from self._start()
        yield from self._stop()
        self._blocks.append(block)
        self._open = True
        index = len(self._blocks) - 1
        yield self._event({"type": "content_block_start", "index": index, "content_block": shown})

    def _piece(self, delta: Fields) -> Step:
        index = len(self._blocks) - 1
        return self._event({"type": "content_block_delta", "index": index, "delta": delta})

    def _delta(self, fields: Fields) -> Iterator[Step]:
        for key, value in fields.items():
            if key == "new_block":
                yield from self._stop()
            elif key == "redacted":
                block = {"type": "redacted_thinking", "data": value}
                yield from self._block(block, block)
            else:
                yield from self._grow(*_KINDS[key], value)

    def _grow(self, kind: str, delta: str, field: str, value: str) -> Iterator[Step]:
        if not self._open or self._blocks[-1]["type"] != kind:
            empty: Fields = {"type": kind, kind: ""}
            if kind == "thinking":
                empty["signature"] = ""
            yield from self._block(dict(empty), empty)
        self._blocks[-1][field] += value
        yield self._piece({"type": delta, field: value})

    def _call(self, call: Call) -> Iterator[Step]:
        number = len(self._blocks)
        made_up = f"toolu_{self._asked.number}_{number}"
        block = {"type": "tool_use", "id": made_up if call.id in (None, "auto") else call.id}
        block |= {"name": call.name, "input": call.arguments}
        yield from self._block(block, {**block, "input": {}})
        yield self._piece({"type": "input_json_delta", "partial_json": ""})
        size = -(-len(call.arguments) // max(1, call.pieces))
        for start in range(0, len(call.arguments), size) if size else ():
            text = call.arguments[start : start + size]
            yield self._piece({"type": "input_json_delta", "partial_json": text})

    def _event(self, value: Fields) -> Raw:
        text = f"event: {value['type']}\ndata: {json.dumps(value, ensure_ascii=False)}\n\n"
        return Raw((text.replace("\n", "\r\n") if "crlf" in self._styles else text).encode())


_KINDS = {
    "content": ("text", "text_delta", "text"),
    "reasoning_content": ("thinking", "thinking_delta", "thinking"),
    "signature": ("thinking", "signature_delta", "signature"),
}


def _counted(report: Fields | None) -> Fields:
    if report is None:
        return {}
    if "prompt_tokens" not in report:
        return report
    return {
        "input_tokens": report["prompt_tokens"],
        "output_tokens": report["completion_tokens"],
        "cache_read_input_tokens": 0,
        "cache_creation_input_tokens": 0,
    }
