"""Requests that carry a short-lived token: fetched when it is needed, kept until shortly before its
end, fetched once more when the provider refuses it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

import msgspec

from docker_agent.env.chain import Secrets
from docker_agent.models.errors import HttpError
from docker_agent.models.http_port import Http, Response
from docker_agent.models.resolve import overlaid
from docker_agent.models.scrub import BLOT, mint

TOKEN_TIMEOUT = 30.0
"""Seconds that getting a token may take."""

KEPT_TOKEN = 30.0
"""Seconds that the token of a variable is used before the variable is read again."""


class Ticket(msgspec.Struct, frozen=True):
    """A token as the headers that carry it; `secret` is the text no message may show, `lifetime`
    the seconds it may be used from now on."""

    headers: Mapping[str, str]
    secret: str
    lifetime: float

    def __repr__(self) -> str:
        return f"Ticket({BLOT}, {self.lifetime:.0f} s)"


class Tickets(Protocol):
    """Where tokens come from."""

    async def fresh(self) -> Ticket:
        """A token that was not used before, where there is one. Raises `HttpError`, whose text may
        be shown."""
        ...


class VariableTickets:
    """`Tickets` with what a variable holds."""

    def __init__(self, secrets: Secrets, name: str) -> None:
        self._secrets = secrets
        self._name = name

    async def fresh(self) -> Ticket:
        token = await asyncio.to_thread(self._secrets.get, self._name)
        if not token:
            raise HttpError(f"{self._name} environment variable is required", transient=False)
        return Ticket({"Authorization": f"Bearer {token}"}, token, KEPT_TOKEN)


class Bearer:
    """`Http` whose requests carry a token of `tickets`; each goes into `minted`, for no message to
    show it."""

    def __init__(
        self,
        http: Http,
        tickets: Tickets,
        minted: list[str],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = http
        self._tickets = tickets
        self._minted = minted
        self._now = now
        self._lock = asyncio.Lock()
        self._ticket: Ticket | None = None
        self._until = 0.0
        self._failure: HttpError | None = None
        self._failed_at = 0.0

    def post(
        self, url: str, headers: Mapping[str, str], body: bytes
    ) -> AbstractAsyncContextManager[Response]:
        return self._signed(lambda signed: self._http.post(url, signed, body), headers)

    def get(self, url: str, headers: Mapping[str, str]) -> AbstractAsyncContextManager[Response]:
        return self._signed(lambda signed: self._http.get(url, signed), headers)

    @asynccontextmanager
    async def _signed(
        self,
        send: Callable[[Mapping[str, str]], AbstractAsyncContextManager[Response]],
        headers: Mapping[str, str],
    ) -> AsyncGenerator[Response]:
        asked_at = self._now()
        ticket, kept = await self._valid(asked_at)
        async with send(overlaid(headers, ticket.headers)) as response:
            if response.status != 401:
                yield response
                return
            self._forget(ticket)
            renewed = (await self._valid(asked_at))[0] if kept else ticket
            if renewed.secret == ticket.secret:
                yield response
                return
        async with send(overlaid(headers, renewed.headers)) as response:
            if response.status == 401:
                self._forget(renewed)
            yield response

    async def _valid(self, asked_at: float) -> tuple[Ticket, bool]:
        """A token, and whether it was there before. Those who wait for one that cannot be had fail
        together."""
        async with self._lock:
            if self._ticket is not None and self._now() < self._until:
                return self._ticket, True
            if self._failure is not None and self._failed_at > asked_at:
                failure = self._failure
                raise HttpError(str(failure), transient=failure.transient)
            try:
                async with asyncio.timeout(TOKEN_TIMEOUT):
                    self._ticket = await self._tickets.fresh()
            except TimeoutError as exc:
                raise self._failed(HttpError("signing in took too long", transient=True)) from exc
            except HttpError as exc:
                raise self._failed(exc) from exc
            self._until = self._now() + self._ticket.lifetime
            mint(self._minted, self._ticket.secret)
            return self._ticket, False

    def _failed(self, failure: HttpError) -> HttpError:
        self._failure, self._failed_at = failure, self._now()
        return failure

    def _forget(self, ticket: Ticket) -> None:
        if self._ticket is ticket:
            self._ticket = None
