"""Agents that were pulled, kept on disk by digest, and which digest a tag had.

Source: agent-file.md §5.5. Below its folder lie `<hex>/manifest.json` and `<hex>/file` for each
artifact, and `refs/<hex of the reference>.json` for each reference.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from docker_agent.disk import read_whole, write_whole
from docker_agent.errors import ConfigError
from docker_agent.registry.artifact import MAX_FILE, MAX_MANIFEST, agent_layer, digest_of
from docker_agent.registry.reference import Reference

log = logging.getLogger(__name__)


class Kept(msgspec.Struct, frozen=True):
    """What a reference was when it was last pulled; `stored_at` in seconds since 1970."""

    reference: str
    digest: str
    stored_at: float


class Store:
    """Artifacts below one folder, readable by nobody else. Nothing it holds is believed without
    its digest."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def digest(self, reference: Reference) -> str:
        """The digest a reference had when it was last pulled; empty when it never was."""
        if reference.digest:
            return reference.digest
        kept = _read_kept(self._ref_path(reference))
        return kept.digest if kept is not None and kept.reference == str(reference) else ""

    def read(self, digest: str) -> bytes | None:
        """The layer of an artifact; None when it is not here, or not whole."""
        place = self._place(digest)
        try:
            manifest = read_whole(place / "manifest.json", MAX_MANIFEST)
            if digest_of(manifest) != digest:
                return None
            layer = read_whole(place / "file", MAX_FILE)
            return layer if digest_of(layer) == agent_layer(manifest, digest).digest else None
        except (OSError, ConfigError):
            return None

    def put(self, reference: Reference, manifest: bytes, layer: bytes) -> None:
        """Keep an artifact, and that `reference` means it now. What it meant before goes, unless
        another reference means it too. A disk that takes nothing is a warning."""
        digest, before = digest_of(manifest), self.digest(reference)
        try:
            place = self._place(digest)
            write_whole(place / "file", layer)
            write_whole(place / "manifest.json", manifest)
            kept = Kept(str(reference), digest, time.time())
            write_whole(self._ref_path(reference), msgspec.json.encode(kept))
            if before and before != digest:
                self._forget(before)
        except OSError as exc:
            log.warning("%s cannot be kept: %s", reference, exc.strerror or exc)

    def _forget(self, digest: str) -> None:
        if all(kept.digest != digest for kept in self._all_kept()):
            shutil.rmtree(self._place(digest), ignore_errors=True)

    def _all_kept(self) -> Iterator[Kept]:
        for path in (self._folder / "refs").glob("*.json"):
            kept = _read_kept(path)
            if kept is not None:
                yield kept

    def _place(self, digest: str) -> Path:
        return self._folder / digest.removeprefix("sha256:")

    def _ref_path(self, reference: Reference) -> Path:
        name = hashlib.sha256(str(reference).encode()).hexdigest()
        return self._folder / "refs" / f"{name}.json"


def _read_kept(path: Path) -> Kept | None:
    try:
        return msgspec.json.decode(read_whole(path, MAX_MANIFEST), type=Kept)
    except (OSError, msgspec.DecodeError):
        return None
