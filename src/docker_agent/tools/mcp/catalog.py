"""Docker's catalogue of MCP servers: fetched, kept, read. Source: runtime.md §9.20, §10.3,
agent-file.md §2.10."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path

import anyio
import msgspec

from docker_agent.config.convert import did_you_mean
from docker_agent.disk import write_whole
from docker_agent.env.directories import private
from docker_agent.errors import ConfigError, ToolError
from docker_agent.messages import JSON, UNREADABLE
from docker_agent.tools.web import Request, open_web

log = logging.getLogger(__name__)

CATALOG_URL = "https://desktop.docker.com/mcp/catalog/v3/catalog.json"
GATEWAY_CATALOG = "https://desktop.docker.com/mcp/catalog/v3/catalog.yaml"
"""The catalogue as we read it, and as Docker's gateway does."""

URL_VARIABLE = "DOCKER_AGENT_MCP_CATALOG_URL"
"""Names another catalogue, for us and for the gateway: an address, or a file of this machine."""

CACHE_FILE = "mcp_catalog.json"
KEPT_FORM = 2
"""The form of the copy on disk; one of another form is fetched anew."""

TIMEOUT = 15.0
MAX_BYTES = 32 * 1024 * 1024
FRESH_SECONDS = 3600.0
"""How long a copy is taken without asking."""


class Secret(msgspec.Struct, frozen=True):
    """A secret that a server needs: its name for the gateway, and the variable it is read from."""

    name: str = ""
    env: str = ""


class RemoteEntry(msgspec.Struct, frozen=True):
    """Where a remote server of the catalogue is."""

    url: str = ""
    transport_type: str | None = None
    headers: Mapping[str, str] | None = None


class About(msgspec.Struct, frozen=True):
    """Where a server of the catalogue belongs."""

    category: str | None = None
    tags: tuple[str, ...] | None = None


class Entry(msgspec.Struct, frozen=True):
    """One server of the catalogue; `oauth` is not empty for one that wants a sign-in."""

    type: str = "server"
    title: str | None = None
    description: str | None = None
    remote: RemoteEntry | None = None
    secrets: tuple[Secret, ...] | None = None
    oauth: JSON = None
    metadata: About | None = None


class _Document(msgspec.Struct, frozen=True):
    registry: Mapping[str, msgspec.Raw]


class _Kept(msgspec.Struct, frozen=True):
    """The copy on disk; `fetched` in seconds since 1970."""

    url: str
    etag: str
    fetched: float
    registry: Mapping[str, Entry]
    form: int = 0


class Catalog(msgspec.Struct, frozen=True):
    """The servers there are; None: nobody could tell."""

    registry: Mapping[str, Entry] | None
    url: str = CATALOG_URL

    @property
    def gateway_url(self) -> str:
        """The catalogue that the gateway is to read."""
        return GATEWAY_CATALOG if self.url == CATALOG_URL else self.url

    def unknown(self, name: str) -> str:
        """What is wrong with a name; empty when nothing is, or nobody knows."""
        if self.registry is None or name in self.registry:
            return ""
        return f"Docker's catalogue has no server {name!r}{did_you_mean(name, self.registry)}"

    def entry(self, name: str) -> Entry:
        """The server of this name; one that needs nothing when nobody knows."""
        return (self.registry or {}).get(name, Entry())


async def load_catalog(cache_dir: Path | None, url: str = "") -> Catalog:
    """The catalogue: asked for whether it changed, or the copy when it cannot be reached."""
    catalog, problem = await newest_catalog(cache_dir, url)
    if problem:
        log.warning("%s", problem)
    return catalog


async def newest_catalog(cache_dir: Path | None, url: str = "") -> tuple[Catalog, str]:
    """The same, and what was wrong: nothing, or a sentence."""
    url = url or CATALOG_URL
    try:
        if not url.startswith(("http://", "https://")):
            return Catalog(await anyio.to_thread.run_sync(_own_file, url), url), ""
        path = cache_dir / CACHE_FILE if cache_dir else None
        kept = await anyio.to_thread.run_sync(_read, path, url)
    except (OSError, ToolError, *UNREADABLE) as exc:
        return Catalog(None, url), f"the MCP catalogue {url} cannot be read: {exc}"
    if kept is not None and time.time() - kept.fetched < FRESH_SECONDS:
        return Catalog(kept.registry, url), ""
    try:
        fetched = await _fetched(url, kept)
    except (ToolError, *UNREADABLE) as exc:
        old = "; the copy from before is used" if kept else ""
        problem = f"Docker's MCP catalogue cannot be had: {exc}{old}"
        return Catalog(kept.registry if kept else None, url), problem
    if path is not None:
        await anyio.to_thread.run_sync(_write, path, fetched)
    return Catalog(fetched.registry, url), ""


async def _fetched(url: str, kept: _Kept | None) -> _Kept:
    plain = {"Accept": "application/json"}
    if kept is not None and kept.etag:
        plain["If-None-Match"] = kept.etag
    async with open_web(allow_private_ips=True) as web:
        reply = await web.send(Request(url, plain=plain, timeout=TIMEOUT, limit=MAX_BYTES))
    etag = reply.headers.get("etag", "")
    if reply.status == 304 and kept is not None:
        return msgspec.structs.replace(kept, fetched=time.time())
    if reply.status != 200 or reply.cut:
        raise ToolError(
            f"the answer is HTTP {reply.status}" if not reply.cut else "it is too large"
        )
    return _Kept(url, etag, time.time(), _entries(reply.body), KEPT_FORM)


def _entries(document: bytes) -> dict[str, Entry]:
    """The servers of a catalogue; one that is written in a way we do not know is left out."""
    found: dict[str, Entry] = {}
    for name, raw in msgspec.json.decode(document, type=_Document).registry.items():
        try:
            found[name] = msgspec.json.decode(raw, type=Entry)
        except UNREADABLE as exc:
            log.debug("the MCP catalogue's entry %r is left out: %s", name, exc)
    return found


def _own_file(path: str) -> dict[str, Entry]:
    """A catalogue of the operator's own, fresh each time."""
    with Path(path.removeprefix("file://")).expanduser().open("rb") as file:
        document = file.read(MAX_BYTES + 1)
    if len(document) > MAX_BYTES:
        raise ToolError("it is too large")
    return _entries(document)


def _read(path: Path | None, url: str) -> _Kept | None:
    if path is None:
        return None
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=_Kept)
    except (OSError, *UNREADABLE):
        return None
    return kept if (kept.url, kept.form) == (url, KEPT_FORM) else None


def _write(path: Path, kept: _Kept) -> None:
    try:
        write_whole(private(path.parent) / path.name, msgspec.json.encode(kept))
    except (OSError, ConfigError) as exc:
        log.warning("Docker's MCP catalogue cannot be kept: %s", exc)
