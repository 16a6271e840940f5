"""A newer catalogue of models: fetched when the user asks, or once a day when a server is told to.

Nothing here runs by itself: without `models refresh` and `--refresh-models` no start and no request
asks the network. Source: agent-file.md §3.5.
"""

from __future__ import annotations

import asyncio
import calendar
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urljoin

import msgspec

from docker_agent.disk import write_whole
from docker_agent.errors import ConfigError
from docker_agent.messages import UNREADABLE
from docker_agent.models.catalogue import FILE, Database, Kept, decode_providers, read_kept
from docker_agent.models.errors import HttpError
from docker_agent.models.http_port import Http, Response

log = logging.getLogger(__name__)

URL = "https://models.dev/api.json"
URL_VARIABLE = "DOCKER_AGENT_MODELS_CATALOGUE"
"""Names another place to fetch the catalogue from."""

FETCH_TIMEOUT = 30.0
"""Seconds that fetching the catalogue may take."""
MAX_CATALOGUE = 64 * 1024 * 1024
"""Bytes of a catalogue."""
MAX_REDIRECTS = 3
FRESH = 24 * 3600.0
"""Seconds a fetched catalogue is as good as new."""
RETRY = 3600.0
"""Seconds until a fetch that failed is tried again."""
START_WAIT = 2.0
"""Seconds a start waits for the fetch it was asked for; then it goes on with what is here."""

_FORM = "%Y-%m-%dT%H:%M:%SZ"
_REDIRECTS = (301, 302, 303, 307, 308)


async def refresh(folder: Path, http: Http, url: str = URL) -> str:
    """Fetch the catalogue and keep it in `folder`; says what came of it.

    Raises `ConfigError` when it cannot be fetched or is none; the one that is there stays.
    """
    if not url.startswith(("https://", "http://")):
        raise ConfigError(f"{URL_VARIABLE}={url}: is no http(s) address")
    kept = await asyncio.to_thread(read_kept, folder)
    tag = kept.etag if kept is not None else ""
    try:
        async with asyncio.timeout(FETCH_TIMEOUT):
            status, etag, body = await _fetched(http, url, {"If-None-Match": tag} if tag else {})
    except (HttpError, TimeoutError) as exc:
        reason = str(exc) or f"no answer in {FETCH_TIMEOUT:.0f} seconds"
        raise ConfigError(
            f"the catalogue could not be fetched: {reason}; the one that is here stays"
        ) from exc
    if status == 304 and kept is not None:
        _keep(folder, msgspec.structs.replace(kept, last_refresh=_now()))
        return "the catalogue is as new as can be"
    if status != 200:
        raise ConfigError(f"the catalogue could not be fetched: HTTP {status}")
    try:
        providers = decode_providers(body)
    except UNREADABLE as exc:
        raise ConfigError(f"what was fetched is no catalogue of models: {exc}") from exc
    await asyncio.to_thread(_keep, folder, Kept(Database(providers), _now(), etag))
    count = sum(len(maker.models) for maker in providers.values())
    return f"the catalogue has {count} models of {len(providers)} providers"


async def _fetched(http: Http, url: str, headers: dict[str, str]) -> tuple[int, str, bytes]:
    """Status, tag and body of what an address has. Raises `HttpError`."""
    for _ in range(MAX_REDIRECTS + 1):
        async with http.get(url, headers) as response:
            place = response.headers.get("location", "")
            if response.status not in _REDIRECTS or not place:
                return response.status, response.headers.get("etag", ""), await _read(response)
        onward = urljoin(url, place)
        if url.startswith("https://") and not onward.startswith("https://"):
            raise HttpError("it sends to an address without TLS", transient=False)
        url = onward
    raise HttpError("it sends from one address to the next", transient=False)


async def _read(response: Response) -> bytes:
    body = bytearray()
    while piece := await response.read():
        body += piece
        if len(body) > MAX_CATALOGUE:
            raise HttpError(f"it is larger than {MAX_CATALOGUE} bytes", transient=False)
    return bytes(body)


def _keep(folder: Path, kept: Kept) -> None:
    path = folder / FILE
    try:
        write_whole(path, msgspec.json.encode(kept))
    except OSError as exc:
        raise ConfigError(f"{path} cannot be written: {exc.strerror or exc}") from exc


def _now() -> str:
    return time.strftime(_FORM, time.gmtime())


def age(folder: Path, now: Callable[[], float] = time.time) -> float:
    """Seconds since the catalogue in `folder` was fetched; endless without one."""
    kept = read_kept(folder)
    try:
        return now() - calendar.timegm(time.strptime(kept.last_refresh if kept else "", _FORM))
    except ValueError:
        return float("inf")


@asynccontextmanager
async def refreshing(
    folder: Path,
    http: Http,
    url: str = URL,
    *,
    start_wait: float = START_WAIT,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> AsyncGenerator[None]:
    """While the context lasts, the catalogue in `folder` is fetched anew whenever it is a day old.

    Entering waits `start_wait` seconds at most for the first fetch; what fails is told to the log
    and tried again. Models know what is new when agents are loaded the next time.
    """
    looked = asyncio.Event()
    keeping = asyncio.create_task(_keep_fresh(folder, http, url, looked, sleep))
    try:
        try:
            async with asyncio.timeout(start_wait):
                await looked.wait()
        except TimeoutError:
            log.warning("the catalogue of models does not come; the one that is here is used")
        yield
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])


async def _keep_fresh(
    folder: Path,
    http: Http,
    url: str,
    looked: asyncio.Event,
    sleep: Callable[[float], Awaitable[object]],
) -> None:
    while True:
        old = await asyncio.to_thread(age, folder)
        fresh = 0 <= old < FRESH
        wait = FRESH - old if fresh else FRESH
        if not fresh:
            try:
                log.info("%s", await refresh(folder, http, url))
            except ConfigError as exc:
                log.warning("%s", exc)
                wait = RETRY
        looked.set()
        await sleep(wait)
