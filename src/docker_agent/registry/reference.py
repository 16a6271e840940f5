"""Names of artifacts in registries: `host/repository:tag` or `…@sha256:digest`, taken apart. Pure.

Source: agent-file.md §5.3.
"""

from __future__ import annotations

import ipaddress
import re

import msgspec

from docker_agent.addresses import ip_address
from docker_agent.errors import ConfigError

HUB = "docker.io"
"""Where a name without a host lies."""

DEFAULT_TAG = "latest"

_HUB_NAMES = frozenset([HUB, "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"])
_HUB_ADDRESS = "registry-1.docker.io"
_HOST = re.compile(
    r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::[0-9]{1,5})?"
)
_PART = re.compile(r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_PRIVATE = tuple(
    ipaddress.ip_network(network)
    for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
)
_SHORTEST, _LONGEST = 2, 255
"""Characters of a repository's name."""


class Reference(msgspec.Struct, frozen=True):
    """An artifact's name. `host` may have a port; `digest` wins over `tag` and is empty or
    `sha256:…`."""

    host: str
    repository: str
    tag: str = DEFAULT_TAG
    digest: str = ""

    def __str__(self) -> str:
        return f"{self.host}/{self.repository}{self._ending}"

    @property
    def _ending(self) -> str:
        return f"@{self.digest}" if self.digest else f":{self.tag}"

    @property
    def which(self) -> str:
        """What is asked of the registry: the digest, else the tag."""
        return self.digest or self.tag

    @property
    def is_on_this_machine(self) -> bool:
        """Whether the registry runs here, so that it may speak plain HTTP."""
        return is_this_machine(host_only(self.host))

    @property
    def is_in_own_network(self) -> bool:
        """Whether the registry lies in a private network by its name, `*.local` or a private
        address, so that it may speak plain HTTP when it does not speak TLS."""
        host = host_only(self.host)
        address = ip_address(host)
        if address is None:
            return host.removesuffix(".").endswith(".local")
        return any(address in network for network in _PRIVATE)

    @property
    def base_url(self) -> str:
        """The registry's address, without a path."""
        if self.is_on_this_machine:
            return f"http://{self.host}"
        return f"https://{_HUB_ADDRESS if self.host == HUB else self.host}"

    def pinned(self, digest: str) -> Reference:
        """The same repository at one digest."""
        return Reference(self.host, self.repository, digest=digest)


def parse_reference(text: str) -> Reference:
    """The reference a text is. Raises `ConfigError` saying which part of it does not fit."""
    name, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise _invalid(text, "after '@' stands a digest: sha256: and 64 hexadecimal digits")
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        host, path = first, rest
        if not _HOST.fullmatch(host):
            raise _invalid(text, f"{host!r} is no host")
    else:
        host, path = HUB, name
    path, colon, tag = path.partition(":")
    if colon and not _TAG.fullmatch(tag):
        raise _invalid(text, f"{tag!r} is no tag: letters, digits, '_', '.' and '-'")
    host = HUB if host.lower() in _HUB_NAMES else host.lower()
    _check_repository(text, path)
    if host == HUB and "/" not in path:
        path = f"library/{path}"
    return Reference(host, path, tag or DEFAULT_TAG, digest)


def host_only(host: str) -> str:
    """A host without its port."""
    if host.startswith("["):
        return host.partition("]")[0][1:]
    return host.partition(":")[0]


def is_this_machine(host: str) -> bool:
    """Whether a host without a port is this machine: `localhost`, names below it, loopback
    addresses."""
    address = ip_address(host)
    if address is not None:
        return address.is_loopback
    name = host.lower().removesuffix(".")
    return name == "localhost" or name.endswith(".localhost")


def _check_repository(text: str, path: str) -> None:
    if path != path.lower():
        raise _invalid(text, f"the repository is written in lower case: {path.lower()!r}")
    if not _SHORTEST <= len(path) <= _LONGEST:
        raise _invalid(text, f"a repository's name has {_SHORTEST} to {_LONGEST} characters")
    for part in path.split("/"):
        if not _PART.fullmatch(part):
            raise _invalid(
                text, f"{part!r} is no part of a repository: a-z, 0-9, and '.', '_', '-' between"
            )


def _invalid(text: str, reason: str) -> ConfigError:
    return ConfigError(f"{text!r} is not a valid reference of a registry: {reason}")
