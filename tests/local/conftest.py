"""The embedded model's weights, and a model that runs on them."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path

import msgspec
import pytest

from docker_agent.config.model import Model as Declared
from docker_agent.messages import JSON
from docker_agent.models import weights
from docker_agent.models.http import open_http
from docker_agent.models.http_port import Http
from docker_agent.models.local import LocalModel, open_local
from docker_agent.models.resolve import Resolved, resolve
from docker_agent.models.weights import Progress


def declared(name: str, options: Mapping[str, JSON] | None = None) -> Resolved:
    """The embedded model `name` as an agent file would declare it, with `provider_opts`."""
    resolved = resolve(Declared(provider="local", model=name), {})
    return msgspec.structs.replace(resolved, options=options or {})


def quiet(_: Progress) -> None:
    """A report nobody reads."""


@pytest.fixture(scope="session")
def cache_dir() -> Path:
    """The cache with SmolLM2 in it: the product's own, so that only the first run fetches."""
    home = os.environ.get("XDG_CACHE_HOME")
    cache = (Path(home) if home else Path.home() / ".cache") / "cagent"
    weights.pull("smollm2", cache, quiet)
    return cache


@pytest.fixture(scope="session")
def smollm2(cache_dir: Path) -> Path:
    """The GGUF file of SmolLM2."""
    found = weights.locate("smollm2", cache_dir)
    assert found
    return found


@pytest.fixture(scope="session")
async def http() -> AsyncGenerator[Http]:
    """The one HTTP client."""
    async with open_http() as client:
        yield client


@pytest.fixture(scope="session")
async def model(http: Http, cache_dir: Path) -> AsyncGenerator[LocalModel]:
    """SmolLM2, running."""
    async with open_local(declared("smollm2"), http, cache_dir) as opened:
        yield opened
