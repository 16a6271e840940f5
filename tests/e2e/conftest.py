"""What end-to-end tests share. They are collected only for `make e2e`, which makes their
environments first."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import ExitStack
from typing import Protocol

import pytest

from tests.e2e import table
from tests.e2e.driver import Driver
from tests.e2e.matrix import Client

collect_ignore_glob = [] if "E2E_HOME" in os.environ else ["test_*.py"]


class Drivers(Protocol):
    """Finds the running driver of a client."""

    def __call__(self, client: Client) -> Driver:
        """It runs until the session ends."""
        ...


@pytest.fixture(scope="session")
def drivers(tmp_path_factory: pytest.TempPathFactory) -> Generator[Drivers]:
    """One driver per client, started when it is first asked for."""
    running: dict[str, Driver] = {}
    with ExitStack() as started:

        def driver_of(client: Client) -> Driver:
            if client.name not in running:
                if not client.installed:
                    pytest.skip(f"{client.name} is not installed")
                home = tmp_path_factory.mktemp("client")
                running[client.name] = started.enter_context(Driver(client.command, home))
            return running[client.name]

        yield driver_of


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table of clients and cases, and the figures of what was measured."""
    reports = [
        report
        for outcome in ("passed", "failed", "skipped", "error")
        for report in terminalreporter.stats.get(outcome, [])
        if isinstance(report, pytest.TestReport)
    ]
    for line in (*table.of_cells(reports), *table.of_figures(reports)):
        terminalreporter.write_line(line)
