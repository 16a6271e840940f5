"""Errors as HTTP: the only place that knows statuses and OpenAI's envelope. Source:
chat-server.md §4."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import msgspec

from docker_agent.errors import Failure, Kind, RequestError

ErrorType = Literal["invalid_request_error", "rate_limit_error", "server_error"]


class Row(msgspec.Struct, frozen=True):
    """How one kind of error looks; `code` None: the error brings a field code of its own or has
    none."""

    status: int
    type: ErrorType
    code: str | None
    headers: Mapping[str, str] = {}


_NO_RETRY = {"x-should-retry": "false"}

ROWS: Mapping[Kind, Row] = {
    "invalid_request": Row(400, "invalid_request_error", None),
    "unsupported_content_type": Row(400, "invalid_request_error", "unsupported_content_type"),
    "context_length_exceeded": Row(400, "invalid_request_error", "context_length_exceeded"),
    "invalid_api_key": Row(
        401, "invalid_request_error", "invalid_api_key", {"www-authenticate": "Bearer"}
    ),
    "forbidden_host": Row(403, "invalid_request_error", "forbidden_host"),
    "forbidden_origin": Row(403, "invalid_request_error", "forbidden_origin"),
    "hook_blocked": Row(403, "invalid_request_error", "hook_blocked"),
    "not_found": Row(404, "invalid_request_error", "not_found"),
    "model_not_found": Row(404, "invalid_request_error", "model_not_found"),
    "method_not_allowed": Row(405, "invalid_request_error", "method_not_allowed"),
    "conversation_busy": Row(409, "invalid_request_error", "conversation_busy", _NO_RETRY),
    "turn_expired": Row(409, "invalid_request_error", "turn_expired", _NO_RETRY),
    "request_timeout": Row(
        408, "invalid_request_error", "request_timeout", {"connection": "close"}
    ),
    "request_too_large": Row(413, "invalid_request_error", "request_too_large"),
    "unsupported_encoding": Row(415, "invalid_request_error", "unsupported_encoding"),
    "too_many_requests": Row(429, "rate_limit_error", "too_many_requests"),
    "model_rate_limited": Row(429, "rate_limit_error", "model_rate_limited"),
    "headers_too_large": Row(431, "invalid_request_error", "headers_too_large"),
    "loop_detected": Row(500, "server_error", "loop_detected"),
    "internal_error": Row(500, "server_error", "internal_error"),
    "model_error": Row(502, "server_error", "model_error"),
    "draining": Row(503, "server_error", "draining"),
    "not_ready": Row(503, "server_error", "not_ready"),
    "store_unavailable": Row(503, "server_error", "store_unavailable"),
    "timeout": Row(504, "server_error", "timeout"),
}

_WAITS = frozenset(
    {"too_many_requests", "model_rate_limited", "draining", "not_ready", "store_unavailable"}
)
DEFAULT_RETRY_AFTER = 1


class ErrorObject(msgspec.Struct, frozen=True):
    """OpenAI's error: all four keys, always."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(msgspec.Struct, frozen=True):
    """The body of every reply that is not a success."""

    error: ErrorObject


class HttpError(msgspec.Struct, frozen=True):
    """An error ready to send."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: ErrorBody

    def encoded(self) -> bytes:
        """The JSON body, which is also the payload of an error event."""
        return msgspec.json.encode(self.body)


def from_request_error(error: RequestError, *, acted: bool = False) -> HttpError:
    """What a refused request is answered with; `acted` says that a tool has run already."""
    found = _http(error.kind, str(error), error.param, error.code, error.retry_after)
    return _never_again(found) if acted else found


def from_failure(failure: Failure, *, acted: bool) -> HttpError:
    """What a failed run is answered with; one that ran a tool asks not to be sent again."""
    found = _http(failure.kind, failure.message, None, None, failure.retry_after)
    return _never_again(found) if acted else found


def _never_again(error: HttpError) -> HttpError:
    """The client's library must not send the request again by itself: tools would run twice."""
    if any(name == b"x-should-retry" for name, _ in error.headers):
        return error
    return msgspec.structs.replace(error, headers=[*error.headers, *_wired(_NO_RETRY)])


def _http(
    kind: Kind, message: str, param: str | None, code: str | None, retry_after: float | None
) -> HttpError:
    row = ROWS[kind]
    headers = _wired(row.headers)
    if kind in _WAITS:
        seconds = DEFAULT_RETRY_AFTER if retry_after is None else max(retry_after, 0.0)
        headers.append((b"retry-after", str(math.ceil(seconds)).encode()))
        headers.append((b"retry-after-ms", str(math.ceil(seconds * 1000)).encode()))
    body = ErrorBody(ErrorObject(message, row.type, param, row.code or code))
    return HttpError(row.status, headers, body)


def _wired(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]
