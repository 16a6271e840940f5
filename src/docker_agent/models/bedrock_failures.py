"""What the exceptions of Bedrock mean: one `ModelError`, wherever they came. Pure.

Source: runtime.md §4.2, chat-server.md §4. Wire:
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html#API_runtime_ConverseStream_Errors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import msgspec

from docker_agent.errors import ModelError
from docker_agent.messages import JSON, UNREADABLE
from docker_agent.models.failures import RETRYABLE_STATUSES, Problem, error_of, refused

ERROR_TYPE = "x-amzn-errortype"

_LIMITS = ("throttling", "toomanyrequests", "servicequotaexceeded")
_EXPIRED = ("expiredtoken", "requestexpired")
_PASSING = ("modelnotready", "modelstreamerror", "modeltimeout", "serviceunavailable")
_PASSING_OF_OTHERS = ("modelerror", "modelstreamerror")
_STATUSES: Mapping[str, int] = {
    "internalserver": 500,
    "serviceunavailable": 503,
    "modeltimeout": 408,
    "throttling": 429,
    "validation": 400,
    "accessdenied": 403,
    "resourcenotfound": 404,
}
"""Exceptions in a stream as the statuses they have elsewhere."""


def is_expired(headers: Mapping[str, str]) -> bool:
    """Whether a refusal says that the credentials are too old."""
    return _bare(headers.get(ERROR_TYPE, "")).startswith(_EXPIRED)


def converse_refused(
    model: str, status: int, headers: Mapping[str, str], body: bytes, secrets: Sequence[str]
) -> ModelError:
    """The error behind an HTTP status of 300 or more; `secrets` are blotted out of its text."""
    fields = _fields(body)
    name = _named(headers, fields)
    error = refused(model, status, headers, _plain(body, fields), secrets)
    return _sorted(error, name, fields)


def converse_raised(model: str, kind: str, body: JSON, secrets: Sequence[str]) -> ModelError:
    """The error behind an exception in the stream."""
    fields = cast(dict[str, JSON], body) if isinstance(body, dict) else {}
    name = _bare(kind)
    message = _message(fields) or kind
    status = _STATUSES.get(name, 0)
    error = error_of(model, 0, Problem(message, str(status) if status else ""), secrets)
    return _sorted(error, name, fields)


def _sorted(error: ModelError, name: str, fields: Mapping[str, JSON]) -> ModelError:
    """The error with what only the exception's name says."""
    if error.kind == "context_length_exceeded":
        return error
    if name.startswith(_LIMITS):
        error.kind, error.transient = "model_rate_limited", False
    elif name.startswith("modelnotready"):
        error.kind, error.transient = "model_error", True
    elif name.startswith(_PASSING_OF_OTHERS) and "originalStatusCode" in fields:
        error.transient = fields["originalStatusCode"] in RETRYABLE_STATUSES
    elif name.startswith((*_PASSING, *_EXPIRED)):
        error.transient = True
    return error


def _named(headers: Mapping[str, str], fields: Mapping[str, JSON]) -> str:
    given = headers.get(ERROR_TYPE) or fields.get("__type") or fields.get("code") or ""
    return _bare(str(given))


def _bare(name: str) -> str:
    """`throttling` of `com.amazon.coral#ThrottlingException:http://internal…`."""
    return name.partition(":")[0].rpartition("#")[2].removesuffix("Exception").lower()


def _message(fields: Mapping[str, JSON]) -> str:
    for key in ("message", "Message", "originalMessage"):
        value = fields.get(key)
        if isinstance(value, str) and value:
            return value
    return ""


def _fields(body: bytes) -> Mapping[str, JSON]:
    try:
        decoded: JSON = msgspec.json.decode(body)
    except UNREADABLE:
        return {}
    return cast(dict[str, JSON], decoded) if isinstance(decoded, dict) else {}


def _plain(body: bytes, fields: Mapping[str, JSON]) -> bytes:
    """The body with its message where others have it; some of AWS's are written `Message`."""
    message = _message(fields)
    return msgspec.json.encode({"message": message}) if message else body
