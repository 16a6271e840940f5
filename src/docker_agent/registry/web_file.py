"""Agent files at web addresses: fetched with what is kept as a fall-back, from public addresses
only.

Source: agent-file.md §5.2.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from docker_agent.disk import read_whole, write_whole
from docker_agent.errors import ConfigError
from docker_agent.registry.artifact import MAX_FILE
from docker_agent.registry.http import Client, RemoteError, Step

log = logging.getLogger(__name__)

MAX_TAG = 4096
"""Bytes of an ETag."""

_GITHUB = frozenset(["github.com", "raw.githubusercontent.com", "gist.githubusercontent.com"])
_PLAIN = frozenset(["localhost", "127.0.0.1"])
"""Hosts that may be asked without encryption."""

Token = Callable[[str], str | None]
"""The value of a variable."""


def check_address(url: str, *, from_elsewhere: bool = False) -> None:
    """Raise `ConfigError` for an address that is not asked, whatever lies there. A file that is
    itself `from_elsewhere` cannot point at this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError as exc:
        raise ConfigError(f"{url} is no address: {exc}") from exc
    if not host:
        raise ConfigError(f"{url} has no host")
    if parts.scheme == "http" and host in _PLAIN and not from_elsewhere:
        return
    if parts.scheme != "https":
        raise ConfigError(
            f"{url}: agent files are fetched over https only (http from localhost); "
            "use https, or save the file and name it"
        )


class WebFiles:
    """Files from the web, kept below `folder` with their ETags."""

    def __init__(self, client: Client, folder: Path, token: Token) -> None:
        self._client = client
        self._folder = folder
        self._token = token

    async def read(self, url: str, *, from_elsewhere: bool = False) -> bytes:
        """The file at an address. Raises `ConfigError` when it cannot be had and none is kept."""
        check_address(url, from_elsewhere=from_elsewhere)
        path = self._folder / hashlib.sha256(url.encode()).hexdigest()
        kept, etag = _kept(path)
        here = urlsplit(url).scheme == "http"

        def judge(address: str) -> Step:
            return self._step(address, here=here, etag=etag if kept is not None else "")

        try:
            answer = await self._client.follow("GET", url, judge, limit=MAX_FILE)
            if answer.status == 304 and kept is not None:
                return kept
            if answer.status != 200:
                raise RemoteError(f"the server answered {answer.status}")
        except RemoteError as exc:
            if kept is None:
                raise ConfigError(f"fetching {url}: {exc}") from exc
            log.warning("fetching %s: %s; the kept copy is used", url, exc)
            return kept
        _keep(path, answer.body, answer.headers.get("etag", ""))
        return answer.body

    def _step(self, url: str, *, here: bool, etag: str) -> Step:
        """Raises `RemoteError` for a redirect that would leave the rules."""
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        headers = {"Accept": "*/*"}
        if etag:
            headers["If-None-Match"] = etag
        if here:
            if host not in _PLAIN or parts.scheme != "http":
                raise RemoteError(f"a redirect leads from this machine to {host}")
            return Step("here", headers)
        if parts.scheme != "https":
            raise RemoteError(f"a redirect leads to {host} without encryption")
        if token := self._token_for(host):
            headers["Authorization"] = f"Bearer {token}"
        return Step("public", headers)

    def _token_for(self, host: str) -> str | None:
        if host in _GITHUB:
            return self._token("GITHUB_TOKEN")
        if host == "docker.com" or host.endswith(".docker.com"):
            return self._token("DOCKER_TOKEN")
        return None


def _kept(path: Path) -> tuple[bytes | None, str]:
    try:
        data = read_whole(path, MAX_FILE)
    except OSError:
        return None, ""
    try:
        etag = read_whole(path.with_suffix(".etag"), MAX_TAG).decode("latin-1").strip()
    except OSError:
        etag = ""
    return data, etag if etag.isprintable() and len(etag) <= MAX_TAG else ""


def _keep(path: Path, data: bytes, etag: str) -> None:
    """The tag goes first and comes last, so that it never speaks of other bytes."""
    try:
        path.with_suffix(".etag").unlink(missing_ok=True)
        write_whole(path, data)
        if etag and len(etag) <= MAX_TAG:
            write_whole(path.with_suffix(".etag"), etag.encode("latin-1", "replace"))
    except OSError as exc:
        log.warning("%s cannot be kept: %s", path.name, exc.strerror or exc)
