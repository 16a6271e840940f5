"""Every client once against the embedded model: no script, no key, real tokens. Source: parts.md
A, B1."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest

from docker_agent.models import weights
from tests.e2e import matrix, table
from tests.e2e.conftest import Drivers
from tests.e2e.matrix import CLIENTS, Client
from tests.harness import Server
from tests.requirements import requirement

AGENT = """
version: "12"
models:
  small: {provider: local, model: smollm2, max_tokens: 16, temperature: 0}
agents:
  root: {model: small, instruction: You are a friendly assistant.}
"""


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """A server with the embedded model; `scripts/e2e.sh` has fetched its weights."""
    home = os.environ.get("XDG_CACHE_HOME")
    cache = (Path(home) if home else Path.home() / ".cache") / "cagent"
    if weights.locate("smollm2", cache) is None:
        pytest.skip("the weights of smollm2 are not here")
    home = tmp_path_factory.mktemp("embedded")
    with Server(AGENT, "--cache-dir", str(cache), home=home) as server:
        yield server


@requirement("clients:embedded")
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_a_client_gets_an_answer_from_the_embedded_model(
    client: Client, drivers: Drivers, embedded: Server, request: pytest.FixtureRequest
) -> None:
    """parts.md B1: each client once against the embedded model, whole and streamed."""
    table.cell(request, client.name, matrix.EMBEDDED)
    driver = drivers(client)
    for case in ("whole", "stream"):
        asked = driver.ask(
            case, url=embedded.url, key="unused", model="root", text="Say hello.", may_be_cut=True
        )
        assert asked.done()["text"].strip(), case
