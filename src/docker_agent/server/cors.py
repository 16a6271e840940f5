"""Which pages of other sites may call us, and what their browsers are told. Source:
chat-server.md §1, §4."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from docker_agent.errors import ConfigError

Headers = list[tuple[bytes, bytes]]

_ALLOWED = [
    "authorization",
    "content-type",
    "accept",
    "x-api-key",
    "api-key",
    "x-conversation-id",
    "x-session-id",
    "x-openwebui-*",
    "idempotency-key",
    "openai-*",
    "x-stainless-*",
    "x-request-id",
    "http-referer",
    "x-title",
]
_EXACT = frozenset(name for name in _ALLOWED if not name.endswith("*"))
_PREFIXES = tuple(name[:-1] for name in _ALLOWED if name.endswith("*"))
_EXPOSED = (
    b"x-request-id, x-agent, x-conversation-id, openai-processing-ms, x-cost-usd, retry-after, "
    b"retry-after-ms, x-should-retry, x-ratelimit-limit-requests, x-ratelimit-remaining-requests, "
    b"x-ratelimit-reset-requests, www-authenticate"
)
_METHODS = b"GET, HEAD, POST, OPTIONS"
_MAX_AGE = b"600"


class Cors:
    """The origins of `--cors-origin`; an empty list allows none."""

    def __init__(self, spec: str = "") -> None:
        """Read a comma list of literal origins, `*` and `~regex`. Raises `ConfigError` naming the
        one that is none."""
        self._any = False
        self._literal: set[str] = set()
        self._patterns: list[re.Pattern[str]] = []
        for part in (piece.strip() for piece in spec.split(",")):
            if part == "*":
                self._any = True
            elif part.startswith("~"):
                self._patterns.append(_pattern(part[1:]))
            elif part:
                self._literal.add(_literal(part))

    def allows(self, origin: str) -> bool:
        """Whether a page of `origin` may call us."""
        return (
            self._any
            or origin.lower() in self._literal
            or any(pattern.fullmatch(origin) for pattern in self._patterns)
        )

    def headers(self, request: Mapping[bytes, bytes]) -> Headers:
        """What every answer to this request carries; nothing for origins that are not allowed."""
        origin = request.get(b"origin")
        if origin is None or not self.allows(origin.decode("latin-1")):
            return []
        return [
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", _EXPOSED),
            (b"vary", b"Origin"),
        ]

    @staticmethod
    def preflight(request: Mapping[bytes, bytes]) -> Headers:
        """What a browser's question before the request is answered with, beside `headers`."""
        asked = request.get(b"access-control-request-headers", b"").decode("latin-1").split(",")
        allowed = [name.strip() for name in asked if _allowed(name.strip().lower())]
        return [
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-allow-headers", ", ".join(allowed).encode("latin-1")),
            (b"access-control-max-age", _MAX_AGE),
        ]


def _allowed(name: str) -> bool:
    return name in _EXACT or name.startswith(_PREFIXES)


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as exc:
        raise ConfigError(f"--cors-origin ~{text}: this is no regular expression: {exc}") from exc


def _literal(text: str) -> str:
    parts = urlsplit(text)
    if not parts.scheme or not parts.netloc or parts.path or parts.query or parts.fragment:
        raise ConfigError(
            f"--cors-origin {text}: an origin is scheme, host and port, for example "
            "https://example.com or http://localhost:3000; '*' allows all, '~' begins a pattern"
        )
    return text.lower()
