"""What a scripted model of Bedrock says beyond the common words: signatures, redacted thinking, its
own errors and frames. Everything else comes from `parts.py`."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from zlib import crc32

from tests.scripted.parts import answer, raw
from tests.scripted.steps import Fields, Reply, UsageReport

JSON_HEADERS = {":content-type": "application/json", ":message-type": "event"}


def framed(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One frame of an event stream; all headers are texts."""
    head = b"".join(
        struct.pack(f">B{len(name)}sBH{len(text.encode())}s", len(name), name.encode(), 7,
                    len(text.encode()), text.encode())
        for name, text in headers.items()
    )  # fmt: skip
    start = struct.pack(">II", 16 + len(head) + len(payload), len(head))
    start += struct.pack(">I", crc32(start)) + head + payload
    return start + struct.pack(">I", crc32(start))


def event_frame(name: str, fields: Mapping[str, object]) -> bytes:
    """An event; like the service's own it has padding that means nothing."""
    payload = json.dumps({**fields, "p": "abcdefgh"}, ensure_ascii=False).encode()
    return framed({":event-type": name, **JSON_HEADERS}, payload)


def raised(kind: str, message: str = "scripted failure", **more: object) -> Reply:
    """An exception in the stream."""
    headers = {
        ":exception-type": kind,
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    return raw(framed(headers, json.dumps({"message": message, **more}).encode()))


def error_frame(code: str, message: str) -> Reply:
    """An error of the transport itself, which is all headers."""
    return raw(
        framed({":error-code": code, ":error-message": message, ":message-type": "error"}, b"")
    )


def reject(
    status: int,
    kind: str = "ValidationException",
    message: str = "scripted failure",
    headers: Mapping[str, str] | None = None,
    **more: object,
) -> Reply:
    """An error status with the API's own header and body."""
    every = {"x-amzn-ErrorType": f"{kind}:http://internal.amazon.com/coral/", **(headers or {})}
    return answer(status, json.dumps({"message": message, **more}).encode(), every)


def overloaded() -> Reply:
    """503, as the API says that it has too much to do."""
    return reject(503, "ServiceUnavailableException", "Bedrock is overloaded")


def tokens(
    prompt: int = 11, completion: int = 7, *, read: int | None = None, written: int | None = None
) -> Reply:
    """Tokens used: `prompt` beside what was `read` from the cache and `written` to it."""
    report: Fields = {"inputTokens": prompt, "outputTokens": completion}
    if read is not None:
        report["cacheReadInputTokens"] = read
    if written is not None:
        report["cacheWriteInputTokens"] = written
    report["totalTokens"] = prompt + completion + (read or 0) + (written or 0)
    return Reply((UsageReport(report, "after", always=True),))
