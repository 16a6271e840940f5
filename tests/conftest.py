"""Fixtures everybody shares: the scripted model server, and our own server in front of it."""

from __future__ import annotations

import itertools
import re
import signal
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Protocol

import pytest

from tests.harness import Server, agent_yaml
from tests.scripted.client import Client
from tests.scripted.heard import Model
from tests.scripted.model import Scripted, scripted_server

LANES = 64
WATCHED = pytest.StashKey[list[tuple[Server, int]]]()


def _unheard(number: int, frame: FrameType | None) -> None:
    """A signal that the suite itself goes on ignoring."""


for ignored in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(ignored) is signal.SIG_IGN:
        # A suite in the background of a shell, or under nohup, ignores them, and so would all it
        # starts. What has a handler here has none in a child.
        signal.signal(ignored, _unheard)


class Serve(Protocol):
    """Starts our server for one test."""

    def __call__(
        self, agent: str | Path, *flags: str, env: Mapping[str, str] | None = None
    ) -> Server:
        """A running server; it stops after the test."""
        ...


@dataclass(frozen=True, slots=True)
class Lane:
    """One agent of the shared server, and the scripted model that only this agent speaks with.

    `client` speaks with the agent.
    """

    agent: str
    model: Model
    client: Client
    server: Server


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Tests that are coroutines run on asyncio, as the product does."""
    return "asyncio"


@pytest.fixture(scope="session")
def scripted() -> Generator[Scripted]:
    """The scripted model server."""
    with scripted_server() as server:
        yield server
    assert not server.faults, server.faults


@pytest.fixture(scope="session")
def numbers() -> Iterator[int]:
    """Numbers that no other test has."""
    return itertools.count()


@pytest.fixture
def model(scripted: Scripted, numbers: Iterator[int], request: pytest.FixtureRequest) -> Model:
    """A scripted model that only this test knows."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:60].strip("-")
    return scripted.model(f"{name}-{next(numbers)}")


@pytest.fixture
def serve(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Generator[Serve]:
    """Start our server: `serve(agent_yaml(...), "--api-key", "k")`."""
    with ExitStack() as running:

        def start(agent: str | Path, *flags: str, env: Mapping[str, str] | None = None) -> Server:
            server = Server(agent, *flags, home=tmp_path_factory.mktemp("home"), env=env)
            _watch(request, server)
            return running.enter_context(server)

        yield start


@pytest.fixture(scope="session")
def shared_server(
    scripted: Scripted, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Server]:
    """One server for all tests that need no flags: agents `lane0`, `lane1`, …, each with its own
    scripted model of the same name; and `root`, the default, whose model nobody scripts."""
    lanes = map("lane{}".format, range(LANES))
    agents = {"root": "nobodys", **{name: name for name in lanes}}
    agent = agent_yaml(scripted.url, agents)
    with Server(agent, home=tmp_path_factory.mktemp("home")) as server:
        yield server


@pytest.fixture
def lane(
    shared_server: Server,
    scripted: Scripted,
    numbers: Iterator[int],
    request: pytest.FixtureRequest,
) -> Lane:
    """An agent of the shared server for this test alone, its model an echo that heard nothing."""
    name = f"lane{next(numbers) % LANES}"
    _watch(request, shared_server)
    client = shared_server.client(name)
    return Lane(name, scripted.model(name).forget(), client, shared_server)


def _watch(request: pytest.FixtureRequest, server: Server) -> None:
    watched = request.node.stash.setdefault(WATCHED, [])
    watched.append((server, len(server.log)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows what its servers wrote to stderr meanwhile."""
    report = yield
    if report.failed:
        nothing: list[tuple[Server, int]] = []
        for server, start in item.stash.get(WATCHED, nothing):
            report.sections.append((f"stderr of {server.agent_file.name}", server.log[start:]))
    return report
