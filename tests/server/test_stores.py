"""Every conversation store keeps the same promises. Source: chat-server.md §1, §7."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from docker_agent.errors import ConfigError, RequestError
from docker_agent.messages import AssistantMessage, Conversation, Turn, UserMessage
from docker_agent.server.conversations.memory import MemoryConversations
from docker_agent.server.conversations.port import Conversations, Key
from docker_agent.server.conversations.redis import open_redis
from docker_agent.server.conversations.sqlite import open_sqlite
from docker_agent.server.conversations.table import STORES
from tests.conftest import Serve
from tests.harness import agent_yaml
from tests.requirements import requirement
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.valkey import Valkey

pytestmark = pytest.mark.anyio

Clock = list[float]
Open = Callable[[Path, int, Clock, str], AbstractAsyncContextManager[Conversations]]


class _Opened:
    def __init__(self, store: Conversations) -> None:
        self._store = store

    async def __aenter__(self) -> Conversations:
        return self._store

    async def __aexit__(self, *exc: object) -> None:
        return None


def memory(
    path: Path, limit: int, clock: Clock, url: str
) -> AbstractAsyncContextManager[Conversations]:
    return _Opened(MemoryConversations(limit, 10.0, now=lambda: clock[0]))


def sqlite(
    path: Path, limit: int, clock: Clock, url: str
) -> AbstractAsyncContextManager[Conversations]:
    return open_sqlite(str(path / "kept.db"), limit, 10.0, now=lambda: clock[0])


def redis(
    path: Path, limit: int, clock: Clock, url: str
) -> AbstractAsyncContextManager[Conversations]:
    return open_redis(url, limit, 10.0, now=lambda: clock[0])


OPENERS: dict[str, Open] = {"memory": memory, "sqlite": sqlite, "redis": redis}


def of(text: str) -> Conversation:
    turn = Turn(
        (UserMessage(text), AssistantMessage("é\u2028🙂", agent="root")),
        "root",
        "digest",
        {"todo": b"\x00\xff"},
    )
    return Conversation((turn,))


async def swap(store: Conversations, key: Key, text: str) -> Conversation | None:
    """What was kept under the key; from now on it is a conversation of `text`."""
    async with store.lease(key) as lease:
        await lease.put(of(text))
        return lease.conversation


@requirement("chat:1:conversation-stores")
def test_every_store_is_under_contract() -> None:
    """DESIGN.md §7: contract tests run over every row."""
    assert set(OPENERS) == set(STORES) - {"rediss"}


@requirement("chat:1:conversation-stores")
@pytest.mark.parametrize("name", OPENERS)
async def test_a_store_keeps_what_was_put_and_nothing_else(
    tmp_path: Path, name: str, valkey: Valkey
) -> None:
    """chat-server.md §7: by caller, agent and id; busy at once; nothing without a put."""
    clock = [100.0]
    async with OPENERS[name](tmp_path, 9, clock, valkey.url) as store:
        key = Key("ann", "root", "1")
        assert await swap(store, key, "one") is None
        assert await swap(store, key, "two") == of("one")
        for other in (Key("bob", "root", "1"), Key("ann", "x", "1"), Key("ann", "root", "2")):
            assert await swap(store, other, "other") is None
        async with store.lease(key) as lease:
            assert lease.conversation == of("two")
            with pytest.raises(RequestError) as busy:
                await swap(store, key, "three")
            assert busy.value.kind == "conversation_busy"
        with pytest.raises(ZeroDivisionError):
            async with store.lease(key):
                raise ZeroDivisionError
        assert await swap(store, key, "four") == of("two")
        assert await store.count() == 4


@requirement("chat:1:conversation-stores")
@pytest.mark.parametrize("name", OPENERS)
async def test_the_cap_and_the_ttl_hold_in_every_store(
    tmp_path: Path, name: str, valkey: Valkey
) -> None:
    """chat-server.md §1: --conversations-max and --conversation-ttl hold in every store."""
    clock = [100.0]
    async with OPENERS[name](tmp_path, 2, clock, valkey.url) as store:
        for number, id in enumerate("abac"):
            clock[0] = 100.0 + number
            await swap(store, Key("", "root", id), id)
        clock[0] = 104.0
        assert await swap(store, Key("", "root", "a"), "a") == of("a")
        clock[0] = 105.0
        assert await swap(store, Key("", "root", "b"), "b") is None
        assert await store.count() == 2
        kept = [await store.holds(Key("", "root", id)) for id in "abcd"]
        assert kept == [True, True, False, False]
        async with store.lease(Key("", "root", "d")):
            assert await store.holds(Key("", "root", "d"))
            assert not await store.holds(Key("ann", "root", "d"))
        assert not await store.holds(Key("", "root", "d"))
        clock[0] = 114.5
        assert await store.count() == 1
        assert not await store.holds(Key("", "root", "a"))
        assert await store.holds(Key("", "root", "b"))
        assert await swap(store, Key("", "root", "a"), "a") is None
        assert await swap(store, Key("", "root", "b"), "b") == of("b")


@requirement("chat:1:conversation-stores")
@pytest.mark.parametrize("rest", ["", "no/such/dir/kept.db"])
async def test_a_file_that_cannot_be_used_stops_the_start(rest: str) -> None:
    """chat-server.md §1: one clear message."""
    with pytest.raises(ConfigError, match="--conversations sqlite"):
        async with open_sqlite(rest, 9, 10.0):
            pass


@requirement("chat:1:conversation-stores")
async def test_two_servers_do_not_share_a_file(tmp_path: Path) -> None:
    """Two processes could not see each other's leases, so the second one is told."""
    async with open_sqlite(str(tmp_path / "a.db"), 9, 10.0) as first:
        await swap(first, Key("", "root", "1"), "x")
        with pytest.raises(ConfigError, match="is another server using it"):
            async with open_sqlite(str(tmp_path / "a.db"), 9, 10.0):
                pass


@requirement("chat:1:conversation-stores")
def test_a_killed_server_has_lost_no_turn_whose_end_was_seen(
    scripted: Scripted, serve: Serve, model: Model, tmp_path: Path
) -> None:
    """chat-server.md §7: with sqlite every turn whose [DONE] was seen is there after SIGKILL."""
    file = agent_yaml(scripted.url, model.name)
    flags = ("--conversations-max", "9", "--conversations", f"sqlite:{tmp_path / 'kept.db'}")
    server = serve(file, *flags)
    headers = {"X-Conversation-Id": "c"}
    for number in range(5):
        with server.client().stream(f"n{number}", headers=headers) as stream:
            stream.rest()
            assert stream.done
    server.signal(signal.SIGKILL)
    server.wait(10)
    again = serve(file, *flags)
    again.client().chat("last", headers=headers)
    texts = [m["content"] for m in model.heard[-1].messages if m["role"] == "user"]
    assert texts == ["n0", "n1", "n2", "n3", "n4", "last"]
