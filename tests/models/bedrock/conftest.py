"""The scripted Bedrock server, and a model on it for each test."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator

import pytest

from tests.scripted.bedrock import BedrockServer, scripted_bedrock
from tests.scripted.heard import Model


@pytest.fixture(scope="session")
def bedrock() -> Generator[BedrockServer]:
    """The scripted server."""
    with scripted_bedrock() as server:
        yield server
    assert not server.faults, server.faults


@pytest.fixture
def model(bedrock: BedrockServer, numbers: Iterator[int], request: pytest.FixtureRequest) -> Model:
    """A scripted Claude that only this test knows."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:60].strip("-")
    return bedrock.model(f"us.anthropic.{name}-{next(numbers)}-v1:0")
