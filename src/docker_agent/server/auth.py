"""Who may come in: bearer keys, and browsers only from where they belong. Source: chat-server.md
§4."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from docker_agent.errors import RequestError
from docker_agent.server.settings import ServerSettings

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})

_ORIGIN_EXEMPT = frozenset({"/", "/openapi.json", "/health"})


def check_host(headers: Mapping[bytes, bytes], settings: ServerSettings) -> None:
    """Refuse a `Host` that is not ours: a page that rebinds a name to 127.0.0.1 shows by it.

    Raises `RequestError` of kind `forbidden_host`.
    """
    if settings.hosts is None:
        return
    host = headers.get(b"host", b"").decode("latin-1")
    if host_name(host) not in settings.hosts:
        raise RequestError(
            "forbidden_host",
            f"The Host '{host}' is not one this server answers to; "
            f"start it with --allowed-host {host_name(host) or 'NAME'} to accept it.",
        )


def check_origin(path: str, headers: Mapping[bytes, bytes]) -> None:
    """Refuse a page of another site: without a key, a browser must not reach us by accident.

    Raises `RequestError` of kind `forbidden_origin`.
    """
    if path in _ORIGIN_EXEMPT:
        return
    origin = headers.get(b"origin")
    cross = headers.get(b"sec-fetch-site", b"").lower() in (b"cross-site", b"same-site")
    if origin is not None:
        cross = cross or not _same_origin(origin.decode("latin-1"), headers)
    if cross:
        raise RequestError(
            "forbidden_origin",
            "Web pages of other sites may not call this server; allow this one with --cors-origin.",
        )


def _same_origin(origin: str, headers: Mapping[bytes, bytes]) -> bool:
    return urlsplit(origin).netloc.lower() == headers.get(b"host", b"").decode("latin-1").lower()


def host_name(host: str) -> str:
    """The name in a `Host` header, lower case, without port and brackets."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).rstrip(".")
