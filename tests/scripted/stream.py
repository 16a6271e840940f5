"""A scripted reply as an event stream; pure."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import assert_never

from tests.scripted.actions import (
    CREATED,
    LONG,
    Action,
    Asked,
    HangUp,
    Head,
    Send,
    Settings,
    Wait,
    answered,
)
from tests.scripted.steps import (
    DEFAULT_USAGE,
    Answer,
    Begin,
    Call,
    Cuts,
    Delta,
    Die,
    DieAfter,
    Fields,
    Finish,
    Header,
    Hold,
    Manner,
    Merged,
    Paced,
    Raw,
    Repeat,
    Step,
    StreamError,
    Together,
    UsageReport,
)


class Stream:
    """One reply to one request."""

    def __init__(self, asked: Asked, settings: Settings) -> None:
        self._asked = asked
        self._settings = settings
        self._newline = "\r\n" if "crlf" in settings.styles else "\n"
        self._called = False
        self._begun = False
        self._role_due = "no_role" not in settings.styles

    def play(self, steps: list[Step]) -> Iterator[Action]:
        """All that happens, from the first byte to the end the settings want."""
        for step in steps:
            for action in self._step(step):
                yield action
                if isinstance(action, HangUp) or (isinstance(action, Send) and action.last):
                    return
        yield from self._head()
        for data in self._ending():
            yield Send(data)
        done = b"" if "no_done" in self._settings.styles else self._line("[DONE]")
        if "trailing" in self._settings.styles:
            yield Send(done)
            yield Wait(LONG)
        yield Send(done, last=True)

    def _step(self, step: Step) -> Iterator[Action]:
        match step:
            case Answer():
                yield from answered(step)
            case Hold():
                yield Wait(step.gate)
            case Die():
                yield HangUp(step.reset)
            case Begin():
                yield from self._head()
                yield from self._role()
            case Paced():
                for one in step.steps:
                    for action in self._step(one):
                        yield action
                        if isinstance(action, Send):
                            yield Wait(1 / step.per_second)
            case StreamError():
                yield from self._head()
                yield Send(self._event({"error": step.error}), last=True)
            case Raw():
                yield from self._head()
                yield Send(step.data)
            case Together():
                inner = [action for one in step.steps for action in self._step(one)]
                yield from (action for action in inner if not isinstance(action, Send))
                yield Send(b"".join(one.data for one in inner if isinstance(one, Send)))
            case Repeat():
                yield from self._head()
                yield from self._role()
                event = self._chunk({"content": step.text})
                endless = itertools.repeat(event, step.count) if step.count else None
                yield from map(Send, endless or itertools.repeat(event))
            case Delta():
                self._called = self._called or "tool_calls" in step.fields
                yield from self._head()
                yield from self._role()
                yield Send(self._chunk(step.fields))
            case Call() | Merged():
                raise TypeError(f"{step} should be a delta by now")
            case Finish() | UsageReport() | Manner() | Header() | Cuts() | DieAfter():
                raise TypeError(f"{step} is a setting")
            case _:
                assert_never(step)

    def _head(self) -> Iterator[Action]:
        if not self._begun:
            self._begun = True
            headers = (
                ("Content-Type", "text/event-stream; charset=utf-8"),
                *self._settings.headers,
            )
            yield Head(200, headers, chunked="until_close" not in self._settings.styles)

    def _role(self) -> Iterator[Action]:
        if self._role_due:
            self._role_due = False
            yield Send(self._chunk({"role": "assistant", "content": ""}))

    def _ending(self) -> Iterator[bytes]:
        report = self._settings.usage or DEFAULT_USAGE
        if "no_finish" not in self._settings.styles:
            reason, text = self._settings.ending(self._called)
            last: Fields = {"usage": report.usage} if report.where == "with_finish" else {}
            yield self._chunk({"content": text} if text else {}, reason, **last)
        wanted = self._asked.include_usage or report.always
        if report.usage is not None and report.where == "after" and wanted:
            yield self._event(self._object([], usage=report.usage))

    def _chunk(self, delta: Fields, reason: str | None = None, **more: object) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return self._event(self._object([choice], **more))

    def _object(self, choices: list[Fields], **more: object) -> Fields:
        return {
            "id": self._asked.id,
            "object": "chat.completion.chunk",
            "created": CREATED,
            "model": self._asked.model,
            "choices": choices,
            **more,
        }

    def _event(self, value: Fields) -> bytes:
        return self._line(json.dumps(value, ensure_ascii=False))

    def _line(self, text: str) -> bytes:
        return f"data: {text}{self._newline}{self._newline}".encode()
