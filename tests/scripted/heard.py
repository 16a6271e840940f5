"""What a scripted model was asked, and how each asking ended."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import anyio.to_thread

from tests.scripted.embeddings import embedded
from tests.scripted.gate import PATIENCE
from tests.scripted.parts import Reply, say

Script = Reply | Callable[["Heard"], Reply]


@dataclass(slots=True, eq=False)
class Heard:
    """One request: what came in, and what became of the answer.

    `headers` have lower-case names; `raw` is the undecoded body; `connection` tells TCP
    connections apart. `written` counts body bytes that the kernel took.
    """

    body: dict[str, Any]
    headers: dict[str, str]
    raw: bytes
    path: str
    connection: int
    number: int
    written: int = 0
    finished: bool = False
    """The reply was written to its end."""
    cut: bool = False
    """The peer hung up before the reply was finished."""
    stalled: threading.Event = field(default_factory=threading.Event)
    """Set when the peer stopped reading: a write got nowhere for `STALL` seconds."""
    over: threading.Event = field(default_factory=threading.Event)
    """Set when nothing more will happen: finished, cut, or died as scripted."""

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The conversation as it was sent."""
        return self.body.get("messages", [])

    @property
    def text(self) -> str:
        """Text of the last user message, "" without one."""
        for message in reversed(self.messages):
            if message.get("role") == "user":
                return _text(message.get("content"))
        return ""

    @property
    def tool_names(self) -> list[str]:
        """Names of the functions on offer, in order."""
        tools: list[dict[str, Any]] = self.body.get("tools") or []
        return [tool["function"]["name"] for tool in tools]

    def wait_cut(self, timeout: float = PATIENCE) -> bool:
        """True: the peer hung up before the reply was finished. False: it did not, or not yet
        after `timeout` seconds."""
        self.over.wait(timeout)
        return self.cut

    def wait_finished(self, timeout: float = PATIENCE) -> bool:
        """True: the whole reply was written. False: it was cut, died, or is not done yet."""
        self.over.wait(timeout)
        return self.finished

    def wait_stalled(self, timeout: float = PATIENCE) -> bool:
        """True: the peer stopped reading, and `written` stands still."""
        return self.stalled.wait(timeout)

    async def await_cut(self) -> bool:
        """`wait_cut` for tests that are coroutines."""
        return await anyio.to_thread.run_sync(self.wait_cut, abandon_on_cancel=True)

    async def await_finished(self) -> bool:
        """`wait_finished` for tests that are coroutines."""
        return await anyio.to_thread.run_sync(self.wait_finished, abandon_on_cancel=True)

    async def await_stalled(self) -> bool:
        """`wait_stalled` for tests that are coroutines."""
        return await anyio.to_thread.run_sync(self.wait_stalled, abandon_on_cancel=True)


class Model:
    """One model name of the scripted server: what it will say, and what it heard.

    Used from the test's thread and from the server's.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._changed = threading.Condition()
        self._heard: list[Heard] = []
        self._script: tuple[Script, ...] = (echo,)
        self._position = 0

    @property
    def heard(self) -> list[Heard]:
        """All requests so far, oldest first."""
        with self._changed:
            return list(self._heard)

    def script(self, *replies: Script) -> Model:
        """One reply per request from now on, in order; the last one repeats.

        A function gets what was heard and returns the reply. None at all: the echo again.
        """
        with self._changed:
            self._script = replies or (echo,)
            self._position = 0
        return self

    def forget(self) -> Model:
        """Back to the echo, nothing heard."""
        with self._changed:
            self._heard.clear()
        return self.script()

    def wait_heard(self, count: int = 1, timeout: float = PATIENCE) -> Heard:
        """The request number `count`; fails the test when it has not come after `timeout` s."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._heard) >= count, timeout):
                raise AssertionError(
                    f"model {self.name} heard {len(self._heard)} of {count} requests in {timeout} s"
                )
            return self._heard[count - 1]

    async def await_heard(self, count: int = 1) -> Heard:
        """`wait_heard` for tests that are coroutines."""
        return await anyio.to_thread.run_sync(self.wait_heard, count, abandon_on_cancel=True)

    def answer(self, heard: Heard) -> Reply:
        """For the server: note the request and say what comes next."""
        with self._changed:
            heard.number = len(self._heard)
            self._heard.append(heard)
            script = self._script[min(self._position, len(self._script) - 1)]
            self._position += 1
            self._changed.notify_all()
        return script if isinstance(script, Reply) else script(heard)


def echo(heard: Heard) -> Reply:
    """The last user text again; vectors, where these were asked for."""
    return embedded(heard) if heard.path.endswith("/embeddings") else say(heard.text)


def _text(content: str | list[dict[str, Any]] | None) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content or [])
