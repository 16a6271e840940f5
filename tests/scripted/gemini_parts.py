"""What a scripted Gemini reply is made of: events that are added up, `say("Hello") + done()`.

Beside them all of `parts.py` that speaks no OpenAI: `hold`, `raw`, `comment`, `paced`, `together`,
`die`, `die_after`, `cut`, `answer`, `header`, `until_close`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from tests.scripted.parts import answer, raw
from tests.scripted.steps import Fields, Reply

VERSION = "scripted-001"
USAGE: Fields = {"promptTokenCount": 11, "candidatesTokenCount": 7, "totalTokenCount": 18}


def event(payload: Fields) -> Reply:
    """One event; this API ends its lines with CR LF."""
    return raw(f"data: {json.dumps(payload, ensure_ascii=False)}\r\n\r\n".encode())


def parts(*given: Fields, reason: str | None = None, **more: object) -> Reply:
    """One event with these parts; `more` are fields of the candidate."""
    candidate: Fields = {"content": {"role": "model", "parts": list(given)}, "index": 0, **more}
    if reason is not None:
        candidate["finishReason"] = reason
    return event({"candidates": [candidate], "modelVersion": VERSION})


def say(*pieces: str, signature: str | None = None) -> Reply:
    """Text, each piece its own event; the last one signed."""
    return _texts(pieces, {}, signature)


def think(*pieces: str, signature: str | None = None) -> Reply:
    """Thinking, each piece its own event; the last one signed."""
    return _texts(pieces, {"thought": True}, signature)


def _texts(pieces: Sequence[str], more: Fields, signature: str | None) -> Reply:
    every = [{"text": piece, **more} for piece in pieces]
    if signature is not None:
        every[-1]["thoughtSignature"] = signature
    return sum((parts(one) for one in every), Reply())


def call_part(
    name: str,
    args: Mapping[str, object] | None = None,
    *,
    id: str | None = None,
    signature: str | None = None,
) -> Fields:
    """A call as a part; this API sends calls whole."""
    function: Fields = {"name": name, "args": dict(args or {})}
    if id is not None:
        function["id"] = id
    part: Fields = {"functionCall": function}
    if signature is not None:
        part["thoughtSignature"] = signature
    return part


def call(
    name: str,
    args: Mapping[str, object] | None = None,
    *,
    id: str | None = None,
    signature: str | None = None,
) -> Reply:
    """A call in an event of its own."""
    return parts(call_part(name, args, id=id, signature=signature))


def done(reason: str = "STOP", *, text: str = "", **usage: int) -> Reply:
    """The last event: an empty text, why it ended, and the tokens (`thoughtsTokenCount=3`)."""
    candidate: Fields = {
        "content": {"role": "model", "parts": [{"text": text}]},
        "finishReason": reason,
        "index": 0,
    }
    counted = USAGE | usage
    return event(
        {"candidates": [candidate], "usageMetadata": counted, "modelVersion": VERSION},
    )


def blocked(reason: str = "SAFETY") -> Reply:
    """The question itself was refused."""
    return event(
        {
            "promptFeedback": {"blockReason": reason},
            "usageMetadata": {"promptTokenCount": 11, "totalTokenCount": 11},
            "modelVersion": VERSION,
        }
    )


def problem(
    code: int, message: str, status: str, *details: Mapping[str, object]
) -> dict[str, object]:
    """The body of a refusal."""
    error: Fields = {"code": code, "message": message, "status": status}
    if details:
        error["details"] = list(details)
    return {"error": error}


def fail(
    code: int,
    message: str = "scripted failure",
    status: str = "INVALID_ARGUMENT",
    *details: Mapping[str, object],
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """An error status with its JSON body."""
    body = json.dumps(problem(code, message, status, *details), indent=2).encode()
    return answer(code, body, headers)


def exhausted(retry_delay: str = "7s") -> Reply:
    """429, which says in its details when to come back; an empty text: it does not."""
    detail = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": retry_delay}
    return fail(
        429,
        "You exceeded your current quota.",
        "RESOURCE_EXHAUSTED",
        *([detail] if retry_delay else []),
    )


def overloaded() -> Reply:
    """503."""
    return fail(503, "The model is overloaded. Please try again later.", "UNAVAILABLE")


def unauthenticated() -> Reply:
    """401."""
    return fail(401, "Request had invalid authentication credentials.", "UNAUTHENTICATED")


def too_long() -> Reply:
    """400 for a history that does not fit."""
    return fail(
        400, "The input token count (9000) exceeds the maximum number of tokens allowed (8192)."
    )


def error_event(code: int, message: str, status: str) -> Reply:
    """An error as an event inside the stream."""
    return event(problem(code, message, status))


def bare_error(code: int, message: str, status: str) -> Reply:
    """An error that falls into the stream as it is, over several lines."""
    return raw(json.dumps(problem(code, message, status), indent=2).encode())
