"""Conversations in Redis or Valkey: shared by several servers, each turn safe from the others.

A lease is a key with a token and a short life, renewed while its request runs. `put` compares the
token and writes in one script, so a server that was away too long writes nothing. All keys share
one hash tag: a cluster keeps them on one node, as the scripts need.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Protocol, cast
from urllib.parse import urlsplit

import anyio
import msgspec

from docker_agent.errors import ConfigError, RequestError
from docker_agent.messages import UNREADABLE, Conversation
from docker_agent.server.conversations.memory import busy
from docker_agent.server.conversations.port import Key, Lease

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = logging.getLogger(__name__)

LEASE = 30.0
"""Seconds a lease lives without renewal; it is renewed three times as often."""

PATIENCE = 5.0
"""Seconds to connect, and for one command."""

CONNECTIONS = 64
"""Connections one server opens at most; further commands wait for one."""

RELEASE = 2.0
"""Seconds that giving a lease back may take; then it runs out by itself."""

_PREFIX = "{docker-agent}:"
_USED = f"{_PREFIX}used"

# Times are milliseconds of the store's own clock, unless the caller brings one (negative: none).
_NOW = """
local function time(given)
  if tonumber(given) >= 0 then return tonumber(given) end
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
"""
_TAKE = f"""{_NOW}
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return {{0}} end
local used = redis.call('ZSCORE', KEYS[3], KEYS[2])
if not used or tonumber(used) <= time(ARGV[3]) - ARGV[4] then return {{1}} end
return {{1, redis.call('GET', KEYS[2])}}
"""
_PUT = f"""{_NOW}
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local now, ttl, limit = time(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
redis.call('SET', KEYS[2], ARGV[2], 'PX', ttl)
redis.call('ZADD', KEYS[3], now, KEYS[2])
local gone = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now - ttl)
for _, key in ipairs(gone) do redis.call('DEL', key); redis.call('ZREM', KEYS[3], key) end
local over = redis.call('ZCARD', KEYS[3]) - limit
if over > 0 then
  for _, key in ipairs(redis.call('ZRANGE', KEYS[3], 0, over - 1)) do
    redis.call('DEL', key); redis.call('ZREM', KEYS[3], key)
  end
end
return 1
"""
_RENEW = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
_RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
"""
_COUNT = f"""{_NOW}
return redis.call('ZCOUNT', KEYS[1], '(' .. (time(ARGV[1]) - ARGV[2]), '+inf')
"""
_HOLDS = f"""{_NOW}
if redis.call('EXISTS', KEYS[1]) == 1 then return 1 end
local used = redis.call('ZSCORE', KEYS[3], KEYS[2])
if not used or tonumber(used) <= time(ARGV[1]) - ARGV[2] then return 0 end
return redis.call('EXISTS', KEYS[2])
"""


class _Script(Protocol):
    """A script as the library registers it."""

    def __call__(self, keys: list[str], args: list[str | bytes | int]) -> Awaitable[object]: ...


@asynccontextmanager
async def open_redis(
    url: str,
    limit: int,
    ttl: float,
    *,
    lease: float = LEASE,
    now: Callable[[], float] | None = None,
) -> AsyncGenerator[RedisConversations]:
    """The store at `redis://…` or `rediss://…`, reached now. Raises `ConfigError` without the
    password that may stand in the address."""
    try:
        from redis.asyncio import BlockingConnectionPool, Redis
        from redis.exceptions import RedisError
    except ImportError as exc:
        raise ConfigError(
            "--conversations redis:// needs an extra: pip install 'docker-agent[redis]'"
        ) from exc
    place = _shown(url)
    try:
        pool = BlockingConnectionPool.from_url(  # pyright: ignore[reportUnknownMemberType]
            url,
            max_connections=CONNECTIONS,
            timeout=PATIENCE,
            socket_timeout=PATIENCE,
            socket_connect_timeout=PATIENCE,
        )
        client = Redis(connection_pool=pool)
    except (ValueError, RedisError) as exc:
        raise ConfigError(f"--conversations {place}: {exc}", usage=True) from exc
    try:
        try:
            await client.ping()  # pyright: ignore[reportUnknownMemberType]
        except (RedisError, OSError, TypeError, ValueError) as exc:
            raise ConfigError(f"--conversations {place}: cannot be reached: {exc}") from exc
        yield RedisConversations(client, limit, ttl, lease, now)
    finally:
        await client.aclose()
        await pool.disconnect()


def _shown(url: str) -> str:
    """An address without user, password and options."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


class RedisConversations:
    """At most `limit` conversations, each forgotten `ttl` seconds after its last use."""

    def __init__(
        self,
        client: Redis,
        limit: int,
        ttl: float,
        lease: float,
        now: Callable[[], float] | None,
    ) -> None:
        self._limit = limit
        self._ttl = round(ttl * 1000)
        self._life = round(lease * 1000)
        self._now = now
        scripts = (_TAKE, _PUT, _RENEW, _RELEASE, _COUNT, _HOLDS)
        registered = [cast(_Script, client.register_script(text)) for text in scripts]
        self._take, self._put, self._renew, self._release, self._count, self._held = registered

    def lease(self, key: Key) -> AbstractAsyncContextManager[Lease]:
        """Take one conversation; raises `RequestError` at once while another request holds it,
        here or elsewhere."""
        return self._lease(key)

    async def holds(self, key: Key) -> bool:
        """Whether a conversation is kept now, or a request is at work on it, here or elsewhere."""
        try:
            with _told():
                return bool(await self._held([*_names(key), _USED], [self._time(), self._ttl]))
        except RequestError:
            return True

    async def count(self) -> int:
        """How many conversations are kept now; -1 when nobody can tell."""
        try:
            with _told():
                return cast(int, await self._count([_USED], [self._time(), self._ttl]))
        except RequestError:
            return -1

    @asynccontextmanager
    async def _lease(self, key: Key) -> AsyncGenerator[Lease]:
        names = _names(key)
        token = secrets.token_hex(16)
        perhaps_ours = True
        try:
            with _told():
                arguments: list[str | bytes | int] = [token, self._life, self._time(), self._ttl]
                answer = cast(list[object], await self._take([*names, _USED], arguments))
            if not answer[0]:
                perhaps_ours = False
                raise busy(key.id)
            kept = _decoded(answer[1] if len(answer) > 1 else None)
            renewing = asyncio.create_task(self._keep_alive(names[0], token))
            try:
                yield _RedisLease(self, key, token, kept)
            finally:
                renewing.cancel()
        finally:
            # Also after an answer that was lost: the token tells whether the lease is ours.
            if perhaps_ours:
                with anyio.move_on_after(RELEASE, shield=True):
                    await self._give_back(names[0], token)

    async def put(self, key: Key, token: str, conversation: Conversation) -> None:
        """Keep a conversation as the newest; the idle and what is over the limit go."""
        body = msgspec.json.encode(conversation)
        arguments: list[str | bytes | int] = [token, body, self._time(), self._ttl, self._limit]
        with _told():
            done = await self._put([*_names(key), _USED], arguments)
        if not done:
            raise busy(key.id)

    async def _keep_alive(self, name: str, token: str) -> None:
        """Renew a lease until it is given back, or gone: then `put` will be refused."""
        while True:
            await asyncio.sleep(self._life / 3000)
            try:
                with _told():
                    if not await self._renew([name], [token, self._life]):
                        return
            except RequestError:
                continue

    async def _give_back(self, name: str, token: str) -> None:
        try:
            with _told():
                await self._release([name], [token])
        except RequestError as exc:
            log.warning("a lease was not given back and runs out by itself: %s", exc)

    def _time(self) -> int:
        return -1 if self._now is None else round(self._now() * 1000)


class _RedisLease:
    """A `Lease` among several servers."""

    def __init__(
        self, store: RedisConversations, key: Key, token: str, conversation: Conversation | None
    ) -> None:
        self._store = store
        self._key = key
        self._token = token
        self.conversation = conversation

    async def put(self, conversation: Conversation) -> None:
        await self._store.put(self._key, self._token, conversation)


def _names(key: Key) -> tuple[str, str]:
    """Names of the lease and of the conversation; nobody can read the client's id from them."""
    owner = msgspec.json.encode((key.caller, key.agent, key.id))
    digest = hashlib.sha256(owner).hexdigest()[:40]
    return f"{_PREFIX}lease:{digest}", f"{_PREFIX}conversation:{digest}"


def _decoded(kept: object) -> Conversation | None:
    if not isinstance(kept, bytes):
        return None
    try:
        return msgspec.json.decode(kept, type=Conversation)
    except UNREADABLE:
        return None


@contextmanager
def _told() -> Generator[None]:
    """Turns what the library raises into an error a client can act on."""
    from redis.exceptions import RedisError

    try:
        yield
    except (RedisError, OSError) as exc:
        log.error("the conversation store does not answer: %s", exc)
        raise RequestError(
            "store_unavailable", "The store of conversations does not answer; try again shortly."
        ) from exc
