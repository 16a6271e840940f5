"""The servers of the catalogue that a model may choose among: found by words, told with why others
are not theirs. Source: runtime.md §9.20."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import cast

import msgspec

from docker_agent.config.convert import did_you_mean
from docker_agent.errors import ToolError
from docker_agent.tools.mcp.catalog import Catalog, Entry

log = logging.getLogger(__name__)

HELD_SECONDS = 600.0
"""How long a catalogue is taken for the newest without a look at its copy."""

MAX_ID = 128
"""Characters of an id; a server whose id is longer, or no plain line, is not offered."""

MAX_TEXT = 500
"""Characters of a title or description that a model is shown."""

MIN_PART = 3
"""Letters of a word that is looked for within longer ones."""

NO_AUTH = "none"
STREAMABLE = ("", "streamable", "streamable-http", "http")
"""The names of the one transport that is spoken with servers of the catalogue."""

_WORD = re.compile(r"\w+")

Load = Callable[[], Awaitable[tuple[Catalog, str]]]
"""Gives the catalogue, and what was wrong with it."""


class Offer(msgspec.Struct, frozen=True):
    """A server that a model may enable, as it is told of it."""

    id: str
    title: str
    description: str
    category: str
    auth: str
    url: str


class _Known(msgspec.Struct, frozen=True):
    """One reading of the catalogue: what is offered, and the words that each is found by."""

    entries: Mapping[str, Entry]
    offers: Mapping[str, Offer]
    words: Mapping[str, tuple[str, str]]


class Shelf:
    """The catalogue behind one toolset, read when it is first asked for."""

    def __init__(
        self,
        load: Load,
        allowed: Sequence[str] = (),
        blocked: Sequence[str] = (),
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`allowed` are the only ids that are offered (none named: all), `blocked` never are."""
        self._load = load
        self._allowed = frozenset(id.strip() for id in allowed)
        self._blocked = frozenset(id.strip() for id in blocked)
        self._now = now
        self._known: _Known | None = None
        self._read = 0.0
        self._reading = asyncio.Lock()
        self._trouble = ""
        self._unknown: list[str] = []

    @property
    def known(self) -> Mapping[str, Offer]:
        """What was offered when it was last read; nothing before."""
        return self._known.offers if self._known else {}

    async def offers(self) -> Mapping[str, Offer]:
        """All that is offered, by id. Raises `ToolError` when the catalogue cannot be had."""
        return (await self._newest()).offers

    async def search(self, query: str) -> list[Offer]:
        """What fits the words best, best first; all of it where there are none."""
        known = await self._newest()
        words = [word.lower() for word in _WORD.findall(query)]
        if not words:
            return sorted(known.offers.values(), key=lambda offer: offer.id)
        scores = {id: _score(known.words[id], words) for id in known.offers}
        found = [offer for id, offer in known.offers.items() if scores[id]]
        return sorted(found, key=lambda offer: (-scores[offer.id], offer.id))

    async def offer(self, id: str) -> Offer:
        """The server of this id. Raises `ToolError` that says why it is not to be had."""
        known = await self._newest()
        found = known.offers.get(id)
        if found is None:
            raise ToolError(self._why_not(id, known))
        return found

    async def _newest(self) -> _Known:
        async with self._reading:
            if self._known is None or self._now() - self._read >= HELD_SECONDS:
                self._known = await self._look(self._known)
                self._read = self._now()
            return self._known

    async def _look(self, old: _Known | None) -> _Known:
        catalog, problem = await self._load()
        if problem and problem != self._trouble:
            log.warning("%s", problem)
        self._trouble = problem
        if catalog.registry is not None:
            return self._sorted_out(catalog.registry)
        if old is None:
            raise ToolError(f"{problem}; try again later")
        return old

    def _sorted_out(self, entries: Mapping[str, Entry]) -> _Known:
        unknown = sorted((self._allowed | self._blocked) - entries.keys())
        if unknown and unknown != self._unknown:
            log.warning("mcp_catalog: the catalogue has no server named %s", ", ".join(unknown))
        self._unknown = unknown
        offers = {
            id: _offer(id, entry)
            for id, entry in entries.items()
            if self._may(id) and len(id) <= MAX_ID and id.isprintable() and not _lack(entry)
        }
        return _Known(entries, offers, {id: _words(offers[id], entries[id]) for id in offers})

    def _may(self, id: str) -> bool:
        return id not in self._blocked and (not self._allowed or id in self._allowed)

    def _why_not(self, id: str, known: _Known) -> str:
        entry = known.entries.get(id)
        if entry is None:
            hint = did_you_mean(id, known.offers)
            return f"the catalogue has no server '{id}'{hint}; look with search_remote_mcp_servers"
        if not self._may(id):
            return f"the server '{id}' may not be used here; the agent file does not allow it"
        lack = _lack(entry) or "its id is not usable"
        return (
            f"the server '{id}' cannot be enabled: {lack}; choose one that "
            "search_remote_mcp_servers finds"
        )


def _lack(entry: Entry) -> str:
    """What keeps a server from being used by anybody at once; nothing for one that is offered."""
    remote = entry.remote
    if entry.type != "remote" or remote is None or not remote.url:
        return "it is a program, no service"
    if not remote.url.lower().startswith(("http://", "https://")):
        return "its address is no web address"
    if (remote.transport_type or "") not in STREAMABLE:
        return f"it speaks {remote.transport_type!r}, and only streamable HTTP is spoken here"
    if _asks_for_sign_in(entry.oauth):
        return "it wants somebody to sign in (OAuth), and nobody is there to do it"
    if entry.secrets or remote.headers or "${" in remote.url:
        return "it needs a key, which only an operator can give it"
    return ""


def _asks_for_sign_in(oauth: object) -> bool:
    """Whether there is anything in it, at any depth."""
    if isinstance(oauth, Mapping):
        return any(_asks_for_sign_in(each) for each in cast("Mapping[str, object]", oauth).values())
    if isinstance(oauth, list):
        return bool(cast("list[object]", oauth))
    return bool(oauth)


def _offer(id: str, entry: Entry) -> Offer:
    assert entry.remote is not None
    about = entry.metadata
    return Offer(
        id,
        _line(entry.title) or id,
        _line(entry.description),
        _line(about.category if about else None),
        NO_AUTH,
        entry.remote.url,
    )


def _line(text: str | None) -> str:
    return " ".join((text or "").split())[:MAX_TEXT]


def _words(offer: Offer, entry: Entry) -> tuple[str, str]:
    """What a server is called, and what is said of it, in lower case."""
    tags = (entry.metadata.tags if entry.metadata else None) or ()
    said = " ".join((offer.description, offer.category, *tags))
    return f"{offer.id} {offer.title}".lower(), said.lower()


def _score(texts: tuple[str, str], words: Sequence[str]) -> int:
    """How well a server fits: words in its name count more."""
    name, said = texts
    return sum(3 * _has(name, word) + _has(said, word) for word in words)


def _has(text: str, word: str) -> bool:
    """Whether a word is in a text: anywhere, or by itself if it is so short that it is in many."""
    return word in text if len(word) >= MIN_PART else word in _WORD.findall(text)
