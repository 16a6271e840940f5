"""Pulling an agent: what is kept stands in where the registry need not or cannot be asked.

Source: agent-file.md §5.5.
"""

from __future__ import annotations

import logging

import msgspec

from docker_agent.registry.artifact import agent_layer, digest_of, unpacked
from docker_agent.registry.client import Registry
from docker_agent.registry.http import RemoteError
from docker_agent.registry.reference import Reference
from docker_agent.registry.store import Store

log = logging.getLogger(__name__)


class Pulled(msgspec.Struct, frozen=True):
    """An agent file and the digest of its artifact. `degraded` when it is a kept copy because the
    registry failed."""

    file: bytes
    digest: str
    degraded: bool = False


async def pull(reference: Reference, registry: Registry, store: Store) -> Pulled:
    """The agent file a reference means.

    A digest that is kept needs no network. Raises `RemoteError` when the registry fails and
    nothing is kept, another `ConfigError` when what it has is no agent.
    """
    name = str(reference)
    digest = store.digest(reference)
    kept = store.read(digest) if digest else None
    if kept is not None and reference.digest:
        return Pulled(unpacked(kept, name), digest)
    try:
        if kept is not None and await registry.digest() == digest:
            return Pulled(unpacked(kept, name), digest)
        return await _fetched(reference, registry, store)
    except RemoteError as exc:
        if kept is None:
            raise RemoteError(f"{name} cannot be pulled: {exc}") from exc
        log.warning("%s cannot be pulled, its kept copy %s is used: %s", name, digest, exc)
        return Pulled(unpacked(kept, name), digest, degraded=True)


async def _fetched(reference: Reference, registry: Registry, store: Store) -> Pulled:
    name = str(reference)
    manifest = await registry.manifest()
    descriptor = agent_layer(manifest, name)
    layer = await registry.blob(descriptor.digest, descriptor.size)
    file = unpacked(layer, name)
    store.put(reference, manifest, layer)
    return Pulled(file, digest_of(manifest))
