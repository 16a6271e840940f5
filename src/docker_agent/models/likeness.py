"""How much two requests to a model ask the same, whatever protocol they are in. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import msgspec

from docker_agent.messages import JSON, UNREADABLE

_LISTS = ("messages", "input", "contents")
"""What the protocols call the list of messages."""
_INSTRUCTIONS = ("system", "developer")
_TITLE = b"generate a short, descriptive title"
"""How the Go program asks for a conversation's title, beside the conversation."""
_TEXTS = ("text", "content", "output", "parts", "response", "result", "input", "arguments", "args")
"""Keys under which a message's words stand."""


class Question(msgspec.Struct, frozen=True):
    """What tells one request from another: its model, how many messages it has beside
    instructions, the first and the last of them, all there are of the user's words, and whether
    these ask for a title."""

    model: str = ""
    length: int = 0
    first: str = ""
    last: str = ""
    body: bytes = b""
    title: bool = False


def question_of(body: bytes) -> Question:
    """The question in a request's body; an empty one when nothing can be made of it."""
    decoded = _decoded(body)
    if not isinstance(decoded, dict):
        return Question(body=body, title=_TITLE in body)
    fields = cast(dict[str, JSON], decoded)
    given: JSON = next((fields[name] for name in _LISTS if fields.get(name)), None)
    if isinstance(given, str):
        given = [{"role": "user", "content": given}]
    listed = cast(list[JSON], given) if isinstance(given, list) else []
    said = [
        cast(dict[str, JSON], one)
        for one in listed
        if isinstance(one, dict) and cast(dict[str, JSON], one).get("role") not in _INSTRUCTIONS
    ]
    words = [_words(one) for one in _begun(said)]
    return Question(
        model=str(fields.get("model", "")),
        length=len(words),
        first=words[0] if words else "",
        last=words[-1] if words else "",
        body=msgspec.json.encode(decoded, order="deterministic"),
        title=_TITLE in body,
    )


def _begun(said: Sequence[Mapping[str, JSON]]) -> Sequence[Mapping[str, JSON]]:
    """The messages from the user's first question on: where a protocol has no place for
    instructions, the Go program sends them as messages before it."""
    users = 0
    while users < len(said) and said[users].get("role") == "user":
        users += 1
    return said[max(0, users - 1) :]


def _decoded(body: bytes) -> JSON:
    """The JSON of a body; line breaks inside its texts, which some recordings have, are read as
    such."""
    for text in (body, body.strip().replace(b"\r", b"").replace(b"\n", b"\\n")):
        try:
            return msgspec.json.decode(text)
        except UNREADABLE:
            continue
    return None


def _words(message: Mapping[str, JSON]) -> str:
    return " ".join(" ".join(_texts(message)).split())


def _texts(value: JSON) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for item in cast(list[JSON], value):
                yield from _texts(item)
        case dict():
            for key, item in cast(dict[str, JSON], value).items():
                if key in _TEXTS or (isinstance(item, dict | list) and key not in ("tools",)):
                    yield from _texts(item)
        case _:
            pass


def likeness(asked: Question, recorded: Question) -> int:
    """How well a recorded question stands for the one that is asked; 0: nothing speaks for it."""
    if asked.body == recorded.body:
        return 100
    score = 0
    if asked.last and asked.last == recorded.last:
        score += 8
    if asked.first and asked.first == recorded.first:
        score += 4
    if asked.length == recorded.length:
        score += 2
    if asked.model and asked.model == recorded.model:
        score += 1
    return score
