"""Registries and web servers for the tests here."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.registry.real import DATA, TokenRegistry, password_registry, registry, token_registry
from tests.registry.site import Site, site


@pytest.fixture(scope="session")
def open_registry(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """A registry that asks nobody who they are."""
    with registry(tmp_path_factory.mktemp("registry")) as host:
        yield host


@pytest.fixture(scope="session")
def locked_registry(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """A registry behind a password."""
    with password_registry(tmp_path_factory.mktemp("registry")) as host:
        yield host


@pytest.fixture(scope="session")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Generator[TokenRegistry]:
    """A registry behind a token server."""
    with token_registry(tmp_path_factory.mktemp("registry")) as found:
        yield found


@pytest.fixture
def web() -> Generator[Site]:
    """A web server for one test."""
    with site() as found:
        yield found


@pytest.fixture
def tls_web() -> Generator[Site]:
    """A web server that speaks TLS, for one test."""
    with site(DATA / "certificate.pem") as found:
        yield found
