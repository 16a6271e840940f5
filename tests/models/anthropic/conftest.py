"""The scripted Messages server, and a model on it for each test."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator

import pytest

from tests.scripted.anthropic import Claude, scripted_claude
from tests.scripted.heard import Model


@pytest.fixture(scope="session")
def claude() -> Generator[Claude]:
    """The scripted server."""
    with scripted_claude() as server:
        yield server
    assert not server.faults, server.faults


@pytest.fixture
def model(claude: Claude, numbers: Iterator[int], request: pytest.FixtureRequest) -> Model:
    """A scripted model that only this test knows."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:60].strip("-")
    return claude.model(f"{name}-{next(numbers)}")
