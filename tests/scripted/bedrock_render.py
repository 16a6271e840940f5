"""A scripted reply in the words of Bedrock's Converse: the same steps, frames for bytes. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from tests.scripted.actions import Asked
from tests.scripted.bedrock_parts import event_frame, reject
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
STREAM_TYPE = ("Content-Type", "application/vnd.amazon.eventstream")


def in_converse_words(reply: Reply, asked: Asked) -> Reply:
    """The same reply made of frames, for the common renderer to play."""
    styles: set[Style] = {step.style for step in reply.steps if isinstance(step, Manner)}
    message = _Message(asked, reply, styles)
    steps = tuple(message.all(reply.steps))
    if not asked.stream or "as_json" in styles:
        return _whole(reply, message)
    ours: tuple[Style, ...] = ("no_role", "no_finish", "no_done")
    silent = UsageReport(None, "after", always=False)
    return Reply((*steps, *message.ending(), silent, *(Manner(style) for style in ours)))


def _whole(reply: Reply, message: _Message) -> Reply:
    """One JSON object; whole answers and waiting stay as they are."""
    kept = tuple(step for step in reply.steps if not isinstance(step, Delta | Call | Raw | Begin))
    if any(isinstance(step, Answer) for step in kept):
        return Reply(kept)
    if any(isinstance(step, StreamError) for step in kept):
        return reject(500, "InternalServerException")
    return Reply((*kept, Answer(200, json.dumps(message.whole()).encode(), JSON_TYPE)))


class _Message:
    """One message while it is written: its blocks so far, and which of them is open."""

    def __init__(self, asked: Asked, reply: Reply, styles: set[Style]) -> None:
        self._asked = asked
        self._styles = styles
        self._blocks: list[Fields] = []
        self._open = ""
        self._begun = False
        self._finish = next((s for s in reversed(reply.steps) if isinstance(s, Finish)), None)
        reports = [step for step in reply.steps if isinstance(step, UsageReport)]
        self._usage = _counted((reports[-1] if reports else DEFAULT_USAGE).usage)

    def all(self, steps: Iterable[Step]) -> Iterator[Step]:
        """Each step as frames, or as it is when it is none of the message's."""
        for step in steps:
            match step:
                case Delta():
                    for key, value in step.fields.items():
                        yield from self._delta(key, value)
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
                        yield from self._delta("content", step.text)
                case StreamError():
                    raise TypeError("this API raises exceptions: bedrock_parts.raised")
                case Manner(style="no_finish" | "no_done" | "as_json") | UsageReport():
                    pass
                case _:
                    yield step

    def ending(self) -> Iterator[Step]:
        """The end of the last block and of the message, unless the script leaves it out."""
        yield from self._start()
        yield from self._stop()
        if "no_finish" not in self._styles:
            yield self._event("messageStop", {"stopReason": self._reason()})
        if "no_done" not in self._styles:
            more: Fields = {"usage": self._usage} if self._usage else {}
            yield self._event("metadata", {**more, "metrics": {"latencyMs": 7}})

    def whole(self) -> Fields:
        """The answer as one object."""
        for block in self._blocks:
            if "toolUse" in block:
                block["toolUse"]["input"] = json.loads(block["toolUse"]["input"] or "{}")
        return {
            "output": {"message": {"role": "assistant", "content": self._blocks}},
            "stopReason": self._reason(),
            "usage": self._usage,
            "metrics": {"latencyMs": 7},
        }

    def _reason(self) -> str:
        if self._finish is not None:
            return self._finish.reason
        return "tool_use" if any("toolUse" in block for block in self._blocks) else "end_turn"

    def _start(self) -> Iterator[Step]:
        if not self._begun:
            self._begun = True
            yield self._event("messageStart", {"role": "assistant"})

    def _stop(self) -> Iterator[Step]:
        if self._open:
            self._open = ""
            yield self._event("contentBlockStop", {"contentBlockIndex": len(self._blocks) - 1})

    def _block(self, kind: str, block: Fields) -> Iterator[Step]:
        yield from self._start()
        yield from self._stop()
        self._blocks.append(block)
        self._open = kind

    def _piece(self, delta: Fields) -> Step:
        index = len(self._blocks) - 1
        return self._event("contentBlockDelta", {"contentBlockIndex": index, "delta": delta})

    def _delta(self, key: str, value: str) -> Iterator[Step]:
        if key == "new_block":
            yield from self._stop()
        elif key == "content":
            if self._open != "text":
                yield from self._block("text", {"text": ""})
            self._blocks[-1]["text"] += value
            yield self._piece({"text": value})
        elif key == "redacted":
            yield from self._block("redacted", {"reasoningContent": {"redactedContent": value}})
            yield self._piece({"reasoningContent": {"redactedContent": value}})
        else:
            if self._open != "thinking":
                empty = {"reasoningContent": {"reasoningText": {"text": ""}}}
                yield from self._block("thinking", empty)
            name = "signature" if key == "signature" else "text"
            said: Fields = self._blocks[-1]["reasoningContent"]["reasoningText"]
            said[name] = said.get(name, "") + value
            yield self._piece({"reasoningContent": {name: value}})

    def _call(self, call: Call) -> Iterator[Step]:
        made_up = f"tooluse_{self._asked.number}_{len(self._blocks)}"
        id = made_up if call.id in (None, "auto") else call.id
        head: Fields = {"toolUseId": id, "name": call.name}
        yield from self._block("call", {"toolUse": {**head, "input": call.arguments}})
        index = len(self._blocks) - 1
        begun = {"contentBlockIndex": index, "start": {"toolUse": head}}
        yield self._event("contentBlockStart", begun)
        size = -(-len(call.arguments) // max(1, call.pieces))
        for start in range(0, len(call.arguments), size) if size else ():
            yield self._piece({"toolUse": {"input": call.arguments[start : start + size]}})

    def _event(self, name: str, fields: Fields) -> Raw:
        return Raw(event_frame(name, fields))


def _counted(report: Fields | None) -> Fields:
    if report is None or "prompt_tokens" not in report:
        return report or {}
    prompt, completion = report["prompt_tokens"], report["completion_tokens"]
    return {
        "inputTokens": prompt,
        "outputTokens": completion,
        "totalTokens": prompt + completion,
    }
