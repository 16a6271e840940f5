"""What the end-to-end tests found, as tables for people: clients by cases, and figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import pytest

from tests.e2e.matrix import CASES, CLIENTS

CELL, FIGURE = "cell", "figure"
_MARKS = {"passed": "yes", "failed": "NO", "skipped": "-"}


def cell(request: pytest.FixtureRequest, client: str, case: str) -> None:
    """Say which cell of the table a test is."""
    request.node.user_properties.append((CELL, [client, case]))


def figure(request: pytest.FixtureRequest, what: str, value: object) -> None:
    """Note a number that people want to see."""
    request.node.user_properties.append((FIGURE, [what, str(value)]))


def of_cells(reports: Sequence[pytest.TestReport]) -> Iterator[str]:
    """One row per client, one column per case, and why a cell is empty."""
    cells: dict[tuple[str, str], str] = {}
    for report in reports:
        for name, value in report.user_properties:
            if name == CELL:
                client, case = _pair(value)
                cells[client, case] = _MARKS[report.outcome]
    if not cells:
        return
    width = max(len(client.name) for client in CLIENTS)
    yield ""
    yield " | ".join(["client".ljust(width), *CASES])
    for client in CLIENTS:
        row = [cells.get((client.name, case), "").ljust(len(case)) for case in CASES]
        yield " | ".join([client.name.ljust(width), *row])
    yield ""
    for client in CLIENTS:
        for case, reason in client.cannot.items():
            yield f"- {client.name}, {case}: {reason}"


def of_figures(reports: Sequence[pytest.TestReport]) -> Iterator[str]:
    """One line per figure, under the test that measured it."""
    for report in reports:
        figures = [value for name, value in report.user_properties if name == FIGURE]
        if figures and report.when == "call":
            yield ""
            yield report.nodeid.rpartition("::")[2].removeprefix("test_").replace("_", " ")
            for what, value in map(_pair, figures):
                yield f"  {what}: {value}"


def _pair(value: object) -> tuple[str, str]:
    """Two texts, which were a list on their way from a worker."""
    first, second = cast(list[str], value)
    return first, second
