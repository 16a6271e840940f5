"""The life of the server: open the team, bind, say so, serve until a signal, close everything."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Literal

import msgspec

from docker_agent.cli import notify
from docker_agent.cli.listen import Listen, banner, bind
from docker_agent.cli.reloading import Watching, reloading
from docker_agent.env.chain import Secrets
from docker_agent.errors import ConfigError
from docker_agent.hooks.large_results import open_large_results
from docker_agent.loader.build import open_team
from docker_agent.loader.generations import open_generations
from docker_agent.loader.overrides import Overrides
from docker_agent.loader.reading import Seen
from docker_agent.loader.source import Source
from docker_agent.models.http import open_http
from docker_agent.models.road import open_road
from docker_agent.registry.elsewhere import Elsewhere, open_elsewhere
from docker_agent.runtime.agent import Team
from docker_agent.server.access import log_access
from docker_agent.server.app import build_app
from docker_agent.server.conversations.place import key_of
from docker_agent.server.conversations.port import Conversations
from docker_agent.server.conversations.table import STORES
from docker_agent.server.cors import Cors
from docker_agent.server.keys import Keys
from docker_agent.server.record import Watcher
from docker_agent.server.running import Running
from docker_agent.server.serve import serve
from docker_agent.server.settings import ServerSettings
from docker_agent.server.telemetry import open_telemetry
from docker_agent.tools.jobs import Jobs

log = logging.getLogger(__name__)

LoopName = Literal["uvloop", "asyncio"]

COLLECT_AFTER = 10_000
"""Objects that came and stayed since the collector of cycles last looked; Python's own 700 makes it
look several times in every hundred requests."""


class Serving(msgspec.Struct, frozen=True):
    """All that a server is started from."""

    source: Source
    overrides: Overrides
    secrets: Secrets
    listen: Listen
    settings: ServerSettings
    keys: Keys
    cors: Cors
    conversations: str
    shutdown_timeout: float
    loop: LoopName
    fake: Path | None = None
    record: Path | None = None
    watching: Watching = Watching()
    otel: bool = False
    refresh_models: bool = False


def serve_until_stopped(serving: Serving) -> None:
    """Serve until SIGINT or SIGTERM. Raises `ConfigError` when the start fails."""
    with asyncio.Runner(loop_factory=_loop_factory(serving.loop)) as runner:
        runner.run(_serve(serving))


async def _serve(serving: Serving) -> None:
    seen = Seen()
    running = Running()
    jobs = Jobs(idle=serving.settings.conversation_ttl)
    async with (
        open_road(serving.fake, serving.record) as http,
        _fresh_catalogue(serving),
        open_large_results(serving.settings.conversation_ttl, _lasting(serving)) as results,
    ):

        def open_now() -> AbstractAsyncContextManager[Team]:
            return open_team(
                serving.source, serving.overrides, serving.secrets, http, seen, results, jobs
            )

        def elsewhere() -> AbstractAsyncContextManager[Elsewhere]:
            data_dir = serving.overrides.data_dir
            return open_elsewhere(data_dir, os.environ, serving.secrets.get)

        async with (
            open_generations(open_now) as teams,
            _open_conversations(serving) as conversations,
            _ending_with(conversations, jobs),
            _telemetry(serving.otel, running) as telemetry,
        ):
            _check_aliases(serving.settings, teams.peek())
            bound = bind(serving.listen)
            app = build_app(
                teams,
                serving.settings,
                keys=serving.keys,
                cors=serving.cors,
                conversations=conversations,
                running=running,
                watchers=(log_access, *telemetry),
            )
            _settle_memory()
            async with reloading(serving.keys, teams, seen, serving.watching, elsewhere):
                await serve(
                    app,
                    bound,
                    ready=lambda: _announce(banner(bound)),
                    stopping=lambda: _drain(running),
                    shutdown_timeout=serving.shutdown_timeout,
                )


def _lasting(serving: Serving) -> Path | None:
    """Where large results lie that outlive the server: beside the file of conversations that do;
    None where conversations do not, or are shared by servers that need not share a disk."""
    kind, _, rest = serving.conversations.partition(":")
    kept = kind == "sqlite" and serving.settings.conversations_max > 0
    place = Path(f"{rest}.results").absolute()
    return place if kept and rest and place.parent.is_dir() else None


@asynccontextmanager
async def _fresh_catalogue(serving: Serving) -> AsyncGenerator[None]:
    """The catalogue of models kept new, where that is wanted; recordings do not hold it."""
    if not serving.refresh_models:
        yield
        return
    from docker_agent.models import refresh

    url = os.environ.get(refresh.URL_VARIABLE) or refresh.URL
    async with open_http() as http, refresh.refreshing(serving.overrides.data_dir, http, url):
        yield


@asynccontextmanager
async def _ending_with(conversations: Conversations | None, jobs: Jobs) -> AsyncGenerator[None]:
    """Background jobs end with the conversation that they belong to, wherever it is kept."""

    async def holds(owner: str) -> bool:
        return conversations is not None and await conversations.holds(key_of(owner))

    with jobs.asking(holds):
        yield


@asynccontextmanager
async def _telemetry(wanted: bool, running: Running) -> AsyncGenerator[Sequence[Watcher]]:
    """Who exports traces and metrics; nobody unless wanted."""
    if not wanted:
        yield ()
        return
    async with open_telemetry(running) as watcher:
        yield (watcher,)


@asynccontextmanager
async def _open_conversations(serving: Serving) -> AsyncGenerator[Conversations | None]:
    """The store of `--conversations`; None when none are to be kept. Raises `ConfigError`."""
    name, _, rest = serving.conversations.partition(":")
    if name not in STORES:
        known = ", ".join(STORES)
        raise ConfigError(
            f"--conversations {name}: no such store; there are: {known}",
            usage=True,
        )
    settings = serving.settings
    if settings.conversations_max <= 0:
        if name != "memory":
            raise ConfigError(
                f"--conversations {name} keeps nothing without --conversations-max above 0",
                usage=True,
            )
        yield None
        return
    if name == "memory":
        log.warning("conversations are kept in memory and do not survive a restart")
    async with STORES[name](rest, settings.conversations_max, settings.conversation_ttl) as store:
        yield store


def _check_aliases(settings: ServerSettings, team: Team) -> None:
    for alias, target in settings.aliases.items():
        if target not in team.listed:
            known = ", ".join(team.listed)
            raise ConfigError(f"--model-alias {alias}={target}: no such agent; there are: {known}")


def _announce(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
    notify.ready(os.environ)


def _drain(running: Running) -> None:
    running.drain()
    notify.stopping(os.environ)


def _settle_memory() -> None:
    """What the start made stays for good: the collector need not look at it again and again. What
    requests make is nearly all gone without it, so it looks seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 20, 20)


def _loop_factory(name: LoopName) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if name == "asyncio":
        return None
    try:
        import uvloop
    except ImportError:
        log.warning("uvloop is not installed; using asyncio's own loop")
        return None
    return uvloop.new_event_loop
