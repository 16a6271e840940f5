"""The ASGI application: one visible list of routes, one visible order of checks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from docker_agent.errors import RequestError
from docker_agent.runtime.agent import Teams
from docker_agent.server.auth import check_host, check_origin
from docker_agent.server.body import ClientLeft, check_length
from docker_agent.server.conversations.paused import PausedTurns
from docker_agent.server.conversations.place import Places
from docker_agent.server.conversations.port import Conversations
from docker_agent.server.cors import Cors
from docker_agent.server.errors import from_request_error
from docker_agent.server.exchange import NO_CONTENT, Exchange, Services
from docker_agent.server.keys import Keys
from docker_agent.server.paths import canonical
from docker_agent.server.rate import RateLimit
from docker_agent.server.record import Watcher
from docker_agent.server.routes.completions import complete
from docker_agent.server.routes.health import health, ready
from docker_agent.server.routes.index import index
from docker_agent.server.routes.metrics import metrics
from docker_agent.server.routes.models import list_models, retrieve_model
from docker_agent.server.routes.openapi import openapi
from docker_agent.server.running import Running
from docker_agent.server.settings import ServerSettings
from docker_agent.server.tally import Tally

log = logging.getLogger(__name__)

Handler = Callable[[Exchange], Awaitable[None]]

_EXCHANGE = "docker_agent.exchange"
_PREFLIGHT = b"access-control-request-method"


class Endpoint:
    """What one path does per method; `HEAD` goes wherever `GET` does."""

    def __init__(self, path: str, **methods: Handler) -> None:
        self.path = path
        self.name = path.replace(":path", "")
        self._methods = methods
        names = [*methods, *(["HEAD"] if "GET" in methods else []), "OPTIONS"]
        self._allow = ", ".join(sorted(names)).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange: Exchange = scope[_EXCHANGE]
        exchange.endpoint = self.name
        method = exchange.method
        handler = self._methods.get("GET" if method == "HEAD" else method)
        if handler is not None:
            await handler(exchange)
        elif method == "OPTIONS":
            await exchange.respond(NO_CONTENT, b"", [(b"allow", self._allow)])
        else:
            error = from_request_error(
                RequestError(
                    "method_not_allowed",
                    f"{method} is not allowed here; {self._allow.decode()} are.",
                )
            )
            error.headers.append((b"allow", self._allow))
            await exchange.fail(error)


ROUTES = (
    Endpoint("/v1/chat/completions", POST=complete),
    Endpoint("/v1/models", GET=list_models),
    Endpoint("/v1/models/{id:path}", GET=retrieve_model),
    Endpoint("/openapi.json", GET=openapi),
    Endpoint("/health", GET=health),
    Endpoint("/ready", GET=ready),
    Endpoint("/metrics", GET=metrics),
    Endpoint("/", GET=index),
)
_EXACT = {endpoint.path: endpoint for endpoint in ROUTES if "{" not in endpoint.path}
"""What needs no search: most requests are for one of these."""

_KNOWN = "the endpoints here are " + ", ".join(endpoint.name for endpoint in ROUTES[:-1])
OPEN_PATHS = frozenset({"/", "/openapi.json", "/health", "/ready"})
"""What needs no key."""


def build_app(
    teams: Teams,
    settings: ServerSettings,
    *,
    keys: Keys | None = None,
    cors: Cors | None = None,
    conversations: Conversations | None = None,
    running: Running | None = None,
    watchers: Sequence[Watcher] = (),
) -> ASGIApp:
    """The server as an ASGI application, to be served or mounted in another one.

    `teams` and `conversations` must stay open while the application is used. Without `keys`
    everybody is let in, without `conversations` none is kept. `watchers` are told of each request
    when it is over.
    """
    tally = Tally()
    keys = keys or Keys()
    services = Services(
        teams,
        settings,
        keys,
        cors or Cors(),
        Places(conversations, PausedTurns(settings.conversation_ttl, seal=keys.seal())),
        running or Running(),
        RateLimit(settings.rate),
        tally,
        (tally, *watchers),
    )
    routes: list[BaseRoute] = [Route(endpoint.path, endpoint) for endpoint in ROUTES]
    return App(Router(routes, default=_no_route, redirect_slashes=False), services)


class App:
    """The way in: request id, size, host, origin, key, route; and the outermost edge for errors."""

    def __init__(self, router: Router, services: Services) -> None:
        self._router = router
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._router(scope, receive, send)
            return
        exchange = Exchange(scope, receive, send, self._services)
        scope[_EXCHANGE] = exchange
        try:
            if self._admit(exchange):
                route = _EXACT.get(exchange.path) or self._router
                await route(scope, receive, send)
            else:
                await exchange.respond(NO_CONTENT, b"", Cors.preflight(exchange.headers))
        except RequestError as exc:
            await exchange.fail(exc)
        except ClientLeft:
            exchange.left_early()
        except asyncio.CancelledError:
            # The server is stopping, and nothing above us waits for this: the client is told.
            if not exchange.finished and not exchange.head_sent:
                await exchange.fail(RequestError("draining", "The server is shutting down."))
            elif not exchange.finished:
                raise
        except Exception:
            log.exception("request %s failed", exchange.request_id)
            await self._apologize(exchange)
        finally:
            ended = exchange.ended()
            for watcher in self._services.watchers:
                watcher(ended)

    def _admit(self, exchange: Exchange) -> bool:
        """Let a request in, or raise `RequestError`; false for a browser's preflight, which is
        to be answered without a key."""
        scope, keys = exchange.scope, self._services.keys
        root: str = scope.get("root_path", "")
        path: str = scope["path"].removeprefix(root)
        if path not in _EXACT:
            path = canonical(path) or "/"
        scope["path"] = root + path
        exchange.path = path
        check_length(exchange)
        if not keys.any:
            check_host(exchange.headers, self._services.settings)
        if exchange.cors:
            if exchange.method == "OPTIONS" and _PREFLIGHT in exchange.headers:
                return False
        elif not keys.any:
            check_origin(path, exchange.headers)
        try:
            exchange.caller = keys.caller(exchange.headers)
        except RequestError:
            if path not in OPEN_PATHS:
                raise
        return True

    async def _apologize(self, exchange: Exchange) -> None:
        """An error of ours: the client learns that, and the id under which the log tells more."""
        if exchange.head_sent:
            exchange.abort()
            return
        text = f"Something went wrong here; the server's log knows more of {exchange.request_id}."
        await exchange.fail(RequestError("internal_error", text))


async def _no_route(scope: Scope, receive: Receive, send: Send) -> None:
    exchange: Exchange = scope[_EXCHANGE]
    path = scope["path"]
    hint = ""
    if path.startswith("/v1/responses"):
        hint = " The Responses API is not served: set the client to Chat Completions."
    raise RequestError(
        "not_found", f"There is nothing at {exchange.method} {path}; {_KNOWN}.{hint}"
    )
