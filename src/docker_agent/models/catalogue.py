"""What is publicly known of models: windows, limits, what they read, prices.

A snapshot ships with the program (`catalogue.json`); `docker-agent models refresh` puts a newer one
beside the user's data. Both have the form of https://models.dev/api.json. Source: agent-file.md
§3.5.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import msgspec

from docker_agent.errors import ConfigError
from docker_agent.messages import UNREADABLE, Usage
from docker_agent.models.port import ModelCard

log = logging.getLogger(__name__)

URL = "https://models.dev/api.json"
URL_VARIABLE = "DOCKER_AGENT_MODELS_CATALOGUE"
"""Names another place to fetch the catalogue from."""

FILE = "models_dev.json"
FETCH_TIMEOUT = 30.0
"""Seconds that fetching the catalogue may take."""
MAX_CATALOGUE = 64 * 1024 * 1024
"""Bytes of a catalogue."""

_MILLION = 1_000_000
_DATE = re.compile(r"-(?:\d{8}|\d{4}-\d{2}-\d{2})(?:-v\d+(?::\d+)?)?$")
_REGION = re.compile(r"^(?:us|eu|apac|global)\.")


class Cost(msgspec.Struct, frozen=True):
    """Dollars per million tokens."""

    input: float | None = None
    output: float | None = None
    cache_read: float | None = None
    cache_write: float | None = None


class Limit(msgspec.Struct, frozen=True):
    """Tokens."""

    context: int = 0
    output: int = 0


class Modalities(msgspec.Struct, frozen=True):
    """What goes in."""

    input: tuple[str, ...] = ()


class Known(msgspec.Struct, frozen=True):
    """One model."""

    limit: Limit = Limit()
    cost: Cost | None = None
    modalities: Modalities | None = None


class _Provider(msgspec.Struct, frozen=True):
    models: Mapping[str, Known] = {}


_NOBODY = _Provider()

Providers = Mapping[str, _Provider]


class _Database(msgspec.Struct, frozen=True):
    providers: Providers = {}


class Kept(msgspec.Struct, frozen=True):
    """A fetched catalogue as it is kept."""

    database: _Database = _Database()
    last_refresh: str = ""
    etag: str = ""


_decode_providers = msgspec.json.Decoder(dict[str, _Provider]).decode
_decode_kept = msgspec.json.Decoder(Kept).decode


class Catalogue:
    """Looks models up; read at the first look, the user's own before the snapshot.

    `folder` is where a fetched one is kept; None: the snapshot alone.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._layers: tuple[Providers, ...] | None = None

    def known(self, provider: str, model: str) -> Known | None:
        """What is known of a model by its provider's id and its own, with or without the date of
        its version."""
        if self._layers is None:
            self._layers = self._read()
        bare = _DATE.sub("", _REGION.sub("", model))
        for layer in self._layers:
            known = layer.get(provider, _NOBODY).models
            for name in (model, _REGION.sub("", model), bare):
                if name in known:
                    return known[name]
        return None

    def completed(self, card: ModelCard) -> ModelCard:
        """The card with what it leaves open filled in; what the file says stays."""
        known = self.known(card.provider, card.name)
        if known is None:
            return card
        reads = known.modalities.input if known.modalities else None
        cost = known.cost or Cost()
        return msgspec.structs.replace(
            card,
            context=card.context or known.limit.context,
            output=card.output or known.limit.output,
            image=_said(card.image, reads, "image"),
            document=_said(card.document, reads, "pdf"),
            price_in=cost.input,
            price_out=cost.output,
            price_cached=cost.cache_read,
            price_cache_write=cost.cache_write,
        )

    def _read(self) -> tuple[Providers, ...]:
        snapshot = _decode_providers(
            resources.files("docker_agent.models").joinpath("catalogue.json").read_bytes()
        )
        kept = read_kept(self._folder) if self._folder else None
        return (kept.database.providers, snapshot) if kept else (snapshot,)


def _said(own: bool | None, reads: tuple[str, ...] | None, kind: str) -> bool | None:
    if own is not None or reads is None:
        return own
    return kind in reads


def cost_of(card: ModelCard, usage: Usage) -> float | None:
    """Dollars that a call cost; None when a price is not known."""
    if card.price_in is None or card.price_out is None:
        return None
    cached = card.price_in if card.price_cached is None else card.price_cached
    written = card.price_in if card.price_cache_write is None else card.price_cache_write
    fresh = max(0, usage.prompt - usage.cached - usage.cache_write)
    return (
        fresh * card.price_in
        + usage.completion * card.price_out
        + usage.cached * cached
        + usage.cache_write * written
    ) / _MILLION


def read_kept(folder: Path) -> Kept | None:
    """The catalogue that was fetched; None without one, or when it cannot be read."""
    path = folder / FILE
    try:
        return _decode_kept(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, *UNREADABLE) as exc:
        log.warning("%s cannot be used: %s; the shipped catalogue is", path, exc)
        return None


def refresh(folder: Path, url: str = URL) -> str:
    """Fetch the catalogue and keep it in `folder`; says what came of it.

    Raises `ConfigError` when it cannot be fetched or is none; the one that is there stays.
    """
    import urllib.error
    import urllib.request

    if not url.startswith(("https://", "http://")):
        raise ConfigError(f"{URL_VARIABLE}={url}: is no http(s) address")
    kept = read_kept(folder)
    request = urllib.request.Request(url, headers={"User-Agent": "docker-agent"})
    if kept is not None and kept.etag:
        request.add_header("If-None-Match", kept.etag)
    try:
        with urllib.request.urlopen(request, timeout=FETCH_TIMEOUT) as response:
            body: bytes = response.read(MAX_CATALOGUE + 1)
            etag: str = response.headers.get("ETag") or ""
    except urllib.error.HTTPError as exc:
        if exc.code != 304 or kept is None:
            raise ConfigError(f"the catalogue could not be fetched: HTTP {exc.code}") from exc
        _keep(folder, msgspec.structs.replace(kept, last_refresh=_now()))
        return "the catalogue is as new as can be"
    except (urllib.error.URLError, OSError, ValueError) as exc:
        reason = getattr(exc, "reason", exc)
        raise ConfigError(
            f"the catalogue could not be fetched: {reason}; the one that is here stays"
        ) from exc
    try:
        providers = _decode_providers(body)
    except UNREADABLE as exc:
        raise ConfigError(f"what was fetched is no catalogue of models: {exc}") from exc
    _keep(folder, Kept(_Database(providers), _now(), etag))
    count = sum(len(provider.models) for provider in providers.values())
    return f"the catalogue has {count} models of {len(providers)} providers"


def _keep(folder: Path, kept: Kept) -> None:
    path = folder / FILE
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        half = path.with_suffix(".part")
        half.write_bytes(msgspec.json.encode(kept))
        half.replace(path)
    except OSError as exc:
        raise ConfigError(f"{path} cannot be written: {exc.strerror or exc}") from exc


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
