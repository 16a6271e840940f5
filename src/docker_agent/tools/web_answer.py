"""What a model reads of an API's answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_agent.messages import ToolResult
from docker_agent.tools.html_text import decoded, is_binary

if TYPE_CHECKING:
    from docker_agent.tools.web_session import Reply

MAX_CHARACTERS = 30_000
"""Characters of an API's answer that a model reads (runtime.md §5.7)."""


def answered(reply: Reply) -> ToolResult:
    """The body of an answer, its end left out when it is long; a status of 400 or more is an
    error, `HTTP n: body`. Source: runtime.md §9.8."""
    text = _shown(reply)
    if reply.status >= 400:
        return ToolResult(f"HTTP {reply.status}: {text}", is_error=True)
    return ToolResult(text)


def _shown(reply: Reply) -> str:
    if is_binary(reply.body, reply.content_type):
        return f"[binary content of type {reply.content_type or 'unknown'}, not shown]"
    text = decoded(reply.body, reply.content_type)
    if len(text) <= MAX_CHARACTERS and not reply.cut:
        return text
    rest = "" if reply.cut else f" of {len(text)}"
    kept = text[:MAX_CHARACTERS]
    return f"{kept}\n\n[truncated: the first {len(kept)}{rest} characters]"
