"""Fixtures of the server's tests."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.valkey import Valkey


@pytest.fixture(scope="session")
def shared_valkey(tmp_path_factory: pytest.TempPathFactory) -> Generator[Valkey]:
    """One Valkey server for all tests of a worker."""
    with Valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def valkey(shared_valkey: Valkey) -> Valkey:
    """A Valkey server that keeps nothing yet."""
    shared_valkey.command("FLUSHALL")
    return shared_valkey
