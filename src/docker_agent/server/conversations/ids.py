"""Which conversation a request belongs to, and which requests belong to none. Pure.

Source: chat-server.md §7, clients.md 76 to 78.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from docker_agent.errors import RequestError
from docker_agent.server.wire import ChatRequest

HEADERS = (b"x-conversation-id", b"x-openwebui-chat-id", b"x-session-id")
"""The first that is set wins."""

MAX_ID = 256

WHOLE_HISTORY_MARKS = (b"x-openwebui-user-id", b"x-openwebui-user-jwt")
"""What Open WebUI says of its user. It always sends the whole history: also when a first message
is edited or its answer made anew, and the history holds nothing else."""

TASK_HEADER = b"x-openwebui-task"
_TASK_START = "### Task:"
_TASK_OUTPUT = re.compile(
    r"^### [*]*Output(?:(?!<context>).){0,400}?JSON.{0,80}?"
    r'"(?:title|tags|follow_ups|queries|prompt|text)"',
    re.DOTALL | re.MULTILINE,
)
"""The clause in which Open WebUI's templates say which JSON they want."""


def conversation_id(headers: Mapping[bytes, bytes]) -> str | None:
    """The client's id; None when it sent none or a blank one. Raises `RequestError`."""
    for name in HEADERS:
        id = headers.get(name, b"").decode("latin-1").strip()
        if not id:
            continue
        if len(id) > MAX_ID or not id.isprintable():
            raise RequestError(
                "invalid_request",
                f"{name.decode()} must be at most {MAX_ID} printable characters.",
                code="invalid_conversation_id",
            )
        return id
    return None


def sends_whole_history(headers: Mapping[bytes, bytes]) -> bool:
    """Whether the client is one that never sends only what is new."""
    return any(name in headers for name in WHOLE_HISTORY_MARKS)


def is_side_request(headers: Mapping[bytes, bytes], request: ChatRequest) -> bool:
    """Whether a chat UI asks for a title, tags or the like beside the chat.

    Told by Open WebUI's header, else by its templates: one user message, not streamed, which begins
    as all of them do and asks for one of the JSON keys they want. Its template for ordinary
    questions begins alike, and its context may hold anything, so neither says it alone.
    """
    if headers.get(TASK_HEADER, b"").strip():
        return True
    if request.stream or len(request.messages) != 1:
        return False
    [message] = request.messages
    text = message.content
    return (
        message.role == "user"
        and isinstance(text, str)
        and text.lstrip().startswith(_TASK_START)
        and _TASK_OUTPUT.search(text) is not None
    )
