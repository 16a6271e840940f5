"""A scripted reply as one JSON object; pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.scripted.actions import CREATED, LONG, Action, Asked, HangUp, Settings, Wait, answered
from tests.scripted.steps import (
    DEFAULT_USAGE,
    Answer,
    Delta,
    Die,
    Fields,
    Hold,
    Paced,
    Repeat,
    Step,
    StreamError,
    Together,
)


def whole(steps: list[Step], asked: Asked, settings: Settings) -> Iterator[Action]:
    """One JSON object that holds what the stream would have said."""
    message: Fields = {"role": "assistant", "content": None, "refusal": None}
    calls: dict[int, Fields] = {}
    for step in _flat(steps):
        match step:
            case Hold():
                yield Wait(step.gate)
            case Die():
                yield HangUp(step.reset)
                return
            case Answer():
                yield from answered(step)
                return
            case StreamError():
                body = json.dumps({"error": step.error}).encode()
                yield from answered(Answer(500, body, (("Content-Type", "application/json"),)))
                return
            case Repeat(count=None):
                yield Wait(LONG)
            case Repeat():
                message["content"] = (message["content"] or "") + step.text * (step.count or 0)
            case Delta():
                _absorb(step.fields, message, calls)
            case _:
                pass
    if calls:
        message["tool_calls"] = [calls[index] for index in sorted(calls)]
    yield from _completion(message, asked, settings)


def _completion(message: Fields, asked: Asked, settings: Settings) -> Iterator[Action]:
    reason, text = settings.ending("tool_calls" in message)
    if text:
        message["content"] = (message["content"] or "") + text
    report = (settings.usage or DEFAULT_USAGE).usage
    value: Fields = {
        "id": asked.id,
        "object": "chat.completion",
        "created": CREATED,
        "model": asked.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": reason}],
    } | ({} if report is None else {"usage": report})
    headers = (("Content-Type", "application/json"), *settings.headers)
    yield from answered(Answer(200, json.dumps(value, ensure_ascii=False).encode(), headers))


def _absorb(fields: Fields, message: Fields, calls: dict[int, Fields]) -> None:
    """Add one delta to the message it is part of."""
    for key, value in fields.items():
        if key != "tool_calls":
            message[key] = value if message.get(key) is None else message[key] + value
            continue
        entries: list[Fields] = value
        for entry in entries:
            known = calls.setdefault(entry["index"], {"type": "function", "function": {}})
            if "id" in entry:
                known["id"] = entry["id"]
            function: dict[str, Any] = known["function"]
            for name, text in entry["function"].items():
                function[name] = function.get(name, "") + text


def _flat(steps: list[Step]) -> Iterator[Step]:
    for step in steps:
        if isinstance(step, Paced | Together):
            yield from _flat(list(step.steps))
        else:
            yield step
