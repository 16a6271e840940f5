"""Fixtures of the Gemini tests: the scripted server, and a model of each test's own."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator

import pytest

from tests.scripted.gemini import GeminiServer, gemini_server
from tests.scripted.heard import Model


@pytest.fixture(scope="session")
def gemini() -> Generator[GeminiServer]:
    """The scripted Gemini server."""
    with gemini_server() as server:
        yield server
    assert not server.faults, server.faults


@pytest.fixture
def third(gemini: GeminiServer, numbers: Iterator[int], request: pytest.FixtureRequest) -> Model:
    """A scripted model of generation 3 that only this test knows: it wants its signatures back."""
    return gemini.model(_name("gemini-3-flash", numbers, request))


@pytest.fixture
def second(gemini: GeminiServer, numbers: Iterator[int], request: pytest.FixtureRequest) -> Model:
    """A scripted model of generation 2.5 that only this test knows."""
    return gemini.model(_name("gemini-2.5-flash", numbers, request))


def _name(kind: str, numbers: Iterator[int], request: pytest.FixtureRequest) -> str:
    test = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:40].strip("-")
    return f"{kind}-{test}-{next(numbers)}"
