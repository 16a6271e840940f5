"""What Gemini's refusals say beyond their status: when to try again. Pure.

Source: runtime.md §4.2; the body's `details` are those of google.rpc.Status.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from docker_agent.errors import ModelError
from docker_agent.messages import JSON, UNREADABLE
from docker_agent.models.failures import error_of, problem_of, refused

_PASSING = "number of function response parts"
"""A refusal that comes and goes although the request was well formed."""


class _Detail(msgspec.Struct, rename="camel"):
    retry_delay: str | None = None


class _Error(msgspec.Struct):
    details: list[_Detail] = []


class _Body(msgspec.Struct):
    error: _Error


_decode = msgspec.json.Decoder(_Body | list[_Body]).decode


def gemini_refused(
    model: str, status: int, headers: Mapping[str, str], body: bytes, secrets: Sequence[str]
) -> ModelError:
    """The error behind an HTTP status of 300 or more; `secrets` are blotted out of its text."""
    error = refused(model, status, headers, body, secrets)
    if _PASSING in str(error):
        error.transient = True
    if error.retry_after is None:
        error.retry_after = _retry_delay(body)
    return error


def gemini_error(model: str, error: JSON, secrets: Sequence[str]) -> ModelError:
    """The error behind an `error` object in a stream."""
    body = {"error": error}
    found = error_of(model, 0, problem_of(body), secrets)
    found.retry_after = _retry_delay(msgspec.json.encode(body))
    return found


def _retry_delay(body: bytes) -> float | None:
    """Seconds in the `retryDelay` of an error's details, written `34s` or `0.5s`."""
    try:
        found: _Body | list[_Body] = _decode(body)
    except UNREADABLE:
        return None
    bodies = [found] if isinstance(found, _Body) else found
    for detail in (detail for one in bodies for detail in one.error.details):
        try:
            seconds = float((detail.retry_delay or "").removesuffix("s"))
        except ValueError:
            continue
        if 0 <= seconds < 86_400:
            return seconds
    return None
