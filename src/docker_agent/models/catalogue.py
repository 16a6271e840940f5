"""What is publicly known of models: windows, limits, what they read, prices.

A snapshot ships with the program (`catalogue.json`); a newer one stands beside the user's data
(`refresh.py` puts it there). Both have the form of https://models.dev/api.json. Source:
agent-file.md §3.5.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import msgspec

from docker_agent.messages import UNREADABLE, Usage
from docker_agent.models.port import ModelCard

log = logging.getLogger(__name__)

FILE = "models_dev.json"

_MILLION = 1_000_000
_DATE = re.compile(r"-(?:\d{8}|\d{4}-\d{2}-\d{2})(?:-v\d+(?::\d+)?)?$")
_REGION = re.compile(r"^(?:us-gov|us|eu|apac|jp|au|ca|global)\.")
_LATEST = " (latest)"
"""How the catalogue marks a name that stands for the newest version of a model."""


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
    """One model; `name` is what people call it."""

    name: str = ""
    limit: Limit = Limit()
    cost: Cost | None = None
    modalities: Modalities | None = None


class Maker(msgspec.Struct, frozen=True):
    """The models of one provider, by their ids."""

    models: Mapping[str, Known] = {}


_NOBODY = Maker()

Providers = Mapping[str, Maker]


class Database(msgspec.Struct, frozen=True):
    """All providers, by their ids."""

    providers: Providers = {}


class Kept(msgspec.Struct, frozen=True):
    """A fetched catalogue as it is kept."""

    database: Database = Database()
    last_refresh: str = ""
    etag: str = ""


decode_providers = msgspec.json.Decoder(dict[str, Maker]).decode
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
        bare = _DATE.sub("", _REGION.sub("", model))
        for layer in self._providers():
            known = layer.get(provider, _NOBODY).models
            for name in (model, _REGION.sub("", model), bare):
                if name in known:
                    return known[name]
        return None

    def dated(self, provider: str, model: str) -> str | None:
        """The dated id of the version that a name such as `claude-sonnet-4-5` stands for; None
        for names that stand for themselves."""
        if _DATE.search(model):
            return None
        for layer in self._providers():
            models = layer.get(provider, _NOBODY).models
            if model not in models:
                continue
            name = models[model].name
            if not name.endswith(_LATEST):
                return None
            meant = name.removesuffix(_LATEST)
            dated = (one for one in models if _DATE.search(one) and models[one].name == meant)
            return max(dated, default=None)
        return None

    def _providers(self) -> tuple[Providers, ...]:
        if self._layers is None:
            self._layers = self._read()
        return self._layers

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
        snapshot = decode_providers(
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
