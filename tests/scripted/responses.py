"""A scripted reply as the Responses API writes it: typed events, or one response object; pure.

The same parts as for Chat Completions, and a few of this API's own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.scripted.actions import (
    CREATED,
    Action,
    Asked,
    HangUp,
    Head,
    Send,
    Settings,
    answered,
)
from tests.scripted.render import Wire
from tests.scripted.steps import (
    DEFAULT_USAGE,
    Answer,
    Delta,
    Fields,
    Repeat,
    Reply,
    Step,
    StreamError,
)
from tests.scripted.stream import Stream

KINDS = {
    "content": ("message", "output_text"),
    "refusal": ("message", "refusal"),
    "reasoning_content": ("reasoning", "summary_text"),
    "reasoning": ("reasoning", "reasoning_text"),
}
"""The item and the part that a field of a delta belongs to."""
INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""Finish reasons, as this API says them."""


def encrypted(blob: str, *summary: str, id: str | None = None) -> Reply:
    """A reasoning item with its encrypted form; each of `summary` is a part of its summary."""
    parts = tuple(Delta({"new_part": True, "reasoning_content": text}) for text in summary)
    return Reply((Delta({"reasoning_item": id}), *parts, Delta({"encrypted": blob})))


def new_message() -> Reply:
    """What is said next is a message of its own."""
    return Reply((Delta({"new_item": True}),))


def failed(code: str, message: str) -> Reply:
    """The response fails in the middle."""
    return Reply((Delta({"failed": {"code": code, "message": message}}),))


class Item:
    """An item of the output, so far."""

    def __init__(self, index: int, fields: Fields) -> None:
        self.index = index
        self.fields = fields
        self.part: Fields | None = None
        self.open = True


class ResponseStream(Stream):
    """One reply to one request. `output` are the items so far."""

    def __init__(self, asked: Asked, settings: Settings) -> None:
        super().__init__(asked, settings)
        settings.styles.add("no_done")
        self._number = 0
        self._items: list[Item] = []
        self._calls: dict[int, Item] = {}
        self._failure: Fields | None = None

    def response(self, status: str, *, final: bool) -> Fields:
        """The response object as it stands."""
        reason, _ = self._settings.ending(called=False)
        report = (self._settings.usage or DEFAULT_USAGE).usage if final else None
        why = {"reason": INCOMPLETE[reason]} if status == "incomplete" else None
        return {
            "id": f"resp_{self._asked.model}_{self._asked.number}",
            "object": "response",
            "created_at": CREATED,
            "status": status,
            "error": self._failure,
            "incomplete_details": why,
            "instructions": None,
            "metadata": {},
            "model": self._asked.model,
            "output": [item.fields for item in self._items] if final else [],
            "parallel_tool_calls": True,
            "temperature": 1.0,
            "tool_choice": "auto",
            "tools": [],
            "top_p": 1.0,
            "usage": report and _counted(report),
        }

    def ended(self) -> str:
        """How it ends."""
        reason, _ = self._settings.ending(called=False)
        if self._failure is not None:
            return "failed"
        return "incomplete" if reason in INCOMPLETE else "completed"

    def _step(self, step: Step) -> Iterator[Action]:
        match step:
            case StreamError(error=error):
                yield from self._head()
                told = {"code": error.get("code"), "message": error["message"], "param": None}
                yield Send(self._typed("error", **told), last=True)
            case Delta(fields=fields) if "failed" in fields:
                yield from self._head()
                yield from self._role()
                self._failure = fields["failed"]
                yield Send(self._last(), last=True)
            case Repeat():
                yield from self._head()
                yield from self._role()
                yield Send(self._chunk({"content": step.text}))
                yield from super()._step(step)
            case _:
                yield from super()._step(step)

    def _role(self) -> Iterator[Action]:
        if self._role_due:
            self._role_due = False
            for name in ("created", "in_progress"):
                told = self.response("in_progress", final=False)
                yield Send(self._typed(f"response.{name}", response=told))

    def _ending(self) -> Iterator[bytes]:
        if self._role_due:
            yield from (action.data for action in self._role() if isinstance(action, Send))
        _, text = self._settings.ending(called=False)
        if text:
            yield self._chunk({"content": text})
        if "no_finish" not in self._settings.styles:
            yield self._close_all()
            yield self._last()

    def _last(self) -> bytes:
        status = self.ended()
        return self._typed(f"response.{status}", response=self.response(status, final=True))

    def _chunk(self, delta: Fields, reason: str | None = None, **more: object) -> bytes:
        events = b""
        for key, value in delta.items():
            match key:
                case "tool_calls":
                    events += b"".join(self._call(entry) for entry in value)
                case "new_item":
                    events += self._close_all()
                case "new_part":
                    events += self._close_part(self._items[-1])
                case "reasoning_item":
                    events += self._close_all() + self._open("reasoning", value)
                case "encrypted":
                    self._items[-1].fields["encrypted_content"] = value
                    events += self._close_all()
                case _:
                    events += self._piece(*KINDS[key], value or "")
        return events

    def _piece(self, kind: str, part: str, text: str) -> bytes:
        last = self._items[-1] if self._items else None
        events = b""
        if last is None or not last.open or last.fields["type"] != kind:
            events += self._close_all() + self._open(kind)
            last = self._items[-1]
        if last.part is None or last.part["type"] != part:
            events += self._close_part(last) + self._open_part(last, part)
        assert last.part is not None
        last.part[_field(part)] += text
        more: Fields = {"logprobs": []} if part == "output_text" else {}
        return events + self._of_part(last, f"{_words(part)}.delta", delta=text, **more)

    def _open(self, kind: str, id: str | None = None) -> bytes:
        index = len(self._items)
        fields: Fields = {"type": kind}
        if kind == "message":
            fields |= {"id": id or f"msg_{index}", "role": "assistant", "content": []}
            fields |= {"status": "in_progress"}
        else:
            fields |= {"id": id or f"rs_{index}", "summary": []}
        item = Item(index, fields)
        self._items.append(item)
        return self._typed("response.output_item.added", output_index=index, item=fields)

    def _open_part(self, item: Item, part: str) -> bytes:
        item.part = {"type": part, _field(part): ""}
        if part == "output_text":
            item.part |= {"annotations": [], "logprobs": []}
        item.fields.setdefault(_list(part), []).append(item.part)
        name = "reasoning_summary_part" if part == "summary_text" else "content_part"
        return self._of_part(item, f"{name}.added", part=item.part)

    def _close_part(self, item: Item) -> bytes:
        if item.part is None:
            return b""
        part, field = item.part["type"], _field(item.part["type"])
        more: Fields = {"logprobs": []} if part == "output_text" else {}
        events = self._of_part(item, f"{_words(part)}.done", **{field: item.part[field]}, **more)
        name = "reasoning_summary_part" if part == "summary_text" else "content_part"
        events += self._of_part(item, f"{name}.done", part=item.part)
        item.part = None
        return events

    def _of_part(self, item: Item, name: str, /, **fields: object) -> bytes:
        """An event about the part that is open."""
        assert item.part is not None
        where = _list(item.part["type"])
        count = "summary_index" if where == "summary" else "content_index"
        place = {"output_index": item.index, "item_id": item.fields["id"]}
        number = {count: len(item.fields[where]) - 1}
        return self._typed(f"response.{name}", **place, **number, **fields)

    def _call(self, entry: Fields) -> bytes:
        """A piece of a call: the first one opens its item."""
        function: Fields = entry.get("function", {})
        events = b""
        item = self._calls.get(entry["index"])
        if item is None:
            if self._items and self._items[-1].fields["type"] != "function_call":
                events += self._close_all()
            index = len(self._items)
            call_id = entry.get("id") or f"call_{self._asked.number}_{index}"
            fields = {"type": "function_call", "id": f"fc_{index}", "call_id": call_id}
            fields |= {"name": function["name"], "arguments": "", "status": "in_progress"}
            item = self._calls[entry["index"]] = Item(index, fields)
            self._items.append(item)
            events += self._typed("response.output_item.added", output_index=index, item=fields)
        if piece := function.get("arguments"):
            item.fields["arguments"] += piece
            place = {"output_index": item.index, "item_id": item.fields["id"]}
            name = "response.function_call_arguments.delta"
            events += self._typed(name, **place, delta=piece)
        return events

    def _close_all(self) -> bytes:
        """Every open item is done."""
        events = b""
        ended = self._settings.ending(called=False)[0] in INCOMPLETE
        for item in self._items:
            if not item.open:
                continue
            item.open = False
            events += self._close_part(item)
            place = {"output_index": item.index}
            if item.fields["type"] == "function_call":
                told = {"item_id": item.fields["id"], "name": item.fields["name"]}
                name = "response.function_call_arguments.done"
                arguments = item.fields["arguments"]
                events += self._typed(name, **place, **told, arguments=arguments)
            if "status" in item.fields:
                item.fields["status"] = "incomplete" if ended else "completed"
            events += self._typed("response.output_item.done", **place, item=item.fields)
        self._calls.clear()
        return events

    def _typed(self, name: str, /, **fields: object) -> bytes:
        number, self._number = self._number, self._number + 1
        event = self._event({"type": name, "sequence_number": number, **fields})
        return f"event: {name}{self._newline}".encode() + event


def _field(part: str) -> str:
    return "refusal" if part == "refusal" else "text"


def _list(part: str) -> str:
    return "summary" if part == "summary_text" else "content"


def _words(part: str) -> str:
    names = {"output_text": "output_text", "summary_text": "reasoning_summary_text"}
    return names.get(part, part)


def _counted(usage: Fields) -> Fields:
    cached: Fields = usage.get("prompt_tokens_details", {})
    thought: Fields = usage.get("completion_tokens_details", {})
    return {
        "input_tokens": usage["prompt_tokens"],
        "input_tokens_details": {
            "cached_tokens": cached.get("cached_tokens", 0),
            "cache_write_tokens": 0,
        },
        "output_tokens": usage["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": thought.get("reasoning_tokens", 0)},
        "total_tokens": usage["total_tokens"],
    }


def _stream(steps: list[Step], asked: Asked, settings: Settings) -> Iterator[Action]:
    return ResponseStream(asked, settings).play(steps)


def _whole(steps: list[Step], asked: Asked, settings: Settings) -> Iterator[Action]:
    """One response object that holds what the stream would have said."""
    error = next((step.error for step in steps if isinstance(step, StreamError)), None)
    if error is not None:
        body = json.dumps({"error": error}).encode()
        yield from answered(Answer(500, body, (("Content-Type", "application/json"),)))
        return
    stream = ResponseStream(asked, settings)
    other = False
    for action in stream.play(steps):
        match action:
            case Head(length=int()):
                other = True
                yield action
            case Send() if other:
                yield action
            case Head() | Send():
                pass
            case HangUp():
                yield action
                return
            case _:
                yield action
    if not other:
        body = json.dumps(stream.response(stream.ended(), final=True), ensure_ascii=False).encode()
        headers = (("Content-Type", "application/json"), *settings.headers)
        yield from answered(Answer(200, body, headers))


RESPONSES = Wire(_stream, _whole)
