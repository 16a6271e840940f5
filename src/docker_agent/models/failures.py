"""What a provider's refusal means: status, headers and body become one `ModelError`, and a line of
the log that says all of it.

Source: runtime.md §4.2, §4.3 and appendix B, chat-server.md §4.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import cast

import msgspec

from docker_agent.errors import Kind, ModelError
from docker_agent.messages import JSON, UNREADABLE
from docker_agent.models.scrub import scrubbed

log = logging.getLogger(__name__)

_DAY = 86_400.0
"""Seconds; who asks to wait longer asks for nothing we could do."""

RETRYABLE_STATUSES = frozenset({408, 500, 502, 503, 504, 529})
MAX_MESSAGE = 500
"""Characters of a provider's own message that are passed on."""

_OVERFLOW_CODES = ("context_length_exceeded", "exceed_context_size_error", "request_too_large")
_OVERFLOW = (
    "prompt is too long",
    "prompt too long",
    "maximum context length",
    "context length exceeded",
    "context_length_exceeded",
    "input is too long",
    "input token count",
    "exceeds the context window",
    "exceeds the available context size",
    "reduce the length of the messages",
    "exceeded model token limit",
    "context window exceeds limit",
    "model_context_window_exceeded",
    "max_tokens must be greater than",
    "maximum number of tokens",
    "content length exceeds",
    "exceeds the model's max token",
    "token limit",
    "reduce your prompt",
    "request_too_large",
    "request too large",
    "payload too large",
    "request entity too large",
    "image exceeds",
    "image dimensions exceed",
    "pdf pages",
)
_PASSING = (
    "server_error",
    "internal",
    "timeout",
    "connection reset",
    "connection refused",
    "no such host",
    "temporary failure",
    "unavailable",
    "bad gateway",
    "overloaded",
    "other side closed",
    "fetch failed",
    "reset before headers",
    "upstream connect",
)
_LASTING = (
    "rate limit",
    "too many requests",
    "throttl",
    "quota",
    "capacity",
    "invalid",
    "unauthorized",
    "authentication",
    "api key",
)
_NEVER = ("image input is not supported",)
"""What no other try helps against, though llama.cpp calls it a server error."""
_STATUS_CODES = frozenset(str(status) for status in range(400, 600))
"""Some routers write the status of the provider behind them as the code of an error in a
stream."""
_ADDRESS = re.compile(r"https?://\S+")


_REQUEST_IDS = ("x-request-id", "request-id", "x-amzn-requestid", "cf-ray")
"""Headers under which providers say what they call a request."""


class Problem(msgspec.Struct, frozen=True):
    """A provider's error body, as far as it could be read. `code` is its type where there is no
    code."""

    message: str = ""
    code: str = ""
    type: str = ""
    param: str = ""


def problem_of(body: JSON) -> Problem:
    """The message and code in a decoded error body, wherever providers put them."""
    if isinstance(body, list) and body:
        body = cast(list[JSON], body)[0]
    if isinstance(body, str):
        return Problem(body)
    if not isinstance(body, dict):
        return Problem()
    fields = cast(dict[str, JSON], body)
    inner = fields.get("error", fields)
    if isinstance(inner, str):
        return Problem(inner)
    if not isinstance(inner, dict):
        return Problem()
    named = cast(dict[str, JSON], inner)
    message = named.get("message") or fields.get("message") or fields.get("detail") or ""
    kind = named.get("type") or named.get("status") or ""
    return Problem(
        message if isinstance(message, str) else "",
        str(named.get("code") or kind),
        str(kind),
        str(named.get("param") or ""),
    )


def refused(
    model: str, status: int, headers: Mapping[str, str], body: bytes, secrets: Sequence[str]
) -> ModelError:
    """The error behind an HTTP status of 300 or more; `secrets` are blotted out of its text."""
    try:
        problem = problem_of(msgspec.json.decode(body))
    except UNREADABLE:
        problem = Problem(_plain(headers, body))
    log.info("model %s: %s", model, clean(_in_full(status, headers, problem), secrets))
    return error_of(model, status, problem, secrets, retry_after=_retry_after(headers))


def _plain(headers: Mapping[str, str], body: bytes) -> str:
    """The words of a body of plain text, as Go's servers refuse; those of a page are not told."""
    if not headers.get("content-type", "").lower().startswith("text/plain"):
        return ""
    text = body.decode("utf-8", "replace").strip()
    return "" if text.startswith("<") else text


def _in_full(status: int, headers: Mapping[str, str], problem: Problem) -> str:
    """All that a provider said of a refusal; clients are told less. Source: runtime.md §4.3."""
    code = problem.code if problem.code != problem.type else ""
    fields = {"code": code, "param": problem.param}
    more = [f"{name}={value}" for name, value in fields.items() if value]
    request = next((headers[name] for name in _REQUEST_IDS if headers.get(name)), "")
    return (
        ": ".join(filter(None, (f"HTTP {status}", problem.type, problem.message)))
        + (f" ({', '.join(more)})" if more else "")
        + (f" (Request-ID: {request})" if request else "")
    )


def error_of(
    model: str,
    status: int,
    problem: Problem,
    secrets: Sequence[str],
    *,
    retry_after: float | None = None,
) -> ModelError:
    """The error behind a problem; `status` is 0 when it came inside a stream."""
    meant = status or (int(problem.code) if problem.code in _STATUS_CODES else 0)
    kind = _kind(meant, problem)
    detail = clean(problem.message, secrets)
    where = f"HTTP {status}" if status else "error in the stream"
    text = f"model {model} failed ({where})" + (f": {detail}" if detail else "")
    transient = meant in RETRYABLE_STATUSES or (meant == 0 and _sounds_transient(problem))
    hopeless = kind == "context_length_exceeded" or any(word in detail for word in _NEVER)
    return ModelError(kind, text, transient=transient and not hopeless, retry_after=retry_after)


def clean(text: str, secrets: Sequence[str]) -> str:
    """A provider's words for a client: one line, bounded, without addresses or our keys."""
    text = scrubbed(text, filter(None, secrets))
    text = _ADDRESS.sub("(address)", " ".join(text.split()))
    return text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 1] + "…"


def _kind(status: int, problem: Problem) -> Kind:
    said = problem.message.lower()
    if problem.code in _OVERFLOW_CODES or status == 413:
        return "context_length_exceeded"
    if status in (0, 400, 422) and any(pattern in said for pattern in _OVERFLOW):
        return "context_length_exceeded"
    if status == 429 or problem.code in ("rate_limit_exceeded", "rate_limit_error"):
        return "model_rate_limited"
    return "model_error"


def _sounds_transient(problem: Problem) -> bool:
    words = f"{problem.code} {problem.message}".lower()
    return any(word in words for word in _PASSING) and not any(word in words for word in _LASTING)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * unit
        except ValueError:
            continue
        if 0 <= seconds < _DAY:
            return seconds
    return _until(headers.get("retry-after", ""), headers.get("date", ""))


def _until(moment: str, now: str) -> float | None:
    """Seconds until a date of HTTP; `now` is the sender's, ours where it does not say."""
    try:
        then = parsedate_to_datetime(moment).timestamp()
    except (TypeError, ValueError):
        return None
    try:
        since = parsedate_to_datetime(now).timestamp()
    except (TypeError, ValueError):
        since = time.time()
    return max(0.0, then - since) if then - since < _DAY else None
