"""Everything that reads agent files from elsewhere than this machine's disk, opened together."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from docker_agent.addresses import is_public
from docker_agent.errors import ConfigError
from docker_agent.registry.artifact import Artifact
from docker_agent.registry.client import Registry
from docker_agent.registry.credentials import Credentials, find_credentials
from docker_agent.registry.http import Client, Reach, open_client
from docker_agent.registry.pull import Pulled, pull
from docker_agent.registry.reference import HUB, Reference, host_only
from docker_agent.registry.store import Store
from docker_agent.registry.web_file import WebFiles

log = logging.getLogger(__name__)


class Elsewhere:
    """Registries and the web.

    Copies are kept below `data_dir`; `environ` tells where docker's configuration lies, `variable`
    gives the tokens of web hosts.
    """

    def __init__(
        self,
        client: Client,
        data_dir: Path,
        environ: Mapping[str, str],
        variable: Callable[[str], str | None],
    ) -> None:
        self._client = client
        self._environ = environ
        self._store = Store(data_dir / "artifacts")
        self._web = WebFiles(client, data_dir / "url_cache", variable)

    async def fetch(self, url: str, *, from_elsewhere: bool = False) -> bytes:
        """The file at a web address. `from_elsewhere` says that a file which is not on this
        machine named it. Raises `ConfigError`."""
        return await self._web.read(url, from_elsewhere=from_elsewhere)

    async def pull(self, reference: Reference, *, from_elsewhere: bool = False) -> Pulled:
        """The agent a reference means. Raises `ConfigError`."""
        if from_elsewhere and reference.is_on_this_machine:
            raise ConfigError(
                f"{reference} lies on this machine, where a file from elsewhere cannot point"
            )
        registry = await self._registry(reference, from_elsewhere=from_elsewhere)
        return await pull(reference, registry, self._store)

    async def push(self, reference: Reference, artifact: Artifact) -> None:
        """Put an agent into its registry. Raises `ConfigError`."""
        try:
            await (await self._registry(reference)).push(artifact)
        except ConfigError as exc:
            raise ConfigError(f"{reference} cannot be pushed: {exc}") from exc

    async def _registry(self, reference: Reference, *, from_elsewhere: bool = False) -> Registry:
        reach: Reach = "public" if from_elsewhere else await _reach(reference)
        return Registry(self._client, reference, reach, self._credentials)

    async def _credentials(self, host: str) -> Credentials | None:
        return await find_credentials(host, self._environ)


@asynccontextmanager
async def open_elsewhere(
    data_dir: Path, environ: Mapping[str, str], variable: Callable[[str], str | None]
) -> AsyncGenerator[Elsewhere]:
    """See `Elsewhere`; connections close with the context."""
    async with open_client() as client:
        yield Elsewhere(client, data_dir, environ, variable)


async def _reach(reference: Reference) -> Reach:
    """A registry of the public internet cannot lead into a private network; one that the operator
    keeps there may."""
    if reference.host == HUB:
        return "public"
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host_only(reference.host), None, type=socket.SOCK_STREAM
        )
    except OSError:
        return "public"
    return "public" if all(is_public(str(entry[4][0])) for entry in found) else "anywhere"
