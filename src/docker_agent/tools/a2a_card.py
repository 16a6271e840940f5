"""What an agent elsewhere says of itself, and where that lies; without I/O.

Source: runtime.md §9.10; the A2A specification, 0.3 and 1.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal
from urllib.parse import urljoin, urlsplit, urlunsplit

import msgspec

from docker_agent.errors import ToolError
from docker_agent.messages import UNREADABLE

Version = Literal["0.3", "1.0"]
"""The two protocols there are; 0.2 is spoken as 0.3."""

_PLACES = ("/.well-known/agent-card.json", "/.well-known/agent.json")
"""Where a card lies, and where it lay in older versions."""


class Skill(msgspec.Struct, frozen=True):
    """Something an agent can do."""

    id: str = ""
    name: str = ""
    description: str = ""


class Card(msgspec.Struct, frozen=True):
    """An agent: where it takes JSON-RPC, in which version, for which `tenant` there, and whether it
    streams; None: it does not say."""

    name: str
    description: str
    url: str
    version: Version
    tenant: str
    streams: bool | None
    skills: tuple[Skill, ...]


class _Interface(msgspec.Struct, frozen=True, rename="camel"):
    url: str = ""
    transport: str = ""
    protocol_binding: str = ""
    protocol_version: str = ""
    tenant: str = ""


class _Capabilities(msgspec.Struct, frozen=True):
    streaming: bool | None = None


class _Written(msgspec.Struct, frozen=True, rename="camel"):
    """A card of either version; what matters to nobody here is passed over."""

    name: str = ""
    description: str = ""
    url: str = ""
    preferred_transport: str | None = None
    additional_interfaces: tuple[_Interface, ...] | None = None
    supported_interfaces: tuple[_Interface, ...] | None = None
    capabilities: _Capabilities | None = None
    skills: tuple[Skill, ...] | None = None


_WRITTEN = msgspec.json.Decoder(_Written)


def places_of(url: str) -> list[str]:
    """Where the card of the agent at `url` may lie, the likely place first; an address that ends in
    `.json` is the card's own. Raises `ToolError`."""
    try:
        parts = urlsplit(url)
    except ValueError as exc:
        raise ToolError(f"this is no address: {exc}") from exc
    if parts.path.endswith(".json"):
        return [url]
    base = parts.path.rstrip("/")
    return [urlunsplit(parts._replace(path=base + place, fragment="")) for place in _PLACES]


def read_card(data: bytes, at: str) -> Card:
    """The card that was found at an address. Raises `ToolError` when it is none, or names no
    address for JSON-RPC in a version that is spoken here."""
    try:
        found = _WRITTEN.decode(data)
    except UNREADABLE as exc:
        raise ToolError(f"it is no agent card: {exc}") from exc
    spoken = next(_spoken(found), None)
    if spoken is None:
        raise ToolError("it names no address for JSON-RPC in version 0.3 or 1.0 of A2A")
    version, interface = spoken
    try:
        url = urljoin(at, interface.url)
    except ValueError as exc:
        raise ToolError(f"it names an address that is none: {exc}") from exc
    streams = found.capabilities.streaming if found.capabilities else None
    skills = found.skills or ()
    return Card(found.name, found.description, url, version, interface.tenant, streams, skills)


def _spoken(found: _Written) -> Iterator[tuple[Version, _Interface]]:
    """Where the agent can be spoken to, in the order it prefers."""
    for each in found.supported_interfaces or ():
        major = each.protocol_version.partition(".")[0]
        if each.protocol_binding.upper() == "JSONRPC" and each.url and major in ("", "0", "1"):
            yield ("0.3" if major == "0" else "1.0"), each
    main = _Interface(url=found.url, transport=found.preferred_transport or "JSONRPC")
    for each in (main, *(found.additional_interfaces or ())):
        if each.transport.upper() == "JSONRPC" and each.url:
            yield "0.3", each
