"""The words of A2A, without I/O: what an agent is asked, and what its answers come to.

Source: runtime.md §9.10; the A2A specification, 0.3 and 1.0.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from docker_agent.errors import ToolError
from docker_agent.messages import JSON, UNREADABLE
from docker_agent.tools.a2a_card import Card, Version

NO_RESPONSE = "No response from agent"
"""What a model reads when an agent said nothing. Source: runtime.md §9.10, exact."""

MAX_ANSWER = 4 * 1024 * 1024
"""Bytes of one answer with all its events, and characters of what it comes to."""

MAX_ID = 1024
"""Characters of an id that is kept with a conversation."""

_MAX_MESSAGE = 2000
"""Characters of an agent's own words about an error."""

FAILED: Mapping[str, str] = {
    "failed": "failed",
    "rejected": "was rejected",
    "canceled": "was canceled",
    "auth-required": "waits for somebody to sign in there (auth-required)",
    "unknown": "is in a state that is not known",
    "unspecified": "is in a state that is not known",
}
"""States of a task that are errors, in words."""

INPUT_REQUIRED = "input-required"

_SETTLED = frozenset({*FAILED, "completed", INPUT_REQUIRED})
"""States in which a task waits for us, or will change no more."""


class _Methods(msgspec.Struct, frozen=True):
    stream: str
    send: str
    get: str
    cancel: str


_METHODS: Mapping[Version, _Methods] = {
    "0.3": _Methods("message/stream", "message/send", "tasks/get", "tasks/cancel"),
    "1.0": _Methods("SendStreamingMessage", "SendMessage", "GetTask", "CancelTask"),
}


class Going(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a message goes on with: a context, and in it a task that waits for more. Empty: it
    begins anew."""

    context: str = ""
    task: str = ""


def send_request(card: Card, text: str, going: Going, id: str, *, stream: bool) -> dict[str, JSON]:
    """The request that says `text`; `id` is the call's and the message's."""
    message: dict[str, JSON] = {"messageId": id}
    if going.context:
        message["contextId"] = going.context
    if going.task:
        message["taskId"] = going.task
    params: dict[str, JSON] = {"message": message}
    if card.version == "1.0":
        message |= {"role": "ROLE_USER", "parts": [{"text": text}]}
    else:
        message |= {"kind": "message", "role": "user", "parts": [{"kind": "text", "text": text}]}
        if not stream:
            params["configuration"] = {"blocking": True}
    methods = _METHODS[card.version]
    return _request(card, methods.stream if stream else methods.send, id, params)


def task_request(card: Card, task: str, id: str, *, cancel: bool) -> dict[str, JSON]:
    """The request that looks at a task, or cancels it."""
    methods = _METHODS[card.version]
    return _request(card, methods.cancel if cancel else methods.get, id, {"id": task})


def _request(card: Card, method: str, id: str, params: dict[str, JSON]) -> dict[str, JSON]:
    if card.tenant:
        params["tenant"] = card.tenant
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}


class _File(msgspec.Struct, frozen=True, rename="camel"):
    name: str | None = None
    mime_type: str | None = None
    uri: str | None = None


class _Part(msgspec.Struct, frozen=True, rename="camel"):
    text: str | None = None
    data: msgspec.Raw = msgspec.Raw()
    file: _File | None = None
    filename: str | None = None
    media_type: str | None = None
    url: str | None = None


_Parts = tuple[_Part, ...] | None


class _Message(msgspec.Struct, frozen=True, rename="camel"):
    message_id: str | None = None
    parts: _Parts = None


class _Status(msgspec.Struct, frozen=True):
    state: str | None = None
    message: _Message | None = None


class _Artifact(msgspec.Struct, frozen=True, rename="camel"):
    artifact_id: str | None = None
    parts: _Parts = None


class _Thing(msgspec.Struct, frozen=True, rename="camel"):
    """A message, a task, or news of a task, in either version's words."""

    id: str | None = None
    context_id: str | None = None
    task_id: str | None = None
    message_id: str | None = None
    parts: _Parts = None
    status: _Status | None = None
    artifacts: tuple[_Artifact, ...] | None = None
    artifact: _Artifact | None = None
    append: bool | None = None
    final: bool | None = None


class _Result(_Thing, frozen=True, rename="camel"):
    """In 0.3 the thing itself, in 1.0 what holds it."""

    task: _Thing | None = None
    message: _Thing | None = None
    status_update: _Thing | None = None
    artifact_update: _Thing | None = None


class _Error(msgspec.Struct, frozen=True):
    code: int = 0
    message: str = ""


class _Reply(msgspec.Struct, frozen=True):
    result: _Result | None = None
    error: _Error | None = None


_REPLY = msgspec.json.Decoder(_Reply)


class Unreadable(ToolError):
    """What came is no A2A."""


class Refused(ToolError):
    """An agent's own error; `code` is JSON-RPC's, or HTTP's where there is nothing else."""

    def __init__(self, code: int, told: str) -> None:
        super().__init__(f"the agent answered with {told}")
        self.code = code


class Answer:
    """What one message has come to so far. Texts are in the order they came; what comes again under
    its id takes the place of what was there."""

    def __init__(self) -> None:
        self._texts: dict[str, list[str]] = {}
        self._others: dict[str, str] = {}
        self._size = 0
        self.context = ""
        self.task = ""
        self.state = ""
        self.whole = False

    @property
    def text(self) -> str:
        """All text, put together; where there is none, data as JSON and the names of files."""
        said = "".join(piece for pieces in self._texts.values() for piece in pieces)
        return said or "\n".join(filter(None, self._others.values()))

    @property
    def works(self) -> bool:
        """Whether a task is still at work there."""
        return bool(self.task and self.state) and self.state not in _SETTLED

    def hear(self, data: bytes) -> str:
        """Take in one JSON-RPC answer; the text that is new.

        Raises `Unreadable`, `Refused`, or `ToolError` when it has become too much.
        """
        try:
            reply = _REPLY.decode(data)
        except UNREADABLE as exc:
            raise Unreadable(f"the agent's answer is not valid A2A: {exc}") from exc
        if reply.error is not None:
            code, said = reply.error.code, reply.error.message[:_MAX_MESSAGE]
            raise Refused(code, f"error {code}: {said}" if said else f"error {code}")
        result = reply.result
        if result is None:
            raise Unreadable("the agent's answer is not valid A2A: it has no result and no error")
        inner = (result.task, result.message, result.status_update, result.artifact_update)
        return self._take(next((thing for thing in inner if thing is not None), result))

    def _take(self, thing: _Thing) -> str:
        self.context = _id(thing.context_id) or self.context
        new = ""
        if thing.parts is not None:
            new += self._put(self._named("message", thing.message_id), thing.parts)
        for place, artifact in enumerate(thing.artifacts or ()):
            name = self._named("artifact", artifact.artifact_id, f"{place} of the task")
            new += self._put(name, artifact.parts)
        if thing.artifact is not None:
            name = self._named("artifact", thing.artifact.artifact_id)
            new += self._put(name, thing.artifact.parts, append=bool(thing.append))
        if thing.status is not None:
            self.task = _id(thing.task_id) or _id(thing.id) or self.task
            new += self._stand(thing.status, "of the task" if thing.id else "")
            self.whole = bool(thing.final) or self.state in _SETTLED
        return new

    def _stand(self, status: _Status, otherwise: str) -> str:
        state = (status.state or "unknown").lower().removeprefix("task_state_")
        self.state = state.replace("_", "-")
        if status.message is None:
            return ""
        name = self._named("message", status.message.message_id, otherwise)
        return self._put(name, status.message.parts)

    def _named(self, kind: str, id: str | None, otherwise: str = "") -> str:
        """Under what a text is kept; without an id it is one of its own."""
        return f"{kind} {id}" if id else f"{kind} without id {otherwise or len(self._texts)}"

    def _put(self, name: str, parts: _Parts, *, append: bool = False) -> str:
        """Keep what parts say; the text that was not there before."""
        said = "".join(part.text or "" for part in parts or ())
        other = "\n".join(filter(None, (_other(part) for part in parts or ())))
        pieces = self._texts.setdefault(name, [])
        new = said
        if not append:
            before = "".join(pieces)
            self._size -= len(before)
            new = said.removeprefix(before)
            pieces.clear()
        pieces.append(said)
        self._size += len(said) + len(other) - len(self._others.get(name, ""))
        self._others[name] = other
        if self._size > MAX_ANSWER:
            raise ToolError(f"the agent's answer has more than {MAX_ANSWER} characters")
        return new


def _id(text: str | None) -> str:
    return text if text and len(text) <= MAX_ID else ""


def _other(part: _Part) -> str:
    """What is said of a part that is no text."""
    if part.text is not None:
        return ""
    if data := bytes(part.data):
        return data.decode()
    file = part.file or _File(part.filename, part.media_type, part.url)
    told = " ".join(filter(None, (file.name, file.mime_type, file.uri)))
    return f"[a file: {told}]" if told else ""
