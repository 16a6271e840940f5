"""What ChatGPT's backend refuses that the Responses API of OpenAI takes.

Source: agent-file.md §3.2.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from tests.scripted.parts import fail
from tests.scripted.steps import Reply

PATH = "/backend-api/codex/responses"
HEADERS = ("chatgpt-account-id", "originator", "session_id")
UNSUPPORTED = ("temperature", "top_p", "max_output_tokens", "user", "safety_identifier")

Fields = Mapping[str, Any]


def objection(body: Fields, headers: Mapping[str, str]) -> Reply | None:
    """The refusal of a request; None when there is nothing to object to."""
    if not headers.get("authorization", "").startswith("Bearer "):
        return fail(401, "Not authenticated")
    first = next(_faults(body, headers), None)
    return fail(400, first) if first else None


def _faults(body: Fields, headers: Mapping[str, str]) -> Iterator[str]:
    for name in HEADERS:
        if not headers.get(name):
            yield f"missing header {name}"
    if headers.get("openai-beta") != "responses=experimental":
        yield "missing header OpenAI-Beta"
    for name in UNSUPPORTED:
        if name in body:
            yield f"Unsupported parameter: {name}"
    if body.get("store") is not False:
        yield "Store must be set to false"
    if body.get("stream") is not True:
        yield "Stream must be set to true"
    if not body.get("instructions"):
        yield "Instructions are required"
    items = body.get("input", [])
    if not isinstance(items, list):
        yield "Input must be a list"
    elif any(item.get("role") == "system" for item in cast(list[Fields], items)):
        yield "System messages are not allowed"
    if body.get("reasoning", {}).get("summary", "auto") != "auto":
        yield "Unsupported value for reasoning.summary"
