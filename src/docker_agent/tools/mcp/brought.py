"""Servers that conversations have brought in: each conversation has sessions of its own, so that
what a server remembers of one is never shown to another."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Literal

import msgspec

from docker_agent.errors import ToolError
from docker_agent.messages import NO_TOOLS, ToolList, ToolSpec
from docker_agent.tools.background import Background
from docker_agent.tools.life import Ended, Policy, StartError
from docker_agent.tools.mcp.offers import Offer
from docker_agent.tools.mcp.options import Address
from docker_agent.tools.mcp.places import Bounds, Places
from docker_agent.tools.mcp.toolset import Mcp, Server, loaded
from docker_agent.tools.port import Around, usable_name

if TYPE_CHECKING:
    from docker_agent.tools.mcp.session import Session

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 64
"""Sessions with servers that one toolset keeps, over all conversations."""

IDLE_SECONDS = 300.0
"""After which a session is closed that its conversation has not used; its next turn opens
another."""

CONNECT_SECONDS = 15.0
"""For one start: the address, the hello, and the listing."""

ENABLE_SECONDS = 20.0
"""How long enabling a server takes at most, with the starts that are tried again at once."""

REMEMBERED_LISTINGS = 64
"""Joined listings that are kept: one for each set of servers in use."""

FORMS = 4
"""Listings of one server that are kept for all conversations: servers may list differently."""

WANTS_SIGN_IN = "it wants somebody to sign in, other than its catalogue says"

BOUNDS = Bounds(
    MAX_CONNECTIONS,
    IDLE_SECONDS,
    f"{MAX_CONNECTIONS} servers are in use by conversations at this moment; try later",
)

Key = tuple[str, Offer]
"""Whose session, and with which server."""


class Brought:
    """The sessions of all conversations with the servers they have enabled."""

    def __init__(self, background: Background, *, private: bool = False) -> None:
        """`private` allows servers at addresses that are not public."""
        self._private = private
        self._places: Places[Key] = Places(BOUNDS, background)
        self._same: dict[str, list[ToolList]] = {}
        self._joined: dict[tuple[int, ...], tuple[Sequence[ToolList], ToolList]] = {}
        self._told: set[str] = set()

    @contextmanager
    def used(self, owner: str, offer: Offer) -> Generator[Mcp]:
        """The session of a conversation with a server, in use while the block runs."""
        with self._places.used((owner, offer), lambda: self._session(offer)) as session:
            yield session

    async def open(self, owner: str, offer: Offer, seconds: float) -> None:
        """Connect for the first time; what does not come about is closed again.

        Raises `ToolError` with the reason.
        """
        try:
            with self.used(owner, offer) as session:
                await session.life.get(min(ENABLE_SECONDS, seconds))
        except BaseException:
            self.close_one(owner, offer)
            raise

    def close_one(self, owner: str, offer: Offer) -> None:
        """End the session of a conversation with a server."""
        self._places.drop((owner, offer))

    async def close(self) -> None:
        """End all of them."""
        await self._places.close()

    def state(self, owner: str, offer: Offer) -> tuple[Literal["connected", "idle", "away"], str]:
        """How the session of a conversation stands, and why it is away."""
        session = self._places.known((owner, offer))
        if session is None:
            return "idle", ""
        if session.life.held is not None:
            return "connected", ""
        return "away", session.status.reason

    async def listings(self, offers: Sequence[Offer], around: Around) -> list[ToolList]:
        """What each server has, asked side by side; nothing of one that is away."""
        return list(await asyncio.gather(*(self._listing(offer, around) for offer in offers)))

    async def _listing(self, offer: Offer, around: Around) -> ToolList:
        try:
            with self.used(around.owner, offer) as session:
                return self._shared(offer.id, await session.tools(around))
        except ToolError as exc:
            log.debug("server %s of the catalogue is left out: %s", offer.id, exc)
            return NO_TOOLS

    def _shared(self, id: str, listing: ToolList) -> ToolList:
        """One object for the same listing in all conversations, so that it is merged and written
        once."""
        known = self._same.setdefault(id, [])
        for each in known:
            if each is listing or (
                each.specs == listing.specs and each.instructions == listing.instructions
            ):
                return each
        known.append(listing)
        del known[:-FORMS]
        return listing

    def joined(
        self, first: ToolList, offers: Sequence[Offer], found: Sequence[ToolList]
    ) -> ToolList:
        """The toolset's own tools and those of the servers; the first of a name wins."""
        parts = (first, *found)
        key = tuple(map(id, parts))
        remembered = self._joined.get(key)
        if remembered is None:
            if len(self._joined) >= REMEMBERED_LISTINGS:
                del self._joined[next(iter(self._joined))]
            remembered = self._joined[key] = (parts, self._join(first, offers, found))
        return remembered[1]

    def _join(
        self, first: ToolList, offers: Sequence[Offer], found: Sequence[ToolList]
    ) -> ToolList:
        specs: dict[str, ToolSpec] = {spec.name: spec for spec in first.specs}
        whose = dict.fromkeys(specs, "the catalogue")
        texts = [first.instructions]
        for offer, listing in zip(offers, found, strict=True):
            for spec in listing.specs:
                if spec.name not in specs:
                    specs[spec.name] = msgspec.structs.replace(spec, brought=True)
                    whose[spec.name] = f"server {offer.id}"
                elif spec.name not in self._told:
                    self._told.add(spec.name)
                    log.warning(
                        "tool %s of server %s is hidden by the one of %s",
                        spec.name,
                        offer.id,
                        whose[spec.name],
                    )
            if listing.instructions:
                texts.append(f"### Server {offer.id}\n\n{listing.instructions}")
        return ToolList([*specs.values()], instructions="\n\n".join(texts))

    def _session(self, offer: Offer) -> Mcp:
        address = Address(offer.url, "streamable", private=self._private)

        @asynccontextmanager
        async def connect(ended: Ended) -> AsyncGenerator[Session]:
            await loaded()
            from docker_agent.tools.mcp import connect as sdk
            from docker_agent.tools.mcp.oauth import NEEDS_LOGIN

            try:
                # Nobody has chosen this server by hand, so it hears nothing of this machine.
                async with sdk.connect_remote(sdk.Remote((address,)), None, ended) as session:
                    yield session
            except StartError as exc:
                if exc.reason == NEEDS_LOGIN:
                    raise StartError(WANTS_SIGN_IN, lasting=True) from exc
                raise

        policy = Policy(startup_timeout=CONNECT_SECONDS, restart="always")
        return Mcp(Server(offer.id, usable_name(offer.id), connect, policy))
