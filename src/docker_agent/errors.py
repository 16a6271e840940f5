"""The error tree: who should read an error decides its class.

DockerAgentError
├── ConfigError     the operator: a file, flag, reference or variable is wrong; the start stops
├── RequestError    the client: this request cannot be served
├── ModelError      the caller of a model: a model call failed
└── ToolError       the model: the text becomes the tool's answer
"""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal[
    "invalid_request",
    "unsupported_content_type",
    "invalid_api_key",
    "forbidden_host",
    "forbidden_origin",
    "hook_blocked",
    "not_found",
    "model_not_found",
    "method_not_allowed",
    "conversation_busy",
    "turn_expired",
    "request_too_large",
    "request_timeout",
    "headers_too_large",
    "unsupported_encoding",
    "context_length_exceeded",
    "too_many_requests",
    "model_rate_limited",
    "model_error",
    "loop_detected",
    "internal_error",
    "draining",
    "store_unavailable",
    "not_ready",
    "timeout",
]
"""What went wrong, one word per row of the error table in chat-server.md §4; `server/errors.py`
gives each its status."""


class DockerAgentError(Exception):
    """Any error of ours; `str(error)` is a sentence for the person it is meant for."""


class ConfigError(DockerAgentError):
    """An operator's file, flag, reference or variable is wrong.

    `usage` is true when a flag's syntax or value is at fault (exit status 2 instead of 1).
    `problems` are the sentences one by one, when there are several.
    """

    def __init__(
        self, message: str, *, usage: bool = False, problems: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message)
        self.usage = usage
        self.problems = problems or (message,)


class RequestError(DockerAgentError):
    """A client's request cannot be served.

    `param` is the JSON path at fault (`messages[2].content`), `code` OpenAI's word for it when
    `kind` has none of its own, `retry_after` seconds.
    """

    def __init__(
        self,
        kind: Kind,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.kind: Kind = kind
        self.param = param
        self.code = code
        self.retry_after = retry_after


class ModelError(DockerAgentError):
    """One model call failed.

    `transient` says that the same model may succeed at once (5xx, cut connection), `retry_after`
    how many seconds the provider asked to wait, `emitted` that deltas already left: such a call is
    never tried again. The text names the model and the provider's own message, never a key, address
    or header.
    """

    def __init__(
        self,
        kind: Kind,
        message: str,
        *,
        transient: bool = False,
        retry_after: float | None = None,
        emitted: bool = False,
    ) -> None:
        super().__init__(message)
        self.kind: Kind = kind
        self.transient = transient
        self.retry_after = retry_after
        self.emitted = emitted


class ToolError(DockerAgentError):
    """A tool refused or failed; the text is what the model reads."""


class Failure(msgspec.Struct, frozen=True):
    """Why a run failed, as a value: usage and what was done outlive it (`Outcome.failure`)."""

    kind: Kind
    message: str
    retry_after: float | None = None
