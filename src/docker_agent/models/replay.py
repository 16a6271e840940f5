"""The HTTP client that answers from a recording and never leaves this machine."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from docker_agent.models import bedrock_frames
from docker_agent.models.cassette import Interaction, read_cassette
from docker_agent.models.errors import HttpError
from docker_agent.models.http_port import Response
from docker_agent.models.likeness import Question, likeness, question_of

log = logging.getLogger(__name__)

_EVENT_END = re.compile(rb"\r?\n\r?\n")


class Replay:
    """`Http` over the interactions of a recording; each answers once.

    A question gets the first answer left that was recorded for its method and path. Where several
    are left, the one whose question is most like it goes first (`likeness`): agents that ask side
    by side do not get each other's answers. Titles, which the Go program asks for beside the
    conversation, go to nobody who asks for something else. When the path is not in the recording
    at all, its last segment counts: the same protocol behind another address. `name` is what
    messages call the recording.
    """

    def __init__(self, name: str, interactions: Sequence[Interaction]) -> None:
        self._name = name
        self._total = len(interactions)
        self._entries = tuple(_Entry(one) for one in interactions)
        self._left = list(self._entries)

    @property
    def asked(self) -> list[tuple[str, str]]:
        """Address and model of every question that was recorded; the model is "" where its address
        has it."""
        return [(one.interaction.url, one.question.model) for one in self._entries]

    def post(
        self, url: str, headers: Mapping[str, str], body: bytes
    ) -> AbstractAsyncContextManager[Response]:
        return self._exchange("POST", url, body)

    def get(self, url: str, headers: Mapping[str, str]) -> AbstractAsyncContextManager[Response]:
        return self._exchange("GET", url, b"")

    @asynccontextmanager
    async def _exchange(self, method: str, url: str, body: bytes) -> AsyncGenerator[Response]:
        entry = self._take(method, path_of(url), body)
        await asyncio.sleep(0)
        yield _Answer(entry.interaction, self._name)

    def _take(self, method: str, path: str, body: bytes) -> _Entry:
        same = [one for one in self._left if one.method == method]
        fitting = [one for one in same if one.path == path] or [
            one for one in same if _ending(one.path) == _ending(path)
        ]
        asked = question_of(body)
        if not asked.title:
            fitting = self._without_titles(fitting)
        if not fitting:
            raise HttpError(self._exhausted(method, path), transient=False)
        best = max(fitting, key=lambda one: likeness(asked, one.question))
        self._left.remove(best)
        log.debug("replaying %s %s, %d answers left", method, path, len(self._left))
        return best

    def _without_titles(self, fitting: list[_Entry]) -> list[_Entry]:
        """Titles are nobody's answer, unless the recording holds nothing else for their path."""
        paths = {one.path for one in self._entries if not one.question.title}
        return [one for one in fitting if not (one.question.title and one.path in paths)]

    def _exhausted(self, method: str, path: str) -> str:
        left = len(self._left)
        others = ", ".join(sorted({one.shown for one in self._left}))
        said = f"the recording {self._name} has no answer left for {method} {path}"
        if not self._total:
            return f"{said}: it is empty"
        used = f"{self._total - left} of its {self._total} answers were used"
        return f"{said}: {used}" + (f", the rest are for {others}" if others else "")


class _Entry:
    """An interaction that may still be used; its question is read when it is compared."""

    __slots__ = ("_question", "interaction", "method", "path")

    def __init__(self, interaction: Interaction) -> None:
        self.interaction = interaction
        self.method = interaction.method
        self.path = path_of(interaction.url)
        self._question: Question | None = None

    @property
    def shown(self) -> str:
        """What messages call it."""
        return f"{self.method} {self.path}{' (a title)' if self.question.title else ''}"

    @property
    def question(self) -> Question:
        """What was asked when it was recorded."""
        if self._question is None:
            self._question = question_of(self.interaction.body.encode())
        return self._question


class _Answer:
    """A recorded answer as a `Response`: one event a read, as it was once streamed."""

    def __init__(self, interaction: Interaction, name: str) -> None:
        self._cut = name if interaction.cut else ""
        self.status = interaction.code
        self.headers = dict(interaction.headers)
        self.headers.setdefault("content-type", _kind(interaction.answer))
        self._body = interaction.answer
        self._framed = self.headers["content-type"].startswith(bedrock_frames.CONTENT_TYPE)
        self._at = 0

    async def read(self) -> bytes:
        await asyncio.sleep(0)
        start = self._at
        if self._cut and start >= len(self._body):
            raise HttpError(
                f"the recording {self._cut} has the answer to here: whoever asked left then",
                transient=False,
            )
        if self._framed:
            self._at = bedrock_frames.frame_end(self._body, start)
        else:
            end = _EVENT_END.search(self._body, start)
            self._at = end.end() if end else len(self._body)
        return self._body[start : self._at]

    def at_end(self) -> bool:
        return self._at >= len(self._body) and not self._cut


def _kind(body: bytes) -> str:
    """What a body is whose recording does not say: Go's leave all headers out."""
    if b"\0" in body:
        return bedrock_frames.CONTENT_TYPE
    return "application/json" if body.lstrip()[:1] in (b"{", b"[") else "text/event-stream"


def path_of(url: str) -> str:
    """The path of an address, without what may differ and mean the same."""
    rest = url.partition("://")[2] or url
    path = "/" + rest.partition("/")[2]
    return re.sub("/+", "/", path.partition("?")[0].partition("#")[0]).rstrip("/") or "/"


def _ending(path: str) -> str:
    return re.split("[/:]", path)[-1]


def open_replay(path: Path) -> Replay:
    """A client over the recording at `path`. Raises `ConfigError` when it cannot be read."""
    return Replay(path.name, read_cassette(path))
