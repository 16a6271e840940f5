"""What an agent looks like in a registry: a manifest whose first layer is the agent file. Pure.

Source: agent-file.md §5.4.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping

import msgspec

from docker_agent import __version__
from docker_agent.errors import ConfigError

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
AGENT_TYPE = "application/vnd.docker.agent.config.v1+json"
FILE_TYPE = "application/yaml"
VERSION_ANNOTATION = "io.docker.agent.version"
MARKS = (VERSION_ANNOTATION, "io.docker.cagent.version")
"""One of these annotations makes an artifact an agent."""

MAX_MANIFEST = 4 * 1024 * 1024
MAX_FILE = 10 * 1024 * 1024
"""Bytes; an agent file also unpacked."""

_GZIP = 31


class Descriptor(msgspec.Struct, frozen=True, rename="camel"):
    """A blob: `size` in bytes."""

    media_type: str
    digest: str
    size: int


class Manifest(msgspec.Struct, frozen=True, rename="camel"):
    """As much of a manifest as counts here. `manifests` is what an index has in place of
    layers."""

    schema_version: int = 2
    media_type: str = ""
    artifact_type: str = ""
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] = ()
    annotations: dict[str, str] | None = None
    manifests: tuple[msgspec.Raw, ...] = ()


class Artifact(msgspec.Struct, frozen=True):
    """An agent ready to be pushed: the bytes of its blobs and of its manifest."""

    manifest: bytes
    config: bytes
    file: bytes

    @property
    def digest(self) -> str:
        """What the artifact is known by."""
        return digest_of(self.manifest)


_decode = msgspec.json.Decoder(Manifest).decode


def digest_of(data: bytes) -> str:
    """`sha256:…`."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def agent_layer(manifest: bytes, name: str) -> Descriptor:
    """The layer that is the agent file. Raises `ConfigError` when the manifest is no agent's, and
    says what it is instead."""
    try:
        found = _decode(manifest)
    except msgspec.DecodeError as exc:
        raise ConfigError(f"{name}: the registry's manifest cannot be read: {exc}") from exc
    if not any(mark in (found.annotations or {}) for mark in MARKS):
        raise ConfigError(
            f"{name} is not an agent but {_kind(found)}: it has no annotation {MARKS[0]}; "
            "if it was meant to be one, push it again with 'docker-agent share push'"
        )
    if not found.layers:
        raise ConfigError(f"{name} is an agent without a file: its manifest has no layer")
    layer = found.layers[0]
    if layer.size > MAX_FILE:
        raise ConfigError(
            f"{name}: its agent file has {layer.size} bytes; at most {MAX_FILE} are allowed"
        )
    return layer


def _kind(manifest: Manifest) -> str:
    if manifest.manifests:
        return "an image for several platforms"
    named = manifest.artifact_type or (manifest.config.media_type if manifest.config else "")
    if "image" in named or not named:
        return "an ordinary image"
    return f"an artifact of type {named}"


def unpacked(layer: bytes, name: str) -> bytes:
    """The agent file in a layer, which may be packed with gzip. Raises `ConfigError`."""
    if not layer.startswith(b"\x1f\x8b"):
        return layer
    unpack = zlib.decompressobj(_GZIP)
    try:
        file = unpack.decompress(layer, MAX_FILE + 1)
    except zlib.error as exc:
        raise ConfigError(f"{name}: its packed agent file is broken: {exc}") from exc
    if len(file) > MAX_FILE:
        raise ConfigError(f"{name}: its agent file unpacks to more than {MAX_FILE} bytes")
    if not unpack.eof:
        raise ConfigError(f"{name}: its packed agent file ends too early")
    return file


def make_artifact(file: bytes, annotations: Mapping[str, str]) -> Artifact:
    """An agent file as an artifact; `annotations` come beside the one that marks it an agent."""
    config = msgspec.json.encode(
        {
            "architecture": "",
            "os": "",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(file)]},
        }
    )
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "artifactType": AGENT_TYPE,
        "config": _descriptor(AGENT_TYPE, config),
        "layers": [_descriptor(FILE_TYPE, file)],
        "annotations": {**annotations, VERSION_ANNOTATION: __version__},
    }
    return Artifact(msgspec.json.encode(manifest), config, file)


def _descriptor(media_type: str, data: bytes) -> Descriptor:
    return Descriptor(media_type, digest_of(data), len(data))
