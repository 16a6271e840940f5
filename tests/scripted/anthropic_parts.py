"""What a scripted Claude says beyond the common words: signatures, redacted thinking, its own
errors. Everything else comes from `parts.py`."""

from __future__ import annotations

import json
from collections.abc import Mapping

from tests.scripted.parts import answer, delta, raw
from tests.scripted.steps import Fields, Reply, UsageReport


def sign(signature: str) -> Reply:
    """The signature of the thinking before it: one event."""
    return delta(signature=signature)


def redacted(data: str) -> Reply:
    """A block of thinking that nobody may read."""
    return delta(redacted=data)


def new_block() -> Reply:
    """What follows begins a block of its own, even when it is of the same kind."""
    return delta(new_block=True)


def ping() -> Reply:
    """What the API sends while it works."""
    return raw(b'event: ping\ndata: {"type": "ping"}\n\n')


def tokens(
    prompt: int = 11,
    completion: int = 7,
    *,
    read: int | None = None,
    written: int | None = None,
    thinking: int | None = None,
) -> Reply:
    """Tokens used: `prompt` beside what was `read` from the cache and `written` to it."""
    report: Fields = {"input_tokens": prompt, "output_tokens": completion}
    if read is not None:
        report["cache_read_input_tokens"] = read
    if written is not None:
        report["cache_creation_input_tokens"] = written
    if thinking is not None:
        report["output_tokens_details"] = {"thinking_tokens": thinking}
    return Reply((UsageReport(report, "after", always=True),))


def reject(
    status: int,
    type: str = "invalid_request_error",
    message: str = "scripted failure",
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """An error status with the API's own body."""
    body = {"type": "error", "error": {"type": type, "message": message}, "request_id": "req_1"}
    return answer(status, json.dumps(body).encode(), headers)


def overloaded() -> Reply:
    """529, as the API says that it has too much to do."""
    return reject(529, "overloaded_error", "Overloaded")
