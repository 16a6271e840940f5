"""The life of the server: open the team, bind, say so, serve until a signal, close everything."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Literal

import msgspec

from docker_agent.cli.listen import Listen, banner, bind
from docker_agent.env.chain import Secrets
from docker_agent.loader.build import open_team
from docker_agent.loader.generations import open_generations
from docker_agent.loader.overrides import Overrides
from docker_agent.loader.source import Source
from docker_agent.models.http import open_http
from docker_agent.runtime.agent import Team
from docker_agent.server.app import build_app
from docker_agent.server.serve import serve
from docker_agent.server.settings import ServerSettings

log = logging.getLogger(__name__)

LoopName = Literal["uvloop", "asyncio"]


class Serving(msgspec.Struct, frozen=True):
    """All that a server is started from."""

    source: Source
    overrides: Overrides
    secrets: Secrets
    listen: Listen
    settings: ServerSettings
    loop: LoopName


def serve_until_stopped(serving: Serving) -> None:
    """Serve until SIGINT or SIGTERM. Raises `ConfigError` when the start fails."""
    with asyncio.Runner(loop_factory=_loop_factory(serving.loop)) as runner:
        runner.run(_serve(serving))


async def _serve(serving: Serving) -> None:
    async with open_http() as http:

        def open_now() -> AbstractAsyncContextManager[Team]:
            return open_team(serving.source, serving.overrides, serving.secrets, http)

        async with open_generations(open_now) as teams:
            bound = bind(serving.listen)
            app = build_app(teams, serving.settings)
            _settle_memory()
            await serve(app, bound, ready=lambda: _announce(banner(bound)))


def _announce(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _settle_memory() -> None:
    """What the start made stays for good: the collector need not look at it again and again."""
    gc.collect()
    gc.freeze()


def _loop_factory(name: LoopName) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if name == "asyncio":
        return None
    try:
        import uvloop
    except ImportError:
        log.warning("uvloop is not installed; using asyncio's own loop")
        return None
    return uvloop.new_event_loop
