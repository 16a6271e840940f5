"""Agents and keys read again while the server runs: on SIGHUP, when a file changes, when a tag
moves."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import msgspec

from docker_agent.cli import notify
from docker_agent.errors import ConfigError
from docker_agent.loader.generations import Generations
from docker_agent.loader.reading import Seen
from docker_agent.registry.elsewhere import Elsewhere
from docker_agent.server.keys import Keys

log = logging.getLogger(__name__)

LOOK_INTERVAL = 0.5
"""Seconds between two looks at the files."""

SETTLED = 0.2
"""Seconds without a further change after which a file counts as written."""

OpenElsewhere = Callable[[], AbstractAsyncContextManager[Elsewhere]]


class Watching(msgspec.Struct, frozen=True):
    """What is watched: `files` on this machine, and every `pull_interval` seconds (0: never) what
    lies elsewhere."""

    files: bool = False
    pull_interval: float = 0.0


@asynccontextmanager
async def reloading(
    keys: Keys, teams: Generations, seen: Seen, watching: Watching, elsewhere: OpenElsewhere
) -> AsyncGenerator[None]:
    """Read keys and agents again whenever there is a reason to, one time after the other."""
    wanted = asyncio.Event()
    work: list[Coroutine[object, object, None]] = [
        _reload_when(wanted, lambda: reload(keys, teams))
    ]
    if watching.files:
        if not seen.watchable:
            log.warning("--watch: no file on this machine was read, so none can change")
        work.append(_watch_files(seen, wanted.set))
    if watching.pull_interval:
        work.append(_watch_elsewhere(seen, watching.pull_interval, elsewhere, wanted.set))
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, wanted.set)
    tasks = [loop.create_task(each) for each in work]
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def reload(keys: Keys, teams: Generations) -> None:
    """What is broken stays as it was, and the log says so."""
    notify.reloading(os.environ)
    try:
        keys.reload()
    except ConfigError as exc:
        log.error("the keys stay as they were: %s", exc)
    try:
        await teams.reload()
    except ConfigError as exc:
        log.error("the agents stay as they were: %s", exc)
    else:
        log.info("the agents were read again")
    finally:
        notify.ready(os.environ)


async def _reload_when(wanted: asyncio.Event, again: Callable[[], Awaitable[None]]) -> None:
    """A wish that comes during a reload is granted after it."""
    while True:
        await wanted.wait()
        wanted.clear()
        try:
            await again()
        except Exception:
            log.exception("the agents stay as they were: reading them failed")


async def _watch_files(seen: Seen, changed: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(LOOK_INTERVAL)
        found = await asyncio.to_thread(seen.changed)
        if not found:
            continue
        while found:
            log.info("%s changed", ", ".join(str(path) for path in found))
            await asyncio.sleep(SETTLED)
            found = await asyncio.to_thread(seen.changed)
        changed()


async def _watch_elsewhere(
    seen: Seen, interval: float, elsewhere: OpenElsewhere, moved: Callable[[], None]
) -> None:
    while True:
        await asyncio.sleep(interval)
        async with elsewhere() as opened:
            found = await seen.moved(opened)
        if found:
            log.info("%s moved", ", ".join(source.name for source in found))
            moved()
