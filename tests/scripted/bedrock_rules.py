"""What Bedrock refuses: the vendor's own description of a request, and the rules its service checks
beyond that. Pure but for reading that description."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import import_module
from itertools import pairwise
from typing import Any

Block = dict[str, Any]
MAX_CACHE_POINTS = 4
_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_NAME = re.compile(r"[a-zA-Z0-9\s()\[\]-]{1,200}")


@cache
def _described() -> tuple[Any, Any]:
    """The validator, and the shape of a request without its path."""
    session = import_module("botocore.session").get_session()
    service = session.get_service_model("bedrock-runtime")
    shape = service.operation_model("ConverseStream").input_shape
    return import_module("botocore.validate").ParamValidator(), shape


def complaint(model: str, body: dict[str, Any]) -> str:
    """What the service would say of a request; "" when it would take it."""
    validator, shape = _described()
    report = validator.validate({"modelId": model, **body}, shape)
    if report.has_errors():
        return str(report.generate_report())
    return next(_broken(body), "")


def _broken(body: dict[str, Any]) -> Iterator[str]:
    messages: list[Block] = body.get("messages", [])
    roles = [message["role"] for message in messages]
    if roles[:1] != ["user"]:
        yield "A conversation must start with a user message."
    if any(one == other for one, other in pairwise(roles)):
        yield "messages: roles must alternate between user and assistant."
    blocks = [block for message in messages for block in message["content"]]
    if any(not message["content"] for message in messages):
        yield "The content field in the Message object is empty."
    texts = [block["text"] for block in [*blocks, *body.get("system", [])] if "text" in block]
    if not all(text.strip() for text in texts):
        yield "The text field in the ContentBlock object is blank."
    if any("toolUse" in block or "toolResult" in block for block in blocks):
        if "toolConfig" not in body:
            yield "The toolConfig field must be defined when using toolUse and toolResult."
        yield from _unanswered(messages)
    yield from _wrong_media(messages)
    points = [block for block in [*blocks, *body.get("system", [])] if "cachePoint" in block]
    if len(points) > MAX_CACHE_POINTS:
        yield "too many cache points"
    yield from _wrong_thinking(body)


def _unanswered(messages: Sequence[Block]) -> Iterator[str]:
    for place, message in enumerate(messages):
        called = [block["toolUse"]["toolUseId"] for block in _of(message, "toolUse")]
        if not all(_ID.fullmatch(id) for id in called):
            yield "toolUseId failed to satisfy constraint"
        after = messages[place + 1] if place + 1 < len(messages) else None
        results = [] if after is None else _of(after, "toolResult")
        if sorted(called) != sorted(one["toolResult"]["toolUseId"] for one in results):
            yield "Expected toolResult blocks for the Ids of the toolUse blocks of the turn before."


def _wrong_media(messages: Sequence[Block]) -> Iterator[str]:
    names: list[str] = []
    for message in messages:
        documents = _of(message, "document")
        if documents and not _of(message, "text"):
            yield "A message with a document must have a text block."
        names += [block["document"]["name"] for block in documents]
        for kind in ("image", "document", "audio"):
            for block in _of(message, kind):
                if not _is_base64(block[kind]["source"]["bytes"]):
                    yield "bytes are no base64"
    if len(set(names)) != len(names) or not all(_NAME.fullmatch(name) for name in names):
        yield "document names must be plain and unique"


def _wrong_thinking(body: dict[str, Any]) -> Iterator[str]:
    more: Block = body.get("additionalModelRequestFields", {})
    if "thinking" in more:
        inference: Block = body.get("inferenceConfig", {})
        if "temperature" in inference or "topP" in inference or "top_k" in more:
            yield "temperature, top_p and top_k may not be set when thinking is enabled"
        budget = more["thinking"].get("budget_tokens", 0)
        if budget >= inference.get("maxTokens", budget + 1):
            yield "max_tokens must be greater than thinking.budget_tokens"


def _of(message: Block, kind: str) -> list[Block]:
    return [block for block in message["content"] if kind in block]


def _is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except binascii.Error:
        return False
