"""Fixtures of the Vertex AI tests: the scripted vendors, and Google's sign-in."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from tests.scripted.anthropic import Claude, scripted_claude
from tests.scripted.gemini import GeminiServer, gemini_server
from tests.scripted.google_sign_in import Google, google
from tests.scripted.heard import Model


@pytest.fixture(scope="module")
def gemini() -> Generator[GeminiServer]:
    """The scripted Gemini server, which answers at Vertex AI's paths too."""
    with gemini_server() as server:
        yield server
    assert not server.faults, server.faults


@pytest.fixture(scope="module")
def claude() -> Generator[Claude]:
    """The scripted Messages server, which answers at Vertex AI's paths too."""
    with scripted_claude() as server:
        yield server
    assert not server.faults, server.faults


@pytest.fixture
def sign_in() -> Generator[Google]:
    """Google's token endpoint and metadata server, of one test."""
    with google() as server:
        yield server


@pytest.fixture
def flash(gemini: GeminiServer, numbers: Iterator[int]) -> Model:
    """A scripted Gemini model that only this test knows."""
    return gemini.model(f"gemini-2.5-flash-vertex-{next(numbers)}")


@pytest.fixture
def sonnet(claude: Claude, numbers: Iterator[int]) -> Model:
    """A scripted Claude model that only this test knows."""
    return claude.model(f"claude-sonnet-4-5@2025{next(numbers):04}")
